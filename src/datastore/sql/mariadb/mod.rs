//! What is MariaDB's own: how it is reached, and what its catalogue says.

pub(super) mod catalogue;
pub(super) mod connect;
pub(super) mod privileges;
pub(super) mod size;

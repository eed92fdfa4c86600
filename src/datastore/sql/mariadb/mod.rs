//! What is MariaDB's own: how it is reached, what its catalogue says, how far its purge is, and how far its
//! replicas are behind.

pub(super) mod catalogue;
pub(super) mod connect;
pub(super) mod level;
pub(super) mod privileges;
pub(super) mod replicas;
pub(super) mod size;

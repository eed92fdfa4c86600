//! What is PostgreSQL's own: how it is reached, what its catalogue says, and what it remembers of a transaction.

pub(super) mod catalogue;
pub(super) mod connect;
pub(super) mod evidence;
pub(super) mod facts;
pub(super) mod privileges;
pub(super) mod size;

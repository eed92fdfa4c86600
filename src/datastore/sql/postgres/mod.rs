//! What is PostgreSQL's own: how it is reached, what its catalogue says, what it remembers of a transaction, what
//! VACUUM removes, and what it knows of its replicas.

pub(super) mod catalogue;
pub(super) mod connect;
mod domain;
pub(super) mod evidence;
pub(super) mod facts;
pub(super) mod level;
pub(super) mod privileges;
pub(super) mod replicas;
pub(super) mod size;

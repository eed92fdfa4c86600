//! What is SQLite's own: its file, its catalogue, what it overwrites, and the worlds in memory of rule tests.

pub(super) mod catalogue;
pub(super) mod connect;
pub(super) mod level;
pub(super) mod privileges;
pub(super) mod size;
pub(super) mod trial;

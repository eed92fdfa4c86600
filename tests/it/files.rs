//! The files datastore, on real file systems: the one under the temporary folder, and a tmpfs.

mod attack;
mod change;
mod dispose;
mod mounts;
mod names;
mod permission;
mod root;
mod steps;
pub mod world;

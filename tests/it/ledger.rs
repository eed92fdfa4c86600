//! The ledger: against two independent implementations of the tree, against its own document, and against every
//! single changed byte.

mod audits;
mod commitments;
mod document;
mod entries;
mod levels;
mod notes;
mod orders;
mod proofs;
mod settled;
mod tiles;
mod trees;
mod units;
mod world;

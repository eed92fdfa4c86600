//! What an auditor could read alone: entries, commitments, the tree, checkpoints, proofs. Pure: no I/O, no
//! clock, no source of randomness; bytes come in as arguments.
//!
//! `docs/ledger-format.md` is the normative description; a stranger can write a verifier from it, and
//! `tests/verify_proof.py` is one.
//!
//! Bottom up: [`hash`] and [`tree`] are RFC 6962; [`key`] and [`checkpoint`] are C2SP signed notes;
//! [`canonical`] is the one way JSON is written; [`entry`] is one leaf of the ledger; [`commitment`] stands for
//! one record without naming it; [`proof`] is what an auditor verifies offline; [`audit`] reads a whole ledger;
//! [`tiles`] lays it out as files.

mod bytes;
mod instant;

pub mod audit;
pub mod canonical;
pub mod checkpoint;
pub mod commitment;
pub mod entry;
pub mod error;
pub mod hash;
pub mod key;
pub mod name;
pub mod proof;
pub mod tiles;
pub mod tree;

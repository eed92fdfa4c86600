//! `expunged` disposes of records when their retention period has ended, before the deadline that was
//! promised, and keeps proofs that an outsider can verify.
//!
//! A module imports only modules on lower floors; within a floor, only inside one folder
//! (`tests/it/architecture.rs` holds it to that).
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`model`], [`clock`], [`secret`], [`diagnostic`], [`hook`]: no I/O but the host's clock and randomness, and reading a source file |
//! | 1 | [`config`], [`rules`], [`pseudonym`], [`ledger`] |
//! | 2 | [`state`] |
//! | 3 | [`datastore`] |
//! | 4 | [`sweep`], [`report`], [`concept`] |
//! | 5 | [`deployment`] |
//! | 6 | [`daemon`] |
//! | 7 | [`cli`] |

pub mod cli;
pub mod clock;
pub mod concept;
pub mod config;
pub mod daemon;
pub mod datastore;
pub mod deployment;
pub mod diagnostic;
pub mod hook;
pub mod ledger;
pub mod model;
pub mod pseudonym;
pub mod report;
pub mod rules;
pub mod secret;
pub mod state;
pub mod sweep;

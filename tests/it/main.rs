//! The integration tests: one binary.

mod calendar;
mod config;
#[cfg(feature = "test-hooks")]
mod crash;
mod ledger;
mod rules;

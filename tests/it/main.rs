//! The integration tests: one binary.

mod calendar;
mod ledger;
mod rules;

//! The integration tests: one binary.

mod calendar;
mod config;
mod ledger;
mod rules;

//! The integration tests: one binary.

mod calendar;
mod config;
mod judge;
mod ledger;
mod refusals;
mod rules;
mod sweep;
mod world;

//! The integration tests: one binary.

mod architecture;
mod calendar;
mod config;
mod docs;
mod house;
mod ledger;
mod rules;

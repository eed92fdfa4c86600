//! The integration tests: one binary.

mod architecture;
mod calendar;
mod house;
mod ledger;
mod rules;

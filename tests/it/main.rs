//! The integration tests: one binary.

mod architecture;
mod calendar;
mod demo;
mod house;
mod ledger;
mod rules;

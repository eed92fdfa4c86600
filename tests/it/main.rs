//! The integration tests: one binary.

mod calendar;
mod config;
mod demo;
mod ledger;
mod rules;

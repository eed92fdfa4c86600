//! The integration tests: one binary.

mod architecture;
mod calendar;
mod commands;
mod config;
#[cfg(feature = "test-hooks")]
mod crash;
mod demo;
mod docs;
mod house;
mod judge;
mod ledger;
mod policy;
mod refusals;
mod rules;
mod sweep;
mod trial;
mod units;
mod world;

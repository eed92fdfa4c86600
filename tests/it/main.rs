//! The integration tests: one binary.

mod architecture;
mod calendar;
#[cfg(feature = "test-hooks")]
mod canaries;
mod commands;
mod config;
#[cfg(feature = "test-hooks")]
mod conformance;
#[cfg(feature = "test-hooks")]
mod crash;
#[cfg(feature = "test-hooks")]
mod daemon;
mod demo;
mod deploy;
mod docs;
mod files;
mod files_rule;
mod house;
mod judge;
mod ledger;
mod listing;
mod orders;
mod pattern;
mod policy;
mod refusals;
mod report;
mod rules;
mod schema;
mod sweep;
mod trial;
mod units;
mod world;

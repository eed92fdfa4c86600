//! The integration tests: one binary.

#[cfg(feature = "test-hooks")]
mod ahead;
mod architecture;
mod calendar;
#[cfg(feature = "test-hooks")]
mod canaries;
mod ci;
mod columns;
mod commands;
mod concept;
#[cfg(feature = "test-hooks")]
mod concurrency;
mod config;
#[cfg(feature = "test-hooks")]
mod conformance;
mod connect;
#[cfg(feature = "test-hooks")]
mod crash;
#[cfg(feature = "test-hooks")]
mod daemon;
mod demo;
mod deploy;
mod diff;
mod docs;
mod explain;
mod files;
mod files_rule;
mod grants;
mod house;
mod judge;
mod lag;
mod ledger;
mod levels;
mod links;
mod listing;
#[cfg(feature = "test-hooks")]
mod measured;
mod orders;
mod output;
mod pattern;
mod policy;
mod refusals;
mod report;
mod rules;
mod schema;
mod servers;
mod sweep;
mod trial;
mod units;
mod world;
mod written;

//! The report: its view from entries built by hand, its forms, and its numbers against a second reader of the ledger.

mod book;
mod command;
mod figures;
pub mod forms;
mod oracle;
mod standing;

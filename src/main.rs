//! Parses, runs, prints the error chain, exits with the documented code.

use std::process::ExitCode;

use clap::Parser as _;
use expunged::cli::{self, Cli};

fn main() -> ExitCode {
    cli::hide_panics();
    match cli::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{}", failure.message());
            failure.exit().into()
        }
    }
}

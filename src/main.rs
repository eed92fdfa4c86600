//! Parses, runs, prints the error chain, exits with the documented code.

use std::process::ExitCode;

use clap::Parser as _;
use expunged::cli::{self, Cli};

/// Untouched memory, next to the most that glibc learns from.
const LARGEST_FREED: usize = (32 << 20) - (64 << 10);

fn main() -> ExitCode {
    keep_memory();
    cli::hide_panics();
    match cli::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{}", failure.message());
            failure.exit().into()
        }
    }
}

/// What one batch has used, the next one uses. glibc would give it back to the kernel in between and ask for it again, page by page, which
/// took an eighth of a small sweep. It keeps what lies below a threshold that grows with the largest block that was ever freed.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_FREED)));
}

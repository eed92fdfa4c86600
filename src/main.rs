//! Parses, runs, prints the error chain, exits with the documented code.

use std::process::ExitCode;

use clap::Parser as _;
use expunged::cli::{self, Cli};

/// Half of what is kept: with 2 MiB the batches of a small sweep still ask anew, with 4 MiB a large one holds 2 MiB more at its peak.
const LARGEST_FREED: usize = 3 << 20;

fn main() -> ExitCode {
    keep_memory();
    cli::hide_panics();
    match cli::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            cli::tell(&failure);
            failure.exit().into()
        }
    }
}

/// What one batch has used, the next one uses. glibc would give it back to the kernel in between and ask for it again, page by page, which
/// took an eighth of a small sweep. It keeps twice as much as the largest block that was ever freed; nothing of this one is touched.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_FREED)));
}

//! Standard output and standard error, where somebody may have stopped reading.
//!
//! `print!` and its like of the standard library panic where they cannot write, which `| head` and `| grep -q` bring about: a sweep whose
//! records are gone would end like a bug, and its own exit code would be lost. Those of this module have their names, so that no command
//! can do without them.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use super::{Exit, Failure, Outcome};

/// Why standard output could not be written to its end, other than that its reader had left.
static LOST: OnceLock<io::Error> = OnceLock::new();

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::cli::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::output::complain(format_args!("{}\n", format_args!($($text)*))) };
}

pub(super) fn print(text: fmt::Arguments<'_>) {
    heed(io::stdout().write_fmt(text));
}

/// There is nowhere to say that this cannot be said.
pub(super) fn complain(text: fmt::Arguments<'_>) {
    drop(io::stderr().write_fmt(text));
}

/// A reader who leaves has what they wanted; whatever else goes wrong is said at the end.
fn heed(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first says why; those that follow from it say no more.
        LOST.get_or_init(|| error);
    }
}

/// Standard output for what writes to anything; it never fails.
pub(super) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        heed(io::stdout().write_all(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        heed(io::stdout().flush());
        Ok(())
    }
}

/// With what a command ends, once all that it printed was handed over: output that is lost is a finding, whatever has been done.
pub(super) fn handed_over(outcome: Outcome) -> Outcome {
    heed(io::stdout().flush());
    match (outcome, LOST.get()) {
        (Ok(exit), Some(error)) => {
            eprintln!("error: standard output could not be written to its end: {error}");
            Ok(exit.max(Exit::Finding))
        }
        (outcome, _) => outcome,
    }
}

/// Says why a command failed.
pub fn tell(failure: &Failure) {
    eprintln!("{}", failure.message());
}

//! Parses, runs, prints the error chain, exits with the documented code.

fn main() {}

//! Rules.

pub mod bind;
pub mod cutoff;
pub mod decide;
pub mod rule;
pub mod schedule;

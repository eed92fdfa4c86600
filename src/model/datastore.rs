//! What the configuration says of a datastore, and the pace that rules inherit.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use chrono::TimeDelta;

use super::schedule::Schedule;

/// A datastore as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datastore {
    /// Which engine.
    pub kind: DatastoreKind,
    /// The database file, or the root of the tree.
    pub path: PathBuf,
    /// How fast it may be swept.
    pub pace: Pace,
}

/// Which engine holds a datastore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatastoreKind {
    /// A database in a file.
    Sqlite,
    /// A tree of files.
    Files,
}

impl DatastoreKind {
    /// The word for it in the configuration and in a rule's digest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Files => "files",
        }
    }
}

/// Which datastore a rule was bound to, as far as its digest cares: not what the configuration calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatastoreIdentity {
    /// Which engine.
    pub kind: DatastoreKind,
    /// Where: the absolute path of the file or the root, without secrets.
    pub location: String,
}

/// Rows a second, dependents included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most so many.
    RowsPerSecond(NonZeroU32),
    /// As fast as it goes.
    Unlimited,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowsPerSecond(rows) => write!(f, "{rows} rows a second"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// What holds where a rule or a datastore says nothing of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// When a rule is swept.
    pub schedule: Schedule,
    /// Records under one intent, at most.
    pub batch: NonZeroU32,
    /// How fast a datastore may be swept.
    pub pace: Pace,
    /// How long one sweep may take; what is left waits for the next.
    pub run_cap: TimeDelta,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            schedule: "0 0 * * * *".parse().expect("a constant, parsed by a test"),
            batch: NonZeroU32::MIN.saturating_add(1999),
            pace: Pace::RowsPerSecond(NonZeroU32::MIN.saturating_add(19_999)),
            run_cap: TimeDelta::minutes(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let defaults = Defaults::default();
        assert_eq!(defaults.schedule.longest_gap(), TimeDelta::hours(1));
        assert_eq!(defaults.batch.get(), 2000);
        assert_eq!(defaults.pace.to_string(), "20000 rows a second");
    }
}

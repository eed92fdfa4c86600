//! Instants and lengths of time: exact in JSON, short on a page.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// An instant of the ledger or of the command line, never of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub DateTime<Utc>);

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Seconds(pub u64);

impl Moment {
    /// The day alone.
    pub fn day(&self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

/// In its two largest units.
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
        let first = units.iter().position(|(_, size)| self.0 >= *size).unwrap_or(units.len() - 1);
        let (name, size) = units[first];
        write!(f, "{} {name}", self.0 / size)?;
        match units.get(first + 1) {
            Some((name, next)) if self.0 % size >= *next => write!(f, " {} {name}", self.0 % size / next),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seconds;

    #[test]
    fn a_length_is_told_in_its_two_largest_units() {
        for (seconds, told) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
            (86_460, "1 d"),
        ] {
            assert_eq!(Seconds(seconds).to_string(), told);
        }
    }
}

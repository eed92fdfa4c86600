//! The two instants that decide: one can never be early, the other never late.

use chrono::{DateTime, TimeDelta, Utc};

/// How far two clocks that are both kept by a time service may stand apart without anyone noticing.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// The present, frozen for a whole sweep.
///
/// `eligible` decides what is due and runs behind every clock that was asked; `late` decides what is overdue and runs
/// ahead of them: nothing is disposed of early and no missed deadline is hidden because a clock is a little off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Decides *due*.
    pub eligible: DateTime<Utc>,
    /// Decides *overdue*.
    pub late: DateTime<Utc>,
}

impl Now {
    /// From the host's clock and, where the datastore has one, the datastore's.
    pub fn from_clocks(host: DateTime<Utc>, datastore: Option<DateTime<Utc>>) -> Self {
        let other = datastore.unwrap_or(host);
        Self { eligible: host.min(other) - MARGIN, late: host.max(other) + MARGIN }
    }

    /// A given time, without margins: rule tests and `--at`.
    pub fn given(at: DateTime<Utc>) -> Self {
        Self { eligible: at, late: at }
    }
}

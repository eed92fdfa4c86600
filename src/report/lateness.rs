//! How many records of a batch went after a bound, as far as the ledger can say.
//!
//! When the intent was drawn up, `late` records had passed the bound, and `margin` was left to the others, rounded down to two
//! digits. They went between `t0` and `t1`.
//!
//! 1. The others went in time if `t1` is before the end of the margin.
//! 2. At least one of them went late if `t0` is past the last deadline that the margin may stand for, however it was rounded.
//! 3. Between the two nobody can say.
//! 4. Where some of the intended records did not go, nobody can say which: each count is a range.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::ledger::entry::{BatchCommitted, Bound, MINUTE, Timing, ceiling};

/// How many records went late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// These did.
    pub at_least: u64,
    /// No more than these did.
    pub at_most: u64,
}

/// What a batch says of one bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) late: Lateness,
    /// How many whole seconds were left when the last record had gone, to those that were in time; none: of none is it known.
    pub(super) left: Option<u64>,
}

impl Lateness {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.saturating_add(other.at_least),
            at_most: self.at_most.saturating_add(other.at_most),
        }
    }
}

/// Of a batch's own records, `intended` of which were to go and `disposed` of which went.
pub(super) fn kept(
    bound: &Bound,
    timing: &Timing,
    committed: &BatchCommitted,
    intended: u64,
    disposed: u64,
) -> Kept {
    let stayed = intended.saturating_sub(disposed);
    let in_time = bound.margin.is_none_or(|margin| committed.t1 < after(timing.at, margin));
    // A margin ends where the minute of the deadline begins, and the deadline comes within it.
    let passed =
        bound.margin.is_some_and(|margin| committed.t0 >= after(timing.at, ceiling(margin + 1) + MINUTE));
    let late = Lateness {
        at_least: (bound.late + u64::from(passed)).saturating_sub(stayed),
        at_most: if in_time { bound.late.min(disposed) } else { disposed },
    };
    let left = bound.margin.filter(|_| in_time && disposed > 0);
    let left = left.map(|margin| (after(timing.at, margin) - committed.t1).num_seconds().unsigned_abs());
    Kept { late, left }
}

/// The end of time where it lies beyond.
fn after(at: DateTime<Utc>, seconds: u64) -> DateTime<Utc> {
    let length = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
    length.and_then(|length| at.checked_add_signed(length)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

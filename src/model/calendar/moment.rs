//! What a trigger says about time, and the bound that a query compares it with.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::Zone;

/// The time that one record's trigger holds, in whole microseconds.
///
/// Whoever reads a finer clock (a file's modification time) rounds up. Where that was forgotten, `due` rounds up and
/// `deadline` rounds down, but a cut-off is no longer exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// An instant on the one time line.
    Instant(DateTime<Utc>),
    /// What a clock on the wall of the zone showed. In a fold it means two instants: the later for due, the earlier
    /// for the deadline. In a gap it means the instant of the transition.
    Local(NaiveDateTime, Zone),
    /// A civil day of the service's own calendar. The last day chrono represents is taken for infinity: never due.
    Date(NaiveDate),
}

/// The kind of a trigger's values, known when the rule is bound to its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MomentKind {
    /// See [`Moment::Instant`].
    Instant,
    /// See [`Moment::Local`].
    Local(Zone),
    /// See [`Moment::Date`].
    Date,
}

/// An exclusive bound for a query: a trigger *strictly before* it is past, and no other.
///
/// Bound as a typed value, never rendered into SQL. Its kind is that of the triggers it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cutoff {
    /// For [`MomentKind::Instant`].
    Instant(DateTime<Utc>),
    /// For [`MomentKind::Local`], in that zone.
    Local(NaiveDateTime),
    /// For [`MomentKind::Date`].
    Date(NaiveDate),
}

impl Moment {
    /// The kind of cut-off this moment is compared with.
    pub fn kind(&self) -> MomentKind {
        match self {
            Moment::Instant(_) => MomentKind::Instant,
            Moment::Local(_, zone) => MomentKind::Local(*zone),
            Moment::Date(_) => MomentKind::Date,
        }
    }
}

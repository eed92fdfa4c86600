//! Rules held against their schedule and against the promises they keep, over every local day of 2024–2051.
//!
//! Pointwise, because periods of the two kinds have no order of their own: "1 day" ends before "24 hours" on most days
//! and an hour after it on a day of 25 hours. Within one local day a civil bound stands still and an elapsed one moves
//! with the trigger, so the day's first and last instant decide for all between them.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Calendar, Day, Moment, Tick};
use crate::model::period::{DeleteBy, Retain};

/// The shortest time in which a rule's records are due and not yet overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From due to the deadline: zero or negative where no sweep can be in time. [`TimeDelta::MAX`] where there is no
    /// deadline within the calendar, [`TimeDelta::MIN`] where a record never becomes due before its deadline.
    pub length: TimeDelta,
    /// The first local day of a trigger for which it is that short.
    pub on: NaiveDate,
}

// 28 years, after which weekdays and leap years repeat.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a date");
const LAST: NaiveDate = NaiveDate::from_ymd_opt(2051, 12, 31).expect("a date");

impl Calendar {
    /// The shortest window between due and the deadline, over the triggers of 2024–2051.
    ///
    /// For instants and dates. A naive date-time in a fold is due by its later instant and overdue by its earlier, which
    /// takes up to the length of the fold, commonly an hour, off this.
    pub fn shortest_window(&self, retain: &Retain, delete_by: &DeleteBy) -> Window {
        let mut shortest = Window { length: TimeDelta::MAX, on: FIRST };
        for (on, trigger) in self.triggers() {
            let length = match (self.due(&trigger, retain), self.deadline(&trigger, delete_by)) {
                (Some(due), Some(deadline)) => deadline - due,
                (Some(_), None) => TimeDelta::MAX,
                (None, _) => TimeDelta::MIN,
            };
            if length < shortest.length {
                shortest = Window { length, on };
            }
        }
        shortest
    }

    /// A local day on which the rule's deadline is after the promise's; `None`: the rule is at least as strict.
    pub fn first_later_deadline(&self, rule: &DeleteBy, promise: &DeleteBy) -> Option<NaiveDate> {
        let later = |trigger: &Moment| {
            compare(self.deadline(trigger, rule), self.deadline(trigger, promise)) == Ordering::Greater
        };
        self.triggers().find(|(_, trigger)| later(trigger)).map(|(on, _)| on)
    }

    /// A local day on which the rule's due is before the promise's; `None`: the rule is at least as strict.
    pub fn first_earlier_due(&self, rule: &Retain, promise: &Retain) -> Option<NaiveDate> {
        let earlier =
            |trigger: &Moment| compare(self.due(trigger, rule), self.due(trigger, promise)) == Ordering::Less;
        self.triggers().find(|(_, trigger)| earlier(trigger)).map(|(on, _)| on)
    }

    /// The first and last microsecond of each local day, in order. A skipped day has none.
    fn triggers(&self) -> impl Iterator<Item = (NaiveDate, Moment)> + '_ {
        FIRST.iter_days().take_while(|on| *on <= LAST).flat_map(|on| {
            let (first, next) = (self.first(Day::of(on)), self.first(Day::of(on).next()));
            let ends = if first < next { vec![first, Tick(next.0 - 1)] } else { Vec::new() };
            ends.into_iter().filter_map(move |tick| Some((on, Moment::Instant(tick.instant()?))))
        })
    }
}

/// Beyond the calendar is after everything within it.
fn compare(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Ordering {
    one.is_none().cmp(&other.is_none()).then(one.cmp(&other))
}

//! A bound held against another one, perhaps on another calendar: from which day on it comes later, and by how much.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Calendar, Moment};
use crate::model::period::{DeleteBy, Retain};

/// Where one bound comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// The first local day of a trigger on which it does, of 2024–2051.
    pub on: NaiveDate,
    /// By how much there; [`TimeDelta::MAX`] where it lies beyond the calendar.
    pub by: TimeDelta,
}

/// The first bound and the second.
type Bounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

// 28 years, after which weekdays and leap years repeat.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a date");
const LAST: NaiveDate = NaiveDate::from_ymd_opt(2051, 12, 31).expect("a date");

impl Calendar {
    /// Where this calendar's deadline is first after another calendar's; `None`: nowhere.
    pub fn deadline_after(&self, own: &DeleteBy, other: &Calendar, theirs: &DeleteBy) -> Option<Shift> {
        self.shift(other, |trigger| (self.deadline(trigger, own), other.deadline(trigger, theirs)))
    }

    /// Where this calendar's due is first after another calendar's; `None`: nowhere.
    pub fn due_after(&self, own: &Retain, other: &Calendar, theirs: &Retain) -> Option<Shift> {
        self.shift(other, |trigger| (self.due(trigger, own), other.due(trigger, theirs)))
    }

    /// Where the first of two bounds is after the second. Within a day of both calendars a civil bound stands still and an
    /// elapsed one moves with the trigger: the ends of either calendar's days decide for all between them.
    fn shift(&self, other: &Calendar, bounds: impl Fn(&Moment) -> Bounds) -> Option<Shift> {
        let first = |calendar: &Calendar| {
            calendar.ends().find_map(|(on, trigger)| {
                let by = match bounds(&trigger) {
                    (Some(own), Some(theirs)) => own - theirs,
                    (None, Some(_)) => TimeDelta::MAX,
                    (Some(_) | None, None) => TimeDelta::zero(),
                };
                (by > TimeDelta::zero()).then_some(Shift { on, by })
            })
        };
        let others = if self == other { None } else { first(other) };
        first(self).into_iter().chain(others).min_by_key(|shift| shift.on)
    }

    /// The first and last microsecond of each local day, in order. A skipped day has none.
    fn ends(&self) -> impl Iterator<Item = (NaiveDate, Moment)> + '_ {
        FIRST.iter_days().take_while(|on| *on <= LAST).flat_map(|on| {
            let next = on.succ_opt().and_then(|next| self.first_instant(next));
            let ends = self.first_instant(on).zip(next).filter(|(first, next)| first < next);
            let ends = ends.map(|(first, next)| [first, next - TimeDelta::microseconds(1)]);
            ends.into_iter().flatten().map(move |at| (on, Moment::Instant(at)))
        })
    }
}

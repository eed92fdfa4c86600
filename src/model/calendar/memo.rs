//! Bounds of triggers that come in no strict order: those of one civil day share theirs.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::steps::Nobody;
use super::zone::{DAY, Tick};
use super::{Calendar, Moment, Reading};
use crate::model::period::{DeleteBy, Period, Retain};

/// One bound of a rule, for many triggers: [`Calendar::due`] or [`Calendar::deadline`], worked out once a civil day. Records come in the
/// order of their pages, days early or late: as many days are remembered as a batch may go back and forth between.
#[derive(Debug, Clone)]
pub struct Memo {
    calendar: Calendar,
    of: Of,
    /// Each in the place that its number has, the last that was asked about of those that share it; no places yet before the first.
    known: Vec<Option<Known>>,
}

/// The instants of a day, and what it came to.
type Known = (Range<Tick>, Option<DateTime<Utc>>);

/// So many days are remembered: of a table that is swept by the month, all of a batch.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Retain(Retain),
    DeleteBy(DeleteBy),
}

impl PartialEq for Memo {
    /// What it remembers changes nothing.
    fn eq(&self, other: &Self) -> bool {
        (self.calendar, self.of) == (other.calendar, other.of)
    }
}

impl Eq for Memo {}

impl Memo {
    /// When records are due.
    pub fn due(calendar: Calendar, retain: Retain) -> Self {
        Self { calendar, of: Of::Retain(retain), known: Vec::new() }
    }

    /// When they are overdue.
    pub fn deadline(calendar: Calendar, delete_by: DeleteBy) -> Self {
        Self { calendar, of: Of::DeleteBy(delete_by), known: Vec::new() }
    }

    /// The bound of a record with this trigger; `None`: beyond the calendar.
    pub fn of(&mut self, trigger: &Moment) -> Option<DateTime<Utc>> {
        let reading = match self.of {
            Of::Retain(_) => Reading::Latest,
            Of::DeleteBy(_) => Reading::Earliest,
        };
        // A date is a day already, and elapsed time counts from the instant.
        let is_shared = matches!(self.period(), Period::Civil(_)) && !matches!(trigger, Moment::Date(_));
        if !is_shared {
            return self.worked_out(trigger);
        }
        let at = self.calendar.read(trigger, reading, &mut Nobody)?;
        // No clock is a day from UTC.
        let in_utc = at.0.div_euclid(DAY);
        for day in [in_utc, in_utc + 1, in_utc - 1] {
            if let Some(Some((instants, end))) = self.known.get(place(day))
                && instants.contains(&at)
            {
                return *end;
            }
        }
        let end = self.worked_out(trigger);
        let day = self.calendar.zone.day(at);
        self.known.resize(REMEMBERED, None);
        self.known[place(day.0)] = Some((self.calendar.first(day)..self.calendar.first(day.next()), end));
        end
    }

    fn period(&self) -> Period {
        match &self.of {
            Of::Retain(retain) => retain.period(),
            Of::DeleteBy(delete_by) => delete_by.period(),
        }
    }

    fn worked_out(&self, trigger: &Moment) -> Option<DateTime<Utc>> {
        match &self.of {
            Of::Retain(retain) => self.calendar.due(trigger, retain),
            Of::DeleteBy(delete_by) => self.calendar.deadline(trigger, delete_by),
        }
    }
}

/// Where what is known of a day is kept: by the lowest bits of its number.
fn place(day: i64) -> usize {
    usize::from(day.to_le_bytes()[0]) % REMEMBERED
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Around both changes of the clock, at St John's where a midnight was shown twice, and over the day that Apia skipped.
    #[test]
    fn what_is_remembered_is_what_is_worked_out() {
        for (zone, from) in [
            ("Europe/Berlin", "2026-03-28T00:00:00Z"),
            ("Europe/Berlin", "2026-10-24T00:00:00Z"),
            ("America/St_Johns", "2010-11-06T00:00:00Z"),
            ("Pacific/Apia", "2011-12-28T00:00:00Z"),
        ] {
            let calendar = Calendar::new(zone.parse().expect("a zone"));
            let retain = Retain::new("1 month".parse().expect("a period"));
            let delete_by = DeleteBy::new("2 months 3 days".parse().expect("a period")).expect("not zero");
            let (mut due, mut deadline) = (Memo::due(calendar, retain), Memo::deadline(calendar, delete_by));
            let from: DateTime<Utc> = from.parse().expect("an instant");
            // Up to the microsecond before each quarter of an hour, forwards and back again.
            let steps = (0..4 * 96).chain((0..4 * 96).rev());
            for at in steps.flat_map(|n| {
                let at = from + TimeDelta::minutes(15 * n);
                [at - TimeDelta::nanoseconds(1), at - TimeDelta::microseconds(1), at]
            }) {
                let moment = Moment::Instant(at);
                assert_eq!(due.of(&moment), calendar.due(&moment, &retain), "{zone} {at}");
                assert_eq!(deadline.of(&moment), calendar.deadline(&moment, &delete_by), "{zone} {at}");
            }
        }
    }

    /// Days that share a place, before 1970 and behind, and two at a time as they come in a table.
    #[test]
    fn of_more_days_than_are_remembered_none_is_taken_for_another() {
        for zone in ["Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"] {
            let calendar = Calendar::new(zone.parse().expect("a zone"));
            let retain = Retain::new("1 month".parse().expect("a period"));
            let mut due = Memo::due(calendar, retain);
            for n in (-300..300).chain([0, 64, 128, 0, 256, -64, 64, -256]) {
                for hours in [0, 23, 11, 1, 14] {
                    let at = DateTime::UNIX_EPOCH + TimeDelta::days(n) + TimeDelta::hours(hours);
                    let moment = Moment::Instant(at);
                    assert_eq!(due.of(&moment), calendar.due(&moment, &retain), "{zone} {at}");
                }
            }
            assert_eq!(due.known.len(), REMEMBERED);
        }
    }
}

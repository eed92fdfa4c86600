//! Where a period ends, by the world's own plain arithmetic: nothing here asks the calendar that the sweep uses.

use chrono::{DateTime, Days, FixedOffset, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::model::now::Now;

/// A length, as a rule writes it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    /// Elapsed.
    Hours(i64),
    /// By the calendar.
    Civil {
        /// Added first.
        months: u32,
        /// Added then.
        days: u64,
    },
}

/// Nothing is waited for.
pub(super) const AT_ONCE: Span = Span::Hours(0);

pub(super) const fn days(days: u64) -> Span {
    Span::Civil { months: 0, days }
}

pub(super) const fn months(months: u32) -> Span {
    Span::Civil { months, days: 0 }
}

/// Both zones of the shipped services have kept their clocks since 2014: an offset is all there is to them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Zone {
    Moscow,
    Utc,
}

impl Zone {
    fn offset(self) -> TimeDelta {
        match self {
            Self::Moscow => TimeDelta::hours(3),
            Self::Utc => TimeDelta::zero(),
        }
    }

    /// The date that a calendar on the wall shows.
    fn date(self, at: DateTime<Utc>) -> NaiveDate {
        (at + self.offset()).date_naive()
    }

    fn midnight(self, day: NaiveDate) -> DateTime<Utc> {
        day.and_time(NaiveTime::MIN).and_utc() - self.offset()
    }
}

/// So much is left at least to what has to go, however slow the machine: the world begins without a backlog.
const SPARE: TimeDelta = TimeDelta::minutes(5);

/// The instants between which a trigger is due and in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) now: Now,
    /// The last trigger that is due.
    pub(super) due: DateTime<Utc>,
    /// The first trigger whose deadline has not come yet, and will not for five minutes.
    pub(super) tight: DateTime<Utc>,
}

impl Bounds {
    pub(super) fn of(now: Now, zone: Zone, retain: Span, delete_by: Span) -> Self {
        let due = match retain {
            // due when trigger + h <= eligible
            Span::Hours(hours) => now.eligible - TimeDelta::hours(hours),
            // due from the first instant of the day after D + retain
            Span::Civil { months, days } => {
                let today = zone.date(now.eligible);
                let last = last_day(today, |day| add(day, months, days + 1) <= today);
                zone.midnight(last + Days::new(1)) - TimeDelta::microseconds(1)
            }
        };
        let limit = now.late + SPARE;
        let tight = match delete_by {
            // overdue when trigger + h <= late
            Span::Hours(hours) => limit - TimeDelta::hours(hours),
            // overdue from the first instant of D + delete_by
            Span::Civil { months, days } => {
                let today = zone.date(limit);
                let last = last_day(today, |day| add(day, months, days) <= today);
                zone.midnight(last + Days::new(1))
            }
        };
        Self { now, due, tight }
    }

    /// The `number`th of `count` instants, evenly over the time in which a trigger is due and in time.
    pub(super) fn between(&self, number: usize, count: usize) -> DateTime<Utc> {
        let part = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        self.tight + (self.due - self.tight) / part(count + 1) * part(number + 1)
    }
}

fn add(day: NaiveDate, months: u32, days: u64) -> NaiveDate {
    day + Months::new(months) + Days::new(days)
}

/// The latest day up to `today` of which it is true.
fn last_day(today: NaiveDate, has_ended: impl Fn(NaiveDate) -> bool) -> NaiveDate {
    let mut day = today;
    // Ends within the length of the period and a month.
    while !has_ended(day) {
        day = day - Days::new(1);
    }
    day
}

/// Moscow's time, as an application that writes it would: the same instant in other words.
pub(super) fn in_moscow(at: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(3 * 3600) {
        Some(offset) => at.with_timezone(&offset).to_rfc3339_opts(chrono::SecondsFormat::Micros, false),
        None => super::stamp(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_every_day_something_is_due_and_in_time() {
        let mut at = DateTime::UNIX_EPOCH + TimeDelta::days(365 * 54) + TimeDelta::hours(20);
        let spans = [
            (AT_ONCE, Span::Hours(24)),
            (AT_ONCE, days(3)),
            (AT_ONCE, months(1)),
            (days(7), months(1)),
            (days(21), months(1)),
            (days(80), days(90)),
            (months(6), Span::Civil { months: 6, days: 7 }),
            (months(36), Span::Civil { months: 36, days: 14 }),
        ];
        for _ in 0..1_461 {
            for zone in [Zone::Moscow, Zone::Utc] {
                for (retain, delete_by) in spans {
                    let bounds = Bounds::of(Now::from_clocks(at, None), zone, retain, delete_by);
                    assert!(
                        bounds.tight + TimeDelta::hours(12) < bounds.due,
                        "{at} {retain:?} {delete_by:?}"
                    );
                }
            }
            at += TimeDelta::days(1) + TimeDelta::minutes(1);
        }
    }
}

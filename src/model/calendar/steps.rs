//! The arithmetic of a bound, step by step, told by the functions that compute it.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

use super::zone::{Tick, Wall};
use super::{Calendar, Moment, Zone};
use crate::model::period::{Civil, DeleteBy, Elapsed, Retain};

/// One step on the way from a trigger to a bound. [`Display`](fmt::Display) writes it for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A wall-clock time, and the instant that counts for this bound.
    Read {
        /// What the clock showed.
        shown: NaiveDateTime,
        /// Whose clock.
        zone: Zone,
        /// How often it showed it.
        showing: Showing,
        /// The instant.
        at: DateTime<Utc>,
    },
    /// D, the local date of the trigger.
    Day {
        /// D.
        day: NaiveDate,
        /// Where; none: the trigger is a date already.
        zone: Option<Zone>,
    },
    /// Calendar months.
    Months {
        /// Counted from D.
        from: NaiveDate,
        /// How many.
        months: u32,
        /// On the same day of the month, or on the month's last where it has no such day.
        to: NaiveDate,
    },
    /// Calendar days.
    Days {
        /// The months that were added before.
        months: u32,
        /// How many.
        days: u32,
        /// Where they end.
        to: NaiveDate,
    },
    /// The instant that a day begins with.
    First {
        /// The day on which the period ends.
        last: NaiveDate,
        /// That day, for a deadline; the next one, for due.
        of: NaiveDate,
        /// In this zone.
        zone: Zone,
        /// Its first instant.
        at: DateTime<Utc>,
    },
    /// Elapsed time.
    Elapsed {
        /// The trigger's instant.
        from: DateTime<Utc>,
        /// How long.
        length: Elapsed,
        /// The instant at its end.
        at: DateTime<Utc>,
        /// The zone it is shown in.
        zone: Zone,
    },
}

/// How often a clock showed a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// Once, as nearly always.
    Once,
    /// Never: it was set forward over it. The instant of the transition counts.
    Never,
    /// Twice: it was set back over it. The later counts for due, the earlier for the deadline.
    Twice,
}

/// A bound, and every step that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working {
    /// In their order; the last one's instant is the bound.
    pub steps: Vec<Step>,
    /// The bound; none: it lies beyond the calendar, and the steps break off.
    pub end: Option<DateTime<Utc>>,
}

/// Hears each step of a computation. What nobody hears is not computed.
pub(super) trait Listener {
    /// Takes the next step; none: it cannot be represented.
    fn hear(&mut self, step: impl FnOnce() -> Option<Step>);
}

/// Hears nothing: sweeps ask for bounds a million times.
pub(super) struct Nobody;

impl Listener for Nobody {
    fn hear(&mut self, _: impl FnOnce() -> Option<Step>) {}
}

impl Listener for Vec<Step> {
    fn hear(&mut self, step: impl FnOnce() -> Option<Step>) {
        self.extend(step());
    }
}

impl Calendar {
    /// [`Calendar::due`], with its steps.
    pub fn due_working(&self, trigger: &Moment, retain: &Retain) -> Working {
        let mut steps = Vec::new();
        let end = self.due_heard(trigger, retain, &mut steps);
        Working { steps, end }
    }

    /// [`Calendar::deadline`], with its steps.
    pub fn deadline_working(&self, trigger: &Moment, delete_by: &DeleteBy) -> Working {
        let mut steps = Vec::new();
        let end = self.deadline_heard(trigger, delete_by, &mut steps);
        Working { steps, end }
    }
}

/// The day a civil period ends on when it is counted from `day`; monotone in `day`.
pub(super) fn end_of(day: NaiveDate, civil: Civil, heard: &mut impl Listener) -> Option<NaiveDate> {
    let month = day.checked_add_months(chrono::Months::new(civil.months))?;
    if civil.months > 0 {
        heard.hear(|| Some(Step::Months { from: day, months: civil.months, to: month }));
    }
    let last = month.checked_add_days(chrono::Days::new(u64::from(civil.days)))?;
    if civil.days > 0 || civil.months == 0 {
        heard.hear(|| Some(Step::Days { months: civil.months, days: civil.days, to: last }));
    }
    Some(last)
}

/// How often the clocks of a zone showed a time.
pub(super) fn showing(zone: Zone, shown: NaiveDateTime) -> Showing {
    let first = zone.earliest(Wall::floor(shown));
    if first < zone.latest(Wall::ceil(shown)) {
        return Showing::Twice;
    }
    let clock = first.instant().map(|at| Tick::floor(zone.wall_clock(at).and_utc()));
    if clock == Some(Tick::floor(shown.and_utc())) { Showing::Once } else { Showing::Never }
}

impl Zone {
    /// An instant as a clock of this zone shows it, in RFC 3339 with the offset it has then.
    pub fn rfc3339(&self, at: DateTime<Utc>) -> String {
        let wall = self.wall_clock(at);
        // Offsets of whole minutes are all that RFC 3339 can say; before 1972 some were not.
        let minutes = (wall - at.naive_utc()).num_minutes();
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.abs();
        format!("{}{sign}{:02}:{:02}", wall.format("%Y-%m-%dT%H:%M:%S%.f"), minutes / 60, minutes % 60)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { shown, zone, showing, at } => {
                let how = match showing {
                    Showing::Once => "",
                    Showing::Never => ", which the clocks skipped; the transition counts",
                    Showing::Twice => ", which the clocks showed twice",
                };
                write!(f, "{} in {zone}{how}: {}", shown.format("%Y-%m-%dT%H:%M:%S%.f"), zone.rfc3339(*at))
            }
            Self::Day { day, zone: Some(zone) } => write!(f, "D = {day} ({zone})"),
            Self::Day { day, zone: None } => write!(f, "D = {day} (the trigger is a date)"),
            Self::Months { from, months, to } => {
                let clamped = chrono::Datelike::day(from) != chrono::Datelike::day(to);
                let note = if clamped { " (the month's last day)" } else { "" };
                write!(f, "D + {} = {to}{note}", Civil { months: *months, days: 0 })
            }
            Self::Days { months, days, to } => {
                write!(f, "D + {} = {to}", Civil { months: *months, days: *days })
            }
            Self::First { last, of, zone, at } => {
                let which = if of == last { "that day" } else { "the next day" };
                write!(f, "first instant of {which}: {} = {}", zone.rfc3339(*at), utc(*at))?;
                let clock = zone.wall_clock(*at);
                if clock.date() != *of {
                    write!(f, " ({of} was skipped there)")
                } else if clock.time() != NaiveTime::MIN {
                    write!(f, " (there was no midnight)")
                } else {
                    Ok(())
                }
            }
            Self::Elapsed { from, length, at, zone } => {
                write!(f, "{} + {length} = {} = {}", zone.rfc3339(*from), zone.rfc3339(*at), utc(*at))
            }
        }
    }
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Working {
    /// The steps as lines; where they break off, a last line says so.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        if self.end.is_none() {
            lines.push("beyond the calendar: never".to_owned());
        }
        lines
    }
}

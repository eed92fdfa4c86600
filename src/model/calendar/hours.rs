//! The hours of the day in which a datastore may be swept.
//!
//! 1. It is open at an instant if what the zone's clock shows then is at or after `from` and before `to`; where `to` is the
//!    earlier of the two, the hours go over midnight.
//! 2. Nothing else is asked. What a clock set forward passes over is missing on that day, what one set back shows twice is open
//!    twice, and a day that was skipped has no hours.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::zone::{DAY, Tick, Zone};

/// Some of the hours of every day, never none and never all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: NaiveTime,
    to: NaiveTime,
    zone: Zone,
}

/// Hours without a length: from a time to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it begins and ends at {at}, and lasts no time at all or always", at = .0.format("%H:%M"))]
pub struct NoHours(NaiveTime);

impl Hours {
    /// From one time of the day to another, on the clocks of this zone.
    pub fn new(from: NaiveTime, to: NaiveTime, zone: Zone) -> Result<Self, NoHours> {
        if from == to { Err(NoHours(from)) } else { Ok(Self { from, to, zone }) }
    }

    /// Whether it is one of the hours.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.opens(at) == Some(at)
    }

    /// The first instant from this one on at which it is open; `None`: beyond the calendar.
    pub fn opens(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.openings(at).next()?;
        Some(next.start.max(at))
    }

    /// When it is open, in order and apart from each other: from the opening that is not over at this instant on.
    pub fn openings(&self, from: DateTime<Utc>) -> impl Iterator<Item = Range<DateTime<Utc>>> + use<> {
        let mut pieces = self.pieces(Tick::floor(from)).peekable();
        std::iter::from_fn(move || {
            let mut opening = pieces.next()?;
            // Where the offset changes in the middle, one piece ends and the next begins.
            while let Some(more) = pieces.next_if(|piece| piece.start == opening.end) {
                opening.end = more.end;
            }
            Some(opening.start.instant()?..opening.end.instant()?)
        })
    }

    /// The same, cut where the zone's offset changes.
    fn pieces(&self, after: Tick) -> impl Iterator<Item = Range<Tick>> + use<> {
        let micros = |length: TimeDelta| length.num_microseconds().unwrap_or(0);
        let opens = micros(self.from - NaiveTime::MIN);
        let length = micros(self.to - self.from).rem_euclid(DAY);
        self.zone.offsets(after).flat_map(move |(span, offset)| {
            // The day whose hours may be going on; a span may begin at the beginning of time.
            let first = (span.start.max(after).0 + offset - opens - length).div_euclid(DAY);
            let of_day = move |day: i64| day * DAY + opens - offset;
            let days = (first..).map(of_day).take_while(move |start| *start < span.end.0);
            days.map(move |start| Tick(start.max(span.start.0))..Tick((start + length).min(span.end.0)))
                .filter(move |piece| piece.start < piece.end && piece.end > after)
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} in {}", self.from.format("%H:%M"), self.to.format("%H:%M"), self.zone)
    }
}

//! Periods as people write them.
//!
//! A period is either elapsed time or civil days, never both: "24 hours" and "1 day" are different promises, and
//! only the second needs a calendar to say when it ends ([`calendar`](super::calendar)).
//!
//! Two spellings are read: words in full (`90 days`, `1 year 6 months`) and ISO 8601 (`P90D`, `P1Y6M`). There are no
//! abbreviations, because `1m` is a minute in one program and a month in the next.

mod error;
mod grammar;

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

pub use error::PeriodError;

/// A length of time, of one of the two kinds that never mix.
///
/// [`Display`](fmt::Display) writes the canonical words, which [`FromStr`] reads back as the same period: "18 months"
/// and "P1Y6M" are both written "1 year 6 months".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Hours and smaller: measured on a stopwatch, the same in every time zone.
    Elapsed(Elapsed),
    /// Days and larger: counted on the calendar of the service's time zone.
    Civil(Civil),
}

/// Elapsed time: whole seconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elapsed(TimeDelta);

/// Civil days: months are added first, with month-end clamping, then days.
///
/// A year is twelve months and a week seven days, so both are folded. There is no order: a month may be shorter than
/// 30 days or longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Civil {
    /// Calendar months.
    pub months: u32,
    /// Calendar days, after the months.
    pub days: u32,
}

/// The minimum keep: a record is not due before this has passed. Zero is allowed: due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retain(Period);

/// The deadline: a record is gone no later than this. Never zero, which no sweep could meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeleteBy(Period);

impl Period {
    /// Whether the period is empty: "0 hours" and "0 days" both are, and still differ in kind.
    pub fn is_zero(&self) -> bool {
        match self {
            Period::Elapsed(elapsed) => elapsed.0.is_zero(),
            Period::Civil(civil) => civil.months == 0 && civil.days == 0,
        }
    }
}

impl Elapsed {
    /// Refuses a negative length and a fraction of a second.
    pub fn new(length: TimeDelta) -> Result<Elapsed, PeriodError> {
        if length < TimeDelta::zero() {
            return Err(PeriodError::Negative { written: length.to_string() });
        }
        if length.subsec_nanos() != 0 {
            return Err(PeriodError::Fraction { written: length.to_string() });
        }
        Ok(Elapsed(length))
    }

    /// The length, in whole seconds.
    pub fn length(&self) -> TimeDelta {
        self.0
    }
}

impl Retain {
    /// Zero hours: due at the trigger itself.
    pub fn none() -> Retain {
        Retain(Period::Elapsed(Elapsed(TimeDelta::zero())))
    }

    /// Any period will do.
    pub fn new(period: Period) -> Retain {
        Retain(period)
    }

    /// The period as it was written.
    pub fn period(&self) -> Period {
        self.0
    }
}

impl DeleteBy {
    /// What a data subject may expect: one month after the request (GDPR Art. 12(3)).
    pub fn on_request() -> DeleteBy {
        DeleteBy(Period::Civil(Civil { months: 1, days: 0 }))
    }

    /// Refuses a period of zero: [`PeriodError::Zero`].
    pub fn new(period: Period) -> Result<DeleteBy, PeriodError> {
        if period.is_zero() {
            return Err(PeriodError::Zero);
        }
        Ok(DeleteBy(period))
    }

    /// The period as it was written, longer than zero.
    pub fn period(&self) -> Period {
        self.0
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Period, PeriodError> {
        grammar::parse(text)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Elapsed(elapsed) => elapsed.fmt(f),
            Period::Civil(civil) => civil.fmt(f),
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
        words(f, &parts, "0 hours")
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days stay days: "90 days" must not come back as "12 weeks 6 days".
        let parts = [(self.months / 12, "year"), (self.months % 12, "month"), (self.days, "day")];
        words(f, &parts.map(|(amount, unit)| (i64::from(amount), unit)), "0 days")
    }
}

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeleteBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn words(f: &mut fmt::Formatter<'_>, parts: &[(i64, &str)], zero: &str) -> fmt::Result {
    let written: Vec<String> = parts
        .iter()
        .filter(|(amount, _)| *amount != 0)
        .map(|(amount, unit)| format!("{amount} {unit}{}", if *amount == 1 { "" } else { "s" }))
        .collect();
    f.pad(if written.is_empty() { zero.to_owned() } else { written.join(" ") }.as_str())
}

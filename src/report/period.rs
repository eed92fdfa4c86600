//! Which entries a report is about.

use chrono::{DateTime, SecondsFormat, Utc};

/// From an instant on, up to and without another, as far as it has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It says what was true when the period began.
    Before,
    /// It is reported.
    Within,
    /// The report does not know it.
    After,
}

/// A period that cannot be reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It has no instant in it.
    #[error(
        "the period is empty: it ends at {}, expected after its beginning at {}: `--to` is the first instant that no longer counts",
        text(to),
        text(from)
    )]
    Empty {
        /// Its beginning.
        from: DateTime<Utc>,
        /// Its end.
        to: DateTime<Utc>,
    },
    /// Nothing can be known of it.
    #[error("the period begins at {}, expected before now, {}", text(from), text(now))]
    Ahead {
        /// Its beginning.
        from: DateTime<Utc>,
        /// The host's clock.
        now: DateTime<Utc>,
    },
}

fn text(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Period {
    /// From `from` on, without `to`. One that ends ahead of `now` is reported as far as it has passed.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>, now: DateTime<Utc>) -> Result<Self, PeriodError> {
        if to <= from {
            return Err(PeriodError::Empty { from, to });
        }
        if now <= from {
            return Err(PeriodError::Ahead { from, now });
        }
        Ok(Self { from, to, until: to.min(now) })
    }

    pub(super) fn place(&self, at: DateTime<Utc>) -> Place {
        if at < self.from {
            Place::Before
        } else if at < self.until {
            Place::Within
        } else {
            Place::After
        }
    }
}

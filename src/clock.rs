//! The only place that reads the host's time.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, Utc};

/// The host's wall clock, in UTC, to the microsecond: what the ledger can hold.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6) + offset()
}

/// By how many seconds a test wants the host's clock to be wrong.
#[cfg(feature = "test-hooks")]
fn offset() -> chrono::TimeDelta {
    let seconds = std::env::var("EXPUNGED_CLOCK_OFFSET").ok().and_then(|s| s.parse().ok());
    chrono::TimeDelta::seconds(seconds.unwrap_or(0))
}

/// A released program takes the clock as it is.
#[cfg(not(feature = "test-hooks"))]
fn offset() -> chrono::TimeDelta {
    chrono::TimeDelta::zero()
}

/// Measures how long something took, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

//! The only place that reads the host's time, and waits for it.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, Utc};

/// The host's wall clock, in UTC, to the microsecond: what the ledger can hold.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6) + offset()
}

/// By how many seconds a test wants the host's clock to be wrong: from the start, and as the file says at this moment.
#[cfg(feature = "test-hooks")]
fn offset() -> chrono::TimeDelta {
    let fixed = std::env::var("EXPUNGED_CLOCK_OFFSET").ok();
    let moving = std::env::var_os("EXPUNGED_CLOCK_FILE").and_then(|path| std::fs::read_to_string(path).ok());
    let seconds = [fixed, moving].into_iter().flatten().filter_map(|text| text.trim().parse::<i64>().ok());
    chrono::TimeDelta::seconds(seconds.sum())
}

/// A released program takes the clock as it is.
#[cfg(not(feature = "test-hooks"))]
fn offset() -> chrono::TimeDelta {
    chrono::TimeDelta::zero()
}

/// Waits until the wall clock shows `instant`, at most for `longest`. Whoever waits looks at the clock again: it may have been
/// set meanwhile, and a host that was suspended did not count the time.
#[cfg(not(feature = "test-hooks"))]
pub async fn wait_until(instant: DateTime<Utc>, longest: Duration) {
    let left = (instant - now()).to_std().unwrap_or_default();
    tokio::time::sleep(left.min(longest)).await;
}

/// The same on a clock that a test moves: it is looked at every few milliseconds, and in short slices, since it may be set back.
#[cfg(feature = "test-hooks")]
pub async fn wait_until(instant: DateTime<Utc>, longest: Duration) {
    const LOOK: Duration = Duration::from_millis(3);
    const SLICE: Duration = Duration::from_millis(60);
    let watch = Stopwatch::start();
    while now() < instant && watch.elapsed() < longest.min(SLICE) {
        tokio::time::sleep(LOOK).await;
    }
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

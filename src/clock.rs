//! The only place that reads the host's time, and waits for it.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

/// The host's wall clock, in UTC, to the microsecond: what the ledger can hold.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6) + offset()
}

/// By how many seconds a test wants the host's clock to be wrong: from the start, and as the file says at this moment.
#[cfg(feature = "test-hooks")]
fn offset() -> TimeDelta {
    let fixed = std::env::var("EXPUNGED_CLOCK_OFFSET").ok();
    let moving = std::env::var_os("EXPUNGED_CLOCK_FILE").and_then(|path| std::fs::read_to_string(path).ok());
    let seconds = [fixed, moving].into_iter().flatten().filter_map(|text| text.trim().parse::<i64>().ok());
    TimeDelta::seconds(seconds.sum())
}

/// A released program takes the clock as it is.
#[cfg(not(feature = "test-hooks"))]
fn offset() -> TimeDelta {
    TimeDelta::zero()
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

/// Notices a wall clock that is set far ahead under a running process: what a start refuses must not slip in afterwards.
///
/// It is held against the time since boot, which nobody sets, and which goes on while the host is suspended.
#[derive(Debug, Default)]
pub struct Jumps {
    last: Option<(DateTime<Utc>, TimeDelta)>,
    ahead: TimeDelta,
}

/// As much as may lie between the newest entry and a start that nobody has to confirm.
const LONGEST_JUMP: TimeDelta = TimeDelta::days(7);

impl Jumps {
    /// By how much the clock stands ahead because of a jump of more than 7 days between two looks; zero again once it was set
    /// back to within as much.
    pub fn look(&mut self) -> TimeDelta {
        self.seen(now(), since_boot())
    }

    fn seen(&mut self, wall: DateTime<Utc>, since_boot: TimeDelta) -> TimeDelta {
        let (wall_before, boot_before) = self.last.unwrap_or((wall, since_boot));
        self.last = Some((wall, since_boot));
        let jump = (wall - wall_before) - (since_boot - boot_before);
        if jump > LONGEST_JUMP || self.ahead > TimeDelta::zero() {
            self.ahead += jump;
        }
        if self.ahead <= LONGEST_JUMP {
            self.ahead = TimeDelta::zero();
        }
        self.ahead
    }
}

/// The kernel's own clock: a daemon that its service manager shows only processes below `/proc` has it as well.
fn since_boot() -> TimeDelta {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    TimeDelta::seconds(since.tv_sec) + TimeDelta::nanoseconds(since.tv_nsec)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_noticed_until_it_is_undone_and_a_suspended_host_has_not_jumped() {
        let wall = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let seconds = TimeDelta::seconds;
        let (week, none) = (seconds(7 * 86_400), TimeDelta::zero());
        let mut jumps = Jumps::default();
        let mut seen = |since_start, since_boot| jumps.seen(wall + since_start, seconds(5000) + since_boot);
        assert_eq!(seen(none, none), none);
        // Suspended for a month: both went on.
        assert_eq!(seen(week * 4, week * 4), none);
        // A week is what a start accepts as well; a second more is not.
        assert_eq!(seen(week * 5, week * 4), none);
        assert_eq!(seen(week * 6 + seconds(1), week * 4), week + seconds(1));
        assert_eq!(seen(week * 6 + seconds(61), week * 4 + seconds(60)), week + seconds(1));
        // Set right, and later a little back and forth.
        assert_eq!(seen(week * 5 + seconds(61), week * 4 + seconds(61)), none);
        assert_eq!(seen(week * 5 - seconds(3600), week * 4 + seconds(62)), none);
        assert_eq!(seen(week * 5 + seconds(70), week * 4 + seconds(63)), none);
    }

    #[test]
    fn the_time_since_boot_is_the_kernels() {
        let seconds = || -> f64 {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        };
        let before = seconds();
        let since_boot = since_boot().as_seconds_f64();
        assert!((before..=seconds() + 0.01).contains(&since_boot), "{since_boot}");
    }
}

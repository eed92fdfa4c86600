//! How long a sweep's datastore stood still for the ledger: what is written while one of its statements runs costs nobody anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Shared by whatever runs statements and whatever writes the ledger, in one sweep.
#[derive(Debug, Clone, Default)]
pub(super) struct Idle(Arc<Mutex<Now>>);

#[derive(Debug, Default)]
struct Now {
    statements: u32,
    writes: u32,
    /// Since when something is written and no statement runs.
    since: Option<Stopwatch>,
    total: Duration,
}

/// Something that goes on until this is dropped.
pub(super) struct Going<'i> {
    idle: &'i Idle,
    end: fn(&mut Now),
}

impl Idle {
    /// A statement runs, until what this returns is dropped.
    pub(super) fn statement(&self) -> Going<'_> {
        self.change(|now| now.statements += 1);
        Going { idle: self, end: |now| now.statements -= 1 }
    }

    /// The ledger is written, or what goes into it computed, until what this returns is dropped.
    pub(super) fn write(&self) -> Going<'_> {
        self.change(|now| now.writes += 1);
        Going { idle: self, end: |now| now.writes -= 1 }
    }

    /// All of it up to now.
    pub(super) fn total(&self) -> Duration {
        self.now().total
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        let mut now = self.now();
        change(&mut now);
        match (now.since, now.writes > 0 && now.statements == 0) {
            (None, true) => now.since = Some(Stopwatch::start()),
            (Some(since), false) => {
                now.total += since.elapsed();
                now.since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Whoever panicked has ended the process; figures are never half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.idle.change(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_beside_a_statement_is_no_wait() {
        let idle = Idle::default();
        let statement = idle.statement();
        let write = idle.write();
        drop(write);
        assert_eq!(idle.total(), Duration::ZERO);
        let write = idle.write();
        drop(statement);
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_micros(50) {}
        drop(write);
        assert!(idle.total() >= Duration::from_micros(50), "{:?}", idle.total());
    }
}

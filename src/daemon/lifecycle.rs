//! How the process lives and ends: signals, and what the service manager is told.
//!
//! Two stops, soft and hard. The first SIGTERM or SIGINT pulls the brake: the sweep ends after its batch, and everything that
//! went is sealed. The second ends the process where it stands, which is what a crash does: the next start settles it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::error::DaemonError;
use crate::clock::Stopwatch;
use crate::sweep::Lever;

/// How the second signal ends the process: what was in flight needs a look, which the next start gives it.
const CUT_OFF: i32 = 1;

/// Pulls the lever at the first SIGTERM or SIGINT, and ends the process at the second.
///
/// On a thread of its own: the second signal must be heard while every other thread is busy.
pub fn stop_on_signals(lever: Lever) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(DaemonError::Signals)?;
    let entered = runtime.enter();
    // Listened to from here on: no signal after this ends the process in the system's own way.
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut next = async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
            let signal = next().await;
            // Before anything is said: neither a log nor a manager that does not read may hold up the stop.
            lever.pull();
            tracing::info!(signal, "stopping: the sweep ends after its batch");
            tell(&[NotifyState::Stopping]);
            let signal = next().await;
            tracing::warn!(signal, "stopped at once: the next start settles what was in flight");
            std::process::exit(CUT_OFF);
        });
    });
    Ok(())
}

/// Tells the service manager, where there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// The signs of life: a batch, a step of the loop, a slice of waiting. Whoever hangs gives none; no thread gives them for another.
#[derive(Debug)]
pub(super) struct Pulse {
    watchdog: Option<Duration>,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    beat: Stopwatch,
    fed: Option<Stopwatch>,
}

/// Without a watchdog, a loop that gave no sign of life for so long stands still: longer than any statement should take.
const STANDSTILL: Duration = Duration::from_mins(10);

/// How long the loop waits at most before it looks at the clock again: it may have been set, or the host suspended.
const SLICE: Duration = Duration::from_secs(30);

impl Pulse {
    pub(super) fn start() -> Self {
        let last = Last { beat: Stopwatch::start(), fed: None };
        Self { watchdog: sd_notify::watchdog_enabled(), last: Mutex::new(last) }
    }

    /// One sign of life. The watchdog is fed three times an interval at most: batches are many.
    pub(super) fn beat(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.beat = Stopwatch::start();
        let Some(interval) = self.watchdog else { return };
        if last.fed.is_none_or(|fed| fed.elapsed() >= interval / 3) {
            last.fed = Some(last.beat);
            drop(last);
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Whether the loop moves.
    pub(super) fn beats(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.beat.elapsed() < self.watchdog.unwrap_or(STANDSTILL)
    }

    /// How long the loop may wait in one piece.
    pub(super) fn slice(&self) -> Duration {
        self.watchdog.map_or(SLICE, |interval| SLICE.min(interval / 3))
    }
}

//! Where a test's threads run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread, one of so many, and those that it starts, on one processor. A test and its databases' threads take turns, and to
/// wake a thread on another processor costs more than most of what it is woken for. Where it cannot be had, the tests are slower.
pub(super) fn stay_on(number: usize, of: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    // Of more processors than it has threads, another process may want the same ones.
    if usize::try_from(allowed.count()) != Ok(of) {
        return;
    }
    let Some(processor) = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).nth(number) else { return };
    let mut own = CpuSet::new();
    own.set(processor);
    // Nothing but speed depends on it.
    let _ = sched_setaffinity(None, &own);
}

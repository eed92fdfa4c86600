//! How fast a sweep goes: batches that adapt, and a rate that sleeps outside transactions.

use std::num::NonZeroU32;
use std::time::Duration;

use super::brake::Brake;
use crate::clock::Stopwatch;
use crate::datastore::sql::Way;
use crate::model::datastore::Pace;

/// Beyond this a batch's identities and commitments would show in the memory of the process, and nothing is gained
/// (docs/measurements.md).
const LARGEST: u32 = 10_000;

/// A pause longer than this says between that the sweep is alive.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// When the next batch may begin.
pub(super) struct Rate {
    pace: Pace,
    started: Option<Stopwatch>,
    went: u64,
}

impl Rate {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, started: None, went: 0 }
    }

    /// Sleeps until the rate allows the next batch, or the brake is pulled. Where there is a rate, no transaction is open. `alive` is told
    /// from time to time: a long pause is no standstill.
    pub(super) async fn wait(&mut self, brake: &Brake, alive: &mut (dyn FnMut() + Send)) {
        if let (Pace::RowsPerSecond(rate), Some(started)) = (self.pace, self.started) {
            let whole = share(self.went, rate);
            // Ends because time passes.
            while !brake.pulled() {
                let rest = whole.saturating_sub(started.elapsed());
                if rest.is_zero() {
                    break;
                }
                brake.wait(rest.min(LONGEST_SILENCE)).await;
                alive();
            }
        }
        self.started = Some(Stopwatch::start());
        self.went = 0;
    }

    /// A batch of this many records went.
    pub(super) fn went(&mut self, records: u64) {
        self.went = records;
    }
}

/// The size of the next batch, and when it may begin.
pub(super) struct Budget {
    limit: u32,
    largest: u32,
    /// A batch that takes longer keeps the application waiting.
    longest: Duration,
    /// The last batch, where it took longer: how many it looked at, and how long.
    slow: Option<(u64, Duration)>,
    rate: Rate,
}

impl Budget {
    pub(super) fn new(batch: u32, pace: Pace, longest: Duration) -> Self {
        let limit = batch.max(1);
        // A paced sweep is asked to be invisible: its batches do not grow.
        let largest =
            if pace == Pace::Unlimited { limit.saturating_mul(10).min(LARGEST).max(limit) } else { limit };
        Self { limit, largest, longest, slow: None, rate: Rate::new(pace) }
    }

    /// Never takes more than this at once.
    pub(super) fn bound(&mut self, most: u32) {
        (self.limit, self.largest) = (self.limit.min(most), self.largest.min(most));
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// The same of a batch that goes this way. One that is measured is to hold two thirds of what it may: where nobody asks for a pace, it
    /// may hold half as many again, so as to hold as many as any other.
    pub(super) fn limit_of(&self, way: Way) -> u32 {
        let more = way.is_measured() && self.rate.pace == Pace::Unlimited;
        if more { self.limit.saturating_add(self.limit / 2) } else { self.limit }
    }

    /// Waits for the rate, as [`Rate::wait`] does.
    pub(super) async fn wait(&mut self, brake: &Brake, alive: &mut (dyn FnMut() + Send)) {
        self.rate.wait(brake, alive).await;
    }

    /// A batch of this many records went, of so many that were looked at.
    pub(super) fn went(&mut self, records: u64, selected: u64) {
        let took = self.rate.started.map_or(Duration::ZERO, Stopwatch::elapsed);
        self.went_within(records, selected, took);
    }

    /// The same, where it is known how long of that the application may have had to wait.
    pub(super) fn went_within(&mut self, records: u64, selected: u64, took: Duration) {
        self.rate.went(records);
        let slow = std::mem::take(&mut self.slow);
        if took > self.longest {
            // What half as many take no less time for, is not their number's: a server that is busy, a cost that each batch has.
            if let Some((before, longer)) = slow
                && selected <= (before / 2).max(1)
                && took > longer / 8 * 7
            {
                let more = u32::try_from(before).unwrap_or(u32::MAX).saturating_mul(2);
                self.limit = more.min(self.largest);
                return;
            }
            self.slow = Some((selected, took));
            self.limit = (self.limit / 2).max(1);
        } else if took < self.longest / 2 && selected > u64::from(self.limit / 2) {
            // A batch that was read ahead may be smaller than the limit: it says nothing of one that is not.
            self.limit = self.limit.saturating_mul(2).min(self.largest);
        }
    }

    /// A row of the last selection cannot go: look closer.
    pub(super) fn halve(&mut self, selected: usize) {
        self.limit = u32::try_from(selected / 2).unwrap_or(self.limit / 2).max(1);
    }
}

fn share(records: u64, rate: NonZeroU32) -> Duration {
    Duration::from_micros(records.saturating_mul(1_000_000) / u64::from(rate.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_batch_shrinks_to_one_record_and_grows_again() {
        let mut budget = Budget::new(2000, Pace::Unlimited, Duration::from_millis(250));
        let mut selected = 2000;
        while budget.limit() > 1 {
            budget.halve(selected);
            selected = budget.limit() as usize;
        }
        budget.went(1, 1);
        assert_eq!(budget.limit(), 2);
    }

    #[test]
    fn a_batch_that_was_much_smaller_than_it_might_have_been_lets_the_next_be_no_larger() {
        let mut budget = Budget::new(1000, Pace::Unlimited, Duration::from_millis(250));
        budget.went_within(1000, 1000, Duration::from_millis(100));
        assert_eq!(budget.limit(), 2000);
        // As it was read ahead, under the limit before.
        budget.went_within(1000, 1000, Duration::from_millis(100));
        assert_eq!(budget.limit(), 2000);
        budget.went_within(2000, 2000, Duration::from_millis(300));
        assert_eq!(budget.limit(), 1000);
    }

    /// On a server that is busy every batch takes long: those of one record would take as long each, and the sweep for ever.
    #[test]
    fn what_smaller_batches_do_not_shorten_does_not_make_them_smaller() {
        let milliseconds = Duration::from_millis;
        let smallest = |took: &dyn Fn(u64) -> Duration| {
            let mut budget = Budget::new(1000, Pace::Unlimited, milliseconds(50));
            let mut smallest = u64::MAX;
            for _ in 0..100 {
                let selected = u64::from(budget.limit());
                smallest = smallest.min(selected);
                budget.went_within(selected, selected, took(selected));
            }
            smallest
        };
        assert_eq!(smallest(&|_| milliseconds(700)), 500);
        // Where it is their number's, it is kept to.
        assert_eq!(smallest(&|selected| milliseconds(selected)), 31);
        // One that has come down to one record comes up again.
        let mut budget = Budget::new(1, Pace::Unlimited, milliseconds(50));
        for _ in 0..2 {
            budget.went_within(1, 1, milliseconds(700));
        }
        assert_eq!(budget.limit(), 2);
    }

    #[test]
    fn a_batch_of_which_little_may_go_grows_by_what_it_looks_at() {
        let mut budget = Budget::new(1000, Pace::Unlimited, Duration::from_millis(250));
        budget.went_within(0, 1000, Duration::from_millis(1));
        assert_eq!(budget.limit(), 2000);
    }

    #[test]
    fn a_rate_gives_every_record_its_share_of_time() {
        let rate = NonZeroU32::new(5000).unwrap_or(NonZeroU32::MIN);
        assert_eq!(share(2000, rate), Duration::from_millis(400));
    }
}

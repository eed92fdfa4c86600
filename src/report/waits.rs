//! How long records had waited when they went.

use std::collections::BTreeMap;

use crate::ledger::entry::Waited;

/// Records by how long they had waited at most, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waits(BTreeMap<u64, u64>);

impl Waits {
    pub(super) fn add(&mut self, waited: &[Waited]) {
        for Waited { within, n } in waited {
            let records = self.0.entry(*within).or_default();
            *records = records.saturating_add(*n);
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The shortest length within which at least so many percent of the records went, by the nearest rank; none of no records.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        // Of 2^53 records at most, so the product fits into 64 bits up to 100 percent and well beyond.
        let rank = self.records().saturating_mul(percent).div_ceil(100);
        let mut so_far: u64 = 0;
        self.0.iter().find_map(|(within, n)| {
            so_far = so_far.saturating_add(*n);
            (so_far >= rank).then_some(*within)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_that_of_the_nearest_rank() {
        let mut waits = Waits::default();
        assert_eq!(waits.percentile(50), None);
        waits.add(&[Waited { within: 10, n: 50 }, Waited { within: 20, n: 49 }, Waited { within: 90, n: 1 }]);
        let of = |waits: &Waits| [50, 51, 99, 100].map(|p| waits.percentile(p).unwrap());
        assert_eq!(of(&waits), [10, 20, 20, 90]);
        waits.add(&[Waited { within: 90, n: 1 }]);
        assert_eq!(of(&waits), [20, 20, 90, 90]);
        assert_eq!(waits.records(), 101);
    }
}

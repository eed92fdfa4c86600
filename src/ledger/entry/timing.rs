//! How long records waited, and how their bounds stand: coarse, so that nobody can be found by an instant of theirs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::error::EntryError;
use super::super::instant;
use super::super::name::PromiseName;

/// Of a batch's own records, when its intent was drawn up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// When it was measured, by the host's clock.
    #[serde(with = "instant")]
    pub at: DateTime<Utc>,
    /// How long they had waited since their triggers, ascending.
    pub waited: Vec<Waited>,
    /// The rule's own bound first, then those of the promises it keeps, ascending by their names.
    pub bounds: Vec<Bound>,
}

/// Records that had waited about as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// No longer than so many seconds since the minutes of their triggers: [`ceiling`], at least [`MINUTE`].
    pub within: u64,
    /// How many, at least one.
    pub n: u64,
}

/// How records stand to a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Whose it is; none: the rule's own `delete_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseName>,
    /// How many records had passed it.
    pub late: u64,
    /// For the others, at least so many seconds are left until the minutes of their deadlines: [`floor`]; none: there are
    /// no others.
    pub margin: Option<u64>,
}

impl Timing {
    /// `records`: how many it is about.
    pub(super) fn check(&self, records: u64) -> Result<(), EntryError> {
        let contradiction = |what| Err(EntryError::Contradiction { what });
        if !self.waited.is_sorted_by(|a, b| a.within < b.within) {
            return contradiction("`waited` is not ascending");
        }
        if self.waited.iter().any(|w| w.n == 0 || w.within < MINUTE || ceiling(w.within) != w.within) {
            return contradiction("`waited` is empty in a place, or finer than a minute or two digits");
        }
        if self.waited.iter().fold(0, |sum: u64, w| sum.saturating_add(w.n)) != records {
            return contradiction("`waited` does not add up to the records");
        }
        check_bounds(&self.bounds)?;
        check_late(&self.bounds, records)
    }
}

/// The rule's own first, and each once.
pub(super) fn check_bounds(bounds: &[Bound]) -> Result<(), EntryError> {
    let own_first = bounds.first().is_some_and(|first| first.promise.is_none());
    let coarse = bounds.iter().filter_map(|b| b.margin).all(|margin| floor(margin) == margin);
    if own_first && coarse && bounds.is_sorted_by(|a, b| a.promise < b.promise) {
        return Ok(());
    }
    Err(EntryError::Contradiction {
        what: "`bounds` are not ascending, the rule's own first, each of two digits",
    })
}

/// Triggers and deadlines count from the beginning of their minute; a shorter wait is not told.
pub const MINUTE: u64 = 60;

/// No more are late than there are, and time is left to the others alone.
pub(super) fn check_late(bounds: &[Bound], records: u64) -> Result<(), EntryError> {
    if bounds.iter().all(|b| b.late <= records && b.margin.is_none() == (b.late == records)) {
        return Ok(());
    }
    Err(EntryError::Contradiction { what: "`late` and `margin` do not fit the number of records" })
}

/// Seconds rounded up to two digits: 86,399 become 87,000.
pub fn ceiling(seconds: u64) -> u64 {
    let unit = unit(seconds);
    seconds.div_ceil(unit).saturating_mul(unit)
}

/// Counts lengths by their [`ceiling`]s: of records that come one after another, most share one.
#[derive(Debug, Clone)]
pub struct Ceilings {
    counts: BTreeMap<u64, u64>,
    /// The lengths that share the last one, and how many of them came since.
    last: RangeInclusive<u64>,
    since: u64,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), last: 0..=0, since: 0 }
    }
}

impl Ceilings {
    /// One more, in seconds.
    pub fn add(&mut self, seconds: u64) {
        if !self.last.contains(&seconds) {
            self.settle();
            let most = ceiling(seconds);
            // What lies below a power of ten has a digit less.
            self.last = most.saturating_sub(unit(most.saturating_sub(1)) - 1)..=most;
        }
        self.since += 1;
    }

    fn settle(&mut self) {
        let since = std::mem::take(&mut self.since);
        if since > 0 {
            *self.counts.entry(*self.last.end()).or_default() += since;
        }
    }

    /// How many came to each of them, ascending.
    pub fn counts(mut self) -> BTreeMap<u64, u64> {
        self.settle();
        self.counts
    }
}

/// Seconds rounded down to two digits.
pub fn floor(seconds: u64) -> u64 {
    let unit = unit(seconds);
    seconds / unit * unit
}

fn unit(seconds: u64) -> u64 {
    10_u64.pow(seconds.checked_ilog10().unwrap_or(0).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_ceiling_is_counted_by_it() {
        let all = || (0..=12_345).chain((0..=1_100).rev()).chain([u64::MAX, 0, 9, 10, 99, 100, 101, 100]);
        let mut plain: BTreeMap<u64, u64> = BTreeMap::new();
        let mut counted = Ceilings::default();
        for seconds in all() {
            *plain.entry(ceiling(seconds)).or_default() += 1;
            counted.add(seconds);
        }
        assert_eq!(counted.counts(), plain);
        assert_eq!(Ceilings::default().counts(), BTreeMap::new());
    }
}

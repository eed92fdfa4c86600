//! The guard: a rule that is new or changed, or suddenly wants much more than usual, waits for a person to look.

use chrono::{DateTime, Utc};

use crate::state::{Usual, VersionStanding};

/// What a version of a rule that has shown nothing yet may dispose of without an approval.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Records.
    pub first_sweep: u64,
    /// The part of a dataset of more than [`SMALL`] records.
    pub first_fraction: f64,
}

/// In a dataset this small, a fraction says nothing.
pub const SMALL: u64 = 200;

/// How often the usual amount a sweep may be before someone looks.
const TIMES_USUAL: u64 = 4;

/// Why a rule waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// What it would dispose of.
    pub due: u64,
    /// How many dependents would go along at least, where they are why: as many as were counted when it stopped.
    pub dependents: Option<u64>,
    /// What it may dispose of; where dependents are why, they count.
    pub allowed: u64,
    /// What is left of the approval for this version, if there is one.
    pub approved: Option<u64>,
    /// Whether a sweep has shown before what this version does, so that only the number is unusual.
    pub known: bool,
}

impl Guard {
    /// Whether it matters how many records the dataset has: to count them may mean to read it.
    pub fn depends_on_size(&self, standing: &VersionStanding, due: u64) -> bool {
        !standing.tried && standing.approved.unwrap_or(0).max(self.least()) < due
    }

    /// How many records of all datasets may go of a version that has shown nothing yet, and of which nobody has looked at a plan; none: it
    /// is none.
    pub(super) fn along(&self, standing: &VersionStanding) -> Option<u64> {
        // What an approval was for is gone once nothing is left of it.
        let looked_at = standing.tried || standing.approved.is_some_and(|left| left > 0);
        (!looked_at).then_some(self.first_sweep)
    }

    /// How many of the rule's own records the sweep may dispose of, or why it may not start. `all`: the records of the dataset, where
    /// they were counted.
    pub fn allowance(
        &self,
        standing: &VersionStanding,
        due: u64,
        all: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<u64, Parked> {
        let by_itself = match all {
            _ if standing.tried => self.usual(standing.usual, now),
            Some(all) => self.unapproved(all),
            None => self.least(),
        };
        let allowed = by_itself.max(standing.approved.unwrap_or(0));
        if due > allowed {
            let (approved, known) = (standing.approved, standing.tried);
            return Err(Parked { due, dependents: None, allowed, approved, known });
        }
        Ok(allowed)
    }

    /// What a version may dispose of that has shown what it does: a few times what it usually does, for every day since.
    fn usual(&self, usual: Option<Usual>, now: DateTime<Utc>) -> u64 {
        let Some(usual) = usual else { return self.first_sweep };
        let days = (now - usual.last_success).num_days().max(1).unsigned_abs();
        self.first_sweep.max(usual.median_day.saturating_mul(TIMES_USUAL).saturating_mul(days))
    }

    /// What may go without an approval, of a dataset of `all` records.
    fn unapproved(&self, all: u64) -> u64 {
        if all <= SMALL { self.first_sweep } else { self.part(all) }
    }

    /// The same, whatever the dataset holds.
    fn least(&self) -> u64 {
        self.part(SMALL)
    }

    fn part(&self, all: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction between 0 and 1 of a count, rounded down"
        )]
        let part = (all as f64 * self.first_fraction) as u64;
        self.first_sweep.min(part)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const GUARD: Guard = Guard { first_sweep: 1000, first_fraction: 0.05 };
    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn new(approved: Option<u64>) -> VersionStanding {
        VersionStanding { tried: false, approved, usual: None }
    }

    fn parked(due: u64, allowed: u64) -> Result<u64, Parked> {
        Err(Parked { due, dependents: None, allowed, approved: None, known: false })
    }

    #[test]
    fn a_new_rule_may_dispose_of_a_little_by_itself() {
        assert_eq!(GUARD.allowance(&new(None), 50, Some(1000), NOW), Ok(50));
        assert_eq!(GUARD.allowance(&new(None), 51, Some(1000), NOW), parked(51, 50));
        assert_eq!(GUARD.allowance(&new(None), 1000, Some(100_000), NOW), Ok(1000));
        assert_eq!(GUARD.allowance(&new(None), 1001, Some(100_000), NOW), parked(1001, 1000));
    }

    #[test]
    fn a_fraction_does_not_bind_a_small_dataset() {
        assert_eq!(GUARD.allowance(&new(None), 200, Some(200), NOW), Ok(1000));
        assert_eq!(GUARD.allowance(&new(None), 11, Some(201), NOW), parked(11, 10));
    }

    #[test]
    fn few_records_need_no_count_of_the_dataset() {
        assert!(!GUARD.depends_on_size(&new(None), 10) && GUARD.depends_on_size(&new(None), 11));
        assert_eq!(GUARD.allowance(&new(None), 10, None, NOW), Ok(10));
        assert_eq!(GUARD.allowance(&new(None), 11, None, NOW), parked(11, 10));
        assert!(!GUARD.depends_on_size(&new(Some(11)), 11) && GUARD.depends_on_size(&new(Some(11)), 12));
    }

    #[test]
    fn an_approval_of_which_nothing_is_left_lets_no_dependents_go() {
        assert_eq!(GUARD.along(&new(None)), Some(1000));
        assert_eq!(GUARD.along(&new(Some(0))), Some(1000));
        assert_eq!(GUARD.along(&new(Some(1))), None);
        assert_eq!(GUARD.along(&VersionStanding { tried: true, ..new(None) }), None);
    }

    #[test]
    fn an_approval_allows_what_it_says_and_no_more() {
        assert_eq!(GUARD.allowance(&new(Some(500)), 500, Some(1000), NOW), Ok(500));
        let refused = Parked { due: 501, dependents: None, allowed: 500, approved: Some(500), known: false };
        assert_eq!(GUARD.allowance(&new(Some(500)), 501, Some(1000), NOW), Err(refused));
    }

    #[test]
    fn a_known_version_may_do_a_few_times_its_usual_for_every_day_since() {
        let standing = |days: i64| VersionStanding {
            tried: true,
            approved: None,
            usual: Some(Usual { median_day: 1000, last_success: NOW - TimeDelta::days(days) }),
        };
        assert_eq!(GUARD.allowance(&standing(0), 4000, Some(1_000_000), NOW), Ok(4000));
        let unusual = Parked { due: 4001, dependents: None, allowed: 4000, approved: None, known: true };
        assert_eq!(GUARD.allowance(&standing(0), 4001, Some(1_000_000), NOW), Err(unusual));
        assert_eq!(GUARD.allowance(&standing(3), 12_000, Some(1_000_000), NOW), Ok(12_000));
    }

    #[test]
    fn a_version_that_usually_does_nothing_has_the_limit_of_a_new_one() {
        let idle = Some(Usual { median_day: 0, last_success: NOW });
        let standing = VersionStanding { tried: true, approved: None, usual: idle };
        assert_eq!(GUARD.allowance(&standing, 1000, Some(1_000_000), NOW), Ok(1000));
    }
}

//! The guard: a rule that is new or changed does not dispose of much before a person has looked.

use crate::state::VersionStanding;

/// What an unfinished version of a rule may dispose of without an approval.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Records.
    pub first_sweep: u64,
    /// The part of a dataset of more than [`SMALL`] records.
    pub first_fraction: f64,
}

/// In a dataset this small, a fraction says nothing.
pub const SMALL: u64 = 200;

/// Why a rule waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// What it would dispose of.
    pub due: u64,
    /// What it may dispose of.
    pub allowed: u64,
    /// What is left of the approval for this version, if there is one.
    pub approved: Option<u64>,
}

impl Guard {
    /// How many of the rule's own records the sweep may dispose of, or why it may not start.
    pub fn allowance(&self, standing: &VersionStanding, due: u64, all: u64) -> Result<u64, Parked> {
        if standing.finished {
            return Ok(u64::MAX);
        }
        let allowed = self.unapproved(all).max(standing.approved.unwrap_or(0));
        if due > allowed {
            return Err(Parked { due, allowed, approved: standing.approved });
        }
        Ok(allowed)
    }

    /// What may go without an approval, of a dataset of `all` records.
    fn unapproved(&self, all: u64) -> u64 {
        if all <= SMALL {
            return self.first_sweep;
        }
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
    use super::*;

    const GUARD: Guard = Guard { first_sweep: 1000, first_fraction: 0.05 };
    const NEW: VersionStanding = VersionStanding { finished: false, approved: None };

    #[test]
    fn a_new_rule_may_dispose_of_a_little_by_itself() {
        assert_eq!(GUARD.allowance(&NEW, 50, 1000), Ok(50));
        assert_eq!(GUARD.allowance(&NEW, 51, 1000), Err(Parked { due: 51, allowed: 50, approved: None }));
        assert_eq!(GUARD.allowance(&NEW, 1000, 100_000), Ok(1000));
        assert_eq!(
            GUARD.allowance(&NEW, 1001, 100_000),
            Err(Parked { due: 1001, allowed: 1000, approved: None })
        );
    }

    #[test]
    fn a_fraction_does_not_bind_a_small_dataset() {
        assert_eq!(GUARD.allowance(&NEW, 200, 200), Ok(1000));
    }

    #[test]
    fn an_approval_allows_what_it_says_and_no_more() {
        let approved = VersionStanding { finished: false, approved: Some(500) };
        assert_eq!(GUARD.allowance(&approved, 500, 1000), Ok(500));
        assert_eq!(
            GUARD.allowance(&approved, 501, 1000),
            Err(Parked { due: 501, allowed: 500, approved: Some(500) })
        );
    }

    #[test]
    fn a_finished_version_needs_none() {
        let finished = VersionStanding { finished: true, approved: None };
        assert_eq!(GUARD.allowance(&finished, 1_000_000, 1_000_000), Ok(u64::MAX));
    }
}

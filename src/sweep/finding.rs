//! What somebody has to look at once a sweep has ended, said once for whoever runs it: the command by its exit code, the daemon by
//! its log and its metrics.

use std::fmt;

use chrono::TimeDelta;

use super::Report;
use crate::ledger::entry::SweepResult;
use crate::model::length::length;

/// Something that somebody has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Its guard waits for an approval.
    Parked,
    /// All disposal was stopped meanwhile.
    Halted,
    /// It did not get to its end.
    Unfinished,
    /// So many records past their period, or demanded, are still there.
    Remaining(u64),
    /// Nobody knows how many are.
    Uncounted,
    /// So many records past their deadline are there, and the rule only observes.
    Overdue(u64),
    /// The datastore would not let so many records go.
    Refused(u64),
    /// So many files changed before they could go.
    Changed(u64),
    /// So many records are there without dependents of theirs.
    Stranded(u64),
    /// So much stands among the files and is no record.
    Obstacles(u64),
    /// Fewer backups are left than were to be kept.
    FewBackups {
        /// How many are.
        left: u64,
        /// How many were to be.
        wanted: u32,
    },
    /// The newest backup is so old; none: there is no backup.
    NoRecentBackup(Option<TimeDelta>),
}

impl Finding {
    /// The words for all of them.
    pub const WORDS: [&'static str; 12] = [
        "parked",
        "halted",
        "unfinished",
        "remaining",
        "uncounted",
        "overdue",
        "refused",
        "changed",
        "stranded",
        "obstacles",
        "few_backups",
        "no_recent_backup",
    ];

    /// The word for it: one of [`Self::WORDS`].
    pub fn word(self) -> &'static str {
        Self::WORDS[match self {
            Self::Parked => 0,
            Self::Halted => 1,
            Self::Unfinished => 2,
            Self::Remaining(_) => 3,
            Self::Uncounted => 4,
            Self::Overdue(_) => 5,
            Self::Refused(_) => 6,
            Self::Changed(_) => 7,
            Self::Stranded(_) => 8,
            Self::Obstacles(_) => 9,
            Self::FewBackups { .. } => 10,
            Self::NoRecentBackup(_) => 11,
        }]
    }
}

impl Report {
    /// What somebody has to look at; empty: nothing.
    pub fn findings(&self) -> Vec<Finding> {
        let some = |n: u64, finding: fn(u64) -> Finding| (n > 0).then(|| finding(n));
        let counted = |n: Option<u64>, finding| n.map_or(Some(Finding::Uncounted), |n| some(n, finding));
        let end = match self.result {
            SweepResult::Parked => Some(Finding::Parked),
            SweepResult::Stopped | SweepResult::Refused | SweepResult::Failed => Some(Finding::Unfinished),
            SweepResult::Completed => counted(self.remaining(), Finding::Remaining),
            // What is due stays because the rule says so; what is overdue breaks a promise all the same.
            SweepResult::Observed => counted(self.found_overdue(), Finding::Overdue),
        };
        let few = self.backups.as_ref().and_then(|backups| {
            backups.fewer_than.map(|wanted| Finding::FewBackups { left: backups.left, wanted })
        });
        let old = self.backups.as_ref().and_then(|backups| backups.newest_too_old);
        let all = [
            self.halted.as_ref().map(|_| Finding::Halted),
            end,
            some(self.refusals(), Finding::Refused),
            some(self.changed, Finding::Changed),
            some(self.stranded, Finding::Stranded),
            some(self.obstacles.values().sum(), Finding::Obstacles),
            few,
            old.map(Finding::NoRecentBackup),
        ];
        all.into_iter().flatten().collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parked => f.write_str("it waits for an approval"),
            Self::Halted => f.write_str("all disposal was stopped meanwhile"),
            Self::Unfinished => f.write_str("it did not get to its end"),
            Self::Remaining(n) => write!(f, "{n} records past their period, or demanded, are still there"),
            Self::Uncounted => f.write_str("what is still there could not be counted"),
            Self::Overdue(n) => write!(f, "{n} records are past their deadline, and the rule only observes"),
            Self::Refused(n) => write!(f, "{n} records set aside"),
            Self::Changed(n) => write!(f, "{n} files changed before they could go, and were left alone"),
            Self::Stranded(n) => {
                write!(f, "{n} records are still there while dependents of theirs are gone")
            }
            Self::Obstacles(n) => write!(f, "not records, and left alone: {n}"),
            Self::FewBackups { left, wanted } => {
                write!(f, "{left} backups are left, {wanted} were to be kept: the promise goes first")
            }
            Self::NoRecentBackup(Some(age)) => write!(f, "the newest backup is {} old", length(*age)),
            Self::NoRecentBackup(None) => f.write_str("there is no backup"),
        }
    }
}

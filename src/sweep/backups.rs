//! What a sweep of backups finds beside their age: too few left, the newest too old, and up to when they are gone.

use chrono::{DateTime, TimeDelta, Utc};

use super::run::Run;
use crate::model::calendar::Calendar;
use crate::rules::decide::{Due, Kept, Verdict};
use crate::rules::rule::Backup;

/// What is left of the backups of a rule.
#[derive(Debug, Clone)]
pub struct BackupFindings {
    /// The datastores they are copies of.
    pub of: Vec<String>,
    /// How many are left.
    pub left: u64,
    /// How many the operator wanted, where fewer are left: the promise goes first.
    pub fewer_than: Option<u32>,
    /// How old the newest is, where that is more than the time between two; none left is as old as time.
    pub newest_too_old: Option<Option<TimeDelta>>,
    /// Every backup that is left was begun after it; none: one of them has no plausible time, or may be out of sight, or
    /// there is none and none went.
    pub until: Option<DateTime<Utc>>,
}

/// The backups that a walk sees and that stay.
pub(super) struct Backups {
    backup: Backup,
    calendar: Calendar,
    left: u64,
    oldest: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    /// The newest of those that went in this sweep.
    gone: Option<DateTime<Utc>>,
    undated: bool,
}

impl Backups {
    pub(super) fn of(run: &Run<'_>) -> Option<Self> {
        let rule = run.target.rule;
        let backup = rule.backup.clone()?;
        let calendar = rule.calendar;
        Some(Self { backup, calendar, left: 0, oldest: None, newest: None, gone: None, undated: false })
    }

    pub(super) fn stays(&mut self, verdict: &Verdict) {
        self.left += 1;
        let times = match verdict {
            Verdict::Kept(Kept::Until(times)) | Verdict::Held(times) => *times,
            Verdict::Due(due) | Verdict::Overdue(due) => due.times(),
            Verdict::Kept(Kept::NotStarted(_) | Kept::BeyondCalendar) | Verdict::Undated(_) => {
                self.undated = true;
                return;
            }
        };
        let Some(made) = self.calendar.earliest(&times.trigger) else {
            self.undated = true;
            return;
        };
        self.oldest = Some(self.oldest.map_or(made, |oldest| oldest.min(made)));
        self.newest = Some(self.newest.map_or(made, |newest| newest.max(made)));
    }

    /// A backup that was disposed of.
    pub(super) fn went(&mut self, due: &Due) {
        self.gone = self.gone.max(self.calendar.earliest(&due.times().trigger));
    }

    pub(super) fn findings(self, run: &Run<'_>) -> BackupFindings {
        let now = run.now.eligible;
        let every = self.backup.every;
        let wanted = self.backup.keep_at_least.map(std::num::NonZeroU32::get);
        let age = self.newest.map(|newest| now - newest);
        // One is under way, or has just failed: the next is due within the same time again.
        let too_old = age.is_none_or(|age| age > every * 2);
        // A backup of no known time, or one behind what the walk could not enter, may be older than all others.
        let hidden = self.undated || !run.report.obstacles.is_empty() || !run.report.hidden.is_empty();
        BackupFindings {
            of: self.backup.of.iter().map(ToString::to_string).collect(),
            left: self.left,
            fewer_than: wanted.filter(|wanted| self.left < u64::from(*wanted)),
            newest_too_old: too_old.then_some(age),
            // A root that is not mounted looks like one without a backup, and nothing seen there vouches for anything. What went
            // was there; a backup that was out of sight then and is newer than it was begun later than one interval before.
            until: self.oldest.or(self.gone).filter(|_| !hidden).map(|made| made - every),
        }
    }
}

//! What the entries of a period say of one rule.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::lateness::{Kept, Lateness, kept};
use super::period::Place;
use super::waits::Waits;
use crate::ledger::entry::{
    Action, Attribution, BatchCommitted, BatchIntent, DatasetName, DatastoreName, Outcomes, PromiseName,
    Remains, Residue, SweepResult, Timing,
};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;

/// What has been counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) parts: BTreeMap<PartKey, Outcomes>,
    /// By promise; none: the rule's own bound.
    pub(super) bounds: BTreeMap<Option<PromiseName>, BoundTally>,
    /// Of batches whose rule asked for more than logical erasure.
    pub(super) levels: BTreeMap<DatastoreName, LevelTally>,
    pub(super) waits: Waits,
    /// Records among the waits that were to go and stayed: their waits are counted all the same.
    pub(super) stayed: u64,
    pub(super) committed: u64,
    pub(super) aborted: u64,
    pub(super) recovered: u64,
    /// Records of which nothing says who disposed of them.
    pub(super) unattributed: u64,
    pub(super) gone_everywhere_by: Option<DateTime<Utc>>,
    /// When the period began.
    pub(super) before: Option<Left>,
    /// When it ended.
    pub(super) last: Option<Left>,
    pub(super) sweeps: SweepCounts,
    pub(super) last_result: Option<SweepResult>,
    /// Also of a sweep before the period.
    pub(super) last_completed: Option<DateTime<Utc>>,
    /// By the entry that holds it, in the order of the ledger.
    pub(super) versions: BTreeMap<EntryIndex, Used>,
    /// The one that a sweep has applied last.
    pub(super) version: Option<EntryIndex>,
    /// The same when the period began.
    pub(super) carried: Option<EntryIndex>,
}

/// Records of one kind in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartKey {
    pub(super) of: Of,
    pub(super) datastore: DatastoreName,
    pub(super) dataset: DatasetName,
    pub(super) pseudonymized: Option<Pseudonymized>,
}

/// Stands behind deletions in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pseudonymized;

/// Whose records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Those the rule selects.
    Rule,
    /// Those that go with them.
    Dependent,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BoundTally {
    pub(super) late: Lateness,
    /// The least that was left to records that went in time.
    pub(super) left: Option<u64>,
}

/// Records by how thoroughly they are gone.
#[derive(Debug, Clone, Default)]
pub(super) struct LevelTally {
    pub(super) records: BTreeMap<Level, u64>,
    /// By the last claim.
    pub(super) remains: Vec<Remains>,
}

impl LevelTally {
    /// So many more have this level, of those that had the other.
    pub(super) fn raise(&mut self, from: Option<Level>, to: Level, records: u64) {
        if let Some(from) = from.and_then(|from| self.records.get_mut(&from)) {
            *from = from.saturating_sub(records);
        }
        let raised = self.records.entry(to).or_default();
        *raised = raised.saturating_add(records);
    }
}

/// What a sweep left.
#[derive(Debug, Clone)]
pub(super) struct Left {
    pub(super) entry: EntryIndex,
    pub(super) at: DateTime<Utc>,
    /// By which clock its bounds were told.
    pub(super) late: DateTime<Utc>,
    pub(super) residue: Residue,
}

/// Sweeps by their ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepCounts {
    /// All that began.
    pub started: u64,
    /// Left nothing that could go.
    pub completed: u64,
    /// Ended before that: run cap, window, pause or shutdown.
    pub stopped: u64,
    /// Waited for an approval.
    pub parked: u64,
    /// Were refused by a precondition.
    pub refused: u64,
    /// Were ended by an error or a crash.
    pub failed: u64,
    /// Nothing was disposed of: the rule only observed.
    pub observed: u64,
}

/// When a version of the rule was applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) first: DateTime<Utc>,
    /// By sweeps that began in the period.
    pub(super) sweeps: u64,
}

impl Tally {
    pub(super) fn commit(&mut self, intent: Option<&BatchIntent>, committed: &BatchCommitted) {
        self.committed += 1;
        self.recovered += u64::from(committed.recovered);
        match committed.attribution {
            Attribution::State => self.unattributed += committed.totals().disposed,
            Attribution::Transaction | Attribution::Marker => {}
        }
        self.gone_everywhere_by = self.gone_everywhere_by.max(committed.gone_everywhere_by);
        for (number, part) in committed.parts.iter().enumerate() {
            // The rule's own records are the first part of a batch that is no share of another.
            let own = number == 0 && committed.unit.is_none();
            let key = PartKey {
                of: if own { Of::Rule } else { Of::Dependent },
                datastore: part.datastore.clone(),
                dataset: part.dataset.clone(),
                pseudonymized: match part.action {
                    Action::Delete => None,
                    Action::Pseudonymize => Some(Pseudonymized),
                },
            };
            let counts = self.parts.entry(key).or_default();
            *counts = counts.plus(&part.outcomes);
        }
        // A batch without its intent is the audit's finding.
        if let Some(intent) = intent
            && let (Some(timing), Some(meant), Some(went)) =
                (&intent.timing, intent.parts.first(), committed.parts.first())
        {
            self.time(timing, meant.n, went.outcomes.disposed, committed);
        }
    }

    fn time(&mut self, timing: &Timing, intended: u64, disposed: u64, committed: &BatchCommitted) {
        self.waits.add(&timing.waited);
        self.stayed = self.stayed.saturating_add(intended.saturating_sub(disposed));
        for bound in &timing.bounds {
            let Kept { late, left } = kept(bound, timing, committed, intended, disposed);
            let tally = self.bounds.entry(bound.promise.clone()).or_default();
            tally.late = tally.late.plus(late);
            tally.left = tally.left.into_iter().chain(left).min();
        }
    }

    /// A sweep began that applies this version.
    pub(super) fn apply(&mut self, version: EntryIndex, at: DateTime<Utc>, place: Place) {
        let used = self.versions.entry(version).or_insert(Used { first: at, sweeps: 0 });
        match place {
            Place::Before => self.carried = Some(version),
            Place::Within | Place::After => {
                used.sweeps += 1;
                self.sweeps.started += 1;
            }
        }
        self.version = Some(version);
    }
}

impl SweepCounts {
    pub(super) fn end(&mut self, result: SweepResult) {
        match result {
            SweepResult::Completed => self.completed += 1,
            SweepResult::Stopped => self.stopped += 1,
            SweepResult::Parked => self.parked += 1,
            SweepResult::Refused => self.refused += 1,
            SweepResult::Failed => self.failed += 1,
            SweepResult::Observed => self.observed += 1,
        }
    }
}

impl PartKey {
    pub(super) fn action(&self) -> Action {
        match self.pseudonymized {
            None => Action::Delete,
            Some(Pseudonymized) => Action::Pseudonymize,
        }
    }
}

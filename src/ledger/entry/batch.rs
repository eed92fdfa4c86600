//! Batches: the intent, and its one outcome.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::canonical::RuleDigest;
use super::super::error::EntryError;
use super::super::hash::{Hash, empty_root};
use super::super::instant;
use super::super::name::{BatchId, DatasetName, DatastoreName, EpochId, FieldName, RuleId, SweepId};
use super::super::tree::EntryIndex;
use super::body::Cause;
use super::timing::Timing;

/// `batch.intent`: durable before anything of the batch becomes irreversible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchIntent {
    /// Unique in the ledger.
    pub batch: BatchId,
    /// The run of the rule it belongs to.
    pub sweep: SweepId,
    /// The rule.
    pub rule: RuleId,
    /// The `rule.version` entry of the rule as it is applied.
    pub rule_entry: EntryIndex,
    /// The digest in that entry.
    pub rule_sha256: RuleDigest,
    /// Whose key the commitments depend on.
    pub epoch: EpochId,
    /// Of a share in another datastore than the records': the batch of the records these dependents hang on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<BatchId>,
    /// Of the rule's own records, the first part: how long they had waited, and what was left of their bounds. None for a
    /// share of dependents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// One for each dataset and action, at least one.
    pub parts: Vec<IntentPart>,
}

/// The records of one dataset that the batch is about to dispose of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentPart {
    /// The connection.
    pub datastore: DatastoreName,
    /// The dataset on it.
    pub dataset: DatasetName,
    /// What is about to be done.
    pub action: Action,
    /// How many records.
    pub n: u64,
    /// The root over the commitments to all of them.
    pub root: Hash,
}

/// `batch.committed`, the seal: what happened to the records of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchCommitted {
    /// The batch of the intent.
    pub batch: BatchId,
    /// The intent's entry.
    pub intent: EntryIndex,
    /// The run of the rule it belongs to.
    pub sweep: SweepId,
    /// Why the sweep ran.
    pub cause: Cause,
    /// The rule.
    pub rule: RuleId,
    /// The `rule.version` entry of the rule as it was applied.
    pub rule_entry: EntryIndex,
    /// The digest in that entry.
    pub rule_sha256: RuleDigest,
    /// As in `sweep.started`: records whose trigger lies strictly before this were due.
    #[serde(with = "instant")]
    pub cutoff: DateTime<Utc>,
    /// When the intent was durable: no record of the batch was disposed of before.
    #[serde(with = "instant")]
    pub t0: DateTime<Utc>,
    /// When the commit was acknowledged, or found done: every disposed record was gone by then.
    #[serde(with = "instant")]
    pub t1: DateTime<Utc>,
    /// How the commitments are computed.
    pub alg: Algorithm,
    /// Whose key the commitments depend on.
    pub epoch: EpochId,
    /// What the outcomes rest on.
    pub attribution: Attribution,
    /// Whether recovery found the outcomes after a crash, instead of the sweep itself.
    pub recovered: bool,
    /// As in the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<BatchId>,
    /// Of the records' own batch: the `batch.committed` of its dependents in other datastores, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<EntryIndex>,
    /// When no backup that a rule covers can hold the disposed records any more; none where no rule says.
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub gone_everywhere_by: Option<DateTime<Utc>>,
    /// The parts of the intent, in its order.
    pub parts: Vec<CommittedPart>,
}

/// What happened to the records of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommittedPart {
    /// The connection.
    pub datastore: DatastoreName,
    /// The dataset on it.
    pub dataset: DatasetName,
    /// What was done.
    pub action: Action,
    /// The fields that were pseudonymized, ascending; none for a deletion.
    pub fields: Vec<FieldName>,
    /// One count for each outcome; together the intent's `n`.
    pub outcomes: Outcomes,
    /// How many records were disposed of.
    pub n: u64,
    /// The root over the commitments to those that were disposed of, and to no other.
    pub root: Hash,
}

/// `batch.aborted`: nothing of the batch was disposed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchAborted {
    /// The batch of the intent.
    pub batch: BatchId,
    /// The intent's entry.
    pub intent: EntryIndex,
    /// How it is known that nothing was disposed of.
    pub reason: AbortReason,
}

/// How many records had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    /// Gone, or its fields replaced, by this batch.
    pub disposed: u64,
    /// Gone before the batch reached it.
    pub already_gone: u64,
    /// Changed since it was judged, and left alone.
    pub changed: u64,
    /// The datastore would not let it go.
    pub refused: u64,
    /// Could not be found out.
    pub unknown: u64,
    /// There, unchanged: a crash came before its turn. Only recovery finds one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untouched: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
pub(super) fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Outcomes {
    /// All records, whatever happened to them.
    pub fn total(&self) -> u64 {
        // Each is below 2^53 in an entry; saturating, a hostile sum is a wrong number and not a panic.
        [self.already_gone, self.changed, self.refused, self.unknown, self.untouched]
            .into_iter()
            .fold(self.disposed, u64::saturating_add)
    }

    /// The sums, outcome by outcome.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            disposed: self.disposed.saturating_add(other.disposed),
            already_gone: self.already_gone.saturating_add(other.already_gone),
            changed: self.changed.saturating_add(other.changed),
            refused: self.refused.saturating_add(other.refused),
            unknown: self.unknown.saturating_add(other.unknown),
            untouched: self.untouched.saturating_add(other.untouched),
        }
    }
}

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The record goes.
    Delete,
    /// Its identifying fields are replaced.
    Pseudonymize,
}

/// How commitments are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// SHA-256("R1" ‖ nonce ‖ key), cut to 24 bytes.
    #[serde(rename = "r1-24")]
    R1Cut24,
}

/// What it rests on that this batch, and not someone else, disposed of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The datastore acknowledged the transaction or the call, or its status was looked up.
    Transaction,
    /// A marker row, written in the batch's own transaction, is there.
    Marker,
    /// The records are gone, and nothing says who did it.
    State,
}

/// How it is known that nothing was disposed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortReason {
    /// The sweep stopped between the intent and the commit: nothing was sent.
    NotAttempted,
    /// The datastore reported the roll-back.
    RolledBack,
    /// After a crash, an unchanged record was found: the transaction did not commit.
    SurvivorFound,
}

impl BatchIntent {
    /// `at`: when the entry was written.
    pub(super) fn check(&self, at: DateTime<Utc>) -> Result<(), EntryError> {
        check_datasets(self.parts.iter().map(|part| (&part.datastore, &part.dataset)).collect())?;
        check_roots(self.parts.iter().map(|part| (part.n, part.root)))?;
        check_unit(&self.batch, self.unit.as_ref())?;
        match (&self.timing, &self.unit) {
            (None, Some(_)) => Ok(()),
            (Some(timing), None) if timing.at > at => contradiction("`timing` was measured after the entry"),
            (Some(timing), None) => timing.check(self.parts.first().map_or(0, |part| part.n)),
            (Some(_), Some(_)) | (None, None) => contradiction("`timing` belongs to a batch without `unit`"),
        }
    }
}

impl BatchCommitted {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        check_datasets(self.parts.iter().map(|part| (&part.datastore, &part.dataset)).collect())?;
        check_roots(self.parts.iter().map(|part| (part.n, part.root)))?;
        if self.t1 < self.t0 {
            return contradiction("`t1` is before `t0`");
        }
        if self.gone_everywhere_by.is_some_and(|by| by < self.t1) {
            return contradiction("`gone_everywhere_by` is before `t1`");
        }
        if !self.recovered && self.totals().untouched > 0 {
            return contradiction("`untouched`, and not found by recovery");
        }
        check_unit(&self.batch, self.unit.as_ref())?;
        self.check_dependents()?;
        self.parts.iter().try_for_each(CommittedPart::check)
    }

    /// The intents of a unit are durable before any of its shares is committed.
    fn check_dependents(&self) -> Result<(), EntryError> {
        if self.unit.is_some() && !self.dependents.is_empty() {
            return contradiction("`unit` and `dependents`: dependents name none of their own");
        }
        if !self.dependents.is_sorted_by(|a, b| a < b) {
            return contradiction("`dependents` are not ascending");
        }
        if self.dependents.first().is_some_and(|first| *first <= self.intent) {
            return contradiction("`dependents` before the intent");
        }
        Ok(())
    }

    /// The outcomes of all parts.
    pub fn totals(&self) -> Outcomes {
        self.parts.iter().fold(Outcomes::default(), |sum, part| sum.plus(&part.outcomes))
    }
}

impl CommittedPart {
    fn check(&self) -> Result<(), EntryError> {
        if self.n != self.outcomes.disposed {
            return contradiction("`n` is not the number of disposed records");
        }
        if !self.fields.is_sorted_by(|a, b| a < b) {
            return contradiction("`fields` are not ascending");
        }
        match (self.action, self.fields.is_empty()) {
            (Action::Delete, true) | (Action::Pseudonymize, false) => Ok(()),
            (Action::Delete, false) => contradiction("a deletion names fields"),
            (Action::Pseudonymize, true) => contradiction("a pseudonymization names no fields"),
        }
    }
}

/// Nonces depend on batch and dataset alone. Were two datastores to share a dataset's name within a batch, the
/// nonce of a record in one would open the record of the same key in the other.
fn check_datasets(mut datasets: Vec<(&DatastoreName, &DatasetName)>) -> Result<(), EntryError> {
    if datasets.is_empty() {
        return contradiction("no parts");
    }
    datasets.sort_by_key(|(_, dataset)| *dataset);
    let ambiguous = |pair: &[(&DatastoreName, &DatasetName)]| match pair {
        [a, b] => a.1 == b.1 && a.0 != b.0,
        _ => false,
    };
    if datasets.windows(2).any(ambiguous) {
        return contradiction("two datastores with a dataset of one name");
    }
    Ok(())
}

fn check_unit(batch: &BatchId, unit: Option<&BatchId>) -> Result<(), EntryError> {
    if unit == Some(batch) {
        return contradiction("`unit` is the batch itself");
    }
    Ok(())
}

fn check_roots(mut parts: impl Iterator<Item = (u64, Hash)>) -> Result<(), EntryError> {
    let empty = empty_root();
    if parts.all(|(n, root)| (n == 0) == (root == empty)) {
        return Ok(());
    }
    contradiction("`n` is 0 and `root` is not that of no records, or the reverse")
}

fn contradiction(what: &'static str) -> Result<(), EntryError> {
    Err(EntryError::Contradiction { what })
}

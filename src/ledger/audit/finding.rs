//! What an audit finds.

use super::super::commitment::{BatchId, EpochId};
use super::super::entry::{DatastoreName, KeyEpoch, RuleId, SweepId};
use super::super::error::EntryError;
use super::super::hash::Hash;
use super::super::tree::{EntryIndex, TreeSize};
use super::Orders;

/// Whether an intent without an outcome is a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenIntents {
    /// A daemon is at work, or crashed and has not recovered yet.
    Allowed,
    /// The ledger is at rest.
    Refused,
}

/// The result of an audit. To be compared with a signed checkpoint: the audit does not know who signs.
#[derive(Debug)]
pub struct AuditReport {
    /// The number of entries read.
    pub size: TreeSize,
    /// The root over them.
    pub root: Hash,
    /// What is wrong, in the order of the ledger; at most 1,000.
    pub findings: Vec<Finding>,
    /// How many findings more there were.
    pub suppressed: u64,
    /// Intents without an outcome, by batch.
    pub open_intents: Vec<OpenIntent>,
    /// Sweeps that did not finish, or whose open intents are not settled.
    pub open_sweeps: Vec<SweepId>,
    /// What people ordered and is in force at the end.
    pub orders: Orders,
    /// The commitment keys that were announced.
    pub epochs: Vec<KeyEpoch>,
}

/// An intent without an outcome: its records may or may not be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// The intent's entry.
    pub entry: EntryIndex,
    /// Its batch.
    pub batch: BatchId,
}

/// One broken promise, and the entry that breaks it.
#[derive(Debug, thiserror::Error)]
#[error("entry {entry} breaks the ledger")]
pub struct Finding {
    /// The entry in which it shows.
    pub entry: EntryIndex,
    /// What is wrong.
    #[source]
    pub violation: Violation,
}

/// What can be wrong between entries.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// An entry is missing, or came twice.
    #[error("expected entry {expected}: one is missing, repeated or out of order")]
    Gap {
        /// The index that follows the last one.
        expected: EntryIndex,
    },
    /// Not an entry of ours.
    #[error("the entry cannot be read")]
    Unreadable {
        /// Why not.
        source: EntryError,
    },
    /// `log.genesis` is the first entry and no other.
    #[error("`log.genesis` is not the first entry and the only one")]
    Genesis,
    /// Time in the ledger never runs back.
    #[error("`at` is before the `at` of an earlier entry")]
    TimeRunsBack,
    /// A daemon opened something else than what is before it.
    #[error("`log.open` names another tree than that of the entries before it")]
    OpenedAnotherTree,
    /// A second key under one name.
    #[error("epoch `{epoch}` was announced before")]
    RepeatedEpoch {
        /// The epoch.
        epoch: EpochId,
    },
    /// A key that no `key.epoch` announces.
    #[error("epoch `{epoch}` was not announced")]
    UnknownEpoch {
        /// The epoch.
        epoch: EpochId,
    },
    /// The entry named does not embed this rule with this digest.
    #[error("entry {entry} is not the `rule.version` of `{rule}` with this digest")]
    UnknownRule {
        /// The rule.
        rule: RuleId,
        /// The entry named.
        entry: EntryIndex,
    },
    /// A second sweep of one name.
    #[error("sweep `{sweep}` was started before")]
    RepeatedSweep {
        /// The sweep.
        sweep: SweepId,
    },
    /// No such sweep is open, or it is one of another rule.
    #[error("sweep `{sweep}` was not started for this rule, or is over")]
    UnknownSweep {
        /// The sweep.
        sweep: SweepId,
    },
    /// After `sweep.finished`, only recovery settles what was open.
    #[error("sweep `{sweep}` has finished")]
    SweepIsOver {
        /// The sweep.
        sweep: SweepId,
    },
    /// The batches of a sweep do not add up to its totals.
    #[error("the batches of sweep `{sweep}` do not add up to its totals")]
    Totals {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep that only observes has no batches.
    #[error("sweep `{sweep}` only observed, and has batches")]
    ObserverDisposed {
        /// The sweep.
        sweep: SweepId,
    },
    /// A second batch of one name.
    #[error("batch `{batch}` was intended before")]
    RepeatedBatch {
        /// The batch.
        batch: BatchId,
    },
    /// An outcome without an intent, or a second outcome.
    #[error("batch `{batch}` has no open intent: none was written, or it already has its outcome")]
    NoIntent {
        /// The batch.
        batch: BatchId,
    },
    /// An intent without an outcome.
    #[error("batch `{batch}` has no outcome: its records may or may not be gone")]
    NoOutcome {
        /// The batch.
        batch: BatchId,
    },
    /// A share of a unit that nobody intended.
    #[error("unit `{unit}` is not a batch of the same sweep")]
    UnknownUnit {
        /// The batch named.
        unit: BatchId,
    },
    /// A level of what did not go under the rule in the datastore.
    #[error("entry {entry} is no earlier `batch.committed` of rule `{rule}` in datastore `{datastore}`")]
    UnknownBatch {
        /// The entry named.
        entry: EntryIndex,
        /// The rule.
        rule: RuleId,
        /// The datastore.
        datastore: DatastoreName,
    },
    /// A level that the batch has already, or a lower one.
    #[error("the batch of entry {entry} is {level} already")]
    NoHigher {
        /// The batch's entry.
        entry: EntryIndex,
        /// The level it has.
        level: &'static str,
    },
    /// A second hold or request of one name.
    #[error("`{name}` was placed or requested before")]
    RepeatedOrder {
        /// The hold or the request.
        name: String,
    },
    /// It ends what is not in force.
    #[error("the order that entry {entry} is said to hold is not in force")]
    UnknownOrder {
        /// The entry named.
        entry: EntryIndex,
    },
    /// A pause while disposal was paused.
    #[error("disposal was paused before")]
    PausedTwice,
    /// An intent while disposal was paused.
    #[error("batch `{batch}` was intended while disposal was paused")]
    Paused {
        /// The batch.
        batch: BatchId,
    },
    /// An intent of a rule all of whose records were held.
    #[error("batch `{batch}` was intended while the hold that entry {placed} placed covered all of its rule")]
    Held {
        /// The batch.
        batch: BatchId,
        /// The hold's `hold.placed`.
        placed: EntryIndex,
    },
    /// An intent of a sweep for erasure requests, of which there was none.
    #[error("batch `{batch}` was intended for an erasure request, and none of its service was open")]
    NotDemanded {
        /// The batch.
        batch: BatchId,
    },
    /// A field contradicts the entry it refers to.
    #[error("`{field}` disagrees with the entry it refers to")]
    Disagrees {
        /// The field.
        field: &'static str,
    },
}

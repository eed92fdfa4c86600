//! Why a sweep stopped.

use chrono::{DateTime, Utc};

use crate::datastore::DatastoreError;
use crate::datastore::error::EngineError;
use crate::diagnostic::Diagnostics;
use crate::model::name::{DatastoreName, RuleId};
use crate::model::orders::Halt;
use crate::state::StateError;

/// A sweep that could not go on. Whatever was disposed of before is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The state or the ledger failed: without them nothing is disposed of.
    #[error("the state cannot be used")]
    State(#[from] StateError),
    /// The datastore failed.
    #[error("the datastore cannot be swept")]
    Datastore(#[from] DatastoreError),
    /// The catalogue does not bear the rule out.
    #[error("{0}")]
    Bind(Diagnostics),
    /// The commitments could not be computed: a bug.
    #[error("the commitments of a batch were not computed; the batch was rolled back")]
    Hashing(#[source] tokio::task::JoinError),
    /// SQL and the judge differ.
    #[error(
        "rule `{rule}`: SQL selected {records} records as due that the judge keeps; the batch was rolled back and the rule stopped: report this as a bug"
    )]
    Disagreement {
        /// The rule.
        rule: RuleId,
        /// How many of the batch.
        records: u64,
    },
    /// The datastore did not confirm a commit.
    #[error("rule `{rule}`: the datastore did not confirm a commit")]
    Commit {
        /// The rule.
        rule: RuleId,
        /// What it said.
        #[source]
        source: EngineError,
    },
    /// Files of which it cannot be told whether they are gone for good.
    #[error("rule `{rule}`: batch `{batch}` is in doubt: {why}; the next start looks at each of its files")]
    InDoubt {
        /// The rule.
        rule: RuleId,
        /// The batch.
        batch: String,
        /// What the system said.
        why: &'static str,
    },
    /// A bug.
    #[error("the state made no intent of a batch; it was rolled back: report this as a bug")]
    NoIntent,
    /// The configuration does not have it.
    #[error("datastore `{datastore}` is not configured: add it to the configuration")]
    NoDatastore {
        /// The datastore.
        datastore: DatastoreName,
    },
    /// A commit failed, and the evidence shows that nothing happened.
    #[error("batch `{batch}` was rolled back by the datastore ({why}); its records are due as before")]
    RolledBack {
        /// The batch.
        batch: String,
        /// Why.
        why: &'static str,
    },
    /// A hold is on what no rule file has any more.
    #[error(
        "hold {hold} covered records of `{on}` that no rule puts under it any more: nothing is disposed of that it may be meant for; \
         give the rules back their names and `subject` columns, or place the hold anew and `expunged hold release {hold}`"
    )]
    LostHold {
        /// The hold.
        hold: String,
        /// What it is on.
        on: String,
    },
    /// The root of a files datastore is not the directory that it was.
    #[error(
        "the root of datastore `{datastore}` is another directory than it was: nothing is disposed of there, and of nothing whose files are \
         there; expected {expected}, observed {observed}; mount what belongs there, or, if the files were moved for good, \
         `expunged approve --root {datastore}`"
    )]
    OtherRoot {
        /// The datastore.
        datastore: DatastoreName,
        /// By what it is known.
        expected: String,
        /// What is there.
        observed: String,
    },
    /// The root of a files datastore has nothing in it, and nobody has seen anything there.
    #[error(
        "the root of datastore `{datastore}` is empty, and nobody can tell it from one that is not mounted: records whose files are there stay; \
         mount what belongs there, or, if nothing was ever put there, `expunged approve --root {datastore}`"
    )]
    BareRoot {
        /// The datastore.
        datastore: DatastoreName,
    },
    /// Somebody has stopped all disposal.
    #[error("nothing is disposed of: {0}")]
    Halted(Halt),
    /// The clock stands behind the ledger.
    #[error(
        "the host's clock says {host}, but the ledger already holds an entry of {mark}: nothing is disposed of; set the clock right"
    )]
    Clock {
        /// The host's clock.
        host: DateTime<Utc>,
        /// The newest entry.
        mark: DateTime<Utc>,
    },
}

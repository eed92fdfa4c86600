//! What a datastore has prepared of a batch, whichever engine it is.

use super::error::{DatastoreError, EngineError};
use super::{files, sql};
use crate::ledger::entry::Action as LedgerAction;
use crate::model::key::Key;
use crate::model::name::ColumnName;
use crate::model::value::Values;
use crate::rules::rule::Action;
use crate::state::CommittedIntent;

/// The records of one dataset in a batch.
#[derive(Debug)]
pub struct PreparedPart {
    /// As the ledger names it.
    pub dataset: String,
    /// What is done to them.
    pub action: LedgerAction,
    /// The columns that are replaced.
    pub fields: Vec<String>,
    /// Their keys; never empty.
    pub keys: Vec<Key>,
}

/// What became of a commit.
#[derive(Debug)]
pub enum Committed {
    /// Everything is gone, durably.
    Yes,
    /// The commit was not asked for: the path leads elsewhere by now. Everything is as it was.
    NotAttempted,
    /// The engine says it failed; only its evidence can tell what is on the disk.
    Unknown(EngineError),
    /// Each file has an outcome of its own, in the order of the part's keys, part by part.
    Each(Vec<Vec<files::Outcome>>),
}

/// A share of a batch that waits for its intent. Dropping it changes nothing.
pub enum Prepared<'w> {
    /// In an open transaction.
    Rows(Box<sql::Prepared<'w>>),
    /// Listed and looked at.
    Files(files::Prepared),
}

impl Prepared<'_> {
    /// What is in it, one part a dataset.
    pub fn parts(&self) -> &[PreparedPart] {
        match self {
            Self::Rows(prepared) => prepared.parts(),
            Self::Files(prepared) => prepared.parts(),
        }
    }

    /// By which evidence a restart will know what became of it: to be recorded with the intent.
    pub fn incarnation(&self) -> String {
        match self {
            Self::Rows(prepared) => prepared.incarnation().to_text(),
            Self::Files(prepared) => prepared.tree().identity(),
        }
    }

    /// What a restart needs to find its records again: personal data, to be sealed with the intent. None: nothing is in it.
    pub fn identities(&self) -> Option<String> {
        match self {
            Self::Rows(prepared) => prepared.identities().map(sql::Identities::to_text),
            Self::Files(prepared) => Some(prepared.identities().to_text()),
        }
    }

    /// The values of these columns of a dependent, or of the record, over the batch.
    pub fn leading(&self, of: Option<usize>, columns: &[&ColumnName]) -> Result<Vec<Values>, DatastoreError> {
        match self {
            Self::Rows(prepared) => prepared.leading(of, columns),
            // A file has no columns, and binding refuses what would hang on one.
            Self::Files(_) => Ok(Vec::new()),
        }
    }

    /// Carries out the share whose intent is durable.
    pub async fn commit(self, intent: &CommittedIntent) -> Result<Committed, DatastoreError> {
        match self {
            Self::Rows(prepared) => prepared.commit(intent).await,
            Self::Files(prepared) => prepared.commit(intent).await,
        }
    }

    /// Gives it up; everything is as it was.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        match self {
            Self::Rows(prepared) => prepared.rollback().await,
            Self::Files(_) => Ok(()),
        }
    }
}

impl From<&Action> for LedgerAction {
    fn from(action: &Action) -> Self {
        match action {
            Action::Delete => Self::Delete,
            Action::Pseudonymize { .. } => Self::Pseudonymize,
        }
    }
}

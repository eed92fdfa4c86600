//! What has been disposed of inside an open transaction, waiting for its intent.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::connection::Transaction;
use super::dialect::Dialect;
use super::identity::Identities;
use super::layer::Held;
use super::marker::{self, Incarnation, TransactionId};
use super::postgres;
use super::share::{self, Links};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::{Committed, PreparedPart};
use crate::model::name::ColumnName;
use crate::model::value::Values;
use crate::pseudonym::PseudonymKey;
use crate::state::CommittedIntent;

/// What has been disposed of inside an open transaction. Dropping it rolls back.
pub struct Prepared<'w> {
    pub(super) transaction: Transaction<'w>,
    pub(super) dialect: Dialect,
    pub(super) held: Vec<Held<'w>>,
    pub(super) parts: Vec<PreparedPart>,
    /// Of the rows that tell, where the marker is lost, whether the transaction was committed; none: it holds nothing, or its
    /// [`Judged`](super::Judged) knows them.
    pub(super) identities: Option<Identities>,
    /// The batches before, whose markers go with this one's commit.
    pub(super) sealed: &'w mut Vec<String>,
    /// The batch whose marker it holds already.
    pub(super) marked: Option<String>,
    pub(super) witness: Witness,
    /// Which evidence there will be of it.
    pub(super) incarnation: Incarnation,
    pub(super) file: Option<FileIdentity>,
}

impl Prepared<'_> {
    pub(super) async fn dispose_linked(
        &mut self,
        links: Links<'_>,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<(), DatastoreError> {
        share::gather(&mut self.transaction.handle(), &self.dialect, &mut self.held, links).await?;
        share::name_once(&mut self.held);
        for held in self.held.iter().rev() {
            let mut handle = self.transaction.handle();
            let disposed = share::dispose(&mut handle, &self.dialect, held, at, pseudonyms).await?;
            let Some(part) = disposed else { continue };
            self.identities = Some(Identities::of_layer(&held.layer, &held.key_values()));
            self.parts.push(part);
        }
        self.parts.reverse();
        share::settle(&mut self.transaction.handle(), &self.dialect, &self.held).await
    }

    /// By which evidence a restart will know what became of it: to be recorded with the intent. Of a rule's own records, once they are marked.
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// What was disposed of, one part a dependent.
    pub fn parts(&self) -> &[PreparedPart] {
        &self.parts
    }

    /// Keys of its rows, for a restart: to be sealed with the intent, and kept nowhere else.
    pub fn identities(&self) -> Option<&Identities> {
        self.identities.as_ref()
    }

    /// The values of these columns of a dependent, or of the record, over the batch: they lead to what hangs on it elsewhere.
    pub fn leading(&self, of: Option<usize>, columns: &[&ColumnName]) -> Result<Vec<Values>, DatastoreError> {
        let held = self.held.iter().find(|held| held.layer.at == of);
        held.map_or(Ok(Vec::new()), |held| held.leading(columns.iter().copied()))
    }

    /// Ends the transaction; everything is as it was before the batch was selected.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        self.transaction.rollback().await
    }

    /// Commits the batch whose intent is durable. All of it or nothing: the marker is in the same transaction.
    ///
    /// A crash before, within or after it leaves an open intent, which the marker resolves.
    ///
    /// ```compile_fail,E0061
    /// use expunged::datastore::sql::Prepared;
    ///
    /// async fn hasty(prepared: Prepared<'_>) {
    ///     let _ = prepared.commit().await;
    /// }
    /// ```
    pub async fn commit(mut self, intent: &CommittedIntent) -> Result<Committed, DatastoreError> {
        // A file that was restored or rotated away takes its deletions with it.
        let moved = |file: &Option<FileIdentity>| file.as_ref().is_some_and(FileIdentity::moved);
        if moved(&self.file) {
            self.rollback().await?;
            return Ok(Committed::NotAttempted);
        }
        if self.marked.as_deref() != Some(intent.batch()) {
            self.write_marker(intent.batch()).await?;
        }
        match self.transaction.commit().await {
            Ok(()) if moved(&self.file) => Ok(Committed::Unknown(EngineError::Moved)),
            Ok(()) => {
                // It is sealed before this connection commits again, and its marker goes with that.
                self.sealed.clear();
                self.sealed.extend(self.marked);
                Ok(Committed::Yes)
            }
            Err(error) => Ok(Committed::Unknown(error)),
        }
    }

    /// Writes the marker ahead of the intent, and finds out which evidence there will be. Where that fails, everything is as it was before
    /// the batch was selected.
    pub async fn mark(mut self, batch: &str) -> Result<Self, DatastoreError> {
        let witnessed = match self.write_marker(batch).await {
            Ok(Some(number)) => {
                self.incarnation.transaction = self.witness.knows(number);
                Ok(())
            }
            Ok(None) => self.witnessed().await,
            Err(error) => Err(error),
        };
        match witnessed {
            Ok(()) => Ok(self),
            Err(error) => {
                self.transaction.undo().await?;
                Err(error)
            }
        }
    }

    /// Forgets the markers of batches that will be sealed by the time of the commit, and writes its own; the transaction's number, where the
    /// server tells it with that.
    async fn write_marker(&mut self, batch: &str) -> Result<Option<String>, DatastoreError> {
        if self.incarnation.marker.is_none() {
            return Ok(None);
        }
        let number = marker::set(&mut self.transaction.handle(), &self.dialect, batch, self.sealed).await?;
        self.marked = Some(batch.to_owned());
        Ok(number)
    }

    /// Asks which transaction this is, where the server will know what became of it.
    pub(super) async fn witnessed(&mut self) -> Result<(), DatastoreError> {
        if let (Transaction::Postgres(connection), Witness(Some(_))) = (&mut self.transaction, &self.witness)
        {
            let number = postgres::evidence::present(connection).await?;
            self.incarnation.transaction = self.witness.knows(number);
        }
        Ok(())
    }
}

/// Which PostgreSQL cluster will say what became of a batch; none: another engine, or one that may not be asked.
pub(super) struct Witness(pub(super) Option<String>);

impl Witness {
    /// The transaction of this number, which has changed something.
    fn knows(&self, number: String) -> Option<TransactionId> {
        self.0.clone().map(|cluster| TransactionId { cluster, number })
    }
}

/// A file by what it is, not by what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    fn moved(&self) -> bool {
        Self::of(&self.path).is_none_or(|now| (now.device, now.inode) != (self.device, self.inode))
    }
}

//! What has been disposed of inside an open transaction, waiting for its intent.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::connect::{failed, run};
use super::identity::Identities;
use super::layer::Layer;
use super::sql::Sql;
use super::{marker, share};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::{Committed, PreparedPart};
use crate::model::name::ColumnName;
use crate::model::value::Value;
use crate::pseudonym::PseudonymKey;
use crate::state::CommittedIntent;

/// Rolls back, whether or not the engine has done so by itself: after RAISE(ROLLBACK) nothing is open any more, and the
/// driver does not know.
pub(super) async fn undo(mut transaction: Transaction<'_, Sqlite>) -> Result<(), DatastoreError> {
    // Refused where a transaction is open; where none is, there is one to roll back again.
    let begun = run(&mut transaction, &Sql::new("BEGIN"), "roll a batch back").await;
    drop(begun);
    transaction.rollback().await.map_err(failed("roll a batch back"))
}

/// What has been disposed of inside an open transaction. Dropping it rolls back.
pub struct Prepared<'w> {
    pub(super) transaction: Transaction<'w, Sqlite>,
    pub(super) layers: Vec<Layer<'w>>,
    pub(super) parts: Vec<PreparedPart>,
    /// Of the rows that tell, where the marker is lost, whether the transaction was committed; none: it holds nothing.
    pub(super) identities: Option<Identities>,
    /// The batch before, whose marker goes with this one's commit.
    pub(super) sealed: Option<String>,
    pub(super) file: Option<FileIdentity>,
}

impl Prepared<'_> {
    pub(super) async fn dispose_linked(
        &mut self,
        links: &[(usize, Vec<Vec<Value>>)],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<(), DatastoreError> {
        for layer in &self.layers {
            let operation = "begin a share of a batch";
            run(&mut self.transaction, &Sql::new(format!("DELETE FROM {}", layer.temp())), operation).await?;
            if let Some((_, rows)) = links.iter().find(|(of, _)| Some(*of) == layer.at) {
                layer.link(&mut self.transaction, rows).await?;
            }
        }
        share::gather(&mut self.transaction, &self.layers).await?;
        share::name_once(&mut self.transaction, &self.layers).await?;
        for layer in self.layers.iter().rev() {
            let Some(part) = share::dispose(&mut self.transaction, layer, at, pseudonyms).await? else {
                continue;
            };
            let rows = layer.encoded_keys(&mut self.transaction).await?;
            self.identities = Some(Identities::of_layer(layer, rows));
            self.parts.push(part);
        }
        self.parts.reverse();
        Ok(())
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
    pub async fn leading(
        &mut self,
        of: Option<usize>,
        columns: &[&ColumnName],
    ) -> Result<Vec<Vec<Value>>, DatastoreError> {
        let Some(layer) = self.layers.iter().find(|layer| layer.at == of) else { return Ok(Vec::new()) };
        layer.leading(&mut self.transaction, columns).await
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Ends the transaction; everything is as it was before the batch was selected.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        self.transaction.rollback().await.map_err(failed("roll a batch back"))
    }

    /// Commits the batch whose intent is durable. All of it or nothing: the marker is in the same transaction.
    ///
    /// A crash before, within or after it leaves an open intent, which the marker resolves.
    ///
    /// ```compile_fail,E0061
    /// use expunged::datastore::sqlite::Prepared;
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
        if let Some(sealed) = &self.sealed {
            marker::forget(&mut self.transaction, sealed).await?;
        }
        marker::set(&mut self.transaction, intent.batch()).await?;
        match self.transaction.commit().await {
            Ok(()) if moved(&self.file) => Ok(Committed::Unknown(EngineError::Moved)),
            Ok(()) => Ok(Committed::Yes),
            Err(error) => Ok(Committed::Unknown(EngineError::from(&error))),
        }
    }
}

/// A file by what it is, not by what it is called.
#[derive(Debug, Clone)]
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

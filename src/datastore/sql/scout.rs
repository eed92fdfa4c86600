//! Reading ahead: while a batch of a SQLite file goes, a second connection reads the next.
//!
//! What it reads is what the next batch finds, if nobody has written meanwhile: it reads after the batch before has locked every other writer
//! out, and the next compares, under its own lock, whether any other connection has committed since. The batch between has changed no
//! records but its own, or it would not have been committed.

use super::batch::columns_read;
use super::connection::{Access, Connection, open};
use super::dialect::Dialect;
use super::layer::layers;
use super::prepared::FileIdentity;
use super::selection::{Range, selection};
use super::sqlite;
use super::{Cursor, Phase};
use crate::datastore::error::DatastoreError;
use crate::model::datastore::Datastore;
use crate::model::value::Values;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;

/// A connection that reads ahead of the one that disposes.
pub struct Scout {
    connection: Connection,
    dialect: Dialect,
    file: Option<FileIdentity>,
}

/// The records that a batch would select, as they were under the lock of the batch before.
pub struct Seen {
    pub(super) from: Cursor,
    pub(super) limit: u32,
    pub(super) rows: Vec<Values>,
    pub(super) watermark: Watermark,
    /// Which file it was read from.
    pub(super) file: Option<FileIdentity>,
}

/// Under one lock and another of the same connection the same, if no other connection has committed in between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Watermark(pub(super) i64);

impl Seen {
    /// Whether it is about the batch that goes on from here.
    pub fn is_from(&self, cursor: &Cursor) -> bool {
        self.from == *cursor
    }
}

impl Scout {
    /// Opens a second connection; none: on a server others go on writing, and without a log whoever reads and whoever writes would wait for
    /// each other.
    pub async fn open(datastore: &Datastore) -> Result<Option<Self>, DatastoreError> {
        let Some(path) = datastore.location.path().filter(|_| datastore.kind().has_rows()) else {
            return Ok(None);
        };
        let file = FileIdentity::of(path);
        let (mut connection, dialect) = open(datastore, Access::Read).await?;
        let logs = match &mut connection {
            Connection::Sqlite(connection) => sqlite::connect::keeps_a_log(connection).await?,
            Connection::Postgres(_) | Connection::MariaDb(_) => false,
        };
        if logs {
            return Ok(Some(Self { connection, dialect, file }));
        }
        connection.close().await?;
        Ok(None)
    }

    /// Reads what the next batch would select from here, while the one with this mark holds the lock or has just been committed.
    pub async fn look(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
        (from, limit): (Cursor, u32),
        watermark: Watermark,
    ) -> Result<Seen, DatastoreError> {
        let own = &layers(rule, 0)[0];
        let range = Range::of(rule, phase, &from, limit);
        let (columns, _) = columns_read(&self.dialect, rule, own, phase);
        let select = self.dialect.select(&columns, |sql| selection(sql, rule, cutoffs, range));
        let rows = self.connection.handle().rows(&select, "read a batch ahead").await?;
        Ok(Seen { from, limit, rows, watermark, file: self.file.clone() })
    }

    /// Closes the connection.
    pub async fn close(self) -> Result<(), DatastoreError> {
        self.connection.close().await
    }
}

//! Beyond logical erasure: what each engine can be asked for once records are gone, how it is known that it was done, and what is
//! known to remain all the same.
//!
//! No engine is believed because it did not complain: a level is reached by evidence of the engine's own, and what has none is left
//! for the next sweep. Nothing here disposes of a record.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use super::connection::{Access, Connection, Handle, open};
use super::dialect::Dialect;
use super::marker::{self, Incarnation};
use super::{mariadb, postgres, sqlite};
use crate::datastore::error::DatastoreError;
use crate::ledger::entry::Remains;
use crate::model::datastore::{Datastore, DatastoreKind};
use crate::model::level::Level;
use crate::model::name::TableName;

/// What an engine is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// In its own words.
    pub means: &'static str,
    /// Where bytes of the records may be afterwards, ascending.
    pub remains: &'static [Remains],
}

impl Aim {
    /// How a level is reached there; none: nothing has to be done, or the engine has no such thing.
    pub fn of(kind: DatastoreKind, level: Level) -> Option<Self> {
        use Remains::{Backups, FileSystem, FreeSpace, Indexes, Replicas, Statistics, WriteAheadLog};
        let (means, remains): (_, &[Remains]) = match (kind, level) {
            (_, Level::Logical) | (DatastoreKind::Files, _) => return None,
            // What VACUUM frees on a page, and what it cuts off a file, is not overwritten; the words of a GIN index it leaves, and in any index keys
            // that bound its pages.
            (DatastoreKind::Postgres, Level::Vacuumed) => (
                "VACUUM (FREEZE, INDEX_CLEANUP ON)",
                &[Backups, FileSystem, FreeSpace, Indexes, Replicas, Statistics, WriteAheadLog],
            ),
            (DatastoreKind::Postgres, Level::Rewritten) => {
                ("VACUUM (FULL, FREEZE)", &[Backups, FileSystem, Replicas, Statistics, WriteAheadLog])
            }
            (DatastoreKind::MariaDb, Level::Vacuumed) => (
                "purge by InnoDB",
                &[Backups, FileSystem, FreeSpace, Indexes, Replicas, Statistics, WriteAheadLog],
            ),
            // The undo log is not written anew: what it freed is free space.
            (DatastoreKind::MariaDb, Level::Rewritten) => (
                "purge by InnoDB, OPTIMIZE TABLE",
                &[Backups, FileSystem, FreeSpace, Replicas, Statistics, WriteAheadLog],
            ),
            // The deletion overwrites what it deletes. Copies that the application left behind earlier, it cannot know.
            (DatastoreKind::Sqlite, Level::Vacuumed) => {
                ("secure_delete, wal_checkpoint(TRUNCATE)", &[Backups, FileSystem, FreeSpace, Statistics])
            }
            (DatastoreKind::Sqlite, Level::Rewritten) => {
                ("secure_delete, VACUUM, wal_checkpoint(TRUNCATE)", &[Backups, FileSystem, Statistics])
            }
        };
        Some(Self { means, remains })
    }
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// The batches of which it is known now, by their places among those asked about.
    pub reached: Vec<usize>,
    /// Why it is not known of the others, as a sentence goes on.
    pub left: Option<String>,
}

impl Came {
    /// Nothing came of it.
    pub fn short(why: impl Into<String>) -> Self {
        Self { reached: Vec::new(), left: Some(why.into()) }
    }

    pub(super) fn all(of: usize) -> Self {
        Self { reached: (0..of).collect(), left: None }
    }

    /// Of the batches about which it is known; why it is not of the others.
    pub(super) fn of(batches: &[Incarnation], is_known: impl Fn(&Incarnation) -> bool, why: &str) -> Self {
        let reached: Vec<usize> = (0..).zip(batches).filter(|(_, b)| is_known(b)).map(|(at, _)| at).collect();
        let left = (reached.len() < batches.len()).then(|| why.to_owned());
        Self { reached, left }
    }
}

/// What an engine is asked about.
pub struct Asked<'a> {
    /// How thoroughly the records are to be gone.
    pub level: Level,
    /// The tables that held them.
    pub tables: &'a [TableName],
    /// By which evidence the datastore knows each batch.
    pub batches: &'a [Incarnation],
    /// How long it may take.
    pub within: Duration,
}

/// Whether the engine may go on; asked while it works, and every time before it is asked for the next thing.
pub type GoOn<'g> = &'g mut (dyn FnMut() -> bool + Send);

/// A connection that asks for more than deletion: one of its own, in no transaction.
pub struct Eraser<'d> {
    datastore: &'d Datastore,
    connection: Connection,
    dialect: Dialect,
    here: Incarnation,
}

impl<'d> Eraser<'d> {
    /// Opens the datastore.
    pub async fn open(datastore: &'d Datastore) -> Result<Self, DatastoreError> {
        let (mut connection, dialect) = open(datastore, Access::Write).await?;
        let here = marker::ensure(&mut connection.handle(), &dialect).await?;
        Ok(Self { datastore, connection, dialect, here })
    }

    /// Whether the batch went from this very database, as far as its marker tells.
    pub fn knows(&self, batch: &Incarnation) -> bool {
        batch.marker.is_none() || batch.marker == self.here.marker
    }

    /// Asks the engine, and finds out what became of it. Whatever was begun is waited for: what is called off has ended when this
    /// returns, and is owed as before.
    pub async fn ask(&mut self, asked: &Asked<'_>, go_on: GoOn<'_>) -> Result<Came, DatastoreError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => sqlite::level::ask(connection, asked, go_on).await,
            Connection::Postgres(connection) => {
                postgres::level::ask(self.datastore, connection, &self.dialect, asked, go_on).await
            }
            Connection::MariaDb(connection) => {
                mariadb::level::ask(self.datastore, connection, &self.dialect, asked, go_on).await
            }
        }
    }

    /// Closes the connection.
    pub async fn close(self) -> Result<(), DatastoreError> {
        self.connection.close().await
    }
}

/// What the server knows the heaps by that hold the rows of these tables, within a transaction that has changed some of them and so
/// keeps them in their places. On SQLite all tables are in one file.
pub(super) async fn heaps(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    tables: &[&str],
) -> Result<BTreeSet<u64>, DatastoreError> {
    match handle {
        Handle::Sqlite(_) => Ok(BTreeSet::new()),
        Handle::Postgres(connection) => postgres::level::heaps_of(connection, dialect, tables).await,
        Handle::MariaDb(connection) => mariadb::level::heaps_of(connection, dialect, tables).await,
    }
}

/// How often somebody looks whether the engine may go on.
const LOOK: Duration = Duration::from_millis(100);

/// How a statement ended.
pub(super) enum Ended<T> {
    /// By itself.
    Done(Result<T, sqlx::Error>),
    /// Called off.
    CalledOff,
}

/// Waits for a statement to its end, whoever calls it off meanwhile: a statement that nobody waits for goes on at the server.
pub(super) async fn waited<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
    go_on: GoOn<'_>,
    mut call_off: impl AsyncFnMut(),
) -> Ended<T> {
    let mut statement = pin!(statement);
    let mut called_off = false;
    // Ends with the statement, which has a time limit of its own at the server.
    loop {
        match tokio::time::timeout(LOOK, statement.as_mut()).await {
            Ok(Err(_)) if called_off => return Ended::CalledOff,
            Ok(done) => return Ended::Done(done),
            Err(_) if called_off || go_on() => {}
            Err(_) => {
                called_off = true;
                call_off().await;
            }
        }
    }
}

/// Between two tries to lock a table, so that whoever waited behind the one gets through before the other.
pub(super) const BETWEEN: Duration = Duration::from_secs(1);

pub(super) const CALLED_OFF: &str = "it was called off, since the sweep has to end";

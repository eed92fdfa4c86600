//! A connection that may dispose of records: it selects them, batch by batch, and takes the markers of what is sealed away.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Selected;
use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::{Access, Connection, Layout, open_again, promote};
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::identity::Identities;
use crate::datastore::sql::layer::{Held, layers};
use crate::datastore::sql::marker::{self, Evidence, Incarnation};
use crate::datastore::sql::prepared::{FileIdentity, Prepared, Witness};
use crate::datastore::sql::read::{self, Reader};
use crate::datastore::sql::scout::Seen;
use crate::datastore::sql::selection::Page;
use crate::datastore::sql::share::Links;
use crate::datastore::sql::way::{self, Ahead, Line, Reading, Way};
use crate::datastore::sql::{Cursor, Phase, postgres};
use crate::model::catalogue::Catalogue;
use crate::model::datastore::Datastore;
use crate::model::name::TableName;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;

/// A connection that may dispose of records.
pub struct Writer {
    connection: Connection,
    dialect: Dialect,
    incarnation: Incarnation,
    /// Which PostgreSQL cluster this is; none: another engine, or one that may not be asked.
    cluster: Option<String>,
    /// The file as it was opened; none for a world in memory, and for a server.
    file: Option<FileIdentity>,
    /// Batches whose markers the next commit takes along.
    sealed: Vec<String>,
}

/// So many markers wait for a commit, and so many go in one statement.
const MOST_SEALED: usize = 100;

impl Writer {
    /// Opens the datastore for a sweep and sets up its marker.
    pub async fn open(datastore: &Datastore) -> Result<Self, DatastoreError> {
        Self::open_again(datastore, None).await
    }

    /// The same, where another connection of the sweep's may have opened it.
    pub async fn open_again(datastore: &Datastore, layout: Option<&Layout>) -> Result<Self, DatastoreError> {
        let file = datastore.location.path().and_then(FileIdentity::of);
        let (connection, dialect) = open_again(datastore, Access::Write, layout).await?;
        Ok(Self { file, ..Self::over(connection, dialect).await? })
    }

    /// The same over the connection that a sweep has read by, where the engine lets it go on with that. `tables`: those that its rule is bound to,
    /// which have to be what they were.
    pub async fn succeeding(
        reader: Reader,
        datastore: &Datastore,
        tables: &[TableName],
    ) -> Result<Self, DatastoreError> {
        let file = datastore.location.path().and_then(FileIdentity::of);
        let (connection, dialect) = reader.into_connection();
        let (connection, dialect) = promote(connection, &dialect, datastore, tables).await?;
        Ok(Self { file, ..Self::over(connection, dialect).await? })
    }

    /// What the tables look like to it.
    pub fn layout(&self) -> Layout {
        Layout(self.dialect.clone())
    }

    pub(in crate::datastore::sql) async fn over(
        mut connection: Connection,
        dialect: Dialect,
    ) -> Result<Self, DatastoreError> {
        let incarnation = marker::ensure(&mut connection.handle(), &dialect).await?;
        let cluster = match &mut connection {
            Connection::Postgres(connection) => postgres::evidence::cluster(connection).await.ok(),
            Connection::Sqlite(_) | Connection::MariaDb(_) => None,
        };
        Ok(Self { connection, dialect, incarnation, cluster, file: None, sealed: Vec::new() })
    }

    pub(in crate::datastore::sql) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The schema.
    pub async fn catalogue(&mut self) -> Result<Catalogue, DatastoreError> {
        read::catalogue(&mut self.connection.handle(), &self.dialect).await
    }

    /// Whether a batch of an earlier run was committed. It is forgotten only by [`Self::sealed`] and [`Self::forget`].
    pub async fn evidence(
        &mut self,
        incarnation: &Incarnation,
        batch: &str,
    ) -> Result<Evidence, DatastoreError> {
        marker::evidence(&mut self.connection, &self.dialect, incarnation, batch).await
    }

    /// Counts the records of a batch that are there as they were: for where the marker is lost.
    pub async fn survivors(&mut self, identities: &Identities) -> Result<u64, DatastoreError> {
        self.connection.be_patient(marker::IN_FLIGHT).await?;
        identities.survivors(&mut self.connection.handle(), &self.dialect).await
    }

    /// How long a batch may keep the application waiting: on SQLite, whoever wants to write; elsewhere, whoever wants the same rows, and
    /// the disk.
    pub fn longest(&self) -> Duration {
        match self.dialect {
            Dialect::Sqlite => Duration::from_millis(250),
            Dialect::Postgres(_) | Dialect::MariaDb(_) => Duration::from_millis(50),
        }
    }

    /// Says that a batch's outcome is in the ledger, or will be before the next commit: its marker goes with that, or with
    /// [`Self::close`].
    pub fn sealed(&mut self, batch: &str) {
        // A turn that came to nothing says it again.
        if self.incarnation.marker.is_some() && !self.sealed.iter().any(|sealed| sealed == batch) {
            self.sealed.push(batch.to_owned());
        }
    }

    /// The batches whose markers are there, whoever's ledger they are in.
    pub async fn marked(&mut self) -> Result<Vec<String>, DatastoreError> {
        if self.incarnation.marker.is_none() {
            return Ok(Vec::new());
        }
        marker::all(&mut self.connection.handle(), &self.dialect).await
    }

    /// Forgets the markers of batches whose outcomes are in the ledger. A crash leaves those that say nothing wrong.
    pub async fn forget(&mut self, batches: &[String]) -> Result<(), DatastoreError> {
        for batches in batches.chunks(MOST_SEALED) {
            marker::forget(&mut self.connection.handle(), &self.dialect, batches).await?;
        }
        Ok(())
    }

    /// Where batch after batch comes to nothing, no commit takes along what waits for one.
    async fn forget_in_time(&mut self) -> Result<(), DatastoreError> {
        if self.sealed.len() <= MOST_SEALED {
            return Ok(());
        }
        // The last may be sealed only right before the commit.
        let settled = self.sealed[..self.sealed.len() - 1].to_vec();
        self.forget(&settled).await?;
        self.sealed.drain(..settled.len());
        Ok(())
    }

    /// Forgets the last marker and closes the connection. A failure leaves a marker that says nothing wrong.
    pub async fn close(mut self) -> Result<(), DatastoreError> {
        let sealed = std::mem::take(&mut self.sealed);
        self.forget(&sealed).await?;
        self.connection.close().await
    }

    /// Disposes of what hangs on the records of a batch, inside a transaction that is left open: the dependents of a share, by the
    /// values that lead to them. Nothing is irreversible yet: dropping what this returns rolls back.
    pub async fn dispose_linked<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        share: usize,
        links: Links<'_>,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let (witness, incarnation) = (self.witness(), self.incarnation.clone());
        let (sealed, file, dialect) = (&mut self.sealed, self.file.clone(), self.dialect.clone());
        let transaction = self.connection.begin("begin a share of a batch").await?;
        let held = layers(rule, share).into_iter().map(Held::none).collect();
        let mut prepared = Prepared {
            transaction,
            dialect,
            held,
            parts: Vec::new(),
            identities: None,
            sealed,
            marked: None,
            witness,
            incarnation,
            file,
        };
        let disposed = match prepared.dispose_linked(links, at, pseudonyms).await {
            Ok(()) => prepared.witnessed().await,
            Err(error) => Err(error),
        };
        match disposed {
            Ok(()) => Ok(prepared),
            Err(error) => {
                prepared.transaction.undo().await?;
                Err(error)
            }
        }
    }

    /// The fastest way through the rule's records that is exact.
    pub async fn way(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
        ahead: Ahead,
    ) -> Result<Way, DatastoreError> {
        way::of(&mut self.connection, &self.dialect, rule, cutoffs, phase, ahead).await
    }

    /// Whether a batch may be disposed of before the one before it is committed.
    pub fn disposes_ahead(&self) -> bool {
        self.dialect.disposes_ahead()
    }

    /// Whether some of the rule's records may be due and only the judge can tell.
    pub fn leaves_to_the_judge(&self, rule: RowRule<'_>) -> bool {
        way::leaves_to_the_judge(&self.dialect, rule)
    }

    /// Selects up to `limit` records, in the walk's order after the cursor (on a line, in any), and locks them, on SQLite the datastore, against every
    /// other writer until the batch ends. What somebody else has locked is passed over where the records are listed, and a conflict
    /// elsewhere. Where the way is by snapshots, nothing is locked yet.
    pub async fn select<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        cursor: &Cursor,
        limit: u32,
        way: Way,
    ) -> Result<Selected<'w>, DatastoreError> {
        self.selected(rule, cutoffs, phase, (cursor, limit, way), None).await
    }

    /// The same of records that a [`Scout`](crate::datastore::sql::Scout) has read ahead, and up to as many: unless another connection than this has changed
    /// anything since, they are not read again.
    pub async fn select_seen<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        mut seen: Seen,
        (limit, way): (u32, Way),
    ) -> Result<Selected<'w>, DatastoreError> {
        let (from, limit) = (seen.from.clone(), limit.min(seen.limit));
        seen.rows.truncate(limit as usize);
        // A name may lead to one file and to another.
        let seen = (seen.file == self.file).then_some(seen);
        self.selected(rule, cutoffs, phase, (&from, limit, way), seen).await
    }

    async fn selected<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        (cursor, limit, way): (&Cursor, u32, Way),
        seen: Option<Seen>,
    ) -> Result<Selected<'w>, DatastoreError> {
        self.forget_in_time().await?;
        let (witness, incarnation) = (self.witness(), self.incarnation.clone());
        let (sealed, file, dialect) = (&mut self.sealed, self.file.clone(), self.dialect.clone());
        let operation = "select a batch";
        let reading = way.at(cursor).line().map_or(Reading::InOrder, Line::reading);
        let transaction = if way.at(cursor).is_snapshot() {
            self.connection.begin_snapshot(reading, operation).await?
        } else {
            self.connection.begin(operation).await?
        };
        let mut selected = Selected {
            transaction,
            dialect,
            rule,
            cutoffs,
            phase,
            held: layers(rule, 0).into_iter().map(Held::none).collect(),
            from: cursor.clone(),
            limit,
            way: way.at(cursor),
            snapshot: way.at(cursor).is_snapshot(),
            reading,
            span: way.at(cursor).line().map(|line| cursor.span(line, limit)),
            page: Page::empty(),
            beside: None,
            watermark: None,
            taken: false,
            sealed,
            witness,
            incarnation,
            file,
        };
        match selected.read_page(seen).await {
            Ok(()) => Ok(selected),
            Err(error) => {
                selected.transaction.undo().await?;
                Err(error)
            }
        }
    }

    fn witness(&self) -> Witness {
        Witness(self.cluster.clone())
    }
}

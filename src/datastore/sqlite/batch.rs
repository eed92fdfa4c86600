//! One batch: selected, judged by the caller, disposed of inside an open transaction, committed with an intent.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Row as _, Sqlite, SqliteConnection, Transaction};

use super::connect::{Access, connect, failed, one, path_of, run, text};
use super::identity::Identities;
use super::layer::{Layer, layers};
use super::marker::{self, Evidence, Incarnation};
use super::prepared::{FileIdentity, Prepared, undo};
use super::read::{Page, json_rows, named_sources, order, page, selection};
use super::sql::{Sql, TriggerSql, demanded, filters, not_held, table};
use super::{Cursor, Phase, catalogue, share};
use crate::datastore::PreparedPart;
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::Catalogue;
use crate::model::datastore::Datastore;
use crate::model::value::Value;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::rules::rule::Action;

/// A connection that may dispose of records. One a sweep.
pub struct Writer {
    connection: SqliteConnection,
    incarnation: Incarnation,
    /// The file as it was opened; none for a world in memory.
    file: Option<FileIdentity>,
    /// The last batch, whose marker the next commit takes along.
    sealed: Option<String>,
}

impl Writer {
    /// Opens the datastore for a sweep and sets up its marker.
    pub async fn open(datastore: &Datastore) -> Result<Self, DatastoreError> {
        let path = path_of(datastore)?;
        let file = FileIdentity::of(path);
        let mut writer = Self::over(connect(path, Access::Write).await?).await?;
        writer.file = file;
        Ok(writer)
    }

    pub(super) async fn over(mut connection: SqliteConnection) -> Result<Self, DatastoreError> {
        let incarnation = marker::ensure(&mut connection).await?;
        Ok(Self { connection, incarnation, file: None, sealed: None })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The schema.
    pub async fn catalogue(&mut self) -> Result<Catalogue, DatastoreError> {
        catalogue::read(&mut self.connection).await
    }

    /// The marker's name, to be recorded with every intent.
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// Whether a batch of an earlier run was committed. It is forgotten only by [`Self::sealed`].
    pub async fn evidence(
        &mut self,
        incarnation: &Incarnation,
        batch: &str,
    ) -> Result<Evidence, DatastoreError> {
        marker::evidence(&mut self.connection, incarnation, batch).await
    }

    /// Counts the records of a batch that are there as they were: for where the marker is lost.
    pub async fn survivors(&mut self, identities: &Identities) -> Result<u64, DatastoreError> {
        identities.survivors(&mut self.connection).await
    }

    /// Says that a batch's outcome is in the ledger, or will be before the next commit: its marker goes with that, or with
    /// [`Self::close`].
    pub fn sealed(&mut self, batch: &str) {
        self.sealed = Some(batch.to_owned());
    }

    /// Forgets the last marker and closes the connection. A failure leaves a marker that says nothing wrong.
    pub async fn close(mut self) -> Result<(), DatastoreError> {
        if let Some(batch) = self.sealed.take() {
            marker::forget(&mut self.connection, &batch).await?;
        }
        self.connection.close().await.map_err(failed("close the connection"))
    }

    /// Makes the temporary tables of a rule. They live as long as the connection.
    pub async fn begin_rule(&mut self, rule: RowRule<'_>) -> Result<(), DatastoreError> {
        self.begin_share(rule, 0).await
    }

    /// The same for what the rule has in this datastore beside its records' own.
    pub async fn begin_share(&mut self, rule: RowRule<'_>, share: usize) -> Result<(), DatastoreError> {
        for layer in layers(rule, share) {
            layer.create(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Disposes of what hangs on the records of a batch, inside a transaction that is left open: the dependents of a share, by the
    /// values that lead to them. Nothing is irreversible yet: dropping what this returns rolls back.
    pub async fn dispose_linked<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        share: usize,
        links: &[(usize, Vec<Vec<Value>>)],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let (sealed, file) = (self.sealed.clone(), self.file.clone());
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        let mut prepared = Prepared {
            transaction: begun.map_err(failed("begin a share of a batch"))?,
            layers: layers(rule, share),
            parts: Vec::new(),
            identities: None,
            sealed,
            file,
        };
        match prepared.dispose_linked(links, at, pseudonyms).await {
            Ok(()) => Ok(prepared),
            Err(error) => {
                undo(prepared.transaction).await?;
                Err(error)
            }
        }
    }

    /// Selects up to `limit` records, in the walk's order after the cursor, and locks the datastore against every
    /// other writer until the batch ends. Nothing has been changed yet.
    pub async fn select<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Selected<'w>, DatastoreError> {
        let operation = "select a batch";
        let (sealed, file) = (self.sealed.clone(), self.file.clone());
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        let transaction = begun.map_err(failed(operation))?;
        let mut selected = Selected {
            transaction,
            rule,
            cutoffs,
            phase,
            layers: layers(rule, 0),
            from: cursor.clone(),
            limit,
            listed: false,
            page: Page::empty(),
            identities: Identities::of(rule, String::new()),
            sealed,
            file,
        };
        selected.read_page().await?;
        Ok(selected)
    }
}

/// Records that are locked, unchanged, and wait for the judge.
pub struct Selected<'w> {
    transaction: Transaction<'w, Sqlite>,
    rule: RowRule<'w>,
    cutoffs: &'w Cutoffs,
    phase: Phase,
    layers: Vec<Layer<'w>>,
    /// Where the selection starts, and how many it takes.
    from: Cursor,
    limit: u32,
    /// Whether the temporary table lists the batch; if not, the batch is a stretch of the walk.
    listed: bool,
    /// The records, for the judge, and where the walk goes on.
    pub page: Page,
    identities: Identities,
    /// The batch before, whose marker goes with this one's commit.
    sealed: Option<String>,
    file: Option<FileIdentity>,
}

impl<'w> Selected<'w> {
    /// Ends the transaction; nothing has changed.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        self.transaction.rollback().await.map_err(failed("roll a batch back"))
    }

    async fn dispose_layers(
        &mut self,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Vec<PreparedPart>, DatastoreError> {
        share::gather(&mut self.transaction, &self.layers).await?;
        share::name_once(&mut self.transaction, &self.layers).await?;
        if self.reads_other_tables() {
            self.confirm(due.len()).await?;
        }
        let mut parts = Vec::new();
        // What hangs lowest goes first, so that no foreign key ever points to nothing.
        for layer in self.layers[1..].iter().rev() {
            parts.extend(share::dispose(&mut self.transaction, layer, at, pseudonyms).await?);
        }
        self.dispose_own(due, at, pseudonyms).await?;
        parts.reverse();
        Ok(parts)
    }

    /// Whether the predicate looks at rows that may go with the batch as dependents.
    fn reads_other_tables(&self) -> bool {
        TriggerSql::of(self.rule).own_column().is_none() || !self.rule.rule().unless.is_empty()
    }

    /// Asks once more whether every record of the batch is still due, before any of its dependents goes: afterwards the
    /// rows that tell would be gone. The transaction keeps every other writer out.
    async fn confirm(&mut self, expected: usize) -> Result<(), DatastoreError> {
        let operation = "confirm that a batch is still due";
        let root = &self.layers[0];
        let mut sql =
            Sql::new(format!("SELECT count(*) FROM {} AS t WHERE {}", table(root.table), root.in_batch()));
        self.push_predicate(&mut sql);
        let confirmed: i64 =
            one(&mut self.transaction, &sql, operation).await?.try_get(0).map_err(failed(operation))?;
        if usize::try_from(confirmed) == Ok(expected) {
            return Ok(());
        }
        Err(share::unexpected(operation, expected, confirmed.unsigned_abs(), root.table))
    }

    /// The rule's predicate, repeated over the batch, and nobody who is held.
    fn push_predicate(&self, sql: &mut Sql) {
        sql.push(" AND ");
        filters(sql, self.rule);
        if let Some(people) = self.rule.people() {
            not_held(sql, people);
        }
        sql.push(" AND ");
        let trigger = TriggerSql::of(self.rule);
        match self.phase {
            Phase::Exact | Phase::Regular => trigger.past(sql, self.cutoffs, self.cutoffs.due.as_ref()),
            // SQL could not compare it; that the judged value still stands has to be enough.
            Phase::Candidates => drop(sql.push(&self.layers[0].unchanged(&trigger.reading()))),
            Phase::Demanded => match self.rule.people() {
                Some(people) => demanded(sql, people),
                None => drop(sql.push("0")),
            },
        }
    }

    /// Reads the records, from the table where a stretch of the walk can be deleted as such, and through the temporary table
    /// where dependents, new values or other rows depend on the batch.
    async fn read_page(&mut self) -> Result<(), DatastoreError> {
        let operation = "select a batch";
        // A share elsewhere is led to from the temporary table.
        let stretch = self.layers.len() == 1
            && self.rule.bound().shares().len() == 1
            && self.phase == Phase::Exact
            && *self.layers[0].action == Action::Delete
            && self.rule.table().integer_key
            && !self.reads_other_tables();
        let mut read = if stretch {
            let mut read = json_rows(self.rule);
            let sources = named_sources(self.rule);
            selection(&mut read, self.rule, self.cutoffs, self.phase, &self.from, self.limit, &sources);
            read
        } else {
            // One call for both: it is the way to the engine that costs.
            let (mut list, read) = (self.list(), json_rows(self.rule).text);
            list.push(&format!("; {read}SELECT * FROM {} ORDER BY n", self.layers[0].temp()));
            self.listed = true;
            list
        };
        let rows = text(&mut self.transaction, read.push(") AS b"), operation).await?;
        self.page = page(self.rule, self.phase, self.limit, &rows)?;
        self.identities = Identities::of(self.rule, rows);
        Ok(())
    }

    /// What fills the temporary table with the selection. The transaction keeps every other writer out, so it is the same one
    /// whenever it is made.
    fn list(&self) -> Sql {
        let mut list = Sql::default();
        for layer in &self.layers {
            list.push(&format!("DELETE FROM {}; ", layer.temp()));
        }
        let root = &self.layers[0];
        list.push(&format!("INSERT INTO {} ({}) ", root.temp(), root.columns().join(", ")));
        let sources = root.sources(&TriggerSql::of(self.rule).reading());
        selection(&mut list, self.rule, self.cutoffs, self.phase, &self.from, self.limit, &sources);
        list
    }

    /// The batch as a condition over the rule's own table.
    fn push_batch(&self, sql: &mut Sql) {
        if self.listed {
            sql.push(&self.layers[0].in_batch());
            return;
        }
        let order = order(self.rule, self.phase);
        sql.push("1");
        self.from.push(sql, &order, ">");
        self.page.next.push(sql, &order, "<=");
    }

    /// Takes what was not judged due out of the batch.
    pub async fn keep_only(mut self, due: Vec<Due>) -> Result<Judged<'w>, DatastoreError> {
        if due.len() < self.page.selected() {
            if !self.listed {
                let list = self.list();
                run(&mut self.transaction, &list, "list a batch").await?;
                self.listed = true;
            }
            let keep: Vec<u32> = due.iter().map(Due::position).collect();
            self.identities.keep(&keep)?;
            let keep = serde_json::json!(keep).to_string();
            let delete = Sql {
                text: format!(
                    "DELETE FROM {} WHERE n NOT IN (SELECT value + 1 FROM json_each(?1))",
                    self.layers[0].temp()
                ),
                args: vec![Value::Text(keep)],
            };
            run(&mut self.transaction, &delete, "narrow a batch to what is due").await?;
        }
        Ok(Judged { selected: self, due: Arc::new(due) })
    }

    /// The rule's own records. Their keys are known to the caller.
    async fn dispose_own(
        &mut self,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<(), DatastoreError> {
        let layer = &self.layers[0];
        let mut sql = match layer.action {
            Action::Delete => {
                let mut sql = Sql::new(format!("DELETE FROM {} AS t WHERE ", table(layer.table)));
                self.push_batch(&mut sql);
                sql
            }
            Action::Pseudonymize { mark, .. } => {
                let (_, values) = layer.read(&mut self.transaction).await?;
                layer.store_pseudonyms(&mut self.transaction, layer.replaced(), &values, pseudonyms).await?;
                layer.update(mark, at)
            }
        };
        if !self.reads_other_tables() {
            self.push_predicate(&mut sql);
        }
        share::change(&mut self.transaction, layer, &sql, due.len()).await
    }
}

/// A batch that holds what the judge called due, and nothing else. Nothing has been changed yet.
pub struct Judged<'w> {
    selected: Selected<'w>,
    due: Arc<Vec<Due>>,
}

impl<'w> Judged<'w> {
    /// The records.
    pub fn due(&self) -> &Arc<Vec<Due>> {
        &self.due
    }

    /// Their keys and triggers: to be sealed with the intent, and kept nowhere else.
    pub fn identities(&self) -> &Identities {
        &self.selected.identities
    }

    /// Disposes of the records and their dependents inside the open transaction. Nothing is irreversible yet: dropping what this
    /// returns rolls back. `at` goes into the marks.
    ///
    /// An [`EngineError::Refused`](crate::datastore::error::EngineError::Refused) means that one of the rows cannot go; the transaction has been rolled back.
    pub async fn dispose(
        self,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let Self { mut selected, due } = self;
        match selected.dispose_layers(&due, at, pseudonyms).await {
            Ok(parts) => Ok(Prepared {
                transaction: selected.transaction,
                layers: selected.layers,
                parts,
                identities: Some(selected.identities),
                sealed: selected.sealed,
                file: selected.file,
            }),
            Err(error) => {
                undo(selected.transaction).await?;
                Err(error)
            }
        }
    }
}

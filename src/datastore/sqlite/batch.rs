//! One batch: selected, judged by the caller, disposed of inside an open transaction, committed with an intent.

use std::cmp::Ordering;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Row as _, Sqlite, SqliteConnection, Transaction};

use super::connect::{Access, connect, failed, one, run, text};
use super::identity::Identities;
use super::layer::{Layer, layers, quoted_match, vector};
use super::marker::{self, Evidence, Incarnation};
use super::read::{Page, json_rows, named_sources, order, page, selection};
use super::sql::{Sql, TriggerSql, column, filters, same, table};
use super::{Cursor, Phase, catalogue};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::ledger::entry::Action as LedgerAction;
use crate::model::catalogue::Catalogue;
use crate::model::key::Key;
use crate::model::name::TableName;
use crate::model::value::Value;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::BoundRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::rules::rule::Action;
use crate::state::CommittedIntent;

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
    pub async fn open(path: &Path) -> Result<Self, DatastoreError> {
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
    pub async fn begin_rule(&mut self, rule: &BoundRule<'_>) -> Result<(), DatastoreError> {
        for layer in layers(rule) {
            for statement in [format!("DROP TABLE IF EXISTS {}", layer.temp()), layer.create()] {
                run(&mut self.connection, &Sql::new(statement), "make a temporary table").await?;
            }
        }
        Ok(())
    }

    /// Selects up to `limit` records, in the walk's order after the cursor, and locks the datastore against every
    /// other writer until the batch ends. Nothing has been changed yet.
    pub async fn select<'w>(
        &'w mut self,
        rule: &'w BoundRule<'w>,
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
            layers: layers(rule),
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
    rule: &'w BoundRule<'w>,
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

    /// Rolls back, whether or not the engine has done so by itself: after RAISE(ROLLBACK) nothing is open any more, and the
    /// driver does not know.
    async fn undo(mut self) -> Result<(), DatastoreError> {
        // Refused where a transaction is open; where none is, there is one to roll back again.
        let begun = run(&mut self.transaction, &Sql::new("BEGIN"), "roll a batch back").await;
        drop(begun);
        self.rollback().await
    }

    async fn dispose_layers(
        &mut self,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Vec<PreparedPart>, DatastoreError> {
        self.gather_dependents().await?;
        self.name_once().await?;
        if self.reads_other_tables() {
            self.confirm(due.len()).await?;
        }
        let mut parts = Vec::new();
        // What hangs lowest goes first, so that no foreign key ever points to nothing.
        for number in (0..self.layers.len()).rev() {
            let part = self.dispose_layer(number, due, at, pseudonyms).await?;
            parts.extend(part);
        }
        parts.reverse();
        Ok(parts)
    }

    /// Fills the batch of every dependent, each from what it hangs on.
    async fn gather_dependents(&mut self) -> Result<(), DatastoreError> {
        for layer in &self.layers[1..] {
            let parent = layer.parent.unwrap_or(0);
            let on: Vec<String> = layer
                .matches
                .iter()
                .map(|m| same(&column("t", &m.theirs), &format!("p.{}", quoted_match(&m.ours))))
                .collect();
            // One row may belong to several records of the batch; it goes once.
            let mut fill = Sql::new(format!(
                "INSERT INTO {} ({}) SELECT DISTINCT {} FROM {} AS p CROSS JOIN {} AS t WHERE {}",
                layer.temp(),
                layer.columns().join(", "),
                layer.distinct_sources().join(", "),
                self.layers[parent].temp(),
                table(layer.table),
                on.join(" AND "),
            ));
            if let Action::Pseudonymize { mark, .. } = layer.action {
                fill.push(&format!(" AND {} IS NULL", column("t", mark)));
            }
            run(&mut self.transaction, &fill, "gather the dependents of a batch").await?;
        }
        Ok(())
    }

    /// Takes a row that several layers of one table lead to out of all but one: out of those that would replace its columns,
    /// where another deletes it; else out of the one that is disposed of first, so that nothing below it is left.
    async fn name_once(&mut self) -> Result<(), DatastoreError> {
        for (upper, above) in self.layers.iter().enumerate() {
            for below in self.layers[upper + 1..].iter().filter(|l| l.table == above.table) {
                let (out, of) = match (above.action, below.action) {
                    (Action::Delete, _) => (below, above),
                    (Action::Pseudonymize { .. }, Action::Delete) => (above, below),
                    // Each replaces its own columns and sets its own mark.
                    (Action::Pseudonymize { .. }, Action::Pseudonymize { .. }) => continue,
                };
                let key: Vec<String> = out.key.iter().map(|c| column("t", c)).collect();
                let delete = Sql::new(format!(
                    "DELETE FROM {} WHERE {} IN (SELECT {} FROM {} AS t WHERE {})",
                    out.temp(),
                    vector(&(0..out.key.len()).map(|i| format!("k{i}")).collect::<Vec<_>>()),
                    key.join(", "),
                    table(out.table),
                    of.in_batch(),
                ));
                run(&mut self.transaction, &delete, "name each row of a batch once").await?;
            }
        }
        Ok(())
    }

    /// How many rows this connection has changed, those changed by triggers and foreign keys among them.
    async fn changes(&mut self) -> Result<i64, DatastoreError> {
        let operation = "count what a statement changed";
        let row = one(&mut self.transaction, &Sql::new("SELECT total_changes()"), operation).await?;
        row.try_get(0).map_err(failed(operation))
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
        Err(unexpected(operation, expected, confirmed.unsigned_abs(), root.table))
    }

    /// The rule's predicate, repeated over the batch.
    fn push_predicate(&self, sql: &mut Sql) {
        sql.push(" AND ");
        filters(sql, self.rule);
        sql.push(" AND ");
        let trigger = TriggerSql::of(self.rule);
        match self.phase {
            Phase::Exact | Phase::Regular => trigger.past(sql, self.cutoffs, self.cutoffs.due.as_ref()),
            // SQL could not compare it; that the judged value still stands has to be enough.
            Phase::Candidates => drop(sql.push(&self.layers[0].unchanged(&trigger.reading()))),
        }
    }

    /// Reads the records, from the table where a stretch of the walk can be deleted as such, and through the temporary table
    /// where dependents, new values or other rows depend on the batch.
    async fn read_page(&mut self) -> Result<(), DatastoreError> {
        let operation = "select a batch";
        let stretch = self.layers.len() == 1
            && self.phase == Phase::Exact
            && *self.layers[0].action == Action::Delete
            && self.rule.integer_key()
            && !self.reads_other_tables();
        let mut read = json_rows(self.rule);
        if stretch {
            let sources = named_sources(self.rule);
            selection(&mut read, self.rule, self.cutoffs, self.phase, &self.from, self.limit, &sources);
        } else {
            self.list().await?;
            read.push(&format!("SELECT * FROM {} ORDER BY n", self.layers[0].temp()));
        }
        let rows = text(&mut self.transaction, read.push(") AS b"), operation).await?;
        self.page = page(self.rule, self.phase, self.limit, &rows)?;
        self.identities = Identities::of(self.rule, rows);
        Ok(())
    }

    /// Fills the temporary table with the selection. The transaction keeps every other writer out, so it is the same one
    /// whenever it is made.
    async fn list(&mut self) -> Result<(), DatastoreError> {
        let operation = "list a batch";
        for layer in &self.layers {
            run(&mut self.transaction, &Sql::new(format!("DELETE FROM {}", layer.temp())), operation).await?;
        }
        let root = &self.layers[0];
        let mut fill = Sql::new(format!("INSERT INTO {} ({}) ", root.temp(), root.columns().join(", ")));
        let sources = root.sources(&TriggerSql::of(self.rule).reading());
        selection(&mut fill, self.rule, self.cutoffs, self.phase, &self.from, self.limit, &sources);
        run(&mut self.transaction, &fill, operation).await?;
        self.listed = true;
        Ok(())
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
                self.list().await?;
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

    /// One dataset of the batch; the keys of the rule's own are known to the caller.
    async fn dispose_layer(
        &mut self,
        number: usize,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Option<PreparedPart>, DatastoreError> {
        let operation = "dispose of a batch";
        let layer = &self.layers[number];
        let replaced = layer.replaced();
        let (keys, values) = if number == 0 && replaced.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            layer.read(&mut self.transaction).await?
        };
        let expected = if number == 0 { due.len() } else { keys.len() };
        if expected == 0 {
            return Ok(None);
        }
        let mut sql = match layer.action {
            Action::Delete => {
                let mut sql = Sql::new(format!("DELETE FROM {} AS t WHERE ", table(layer.table)));
                if number == 0 {
                    self.push_batch(&mut sql);
                } else {
                    sql.push(&layer.in_batch());
                }
                sql
            }
            Action::Pseudonymize { mark, .. } => {
                layer.store_pseudonyms(&mut self.transaction, replaced, &values, pseudonyms).await?;
                layer.update(mark, at)
            }
        };
        if number == 0 && !self.reads_other_tables() {
            self.push_predicate(&mut sql);
        }
        let before = self.changes().await?;
        let changed = run(&mut self.transaction, &sql, operation).await?;
        let reached = (self.changes().await? - before).unsigned_abs();
        let layer = &self.layers[number];
        let refused = |why| Err(DatastoreError::Statement { operation, source: EngineError::Refused(why) });
        // Nobody else can have written: the transaction has held the lock since the selection.
        match changed.cmp(&(expected as u64)) {
            Ordering::Less => return refused("a trigger keeps it"),
            Ordering::Greater => return Err(unexpected(operation, expected, changed, layer.table)),
            Ordering::Equal if reached > changed => {
                return refused("a trigger or a foreign key would change rows that no dependent declares");
            }
            Ordering::Equal => {}
        }
        if number == 0 {
            return Ok(None);
        }
        let fields = layer.replaced().iter().map(|(name, _)| name.as_str().to_owned()).collect();
        Ok(Some(PreparedPart { dataset: layer.table.clone(), action: layer.action.into(), fields, keys }))
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
    /// An [`EngineError::Refused`] means that one of the rows cannot go; the transaction has been rolled back.
    pub async fn dispose(
        self,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let Self { mut selected, due } = self;
        match selected.dispose_layers(&due, at, pseudonyms).await {
            Ok(parts) => Ok(Prepared {
                transaction: selected.transaction,
                parts,
                sealed: selected.sealed,
                file: selected.file,
            }),
            Err(error) => {
                selected.undo().await?;
                Err(error)
            }
        }
    }
}

/// A batch that has been disposed of inside an open transaction. Dropping it rolls back.
pub struct Prepared<'w> {
    transaction: Transaction<'w, Sqlite>,
    parts: Vec<PreparedPart>,
    sealed: Option<String>,
    file: Option<FileIdentity>,
}

/// The records of one dependent in a batch.
#[derive(Debug)]
pub struct PreparedPart {
    /// Their table.
    pub dataset: TableName,
    /// What was done to them.
    pub action: LedgerAction,
    /// The columns that were replaced.
    pub fields: Vec<String>,
    /// Their keys; never empty.
    pub keys: Vec<Key>,
}

/// What became of a commit.
#[derive(Debug)]
pub enum Committed {
    /// Everything is gone, durably.
    Yes,
    /// The commit was not asked for: the path leads to another file by now. Everything is as it was.
    NotAttempted,
    /// The engine says it failed; only the marker can tell what is on the disk.
    Unknown(EngineError),
}

impl Prepared<'_> {
    /// What went with the rule's own records, one part a dependent.
    pub fn dependents(&self) -> &[PreparedPart] {
        &self.parts
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
struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    fn moved(&self) -> bool {
        Self::of(&self.path).is_none_or(|now| (now.device, now.inode) != (self.device, self.inode))
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

fn unexpected(operation: &'static str, expected: usize, observed: u64, table: &TableName) -> DatastoreError {
    DatastoreError::Unexpected {
        operation,
        expected: format!("{expected} rows of `{table}`"),
        observed: observed.to_string(),
    }
}

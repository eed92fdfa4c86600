//! A transaction of the state that appends entries, and the statements that wait for its next call to the engine.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::leaves::catch_up;
use super::{State, StateError, failed, signed};
use crate::clock;
use crate::ledger::entry::{Body, Entry, NodeName};
use crate::ledger::key::SigningKey;
use crate::ledger::tree::{EntryIndex, Frontier};
use crate::model::orders::Generation;
use crate::model::value::Value;

impl State {
    /// Begins a transaction in which entries are appended together with what is derived from them.
    pub(super) async fn write(&mut self) -> Result<Writing<'_>, StateError> {
        let path = self.path.clone();
        // What was staged waited for no disk: from here on a commit does.
        let begun = self.connection.begin_with("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|e| failed(&path, "begin a transaction", e))?;
        let look = sqlx::query(AT_FIRST).fetch_one(&mut *transaction).await;
        let at_first =
            look.and_then(|row| Ok((row.try_get::<i64, _>(0)?, row.try_get::<Option<i64>, _>(1)?)));
        let (entries, newest) = at_first.map_err(|e| failed(&path, "look at what is recorded", e))?;
        let orders = newest.map(|newest| Generation(newest.unsigned_abs()));
        // Orders are appended beside us: the disk knows the size, the frontier only remembers it.
        let mut frontier = self.frontier.clone();
        let mut last_at = self.last_at;
        let (recorded, remembered) = (entries.unsigned_abs(), frontier.size().get());
        if recorded < remembered {
            let what = format!("{remembered} entries were recorded, and there are {recorded}");
            return Err(StateError::Damaged { path, what });
        }
        if recorded > remembered {
            last_at = catch_up(&mut transaction, &path, &mut frontier, last_at).await?;
        }
        Ok(Writing {
            transaction,
            path,
            node: self.node.clone(),
            frontier,
            last_at,
            orders,
            queue: Queue::default(),
            signing_key: &self.signing_key,
            into: (&mut self.frontier, &mut self.last_at),
        })
    }
}

/// What a transaction that appends entries looks at first: how many there are, and up to which order the state has them; none: disposal is
/// paused.
const AT_FIRST: &str = "SELECT (SELECT coalesce(max(idx) + 1, 0) FROM entry), \
     (SELECT newest FROM generation WHERE NOT EXISTS (SELECT 1 FROM pause WHERE ended IS NULL))";

/// A transaction of the state that appends entries.
pub(super) struct Writing<'s> {
    pub(super) transaction: sqlx::Transaction<'s, sqlx::Sqlite>,
    pub(super) path: PathBuf,
    node: NodeName,
    pub(super) frontier: Frontier,
    last_at: DateTime<Utc>,
    /// Up to which order the state has them; none: disposal is paused.
    pub(super) orders: Option<Generation>,
    pub(super) queue: Queue,
    pub(super) signing_key: &'s SigningKey,
    into: (&'s mut Frontier, &'s mut DateTime<Utc>),
}

/// Statements that wait to go to the engine in one call, each of which is to change one row: between threads that are all busy, the
/// way there and back is most of what a statement costs.
#[derive(Default)]
pub(super) struct Queue {
    text: String,
    /// Of all of them; what tells them apart is their order, so that none is numbered.
    values: Vec<Value>,
    statements: u64,
}

const RECORD: &str = "record entries, intents and outcomes";

impl Queue {
    pub(super) fn push(&mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) {
        let Self { text, values: all, statements } = self;
        text.push_str(sql);
        text.push(';');
        all.extend(values);
        *statements += 1;
    }

    /// Fails where a statement did not change its row.
    pub(super) async fn send(
        self,
        connection: &mut SqliteConnection,
        operation: &'static str,
        path: &Path,
    ) -> Result<(), StateError> {
        let Self { text, values, statements } = self;
        if statements == 0 {
            return Ok(());
        }
        let mut query = sqlx::query(AssertSqlSafe(text));
        for value in values {
            query = match value {
                Value::Null => query.bind(None::<i64>),
                Value::Integer(n) => query.bind(n),
                Value::Real(n) => query.bind(n),
                Value::Text(text) => query.bind(text),
                Value::Blob(bytes) => query.bind(bytes),
                Value::Instant(at) => query.bind(at.timestamp_micros()),
            };
        }
        let done = query.execute(connection).await;
        let done = done.map_err(|e| failed(path, operation, e))?;
        if done.rows_affected() == statements {
            return Ok(());
        }
        let what = format!(
            "{} of {statements} rows could be recorded: a batch has an outcome already, or is missing, or its commitments are missing",
            done.rows_affected()
        );
        Err(StateError::Damaged { path: path.to_owned(), what })
    }
}

impl Writing<'_> {
    /// The instant of the entries appended now: the clock's, but never before the entry before.
    pub(super) fn now(&mut self) -> DateTime<Utc> {
        self.last_at = self.last_at.max(clock::now());
        self.last_at
    }

    pub(super) fn append(&mut self, body: &Body) -> Result<EntryIndex, StateError> {
        let at = self.now();
        self.append_at(at, body)
    }

    pub(super) fn append_at(&mut self, at: DateTime<Utc>, body: &Body) -> Result<EntryIndex, StateError> {
        let entry = Entry::new(at, &self.node, body)?;
        let index = self.frontier.size().next_index();
        let leaf = entry.leaf_hash();
        let values = [
            Value::Integer(signed(index.get())),
            Value::Blob(entry.to_bytes()),
            Value::Blob(leaf.as_bytes().to_vec()),
        ];
        self.queue("INSERT INTO entry (idx, bytes, leaf) VALUES (?, ?, ?)", values);
        self.frontier.push(leaf);
        Ok(index)
    }

    /// Lets a statement that changes one row wait for the next one that cannot, or for the commit. Its values are not numbered.
    pub(super) fn queue(&mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) {
        self.queue.push(sql, values);
    }

    /// Sends what waits to the engine.
    pub(super) async fn flush(&mut self) -> Result<(), StateError> {
        std::mem::take(&mut self.queue).send(&mut self.transaction, RECORD, &self.path).await
    }

    pub(super) async fn run(
        &mut self,
        operation: &'static str,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<u64, StateError> {
        self.flush().await?;
        let done = query.execute(&mut *self.transaction).await;
        done.map(|d| d.rows_affected()).map_err(|e| failed(&self.path, operation, e))
    }

    pub(super) async fn commit(mut self) -> Result<(), StateError> {
        self.flush().await?;
        crate::hook::reach("state-commit.before");
        self.transaction.commit().await.map_err(|e| failed(&self.path, "commit", e))?;
        crate::hook::reach("state-commit.after");
        *self.into.0 = self.frontier;
        *self.into.1 = self.last_at;
        Ok(())
    }
}

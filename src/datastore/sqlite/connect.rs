//! Connections: one a sweep, never pooled, closed with whatever state a failure left them in.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, Sqlite, SqliteConnection};

use super::sql::Sql;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::datastore::{Datastore, Location};
use crate::model::key::NOT_UTF8;
use crate::model::value::Value;

/// How long a statement waits for another connection's lock, before the sweep gives way.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    /// The page cache in KiB, negative as the engine wants it. A sweep comes back to the pages of its indexes; whoever only
    /// reads walks through once.
    fn cache(self) -> &'static str {
        match self {
            Self::Read => "-2000",
            Self::Write => "-16000",
        }
    }
}

/// The file of a database.
pub(super) fn path_of(datastore: &Datastore) -> Result<&Path, DatastoreError> {
    match &datastore.location {
        Location::Sqlite(path) => Ok(path),
        Location::Files(_) | Location::Postgres(_) | Location::MariaDb(_) => {
            Err(DatastoreError::WrongKind { expected: "sqlite", found: datastore.kind().as_str() })
        }
    }
}

pub(super) async fn connect(path: &Path, access: Access) -> Result<SqliteConnection, DatastoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(access == Access::Read)
        .foreign_keys(true)
        .busy_timeout(LOCK_TIMEOUT)
        // The journal mode is the application's choice; that a commit is on the disk when it returns is ours.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "on")
        .pragma("temp_store", "memory")
        .pragma("cache_size", access.cache())
        .pragma("trusted_schema", "off")
        .disable_statement_logging();
    let opened = options.connect().await;
    let open = |source: &sqlx::Error| DatastoreError::Open { path: path.to_owned(), source: source.into() };
    let mut connection = opened.map_err(|e| open(&e))?;
    if access == Access::Read {
        run(&mut connection, &Sql::new("PRAGMA query_only = on"), "make the connection read-only").await?;
    }
    // Opening reads nothing; only a query finds out that the file is not a database.
    sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut connection).await.map_err(|e| open(&e))?;
    Ok(connection)
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

fn query(sql: &Sql) -> Query<'static> {
    let mut query = sqlx::query(AssertSqlSafe(sql.text.clone()));
    for value in &sql.args {
        query = match value {
            Value::Null => query.bind(None::<i64>),
            Value::Integer(n) => query.bind(*n),
            Value::Real(n) => query.bind(*n),
            Value::Text(text) => query.bind(text.clone()),
            Value::Blob(bytes) => query.bind(bytes.clone()),
        };
    }
    query
}

pub(super) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> DatastoreError {
    move |error| DatastoreError::Statement { operation, source: EngineError::from(&error) }
}

/// Runs a statement; the number of rows it changed directly.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<u64, DatastoreError> {
    let done = query(sql).execute(connection).await.map_err(failed(operation))?;
    Ok(done.rows_affected())
}

/// What a statement changed.
pub(super) struct Changed {
    /// Rows that it changed itself.
    pub itself: u64,
    /// The same with those that triggers and foreign keys changed.
    pub reached: u64,
}

/// Runs a statement that changes rows.
pub(super) async fn changing(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<Changed, DatastoreError> {
    // One call for all three: it is the way to the engine that costs.
    let text = format!("SELECT 0, total_changes(); {}; SELECT changes(), total_changes()", sql.text);
    let rows = all(connection, &Sql { text, args: sql.args.clone() }, operation).await?;
    let [before, after] = &rows[..] else {
        return Err(DatastoreError::Unexpected {
            operation,
            expected: "what was changed before and after it".to_owned(),
            observed: format!("{} answers", rows.len()),
        });
    };
    let count = |row: &sqlx::sqlite::SqliteRow, at| row.try_get::<i64, usize>(at).map_err(failed(operation));
    Ok(Changed {
        itself: count(after, 0)?.unsigned_abs(),
        reached: (count(after, 1)? - count(before, 1)?).unsigned_abs(),
    })
}

/// Runs a statement that returns exactly one row.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<sqlx::sqlite::SqliteRow, DatastoreError> {
    query(sql).fetch_one(connection).await.map_err(failed(operation))
}

/// Runs a statement that returns exactly one row with one text.
pub(super) async fn text(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<String, DatastoreError> {
    json(&one(connection, sql, operation).await?, operation)
}

/// The first column of a row, where what is not UTF-8 becomes U+FFFF: no time, and no key.
pub(super) fn json(row: &sqlx::sqlite::SqliteRow, operation: &'static str) -> Result<String, DatastoreError> {
    let bytes: Vec<u8> = row.try_get(0).map_err(failed(operation))?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend((!chunk.invalid().is_empty()).then_some(NOT_UTF8));
        }
        text
    });
    Ok(text)
}

/// Runs a statement and returns every row.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<Vec<sqlx::sqlite::SqliteRow>, DatastoreError> {
    query(sql).fetch_all(connection).await.map_err(failed(operation))
}

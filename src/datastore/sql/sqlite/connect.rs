//! Connections: a sweep's own, never pooled, closed with whatever state a failure left them in.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::{Access, Changed, all, failed};
use crate::datastore::sql::statement::Sql;

/// How long a statement waits for another connection's lock, before the sweep gives way.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

impl Access {
    /// The page cache in KiB, negative as the engine wants it. A sweep comes back to the pages of its indexes; whoever only
    /// reads walks through once.
    fn cache(self) -> &'static str {
        match self {
            Self::Read => "-2000",
            Self::Write => "-10000",
        }
    }
}

pub(in crate::datastore::sql) async fn connect(
    path: &Path,
    access: Access,
) -> Result<SqliteConnection, DatastoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(access == Access::Read)
        .foreign_keys(true)
        .busy_timeout(LOCK_TIMEOUT)
        // The journal mode is the application's choice; that a commit is on the disk when it returns is ours. Where it is a journal's removal, less
        // than EXTRA leaves that to the file system: after a power cut the journal may be there again, and undo what is proved.
        .synchronous(SqliteSynchronous::Extra)
        .pragma("secure_delete", "on")
        .pragma("temp_store", "memory")
        .pragma("cache_size", access.cache())
        .pragma("trusted_schema", "off")
        .disable_statement_logging();
    let opened = options.connect().await;
    let open = |source: &sqlx::Error| DatastoreError::Open { path: path.to_owned(), source: source.into() };
    let mut connection = opened.map_err(|e| open(&e))?;
    if access == Access::Read {
        sqlx::query("PRAGMA query_only = on")
            .execute(&mut connection)
            .await
            .map_err(failed("make the connection read-only"))?;
    }
    // Opening reads nothing; only a query finds out that the file is not a database.
    sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut connection).await.map_err(|e| open(&e))?;
    Ok(connection)
}

/// Whether commits go to a log, so that nobody who reads waits for somebody who writes, or the reverse.
pub(in crate::datastore::sql) async fn keeps_a_log(
    connection: &mut SqliteConnection,
) -> Result<bool, DatastoreError> {
    let operation = "read how the database is kept";
    let row = sqlx::query("PRAGMA main.journal_mode").fetch_one(connection).await;
    let mode: String = row.and_then(|row| row.try_get_unchecked(0)).map_err(failed(operation))?;
    Ok(mode == "wal")
}

/// A number that is another once any connection but this one has committed: within this one's transactions, and nowhere else, to be compared.
pub(in crate::datastore::sql) async fn watermark(
    connection: &mut SqliteConnection,
) -> Result<i64, DatastoreError> {
    let row = sqlx::query("PRAGMA main.data_version").fetch_one(connection).await;
    row.and_then(|row| row.try_get_unchecked(0)).map_err(failed("ask whether somebody else has written"))
}

/// Runs a statement that changes rows.
pub(in crate::datastore::sql) async fn changing(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<Changed, DatastoreError> {
    // One call for all three: it is the way to the engine that costs.
    let text = format!("SELECT 0, total_changes(); {}; SELECT changes(), total_changes()", sql.text);
    let rows = all(connection, &Sql { text, ..sql.clone() }, operation).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const EXTRA: i64 = 3;

    /// A process that is killed loses nothing either way: only the setting tells.
    #[test]
    fn a_commit_waits_until_its_journal_cannot_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.db");
        std::fs::File::create(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kept: i64 = runtime.block_on(async {
            let mut connection = connect(&path, Access::Write).await.unwrap();
            let row = sqlx::query("PRAGMA main.synchronous").fetch_one(&mut connection).await.unwrap();
            row.try_get(0).unwrap()
        });
        assert_eq!(kept, EXTRA);
    }
}

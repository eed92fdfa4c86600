//! SQLite: `secure_delete` has overwritten what was deleted, in the pages that the commit wrote. Those before it are in the
//! write-ahead log until a checkpoint, and in a file of the journal that the commit removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Row as _, SqliteConnection};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::failed;
use crate::datastore::sql::level::{Asked, CALLED_OFF, Came, Ended, GoOn, waited};
use crate::model::level::Level;

/// So many steps of the engine's virtual machine go between two looks at the flag: under a millisecond.
const STEPS: i32 = 10_000;

const CHECKPOINT: &str = "fold the write-ahead log";
const REWRITE: &str = "write the database anew";

pub(in crate::datastore::sql) async fn ask(
    connection: &mut SqliteConnection,
    asked: &Asked<'_>,
    go_on: GoOn<'_>,
) -> Result<Came, DatastoreError> {
    // As of this connection, so of every one that this program deletes with: 2 would be a little of it.
    if pragma(connection, "PRAGMA secure_delete").await? != "1" {
        return Ok(Came::short("the engine does not overwrite what it deletes"));
    }
    if asked.level == Level::Rewritten {
        match rewrite(connection, go_on).await {
            Ended::Done(Ok(())) => {}
            Ended::CalledOff => return Ok(Came::short(CALLED_OFF)),
            Ended::Done(Err(error)) => return short(&error, REWRITE),
        }
    }
    // A journal's file is gone with the commit; a log is there until it is folded.
    if pragma(connection, "PRAGMA main.journal_mode").await? == "wal" && !fold(connection).await? {
        return Ok(Came::short(
            "somebody reads from the write-ahead log, or writes to it, so that it cannot be emptied",
        ));
    }
    Ok(Came::all(asked.batches.len()))
}

/// Everything that is stored, into pages of its own: nothing is taken over of what is not.
async fn rewrite(connection: &mut SqliteConnection, go_on: GoOn<'_>) -> Ended<()> {
    let called_off = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&called_off);
    let prepared = async {
        // Not in memory, where there may be no room for all of it.
        sqlx::query("PRAGMA temp_store = file").execute(&mut *connection).await?;
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || !flag.load(Ordering::Relaxed));
        Ok(())
    };
    if let Err(error) = prepared.await {
        return Ended::Done(Err(error));
    }
    let vacuum = async { sqlx::query("VACUUM").execute(&mut *connection).await.map(drop) };
    let ended = waited(vacuum, go_on, async || called_off.store(true, Ordering::Relaxed)).await;
    match connection.lock_handle().await {
        Ok(mut handle) => handle.remove_progress_handler(),
        Err(error) => return Ended::Done(Err(error)),
    }
    ended
}

/// Whether all of the log is in the database and the log empty.
async fn fold(connection: &mut SqliteConnection) -> Result<bool, DatastoreError> {
    let row = sqlx::query("PRAGMA main.wal_checkpoint(TRUNCATE)").fetch_one(connection).await;
    let row = row.map_err(failed(CHECKPOINT))?;
    let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed(CHECKPOINT));
    Ok((number(0)?, number(1)?) == (0, 0))
}

fn short(error: &sqlx::Error, operation: &'static str) -> Result<Came, DatastoreError> {
    match EngineError::from(error) {
        EngineError::Busy => {
            Ok(Came::short("another connection has kept the database locked for more than 5 s"))
        }
        source => Err(DatastoreError::Statement { operation, source }),
    }
}

async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> Result<String, DatastoreError> {
    let row = sqlx::query(sql).fetch_one(connection).await;
    let value = row.and_then(|row| row.try_get_unchecked::<String, _>(0));
    value.map_err(failed("read how the database is kept"))
}

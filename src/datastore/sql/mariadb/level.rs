//! MariaDB: `InnoDB` keeps what a transaction deleted or replaced until its purge, in the background and in the order in which
//! transactions were committed. How far that is, and how far it has to be, stand in the engine's status. It goes by the tables that
//! were changed, whatever they are called by now.
//!
//! A rebuild goes by a name. Whoever rebuilds a table, or a partition, gives it a new number, and a rename leaves it the one it has: so
//! once the engine knows none of the numbers any more that a batch's records were under, nothing that held them is left.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::{Access, Handle, failed};
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::level::{Asked, BETWEEN, CALLED_OFF, Came, Ended, GoOn, waited};
use crate::datastore::sql::mariadb::connect;
use crate::datastore::sql::marker::Incarnation;
use crate::datastore::sql::rows::lossy;
use crate::model::datastore::{Datastore, Location};
use crate::model::level::Level;

/// How often the engine is asked how far it is.
const POLL: Duration = Duration::from_millis(200);

/// As long as nothing moves, so long is waited for what holds it back.
const PATIENCE: Duration = Duration::from_secs(10);

/// A table is locked only at the beginning and the end of its rebuild; so often it tries to get the lock, for a second each time.
const TRIES: u32 = 5;

const OPERATION: &str = "ask how far the purge is";

pub(in crate::datastore::sql) async fn ask(
    datastore: &Datastore,
    connection: &mut MySqlConnection,
    dialect: &Dialect,
    asked: &Asked<'_>,
    go_on: GoOn<'_>,
) -> Result<Came, DatastoreError> {
    if let Some(why) = not_innodb(connection, dialect, asked).await? {
        return Ok(Came::short(why));
    }
    let within = asked.within.as_secs().max(1);
    let set = format!("SET SESSION lock_wait_timeout = 1, max_statement_time = {within}");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await.map_err(failed("set a session up"))?;
    if let Some(why) = purged(connection, go_on).await? {
        return Ok(Came::short(why));
    }
    if asked.level == Level::Rewritten {
        for table in asked.tables {
            let name = dialect.table(table);
            if let Some(why) = rewrite(datastore, connection, &name, go_on).await? {
                return Ok(Came::short(why));
            }
        }
    }
    if asked.level != Level::Rewritten {
        return Ok(Came::all(asked.batches.len()));
    }
    let there = numbers(connection, "SELECT TABLE_ID FROM information_schema.INNODB_SYS_TABLES", &[]).await?;
    let is_anew = |batch: &Incarnation| !batch.heaps.is_empty() && batch.heaps.is_disjoint(&there);
    Ok(Came::of(asked.batches, is_anew, ANOTHER))
}

const ANOTHER: &str =
    "a table that held some of them, or a partition, goes by another name now, and was not written anew";

/// The numbers of these tables, or of their partitions.
pub(in crate::datastore::sql) async fn heaps_of(
    connection: &mut MySqlConnection,
    dialect: &Dialect,
    tables: &[&str],
) -> Result<BTreeSet<u64>, DatastoreError> {
    // As the engine names a table: by its file.
    const NAME: &str =
        "CONCAT(CAST(CONVERT(? USING filename) AS BINARY), '/', CAST(CONVERT(? USING filename) AS BINARY))";
    let sql = format!(
        "SELECT TABLE_ID FROM information_schema.INNODB_SYS_TABLES \
         WHERE SUBSTRING_INDEX(CAST(NAME AS BINARY), '#P#', 1) IN ({})",
        vec![NAME; tables.len()].join(", ")
    );
    let names: Vec<&str> = tables.iter().flat_map(|table| [dialect.schema_name(), table]).collect();
    numbers(connection, &sql, &names).await
}

async fn numbers(
    connection: &mut MySqlConnection,
    sql: &str,
    names: &[&str],
) -> Result<BTreeSet<u64>, DatastoreError> {
    let operation = "ask which tables there are";
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for name in names {
        query = query.bind((*name).to_owned());
    }
    let rows = query.fetch_all(connection).await.map_err(failed(operation))?;
    rows.iter().map(|row| row.try_get(0).map_err(failed(operation))).collect()
}

/// Why a table has no purge.
async fn not_innodb(
    connection: &mut MySqlConnection,
    dialect: &Dialect,
    asked: &Asked<'_>,
) -> Result<Option<String>, DatastoreError> {
    for table in asked.tables {
        let query = "SELECT count(*) FROM information_schema.TABLES \
                     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND ENGINE = 'InnoDB'";
        let row = sqlx::query(query)
            .bind(dialect.schema_name())
            .bind(table.as_str())
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(OPERATION))?;
        if row.try_get::<i64, _>(0).map_err(failed(OPERATION))? == 0 {
            return Ok(Some(format!("table `{table}` is no table of InnoDB's, or not there any more")));
        }
    }
    Ok(None)
}

/// What the engine says of its purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Purge {
    /// The number that the next transaction gets.
    next: u64,
    /// What was committed under a smaller number has been taken up.
    below: u64,
    /// Nothing is being worked on.
    idle: bool,
    /// So many transactions are left.
    history: u64,
}

/// Waits until whatever was committed before now is purged. Why it is not; none: it is.
async fn purged(connection: &mut MySqlConnection, go_on: GoOn<'_>) -> Result<Option<String>, DatastoreError> {
    let begun = status(connection).await?;
    let mut last = begun;
    // Since when nothing has moved.
    let mut still = Duration::ZERO;
    // Ends when the purge is there, when it does not move any more, or when it is called off.
    loop {
        let now = status(connection).await?;
        if is_past(begun.next, last, now) {
            return Ok(None);
        }
        still =
            if now.below > last.below || now.history < last.history { Duration::ZERO } else { still + POLL };
        if still > PATIENCE {
            return Ok(Some(format!(
                "an older snapshot may still see what was deleted: the purge does not move, and {} transactions wait for it",
                now.history
            )));
        }
        // What was taken up and may still be worked on is over once more has been taken up.
        last = if now.below > last.below { now } else { last };
        if !go_on() {
            return Ok(Some(CALLED_OFF.to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether everything that was committed under a number below this one is gone: nothing at all is left, or all of it was taken up and
/// the work on it is over.
fn is_past(number: u64, last: Purge, now: Purge) -> bool {
    let over = now.idle || (last.below >= number && now.below > last.below);
    now.history == 0 || (now.below >= number && over)
}

/// The status also holds statements of other sessions, with whatever they hold: it leaves this function as four figures.
async fn status(connection: &mut MySqlConnection) -> Result<Purge, DatastoreError> {
    let row = sqlx::query("SHOW ENGINE INNODB STATUS").fetch_one(connection).await;
    let text: Vec<u8> = row.and_then(|row| row.try_get_unchecked(2)).map_err(failed(OPERATION))?;
    parsed(&lossy(&text)).ok_or_else(|| DatastoreError::Unexpected {
        operation: OPERATION,
        expected: "the lines about transactions and their purge".to_owned(),
        observed: "others".to_owned(),
    })
}

/// Whether the account may see it.
pub(in crate::datastore::sql) async fn shows_purge(handle: &mut Handle<'_>) -> Result<bool, DatastoreError> {
    let Handle::MariaDb(connection) = handle else { return Ok(true) };
    match status(connection).await {
        Err(DatastoreError::Statement { source, .. }) if source.is_about_rights() => Ok(false),
        asked => asked.map(|_| true),
    }
}

fn parsed(status: &str) -> Option<Purge> {
    let line = |start: &str| status.lines().find_map(|line| line.strip_prefix(start));
    let purge = line("Purge done for trx")?;
    let below = purge.split("n:o < ").nth(1)?.split_whitespace().next()?;
    Some(Purge {
        next: line("Trx id counter ")?.trim().parse().ok()?,
        below: below.parse().ok()?,
        idle: purge.trim_end().ends_with("running but idle"),
        history: line("History list length ")?.trim().parse().ok()?,
    })
}

/// Why the table was not written anew; none: it was.
async fn rewrite(
    datastore: &Datastore,
    connection: &mut MySqlConnection,
    table: &str,
    go_on: GoOn<'_>,
) -> Result<Option<String>, DatastoreError> {
    let operation = "write a table anew";
    let row = sqlx::query("SELECT CONNECTION_ID()").fetch_one(&mut *connection).await;
    let session: u64 = row.and_then(|row| row.try_get_unchecked(0)).map_err(failed(operation))?;
    // Replicas are asked by nobody: to write a table anew would keep them behind.
    let sql = format!("OPTIMIZE LOCAL TABLE {table}");
    let mut tries = 0;
    // Ends with the last try.
    loop {
        tries += 1;
        if !go_on() {
            return Ok(Some(CALLED_OFF.to_owned()));
        }
        let statement = async { sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(&mut *connection).await };
        let told = match waited(statement, go_on, async || kill(datastore, session).await).await {
            Ended::CalledOff => return Ok(Some(CALLED_OFF.to_owned())),
            Ended::Done(rows) => rows.map_err(|error| EngineError::from(&error)),
        };
        // What could not be done is told in a row like the others.
        let why = match told.map(|rows| kinds(&rows)) {
            Ok(kinds) if is_rebuilt(&kinds) => return Ok(None),
            Ok(kinds) if kinds.iter().any(|kind| kind.eq_ignore_ascii_case("error")) => {
                "the server could not do it now"
            }
            Ok(_) => return Ok(Some(format!("{table} is not written anew by what the server is set to do"))),
            Err(EngineError::Conflict(why)) => why,
            Err(source) => return Err(DatastoreError::Statement { operation, source }),
        };
        if tries == TRIES {
            return Ok(Some(format!("{table}: {why}")));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// What kind each row is of.
fn kinds(rows: &[MySqlRow]) -> Vec<String> {
    let kind = |row: &MySqlRow| row.try_get_unchecked::<Vec<u8>, _>(2).unwrap_or_default();
    rows.iter().map(|row| lossy(&kind(row))).collect()
}

/// A note says that the table is made anew, which it is by default, and by no setting else; then comes how that ended.
fn is_rebuilt(kinds: &[String]) -> bool {
    matches!(kinds, [note, status] if note == "note" && status == "status")
}

/// Where it does not reach the server, the statement's own time limit ends it.
async fn kill(datastore: &Datastore, session: u64) {
    let Location::MariaDb(server) = &datastore.location else { return };
    let killed = async {
        let mut other = connect::session(server, Access::Read).await?;
        let kill = sqlx::raw_sql(AssertSqlSafe(format!("KILL QUERY {session}")));
        kill.execute(&mut other).await.map_err(failed("call a rebuild off"))
    };
    if let Err(error) = killed.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a rebuild could not be called off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_the_engine_says_how_far_the_purge_is() {
        let status = "TRANSACTIONS\n------------\nTrx id counter 6020\n\
            Purge done for trx's n:o < 6019 undo n:o < 0 state: running but idle\nHistory list length 3\n";
        let purge = Purge { next: 6020, below: 6019, idle: true, history: 3 };
        assert_eq!(parsed(status), Some(purge));
        let running = status.replace("running but idle", "running");
        assert_eq!(parsed(&running), Some(Purge { idle: false, ..purge }));
        assert_eq!(parsed("Trx id counter 6020\n"), None);
    }

    #[test]
    fn what_was_taken_up_is_gone_once_the_work_on_it_is_over() {
        let at = |below, idle, history| Purge { next: 100, below, idle, history };
        let (idle, busy) = (true, false);
        for (last, now, past) in [
            (at(50, idle, 9), at(50, idle, 9), false),
            (at(50, idle, 9), at(99, idle, 9), false),
            (at(50, idle, 9), at(100, idle, 9), true),
            (at(50, idle, 9), at(50, idle, 0), true),
            (at(50, busy, 9), at(100, busy, 9), false),
            (at(100, busy, 9), at(100, busy, 9), false),
            (at(100, busy, 9), at(101, busy, 9), true),
            (at(99, busy, 9), at(101, busy, 9), false),
        ] {
            assert_eq!(is_past(100, last, now), past, "{last:?}, then {now:?}");
        }
    }
}

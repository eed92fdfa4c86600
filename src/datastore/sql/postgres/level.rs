//! PostgreSQL: VACUUM, and how it is known what it removed.
//!
//! A deleted version bears the number of the transaction that deleted it. VACUUM with FREEZE leaves no number in a table below the one
//! that the catalogue then has as the table's `relfrozenxid`, which the engine relies on itself. So once that is past a batch's
//! transaction, no version that the batch deleted or replaced is in the table. An older snapshot that could still see one holds the
//! number back, and a table that VACUUM had to skip keeps its own: whatever VACUUM itself says. VACUUM is asked by a name, and the
//! batch knows its heaps by what a rename leaves them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::{Access, failed};
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::level::{Asked, BETWEEN, CALLED_OFF, Came, Ended, GoOn, waited};
use crate::datastore::sql::marker::Incarnation;
use crate::datastore::sql::postgres::{connect, evidence};
use crate::model::datastore::{Datastore, Location};
use crate::model::level::Level;

/// VACUUM FULL locks everybody out, and whoever comes while it waits for its lock waits behind it: not for long.
const LOCK: Duration = Duration::from_millis(500);

/// So often it tries to get the lock.
const TRIES: u32 = 5;

const OPERATION: &str = "ask what is left of removed rows";

/// A heap: a table without partitions, or one of them.
struct Heap {
    oid: u64,
    /// As SQL names it.
    name: String,
    is_table: bool,
    file: i64,
    /// The oldest transaction of which the heap, and what it stores beside it, may hold anything.
    oldest: u64,
    /// The same of each of the two, as the catalogue has it, and the oldest group of transactions that may have locked a row there.
    frozen: Vec<(String, String)>,
}

pub(in crate::datastore::sql) async fn ask(
    datastore: &Datastore,
    connection: &mut PgConnection,
    dialect: &Dialect,
    asked: &Asked<'_>,
    go_on: GoOn<'_>,
) -> Result<Came, DatastoreError> {
    let newest = present(connection).await?;
    let before = match heaps(connection, dialect, asked).await? {
        Ok(heaps) => heaps,
        Err(why) => return Ok(Came::short(why)),
    };
    patience(connection, asked.within).await?;
    for heap in &before {
        if let Some(why) = vacuum(datastore, connection, heap, asked.level, go_on).await? {
            return Ok(Came::short(why));
        }
    }
    if asked.level == Level::Vacuumed && failsafe(connection, &before).await? {
        return Ok(Came::short(
            "VACUUM may have passed over indexes, since it comes near wraparound (vacuum_failsafe_age)",
        ));
    }
    let after = match heaps(connection, dialect, asked).await? {
        Ok(heaps) => heaps,
        Err(why) => return Ok(Came::short(why)),
    };
    let earlier = |heap: &Heap| before.iter().find(|b| b.oid == heap.oid && b.name == heap.name);
    let is_same = |heap: &&Heap| earlier(heap).is_some_and(|b| b.file == heap.file);
    if asked.level == Level::Rewritten
        && let Some(skipped) = after.iter().find(is_same)
    {
        return Ok(Came::short(format!("{} was not written anew", skipped.name)));
    }
    let oldest: BTreeMap<u64, u64> =
        after.iter().filter(|heap| earlier(heap).is_some()).map(|heap| (heap.oid, heap.oldest)).collect();
    let is_there = |batch: &Incarnation| {
        !batch.heaps.is_empty() && batch.heaps.iter().all(|oid| oldest.contains_key(oid))
    };
    let cluster = evidence::cluster(connection).await.ok();
    let is_past = |batch: &Incarnation| {
        let last = transaction(batch, cluster.as_deref()).unwrap_or(newest);
        is_there(batch) && batch.heaps.iter().all(|oid| oldest.get(oid).is_some_and(|oldest| last < *oldest))
    };
    let mut came = Came::of(asked.batches, is_past, ANOTHER);
    if came.left.is_some() && asked.batches.iter().all(is_there) {
        came.left = Some(holder(connection).await?);
    }
    Ok(came)
}

const ANOTHER: &str = "a table that held some of them, or a partition, was renamed, detached or dropped since, whatever has its name now";

/// Tables by their names, with all of their partitions.
///
/// A name is looked up as it is now, and not as it was in the snapshot of the transaction that asks.
const TREE: &str = "WITH RECURSIVE tree(oid) AS ( \
     SELECT pg_catalog.to_regclass(name)::oid FROM pg_catalog.unnest($1::text[]) AS named(name) \
     UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON tree.oid = i.inhparent \
 )";

/// What the server knows the heaps by that hold the rows of these tables.
pub(in crate::datastore::sql) async fn heaps_of(
    connection: &mut PgConnection,
    dialect: &Dialect,
    tables: &[&str],
) -> Result<BTreeSet<u64>, DatastoreError> {
    let operation = "ask which heaps hold the rows of a table";
    let sql = format!(
        "{TREE} SELECT tree.oid::int8 FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid WHERE c.relkind <> 'p'"
    );
    let names: Vec<String> = tables.iter().map(|table| dialect.named(table)).collect();
    let rows =
        sqlx::query(AssertSqlSafe(sql)).bind(names).fetch_all(connection).await.map_err(failed(operation))?;
    rows.iter().map(|row| oid(row).map_err(failed(operation))).collect()
}

fn oid(row: &PgRow) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(0).map(i64::unsigned_abs)
}

/// The batch's transaction, if it is one of this cluster's.
fn transaction(batch: &Incarnation, cluster: Option<&str>) -> Option<u64> {
    let lineage = evidence::lineage;
    let transaction =
        batch.transaction.as_ref().filter(|t| Some(lineage(&t.cluster)) == cluster.map(lineage))?;
    transaction.number.parse().ok()
}

/// The newest transaction that may have ended by now: every batch's is at most that.
async fn present(connection: &mut PgConnection) -> Result<u64, DatastoreError> {
    let row = sqlx::query("SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text")
        .fetch_one(connection)
        .await
        .map_err(failed(OPERATION))?;
    let next: String = row.try_get(0).map_err(failed(OPERATION))?;
    let next: Option<u64> = next.parse().ok();
    next.and_then(|next| next.checked_sub(1)).ok_or_else(|| DatastoreError::Unexpected {
        operation: OPERATION,
        expected: "the number of a transaction".to_owned(),
        observed: "none".to_owned(),
    })
}

/// Every heap that holds rows of these tables; or why one of them cannot be looked at.
async fn heaps(
    connection: &mut PgConnection,
    dialect: &Dialect,
    asked: &Asked<'_>,
) -> Result<Result<Vec<Heap>, String>, DatastoreError> {
    let sql = format!(
        "{TREE} SELECT tree.oid::int8, n.nspname::text, c.relname::text, c.relkind = 'r', c.relkind = 'p', c.relfilenode::int8, \
             c.relfrozenxid::text, c.relminmxid::text, t.relfrozenxid::text, t.relminmxid::text \
         FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid \
         WHERE c.relkind IN ('r', 'p', 'f')"
    );
    let now = present(connection).await?;
    let mut heaps = Vec::new();
    for table in asked.tables {
        let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(vec![dialect.table(table)]);
        let rows = query.fetch_all(&mut *connection).await.map_err(failed(OPERATION))?;
        if rows.is_empty() {
            return Ok(Err(format!("table `{table}`, from which records went, is not there any more")));
        }
        for row in rows {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).map_err(failed(OPERATION));
            let yes = |at: usize| row.try_get::<bool, _>(at).map_err(failed(OPERATION));
            if yes(4)? {
                continue;
            }
            let frozen: Vec<(String, String)> =
                [text(6)?.zip(text(7)?), text(8)?.zip(text(9)?)].into_iter().flatten().collect();
            let oldest = frozen.iter().map(|(xid, _)| whole(now, xid.parse().unwrap_or(0))).min();
            let quoted = |name: Option<String>| dialect.quote(name.as_deref().unwrap_or_default());
            heaps.push(Heap {
                oid: oid(&row).map_err(failed(OPERATION))?,
                name: format!("{}.{}", quoted(text(1)?), quoted(text(2)?)),
                is_table: yes(3)?,
                file: row.try_get(5).map_err(failed(OPERATION))?,
                oldest: oldest.unwrap_or(0),
                frozen,
            });
        }
    }
    match heaps.iter().find(|heap| !heap.is_table) {
        Some(heap) => Ok(Err(format!("{} is on another server", heap.name))),
        None => Ok(Ok(heaps)),
    }
}

/// Whether the failsafe may have come in while these heaps were vacuumed, of which this was known before: then VACUUM skips their
/// indexes, whatever it was asked for, and freezes rows all the same. Before version 14 there is none.
///
/// Whatever it looked at while it ran was no older than this is now, and no session but ours can have moved the limit, which
/// [`patience`] has set to what it was.
async fn failsafe(connection: &mut PgConnection, before: &[Heap]) -> Result<bool, DatastoreError> {
    // The server takes no limit below 1.05 times that at which it vacuums by itself.
    const OLD: &str = "SELECT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS heap(xid, multi) \
         WHERE CASE WHEN current_setting('vacuum_failsafe_age', true) IS NULL THEN false \
         ELSE pg_catalog.age(heap.xid::xid) > greatest(current_setting('vacuum_failsafe_age', true)::int8, \
                 current_setting('autovacuum_freeze_max_age')::int8 * 105 / 100) \
             OR pg_catalog.mxid_age(heap.multi::xid) > greatest(current_setting('vacuum_multixact_failsafe_age', true)::int8, \
                 current_setting('autovacuum_multixact_freeze_max_age')::int8 * 105 / 100) END)";
    let (xids, multis): (Vec<String>, Vec<String>) =
        before.iter().flat_map(|heap| heap.frozen.iter().cloned()).unzip();
    let row = sqlx::query(OLD).bind(xids).bind(multis).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(failed(OPERATION))
}

/// The first number that a transaction may have; those below mean something else.
const FIRST: u32 = 3;

/// A transaction's number with its upper half, which the catalogue leaves out: no two in use are 2^31 apart.
fn whole(now: u64, xid: u32) -> u64 {
    if xid < FIRST {
        return 0;
    }
    let low = u32::try_from(now & u64::from(u32::MAX)).unwrap_or_default();
    now.saturating_add_signed(i64::from(xid.wrapping_sub(low).cast_signed()))
}

/// How long it may take; and where the failsafe comes in stays as it is, whoever sets it meanwhile.
async fn patience(connection: &mut PgConnection, within: Duration) -> Result<(), DatastoreError> {
    let statement = within.as_millis().max(1_000);
    let set = format!(
        "SET statement_timeout = '{statement}ms'; SET lock_timeout = '{}ms'; \
         SELECT pg_catalog.set_config(name, setting, false) FROM pg_catalog.pg_settings \
         WHERE name IN ('vacuum_failsafe_age', 'vacuum_multixact_failsafe_age')",
        LOCK.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await.map(drop).map_err(failed("set a session up"))
}

/// Why the heap was not vacuumed; none: the server says that it was.
async fn vacuum(
    datastore: &Datastore,
    connection: &mut PgConnection,
    heap: &Heap,
    level: Level,
    go_on: GoOn<'_>,
) -> Result<Option<String>, DatastoreError> {
    let operation = "vacuum a table";
    let how = if level == Level::Rewritten { "FULL, FREEZE" } else { "FREEZE, INDEX_CLEANUP ON" };
    let sql = format!("VACUUM ({how}) {}", heap.name);
    let row = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut *connection).await;
    let process: i32 = row.and_then(|row| row.try_get(0)).map_err(failed(operation))?;
    let mut tries = 0;
    // Ends with the last try.
    loop {
        tries += 1;
        if !go_on() {
            return Ok(Some(CALLED_OFF.to_owned()));
        }
        // By itself, since it may stand in no transaction: not even the one around several statements of one message.
        let statement =
            async { sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *connection).await.map(drop) };
        let error = match waited(statement, go_on, async || cancel(datastore, process).await).await {
            Ended::CalledOff => return Ok(Some(CALLED_OFF.to_owned())),
            Ended::Done(Ok(())) => return Ok(None),
            Ended::Done(Err(error)) => EngineError::from(&error),
        };
        match error {
            EngineError::Conflict(_) if tries < TRIES => tokio::time::sleep(BETWEEN).await,
            EngineError::Conflict(why) => return Ok(Some(format!("{}: {why}", heap.name))),
            source => return Err(DatastoreError::Statement { operation, source }),
        }
    }
}

/// Where it does not reach the server, the statement's own time limit ends it.
async fn cancel(datastore: &Datastore, process: i32) {
    let Location::Postgres(server) = &datastore.location else { return };
    let cancelled = async {
        let mut session = connect::session(server, Access::Read).await?;
        let cancel = sqlx::query("SELECT pg_catalog.pg_cancel_backend($1)").bind(process);
        cancel.execute(&mut session).await.map_err(failed("call a VACUUM off"))
    };
    if let Err(error) = cancelled.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a VACUUM could not be called off");
    }
}

/// Who could still see what was to be removed, as far as the account may know: nothing that a person wrote is in it.
async fn holder(connection: &mut PgConnection) -> Result<String, DatastoreError> {
    const HOLDERS: &str = "SELECT who FROM ( \
             SELECT 'the transaction of process ' || pid AS who, coalesce(backend_xmin, backend_xid) AS oldest \
             FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = pg_catalog.current_database() \
             UNION ALL SELECT 'a prepared transaction', transaction FROM pg_catalog.pg_prepared_xacts \
             UNION ALL SELECT 'a replication slot', xmin FROM pg_catalog.pg_replication_slots \
             UNION ALL SELECT 'a query on a replica', backend_xmin FROM pg_catalog.pg_stat_replication \
         ) AS holder WHERE oldest IS NOT NULL ORDER BY pg_catalog.age(oldest) DESC LIMIT 1";
    let row = sqlx::query(HOLDERS).fetch_optional(connection).await.map_err(failed(OPERATION))?;
    let who: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(failed(OPERATION))?;
    let who = who.unwrap_or_else(|| "a transaction that has ended by now".to_owned());
    Ok(format!("an older snapshot may still see what was deleted, or the account may not vacuum: {who}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_completed_to_the_nearest_one() {
        let epoch = 1_u64 << 32;
        for (now, xid, expected) in [
            (1_000, 999, 999),
            (1_000, 1_005, 1_005),
            (epoch + 5, 4, epoch + 4),
            (epoch + 5, u32::MAX, epoch - 1),
            (3 * epoch - 1, 3, 3 * epoch + 3),
            (3 * epoch - 1, 0, 0),
            (10, u32::MAX, 0),
        ] {
            assert_eq!(whole(now, xid), expected, "{xid} at {now}");
        }
    }
}

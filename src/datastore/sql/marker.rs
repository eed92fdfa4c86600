//! A row of ours that a batch writes in its own transaction: there afterwards exactly when the batch was committed.
//!
//! Without it, a restart would have to infer from the records, and a rowid that is used again, or an account that was
//! un-deleted at the wrong moment, would mislead it. PostgreSQL besides remembers what became of a transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::{Connection, Handle, Select};
use super::dialect::{Dialect, Expression};
use super::postgres;
use super::statement::Sql;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::diagnostic::Severity;
use crate::hook;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::{Value, Values};
use crate::rules::connect::privilege::{Columns, Needed, PrivilegeFinding, Right, Standing, Use};
use crate::secret;

/// The marker's table in the datastore.
pub(super) const TABLE: &str = "expunged_marker";

/// How long a batch that is still in flight on the server is waited for.
pub(super) const IN_FLIGHT: Duration = Duration::from_secs(30);

/// Which evidence there will be of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// A random name given when the marker's table was made; none: the account may not have one. A table that was dropped, or came
    /// back from an older copy of the database under another name, cannot vouch for a batch.
    pub(super) marker: Option<String>,
    /// The batch's own transaction, where the server remembers what becomes of it.
    pub(super) transaction: Option<TransactionId>,
    /// What the server knows the heaps by that held its records, where more than their deletion is asked for: a name may be another
    /// table's by the time that the server is asked.
    pub(super) heaps: BTreeSet<u64>,
}

/// A transaction of one PostgreSQL cluster, on one of its time lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TransactionId {
    pub(super) cluster: String,
    pub(super) number: String,
}

const NONE: &str = "-";

impl Incarnation {
    pub(super) fn of_marker(marker: Option<String>) -> Self {
        Self { marker, transaction: None, heaps: BTreeSet::new() }
    }

    /// As it was recorded with an intent.
    pub fn recorded(text: &str) -> Self {
        let mut parts = text.split(';');
        let marker = parts.next().filter(|marker| *marker != NONE).map(str::to_owned);
        let transaction = parts.next().zip(parts.next()).filter(|(cluster, _)| *cluster != NONE);
        let transaction = transaction.map(|(cluster, number)| TransactionId {
            cluster: cluster.to_owned(),
            number: number.to_owned(),
        });
        let heaps = parts.next().into_iter().flat_map(|heaps| heaps.split(','));
        Self { marker, transaction, heaps: heaps.filter_map(|heap| heap.parse().ok()).collect() }
    }

    /// The text to record.
    pub fn to_text(&self) -> String {
        let mut parts = vec![self.marker.clone().unwrap_or_else(|| NONE.to_owned())];
        let heaps: Vec<String> = self.heaps.iter().map(u64::to_string).collect();
        match &self.transaction {
            Some(TransactionId { cluster, number }) => parts.extend([cluster.clone(), number.clone()]),
            None if heaps.is_empty() => {}
            None => parts.extend([NONE, NONE].map(str::to_owned)),
        }
        if !heaps.is_empty() {
            parts.push(heaps.join(","));
        }
        parts.join(";")
    }
}

/// What there is to know of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Its marker is there.
    Marked,
    /// The server remembers that its transaction was committed.
    Committed,
    /// It was rolled back: everything is as it was before.
    RolledBack,
    /// The marker is not the one the batch was prepared beside.
    Lost,
}

const BATCH: &str = "batch:";

fn batch_name(batch: &str) -> String {
    format!("{BATCH}{batch}")
}

const SET_UP: &str = "set up the marker table `expunged_marker`";

/// The statement that makes the table.
pub(super) fn create(dialect: &Dialect) -> String {
    let (name, value) = match dialect {
        Dialect::Sqlite | Dialect::Postgres(_) => ("TEXT PRIMARY KEY", "TEXT NOT NULL"),
        Dialect::MariaDb(_) => (
            "VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY",
            "VARCHAR(190) CHARACTER SET ascii NOT NULL) ENGINE=InnoDB COMMENT='expunged: batches in doubt'",
        ),
    };
    let end = if let Dialect::MariaDb(_) = dialect { "" } else { ")" };
    format!("CREATE TABLE IF NOT EXISTS {} (name {name}, value {value}{end}", dialect.named(TABLE))
}

/// What the account needs on the table, once it is there.
pub(super) fn needed() -> Needed {
    let column = |name| ColumnName::new(name).expect("a constant, parsed by a test");
    let columns = || Columns::Named(["name", "value"].map(column).into());
    let used = || Use { columns: columns(), rules: BTreeSet::new() };
    Needed {
        table: TableName::new(TABLE).expect("a constant, parsed by a test"),
        rights: [Right::Select, Right::Insert, Right::Delete].map(|right| (right, used())).into(),
    }
}

/// What to say where it is not there, and the account may not make it.
pub(super) fn missing(who: &str) -> PrivilegeFinding {
    PrivilegeFinding {
        standing: Standing::Insufficient,
        severity: Severity::Warning,
        message: format!(
            "there is no table `{TABLE}`, and {who} may not make it: after a crash, records are looked at one by one"
        ),
        help: "make it with what `expunged grants` prints".to_owned(),
    }
}

/// Whether the table is there.
pub(super) async fn is_there(handle: &mut Handle<'_>, dialect: &Dialect) -> Result<bool, DatastoreError> {
    Ok(handle.number(&exists(dialect), SET_UP).await? > 0)
}

/// Makes the table where it is missing, and says what it is called by; none: the account may not make it.
pub(super) async fn ensure(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
) -> Result<Incarnation, DatastoreError> {
    let operation = SET_UP;
    if !is_there(handle, dialect).await? {
        hook::reach("marker-table.before");
        match handle.run(&dialect.sql(create(dialect)), operation).await {
            // SQLite has no accounts: who cannot write cannot sweep.
            Err(DatastoreError::Statement { source: EngineError::Denied(_), .. })
                if !matches!(dialect, Dialect::Sqlite) =>
            {
                tracing::warn!(
                    "the account may not make the table `expunged_marker`: after a crash, records are looked at one by one"
                );
                return Ok(Incarnation::of_marker(None));
            }
            // Somebody else may have made it at the same moment, which an engine says in several ways.
            Err(error) if !is_there(handle, dialect).await? => return Err(error),
            _ => {}
        }
        hook::reach("marker-table.after");
    }
    let named = incarnation(handle, dialect, operation).await?;
    if !named.is_empty() {
        return Ok(Incarnation::of_marker(Some(named)));
    }
    let mut name = [0; 16];
    secret::fill(&mut name).map_err(crate::pseudonym::PseudonymError::Random)?;
    let mut insert = insert(dialect, "incarnation", &super::statement::hex(&name));
    match dialect {
        Dialect::Sqlite | Dialect::Postgres(_) => drop(insert.push(" ON CONFLICT DO NOTHING")),
        Dialect::MariaDb(_) => {}
    }
    hook::reach("incarnation.before");
    match handle.run(&insert, operation).await {
        // Another process has named it meanwhile.
        Err(DatastoreError::Statement { source, .. }) if source.is_duplicate() => {}
        done => drop(done?),
    }
    hook::reach("incarnation.after");
    Ok(Incarnation::of_marker(Some(incarnation(handle, dialect, operation).await?)))
}

fn exists(dialect: &Dialect) -> super::connection::Select {
    dialect.select(&[Expression::integer("count(*)")], |sql| match dialect {
        Dialect::Sqlite => {
            sql.push(" FROM main.sqlite_schema WHERE type = 'table' AND name = ").bind_text(TABLE);
        }
        Dialect::Postgres(schema) => {
            sql.push(
                " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace",
            );
            sql.push(" WHERE c.relkind IN ('r', 'p') AND n.nspname = ").bind_text(&schema.name);
            sql.push(" AND c.relname = ").bind_text(TABLE);
        }
        Dialect::MariaDb(schema) => {
            sql.push(" FROM information_schema.TABLES WHERE TABLE_SCHEMA = ").bind_text(&schema.name);
            sql.push(" AND TABLE_NAME = ").bind_text(TABLE);
        }
    })
}

async fn incarnation(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    operation: &'static str,
) -> Result<String, DatastoreError> {
    let select = dialect.select(&[Expression::text("value")], |sql| {
        sql.push(&format!(" FROM {} WHERE name = 'incarnation'", dialect.named(TABLE)));
    });
    let rows = handle.rows(&select, operation).await?;
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Value::Text(name)) => name.clone(),
        _ => String::new(),
    })
}

fn insert(dialect: &Dialect, name: &str, value: &str) -> Sql {
    let mut sql = dialect.sql("");
    push_insert(&mut sql, name, value);
    sql
}

fn push_insert(sql: &mut Sql, name: &str, value: &str) {
    let table = sql.dialect.named(TABLE);
    sql.push(&format!("INSERT INTO {table} (name, value) VALUES ("));
    sql.bind_text(name).push(", ").bind_text(value).push(")");
}

/// Marks a batch and forgets others, whose outcomes are in the ledger by the time that it is committed; part of the batch's own transaction,
/// whose number PostgreSQL tells on this occasion.
pub(super) async fn set(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    batch: &str,
    forgotten: &[String],
) -> Result<Option<String>, DatastoreError> {
    let operation = "write the batch's marker";
    if !matches!(dialect, Dialect::Postgres(_)) {
        if !forgotten.is_empty() {
            forget(handle, dialect, forgotten).await?;
        }
        hook::reach("marker.before");
        handle.run(&insert(dialect, &batch_name(batch), ""), operation).await?;
        hook::reach("marker.after");
        return Ok(None);
    }
    // One call for all three: it is the way to the server that costs.
    let marked = dialect.select(&[Expression::text("marked.number")], |sql| {
        sql.push(" FROM marked");
    });
    let mut sql = dialect.sql("WITH ");
    if !forgotten.is_empty() {
        push_delete(sql.push("forgotten AS ("), forgotten);
        sql.push("), ");
    }
    push_insert(sql.push("marked AS ("), &batch_name(batch), "");
    sql.push(" RETURNING pg_current_xact_id()::text AS number) ").push(&marked.sql.text);
    hook::reach("marker.before");
    let rows = handle.rows(&Select { sql, ..marked }, operation).await?;
    hook::reach("marker.after");
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Text(number)) => Ok(Some(number.clone())),
        _ => Err(DatastoreError::Unexpected {
            operation,
            expected: "the transaction's number".to_owned(),
            observed: "none".to_owned(),
        }),
    }
}

/// Forgets batches whose outcomes are in the ledger, no more of them than a statement has places for.
pub(super) async fn forget(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    batches: &[String],
) -> Result<(), DatastoreError> {
    let mut sql = dialect.sql("");
    push_delete(&mut sql, batches);
    hook::reach("forget.before");
    handle.run(&sql, "forget a sealed batch's marker").await?;
    hook::reach("forget.after");
    Ok(())
}

fn push_delete(sql: &mut Sql, batches: &[String]) {
    let table = sql.dialect.named(TABLE);
    sql.push(&format!("DELETE FROM {table} WHERE name IN ("));
    for (at, batch) in batches.iter().enumerate() {
        sql.push(if at > 0 { ", " } else { "" }).bind_text(&batch_name(batch));
    }
    sql.push(")");
}

/// The batches that are marked, whoever's ledger they are in.
pub(super) async fn all(handle: &mut Handle<'_>, dialect: &Dialect) -> Result<Vec<String>, DatastoreError> {
    let select = dialect.select(&[Expression::text("name")], |sql| {
        sql.push(&format!(" FROM {} WHERE name LIKE '{BATCH}%'", dialect.named(TABLE)));
    });
    let rows = handle.rows(&select, "list the markers").await?;
    let batch = |row: &Values| match row.first() {
        Some(Value::Text(name)) => name.strip_prefix(BATCH).map(str::to_owned),
        _ => None,
    };
    Ok(rows.iter().filter_map(batch).collect())
}

/// What became of a batch. One that is still in flight is waited for.
pub(super) async fn evidence(
    connection: &mut Connection,
    dialect: &Dialect,
    recorded: &Incarnation,
    batch: &str,
) -> Result<Evidence, DatastoreError> {
    let operation = "read the batch's marker";
    if let Connection::Sqlite(_) = connection {
        // A batch in flight holds the write lock from its selection on: once we have had the lock, it is over, whoever ran it.
        connection.begin(operation).await?.rollback().await?;
    }
    let here = ensure(&mut connection.handle(), dialect).await?;
    if recorded.marker.is_some() && here.marker == recorded.marker {
        return marked(connection, dialect, batch, operation).await;
    }
    match (connection, &recorded.transaction) {
        (Connection::Postgres(connection), Some(transaction)) => {
            postgres::evidence::of(connection, transaction).await
        }
        (Connection::Sqlite(_) | Connection::Postgres(_) | Connection::MariaDb(_), _) => Ok(Evidence::Lost),
    }
}

/// Writes the marker as the batch would have: where that waits, the batch is in flight; where it is refused, the batch was committed.
async fn marked(
    connection: &mut Connection,
    dialect: &Dialect,
    batch: &str,
    operation: &'static str,
) -> Result<Evidence, DatastoreError> {
    let mut insert = insert(dialect, &batch_name(batch), "");
    match dialect {
        Dialect::Sqlite | Dialect::Postgres(_) => drop(insert.push(" ON CONFLICT DO NOTHING")),
        Dialect::MariaDb(_) => {}
    }
    connection.be_patient(IN_FLIGHT).await?;
    let mut transaction = connection.begin(operation).await?;
    let written = transaction.handle().run(&insert, operation).await;
    transaction.undo().await?;
    match written {
        Ok(0) => Ok(Evidence::Marked),
        // A key that is there already does not end a transaction of MariaDB's: it has been rolled back above. Whatever else refuses the
        // row says nothing of the batch.
        Err(DatastoreError::Statement { source, .. }) if source.is_duplicate() => Ok(Evidence::Marked),
        Ok(_) => Ok(Evidence::RolledBack),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_its_columns_have_names() {
        let needed = needed();
        assert_eq!(needed.table.as_str(), TABLE);
        assert_eq!(needed.rights.len(), 3);
    }

    #[test]
    fn what_is_recorded_of_a_batch_is_read_again() {
        let id = TransactionId { cluster: "7.00000001".to_owned(), number: "81".to_owned() };
        for (marker, transaction, heaps, text) in [
            (None, None, vec![], "-"),
            (Some("a0"), None, vec![], "a0"),
            (Some("a0"), Some(id.clone()), vec![], "a0;7.00000001;81"),
            (None, Some(id), vec![16_400, 16_385], "-;7.00000001;81;16385,16400"),
            (Some("a0"), None, vec![16_385], "a0;-;-;16385"),
        ] {
            let marker = marker.map(str::to_owned);
            let incarnation = Incarnation { marker, transaction, heaps: heaps.into_iter().collect() };
            assert_eq!(incarnation.to_text(), text);
            assert_eq!(Incarnation::recorded(text), incarnation);
        }
    }
}

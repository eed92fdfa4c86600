//! One connection to whichever engine: a sweep's own, never pooled, closed with whatever state a failure left it in.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, MySql, Postgres, Row as _, Sqlite, SqliteConnection};

use super::dialect::{Class, Dialect, Expression, Type};
use super::statement::{Arg, Sql};
use super::way::Reading;
use super::{mariadb, postgres, rows, sqlite};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::datastore::{Datastore, Location};
use crate::model::name::TableName;
use crate::model::value::{Value, Values};

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What the tables of a datastore look like, for whoever opens it again within the same sweep: to ask once more takes a server as long as to
/// delete some ten thousand records.
#[derive(Clone)]
pub struct Layout(pub(super) Dialect);

/// A connection of our own.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
    MariaDb(Box<MySqlConnection>),
}

/// The same, borrowed: from itself, or from a transaction on it.
pub(super) enum Handle<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
    MariaDb(&'c mut MySqlConnection),
}

/// An open transaction. Dropping it rolls back.
pub(super) enum Transaction<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    Postgres(sqlx::Transaction<'c, Postgres>),
    MariaDb(sqlx::Transaction<'c, MySql>),
}

/// Opens a datastore, and says in which SQL it is spoken to.
pub(super) async fn open(
    datastore: &Datastore,
    access: Access,
) -> Result<(Connection, Dialect), DatastoreError> {
    match &datastore.location {
        Location::Sqlite(path) => {
            Ok((Connection::Sqlite(sqlite::connect::connect(path, access).await?), Dialect::Sqlite))
        }
        Location::Postgres(server) => {
            let (connection, dialect) = postgres::connect::connect(server, access).await?;
            Ok((Connection::Postgres(Box::new(connection)), dialect))
        }
        Location::MariaDb(server) => {
            let (connection, dialect) = mariadb::connect::connect(server, access).await?;
            Ok((Connection::MariaDb(Box::new(connection)), dialect))
        }
        Location::Files(_) => Err(DatastoreError::WrongKind {
            expected: "sqlite, postgres or mariadb",
            found: datastore.kind().as_str(),
        }),
    }
}

/// The same where it may be known already in which.
pub(super) async fn open_again(
    datastore: &Datastore,
    access: Access,
    layout: Option<&Layout>,
) -> Result<(Connection, Dialect), DatastoreError> {
    let Some(Layout(dialect)) = layout else { return open(datastore, access).await };
    let connection = match &datastore.location {
        Location::Postgres(server) => {
            Connection::Postgres(Box::new(postgres::connect::session(server, access).await?))
        }
        Location::MariaDb(server) => {
            let (connection, snapshots) = mariadb::connect::prepared(server, access).await?;
            if snapshots != dialect.has_snapshots() {
                // Behind one address, servers of several versions: what is exact on one is not on the other.
                connection.close().await.map_err(failed("close the connection"))?;
                return Err(DatastoreError::Unexpected {
                    operation: "open the datastore once more",
                    expected: "the server that the sweep began on, or one like it".to_owned(),
                    observed: "one with another `innodb_snapshot_isolation`".to_owned(),
                });
            }
            Connection::MariaDb(Box::new(connection))
        }
        Location::Sqlite(_) | Location::Files(_) => return open(datastore, access).await,
    };
    Ok((connection, dialect.clone()))
}

/// Lets a connection that could only read dispose of records, and asks once more what the tables look like: triggers may have come since. Where
/// the columns of one of these are others by now, or of other types, nothing goes: the rule was bound to what they were. A file that was opened
/// to be read stays so: it is opened anew.
pub(super) async fn promote(
    connection: Connection,
    dialect: &Dialect,
    datastore: &Datastore,
    tables: &[TableName],
) -> Result<(Connection, Dialect), DatastoreError> {
    let (connection, now) = promoted(connection, dialect, datastore).await?;
    if let Some(table) = dialect.altered(&now, tables) {
        connection.close().await?;
        return Err(DatastoreError::Unexpected {
            operation: "open the datastore to dispose of records",
            expected: format!("the columns that `{table}` had when the rule was bound to them"),
            observed: "others, or of other types: the table has been altered meanwhile".to_owned(),
        });
    }
    Ok((connection, now))
}

async fn promoted(
    connection: Connection,
    dialect: &Dialect,
    datastore: &Datastore,
) -> Result<(Connection, Dialect), DatastoreError> {
    match (connection, &datastore.location) {
        (Connection::Postgres(mut connection), Location::Postgres(server)) => {
            let dialect = postgres::connect::promote(&mut connection, server).await?;
            Ok((Connection::Postgres(connection), dialect))
        }
        (Connection::MariaDb(mut connection), Location::MariaDb(server)) => {
            let snapshots = dialect.has_snapshots();
            let dialect = mariadb::connect::promote(&mut connection, server, snapshots).await?;
            Ok((Connection::MariaDb(connection), dialect))
        }
        (connection, _) => {
            connection.close().await?;
            open(datastore, Access::Write).await
        }
    }
}

impl Connection {
    pub(super) fn handle(&mut self) -> Handle<'_> {
        match self {
            Self::Sqlite(connection) => Handle::Sqlite(connection),
            Self::Postgres(connection) => Handle::Postgres(connection),
            Self::MariaDb(connection) => Handle::MariaDb(connection),
        }
    }

    /// Begins a transaction; on SQLite, one that locks every other writer out.
    pub(super) async fn begin(&mut self, operation: &'static str) -> Result<Transaction<'_>, DatastoreError> {
        match self {
            Self::Sqlite(connection) => {
                connection.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite)
            }
            // A statement sees what was committed before it, whatever the server's default.
            Self::Postgres(connection) => {
                connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map(Transaction::Postgres)
            }
            Self::MariaDb(connection) => connection.begin().await.map(Transaction::MariaDb),
        }
        .map_err(failed(operation))
    }

    /// The same, where one snapshot has to serve all of its statements, and what others have changed meanwhile is a conflict. SQLite has
    /// locked everybody out instead. `reading`: of whatever index a statement of the transaction goes by; PostgreSQL's alone.
    pub(super) async fn begin_snapshot(
        &mut self,
        reading: Reading,
        operation: &'static str,
    ) -> Result<Transaction<'_>, DatastoreError> {
        match self {
            Self::Postgres(connection) => {
                let begin = match reading {
                    Reading::InOrder => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                    Reading::Mapped => BEGIN_MAPPED,
                };
                connection.begin_with(begin).await.map(Transaction::Postgres)
            }
            Self::MariaDb(connection) => connection
                .begin_with("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION")
                .await
                .map(Transaction::MariaDb),
            Self::Sqlite(_) => return self.begin(operation).await,
        }
        .map_err(failed(operation))
    }

    /// Lets the next statements wait so long for a lock. SQLite has one, and waits for it anyway.
    pub(super) async fn be_patient(&mut self, wait: Duration) -> Result<(), DatastoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(connection) => postgres::connect::be_patient(connection, wait).await,
            Self::MariaDb(connection) => mariadb::connect::be_patient(connection, wait).await,
        }
    }

    pub(super) async fn close(self) -> Result<(), DatastoreError> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
            Self::MariaDb(connection) => connection.close().await,
        }
        .map_err(failed("close the connection"))
    }
}

impl Transaction<'_> {
    pub(super) fn handle(&mut self) -> Handle<'_> {
        match self {
            Self::Sqlite(transaction) => Handle::Sqlite(transaction),
            Self::Postgres(transaction) => Handle::Postgres(transaction),
            Self::MariaDb(transaction) => Handle::MariaDb(transaction),
        }
    }

    pub(super) async fn commit(self) -> Result<(), EngineError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
            Self::MariaDb(transaction) => transaction.commit().await,
        }
        .map_err(|error| EngineError::from(&error))
    }

    pub(super) async fn rollback(self) -> Result<(), DatastoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
            Self::MariaDb(transaction) => transaction.rollback().await,
        }
        .map_err(failed("roll a batch back"))
    }

    /// Rolls back after an error, whether or not the engine has done so by itself: after RAISE(ROLLBACK) nothing is open any more on
    /// SQLite, and the driver does not know.
    pub(super) async fn undo(mut self) -> Result<(), DatastoreError> {
        if let Self::Sqlite(transaction) = &mut self {
            // Refused where a transaction is open; where none is, there is one to roll back again.
            drop(sqlx::query("BEGIN").execute(&mut **transaction).await);
        }
        self.rollback().await
    }
}

/// PostgreSQL takes for granted that each row an index leads to is a page of its own, unless their orders are the same to the last row.
/// Should something cancel it half-way, the driver does not know of a transaction that is open: the connection begins no other, and the sweep
/// ends with that error.
const BEGIN_MAPPED: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = on";

/// Lets the rest of such a transaction follow an index in its order again.
pub(super) const IN_ORDER: &str = "SET LOCAL enable_indexscan = on";

/// From here on plans may be kept: those of the checks that a deletion runs for each row, for foreign keys. Of ours, what is still to come in
/// the transaction goes by keys, and needs no plan for its own values.
const KEEP_PLANS: &str = "SET LOCAL plan_cache_mode = auto";

pub(super) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> DatastoreError {
    move |error| DatastoreError::Statement { operation, source: EngineError::from(&error) }
}

macro_rules! bound {
    ($sql:expr, $query:ident, $($servers:tt)*) => {{
        let mut $query = sqlx::query(AssertSqlSafe($sql.text.clone()));
        for arg in &$sql.args {
            $query = match arg {
                Arg::Null => $query.bind(None::<String>),
                Arg::Integer(n) => $query.bind(*n),
                Arg::Real(n) => $query.bind(*n),
                Arg::Text(text) => $query.bind(text.clone()),
                Arg::Bytes(bytes) => $query.bind(bytes.clone()),
                $($servers)*
            };
        }
        $query
    }};
}

type Query<'q, DB> = sqlx::query::Query<'q, DB, <DB as sqlx::Database>::Arguments>;

fn for_sqlite(sql: &Sql) -> Query<'static, Sqlite> {
    bound!(sql, query,
        Arg::Unsigned(n) => query.bind(n.to_string()),
        Arg::Instant(_) | Arg::Naive(_) | Arg::Date(_) | Arg::Integers(_) | Arg::Texts(_) | Arg::Blobs(_) => {
            query.bind(None::<String>)
        },
    )
}

fn for_postgres(sql: &Sql) -> Query<'static, Postgres> {
    bound!(sql, query,
        Arg::Unsigned(n) => query.bind(n.to_string()),
        Arg::Instant(at) => query.bind(*at),
        Arg::Naive(at) => query.bind(*at),
        Arg::Date(date) => query.bind(*date),
        Arg::Integers(values) => query.bind(values.clone()),
        Arg::Texts(values) => query.bind(values.clone()),
        Arg::Blobs(values) => query.bind(values.clone()),
    )
}

fn for_mariadb(sql: &Sql) -> Query<'static, MySql> {
    bound!(sql, query,
        Arg::Unsigned(n) => query.bind(*n),
        Arg::Instant(_) | Arg::Naive(_) | Arg::Date(_) | Arg::Integers(_) | Arg::Texts(_) | Arg::Blobs(_) => {
            query.bind(None::<String>)
        },
    )
}

/// A statement that selects, and what its columns hold.
pub(super) struct Select {
    pub(super) sql: Sql,
    pub(super) types: Vec<Type>,
    /// Whether the rows come as bytes, each of the length that the types have.
    pub(super) packed: bool,
    /// Of MariaDB's: the classes of the columns whose values are handed over. Behind all else stands one for each that has its type, and no value.
    pub(super) columns: Vec<Class>,
}

impl Dialect {
    /// `SELECT` of these columns, in a form that [`Handle::rows`] reads; `rest` is all that follows them.
    pub(super) fn select(&self, columns: &[Expression], rest: impl FnOnce(&mut Sql)) -> Select {
        let types = columns.iter().map(|x| x.ty.clone()).collect();
        let packed = self.packed(columns);
        let mut sql = match self {
            // One row of the driver's for all: a tenth of its work, and on PostgreSQL half of the server's.
            Self::Sqlite => {
                let read: Vec<String> =
                    (0..columns.len()).map(|i| super::dialect::encoded(&format!("b.c{i}"))).collect();
                self.sql(format!("SELECT json_group_array(json_array({})) FROM (", read.join(", ")))
            }
            Self::Postgres(_) => {
                let arrays = || {
                    let arrays = (0..columns.len().max(1)).map(|i| format!("pg_catalog.array_agg(b.c{i})"));
                    arrays.collect::<Vec<_>>().join(", ")
                };
                let read = packed.clone().unwrap_or_else(arrays);
                let same = rows::same_types(columns);
                let same = same.map(|same| format!(", {same}")).unwrap_or_default();
                self.sql(format!("SELECT {read}{same} FROM ("))
            }
            Self::MariaDb(_) => self.sql(""),
        };
        let named = |(i, x): (usize, &Expression)| match self {
            Self::Sqlite => format!("{} AS c{i}", x.sql),
            Self::Postgres(_) if packed.is_some() => format!("{} AS c{i}", x.sql),
            Self::Postgres(_) => format!("{} AS c{i}", self.read(x)),
            Self::MariaDb(_) => self.read(x),
        };
        let mut named: Vec<String> = columns.iter().enumerate().map(named).collect();
        let mut classes = Vec::new();
        if let Self::MariaDb(_) = self {
            for (column, ty) in columns.iter().filter_map(|x| x.column.as_ref()) {
                named.push(format!("IF(FALSE, {column}, NULL)"));
                classes.push(ty.class);
            }
        }
        // A row without columns is a row.
        sql.push(&format!(
            "SELECT {}",
            if named.is_empty() { "1 AS c0".to_owned() } else { named.join(", ") }
        ));
        rest(&mut sql);
        match self {
            Self::Sqlite | Self::Postgres(_) => drop(sql.push(") AS b")),
            Self::MariaDb(_) => {}
        }
        Select { sql, types, packed: packed.is_some(), columns: classes }
    }

    /// Rows of PostgreSQL's that are of one length, and nowhere NULL: as bytes, they are read and sent in two thirds of the time that arrays take.
    fn packed(&self, columns: &[Expression]) -> Option<String> {
        let Self::Postgres(_) = self else { return None };
        let are_filled = columns.iter().all(|x| x.filled);
        are_filled.then(|| rows::packed(columns.iter().map(|x| x.ty.class))).flatten()
    }
}

/// What a statement changed.
pub(super) struct Changed {
    /// Rows that it changed itself.
    pub itself: u64,
    /// The same with those that triggers and foreign keys changed.
    pub reached: u64,
}

impl Handle<'_> {
    /// Runs a statement; the number of rows it changed directly.
    pub(super) async fn run(&mut self, sql: &Sql, operation: &'static str) -> Result<u64, DatastoreError> {
        match self {
            Self::Sqlite(connection) => {
                for_sqlite(sql).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            Self::Postgres(connection) => {
                for_postgres(sql).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            Self::MariaDb(connection) => {
                for_mariadb(sql).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        }
        .map_err(failed(operation))
    }

    /// Every row of a selection.
    pub(super) async fn rows(
        &mut self,
        select: &Select,
        operation: &'static str,
    ) -> Result<Vec<Values>, DatastoreError> {
        let Select { sql, types, packed, columns } = select;
        match self {
            Self::Sqlite(connection) => {
                let row = for_sqlite(sql).fetch_one(&mut **connection).await.map_err(failed(operation))?;
                rows::parse(&text(&row, operation)?)
            }
            Self::Postgres(connection) => {
                let row = for_postgres(sql).fetch_one(&mut **connection).await.map_err(failed(operation))?;
                let read = if *packed { rows::unpacked } else { rows::of_postgres };
                read(&row, types, operation)
            }
            Self::MariaDb(connection) => {
                let rows = for_mariadb(sql).fetch_all(&mut **connection).await.map_err(failed(operation))?;
                rows::of_mariadb(&rows, types, columns, operation)
            }
        }
    }

    /// The one row of a selection, as one number.
    pub(super) async fn number(
        &mut self,
        select: &Select,
        operation: &'static str,
    ) -> Result<u64, DatastoreError> {
        let rows = self.rows(select, operation).await?;
        match rows.first().and_then(|row| row.first()) {
            Some(Value::Integer(n)) => Ok(n.unsigned_abs()),
            _ => Err(DatastoreError::Unexpected {
                operation,
                expected: "one number".to_owned(),
                observed: "none".to_owned(),
            }),
        }
    }

    /// Runs a statement that changes rows of a table.
    pub(super) async fn changing(
        &mut self,
        sql: &Sql,
        (table, deletes): (&TableName, bool),
        operation: &'static str,
    ) -> Result<Changed, DatastoreError> {
        if let Self::Sqlite(connection) = self {
            return sqlite::connect::changing(connection, sql, operation).await;
        }
        let watched = sql.dialect.reaches_others(table, deletes);
        let before = if watched { self.reached(&sql.dialect, operation).await? } else { 0 };
        let itself = match self {
            Self::Postgres(connection) if sql.dialect.is_pointed_to(table) => {
                sqlx::raw_sql(KEEP_PLANS).execute(&mut **connection).await.map_err(failed(operation))?;
                // It may be about a range. A statement that is not kept has no plan for any value.
                let done = for_postgres(sql).persistent(false).execute(&mut **connection).await;
                done.map_err(failed(operation))?.rows_affected()
            }
            _ => self.run(sql, operation).await?,
        };
        if !watched {
            return Ok(Changed { itself, reached: itself });
        }
        let counted = self.reached(&sql.dialect, operation).await?.saturating_sub(before);
        let own = itself * sql.dialect.counts_of_a_row(table);
        let Some(others) = counted.checked_sub(own) else {
            return Err(DatastoreError::Unexpected {
                operation,
                expected: format!(
                    "the server to count the rows that a statement changes: at least {own} here (PostgreSQL: `track_counts = on`)"
                ),
                observed: counted.to_string(),
            });
        };
        Ok(Changed { itself, reached: itself + others })
    }

    /// Has PostgreSQL run by now what it has put off to the end of the transaction; how many rows that has changed.
    pub(super) async fn put_off(
        &mut self,
        dialect: &Dialect,
        operation: &'static str,
    ) -> Result<u64, DatastoreError> {
        let before = self.reached(dialect, operation).await?;
        self.run(&dialect.sql("SET CONSTRAINTS ALL IMMEDIATE"), operation).await?;
        Ok(self.reached(dialect, operation).await?.saturating_sub(before))
    }

    /// Rows that the transaction (MariaDB: the connection) has changed, whoever made it.
    async fn reached(&mut self, dialect: &Dialect, operation: &'static str) -> Result<u64, DatastoreError> {
        let sum = match dialect {
            Dialect::Postgres(_) => {
                "coalesce(sum(pg_catalog.pg_stat_get_xact_tuples_inserted(oid) + pg_catalog.pg_stat_get_xact_tuples_updated(oid) \
                 + pg_catalog.pg_stat_get_xact_tuples_deleted(oid)), 0)::int8"
            }
            Dialect::Sqlite | Dialect::MariaDb(_) => "sum(VARIABLE_VALUE)",
        };
        let of = match dialect {
            // All that are not the server's own. Its view of the same joins each table's indexes, for nothing.
            Dialect::Postgres(_) => {
                " FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384"
            }
            Dialect::MariaDb(schema) if schema.logs_into_tables => {
                " FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN ('HANDLER_DELETE', 'HANDLER_UPDATE')"
            }
            Dialect::Sqlite | Dialect::MariaDb(_) => {
                " FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN ('HANDLER_DELETE', 'HANDLER_UPDATE', 'HANDLER_WRITE')"
            }
        };
        let select = dialect.select(&[Expression::integer(sum)], |sql| {
            sql.push(of);
        });
        self.number(&select, operation).await
    }
}

/// The first column of a row of SQLite's, as text.
pub(super) fn text(row: &sqlx::sqlite::SqliteRow, operation: &'static str) -> Result<String, DatastoreError> {
    let bytes: Vec<u8> = row.try_get(0).map_err(failed(operation))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| rows::lossy(error.as_bytes())))
}

/// Every row of SQLite's.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<Vec<sqlx::sqlite::SqliteRow>, DatastoreError> {
    for_sqlite(sql).fetch_all(connection).await.map_err(failed(operation))
}

/// The same of what the engine says of its schema. Never kept prepared: the engine's tables of pragmas go with a schema that changes, and a
/// statement that still holds one ends the process.
pub(super) async fn told(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<Vec<sqlx::sqlite::SqliteRow>, DatastoreError> {
    for_sqlite(sql).persistent(false).fetch_all(connection).await.map_err(failed(operation))
}

/// Every row of PostgreSQL's, for its own catalogue.
pub(super) async fn explained(
    handle: &mut Handle<'_>,
    sql: &Sql,
    operation: &'static str,
) -> Result<Vec<String>, DatastoreError> {
    let mut lines = Vec::new();
    match handle {
        Handle::Sqlite(connection) => {
            let explain = Sql { text: format!("EXPLAIN QUERY PLAN {}", sql.text), ..sql.clone() };
            for row in all(connection, &explain, operation).await? {
                lines.push(row.try_get(3).map_err(failed(operation))?);
            }
        }
        Handle::Postgres(connection) => {
            let explain = Sql { text: format!("EXPLAIN {}", sql.text), ..sql.clone() };
            for row in for_postgres(&explain).fetch_all(&mut **connection).await.map_err(failed(operation))? {
                lines.push(row.try_get(0).map_err(failed(operation))?);
            }
        }
        Handle::MariaDb(connection) => {
            let explain = Sql { text: format!("EXPLAIN {}", sql.text), ..sql.clone() };
            for row in for_mariadb(&explain).fetch_all(&mut **connection).await.map_err(failed(operation))? {
                lines.push(plan_of_mariadb(&row));
            }
        }
    }
    Ok(lines)
}

/// `table: access by key, rows, extra`.
fn plan_of_mariadb(row: &sqlx::mysql::MySqlRow) -> String {
    let field = |name: &str| -> String {
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(name).unwrap_or_default();
        bytes.map(|bytes| rows::lossy(&bytes)).unwrap_or_default()
    };
    format!("{}: {} {} {}", field("table"), field("type"), field("key"), field("Extra")).trim_end().to_owned()
}

//! A connection to MariaDB, and what the columns of its tables hold.

use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::server::{authority, password};
use crate::datastore::sql::connection::{Access, failed};
use crate::datastore::sql::dialect::{Class, Dialect, Schema, Type};
use crate::datastore::sql::rows::lossy;
use crate::model::datastore::{Address, Server, Tls};

/// What holds for a session whatever the server sets: a statement by itself is committed, time in UTC, what does not fit is an error, and a
/// statement sees what was committed before it, so that nothing but the rows themselves is locked. JSON of a record's rows is never cut.
const SESSION: &str = "SET SESSION autocommit = 1, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES', \
     tx_isolation = 'READ-COMMITTED', group_concat_max_len = 1073741824, wait_timeout = 28800, slow_query_log = 0";

/// A sweep's statements are short, and wait no longer for a lock than the server can count (with 0, `SKIP LOCKED` fails: error 1180). A row
/// is found by its key, however small the table: who reads all of it waits for whatever anybody has locked there.
const WRITE: &str =
    "SET SESSION innodb_lock_wait_timeout = 1, max_statement_time = 60, max_seeks_for_key = 1";

/// A count of a large table takes its time, and nobody waits for it. What stood there is kept for [`promote`].
const READ: [&str; 3] = [
    "SET @expunged_read_only = @@SESSION.tx_read_only",
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION max_statement_time = 1800",
];

/// The reverse.
const AS_BEFORE: &str = "SET SESSION tx_read_only = @expunged_read_only";

pub(in crate::datastore::sql) async fn connect(
    server: &Server,
    access: Access,
) -> Result<(MySqlConnection, Dialect), DatastoreError> {
    let (mut connection, snapshots) = prepared(server, access).await?;
    let schema = Schema { snapshots, ..schema(&mut connection, &server.database).await? };
    Ok((connection, Dialect::MariaDb(Arc::new(schema))))
}

/// Makes a session that could only read one that disposes, unless it could only read before we had it do so. `snapshots`: as it was found
/// when it was opened.
pub(in crate::datastore::sql) async fn promote(
    connection: &mut MySqlConnection,
    server: &Server,
    snapshots: bool,
) -> Result<Dialect, DatastoreError> {
    for set in [AS_BEFORE, WRITE] {
        sqlx::raw_sql(set).execute(&mut *connection).await.map_err(failed("set a session up"))?;
    }
    let schema = Schema { snapshots, ..schema(connection, &server.database).await? };
    Ok(Dialect::MariaDb(Arc::new(schema)))
}

/// The connection alone; whether its transactions go by one snapshot.
pub(in crate::datastore::sql) async fn prepared(
    server: &Server,
    access: Access,
) -> Result<(MySqlConnection, bool), DatastoreError> {
    let mut connection = session(server, access).await?;
    let snapshots = has_snapshots(&mut connection).await?;
    Ok((connection, snapshots))
}

/// The same for what asks about no table.
pub(in crate::datastore::sql) async fn session(
    server: &Server,
    access: Access,
) -> Result<MySqlConnection, DatastoreError> {
    let mut options = MySqlConnectOptions::new()
        .username(&server.user)
        .database(&server.database)
        .charset("utf8mb4")
        .pipes_as_concat(false)
        .disable_statement_logging();
    options = match &server.address {
        Address::Tcp(host, port) => options.host(host).port(*port),
        Address::Socket(path, _) => options.socket(path),
    };
    options = match &server.tls {
        Tls::Off => options.ssl_mode(MySqlSslMode::Disabled),
        Tls::Unverified => options.ssl_mode(MySqlSslMode::Required),
        Tls::Verified { .. } => options.ssl_mode(MySqlSslMode::VerifyIdentity),
    };
    if let Some(pem) = authority(server)? {
        options = options.ssl_ca_from_pem(pem);
    }
    if let Some(password) = password(server)? {
        options = options.password(&password);
    }
    let mut connection = options.connect().await.map_err(|error| DatastoreError::Unreachable {
        server: server.to_string(),
        source: EngineError::from(&error),
    })?;
    let rest = match access {
        Access::Read => &READ[..],
        Access::Write => &[WRITE],
    };
    for set in std::iter::once(&SESSION).chain(rest) {
        sqlx::raw_sql(*set).execute(&mut connection).await.map_err(failed("set a session up"))?;
    }
    Ok(connection)
}

/// Whether a transaction that goes by one snapshot is refused what others have changed since: from 10.6.18 and 10.11.8 on. It makes no
/// difference to one whose statements each have their own.
async fn has_snapshots(connection: &mut MySqlConnection) -> Result<bool, DatastoreError> {
    match sqlx::raw_sql("SET SESSION innodb_snapshot_isolation = ON").execute(connection).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error))
            if error.try_downcast_ref::<MySqlDatabaseError>().is_some_and(is_unknown) =>
        {
            Ok(false)
        }
        Err(error) => Err(failed("set a session up")(error)),
    }
}

/// The server has no such variable.
fn is_unknown(error: &MySqlDatabaseError) -> bool {
    error.number() == 1193
}

/// Lets the next statements wait so long for a lock.
pub(in crate::datastore::sql) async fn be_patient(
    connection: &mut MySqlConnection,
    wait: Duration,
) -> Result<(), DatastoreError> {
    let set = format!("SET SESSION innodb_lock_wait_timeout = {}", wait.as_secs());
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await.map(drop).map_err(failed("set a session up"))
}

/// The tables of a database: what their columns hold, whether they are in partitions, and what else is counted as theirs.
async fn schema(connection: &mut MySqlConnection, name: &str) -> Result<Schema, DatastoreError> {
    let operation = "read the columns of the tables";
    let columns = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, coalesce(COLLATION_NAME, '') FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = ?";
    let mut schema = Schema { name: name.to_owned(), ..Schema::default() };
    for row in sqlx::query(columns).bind(name).fetch_all(&mut *connection).await.map_err(failed(operation))? {
        let text = |at: usize| {
            let bytes: Result<Vec<u8>, _> = row.try_get_unchecked(at);
            bytes.map(|bytes| lossy(&bytes)).map_err(failed(operation))
        };
        let class = class(&text(2)?);
        // What a text is compared by; and which integers are bit fields.
        let collation = match class {
            Class::Text => text(3)?,
            Class::Integer if text(2)? == "bit" => text(2)?,
            _ => String::new(),
        };
        schema.columns.entry(text(0)?).or_default().insert(text(1)?, Type { class, name: collation });
    }
    let partitioned = "SELECT DISTINCT TABLE_NAME FROM information_schema.PARTITIONS \
         WHERE TABLE_SCHEMA = ? AND PARTITION_NAME IS NOT NULL";
    for row in
        sqlx::query(partitioned).bind(name).fetch_all(&mut *connection).await.map_err(failed(operation))?
    {
        let bytes: Vec<u8> = row.try_get_unchecked(0).map_err(failed(operation))?;
        schema.partitioned.insert(lossy(&bytes));
    }
    let logs = "SELECT CAST(@@log_output LIKE '%TABLE%' AND @@general_log AS SIGNED)";
    let logs: i64 = sqlx::query_scalar(logs).fetch_one(connection).await.map_err(failed(operation))?;
    schema.logs_into_tables = logs != 0;
    Ok(schema)
}

fn class(data_type: &str) -> Class {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" => Class::Integer,
        "decimal" => Class::Decimal,
        "float" | "double" => Class::Real,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Class::Text,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Class::Bytes,
        "timestamp" => Class::Instant,
        "datetime" => Class::Naive,
        "date" => Class::Date,
        "uuid" => Class::Uuid,
        _ => Class::Other,
    }
}

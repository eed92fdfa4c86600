//! A connection to PostgreSQL, and what the columns of its tables hold.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _};

use super::domain::{BASE, Base, Domains, TypeNumber};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::server::{authority, password};
use crate::datastore::sql::connection::{Access, failed};
use crate::datastore::sql::dialect::{Class, Dialect, Schema, Type};
use crate::model::datastore::{Address, Server, Tls};

/// What holds for a session whatever the server, the database or the role set: time in UTC, texts as the decoder reads them, and
/// limits that the server itself keeps. A plan for any value would be one for a range of any length. Whoever only waits for the ledger is not
/// thrown out (version 13 throws nobody out).
const SESSION: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; \
     SET bytea_output = 'hex'; SET extra_float_digits = 1; SET row_security = off; SET plan_cache_mode = force_custom_plan; \
     SET idle_in_transaction_session_timeout = '5min'; \
     SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL;";

/// A sweep's statements are short, and planned one by one: to compile them takes longer than to run them. A commit is on the disk when it
/// returns.
const WRITE: &str = "SET statement_timeout = '60s'; SET lock_timeout = '200ms'; SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// A count of a large table takes its time, and nobody waits for it. What stood there is kept for [`promote`].
const READ: &str = "SELECT set_config('expunged.read_only', current_setting('default_transaction_read_only'), false); \
     SET default_transaction_read_only = on; SET statement_timeout = '30min'; SET lock_timeout = '5s';";

/// The reverse.
const AS_BEFORE: &str =
    "SELECT set_config('default_transaction_read_only', current_setting('expunged.read_only'), false);";

pub(in crate::datastore::sql) async fn connect(
    server: &Server,
    access: Access,
) -> Result<(PgConnection, Dialect), DatastoreError> {
    let mut connection = session(server, access).await?;
    let schema = schema(&mut connection, &server.schema).await?;
    Ok((connection, Dialect::Postgres(Arc::new(schema))))
}

/// Makes a session that could only read one that disposes, unless it could only read before we had it do so.
pub(in crate::datastore::sql) async fn promote(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<Dialect, DatastoreError> {
    sqlx::raw_sql(AssertSqlSafe(format!("{AS_BEFORE} {WRITE}")))
        .execute(&mut *connection)
        .await
        .map_err(failed("set a session up"))?;
    Ok(Dialect::Postgres(Arc::new(schema(connection, &server.schema).await?)))
}

/// The connection alone, for what asks about no table, or knows them.
pub(in crate::datastore::sql) async fn session(
    server: &Server,
    access: Access,
) -> Result<PgConnection, DatastoreError> {
    let unreachable =
        |source: EngineError| DatastoreError::Unreachable { server: server.to_string(), source };
    let mut options = PgConnectOptions::new_without_pgpass()
        .username(&server.user)
        .database(&server.database)
        .application_name("expunged")
        .disable_statement_logging();
    options = match &server.address {
        Address::Tcp(host, port) => options.host(host).port(*port),
        Address::Socket(directory, port) => {
            let options = options.socket(directory);
            match port {
                Some(port) => options.port(*port),
                None => options,
            }
        }
    };
    options = match &server.tls {
        Tls::Off => options.ssl_mode(PgSslMode::Disable),
        Tls::Unverified => options.ssl_mode(PgSslMode::Require),
        Tls::Verified { .. } => options.ssl_mode(PgSslMode::VerifyFull),
    };
    if let Some(pem) = authority(server)? {
        options = options.ssl_root_cert_from_pem(pem);
    }
    // Whatever stands in the environment: a secret comes from where the configuration says.
    options = options.password(password(server)?.as_deref().map_or("", String::as_str));
    let mut connection = options.connect().await.map_err(|error| unreachable(EngineError::from(&error)))?;
    let rest = match access {
        Access::Read => READ,
        Access::Write => WRITE,
    };
    sqlx::raw_sql(AssertSqlSafe(format!("{SESSION} {rest}")))
        .execute(&mut connection)
        .await
        .map_err(failed("set a session up"))?;
    Ok(connection)
}

/// Lets the next statements wait for a lock, and for themselves, so long.
pub(in crate::datastore::sql) async fn be_patient(
    connection: &mut PgConnection,
    wait: Duration,
) -> Result<(), DatastoreError> {
    let set = format!("SET lock_timeout = '{}ms'", wait.as_millis());
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await.map(drop).map_err(failed("set a session up"))
}

/// The tables of a schema: what their columns hold, whether triggers or rules of the application stand on them, whether
/// foreign keys point to them, and whether these act on the rows that do.
async fn schema(connection: &mut PgConnection, name: &str) -> Result<Schema, DatastoreError> {
    let operation = "read the columns of the tables";
    let mut schema = Schema { name: name.to_owned(), snapshots: true, ..Schema::default() };
    let columns = format!(
        "SELECT c.relname::text, a.attname::text, t.oid::int8, {BASE} \
         FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid \
         WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')"
    );
    let column = |row: PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, Base::of(&row, 3)?));
    let asked = sqlx::query(AssertSqlSafe(columns)).bind(name).try_map(column);
    let found: Vec<(String, String, TypeNumber, Base)> =
        asked.fetch_all(&mut *connection).await.map_err(failed(operation))?;
    let types = found.iter().map(|(.., number, base)| (*number, base));
    let domains = Domains::of(connection, types, operation).await?;
    for (table, column, number, base) in found {
        let base = domains.get(number).map_or(base, |domain| domain.base.clone());
        let class = if base.native { class(&base.name) } else { Class::Other };
        schema.columns.entry(table).or_default().insert(column, Type { class, name: base.cast });
    }
    // A rule names the whole of a table: what stands on a part of it stands on that too.
    let spoken = "WITH RECURSIVE spoken(of, what) AS (\
             SELECT tgrelid, pg_catalog.unnest(ARRAY['trigger', CASE WHEN tgdeferrable THEN 'deferred' END]) \
                 FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' \
             UNION SELECT ev_class, 'trigger' FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN' AND ev_enabled <> 'D' \
             UNION SELECT k.confrelid, pg_catalog.unnest(ARRAY['key', CASE WHEN k.confdeltype NOT IN ('a', 'r') THEN 'deletion' END, \
                 CASE WHEN k.confupdtype NOT IN ('a', 'r') THEN 'change' END]) FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' \
             UNION SELECT i.inhparent, s.what FROM spoken AS s JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = s.of) \
         SELECT DISTINCT c.relname::text, s.what FROM spoken AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.of \
         WHERE s.what IS NOT NULL AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)";
    let spoken: Vec<(String, String)> =
        sqlx::query_as(spoken).bind(name).fetch_all(&mut *connection).await.map_err(failed(operation))?;
    for (table, what) in spoken {
        let of = match what.as_str() {
            "trigger" => &mut schema.triggered,
            "deferred" => &mut schema.deferred,
            "deletion" => &mut schema.followed_where_deleted,
            "change" => &mut schema.followed_where_changed,
            _ => &mut schema.pointed_to,
        };
        of.insert(table);
    }
    Ok(schema)
}

fn class(internal: &str) -> Class {
    match internal {
        "int2" | "int4" | "int8" => Class::Integer,
        "bool" => Class::Boolean,
        "numeric" => Class::Decimal,
        "float4" | "float8" => Class::Real,
        "text" | "varchar" | "bpchar" | "name" => Class::Text,
        "bytea" => Class::Bytes,
        "timestamptz" => Class::Instant,
        "timestamp" => Class::Naive,
        "date" => Class::Date,
        "uuid" => Class::Uuid,
        _ => Class::Other,
    }
}

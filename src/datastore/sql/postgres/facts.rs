//! What PostgreSQL's statistics say of a table, for the choice of a way through it.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::failed;
use crate::datastore::sql::dialect::{Class, TIMES};
use crate::datastore::sql::way::Facts;
use crate::model::name::{ColumnName, TableName};

/// Pages can be named in a range scan since this version.
const FIRST_WITH_RANGES: i32 = 140_000;

/// With a sample of what the triggers read, as [`crate::datastore::sql::way::mark_of`] numbers it; empty where the engine has taken none, or the
/// values of this class stand on no line.
pub(in crate::datastore::sql) async fn of(
    connection: &mut PgConnection,
    schema: &str,
    table: &TableName,
    (trigger, class): (&ColumnName, Class),
    indexed: bool,
) -> Result<(Facts, Vec<i64>), DatastoreError> {
    let operation = "read the statistics of a table";
    let asked = format!(
        "SELECT c.relkind = 'r' AND NOT c.relhassubclass, current_setting('server_version_num')::int4 >= $4, \
             pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int8, \
             c.reltuples::float8, c.relpages, \
             s.correlation::float8, s.n_distinct::float8, s.null_frac::float8, \
             pg_catalog.has_column_privilege(c.oid, 'ctid', 'SELECT'), \
             NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k \
                     WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.confdeltype NOT IN ('a', 'r')) \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid \
                     JOIN pg_catalog.pg_am AS m ON m.oid = x.relam \
                     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) \
                     WHERE i.indrelid = c.oid AND m.amname <> 'btree' AND a.attname = $3), \
             {} \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_stats AS s \
             ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = $3 AND NOT s.inherited \
         WHERE n.nspname = $1 AND c.relname = $2",
        sample(class)
    );
    let row = sqlx::query(AssertSqlSafe(asked))
        .bind(schema)
        .bind(table.as_str())
        .bind(trigger.as_str())
        .bind(FIRST_WITH_RANGES)
        .fetch_one(connection)
        .await
        .map_err(failed(operation))?;
    let plain: bool = row.try_get(0).map_err(failed(operation))?;
    let ranges: bool = row.try_get(1).map_err(failed(operation))?;
    let pages: i64 = row.try_get(2).map_err(failed(operation))?;
    let (rows, of_pages): (f64, i32) =
        (row.try_get(3).map_err(failed(operation))?, row.try_get(4).map_err(failed(operation))?);
    let correlation: Option<f64> = row.try_get(5).map_err(failed(operation))?;
    let (distinct, nulls): (Option<f64>, Option<f64>) =
        (row.try_get(6).map_err(failed(operation))?, row.try_get(7).map_err(failed(operation))?);
    // Where a row lies is a column of its own, which a right on others does not show.
    let seen: bool = row.try_get(8).map_err(failed(operation))?;
    let mappable: bool = row.try_get(9).map_err(failed(operation))?;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let now = pages as f64;
    // As the planner does it: what was counted once, for as many pages as there are now.
    let rows = if rows > 0.0 && of_pages > 0 { rows / f64::from(of_pages) * now } else { now * GUESS };
    // Below zero, it is a part of the rows; zero: nobody knows. NULL is none of them.
    let distinct = distinct.filter(|n| *n != 0.0).map(|n| if n < 0.0 { -n * rows } else { n });
    let alike = distinct.map(|distinct| rows * (1.0 - nulls.unwrap_or(0.0)) / distinct.max(1.0));
    let pages = (ranges && seen).then_some(pages.unsigned_abs());
    let sample = row.try_get(10).map_err(failed(operation))?;
    Ok((Facts { plain, pages, rows, correlation, alike, indexed, mappable }, sample))
}

/// The sample of `s`, from the least to the greatest.
fn sample(class: Class) -> String {
    // The engine's last instants have more microseconds than it has numbers for.
    let (micros, time) = ("(extract(epoch FROM b) * 1000000)::int8", "isfinite(b) AND b < '10000-01-01'");
    let ty = TIMES.iter().find(|(known, _)| *known == class).map(|(_, ty)| *ty);
    let (ty, mark, whole) = match (class, ty) {
        (Class::Integer, _) => ("int8", "b", "TRUE"),
        (Class::Instant | Class::Naive, Some(ty)) => (ty, micros, time),
        (_, _) => return "'{}'::int8[]".to_owned(),
    };
    format!("ARRAY (SELECT {mark} FROM unnest(s.histogram_bounds::text::{ty}[]) AS u (b) WHERE {whole})")
}

/// Rows a page where nobody has counted.
const GUESS: f64 = 50.0;

//! How large a table is, without reading all of it.

use sqlx::{Row as _, SqliteConnection};

use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::{failed, told};
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::statement::{Arg, Sql};
use crate::model::catalogue::TableSize;
use crate::model::name::TableName;

const OPERATION: &str = "estimate the size of a table";

/// So many pages of a table are looked at: some 4 MiB.
const SAMPLE: i64 = 1000;

/// Exact for tables of up to [`SAMPLE`] pages. Beyond that the numbers of the first and the last row stand for the number of rows,
/// and the rows a page of the sample for the others; a table without row numbers is counted. None: the engine cannot say.
pub(in crate::datastore::sql) async fn estimate(
    connection: &mut SqliteConnection,
    name: &TableName,
) -> Result<Option<TableSize>, DatastoreError> {
    let numbering = numbering(connection, name).await?;
    // Without row numbers, rows stand in the inner pages of the tree, too.
    let rows_of_page = match numbering {
        Numbering::Numbered => "CASE pagetype WHEN 'leaf' THEN ncell END",
        Numbering::ByKey => "ncell",
    };
    let sample = Sql {
        args: vec![Arg::Text(name.as_str().to_owned())],
        ..Dialect::Sqlite.sql(format!(
            "SELECT count(*), coalesce(sum({rows_of_page}), 0), coalesce(sum(pgsize), 0) \
             FROM (SELECT pagetype, ncell, pgsize FROM dbstat WHERE name = ?1 LIMIT {SAMPLE})"
        ))
    };
    let row = one(connection, &sample, OPERATION).await?;
    let figure = |at: usize| row.try_get::<i64, _>(at).map(i64::unsigned_abs).map_err(failed(OPERATION));
    let (seen, cells, bytes) = (figure(0)?, figure(1)?, figure(2)?);
    if seen < SAMPLE.unsigned_abs() {
        return Ok((seen > 0).then_some(TableSize { rows: cells, pages: seen, bytes }));
    }
    let rows = rows(connection, name, numbering).await?.max(cells);
    let pages = rows.saturating_mul(seen).div_ceil(cells.max(1));
    // Numbers may be far apart; no table has more pages than the file.
    let row =
        one(connection, &Dialect::Sqlite.sql("SELECT page_count FROM pragma_page_count"), OPERATION).await?;
    let most = row.try_get::<i64, _>(0).map(i64::unsigned_abs).map_err(failed(OPERATION))?;
    let (rows, pages) = if pages > most { (most.saturating_mul(cells) / seen, most) } else { (rows, pages) };
    Ok(Some(TableSize { rows, pages, bytes: pages.saturating_mul(bytes / seen) }))
}

/// Whether the rows of a table have numbers of their own.
#[derive(Clone, Copy, PartialEq)]
enum Numbering {
    Numbered,
    /// `WITHOUT ROWID`.
    ByKey,
}

async fn numbering(connection: &mut SqliteConnection, name: &TableName) -> Result<Numbering, DatastoreError> {
    let listed = Sql {
        args: vec![Arg::Text(name.as_str().to_owned())],
        ..Dialect::Sqlite
            .sql("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1".to_owned())
    };
    let rows = told(connection, &listed, OPERATION).await?;
    let without: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed(OPERATION))?;
    Ok(if without == 0 { Numbering::Numbered } else { Numbering::ByKey })
}

async fn rows(
    connection: &mut SqliteConnection,
    name: &TableName,
    numbering: Numbering,
) -> Result<u64, DatastoreError> {
    let from = Dialect::Sqlite.table(name);
    let sql = match numbering {
        // Two looks, one at either end: both at once would read the table.
        Numbering::Numbered => format!(
            "SELECT CAST(coalesce((SELECT max(_rowid_) FROM {from}) - (SELECT min(_rowid_) FROM {from}) + 1, 0) AS INTEGER)"
        ),
        Numbering::ByKey => format!("SELECT count(*) FROM {from}"),
    };
    let row = one(connection, &Dialect::Sqlite.sql(sql), OPERATION).await?;
    row.try_get::<i64, _>(0).map(i64::unsigned_abs).map_err(failed(OPERATION))
}

/// The one row of a statement that always has one.
async fn one(
    connection: &mut SqliteConnection,
    sql: &Sql,
    operation: &'static str,
) -> Result<sqlx::sqlite::SqliteRow, DatastoreError> {
    let missing = || DatastoreError::Unexpected {
        operation,
        expected: "a row".to_owned(),
        observed: "none".to_owned(),
    };
    told(connection, sql, operation).await?.into_iter().next().ok_or_else(missing)
}

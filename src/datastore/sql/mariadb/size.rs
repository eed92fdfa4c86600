//! How large a table is, by the statistics that the engine keeps.

use sqlx::{MySqlConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::TableSize;
use crate::model::name::TableName;

const OPERATION: &str = "estimate the size of a table";

/// The rows are the engine's own estimate, from the pages that it last sampled. None: there is no such table, or it cannot say.
pub(in crate::datastore) async fn estimate(
    connection: &mut MySqlConnection,
    database: &str,
    name: &TableName,
) -> Result<Option<TableSize>, DatastoreError> {
    // BINARY: `information_schema` takes `E`, `e` and `é` for one name.
    let figures = "SELECT CAST(TABLE_ROWS AS UNSIGNED), CAST(DATA_LENGTH AS UNSIGNED), CAST(@@innodb_page_size AS UNSIGNED) \
                   FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
                   AND (@@lower_case_table_names <> 0 OR BINARY TABLE_NAME = ?)";
    let query = sqlx::query(figures).bind(database).bind(name.as_str()).bind(name.as_str());
    let failed =
        |error| DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) };
    let Some(row) = query.fetch_optional(connection).await.map_err(failed)? else { return Ok(None) };
    let figure = |at: usize| row.try_get::<Option<u64>, _>(at).map_err(failed);
    let (rows, bytes, page) = (figure(0)?, figure(1)?, figure(2)?);
    let size = |rows, bytes: u64, page: u64| TableSize { rows, pages: bytes.div_ceil(page.max(1)), bytes };
    Ok(rows.zip(bytes).zip(page).map(|((rows, bytes), page)| size(rows, bytes, page)))
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::scratch::{Scratch, block, root};
    use super::*;

    #[test]
    fn a_size_is_what_the_statistics_say() {
        let scratch = Scratch::new();
        scratch.run(
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(200)); CREATE TABLE `T` (id int PRIMARY KEY); \
             CREATE VIEW v AS SELECT * FROM t; \
             INSERT INTO t SELECT seq, repeat('x', 200) FROM seq_1_to_5000; ANALYZE TABLE t",
        );
        let size = |name: &str| {
            let name = TableName::new(name).unwrap();
            block(async { estimate(&mut root().await, &scratch.name, &name).await.unwrap() })
        };
        let found = size("t").unwrap();
        println!("5,000 rows of 200 bytes: {found:?}");
        assert!((4000..=6000).contains(&found.rows), "{found:?}");
        assert_eq!(found.bytes, found.pages * 16384);
        assert!(found.bytes > 1_000_000, "{found:?}");
        assert_eq!(size("T").unwrap(), TableSize { rows: 0, pages: 1, bytes: 16384 });
        assert_eq!(size("v"), None);
        assert_eq!(size("none"), None);
    }
}

//! How large a table is, without reading any of it.

use sqlx::PgConnection;

use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::TableSize;
use crate::model::name::TableName;

const OPERATION: &str = "estimate the size of a table";

/// A heap: a table, or a partition without partitions.
struct Heap {
    is_foreign: bool,
    /// As VACUUM or ANALYZE found them. A count below zero: neither has been there.
    rows: f32,
    pages: i32,
    bytes_now: i64,
}

/// Pages and bytes as they are now; rows by the density that ANALYZE found, as the planner does it. None: the engine cannot say,
/// since a part of the table has rows and was never analysed, or is on another server.
pub(in crate::datastore) async fn estimate(
    connection: &mut PgConnection,
    schema: &str,
    name: &TableName,
) -> Result<Option<TableSize>, DatastoreError> {
    const HEAPS: &str = "WITH RECURSIVE part AS ( \
           SELECT c.oid, c.relkind, c.reltuples, c.relpages FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') \
           UNION ALL \
           SELECT c.oid, c.relkind, c.reltuples, c.relpages FROM part p \
           JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid \
           JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition \
         ) \
         SELECT p.relkind = 'f', p.reltuples, p.relpages, \
           CASE WHEN p.relkind = 'r' THEN coalesce(pg_catalog.pg_relation_size(p.oid), 0) ELSE 0 END, \
           pg_catalog.current_setting('block_size')::int8 \
         FROM part p";
    let rows: Vec<(bool, f32, i32, i64, i64)> =
        sqlx::query_as(HEAPS).bind(schema).bind(name.as_str()).fetch_all(connection).await.map_err(
            |error| DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) },
        )?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut size = TableSize { rows: 0, pages: 0, bytes: 0 };
    for (is_foreign, rows, pages, bytes_now, page) in rows {
        let heap = Heap { is_foreign, rows, pages, bytes_now };
        let pages_now = heap.bytes_now.unsigned_abs() / page.unsigned_abs().max(1);
        let Some(rows) = heap.rows_in(pages_now) else { return Ok(None) };
        size.rows = size.rows.saturating_add(rows);
        size.pages = size.pages.saturating_add(pages_now);
        size.bytes = size.bytes.saturating_add(heap.bytes_now.unsigned_abs());
    }
    Ok(Some(size))
}

impl Heap {
    fn rows_in(&self, pages_now: u64) -> Option<u64> {
        if self.is_foreign {
            return None;
        }
        if pages_now == 0 {
            return Some(0);
        }
        // Before version 14, nothing and never analysed were both 0 rows in 0 pages.
        let known = self.rows >= 0.0 && self.pages > 0;
        known.then(|| scaled(f64::from(self.rows) / f64::from(self.pages), pages_now))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate, and no table has 2^52 pages"
)]
fn scaled(density: f64, pages: u64) -> u64 {
    (density * pages as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::scratch::{Database, block};
    use super::*;

    fn size(database: &Database, table: &str) -> Option<TableSize> {
        let name = TableName::new(table).unwrap();
        block(async { estimate(&mut database.connect().await, "public", &name).await.unwrap() })
    }

    #[test]
    fn rows_follow_the_pages_since_the_last_look_and_a_table_never_looked_at_has_no_estimate() {
        let database = Database::new(
            "CREATE TABLE grown (id int) WITH (autovacuum_enabled = off); \
             INSERT INTO grown SELECT generate_series(1, 10000); ANALYZE grown; \
             INSERT INTO grown SELECT generate_series(1, 10000); \
             CREATE TABLE fresh (id int) WITH (autovacuum_enabled = off); INSERT INTO fresh VALUES (1); \
             CREATE TABLE blank (id int)",
        );
        let grown = size(&database, "grown").unwrap();
        assert!((19_000..21_000).contains(&grown.rows), "{grown:?}");
        assert_eq!(grown.bytes, grown.pages * 8192);
        assert_eq!(size(&database, "fresh"), None);
        assert_eq!(size(&database, "blank"), Some(TableSize { rows: 0, pages: 0, bytes: 0 }));
        assert_eq!(size(&database, "nowhere"), None);
    }

    #[test]
    fn a_partitioned_table_is_the_sum_of_its_leaves() {
        let database = Database::new(
            "CREATE TABLE p (id int, at date) PARTITION BY RANGE (id); \
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000); \
             CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (9000) PARTITION BY RANGE (id); \
             CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (1000) TO (9000); \
             INSERT INTO p SELECT generate_series(0, 4999); ANALYZE p",
        );
        let all = size(&database, "p").unwrap();
        assert_eq!(all.rows, 5000);
        assert!(all.pages > 5, "{all:?}");
    }
}

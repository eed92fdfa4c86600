//! What is left, compared as a set with what the world says must be left.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};

use super::home::Home;
use super::world::{Table, World};

/// The comparison of every table.
#[derive(Debug, Clone, Default)]
pub struct Survivors {
    /// How many rows had to be left.
    pub rows: u64,
    /// How many of them had to be pseudonymized.
    pub pseudonymized: u64,
    /// How many tables there are.
    pub tables: u64,
    /// What differs, one text a table; empty: nothing does.
    pub differences: Vec<String>,
}

impl Survivors {
    pub(super) async fn of(world: &World, home: &Home) -> sqlx::Result<Self> {
        let mut all = Self::default();
        for service in &world.services {
            let options = SqliteConnectOptions::new().filename(home.datastore(service.name)).read_only(true);
            let mut connection = options.disable_statement_logging().connect().await?;
            for table in &service.tables {
                all.compare(service.name, table, &mut connection).await?;
            }
        }
        Ok(all)
    }

    async fn compare(
        &mut self,
        service: &str,
        table: &Table,
        connection: &mut SqliteConnection,
    ) -> sqlx::Result<()> {
        let name = format!("{service}.{}", table.name);
        let expected = table.survivors();
        self.tables += 1;
        self.rows += expected.len() as u64;
        let found = ids(connection, format!("SELECT id FROM {}", table.name)).await?;
        self.differ(&format!("`{name}`"), &expected, &found);
        let expected = table.pseudonymized();
        if !expected.is_empty() {
            self.pseudonymized += expected.len() as u64;
            // Of the shipped rules only the comments' does this.
            let sql = "SELECT id FROM comment WHERE author_id IS NULL AND pseudonymized_at IS NOT NULL";
            let found = ids(connection, sql.to_owned()).await?;
            self.differ(&format!("`{name}`, pseudonymized"), &expected, &found);
        }
        Ok(())
    }

    fn differ(&mut self, what: &str, expected: &BTreeSet<i64>, found: &BTreeSet<i64>) {
        let (missing, extra) = (expected.difference(found).count(), found.difference(expected).count());
        if missing + extra > 0 {
            self.differences.push(format!("{what}: {missing} missing, {extra} too many"));
        }
    }
}

async fn ids(connection: &mut SqliteConnection, sql: String) -> sqlx::Result<BTreeSet<i64>> {
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

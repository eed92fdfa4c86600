//! What is left, compared as a set with what the world says must be left.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};

use super::world::{Database, Table, Tree, World};

/// The comparison of every table and tree.
#[derive(Debug, Clone, Default)]
pub struct Survivors {
    /// How many rows had to be left.
    pub rows: u64,
    /// How many of them had to be pseudonymized.
    pub pseudonymized: u64,
    /// How many tables there are.
    pub tables: u64,
    /// How many files had to be left.
    pub files: u64,
    /// What differs, one text a table or tree; empty: nothing does.
    pub differences: Vec<String>,
}

impl Survivors {
    pub(super) async fn of(world: &World, datastores: &Path) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for service in &world.services {
            for database in &service.databases {
                all.rows_of(database, datastores).await?;
            }
            for tree in &service.trees {
                all.files_of(tree, &datastores.join(tree.name))?;
            }
        }
        Ok(all)
    }

    async fn rows_of(&mut self, database: &Database, datastores: &Path) -> sqlx::Result<()> {
        let path = datastores.join(format!("{}.db", database.name));
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.disable_statement_logging().connect().await?;
        for table in &database.tables {
            self.compare(database.name, table, &mut connection).await?;
        }
        Ok(())
    }

    async fn compare(
        &mut self,
        database: &str,
        table: &Table,
        connection: &mut SqliteConnection,
    ) -> sqlx::Result<()> {
        let name = format!("{database}.{}", table.name);
        let expected = table.survivors();
        self.tables += 1;
        self.rows += expected.len() as u64;
        let found = ids(connection, format!("SELECT id FROM {}", table.name)).await?;
        self.differ(&format!("`{name}`"), &expected, &found);
        // Before the sweep, the mark of what will be pseudonymized is empty; that of the rest is not looked at.
        let expected = table.pseudonymized();
        if !expected.is_empty() {
            self.pseudonymized += expected.len() as u64;
            let unmarked = table.rows.iter().filter(|row| {
                row.values.as_array().is_some_and(|v| v.last() == Some(&serde_json::Value::Null))
            });
            let unmarked: BTreeSet<i64> = unmarked.map(|row| row.id).collect();
            let found =
                ids(connection, format!("SELECT id FROM {} WHERE pseudonymized_at IS NOT NULL", table.name))
                    .await?;
            let found = found.intersection(&unmarked).copied().collect();
            self.differ(&format!("`{name}`, pseudonymized"), &expected, &found);
        }
        Ok(())
    }

    fn files_of(&mut self, tree: &Tree, root: &Path) -> std::io::Result<()> {
        let expected: BTreeSet<String> = tree.survivors().into_iter().map(str::to_owned).collect();
        self.files += expected.iter().filter(|path| !path.ends_with('/')).count() as u64;
        let mut found = BTreeSet::new();
        everything(root, root, &mut found)?;
        self.differ(&format!("`{}`", tree.name), &expected, &found);
        Ok(())
    }

    fn differ<T: Ord + Display>(&mut self, what: &str, expected: &BTreeSet<T>, found: &BTreeSet<T>) {
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

/// Files, and directories with a `/` behind: an emptied one that stays behind still has its name, which may be a person's id.
fn everything(root: &Path, directory: &Path, found: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let mut below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if path.is_dir() {
            everything(root, &path, found)?;
            below.push('/');
        }
        found.insert(below);
    }
    Ok(())
}

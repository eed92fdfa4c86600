//! Writes the world to the disk: a `SQLite` file a database, a directory a tree.

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value as Json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{Database, Service, Table, Tree};

/// Creates the service's datastores in a directory, none of which may exist.
pub async fn build(service: &Service, directory: &Path) -> anyhow::Result<()> {
    for database in &service.databases {
        fill(database, &directory.join(format!("{}.db", database.name))).await?;
    }
    for tree in &service.trees {
        plant(tree, &directory.join(tree.name))?;
    }
    Ok(())
}

async fn fill(database: &Database, path: &Path) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // A power cut costs a demo that can be built again.
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    for table in &database.tables {
        sqlx::raw_sql(AssertSqlSafe(definition(table))).execute(&mut *transaction).await?;
        // One statement a table: its rows travel as one JSON text.
        let rows: Vec<&Json> = table.rows.iter().map(|row| &row.values).collect();
        let rows = serde_json::json!(rows).to_string();
        sqlx::query(AssertSqlSafe(insert(table))).bind(rows).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await
}

/// What is looked up is indexed: references, and times that may be triggers.
fn definition(table: &Table) -> String {
    let (name, columns) = (table.name, table.columns.join(",\n    "));
    let mut sql = format!("CREATE TABLE {name} (\n    id integer PRIMARY KEY,\n    {columns}\n);");
    for column in table.columns {
        let (column, kind) = column.split_once(' ').unwrap_or((column, ""));
        if column.ends_with("_id") && kind.starts_with("integer") || kind == "timestamptz" {
            let _ = write!(sql, "\nCREATE INDEX {name}_{column} ON {name} ({column});");
        }
    }
    sql
}

fn insert(table: &Table) -> String {
    let names = std::iter::once("id").chain(table.columns.iter().map(|c| c.split(' ').next().unwrap_or(c)));
    let names: Vec<&str> = names.collect();
    let values: Vec<String> = (0..names.len()).map(|i| format!("value ->> {i}")).collect();
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM json_each(?1)",
        table.name,
        names.join(", "),
        values.join(", ")
    )
}

fn plant(tree: &Tree, root: &Path) -> std::io::Result<()> {
    std::fs::create_dir(root)?;
    for file in &tree.files {
        let path = root.join(&file.path);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&path, format!("of {}\n", file.path))?;
        let written = std::fs::File::options().append(true).open(&path)?;
        written.set_modified(SystemTime::from(file.modified))?;
    }
    Ok(())
}

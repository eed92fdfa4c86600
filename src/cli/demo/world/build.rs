//! Writes a service's tables into a new `SQLite` file.

use std::path::Path;

use serde_json::Value as Json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{Service, Table};

/// Creates the file and fills it, in one transaction; the file must not exist.
pub async fn build(service: &Service, path: &Path) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // A power cut costs a demo that can be built again.
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(service.schema).execute(&mut *transaction).await?;
    for table in &service.tables {
        // One statement a table: its rows travel as one JSON text.
        let rows: Vec<&Json> = table.rows.iter().map(|row| &row.values).collect();
        let rows = serde_json::json!(rows).to_string();
        sqlx::query(AssertSqlSafe(insert(table))).bind(rows).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await
}

fn insert(table: &Table) -> String {
    let values: Vec<String> = (0..table.columns.len()).map(|i| format!("value ->> {i}")).collect();
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM json_each(?1)",
        table.name,
        table.columns.join(", "),
        values.join(", ")
    )
}

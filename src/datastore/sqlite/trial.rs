//! A world in memory for the tests that stand in rule files: the same statements on the same engine, and no way to commit.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

use super::batch::Writer;
use super::connect::{all, failed, run};
use super::prepared::Prepared;
use super::read::{Rows, explain};
use super::sql::{Sql, column, encoded, quote, table};
use crate::datastore::Explained;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::Catalogue;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Value;
use crate::rules::bind::RowRule;
use crate::rules::rule::Row;

/// A table of the trial world.
#[derive(Debug)]
pub struct TrialTable {
    /// Its name.
    pub name: TableName,
    /// Its columns with their declared types.
    pub columns: Vec<(ColumnName, &'static str)>,
    /// Its primary key.
    pub key: Vec<ColumnName>,
    /// What it holds.
    pub rows: Vec<Row>,
}

impl Writer {
    /// Makes a world in memory that holds exactly these tables.
    pub async fn trial(tables: &[TrialTable]) -> Result<Self, DatastoreError> {
        let operation = "make the world of a rule test";
        let options =
            SqliteConnectOptions::new().in_memory(true).foreign_keys(true).disable_statement_logging();
        let mut connection = options
            .connect()
            .await
            .map_err(|e| DatastoreError::Statement { operation, source: EngineError::from(&e) })?;
        for made in tables {
            run(&mut connection, &Sql::new(made.create()), operation).await?;
            for row in &made.rows {
                run(&mut connection, &made.insert(row), operation).await?;
            }
        }
        Self::over(connection).await
    }

    /// One record of the trial world, by the values of its key.
    pub async fn look_up(
        &mut self,
        rule: RowRule<'_>,
        catalogue: &Catalogue,
        key: &[String],
    ) -> Result<Option<Explained>, DatastoreError> {
        explain(self.connection(), rule, catalogue, key).await
    }
}

impl Prepared<'_> {
    /// What a table holds within the open transaction.
    pub async fn holds(
        &mut self,
        name: &TableName,
        columns: &[ColumnName],
    ) -> Result<Vec<Vec<Value>>, DatastoreError> {
        let operation = "read a table of the trial world";
        let listed = columns.iter().map(|c| encoded(&column("t", c))).collect::<Vec<_>>().join(", ");
        let sql = Sql::new(format!("SELECT json_array({listed}) FROM {} AS t ORDER BY rowid", table(name)));
        let mut rows = Vec::new();
        for row in all(self.connection(), &sql, operation).await? {
            let json: String = row.try_get(0).map_err(failed(operation))?;
            rows.extend(Rows::parse(&format!("[{json}]"))?);
        }
        Ok(rows)
    }
}

impl TrialTable {
    fn create(&self) -> String {
        let mut parts: Vec<String> =
            self.columns.iter().map(|(name, declared)| self.definition(name, declared)).collect();
        if self.key.len() > 1 {
            let key: Vec<String> = self.key.iter().map(|c| quote(c.as_str())).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        format!("CREATE TABLE {} ({})", table(&self.name), parts.join(", "))
    }

    fn definition(&self, name: &ColumnName, declared: &str) -> String {
        let constraint = match (self.key.as_slice(), self.key.contains(name)) {
            ([_], true) => " PRIMARY KEY NOT NULL",
            (_, true) => " NOT NULL",
            (_, false) => "",
        };
        format!("{} {declared}{constraint}", quote(name.as_str()))
    }

    fn insert(&self, row: &Row) -> Sql {
        let names: Vec<String> = row.iter().map(|(name, _)| quote(name.as_str())).collect();
        if names.is_empty() {
            return Sql::new(format!("INSERT INTO {} DEFAULT VALUES", table(&self.name)));
        }
        let mut sql = Sql::new(format!("INSERT INTO {} ({}) VALUES (", table(&self.name), names.join(", ")));
        for (i, (_, value)) in row.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).bind(value.clone());
        }
        sql.push(")");
        sql
    }
}

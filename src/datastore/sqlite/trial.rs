//! A world in memory for the tests that stand in rule files: the same statements on the same engine, and no way to commit.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use super::batch::Writer;
use super::connect::{failed, one, run, text};
use super::prepared::Prepared;
use super::read::{Rows, explain, named_sources, selection};
use super::sql::{Sql, column, encoded, quote, table};
use super::{Cursor, Phase};
use crate::datastore::Explained;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::Catalogue;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Value;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::Row;

/// A table of the trial world.
#[derive(Debug, PartialEq, Eq)]
pub struct TrialTable {
    /// Its name.
    pub name: TableName,
    /// Its columns with their declared types.
    pub columns: Vec<(ColumnName, &'static str)>,
    /// Its primary key.
    pub key: Vec<ColumnName>,
}

/// What a table of the trial world is to hold.
pub type Filling<'r> = (&'r TableName, &'r [Row]);

const MAKE: &str = "make the world of a rule test";

impl Writer {
    /// A database in memory, for the worlds of rule tests one after another.
    pub async fn trial() -> Result<Self, DatastoreError> {
        let options =
            SqliteConnectOptions::new().in_memory(true).foreign_keys(true).disable_statement_logging();
        let connection = options
            .connect()
            .await
            .map_err(|e| DatastoreError::Statement { operation: MAKE, source: EngineError::from(&e) })?;
        Self::over(connection).await
    }

    /// Drops the tables of the last world and makes those of the next.
    pub async fn remake(&mut self, last: &[TrialTable], next: &[TrialTable]) -> Result<(), DatastoreError> {
        let drops = last.iter().map(|made| format!("DROP TABLE {};", table(&made.name)));
        let creates = next.iter().map(|made| format!("{};", made.create()));
        let all: Vec<String> = drops.chain(creates).collect();
        run(self.connection(), &Sql::new(all.join(" ")), MAKE).await.map(drop)
    }

    /// Lets each of these tables hold exactly these rows.
    pub async fn fill(&mut self, fillings: &[Filling<'_>]) -> Result<(), DatastoreError> {
        if fillings.is_empty() {
            return Ok(());
        }
        // One call for all: it is the way to the engine that costs. The values of several statements are told apart by their
        // order, so that none is numbered.
        let mut sql = Sql::default();
        for (name, rows) in fillings {
            sql.push(&format!("DELETE FROM {};", table(name)));
            for row in *rows {
                insert(&mut sql, name, row);
            }
        }
        run(self.connection(), &sql, MAKE).await.map(drop)
    }

    /// In which of these phases a sweep would put anything before the judge: those that select nothing need no transaction.
    pub async fn busy(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phases: Vec<Phase>,
    ) -> Result<Vec<Phase>, DatastoreError> {
        let operation = "ask what a sweep would select";
        let mut sql = Sql::new("SELECT ");
        for (at, phase) in phases.iter().enumerate() {
            sql.push(if at > 0 { ", EXISTS (" } else { "EXISTS (" });
            selection(&mut sql, rule, cutoffs, *phase, &Cursor::default(), 1, &named_sources(rule));
            sql.push(")");
        }
        let row = one(self.connection(), &sql, operation).await?;
        let mut busy = Vec::new();
        for (at, phase) in phases.into_iter().enumerate() {
            let found: i64 = row.try_get(at).map_err(failed(operation))?;
            busy.extend((found != 0).then_some(phase));
        }
        Ok(busy)
    }

    /// What a table holds.
    pub async fn holds(
        &mut self,
        name: &TableName,
        columns: &[ColumnName],
    ) -> Result<Vec<Vec<Value>>, DatastoreError> {
        holds(self.connection(), name, columns).await
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
        holds(self.connection(), name, columns).await
    }
}

async fn holds(
    connection: &mut SqliteConnection,
    name: &TableName,
    columns: &[ColumnName],
) -> Result<Vec<Vec<Value>>, DatastoreError> {
    let listed = columns.iter().map(|c| encoded(&column("t", c))).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT json_group_array(json_array({listed})) FROM (SELECT * FROM {} ORDER BY rowid) AS t",
        table(name)
    );
    Rows::parse(&text(connection, &Sql::new(sql), "read a table of the trial world").await?)
}

fn insert(sql: &mut Sql, name: &TableName, row: &Row) {
    let names: Vec<String> = row.iter().map(|(name, _)| quote(name.as_str())).collect();
    if names.is_empty() {
        sql.push(&format!("INSERT INTO {} DEFAULT VALUES;", table(name)));
        return;
    }
    let values = vec!["?"; names.len()].join(", ");
    sql.push(&format!("INSERT INTO {} ({}) VALUES ({values});", table(name), names.join(", ")));
    sql.args.extend(row.iter().map(|(_, value)| value.clone()));
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
}

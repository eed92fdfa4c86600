//! A world in memory for the tests that stand in rule files: the same statements on the same engine, and no way to commit.

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::datastore::Explained;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::batch::Writer;
use crate::datastore::sql::connection::{Connection, Handle};
use crate::datastore::sql::dialect::{Dialect, Expression};
use crate::datastore::sql::prepared::Prepared;
use crate::datastore::sql::read::explain;
use crate::datastore::sql::selection::{Range, selection};
use crate::datastore::sql::statement::{Sql, natural};
use crate::datastore::sql::{Cursor, Phase};
use crate::model::catalogue::Catalogue;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::{Value, Values};
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
        Self::over(Connection::Sqlite(connection), Dialect::Sqlite).await
    }

    /// Drops the tables of the last world and makes those of the next.
    pub async fn remake(&mut self, last: &[TrialTable], next: &[TrialTable]) -> Result<(), DatastoreError> {
        let drops = last.iter().map(|made| format!("DROP TABLE {};", Dialect::Sqlite.table(&made.name)));
        let creates = next.iter().map(|made| format!("{};", made.create()));
        let all: Vec<String> = drops.chain(creates).collect();
        self.connection().handle().run(&Dialect::Sqlite.sql(all.join(" ")), MAKE).await.map(drop)
    }

    /// Lets each of these tables hold exactly these rows.
    pub async fn fill(&mut self, fillings: &[Filling<'_>]) -> Result<(), DatastoreError> {
        if fillings.is_empty() {
            return Ok(());
        }
        // One call for all: it is the way to the engine that costs. The values of several statements are told apart by their
        // order, so that none is numbered.
        let mut sql = Dialect::Sqlite.sql("");
        for (name, rows) in fillings {
            sql.push(&format!("DELETE FROM {};", Dialect::Sqlite.table(name)));
            for row in *rows {
                insert(&mut sql, name, row);
            }
        }
        self.connection().handle().run(&sql, MAKE).await.map(drop)
    }

    /// In which of these phases a sweep would put anything before the judge: those that select nothing need no transaction.
    pub async fn busy(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phases: Vec<Phase>,
    ) -> Result<Vec<Phase>, DatastoreError> {
        let operation = "ask what a sweep would select";
        let mut columns = Vec::new();
        let mut args = Vec::new();
        for phase in &phases {
            let mut sql = Sql { args, ..Dialect::Sqlite.sql("EXISTS (SELECT 1") };
            selection(&mut sql, rule, cutoffs, Range::of(rule, *phase, &Cursor::default(), 1));
            columns.push(Expression::integer(sql.push(")").text.clone()));
            args = sql.args;
        }
        let mut select = Dialect::Sqlite.select(&columns, |_| ());
        select.sql.args = args;
        let found = self.connection().handle().rows(&select, operation).await?;
        let mut busy = Vec::new();
        for (phase, found) in phases.into_iter().zip(found.into_iter().flatten()) {
            busy.extend((found != Value::Integer(0)).then_some(phase));
        }
        Ok(busy)
    }

    /// What a table holds.
    pub async fn holds(
        &mut self,
        name: &TableName,
        columns: &[ColumnName],
    ) -> Result<Vec<Values>, DatastoreError> {
        holds(self.connection().handle(), name, columns).await
    }

    /// One record of the trial world, by the values of its key.
    pub async fn look_up(
        &mut self,
        rule: RowRule<'_>,
        catalogue: &Catalogue,
        key: &[String],
    ) -> Result<Option<Explained>, DatastoreError> {
        explain(&mut self.connection().handle(), &Dialect::Sqlite, rule, catalogue, key).await
    }
}

impl Prepared<'_> {
    /// What a table holds within the open transaction.
    pub async fn holds(
        &mut self,
        name: &TableName,
        columns: &[ColumnName],
    ) -> Result<Vec<Values>, DatastoreError> {
        holds(self.transaction.handle(), name, columns).await
    }
}

async fn holds(
    mut handle: Handle<'_>,
    name: &TableName,
    columns: &[ColumnName],
) -> Result<Vec<Values>, DatastoreError> {
    let columns: Vec<Expression> = columns.iter().map(|c| Dialect::Sqlite.column("t", name, c)).collect();
    let select = Dialect::Sqlite.select(&columns, |sql| {
        sql.push(&format!(" FROM {} AS t ORDER BY t.rowid", Dialect::Sqlite.table(name)));
    });
    handle.rows(&select, "read a table of the trial world").await
}

fn insert(sql: &mut Sql, name: &TableName, row: &Row) {
    let names: Vec<String> = row.iter().map(|(name, _)| Dialect::Sqlite.quote(name.as_str())).collect();
    if names.is_empty() {
        sql.push(&format!("INSERT INTO {} DEFAULT VALUES;", Dialect::Sqlite.table(name)));
        return;
    }
    let values = vec!["?"; names.len()].join(", ");
    sql.push(&format!(
        "INSERT INTO {} ({}) VALUES ({values});",
        Dialect::Sqlite.table(name),
        names.join(", ")
    ));
    sql.args.extend(row.iter().map(|(_, value)| natural(value)));
}

impl TrialTable {
    fn create(&self) -> String {
        let mut parts: Vec<String> =
            self.columns.iter().map(|(name, declared)| self.definition(name, declared)).collect();
        if self.key.len() > 1 {
            let key: Vec<String> = self.key.iter().map(|c| Dialect::Sqlite.quote(c.as_str())).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        format!("CREATE TABLE {} ({})", Dialect::Sqlite.table(&self.name), parts.join(", "))
    }

    fn definition(&self, name: &ColumnName, declared: &str) -> String {
        let constraint = match (self.key.as_slice(), self.key.contains(name)) {
            ([_], true) => " PRIMARY KEY NOT NULL",
            (_, true) => " NOT NULL",
            (_, false) => "",
        };
        format!("{} {declared}{constraint}", Dialect::Sqlite.quote(name.as_str()))
    }
}

//! Reading: pages of records for the judge, counts by class, one record explained. A [`Reader`] has no way to commit.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::connection::{Access, Connection, Handle, Layout, explained, open, open_again};
use super::dialect::{Class, Dialect, Expression, Type};
use super::filter::{demanded, filters, is_uuid, selected};
use super::rights;
use super::rows::unhex;
use super::selection::{Page, Range, from, page, selection, sources};
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{self, Ahead, Way};
use super::{Cursor, Phase, mariadb, postgres, sqlite};
use crate::datastore::Explained;
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::{Catalogue, ColumnKind, TableSize};
use crate::model::datastore::Datastore;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::orders::{Orders, SubjectId};
use crate::model::value::{Value, Values};
use crate::rules::bind::RowRule;
use crate::rules::connect::privilege::{Needed, PrivilegeFinding};
use crate::rules::cutoff::Cutoffs;

/// A connection that can only read.
pub struct Reader {
    connection: Connection,
    dialect: Dialect,
}

/// What is counted of a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlogged {
    /// All of it.
    All,
    /// Only what is not past the cut-off.
    NotDue,
}

/// How many records of a dataset are in which class, by SQL alone.
#[derive(Debug, Clone, Default)]
pub struct Census {
    /// `kept`, `due`, `overdue`, `null`, `no_row`, `future`, `before_1970`, and `candidate` for the judge.
    pub classes: BTreeMap<String, u64>,
}

/// The class of what SQL cannot compare.
pub const CANDIDATE: &str = "candidate";

impl Census {
    /// Every record of the dataset.
    pub fn total(&self) -> u64 {
        self.classes.values().sum()
    }

    /// The number in one class.
    pub fn of(&self, class: &str) -> u64 {
        self.classes.get(class).copied().unwrap_or(0)
    }
}

impl Reader {
    /// Opens the datastore read-only.
    pub async fn open(datastore: &Datastore) -> Result<Self, DatastoreError> {
        let (connection, dialect) = open(datastore, Access::Read).await?;
        Ok(Self { connection, dialect })
    }

    /// The same, where another connection of the sweep's may have opened it.
    pub async fn open_again(datastore: &Datastore, layout: Option<&Layout>) -> Result<Self, DatastoreError> {
        let (connection, dialect) = open_again(datastore, Access::Read, layout).await?;
        Ok(Self { connection, dialect })
    }

    /// The connection, and in which SQL the engine is spoken to over it.
    pub(super) fn into_connection(self) -> (Connection, Dialect) {
        (self.connection, self.dialect)
    }

    /// What the tables look like.
    pub fn layout(&self) -> Layout {
        Layout(self.dialect.clone())
    }

    /// The schema.
    pub async fn catalogue(&mut self) -> Result<Catalogue, DatastoreError> {
        catalogue(&mut self.connection.handle(), &self.dialect).await
    }

    /// What the account may do there, against what is needed: a server's, since a file's permissions are asked of the file.
    pub async fn privileges(
        &mut self,
        datastore: &DatastoreName,
        needed: &[Needed],
    ) -> Result<Vec<PrivilegeFinding>, DatastoreError> {
        let dialect = &self.dialect;
        match (&mut self.connection, dialect) {
            (Connection::Postgres(connection), Dialect::Postgres(schema)) => {
                postgres::privileges::privileges(connection, datastore, (dialect, &schema.name), needed).await
            }
            (Connection::MariaDb(connection), Dialect::MariaDb(schema)) => {
                mariadb::privileges::privileges(connection, datastore, (dialect, &schema.name), needed).await
            }
            (Connection::Sqlite(_) | Connection::Postgres(_) | Connection::MariaDb(_), _) => Ok(Vec::new()),
        }
    }

    /// Which rights the account has not of what is needed, and of what a batch's marker needs; as a sentence goes on.
    pub async fn lacking(&mut self, needed: &[Needed]) -> Result<Vec<String>, DatastoreError> {
        if let (Connection::Postgres(connection), Dialect::Postgres(schema)) =
            (&mut self.connection, &self.dialect)
            && !postgres::privileges::opens(connection, &schema.name).await?
        {
            return Ok(vec![format!("USAGE on schema `{}`", schema.name)]);
        }
        let mut handle = self.connection.handle();
        let all = rights::with_marker(&mut handle, &self.dialect, needed).await?;
        let lacking = rights::lacking(&mut handle, &self.dialect, &all).await?;
        let mut lacking: Vec<String> = lacking.iter().map(|lacking| lacking.what(&self.dialect)).collect();
        if let (Handle::Postgres(connection), Dialect::Postgres(schema)) = (handle, &self.dialect) {
            lacking.extend(postgres::privileges::hides(connection, &schema.name, needed).await?);
        }
        Ok(lacking)
    }

    /// How large a table is, by figures that cost little; none: the engine cannot say.
    pub async fn size(&mut self, table: &TableName) -> Result<Option<TableSize>, DatastoreError> {
        match (&mut self.connection, &self.dialect) {
            (Connection::Postgres(connection), Dialect::Postgres(schema)) => {
                postgres::size::estimate(connection, &schema.name, table).await
            }
            (Connection::MariaDb(connection), Dialect::MariaDb(schema)) => {
                mariadb::size::estimate(connection, &schema.name, table).await
            }
            (Connection::Sqlite(connection), _) => sqlite::size::estimate(connection, table).await,
            (Connection::Postgres(_) | Connection::MariaDb(_), _) => Ok(None),
        }
    }

    /// Counts the rule's dataset by class.
    pub async fn census(&mut self, rule: RowRule<'_>, cutoffs: &Cutoffs) -> Result<Census, DatastoreError> {
        let trigger = TriggerSql::of(&self.dialect, rule);
        let mut kept = 0;
        let mut plainly = self.dialect.sql("");
        // Most records are kept most of the time: where one look tells that, the rest is told apart in a second.
        if trigger.plainly_kept(&mut plainly, cutoffs) {
            let count = Expression::integer("count(*)");
            let select = self.dialect.select(&[count, Expression::integer("sum(c.kept)")], |sql| {
                sql.push(" FROM (SELECT CASE WHEN ");
                trigger.plainly_kept(sql, cutoffs);
                from(sql, " THEN 1 ELSE 0 END AS kept FROM ", rule);
                filters(sql, rule);
                sql.push(") AS c");
            });
            let rows = self.connection.handle().rows(&select, COUNT_BY_CLASS).await?;
            let figure = |at: usize| match rows.first().and_then(|row| row.get(at)) {
                Some(Value::Integer(n)) => n.unsigned_abs(),
                _ => 0,
            };
            kept = figure(1);
            if figure(0) == kept {
                return Ok(Census { classes: BTreeMap::from([("kept".to_owned(), kept)]) });
            }
        }
        let mut census = self.backlog(rule, cutoffs, Backlogged::All).await?;
        *census.classes.entry("kept".to_owned()).or_default() += kept;
        Ok(census)
    }

    /// The same without those of which one look tells that they are kept: an index spares the look.
    pub async fn backlog(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        of: Backlogged,
    ) -> Result<Census, DatastoreError> {
        let trigger = TriggerSql::of(&self.dialect, rule);
        // The key is counted so that it is asked for: after a large sweep PostgreSQL's statistics still promise that the trigger's index alone
        // would do, and that leads through the whole table, row by row.
        let count = |what: &str| Expression::integer(format!("count({what})"));
        let columns = [Expression::text("c.class"), count("*"), count("c.of_key")];
        let key = rule.table().key.first().map_or_else(
            || Expression::integer("1"),
            |name| self.dialect.column("t", rule.table().name, name),
        );
        let select = self.dialect.select(&columns, |sql| {
            sql.push(" FROM (SELECT ");
            trigger.class(sql, cutoffs);
            sql.push(&format!(" AS class, {} AS of_key", key.sql));
            from(sql, " FROM ", rule);
            filters(sql, rule);
            trigger.not_plainly_kept(sql, cutoffs, of);
            sql.push(") AS c GROUP BY c.class");
        });
        let mut census = Census::default();
        for row in self.connection.handle().rows(&select, COUNT_BY_CLASS).await? {
            if let [Value::Text(class), Value::Integer(count), _] = &row[..] {
                census.classes.insert(class.clone(), count.unsigned_abs());
            }
        }
        Ok(census)
    }

    /// Counts what a sweep would put before the judge in its exact phase: never less than what is due there.
    pub async fn count_selected(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
    ) -> Result<u64, DatastoreError> {
        let trigger = TriggerSql::of(&self.dialect, rule);
        let select = self.dialect.select(&[Expression::integer("count(*)")], |sql| {
            from(sql, " FROM ", rule);
            filters(sql, rule);
            sql.push(" AND ");
            trigger.past(sql, cutoffs, cutoffs.due.as_ref());
        });
        self.connection.handle().number(&select, "count what is due").await
    }

    /// Counts the rule's records of those who demand erasure.
    pub async fn count_demanded(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        self.count_of_people(rule, filters, "count what is demanded").await
    }

    /// Counts the same, with those that a matching row keeps for now.
    pub async fn count_theirs(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        self.count_of_people(rule, selected, "count whose records they are").await
    }

    async fn count_of_people(
        &mut self,
        rule: RowRule<'_>,
        narrow: fn(&mut Sql, RowRule<'_>),
        operation: &'static str,
    ) -> Result<u64, DatastoreError> {
        let Some(people) = rule.people() else { return Ok(0) };
        let select = self.dialect.select(&[Expression::integer("count(*)")], |sql| {
            from(sql, " FROM ", rule);
            narrow(sql, rule);
            sql.push(" AND ");
            demanded(sql, rule, people);
        });
        self.connection.handle().number(&select, operation).await
    }

    /// Counts every record of the rule's table, whether or not the rule is about it.
    pub async fn count_all(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        let table = self.dialect.table(rule.table().name);
        let select = self.dialect.select(&[Expression::integer("count(*)")], |sql| {
            sql.push(&format!(" FROM {table}"));
        });
        self.connection.handle().number(&select, "count a dataset").await
    }

    /// Reads the next records that a sweep would hand to the judge.
    pub async fn page(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, DatastoreError> {
        let columns = sources(&self.dialect, rule, Some(phase));
        let range = Range::of(rule, phase, cursor, limit);
        let select = self.dialect.select(&columns, |sql| selection(sql, rule, cutoffs, range));
        let rows = self.connection.handle().rows(&select, "read a page of records").await?;
        page(&self.dialect, rule, range, rows)
    }

    /// The statement a sweep selects with, and how the engine would execute it. Which values are bound to it is not shown.
    pub async fn statement(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
    ) -> Result<(String, Vec<String>), DatastoreError> {
        // Its text is the same whoever demands.
        let orders = match (phase, SubjectId::stored(&Value::Integer(0))) {
            (Phase::Demanded, Some(anybody)) => Orders::demand(anybody, DateTime::UNIX_EPOCH),
            (Phase::Demanded | Phase::Exact | Phase::Regular | Phase::Candidates, _) => Orders::default(),
        };
        let rule = rule.heeding(&orders);
        let columns: Vec<String> =
            sources(&self.dialect, rule, Some(phase)).into_iter().map(|x| x.sql).collect();
        let mut sql = self.dialect.sql(format!("SELECT {}", columns.join(", ")));
        selection(&mut sql, rule, cutoffs, Range::of(rule, phase, &Cursor::default(), 1));
        let plan = explained(&mut self.connection.handle(), &sql, "ask for a query plan").await?;
        Ok((sql.text, plan))
    }

    /// The fastest way through the rule's records that is exact.
    pub async fn way(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
        ahead: Ahead,
    ) -> Result<Way, DatastoreError> {
        way::of(&mut self.connection, &self.dialect, rule, cutoffs, phase, ahead).await
    }

    /// Whether some of the rule's records may be due and only the judge can tell.
    pub fn leaves_to_the_judge(&self, rule: RowRule<'_>) -> bool {
        way::leaves_to_the_judge(&self.dialect, rule)
    }

    /// Whether [`Self::count_selected`] counts what is due there and nothing else, but for what is on hold.
    pub fn counts_exactly(datastore: &Datastore, rule: RowRule<'_>) -> bool {
        Dialect::unseen(&datastore.location).is_some_and(|dialect| !way::leaves_to_the_judge(&dialect, rule))
    }

    /// Which of these rows of values, by their position, no row of a table holds in these columns, to the byte.
    pub async fn missing(
        &mut self,
        of: &TableName,
        columns: &[ColumnName],
        rows: &[Values],
    ) -> Result<Vec<usize>, DatastoreError> {
        let dialect = &self.dialect;
        let numbered: Vec<Values> = (0i64..)
            .zip(rows)
            .map(|(at, row)| std::iter::once(Value::Integer(at)).chain(row.iter().cloned()).collect())
            .collect();
        let mut carried = vec![("at".to_owned(), number_type(dialect).clone())];
        // As text, where the column is none: a file's path is text.
        carried.extend((0..columns.len()).map(|i| (format!("v{i}"), dialect.text_or_any().clone())));
        let held: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(i, name)| {
                dialect.same(
                    &dialect.column("t", of, name),
                    &dialect.carried(&format!("v{i}"), dialect.text_or_any()),
                )
            })
            .collect();
        let at = Expression::integer("b.at");
        let select = dialect.select(&[at], |sql| {
            sql.push(" FROM ").bulk(&carried, &numbered);
            sql.push(&format!(
                " WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE {}) ORDER BY b.at",
                dialect.table(of),
                held.join(" AND ")
            ));
        });
        let found = self.connection.handle().rows(&select, "look for records by their columns").await?;
        let position = |row: &Values| match row.first() {
            Some(Value::Integer(at)) => usize::try_from(*at).ok(),
            _ => None,
        };
        Ok(found.iter().filter_map(position).collect())
    }

    /// Reads one record by its key as a person types it, whatever its verdict.
    pub async fn explain(
        &mut self,
        rule: RowRule<'_>,
        catalogue: &Catalogue,
        key: &[String],
    ) -> Result<Option<Explained>, DatastoreError> {
        explain(&mut self.connection.handle(), &self.dialect, rule, catalogue, key).await
    }
}

const COUNT_BY_CLASS: &str = "count a dataset by class";

fn number_type(dialect: &Dialect) -> &'static Type {
    if let Dialect::Sqlite = dialect { Type::ANY } else { Type::INTEGER }
}

/// The schema, as the engine's own catalogue has it.
pub(super) async fn catalogue(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
) -> Result<Catalogue, DatastoreError> {
    match (handle, dialect) {
        (Handle::Postgres(connection), Dialect::Postgres(schema)) => {
            postgres::catalogue::read(connection, &schema.name).await
        }
        (Handle::MariaDb(connection), Dialect::MariaDb(schema)) => {
            mariadb::catalogue::read(connection, &schema.name).await
        }
        (Handle::Sqlite(connection), _) => sqlite::catalogue::read(connection).await,
        (Handle::Postgres(_) | Handle::MariaDb(_), _) => Ok(Catalogue::default()),
    }
}

pub(super) async fn explain(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    rule: RowRule<'_>,
    catalogue: &Catalogue,
    key: &[String],
) -> Result<Option<Explained>, DatastoreError> {
    let operation = "read one record";
    let columns = catalogue.tables.get(rule.table().name);
    let kind = |name: &ColumnName| columns.and_then(|t| t.column(name)).map(|c| c.kind);
    let named = |sql: &mut Sql| {
        for (name, text) in rule.table().key.iter().zip(key) {
            sql.push(" AND ");
            is_typed(sql, &dialect.column("t", rule.table().name, name), kind(name), text);
        }
    };
    let select = dialect.select(&sources(dialect, rule, None), |sql| {
        from(sql, " FROM ", rule);
        named(sql.push("TRUE"));
    });
    let start = Cursor::default();
    let range = Range::of(rule, Phase::Exact, &start, 1);
    let mut page = page(dialect, rule, range, handle.rows(&select, operation).await?)?;
    let Some(record) = page.records.pop() else { return Ok(None) };
    let select = dialect.select(&[Expression::integer("count(*)")], |sql| {
        from(sql, " FROM ", rule);
        filters(sql, rule);
        named(sql);
    });
    let selected = handle.number(&select, operation).await? > 0;
    Ok(Some(Explained { record, selected }))
}

/// Whether a part of a key is what a person typed: `hex:…` for bytes, digits for a number.
fn is_typed(sql: &mut Sql, x: &Expression, kind: Option<ColumnKind>, text: &str) {
    let plain = Value::Text(text.to_owned());
    let value = match (&sql.dialect, x.ty.class) {
        (Dialect::Sqlite, _) => Some(match (kind, text.parse(), text.strip_prefix("hex:").and_then(unhex)) {
            (Some(ColumnKind::Integer), Ok(n), _) => Value::Integer(n),
            (Some(ColumnKind::Other), _, Some(bytes)) => Value::Blob(bytes),
            _ => plain,
        }),
        (_, Class::Integer) => Value::whole(text),
        (_, Class::Bytes) => text.strip_prefix("hex:").and_then(unhex).map(Value::Blob),
        (_, Class::Uuid) => {
            Some(Value::Text(text.to_ascii_lowercase())).filter(|_| is_uuid(&text.to_ascii_lowercase()))
        }
        (_, Class::Text) => {
            sql.push(&format!("{} = ", sql.dialect.exact_text(x))).bind_text(text).push(" AND ");
            Some(plain)
        }
        _ => {
            sql.push(&format!("{} = ", sql.dialect.exact_text(x))).bind_text(text);
            return;
        }
    };
    match value {
        Some(value) => drop(sql.push(&format!("{} = ", x.sql)).bind(&value, &x.ty)),
        None => drop(sql.push("FALSE")),
    }
}

//! Reading: pages of records for the judge, counts by class, one record explained. A [`Reader`] has no way to commit.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::connection::{Access, Connection, Handle, Layout, explained, open, open_again};
use super::dialect::{Class, Dialect, Expression, Type, Wait};
use super::filter::{demanded, filters, is_uuid, selected};
use super::rights;
use super::rows::{several, unhex};
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{self, Ahead, Axis, Line, Span, Way, at_mark};
use super::{Cursor, Phase, Place, mariadb, postgres, sqlite};
use crate::datastore::Explained;
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::{Catalogue, ColumnKind, TableSize};
use crate::model::datastore::Datastore;
use crate::model::key::Key;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::orders::{Orders, SubjectId, Whose};
use crate::model::value::{Value, Values};
use crate::rules::bind::RowRule;
use crate::rules::connect::privilege::{Needed, PrivilegeFinding};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Record, TriggerValue};

/// A connection that can only read.
pub struct Reader {
    connection: Connection,
    dialect: Dialect,
}

/// A page of a walk through a dataset.
#[derive(Debug)]
pub struct Page {
    /// The records, in the walk's order.
    pub records: Vec<Record>,
    /// Where the walk goes on.
    pub next: Cursor,
    /// Whether the page is the last.
    pub last: bool,
    /// How many more there are up to its end, which somebody else had locked.
    pub passed_over: u64,
    /// The values of the records' keys.
    pub(super) keys: Vec<Values>,
    /// What their triggers read, where only the judge can compare it.
    pub(super) readings: Vec<Value>,
    selected: usize,
}

impl Page {
    /// Of a walk that has not begun.
    pub(super) fn empty() -> Self {
        Self {
            records: Vec::new(),
            next: Cursor::default(),
            last: false,
            passed_over: 0,
            keys: Vec::new(),
            readings: Vec::new(),
            selected: 0,
        }
    }

    /// How many records were selected, whoever has taken them since.
    pub(super) fn selected(&self) -> usize {
        self.selected
    }
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
        let columns = sources(&self.dialect, rule);
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
        let columns: Vec<String> = sources(&self.dialect, rule).into_iter().map(|x| x.sql).collect();
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
        let at = Expression { sql: "b.at".to_owned(), ty: Type::INTEGER.clone() };
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

/// The rule's table as `t`, and the beginning of its conditions.
fn from(sql: &mut Sql, before: &str, rule: RowRule<'_>) {
    let table = sql.dialect.table(rule.table().name);
    sql.push(&format!("{before}{table} AS t WHERE "));
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
    let select = dialect.select(&sources(dialect, rule), |sql| {
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
        (_, Class::Integer) => match text.parse() {
            Ok(n) => Some(Value::Integer(n)),
            Err(_) => text.parse::<u64>().is_ok().then_some(plain),
        },
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

/// What the judge is told of a record: its key, its trigger and, where an order asks for it, the data subject.
pub(super) fn sources(dialect: &Dialect, rule: RowRule<'_>) -> Vec<Expression> {
    let own = rule.table().name;
    let mut sources: Vec<Expression> =
        rule.table().key.iter().map(|name| dialect.column("t", own, name)).collect();
    sources.push(TriggerSql::of(dialect, rule).reading());
    sources.extend(rule.people().map(|people| dialect.column("t", own, people.column)));
    sources
}

/// What a walk goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The trigger's index, and the key among those that share a trigger.
    Trigger,
    /// The key.
    Key,
}

impl Order {
    /// The one that finds what a phase is after with the fewest looks.
    pub(super) fn of(rule: RowRule<'_>, phase: Phase) -> Self {
        let indexed = matches!(phase, Phase::Exact | Phase::Regular) && rule.table().trigger_indexed;
        if indexed { Self::Trigger } else { Self::Key }
    }
}

/// The columns a walk goes by; together they tell any two records apart.
pub(super) fn columns_of(dialect: &Dialect, rule: RowRule<'_>, order: Order) -> Vec<Expression> {
    let trigger = TriggerSql::of(dialect, rule);
    let mut columns: Vec<Expression> =
        trigger.own_column().filter(|_| order == Order::Trigger).cloned().into_iter().collect();
    columns.extend(rule.table().key.iter().map(|name| {
        let x = dialect.column("t", rule.table().name, name);
        match (dialect, x.ty.class) {
            // MariaDB sorts an enumeration by its places, and compares it by its texts.
            (Dialect::MariaDb(_), Class::Other) => Expression::text(dialect.shown(&x)),
            (Dialect::Sqlite | Dialect::Postgres(_) | Dialect::MariaDb(_), _) => x,
        }
    }));
    columns
}

/// Which side of the record that a cursor stands on.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    /// Those behind it.
    After,
    /// Those up to it.
    UpTo,
}

impl Cursor {
    /// Bounds a statement by where the cursor stands; the start of a walk bounds nothing.
    pub(super) fn push(&self, sql: &mut Sql, order: &[Expression], side: Side) {
        let Cursor(place) = self;
        match place {
            Place::Start | Place::StartOf(_) => {}
            Place::On(axis, from, None) => push_mark(sql, *axis, &order[0], ">=", *from),
            Place::On(axis, from, Some(until)) => {
                push_span(sql, &order[0], Span { axis: *axis, from: *from, until: *until });
            }
            Place::Behind(_, values) => push_row(sql, order, values, side),
            Place::Within(span, after) => {
                push_span(sql, &order[0], *span);
                if let Some(after) = after {
                    push_row(sql, order, after, side);
                }
            }
        }
    }

    /// Behind the last record of a page that a walk in this order has read.
    fn behind(&self, order: Order, values: Vec<Value>) -> Self {
        Self(match self.0 {
            Place::Within(span, _) => Place::Within(span, Some(values)),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::On(..) => {
                Place::Behind(order, values)
            }
        })
    }

    /// The next stretch of a walk along a line, for about so many records.
    pub(super) fn span(&self, line: Line, limit: u32) -> Span {
        let (from, most) = match self.0 {
            Place::On(_, from, most) => (from, most),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::Within(..) => (line.floor, None),
        };
        let until = from.max(line.first).saturating_add(line.stride(aim(limit)));
        let most = match (most, line.axis) {
            (Some(most), _) => most,
            (None, Axis::Trigger) => line.end,
            // What has come to be behind the last page is read with it.
            (None, Axis::Pages) => i64::MAX,
        };
        Span { axis: line.axis, from, until: until.min(most) }
    }

    /// Where a walk goes on behind this stretch of a line.
    pub(super) fn behind_span(&self, Span { axis, until, .. }: Span) -> Self {
        Self(match self.0 {
            Place::On(_, _, Some(most)) if until < most => Place::On(axis, until, Some(most)),
            _ => Place::On(axis, until, None),
        })
    }

    /// Whether something is left of a stretch that is set apart.
    pub fn is_apart(&self) -> bool {
        matches!(self.0, Place::On(_, _, Some(_)))
    }

    /// The same stretch, to be looked at record by record.
    pub(super) fn closer(&self, way: Way, limit: u32) -> Self {
        match (way, &self.0) {
            (Way::Measured(line), Place::Start | Place::On(..)) => {
                Self(Place::Within(self.span(line, limit), None))
            }
            (Way::Keys, Place::Start) => Self(Place::StartOf(Order::Key)),
            _ => self.clone(),
        }
    }

    /// Whether only a list leads on from here.
    pub fn is_within(&self) -> bool {
        matches!(self.0, Place::Within(..))
    }

    /// Where the walk goes on when nothing is left of what it stands in; none: the walk ends.
    pub(super) fn beyond(&self) -> Option<Self> {
        match self.0 {
            Place::Within(Span { axis, until, .. }, _) => Some(Self(Place::On(axis, until, None))),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::On(..) => None,
        }
    }

    /// The order that the walk has to have here, whatever it would go by from the start.
    pub(super) fn order(&self, otherwise: Order) -> Order {
        match self.0 {
            Place::On(Axis::Trigger, ..) | Place::Within(Span { axis: Axis::Trigger, .. }, _) => {
                Order::Trigger
            }
            Place::Within(Span { axis: Axis::Pages, .. }, _) => Order::Key,
            Place::StartOf(order) | Place::Behind(order, _) => order,
            Place::Start | Place::On(Axis::Pages, ..) => otherwise,
        }
    }
}

/// A batch that is measured is to hold this many, so that one that holds half as many again is no larger than it may be.
fn aim(limit: u32) -> u32 {
    (limit - limit / 3).max(1)
}

/// The rows on a stretch of a line; where that is the trigger's, it is this column.
fn push_span(sql: &mut Sql, trigger: &Expression, Span { axis, from, until }: Span) {
    push_mark(sql, axis, trigger, ">=", from);
    push_mark(sql, axis, trigger, "<", until);
}

fn push_mark(sql: &mut Sql, axis: Axis, trigger: &Expression, operator: &str, mark: i64) {
    match axis {
        Axis::Pages => {
            let tid = Type { class: Class::Other, name: "tid".to_owned() };
            sql.push(&format!(" AND t.ctid {operator} ")).bind(&Value::Text(format!("({mark},0)")), &tid);
        }
        Axis::Trigger => {
            let value = at_mark(mark, trigger.ty.class).expect("a line is made of what its column can hold");
            sql.push(&format!(" AND {} {operator} ", trigger.sql)).bind(&value, &trigger.ty);
        }
    }
}

fn push_row(sql: &mut Sql, order: &[Expression], values: &[Value], side: Side) {
    let (strictly, at_last) = if side == Side::After { (">", ">") } else { ("<", "<=") };
    if !matches!(sql.dialect, Dialect::Sqlite) {
        // MariaDB makes no range of a row value, and PostgreSQL starts from one only where it is the only bound.
        sql.push(&format!(" AND {} {}= ", order[0].sql, &strictly[..1])).bind(&values[0], &order[0].ty);
    }
    if let Dialect::MariaDb(_) = &sql.dialect {
        sql.push(" AND (");
        for last in 0..order.len() {
            sql.push(if last > 0 { " OR (" } else { "(" });
            for (at, x) in order.iter().enumerate().take(last + 1) {
                let operator = match at {
                    at if at < last => "=",
                    _ if last + 1 < order.len() => strictly,
                    _ => at_last,
                };
                sql.push(&format!("{}{} {operator} ", if at > 0 { " AND " } else { "" }, x.sql));
                sql.bind(&values[at], &x.ty);
            }
            sql.push(")");
        }
        sql.push(")");
        return;
    }
    let names: Vec<&str> = order.iter().map(|x| x.sql.as_str()).collect();
    sql.push(&format!(" AND ({}) {at_last} (", names.join(", ")));
    for (i, (value, x)) in values.iter().zip(order).enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).bind(value, &x.ty);
    }
    sql.push(")");
}

/// What a selection takes of the records that a phase is after.
#[derive(Clone, Copy)]
pub(super) struct Range<'c> {
    pub(super) phase: Phase,
    pub(super) cursor: &'c Cursor,
    pub(super) order: Order,
    pub(super) limit: u32,
    /// Whether they are locked, and what becomes of those that others have locked.
    pub(super) lock: Option<Wait>,
    /// All on this stretch of a line, whatever the order of the walk.
    pub(super) span: Option<Span>,
    /// Whether those that come first on it are wanted, where it holds more than the limit.
    pub(super) in_order: bool,
}

impl<'c> Range<'c> {
    /// Unlocked, in the order that suits the phase.
    pub(super) fn of(rule: RowRule<'_>, phase: Phase, cursor: &'c Cursor, limit: u32) -> Self {
        let order = cursor.order(Order::of(rule, phase));
        Self { phase, cursor, order, limit, lock: None, span: None, in_order: true }
    }
}

/// All of a `SELECT` behind its columns.
pub(super) fn selection(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, range: Range<'_>) {
    let dialect = sql.dialect.clone();
    from(sql, " FROM ", rule);
    if let Some(span) = range.span {
        on_span(sql, rule, cutoffs, span);
        if let (Axis::Trigger, true, Some(trigger)) =
            (span.axis, range.in_order, TriggerSql::of(&dialect, rule).own_column())
        {
            // Of more than a batch takes, those that come first say where it may end.
            sql.push(&format!(" ORDER BY {}", trigger.sql));
        }
        sql.push(" LIMIT ").bind_integer(i64::from(range.limit));
        return;
    }
    condition(sql, rule, cutoffs, range.phase);
    let order = columns_of(&dialect, rule, range.order);
    range.cursor.push(sql, &order, Side::After);
    let order: Vec<&str> = order.iter().map(|x| x.sql.as_str()).collect();
    sql.push(&format!(" ORDER BY {} LIMIT ", order.join(", "))).bind_integer(i64::from(range.limit));
    sql.push(range.lock.map_or("", |wait| dialect.lock(wait)));
}

/// Which records a walk along a line is after on this stretch of it.
pub(super) fn on_span(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, span: Span) {
    match span.axis {
        Axis::Pages => {
            // What the planner cannot see through leads it to no index, and spares it a look at the ends of one, where the dead lie.
            sql.push("CASE WHEN ");
            condition(sql, rule, cutoffs, Phase::Exact);
            sql.push(" THEN TRUE END");
        }
        // No such stretch begins before what can be due, or goes beyond the cut-off: it is the rest of the predicate.
        Axis::Trigger => filters(sql, rule),
    }
    let dialect = sql.dialect.clone();
    let trigger = TriggerSql::of(&dialect, rule);
    let column = trigger.own_column().expect("a walk along a line goes by the record's own trigger");
    push_span(sql, column, span);
}

/// Which records a phase is after.
pub(super) fn condition(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, phase: Phase) {
    let dialect = sql.dialect.clone();
    let trigger = TriggerSql::of(&dialect, rule);
    filters(sql, rule);
    sql.push(" AND ");
    match phase {
        Phase::Exact => trigger.past(sql, cutoffs, cutoffs.due.as_ref()),
        Phase::Regular => {
            trigger.past(sql, cutoffs, cutoffs.due.as_ref());
            if !trigger.is_past_exactly() {
                sql.push(" AND ");
                trigger.class(sql, cutoffs);
                sql.push(" IN ('due', 'overdue')");
            }
        }
        Phase::Candidates => drop(sql.push(&trigger.candidate())),
        Phase::Demanded => match rule.people() {
            Some(people) => demanded(sql, rule, people),
            None => drop(sql.push("FALSE")),
        },
    }
}

/// The records of a page from the rows that a selection returned, which begin with [`sources`].
pub(super) fn page(
    dialect: &Dialect,
    rule: RowRule<'_>,
    range: Range<'_>,
    mut rows: Vec<Values>,
) -> Result<Page, DatastoreError> {
    let width = rule.table().key.len();
    let own = TriggerSql::of(dialect, rule).own_column().is_some();
    let mut records = Vec::with_capacity(rows.len());
    let mut readings = Vec::new();
    let count = rows.len();
    // Of each row, its key is left.
    for (position, key) in (0u32..).zip(&mut rows) {
        let whose = match (rule.people(), rule.rule().subject.is_none()) {
            (Some(_), _) => Whose::of(key.get(width + 1).unwrap_or(&Value::Null)),
            (None, true) => Whose::Nobody,
            (None, false) => Whose::NotRead,
        };
        key.truncate(width + 1);
        let trigger = key.pop().unwrap_or(Value::Null);
        if range.phase == Phase::Candidates {
            readings.push(trigger.clone());
        }
        let trigger = if own {
            TriggerValue::Own(trigger)
        } else {
            TriggerValue::Rows(several(dialect, rule.trigger(), &trigger)?)
        };
        records.push(Record { key: Key::from_values(key)?, trigger, whose, position });
    }
    let keys = rows;
    let next = records.last().zip(keys.last()).map(|(record, key)| {
        let trigger = match &record.trigger {
            TriggerValue::Own(value) if range.order == Order::Trigger => Some(value.clone()),
            TriggerValue::Own(_) | TriggerValue::Rows(_) => None,
        };
        range.cursor.behind(range.order, trigger.into_iter().chain(key.iter().cloned()).collect())
    });
    let exhausted = u32::try_from(count).is_ok_and(|n| n < range.limit);
    let beyond = if exhausted { range.cursor.beyond() } else { None };
    let last = exhausted && beyond.is_none();
    let next = beyond.or(next).unwrap_or_default();
    Ok(Page { records, next, last, passed_over: 0, keys, readings, selected: count })
}

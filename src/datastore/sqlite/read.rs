//! Reading: pages of records for the judge, counts by class, one record explained. A [`Reader`] has no way to commit.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use serde::de::{self, Deserialize, Deserializer};
use sqlx::{Row as _, SqliteConnection};

use super::connect::{Access, all, connect, failed, json, one, path_of, text};
use super::sql::{Sql, TriggerSql, column, decoded, demanded, encoded, filters, same, selected, table};
use super::{Cursor, Phase, catalogue, size};
use crate::datastore::Explained;
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::{Catalogue, ColumnKind, TableSize};
use crate::model::datastore::Datastore;
use crate::model::key::Key;
use crate::model::name::{ColumnName, TableName};
use crate::model::orders::{Orders, SubjectId, Whose};
use crate::model::value::Value;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Record, TriggerValue};

/// A connection that can only read.
pub struct Reader {
    connection: SqliteConnection,
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
    selected: usize,
}

impl Page {
    /// Of a walk that has not begun.
    pub(super) fn empty() -> Self {
        Self { records: Vec::new(), next: Cursor::default(), last: false, selected: 0 }
    }

    /// How many records were selected, whoever has taken them since.
    pub(super) fn selected(&self) -> usize {
        self.selected
    }
}

/// How many records of a dataset are in which class, by SQL alone.
#[derive(Debug, Clone, Default)]
pub struct Census {
    /// `kept`, `due`, `overdue`, `null`, `no_row`, `future`, `before_1970`, and `candidate` for the judge.
    pub classes: BTreeMap<String, u64>,
}

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
        let path = path_of(datastore)?;
        Ok(Self { connection: connect(path, Access::Read).await? })
    }

    /// The schema.
    pub async fn catalogue(&mut self) -> Result<Catalogue, DatastoreError> {
        catalogue::read(&mut self.connection).await
    }

    /// How large a table is, by figures that cost little; none: the engine cannot say.
    pub async fn size(&mut self, table: &TableName) -> Result<Option<TableSize>, DatastoreError> {
        size::estimate(&mut self.connection, table).await
    }

    /// Counts the rule's dataset by class.
    pub async fn census(&mut self, rule: RowRule<'_>, cutoffs: &Cutoffs) -> Result<Census, DatastoreError> {
        let operation = "count a dataset by class";
        let trigger = TriggerSql::of(rule);
        let mut sql = Sql::new("SELECT class, count(*) FROM (SELECT ");
        trigger.class(&mut sql, cutoffs);
        sql.push(&format!(" AS class FROM {} AS t WHERE ", table(rule.table().name)));
        filters(&mut sql, rule);
        sql.push(") GROUP BY class");
        let mut census = Census::default();
        for row in all(&mut self.connection, &sql, operation).await? {
            let count: i64 = row.try_get(1).map_err(failed(operation))?;
            census.classes.insert(row.try_get(0).map_err(failed(operation))?, count.unsigned_abs());
        }
        Ok(census)
    }

    /// Counts what a sweep would put before the judge in its exact phase: never less than what is due there.
    pub async fn count_selected(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
    ) -> Result<u64, DatastoreError> {
        let operation = "count what is due";
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} AS t WHERE ", table(rule.table().name)));
        filters(&mut sql, rule);
        sql.push(" AND ");
        TriggerSql::of(rule).past(&mut sql, cutoffs, cutoffs.due.as_ref());
        self.count(&sql, operation).await
    }

    /// Counts the rule's records of those who demand erasure.
    pub async fn count_demanded(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        let operation = "count what is demanded";
        let Some(people) = rule.people() else { return Ok(0) };
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} AS t WHERE ", table(rule.table().name)));
        filters(&mut sql, rule);
        sql.push(" AND ");
        demanded(&mut sql, people);
        self.count(&sql, operation).await
    }

    /// Counts the same, with those that a matching row keeps for now.
    pub async fn count_theirs(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        let operation = "count whose records they are";
        let Some(people) = rule.people() else { return Ok(0) };
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} AS t WHERE ", table(rule.table().name)));
        selected(&mut sql, rule);
        sql.push(" AND ");
        demanded(&mut sql, people);
        self.count(&sql, operation).await
    }

    /// Counts every record of the rule's table, whether or not the rule is about it.
    pub async fn count_all(&mut self, rule: RowRule<'_>) -> Result<u64, DatastoreError> {
        let sql = Sql::new(format!("SELECT count(*) FROM {}", table(rule.table().name)));
        self.count(&sql, "count a dataset").await
    }

    async fn count(&mut self, sql: &Sql, operation: &'static str) -> Result<u64, DatastoreError> {
        let count: i64 =
            one(&mut self.connection, sql, operation).await?.try_get(0).map_err(failed(operation))?;
        Ok(count.unsigned_abs())
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
        let sql = page_statement(rule, cutoffs, phase, cursor, limit);
        let json = text(&mut self.connection, &sql, "read a page of records").await?;
        page(rule, phase, limit, &json)
    }

    /// The statement a sweep selects with, and how the engine would execute it. Which values are bound to it is not shown.
    pub async fn statement(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
    ) -> Result<(String, Vec<String>), DatastoreError> {
        let operation = "ask for a query plan";
        // Its text is the same whoever demands.
        let orders = match (phase, SubjectId::stored(&Value::Integer(0))) {
            (Phase::Demanded, Some(anybody)) => Orders::demand(anybody, DateTime::UNIX_EPOCH),
            (Phase::Demanded | Phase::Exact | Phase::Regular | Phase::Candidates, _) => Orders::default(),
        };
        let rule = rule.heeding(&orders);
        let sources = sources(rule);
        let mut sql = Sql::default();
        selection(&mut sql, rule, cutoffs, phase, &Cursor::default(), 1, &sources);
        let explain = Sql { text: format!("EXPLAIN QUERY PLAN {}", sql.text), args: sql.args.clone() };
        let mut plan = Vec::new();
        for row in all(&mut self.connection, &explain, operation).await? {
            plan.push(row.try_get(3).map_err(failed(operation))?);
        }
        Ok((sql.text, plan))
    }

    /// Which of these rows of values, by their position, no row of a table holds in these columns, to the byte.
    pub async fn missing(
        &mut self,
        of: &TableName,
        columns: &[ColumnName],
        rows: &[Vec<Value>],
    ) -> Result<Vec<usize>, DatastoreError> {
        let operation = "look for records by their columns";
        let held = columns
            .iter()
            .enumerate()
            .map(|(i, name)| same(&column("t", name), &decoded(&format!("json_extract(j.value, '$[{i}]')"))));
        let held = held.collect::<Vec<_>>().join(" AND ");
        let rows: Vec<Vec<serde_json::Value>> =
            rows.iter().map(|row| row.iter().map(Rows::encode).collect()).collect();
        let sql = Sql {
            text: format!(
                "SELECT j.key FROM json_each(?1) AS j WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE {held}) ORDER BY j.key",
                table(of)
            ),
            args: vec![Value::Text(serde_json::json!(rows).to_string())],
        };
        let mut missing = Vec::new();
        for row in all(&mut self.connection, &sql, operation).await? {
            let position: i64 = row.try_get(0).map_err(failed(operation))?;
            missing.extend(usize::try_from(position));
        }
        Ok(missing)
    }

    /// Reads one record by its key as a person types it, whatever its verdict.
    pub async fn explain(
        &mut self,
        rule: RowRule<'_>,
        catalogue: &Catalogue,
        key: &[String],
    ) -> Result<Option<Explained>, DatastoreError> {
        explain(&mut self.connection, rule, catalogue, key).await
    }
}

pub(super) async fn explain(
    connection: &mut SqliteConnection,
    rule: RowRule<'_>,
    catalogue: &Catalogue,
    key: &[String],
) -> Result<Option<Explained>, DatastoreError> {
    let operation = "read one record";
    let columns = catalogue.tables.get(rule.table().name);
    let kind = |name: &ColumnName| columns.and_then(|t| t.column(name)).map(|c| c.kind);
    let mut sql = Sql::new(format!("SELECT json_array({}), (", encoded_sources(rule)));
    filters(&mut sql, rule);
    sql.push(&format!(") FROM {} AS t WHERE 1", table(rule.table().name)));
    for (name, text) in rule.table().key.iter().zip(key) {
        sql.push(&format!(" AND {} = ", column("t", name)));
        sql.bind(typed(kind(name), text));
    }
    let Some(row) = all(connection, &sql, operation).await?.into_iter().next() else { return Ok(None) };
    let json = json(&row, operation)?;
    let selected: i64 = row.try_get(1).map_err(failed(operation))?;
    let mut page = page(rule, Phase::Exact, 1, &format!("[{json}]"))?;
    Ok(page.records.pop().map(|record| Explained { record, selected: selected != 0 }))
}

/// A key part as a person types it: `hex:…` for bytes, digits for an integer column.
fn typed(kind: Option<ColumnKind>, text: &str) -> Value {
    if let (Some(ColumnKind::Integer), Ok(n)) = (kind, text.parse()) {
        return Value::Integer(n);
    }
    match text.strip_prefix("hex:").and_then(unhex) {
        Some(bytes) if kind == Some(ColumnKind::Other) => Value::Blob(bytes),
        _ => Value::Text(text.to_owned()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn sources(rule: RowRule<'_>) -> Vec<String> {
    let mut sources: Vec<String> = rule.table().key.iter().map(|c| column("t", c)).collect();
    sources.push(TriggerSql::of(rule).reading());
    sources
}

fn encoded_sources(rule: RowRule<'_>) -> String {
    let trigger = TriggerSql::of(rule);
    let mut encoded_columns: Vec<String> =
        rule.table().key.iter().map(|c| encoded(&column("t", c))).collect();
    encoded_columns.push(match trigger.own_column() {
        Some(own) => encoded(own),
        None => format!("json({})", trigger.reading()),
    });
    encoded_columns.extend(rule.people().map(|people| encoded(&column("t", people.column))));
    encoded_columns.join(", ")
}

fn page_statement(rule: RowRule<'_>, cutoffs: &Cutoffs, phase: Phase, cursor: &Cursor, limit: u32) -> Sql {
    let mut sql = json_rows(rule);
    selection(&mut sql, rule, cutoffs, phase, cursor, limit, &named_sources(rule));
    sql.push(") AS b");
    sql
}

/// The beginning of a statement that hands over the rows `b` of a subquery as one JSON text: one row of the driver's, and a
/// tenth of its work.
pub(super) fn json_rows(rule: RowRule<'_>) -> Sql {
    let mut columns: Vec<String> = (0..rule.table().key.len()).map(|i| encoded(&format!("b.k{i}"))).collect();
    let own = TriggerSql::of(rule).own_column().is_some();
    columns.push(if own { encoded("b.trig") } else { "json(b.trig)".to_owned() });
    columns.extend(rule.people().map(|_| encoded("b.subj")));
    Sql::new(format!("SELECT json_group_array(json_array({})) FROM (", columns.join(", ")))
}

/// Key, trigger and, where an order asks for it, the data subject, under the names that [`json_rows`] reads.
pub(super) fn named_sources(rule: RowRule<'_>) -> Vec<String> {
    let mut sources: Vec<String> =
        rule.table().key.iter().enumerate().map(|(i, c)| format!("{} AS k{i}", column("t", c))).collect();
    sources.push(format!("{} AS trig", TriggerSql::of(rule).reading()));
    sources.extend(rule.people().map(|people| format!("{} AS subj", column("t", people.column))));
    sources
}

/// Whether the walk follows the trigger's index; if not, it follows the key.
fn by_trigger(rule: RowRule<'_>, phase: Phase) -> bool {
    matches!(phase, Phase::Exact | Phase::Regular) && rule.table().trigger_indexed
}

/// The columns a walk goes by; together they tell any two records apart.
pub(super) fn order(rule: RowRule<'_>, phase: Phase) -> Vec<String> {
    let trigger = TriggerSql::of(rule);
    let mut order: Vec<String> =
        trigger.own_column().filter(|_| by_trigger(rule, phase)).map(str::to_owned).into_iter().collect();
    order.extend(rule.table().key.iter().map(|c| column("t", c)));
    order
}

impl Cursor {
    /// Bounds a statement by the record the cursor stands on; the start of a walk bounds nothing.
    pub(super) fn push(&self, sql: &mut Sql, order: &[String], operator: &str) {
        let Cursor(Some(after)) = self else { return };
        sql.push(&format!(" AND ({}) {operator} (", order.join(", ")));
        for (i, value) in after.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).bind(value.clone());
        }
        sql.push(")");
    }
}

/// `SELECT` of the records a phase is after, in the walk's order after the cursor.
pub(super) fn selection(
    sql: &mut Sql,
    rule: RowRule<'_>,
    cutoffs: &Cutoffs,
    phase: Phase,
    cursor: &Cursor,
    limit: u32,
    sources: &[String],
) {
    let trigger = TriggerSql::of(rule);
    sql.push(&format!("SELECT {} FROM {} AS t WHERE ", sources.join(", "), table(rule.table().name)));
    filters(sql, rule);
    sql.push(" AND ");
    match phase {
        Phase::Exact => trigger.past(sql, cutoffs, cutoffs.due.as_ref()),
        Phase::Regular => {
            trigger.past(sql, cutoffs, cutoffs.due.as_ref());
            sql.push(" AND ");
            trigger.class(sql, cutoffs);
            sql.push(" IN ('due', 'overdue')");
        }
        Phase::Candidates => drop(sql.push(&trigger.candidate())),
        Phase::Demanded => match rule.people() {
            Some(people) => demanded(sql, people),
            None => drop(sql.push("0")),
        },
    }
    let order = order(rule, phase);
    cursor.push(sql, &order, ">");
    sql.push(&format!(" ORDER BY {} LIMIT ", order.join(", "))).bind(Value::Integer(i64::from(limit)));
}

/// The records of a page from the JSON that a selection returned.
pub(super) fn page(rule: RowRule<'_>, phase: Phase, limit: u32, json: &str) -> Result<Page, DatastoreError> {
    let width = rule.table().key.len();
    let own = TriggerSql::of(rule).own_column().is_some();
    let rows = Rows::parse_records(json, own, rule.people().is_some())?;
    let mut records = Vec::with_capacity(rows.len());
    let mut next = Cursor::default();
    let count = rows.len();
    for (position, (mut key, trigger, whose)) in (0u32..).zip(rows) {
        key.truncate(width);
        let whose = match whose {
            Some(value) => Whose::of(&value),
            None if rule.rule().subject.is_none() => Whose::Nobody,
            None => Whose::NotRead,
        };
        let record = Record { key: Key::from_values(&key)?, trigger, whose, position };
        if usize::try_from(position + 1).is_ok_and(|p| p == count) {
            let mut after = Vec::with_capacity(width + 1);
            if let (true, TriggerValue::Own(value)) = (by_trigger(rule, phase), &record.trigger) {
                after.push(value.clone());
            }
            after.extend(key);
            next = Cursor(Some(after));
        }
        records.push(record);
    }
    Ok(Page { last: u32::try_from(count).is_ok_and(|n| n < limit), selected: count, records, next })
}

/// A key, a trigger and, where it was asked for, the data subject.
type Parsed = (Vec<Value>, TriggerValue, Option<Value>);

/// Rows of encoded values, as a statement hands them over in one JSON text.
pub(super) struct Rows;

impl Rows {
    pub(super) fn parse(json: &str) -> Result<Vec<Vec<Value>>, DatastoreError> {
        let rows: Vec<Vec<Encoded>> = serde_json::from_str(json).map_err(|_| garbled())?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(|e| e.0).collect()).collect())
    }

    /// Behind the key of each row stands the trigger, a value or an array of values, and behind that, where it was asked for,
    /// the data subject.
    fn parse_records(json: &str, own: bool, people: bool) -> Result<Vec<Parsed>, DatastoreError> {
        if own {
            let rows = Self::parse(json)?;
            return Ok(rows
                .into_iter()
                .map(|mut row| {
                    let whose = if people { row.pop() } else { None };
                    let trigger = row.pop().unwrap_or(Value::Null);
                    (row, TriggerValue::Own(trigger), whose)
                })
                .collect());
        }
        let rows: Vec<Vec<OneOrMany>> = serde_json::from_str(json).map_err(|_| garbled())?;
        let mut parsed = Vec::with_capacity(rows.len());
        for mut row in rows {
            let mut whose = None;
            if people && let Some(OneOrMany::One(value)) = row.pop() {
                whose = Some(value.0);
            }
            let mut key = Vec::new();
            let mut trigger = Vec::new();
            for element in row {
                match element {
                    OneOrMany::One(value) => key.push(value.0),
                    OneOrMany::Many(values) => trigger.extend(values.into_iter().map(|e| e.0)),
                }
            }
            parsed.push((key, TriggerValue::Rows(trigger), whose));
        }
        Ok(parsed)
    }

    /// The reverse: what [`super::sql::decoded`] reads.
    pub(super) fn encode(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Integer(n) => (*n).into(),
            Value::Real(n) => format!("r{n:e}").into(),
            Value::Text(text) => format!("t{text}").into(),
            Value::Blob(bytes) => {
                bytes.iter().fold(String::from("b"), |hex, byte| hex + &format!("{byte:02x}")).into()
            }
        }
    }
}

fn garbled() -> DatastoreError {
    DatastoreError::Unexpected {
        operation: "read records",
        expected: "rows of encoded values".to_owned(),
        observed: "text that is not (it may hold bytes that are not UTF-8)".to_owned(),
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Encoded),
    Many(Vec<Encoded>),
}

struct Encoded(Value);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EncodedVisitor).map(Encoded)
    }
}

struct EncodedVisitor;

impl de::Visitor<'_> for EncodedVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Integer(n))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        i64::try_from(n).map(Value::Integer).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        let wrong = || E::custom("unknown encoding");
        let (tag, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
        match tag {
            "t" => Ok(Value::Text(rest.to_owned())),
            "b" => unhex(rest).map(Value::Blob).ok_or_else(wrong),
            "r" => Ok(Value::Real(rest.parse().unwrap_or(f64::NAN))),
            _ => Err(wrong()),
        }
    }
}

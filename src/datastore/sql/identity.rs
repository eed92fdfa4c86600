//! What a batch's records were, so that a restart can look whether they are still there.

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::connection::Handle;
use super::dialect::{Dialect, Expression, Type};
use super::layer::Layer;
use super::rows::{Encoded, json};
use super::trigger::TriggerSql;
use crate::datastore::error::DatastoreError;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::{Value, Values};
use crate::rules::bind::{Reads, RowRule};
use crate::rules::decide::Due;
use crate::rules::rule::Action;

/// The keys and triggers of a batch's own records. Personal data: it leaves the process only sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identities {
    table: String,
    key: Vec<String>,
    /// The column whose value must be unchanged; none where the trigger stands in other rows, or nowhere.
    trigger: Option<String>,
    /// The column that must be NULL still, where the rule pseudonymizes.
    mark: Option<String>,
    /// The values of the key and of the trigger, column by column, and in each record by record.
    columns: Vec<Column>,
}

/// The values of one column. Neighbours are near each other: their distances are a fraction of their length, and all of it is written
/// to the disk with every batch.
#[derive(Clone, Serialize, Deserialize)]
enum Column {
    /// Whole numbers, each as its distance from the one before.
    Integers(Vec<i64>),
    /// Instants, in microseconds, likewise.
    Instants(Vec<i64>),
    /// Anything else.
    Values(Vec<Encoded>),
}

impl Column {
    fn of<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> Self {
        let integer = |value: &Value| match value {
            Value::Integer(n) => Some(*n),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Instant(_) | Value::Blob(_) => None,
        };
        let micros = |value: &Value| match value {
            Value::Instant(at) => Some(at.timestamp_micros()),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => None,
        };
        if let Some(numbers) = distances(values.clone().map(integer)) {
            return Self::Integers(numbers);
        }
        if let Some(instants) = distances(values.clone().map(micros)) {
            return Self::Instants(instants);
        }
        Self::Values(values.cloned().map(Encoded).collect())
    }

    fn into_values(self) -> Vec<Value> {
        match self {
            Self::Integers(numbers) => sums(&numbers).map(Value::Integer).collect(),
            Self::Instants(instants) => {
                let instant = |n| DateTime::from_timestamp_micros(n).map_or(Value::Null, Value::Instant);
                sums(&instants).map(instant).collect()
            }
            Self::Values(values) => values.into_iter().map(|encoded| encoded.0).collect(),
        }
    }
}

/// From each number to the next; none where one is missing.
fn distances(numbers: impl Iterator<Item = Option<i64>>) -> Option<Vec<i64>> {
    let mut before = 0i64;
    let distance = |n: Option<i64>| n.map(|n| n.wrapping_sub(std::mem::replace(&mut before, n)));
    numbers.map(distance).collect()
}

fn sums(distances: &[i64]) -> impl Iterator<Item = i64> {
    distances.iter().scan(0i64, |sum, distance| {
        *sum = sum.wrapping_add(*distance);
        Some(*sum)
    })
}

/// What there is to say of the records of a batch beside their own triggers, which only their judge holds.
#[derive(Clone)]
pub struct Identity {
    names: Identities,
    keys: Vec<Values>,
}

impl Identity {
    pub(super) fn of(rule: RowRule<'_>, keys: Vec<Values>) -> Self {
        let own = |name: &ColumnName| name.as_str().to_owned();
        let names = Identities {
            table: rule.table().name.as_str().to_owned(),
            key: rule.table().key.iter().map(own).collect(),
            trigger: match rule.table().reads {
                Reads::Own(name) => Some(own(name)),
                Reads::Others { .. } | Reads::Nothing => None,
            },
            mark: mark(&rule.rule().action),
            columns: Vec::new(),
        };
        Self { names, keys }
    }

    /// The text to seal, of the records that the judge called due.
    pub fn to_text(mut self, due: &[Due]) -> String {
        self.names.columns = columns(self.names.key.len(), &self.keys);
        let triggers = due.iter().map(|due| due.trigger().own());
        self.names.columns.extend(self.names.trigger.is_some().then(|| Column::of(triggers)));
        self.names.to_text()
    }
}

fn columns(width: usize, keys: &[Values]) -> Vec<Column> {
    (0..width).map(|at| Column::of(keys.iter().map(move |key| key.get(at).unwrap_or(&Value::Null)))).collect()
}

fn mark(action: &Action) -> Option<String> {
    match action {
        Action::Delete => None,
        Action::Pseudonymize { mark, .. } => Some(mark.as_str().to_owned()),
    }
}

impl Identities {
    /// Of a dependent's rows, by their keys alone.
    pub(super) fn of_layer(layer: &Layer<'_>, keys: &[Values]) -> Self {
        Self {
            table: layer.table.as_str().to_owned(),
            key: layer.key.iter().map(|name| name.as_str().to_owned()).collect(),
            trigger: None,
            mark: mark(layer.action),
            columns: columns(layer.key.len(), keys),
        }
    }

    /// The text to seal.
    pub fn to_text(&self) -> String {
        json(self)
    }

    /// What [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn rows(&self) -> Vec<Values> {
        let mut columns: Vec<_> = self.columns.iter().map(|c| c.clone().into_values().into_iter()).collect();
        let count = columns.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
        (0..count).map(|_| columns.iter_mut().filter_map(Iterator::next).collect()).collect()
    }

    /// How many of the records are there as they were, once nobody has them locked any more.
    pub(super) async fn survivors(
        &self,
        handle: &mut Handle<'_>,
        dialect: &Dialect,
    ) -> Result<u64, DatastoreError> {
        let operation = "look for the records of a batch";
        let unexpected = |what: &str| DatastoreError::Unexpected {
            operation,
            expected: "the names of a table and its columns".to_owned(),
            observed: what.to_owned(),
        };
        let name = |text: &String| ColumnName::new(text).map_err(|_| unexpected("a name that is none"));
        let own = TableName::new(&self.table).map_err(|_| unexpected("a name that is none"))?;
        let key = self.key.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let ty = |name| dialect.type_of(&own, name).clone();
        let mut carried: Vec<(String, Type)> =
            key.iter().enumerate().map(|(i, name)| (format!("k{i}"), ty(name))).collect();
        let mut conditions = vec![dialect.is_carried(&own, key.iter(), &carried)];
        if let Some(trigger) = &self.trigger {
            let x = dialect.column("t", &own, &name(trigger)?);
            conditions.push(TriggerSql::is_carried(dialect, &x));
            carried.push(("trig".to_owned(), dialect.text_or_any().clone()));
        }
        if let Some(mark) = &self.mark {
            conditions.push(format!("{} IS NULL", dialect.column("t", &own, &name(mark)?).sql));
        }
        let rows = self.rows();
        let select = dialect.select(&[Expression::integer("count(*)")], |sql| {
            sql.push(" FROM (SELECT 1 FROM ").bulk(&carried, &rows);
            sql.push(&format!(" JOIN {} AS t ON {}", dialect.table(&own), conditions.join(" AND ")));
            // A batch that is still in flight has them locked, and is waited for.
            sql.push(match dialect {
                Dialect::Sqlite => ") AS there",
                Dialect::Postgres(_) => " FOR SHARE OF t) AS there",
                Dialect::MariaDb(_) => " LOCK IN SHARE MODE) AS there",
            });
        });
        handle.number(&select, operation).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_of_identities_is_what_was_sealed() {
        let instant = |n| Value::Instant(DateTime::from_timestamp_micros(n).expect("an instant"));
        let rows = [
            [Value::Integer(i64::MAX), instant(1_700_000_000_000_001), Value::Text("t\"é".to_owned())],
            [Value::Integer(i64::MIN), instant(-62_135_596_800_000_000), Value::Blob(vec![0, 0xff])],
            [Value::Integer(7), instant(0), Value::Null],
            [Value::Integer(8), instant(5), Value::Real(1.5)],
        ];
        let keys: Vec<Values> = rows.iter().map(|row| row.iter().cloned().collect()).collect();
        let identities = Identities {
            table: "t".to_owned(),
            key: ["a", "b", "c"].map(str::to_owned).to_vec(),
            trigger: None,
            mark: None,
            columns: columns(3, &keys),
        };
        let read = Identities::parse(&identities.to_text()).expect("what was written");
        assert_eq!(read.rows(), keys);
        assert!(matches!(&read.columns[..], [Column::Integers(_), Column::Instants(_), Column::Values(_)]));
    }
}

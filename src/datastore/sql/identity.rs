//! What a batch's records were, so that a restart can look whether they are still there.

use serde::{Deserialize, Serialize};

use super::connection::Handle;
use super::dialect::{Dialect, Expression, Type};
use super::layer::Layer;
use super::rows::{encode, parse, write_encoded};
use super::trigger::TriggerSql;
use crate::datastore::error::DatastoreError;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Value;
use crate::rules::bind::{Reads, RowRule};
use crate::rules::decide::{Due, TriggerValue};
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
    /// A JSON array: for each record its key's values and its trigger, encoded.
    rows: String,
}

/// What there is to say of the records of a batch beside their own values, which only their judge holds.
#[derive(Clone)]
pub struct Identity {
    names: Identities,
    /// Of which type each value is.
    keys: Vec<Vec<Value>>,
}

impl Identity {
    pub(super) fn of(rule: RowRule<'_>, keys: Vec<Vec<Value>>) -> Self {
        let own = |name: &ColumnName| name.as_str().to_owned();
        let names = Identities {
            table: rule.table().name.as_str().to_owned(),
            key: rule.table().key.iter().map(own).collect(),
            trigger: match rule.table().reads {
                Reads::Own(name) => Some(own(name)),
                Reads::Others { .. } | Reads::Nothing => None,
            },
            mark: mark(&rule.rule().action),
            rows: String::new(),
        };
        Self { names, keys }
    }

    /// The text to seal, of the records that the judge called due.
    pub fn to_text(mut self, due: &[Due]) -> String {
        let mut rows = String::with_capacity(64 * due.len());
        rows.push('[');
        for (at, (key, due)) in self.keys.iter().zip(due).enumerate() {
            rows.push_str(if at > 0 { ",[" } else { "[" });
            for value in key {
                write_encoded(&mut rows, value);
                rows.push(',');
            }
            match due.trigger() {
                TriggerValue::Own(value) => write_encoded(&mut rows, value),
                TriggerValue::Rows(_) => rows.push_str("null"),
            }
            rows.push(']');
        }
        rows.push(']');
        self.names.rows = rows;
        self.names.to_text()
    }
}

fn mark(action: &Action) -> Option<String> {
    match action {
        Action::Delete => None,
        Action::Pseudonymize { mark, .. } => Some(mark.as_str().to_owned()),
    }
}

impl Identities {
    /// Of a dependent's rows, by their keys alone.
    pub(super) fn of_layer(layer: &Layer<'_>, keys: &[Vec<Value>]) -> Self {
        let rows: Vec<Vec<serde_json::Value>> =
            keys.iter().map(|key| key.iter().map(encode).collect()).collect();
        Self {
            table: layer.table.as_str().to_owned(),
            key: layer.key.iter().map(|name| name.as_str().to_owned()).collect(),
            trigger: None,
            mark: mark(layer.action),
            rows: serde_json::json!(rows).to_string(),
        }
    }

    /// The text to seal.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// How many of the records are there as they were.
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
        let mut carried: Vec<(String, Type)> = Vec::new();
        let mut conditions = Vec::new();
        for (i, key) in self.key.iter().enumerate() {
            let x = dialect.column("t", &own, &name(key)?);
            conditions.push(format!("{} = {}", x.sql, dialect.carried(&format!("k{i}"), &x.ty).sql));
            carried.push((format!("k{i}"), x.ty));
        }
        if let Some(trigger) = &self.trigger {
            let x = dialect.column("t", &own, &name(trigger)?);
            conditions.push(TriggerSql::is_carried(dialect, &x));
            carried.push(("trig".to_owned(), dialect.text_or_any().clone()));
        }
        if let Some(mark) = &self.mark {
            conditions.push(format!("{} IS NULL", dialect.column("t", &own, &name(mark)?).sql));
        }
        let rows = parse(&self.rows)?;
        let select = dialect.select(&[Expression::integer("count(*)")], |sql| {
            sql.push(" FROM ").bulk(&carried, &rows);
            sql.push(&format!(" JOIN {} AS t ON {}", dialect.table(&own), conditions.join(" AND ")));
            // A batch that is still in flight has them locked, and is waited for.
            if let Dialect::MariaDb(_) = dialect {
                sql.push(" LOCK IN SHARE MODE");
            }
        });
        handle.number(&select, operation).await
    }
}

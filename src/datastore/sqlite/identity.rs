//! What a batch's records were, so that a restart can look whether they are still there.

use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection};

use super::connect::{failed, one};
use super::layer::Layer;
use super::sql::{Sql, column, decoded, encoded, table};
use crate::datastore::error::DatastoreError;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Value;
use crate::rules::bind::{Reads, RowRule};
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

impl Identities {
    pub(super) fn of(rule: RowRule<'_>, rows: String) -> Self {
        let own = |name: &ColumnName| name.as_str().to_owned();
        Self {
            table: rule.table().name.as_str().to_owned(),
            key: rule.table().key.iter().map(own).collect(),
            trigger: match rule.table().reads {
                Reads::Own(name) => Some(own(name)),
                Reads::Others { .. } | Reads::Nothing => None,
            },
            mark: match &rule.rule().action {
                Action::Delete => None,
                Action::Pseudonymize { mark, .. } => Some(own(mark)),
            },
            rows,
        }
    }

    /// Of a dependent's rows, by their keys alone.
    pub(super) fn of_layer(layer: &Layer<'_>, rows: String) -> Self {
        Self {
            table: layer.table.as_str().to_owned(),
            key: layer.key.iter().map(|name| name.as_str().to_owned()).collect(),
            trigger: None,
            mark: match layer.action {
                Action::Delete => None,
                Action::Pseudonymize { mark, .. } => Some(mark.as_str().to_owned()),
            },
            rows,
        }
    }

    /// Leaves those at these positions: whoever is not disposed of survives, and that says nothing about the batch.
    pub(super) fn keep(&mut self, positions: &[u32]) -> Result<(), DatastoreError> {
        let unexpected = || DatastoreError::Unexpected {
            operation: "narrow a batch to what is due",
            expected: "a JSON array with a row for each of its records".to_owned(),
            observed: "text that is not".to_owned(),
        };
        let rows: Vec<serde_json::Value> = serde_json::from_str(&self.rows).map_err(|_| unexpected())?;
        let kept = positions.iter().map(|p| rows.get(usize::try_from(*p).ok()?).cloned());
        self.rows = serde_json::Value::Array(kept.collect::<Option<_>>().ok_or_else(unexpected)?).to_string();
        Ok(())
    }

    /// The text to seal.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) async fn survivors(&self, connection: &mut SqliteConnection) -> Result<u64, DatastoreError> {
        let operation = "look for the records of a batch";
        let unexpected = |what: &str| DatastoreError::Unexpected {
            operation,
            expected: "the names of a table and its columns".to_owned(),
            observed: what.to_owned(),
        };
        let name = |text: &String| ColumnName::new(text).map_err(|_| unexpected("a name that is none"));
        let own = TableName::new(&self.table).map_err(|_| unexpected("a name that is none"))?;
        let mut conditions = Vec::new();
        for (i, key) in self.key.iter().enumerate() {
            let wanted = decoded(&format!("json_extract(j.value, '$[{i}]')"));
            conditions.push(format!("{} = {wanted}", column("t", &name(key)?)));
        }
        if let Some(trigger) = &self.trigger {
            let held = encoded(&column("t", &name(trigger)?));
            conditions.push(format!("{held} IS json_extract(j.value, '$[{}]')", self.key.len()));
        }
        if let Some(mark) = &self.mark {
            conditions.push(format!("{} IS NULL", column("t", &name(mark)?)));
        }
        let sql = Sql {
            text: format!(
                "SELECT count(*) FROM json_each(?1) AS j JOIN {} AS t ON {}",
                table(&own),
                conditions.join(" AND ")
            ),
            args: vec![Value::Text(self.rows.clone())],
        };
        let count: i64 = one(connection, &sql, operation).await?.try_get(0).map_err(failed(operation))?;
        Ok(count.unsigned_abs())
    }
}

//! The datasets of a rule, and the temporary tables through which a batch of them goes.

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use super::connect::{run, text};
use super::read::Rows;
use super::sql::{Sql, column, decoded, encoded, quote, table};
use crate::datastore::error::DatastoreError;
use crate::model::key::Key;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Value;
use crate::pseudonym::{PseudonymKey, replace};
use crate::rules::bind::{BoundRule, MarkKind};
use crate::rules::rule::{Action, Match, Strategy};

/// The temporary table of a batch's pseudonyms.
const PSEUDONYMS: &str = "temp.expunged_pseudonyms";

/// A dataset of the rule and the temporary table that holds a batch of it: the record's own is number 0.
pub(super) struct Layer<'r> {
    pub(super) number: usize,
    pub(super) parent: Option<usize>,
    pub(super) table: &'r TableName,
    pub(super) key: &'r [ColumnName],
    pub(super) matches: &'r [Match],
    pub(super) action: &'r Action,
    pub(super) mark: Option<MarkKind>,
    /// Columns that dependents of this one match.
    pub(super) matched: Vec<&'r ColumnName>,
}

pub(super) fn layers<'r>(rule: &'r BoundRule<'_>) -> Vec<Layer<'r>> {
    let own = rule.rule();
    let mut layers = vec![Layer {
        number: 0,
        parent: None,
        table: &own.table,
        key: &own.key,
        matches: &[],
        action: &own.action,
        mark: rule.mark(),
        matched: Vec::new(),
    }];
    for (at, bound) in rule.dependents().iter().enumerate() {
        let parent = bound.of.map_or(0, |of| of + 1);
        for m in &bound.dependent.matches {
            if !layers[parent].matched.contains(&&m.ours) {
                layers[parent].matched.push(&m.ours);
            }
        }
        layers.push(Layer {
            number: at + 1,
            parent: Some(parent),
            table: &bound.dependent.table,
            key: &bound.key,
            matches: &bound.dependent.matches,
            action: &bound.dependent.action,
            mark: bound.mark,
            matched: Vec::new(),
        });
    }
    layers
}

/// One column by itself, several as a row value.
pub(super) fn vector(columns: &[String]) -> String {
    match columns {
        [only] => only.clone(),
        several => format!("({})", several.join(", ")),
    }
}

pub(super) fn quoted_match(name: &ColumnName) -> String {
    quote(&format!("m:{name}"))
}

impl Layer<'_> {
    pub(super) fn temp(&self) -> String {
        format!("temp.expunged_batch_{}", self.number)
    }

    /// Key columns, the trigger, what dependents match, and what will be replaced.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = (0..self.key.len()).map(|i| format!("k{i}")).collect();
        columns.push("trig".to_owned());
        columns.extend(self.matched.iter().map(|m| quoted_match(m)));
        columns.extend((0..self.replaced().len()).map(|i| format!("v{i}")));
        columns
    }

    /// What fills them, from the table `t`.
    pub(super) fn sources(&self, trigger: &str) -> Vec<String> {
        let mut sources: Vec<String> = self.key.iter().map(|c| column("t", c)).collect();
        sources.push(trigger.to_owned());
        sources.extend(self.matched.iter().map(|m| column("t", m)));
        sources.extend(self.replaced().iter().map(|(name, _)| column("t", name)));
        sources
    }

    /// The same for a dependent, whose keys are told apart to the byte, whatever their collation.
    pub(super) fn distinct_sources(&self) -> Vec<String> {
        let mut sources = self.sources("NULL");
        for source in sources.iter_mut().take(self.key.len()) {
            source.push_str(" COLLATE BINARY");
        }
        sources
    }

    pub(super) fn create(&self) -> String {
        format!(
            "CREATE TEMP TABLE {} (n INTEGER PRIMARY KEY, {})",
            self.temp().replace("temp.", ""),
            self.columns().join(", ")
        )
    }

    pub(super) fn replaced(&self) -> &[(ColumnName, Strategy)] {
        match self.action {
            Action::Delete => &[],
            Action::Pseudonymize { columns, .. } => columns,
        }
    }

    pub(super) fn key_list(&self) -> String {
        (0..self.key.len()).map(|i| format!("k{i}")).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn in_batch(&self) -> String {
        let key: Vec<String> = self.key.iter().map(|c| column("t", c)).collect();
        format!("{} IN (SELECT {} FROM {})", vector(&key), self.key_list(), self.temp())
    }

    pub(super) fn unchanged(&self, reading: &str) -> String {
        let key = self.key.iter().map(|c| column("t", c)).collect::<Vec<_>>().join(", ");
        format!("({key}, {reading}) IN (SELECT {}, trig FROM {})", self.key_list(), self.temp())
    }

    /// The keys of the batch, and the values that will be replaced, in the order of `n`.
    pub(super) async fn read(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(Vec<Key>, Vec<Vec<Value>>), DatastoreError> {
        let columns = self.columns().into_iter().filter(|c| c.starts_with('k') || c.starts_with('v'));
        let columns = columns.map(|c| encoded(&format!("b.{c}"))).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT json_group_array(json_array({columns})) FROM (SELECT * FROM {} ORDER BY n) AS b",
            self.temp()
        );
        let json = text(connection, &Sql::new(sql), "read a batch").await?;
        let mut keys = Vec::new();
        let mut values = Vec::new();
        for mut row in Rows::parse(&json)? {
            let replaced = row.split_off(self.key.len());
            keys.push(Key::from_values(&row)?);
            values.push(replaced);
        }
        Ok((keys, values))
    }

    pub(super) async fn store_pseudonyms(
        &self,
        connection: &mut SqliteConnection,
        strategies: &[(ColumnName, Strategy)],
        values: &[Vec<Value>],
        key: Option<&PseudonymKey>,
    ) -> Result<(), DatastoreError> {
        let operation = "store a batch's pseudonyms";
        let mut rows = Vec::with_capacity(values.len());
        for row in values {
            let replaced =
                strategies.iter().zip(row).map(|((_, strategy), value)| replace(strategy, value, key));
            rows.push(replaced.map(|v| v.map(|v| Rows::encode(&v))).collect::<Result<Vec<_>, _>>()?);
        }
        let columns: Vec<String> = (0..strategies.len()).map(|i| format!("v{i}")).collect();
        let extracted: Vec<String> =
            (0..strategies.len()).map(|i| decoded(&format!("json_extract(j.value, '$[{i}]')"))).collect();
        for statement in [
            format!("DROP TABLE IF EXISTS {PSEUDONYMS}"),
            format!("CREATE TEMP TABLE expunged_pseudonyms (at INTEGER PRIMARY KEY, {})", columns.join(", ")),
        ] {
            run(connection, &Sql::new(statement), operation).await?;
        }
        // Both are read in the order of n, which may have holes where something was not due.
        let insert = Sql {
            text: format!(
                "INSERT INTO {} (at, {}) SELECT b.n, {} FROM (SELECT n, row_number() OVER (ORDER BY n) - 1 AS at FROM {}) AS b \
                 JOIN json_each(?1) AS j ON j.key = b.at",
                PSEUDONYMS,
                columns.join(", "),
                extracted.join(", "),
                self.temp(),
            ),
            args: vec![Value::Text(
                serde_json::Value::from(rows.into_iter().map(serde_json::Value::from).collect::<Vec<_>>())
                    .to_string(),
            )],
        };
        run(connection, &insert, operation).await.map(drop)
    }

    pub(super) fn update(&self, mark: &ColumnName, at: DateTime<Utc>) -> Sql {
        let set = self
            .replaced()
            .iter()
            .enumerate()
            .map(|(i, (name, _))| format!("{} = p.v{i}", quote(name.as_str())));
        let set = set.collect::<Vec<_>>().join(", ");
        let same: Vec<String> =
            self.key.iter().enumerate().map(|(i, c)| format!("{} = b.k{i}", column("t", c))).collect();
        let mut sql =
            Sql::new(format!("UPDATE {} AS t SET {set}, {} = ", table(self.table), quote(mark.as_str())));
        sql.bind(match self.mark {
            Some(MarkKind::Date) => Value::Text(at.format("%Y-%m-%d").to_string()),
            Some(MarkKind::Integer) => Value::Integer(at.timestamp()),
            Some(MarkKind::Instant) | None => Value::Text(at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
        });
        sql.push(&format!(
            " FROM {} AS b JOIN {} AS p ON p.at = b.n WHERE {} AND {} IS NULL",
            self.temp(),
            PSEUDONYMS,
            same.join(" AND "),
            column("t", mark),
        ));
        sql
    }
}

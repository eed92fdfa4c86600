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
use crate::rules::bind::{BoundDependents, MarkKind, RowRule};
use crate::rules::rule::{Action, Match, Strategy};

/// The temporary table of a batch's pseudonyms.
const PSEUDONYMS: &str = "temp.expunged_pseudonyms";

/// A dataset of the rule in this datastore, and the temporary table that holds a batch of it. The record's own is number 0 of
/// the rule's own datastore.
pub(super) struct Layer<'r> {
    pub(super) number: usize,
    /// The dependent's position in the rule; none: the rule's own records.
    pub(super) at: Option<usize>,
    pub(super) hangs_on: HangsOn,
    pub(super) table: &'r TableName,
    pub(super) key: &'r [ColumnName],
    pub(super) matches: &'r [Match],
    pub(super) action: &'r Action,
    pub(super) mark: Option<MarkKind>,
    /// Whose the rule's own records are, where it has to be read.
    pub(super) subject: Option<&'r ColumnName>,
    /// Columns that lead to what hangs on this one, wherever that is.
    pub(super) matched: Vec<&'r ColumnName>,
}

/// Where the rows are that a layer's rows belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangsOn {
    /// Nowhere: these are the rule's own records.
    Nothing,
    /// In another layer.
    Layer(usize),
    /// In another datastore, whose values a table of their own holds.
    Links,
}

/// The layers of a rule in one of its datastores, by its number among the shares.
pub(super) fn layers(rule: RowRule<'_>, share: usize) -> Vec<Layer<'_>> {
    let mut layers = Vec::new();
    if share == 0 {
        let table = rule.table();
        layers.push(Layer {
            number: 0,
            at: None,
            hangs_on: HangsOn::Nothing,
            table: table.name,
            key: table.key,
            matches: &[],
            action: &rule.rule().action,
            mark: table.mark,
            subject: rule.people().map(|people| people.column),
            matched: leads(rule, None),
        });
    }
    let here = rule.bound().shares().get(share).map_or(&[][..], |share| &share.dependents);
    for at in here {
        let bound = &rule.dependents()[*at];
        let BoundDependents::Rows { table, key, matches, mark } = &bound.dataset else { continue };
        let parent = layers.iter().position(|layer: &Layer<'_>| layer.at == bound.of);
        layers.push(Layer {
            number: layers.len(),
            at: Some(*at),
            hangs_on: parent.map_or(HangsOn::Links, HangsOn::Layer),
            table,
            key,
            matches,
            action: &bound.dependent.action,
            mark: *mark,
            subject: None,
            matched: leads(rule, Some(*at)),
        });
    }
    layers
}

/// The columns that lead from a dependent, or from the record, to what hangs on it.
fn leads(rule: RowRule<'_>, from: Option<usize>) -> Vec<&ColumnName> {
    let mut columns = Vec::new();
    for bound in rule.dependents().iter().filter(|bound| bound.of == from) {
        for column in bound.links() {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    columns
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

    /// The temporary table of the rows that these belong to.
    pub(super) fn parents(&self) -> String {
        match self.hangs_on {
            HangsOn::Layer(number) => format!("temp.expunged_batch_{number}"),
            HangsOn::Nothing | HangsOn::Links => format!("temp.expunged_links_{}", self.number),
        }
    }

    /// Key columns, the trigger, whose it is, what dependents match, and what will be replaced.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = (0..self.key.len()).map(|i| format!("k{i}")).collect();
        columns.push("trig".to_owned());
        columns.extend(self.subject.map(|_| "subj".to_owned()));
        columns.extend(self.matched.iter().map(|m| quoted_match(m)));
        columns.extend((0..self.replaced().len()).map(|i| format!("v{i}")));
        columns
    }

    /// What fills them, from the table `t`.
    pub(super) fn sources(&self, trigger: &str) -> Vec<String> {
        let mut sources: Vec<String> = self.key.iter().map(|c| column("t", c)).collect();
        sources.push(trigger.to_owned());
        sources.extend(self.subject.map(|name| column("t", name)));
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

    /// Makes its tables anew.
    pub(super) async fn create(&self, connection: &mut SqliteConnection) -> Result<(), DatastoreError> {
        let mut statements = vec![
            format!("DROP TABLE IF EXISTS {}", self.temp()),
            format!("CREATE TABLE {} (n INTEGER PRIMARY KEY, {})", self.temp(), self.columns().join(", ")),
        ];
        if self.hangs_on == HangsOn::Links {
            let links: Vec<String> = self.matches.iter().map(|m| quoted_match(&m.ours)).collect();
            statements.push(format!("DROP TABLE IF EXISTS {}", self.parents()));
            statements.push(format!("CREATE TABLE {} ({})", self.parents(), links.join(", ")));
        }
        for statement in statements {
            run(connection, &Sql::new(statement), "make a temporary table").await?;
        }
        Ok(())
    }

    /// Fills the table of the rows that these belong to with their values from another datastore.
    pub(super) async fn link(
        &self,
        connection: &mut SqliteConnection,
        rows: &[Vec<Value>],
    ) -> Result<(), DatastoreError> {
        let operation = "store what leads to a batch";
        run(connection, &Sql::new(format!("DELETE FROM {}", self.parents())), operation).await?;
        let values: Vec<String> =
            (0..self.matches.len()).map(|i| decoded(&format!("json_extract(j.value, '$[{i}]')"))).collect();
        let rows: Vec<Vec<serde_json::Value>> =
            rows.iter().map(|row| row.iter().map(Rows::encode).collect()).collect();
        let insert = Sql {
            text: format!(
                "INSERT INTO {} SELECT {} FROM json_each(?1) AS j",
                self.parents(),
                values.join(", ")
            ),
            args: vec![Value::Text(serde_json::json!(rows).to_string())],
        };
        run(connection, &insert, operation).await.map(drop)
    }

    /// The values of these columns over the batch, each combination once.
    pub(super) async fn leading(
        &self,
        connection: &mut SqliteConnection,
        columns: &[&ColumnName],
    ) -> Result<Vec<Vec<Value>>, DatastoreError> {
        let listed: Vec<String> =
            columns.iter().map(|c| encoded(&format!("b.{}", quoted_match(c)))).collect();
        let distinct: Vec<String> = columns.iter().map(|c| quoted_match(c)).collect();
        let sql = format!(
            "SELECT json_group_array(json_array({})) FROM (SELECT DISTINCT {} FROM {}) AS b",
            listed.join(", "),
            distinct.join(", "),
            self.temp()
        );
        Rows::parse(&text(connection, &Sql::new(sql), "read what leads on from a batch").await?)
    }

    /// The keys of the batch as they are sealed for a restart.
    pub(super) async fn encoded_keys(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<String, DatastoreError> {
        let keys: Vec<String> = (0..self.key.len()).map(|i| encoded(&format!("b.k{i}"))).collect();
        let sql =
            format!("SELECT json_group_array(json_array({})) FROM {} AS b", keys.join(", "), self.temp());
        text(connection, &Sql::new(sql), "read a batch").await
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
        // Whatever a constraint says of conflicts, here and in triggers: `ON CONFLICT REPLACE` would delete another record, uncounted.
        let update =
            format!("UPDATE OR ABORT {} AS t SET {set}, {} = ", table(self.table), quote(mark.as_str()));
        let mut sql = Sql::new(update);
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

//! The datasets of a rule in one datastore, and the rows of each that a batch holds.

use chrono::{DateTime, Utc};

use super::dialect::{Dialect, Expression, Type};
use super::rows::{Encode, json};
use super::statement::Sql;
use super::trigger::TriggerSql;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::key::{Key, NOT_UTF8};
use crate::model::name::{ColumnName, TableName};
use crate::model::value::{Value, Values};
use crate::pseudonym::{PseudonymKey, replace};
use crate::rules::bind::{BoundDependents, MarkKind, RowRule};
use crate::rules::rule::{Action, Match, Strategy};

/// A dataset of the rule in this datastore. The record's own is the first of the rule's own datastore.
pub(super) struct Layer<'r> {
    /// The dependent's position in the rule; none: the rule's own records.
    pub(super) at: Option<usize>,
    pub(super) hangs_on: HangsOn,
    pub(super) table: &'r TableName,
    pub(super) key: &'r [ColumnName],
    pub(super) matches: &'r [Match],
    pub(super) action: &'r Action,
    pub(super) mark: Option<MarkKind>,
    /// Whether a foreign key acts on its rows when those go that they hang on.
    pub(super) followed: bool,
    /// Columns that lead to what hangs on this one, wherever that is.
    pub(super) matched: Vec<&'r ColumnName>,
    /// Columns by which other layers of the same table tell rows apart, beside its own key.
    also: Vec<&'r ColumnName>,
}

/// Where the rows are that a layer's rows belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangsOn {
    /// Nowhere: these are the rule's own records.
    Nothing,
    /// In another layer.
    Layer(usize),
    /// In another datastore.
    Links,
}

/// The layers of a rule in one of its datastores, by its number among the shares.
pub(super) fn layers(rule: RowRule<'_>, share: usize) -> Vec<Layer<'_>> {
    let mut layers = Vec::new();
    if share == 0 {
        let table = rule.table();
        layers.push(Layer {
            at: None,
            hangs_on: HangsOn::Nothing,
            table: table.name,
            key: table.key,
            matches: &[],
            action: &rule.rule().action,
            mark: table.mark,
            followed: false,
            matched: leads(rule, None),
            also: Vec::new(),
        });
    }
    let here = rule.bound().shares().get(share).map_or(&[][..], |share| &share.dependents);
    for at in here {
        let bound = &rule.dependents()[*at];
        let BoundDependents::Rows { table, key, matches, mark, followed } = &bound.dataset else { continue };
        let parent = layers.iter().position(|layer: &Layer<'_>| layer.at == bound.of);
        layers.push(Layer {
            at: Some(*at),
            hangs_on: parent.map_or(HangsOn::Links, HangsOn::Layer),
            table,
            key,
            matches,
            action: &bound.dependent.action,
            mark: *mark,
            followed: *followed,
            matched: leads(rule, Some(*at)),
            also: Vec::new(),
        });
    }
    for at in 0..layers.len() {
        let layer = &layers[at];
        let others = layers.iter().filter(|other| other.table == layer.table).flat_map(|other| other.key);
        let mut also: Vec<&ColumnName> = others.filter(|name| !layer.key.contains(name)).collect();
        also.sort();
        also.dedup();
        layers[at].also = also;
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

impl<'r> Layer<'r> {
    pub(super) fn replaced(&self) -> &'r [(ColumnName, Strategy)] {
        match self.action {
            Action::Delete => &[],
            Action::Pseudonymize { columns, .. } => columns,
        }
    }

    /// Those of them whose new values are computed row by row. What is the same for every row stands in the statement.
    fn computed(&self) -> impl Iterator<Item = &'r (ColumnName, Strategy)> + use<'r> {
        self.replaced().iter().filter(|(_, strategy)| match strategy {
            Strategy::Null | Strategy::Fixed(_) => false,
            Strategy::Random | Strategy::Keyed | Strategy::TruncateIp | Strategy::TruncateDate => true,
        })
    }

    fn named(&self, dialect: &Dialect, name: &ColumnName) -> Expression {
        dialect.column("t", self.table, name)
    }

    /// What a batch reads of each row: its key, what leads on from it, what its new values are computed from, and what else tells it apart.
    pub(super) fn columns(&self, dialect: &Dialect) -> Vec<Expression> {
        let named = |name: &ColumnName| self.named(dialect, name);
        let computed = self.computed().map(|(name, strategy)| match strategy {
            // Nothing but NULL stays what it is: nobody needs to read the rest.
            Strategy::Random => {
                Expression::integer(format!("CASE WHEN {} IS NULL THEN NULL ELSE 1 END", named(name).sql))
            }
            Strategy::Null
            | Strategy::Fixed(_)
            | Strategy::Keyed
            | Strategy::TruncateIp
            | Strategy::TruncateDate => named(name),
        });
        let own = self.key.iter().chain(self.matched.iter().copied()).map(named);
        own.chain(computed).chain(self.also.iter().copied().map(named)).collect()
    }

    /// The key as the rows that a statement carries have it.
    pub(super) fn carried_key(&self, dialect: &Dialect) -> Vec<(String, Type)> {
        let ty = |name| dialect.type_of(self.table, name).clone();
        self.key.iter().enumerate().map(|(i, name)| (format!("k{i}"), ty(name))).collect()
    }

    /// Whether a record `t` is the row `b` that the statement carries.
    pub(super) fn is_carried(&self, dialect: &Dialect) -> String {
        dialect.is_carried(self.table, self.key.iter(), &self.carried_key(dialect))
    }

    /// The statement that deletes these rows by their keys; conditions over `t` may follow. With a trigger, `rows` hold behind each key
    /// what it has to read still.
    pub(super) fn delete(&self, dialect: &Dialect, rows: &[Values], trigger: Option<&TriggerSql<'_>>) -> Sql {
        let table = dialect.table(self.table);
        let mut columns = self.carried_key(dialect);
        if trigger.is_some() {
            columns.push(("trig".to_owned(), dialect.text_or_any().clone()));
        }
        let unchanged = trigger.map(|t| format!(" AND {}", t.unchanged())).unwrap_or_default();
        match dialect {
            // SQLite deletes from no join.
            Dialect::Sqlite => {
                let mut named: Vec<String> =
                    self.key.iter().map(|name| self.named(dialect, name).sql).collect();
                named.extend(trigger.map(|t| t.reading().sql));
                let carried: Vec<String> = columns.iter().map(|(name, _)| format!("b.{name}")).collect();
                let mut sql = dialect.sql(format!(
                    "DELETE FROM {table} AS t WHERE {} IN (SELECT {} FROM ",
                    vector(&named),
                    carried.join(", ")
                ));
                sql.bulk(&columns, rows).push(")");
                sql
            }
            Dialect::Postgres(_) => {
                let mut sql = dialect.sql(format!("DELETE FROM {table} AS t USING "));
                sql.bulk(&columns, rows).push(&format!(" WHERE {}{unchanged}", self.is_carried(dialect)));
                sql
            }
            Dialect::MariaDb(_) => {
                let mut sql = dialect.sql("DELETE t FROM ");
                sql.bulk(&columns, rows);
                sql.push(&format!(
                    " STRAIGHT_JOIN {table} AS t WHERE {}{unchanged}",
                    self.is_carried(dialect)
                ));
                sql
            }
        }
    }

    /// The statement that replaces values: `rows` are keys with what replaces them; none that are done already.
    pub(super) fn update(
        &self,
        dialect: &Dialect,
        mark: &ColumnName,
        at: DateTime<Utc>,
        rows: &[Values],
    ) -> Sql {
        let ty = |name| dialect.type_of(self.table, name).clone();
        let mut columns = self.carried_key(dialect);
        columns.extend(self.computed().enumerate().map(|(i, (name, _))| (format!("v{i}"), ty(name))));
        let table = dialect.table(self.table);
        let marked = match self.mark {
            Some(MarkKind::Date) => Value::Text(at.format("%Y-%m-%d").to_string()),
            Some(MarkKind::Integer) => Value::Integer(at.timestamp()),
            Some(MarkKind::Instant) | None => Value::Instant(at),
        };
        let set = |sql: &mut Sql, alias: &str| {
            let mut carried = (0..).map(|i| format!("v{i}"));
            for (name, strategy) in self.replaced() {
                sql.push(&format!("{alias}{} = ", dialect.quote(name.as_str())));
                match strategy {
                    Strategy::Null => drop(sql.push("NULL")),
                    Strategy::Fixed(text) => {
                        sql.push(&format!(
                            "CASE WHEN {} IS NULL THEN NULL ELSE ",
                            self.named(dialect, name).sql
                        ));
                        sql.bind(&Value::Text(text.clone()), &ty(name)).push(" END");
                    }
                    Strategy::Random | Strategy::Keyed | Strategy::TruncateIp | Strategy::TruncateDate => {
                        let value = dialect.carried(&carried.next().unwrap_or_default(), &ty(name));
                        sql.push(&value.sql);
                    }
                }
                sql.push(", ");
            }
            sql.push(&format!("{alias}{} = ", dialect.quote(mark.as_str()))).bind(&marked, &ty(mark));
        };
        let mut sql = match dialect {
            // Whatever a constraint says of conflicts, here and in triggers: `ON CONFLICT REPLACE` would delete another record, uncounted.
            Dialect::Sqlite => dialect.sql(format!("UPDATE OR ABORT {table} AS t SET ")),
            Dialect::Postgres(_) => dialect.sql(format!("UPDATE {table} AS t SET ")),
            Dialect::MariaDb(_) => {
                let mut sql = dialect.sql("UPDATE ");
                sql.bulk(&columns, rows).push(&format!(" STRAIGHT_JOIN {table} AS t SET "));
                sql
            }
        };
        match dialect {
            Dialect::Sqlite | Dialect::Postgres(_) => {
                set(&mut sql, "");
                sql.push(" FROM ").bulk(&columns, rows).push(" WHERE ");
            }
            Dialect::MariaDb(_) => {
                set(&mut sql, "t.");
                sql.push(" WHERE ");
            }
        }
        sql.push(&format!("{} AND {} IS NULL", self.is_carried(dialect), self.named(dialect, mark).sql));
        sql
    }
}

/// Rows of a layer: locked, or known to be nobody else's, until the transaction ends.
pub(super) struct Held<'r> {
    pub(super) layer: Layer<'r>,
    rows: Vec<Values>,
    /// Rows that another layer of the same table disposes of: what hangs on them elsewhere hangs on them still.
    ceded: Vec<Values>,
}

impl<'r> Held<'r> {
    pub(super) fn none(layer: Layer<'r>) -> Self {
        Self { layer, rows: Vec::new(), ceded: Vec::new() }
    }

    /// As [`Layer::columns`] reads them.
    pub(super) fn put(&mut self, rows: Vec<Values>) {
        self.rows = rows;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Leaves the others to another layer.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let (kept, ceded): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.rows).into_iter().enumerate().partition(|(at, _)| keep(*at));
        self.rows = kept.into_iter().map(|(_, row)| row).collect();
        self.ceded.extend(ceded.into_iter().map(|(_, row)| row));
    }

    fn key_of<'v>(&self, row: &'v [Value]) -> &'v [Value] {
        &row[..self.layer.key.len()]
    }

    pub(super) fn key_values(&self) -> Vec<Values> {
        self.rows.iter().map(|row| Values::from(self.key_of(row))).collect()
    }

    pub(super) fn keys(&self) -> Result<Vec<Key>, DatastoreError> {
        self.rows.iter().map(|row| Ok(Key::from_values(self.key_of(row))?)).collect()
    }

    /// The values of these columns over the rows, each combination once, without NULL, which matches nothing. Refused where one of them is a text
    /// that cannot be told from others, once it is read.
    pub(super) fn leading<'n>(
        &self,
        columns: impl Iterator<Item = &'n ColumnName>,
    ) -> Result<Vec<Values>, DatastoreError> {
        let start = self.layer.key.len();
        let at: Vec<usize> = columns
            .filter_map(|name| self.layer.matched.iter().position(|matched| *matched == name))
            .map(|at| start + at)
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        let mut leading = Vec::new();
        for row in self.rows.iter().chain(&self.ceded) {
            let values: Values = at.iter().map(|at| row[*at].clone()).collect();
            told_apart(&values, "a text that leads to its dependents is not UTF-8")?;
            if !values.contains(&Value::Null) && seen.insert(fingerprint(&values)) {
                leading.push(values);
            }
        }
        Ok(leading)
    }

    /// Its keys with what replaces the values beside them.
    pub(super) fn replacements(&self, key: Option<&PseudonymKey>) -> Result<Vec<Values>, DatastoreError> {
        let start = self.layer.key.len() + self.layer.matched.len();
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let mut replaced = Values::from(self.key_of(row));
            for ((_, strategy), value) in self.layer.computed().zip(&row[start..]) {
                if *strategy == Strategy::Keyed {
                    told_apart(
                        std::slice::from_ref(value),
                        "a text that a pseudonym would stand for is not UTF-8",
                    )?;
                }
                replaced.push(replace(strategy, value, key)?);
            }
            rows.push(replaced);
        }
        Ok(rows)
    }

    /// What tells its rows apart from all of the table's, whichever layer leads to them.
    pub(super) fn identities(&self) -> Vec<String> {
        let beside = self.layer.key.len() + self.layer.matched.len() + self.layer.computed().count();
        let names: Vec<&ColumnName> = self.layer.key.iter().chain(self.layer.also.iter().copied()).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|at| names[*at]);
        let value = |row: &[Value], at: usize| match at.checked_sub(self.layer.key.len()) {
            None => row[at].clone(),
            Some(other) => row[beside + other].clone(),
        };
        self.rows
            .iter()
            .map(|row| fingerprint(&order.iter().map(|at| value(row, *at)).collect::<Vec<_>>()))
            .collect()
    }

    /// Each row once, however many records lead to it.
    pub(super) fn once(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        let width = self.layer.key.len();
        self.rows.retain(|row| seen.insert(fingerprint(&row[..width])));
    }
}

/// Refuses a text that was not UTF-8 where it was read ([`NOT_UTF8`]).
fn told_apart(values: &[Value], why: &'static str) -> Result<(), DatastoreError> {
    let is_not = |value: &Value| matches!(value, Value::Text(text) if text.contains(NOT_UTF8));
    if values.iter().any(is_not) {
        let source = EngineError::Refused(why);
        return Err(DatastoreError::Statement { operation: "tell what a batch leads to", source });
    }
    Ok(())
}

/// Values as a text that two of them share only if they are the same, type and all.
fn fingerprint(values: &[Value]) -> String {
    json(&values.iter().map(Encode).collect::<Vec<_>>())
}

//! The tables of a test's world. The real ones are proved elsewhere; here every column exists, with the type its values and the
//! rule's reading suggest.

use std::collections::BTreeMap;

use crate::datastore::sql::TrialTable;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::value::Value;
use crate::rules::rule::{
    Action, Dataset, Dependent, DependentDataset, Match, Row, Rule, RuleTest, TestRecords, TriggerPlace,
};

/// A table, and what it holds at first.
pub(super) struct PlannedTable {
    pub table: TrialTable,
    pub rows: Vec<Row>,
}

/// The tables that the rule and the test speak of.
pub(super) fn tables(rule: &Rule, test: &RuleTest) -> BTreeMap<DatastoreName, Vec<PlannedTable>> {
    let mut plan = Plan::default();
    let Dataset::Table { table: own, key } = &rule.dataset else { return BTreeMap::new() };
    let own = (rule.datastore.clone(), own.clone());
    let here = |table: &TableName| (rule.datastore.clone(), table.clone());
    plan.of(&own, key);
    plan.columns(&own, rule.subject.iter().map(|s| &s.column));
    plan.columns(&own, rule.only.iter().map(|c| &c.column));
    plan.action(&own, &rule.action);
    if let TriggerPlace::Rows { table, matches, .. } = &rule.trigger.place {
        plan.matches(&here(table), &own, matches);
    }
    for unless in &rule.unless {
        plan.matches(&here(&unless.table), &own, &unless.matches);
        plan.columns(&here(&unless.table), unless.only.iter().map(|c| &c.column));
    }
    for dependent in &rule.dependents {
        plan.dependent(rule, dependent, &own);
    }
    if let TestRecords::Rows(records) = &test.records {
        plan.rows(&own, records);
    }
    for (table, rows) in test.rows.iter().chain(&test.after) {
        plan.columns(&located(rule, table), rows.iter().flatten().map(|(name, _)| name));
    }
    for (table, rows) in &test.rows {
        plan.rows(&located(rule, table), rows);
    }
    for (table, rows) in test.steps.iter().flat_map(|step| &step.rows) {
        plan.typed(&located(rule, table), rows);
    }
    plan.trigger(rule, &own);
    plan.tables()
}

/// A table of a datastore.
pub(super) type Located = (DatastoreName, TableName);

/// Where a table that a test names is: with the dependent that names it, else with the rule's own.
pub(super) fn located(rule: &Rule, table: &TableName) -> Located {
    let of_dependent =
        |d: &&Dependent| matches!(&d.dataset, DependentDataset::Rows { table: t, .. } if t == table);
    let own = rule.dataset.name() == table.as_str();
    let dependent = rule.dependents.iter().find(of_dependent).filter(|_| !own);
    (dependent.map_or(&rule.datastore, |d| &d.datastore).clone(), table.clone())
}

#[derive(Default)]
struct Plan {
    tables: BTreeMap<Located, Planned>,
    /// Columns by which files are named: text, where no row says that they are numbers.
    naming: Vec<(Located, ColumnName)>,
}

#[derive(Default)]
struct Planned {
    key: Vec<ColumnName>,
    columns: BTreeMap<ColumnName, &'static str>,
    rows: Vec<Row>,
}

impl Plan {
    fn of(&mut self, table: &Located, key: &[ColumnName]) {
        self.columns(table, key.iter());
        if let (Some(planned), false) = (self.tables.get_mut(table), key.is_empty()) {
            key.clone_into(&mut planned.key);
        }
    }

    fn columns<'n>(&mut self, table: &Located, names: impl Iterator<Item = &'n ColumnName>) {
        let planned = self.tables.entry(table.clone()).or_default();
        for name in names {
            planned.columns.entry(name.clone()).or_insert("");
        }
    }

    fn matches(&mut self, theirs: &Located, ours: &Located, matches: &[Match]) {
        self.columns(theirs, matches.iter().map(|m| &m.theirs));
        self.columns(ours, matches.iter().map(|m| &m.ours));
    }

    fn action(&mut self, table: &Located, action: &Action) {
        if let Action::Pseudonymize { columns, mark } = action {
            self.columns(table, columns.iter().map(|(name, _)| name));
            self.columns(table, std::iter::once(mark));
            self.declare(table, mark, "timestamptz");
        }
    }

    fn declare(&mut self, table: &Located, name: &ColumnName, declared: &'static str) {
        if let Some(planned) = self.tables.get_mut(table) {
            planned.columns.insert(name.clone(), declared);
        }
    }

    fn rows(&mut self, table: &Located, rows: &[Row]) {
        self.typed(table, rows);
        if let Some(planned) = self.tables.get_mut(table) {
            planned.rows.extend(rows.iter().cloned());
        }
    }

    /// Columns for rows that are there from the start, or come later.
    fn typed(&mut self, table: &Located, rows: &[Row]) {
        self.columns(table, rows.iter().flatten().map(|(name, _)| name));
        for (name, value) in rows.iter().flatten() {
            let guess = match value {
                Value::Integer(_) => "integer",
                Value::Null | Value::Real(_) | Value::Text(_) | Value::Instant(_) | Value::Blob(_) => {
                    continue;
                }
            };
            if let Some(declared) = self.tables.get_mut(table).and_then(|p| p.columns.get_mut(name))
                && declared.is_empty()
            {
                *declared = guess;
            }
        }
    }

    fn dependent(&mut self, rule: &Rule, dependent: &Dependent, own: &Located) {
        let parent = dependent.of.as_ref().and_then(|of| rule.dependents.iter().find(|d| &d.id == of));
        let parent = parent.and_then(|parent| match &parent.dataset {
            DependentDataset::Rows { table, .. } => Some((parent.datastore.clone(), table.clone())),
            DependentDataset::Files { .. } | DependentDataset::Keys(_) => None,
        });
        let parent = parent.unwrap_or_else(|| own.clone());
        match &dependent.dataset {
            DependentDataset::Files { pattern, .. } => {
                self.columns(&parent, pattern.columns());
                self.naming.extend(pattern.columns().map(|name| (parent.clone(), name.clone())));
            }
            DependentDataset::Keys(keys) => self.columns(&parent, keys.columns()),
            DependentDataset::Rows { table, key, matches } => {
                let table = (dependent.datastore.clone(), table.clone());
                self.matches(&table, &parent, matches);
                self.action(&table, &dependent.action);
                self.of(&table, key.as_deref().unwrap_or_default());
            }
        }
    }

    /// The rule's reading says what the column is; without one, whether the values look like dates.
    fn trigger(&mut self, rule: &Rule, own: &Located) {
        let (table, name) = match &rule.trigger.place {
            TriggerPlace::Column(name) => (own.clone(), name),
            TriggerPlace::Rows { table, column, .. } => ((own.0.clone(), table.clone()), column),
            TriggerPlace::Modified
            | TriggerPlace::Name
            | TriggerPlace::ObjectModified
            | TriggerPlace::Field(_)
            | TriggerPlace::Idle
            | TriggerPlace::Request => return,
        };
        let table = &table;
        self.columns(table, std::iter::once(name));
        let reading = &rule.trigger.reading;
        let dates = self.tables.get(table).into_iter().flat_map(|p| p.rows.iter().flatten());
        let dates =
            dates.filter(|(n, _)| n == name).any(|(_, v)| matches!(v, Value::Text(t) if t.len() == 10));
        let declared = match (reading.unit, &reading.format, reading.time_zone) {
            (Some(_), _, _) => "integer",
            (None, Some(_), _) => "text",
            (None, None, Some(_)) => "timestamp",
            (None, None, None) if dates => "date",
            (None, None, None) => "timestamptz",
        };
        self.declare(table, name, declared);
    }

    /// A table whose key nobody names has `id`, or a number of its own.
    fn tables(mut self) -> BTreeMap<DatastoreName, Vec<PlannedTable>> {
        for (table, name) in &self.naming {
            let column = self.tables.get_mut(table).and_then(|planned| planned.columns.get_mut(name));
            if let Some(declared) = column.filter(|declared| declared.is_empty()) {
                *declared = "text";
            }
        }
        let own = |text: &str| ColumnName::new(text).ok();
        let mut tables: BTreeMap<DatastoreName, Vec<PlannedTable>> = BTreeMap::new();
        for ((datastore, name), mut planned) in self.tables {
            if planned.key.is_empty() {
                let id =
                    own("id").filter(|id| planned.columns.contains_key(id)).or_else(|| own("trial_number"));
                if let Some(id) = &id {
                    planned.columns.insert(id.clone(), "integer");
                }
                planned.key = id.into_iter().collect();
            }
            let columns = planned.columns.into_iter().collect();
            let table = TrialTable { name, columns, key: planned.key };
            tables.entry(datastore).or_default().push(PlannedTable { table, rows: planned.rows });
        }
        tables
    }
}

//! The tests inside rule files: each builds a small world in memory, asks the judge, and lets the very statements of a
//! sweep run on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::datastore::DatastoreError;
use crate::datastore::sqlite::{Cursor, Phase, TrialTable, Writer};
use crate::model::catalogue::Catalogue;
use crate::model::name::{ColumnName, TableName};
use crate::model::now::Now;
use crate::model::orders::{HoldScope, Orders};
use crate::model::value::Value;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::{BoundRule, bind};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Due, Verdict, decide};
use crate::rules::rule::{Action, Expected, Match, Row, Rule, RuleTest, Step, TriggerPlace};

/// What a test found wrong; empty when it passed.
pub type Failures = Vec<String>;

/// A test's world holds no more records than this; one selection sees them all.
const WORLD: u32 = 10_000;

/// Runs one test.
pub async fn run(rule: &Rule, test: &RuleTest) -> Failures {
    let mut failures = Vec::new();
    if let Err(error) = attempt(rule, test, &mut failures).await {
        failures.push(error);
    }
    failures
}

async fn attempt(rule: &Rule, test: &RuleTest, failures: &mut Failures) -> Result<(), String> {
    let tables = tables(rule, test);
    let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
    let mut world = Writer::trial(&tables).await.map_err(chain)?;
    let catalogue = world.catalogue().await.map_err(chain)?;
    let bound = bind(rule, &catalogue)
        .map_err(|problems| problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("; "))?;
    world.begin_rule(&bound).await.map_err(chain)?;
    let mut orders = Orders::default();
    if test.held {
        orders.holds.push(HoldScope::Rule(rule.id.clone()));
    }
    for step in &test.steps {
        verdicts(&mut world, &bound, &catalogue, test, &orders, step, failures).await?;
    }
    if let (false, Some(step)) = (test.after.is_empty(), test.steps.last()) {
        aftermath(&mut world, &bound, test, &orders, step, failures).await.map_err(chain)?;
    }
    Ok(())
}

/// Each record's verdict against the expected one, and the records a sweep's own statements select against the verdicts.
async fn verdicts(
    world: &mut Writer,
    bound: &BoundRule<'_>,
    catalogue: &Catalogue,
    test: &RuleTest,
    orders: &Orders,
    step: &Step,
    failures: &mut Failures,
) -> Result<(), String> {
    let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
    let now = Now::given(step.at);
    let mut judged_due = BTreeSet::new();
    for (number, (record, expected)) in (1..).zip(test.records.iter().zip(&step.expect)) {
        let key = typed_key(bound.rule(), record)
            .ok_or_else(|| format!("record {number} does not name every column of the key"))?;
        let found = world.look_up(bound, catalogue, &key).await.map_err(chain)?;
        let Some(found) = found else { return Err(format!("record {number} cannot be found by its key")) };
        let verdict = if found.selected {
            let identity = found.record.key.as_str().to_owned();
            let verdict = decide(bound, found.record, orders, now);
            if matches!(verdict, Verdict::Due(_) | Verdict::Overdue(_)) {
                judged_due.insert(identity);
            }
            word(&verdict)
        } else {
            Expected::Kept
        };
        if verdict != *expected {
            failures.push(format!(
                "at {}, record {number}: expected {expected}, observed {verdict}",
                step.at.to_rfc3339()
            ));
        }
    }
    let swept: BTreeSet<String> = due(world, bound, orders, now).await.map_err(chain)?.into_iter().collect();
    if swept != judged_due {
        failures.push(format!(
            "at {}, a sweep selects {} records where the judge finds {} due: report this as a bug",
            step.at.to_rfc3339(),
            swept.len(),
            judged_due.len()
        ));
    }
    Ok(())
}

/// The keys a sweep would dispose of.
async fn due(
    world: &mut Writer,
    bound: &BoundRule<'_>,
    orders: &Orders,
    now: Now,
) -> Result<Vec<String>, DatastoreError> {
    let cutoffs = Cutoffs::of(bound, now);
    let mut keys = Vec::new();
    for phase in [Phase::Exact, Phase::Candidates] {
        let mut selected = world.select(bound, &cutoffs, phase, &Cursor::default(), WORLD).await?;
        for record in std::mem::take(&mut selected.page.records) {
            if let Verdict::Due(due) | Verdict::Overdue(due) = decide(bound, record, orders, now) {
                keys.push(due.key().as_str().to_owned());
            }
        }
        selected.rollback().await?;
    }
    Ok(keys)
}

/// What is left after a sweep at the step, against `after`.
async fn aftermath(
    world: &mut Writer,
    bound: &BoundRule<'_>,
    test: &RuleTest,
    orders: &Orders,
    step: &Step,
    failures: &mut Failures,
) -> Result<(), DatastoreError> {
    let now = Now::given(step.at);
    let cutoffs = Cutoffs::of(bound, now);
    // A test's key: pseudonyms of a trial join with nothing outside it.
    let pseudonyms = PseudonymKey::from_bytes(zeroize::Zeroizing::new([7; 32]));
    // One transaction holds one phase. A test whose records need both would be told what the first leaves.
    let exact = due_in(world, bound, &cutoffs, orders, now, Phase::Exact).await?;
    let phase = if exact == 0 { Phase::Candidates } else { Phase::Exact };
    let mut selected = world.select(bound, &cutoffs, phase, &Cursor::default(), WORLD).await?;
    let due: Vec<Due> = std::mem::take(&mut selected.page.records)
        .into_iter()
        .filter_map(|record| match decide(bound, record, orders, now) {
            Verdict::Due(due) | Verdict::Overdue(due) => Some(due),
            Verdict::Kept(_) | Verdict::Held(_) | Verdict::Undated(_) => None,
        })
        .collect();
    let judged = selected.keep_only(due).await?;
    let mut prepared = judged.dispose(now.eligible, Some(&pseudonyms)).await?;
    for (table, rows) in &test.after {
        let mut columns: Vec<ColumnName> = rows.iter().flatten().map(|(name, _)| name.clone()).collect();
        columns.sort();
        columns.dedup();
        let mut left = prepared.holds(table, &columns).await?;
        for (number, row) in (1..).zip(rows) {
            let fits = |held: &Vec<Value>| {
                row.iter().all(|(name, value)| {
                    columns.iter().position(|c| c == name).is_some_and(|i| held.get(i) == Some(value))
                })
            };
            match left.iter().position(fits) {
                Some(at) => drop(left.remove(at)),
                None => {
                    failures
                        .push(format!("after the sweep, `{table}` does not hold row {number} of `after`"));
                }
            }
        }
        if !left.is_empty() {
            failures.push(format!(
                "after the sweep, `{table}` holds {} rows that `after` does not name",
                left.len()
            ));
        }
    }
    prepared.rollback().await
}

async fn due_in(
    world: &mut Writer,
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
    phase: Phase,
) -> Result<usize, DatastoreError> {
    let mut selected = world.select(bound, cutoffs, phase, &Cursor::default(), WORLD).await?;
    let records = std::mem::take(&mut selected.page.records);
    let count = records
        .into_iter()
        .map(|record| decide(bound, record, orders, now))
        .filter(|verdict| matches!(verdict, Verdict::Due(_) | Verdict::Overdue(_)))
        .count();
    selected.rollback().await?;
    Ok(count)
}

fn word(verdict: &Verdict) -> Expected {
    match verdict {
        Verdict::Kept(_) => Expected::Kept,
        Verdict::Due(_) => Expected::Due,
        Verdict::Overdue(_) => Expected::Overdue,
        Verdict::Held(_) => Expected::Held,
        Verdict::Undated(_) => Expected::Undated,
    }
}

fn typed_key(rule: &Rule, record: &Row) -> Option<Vec<String>> {
    rule.key
        .iter()
        .map(|name| match record.iter().find(|(column, _)| column == name)?.1.clone() {
            Value::Integer(n) => Some(n.to_string()),
            Value::Text(text) => Some(text),
            Value::Null | Value::Real(_) | Value::Blob(_) => None,
        })
        .collect()
}

/// The tables that the rule and the test speak of. The real ones are proved elsewhere; here every column exists, with the
/// type its values and the rule's reading suggest.
fn tables(rule: &Rule, test: &RuleTest) -> Vec<TrialTable> {
    let mut plan = Plan::default();
    plan.of(&rule.table, &rule.key);
    plan.columns(&rule.table, rule.subject.iter().map(|s| &s.column));
    plan.columns(&rule.table, rule.only.iter().map(|c| &c.column));
    plan.action(&rule.table, &rule.action);
    if let TriggerPlace::Rows { table, matches, .. } = &rule.trigger.place {
        plan.matches(table, &rule.table, matches);
    }
    for unless in &rule.unless {
        plan.matches(&unless.table, &rule.table, &unless.matches);
        plan.columns(&unless.table, unless.only.iter().map(|c| &c.column));
    }
    for dependent in &rule.dependents {
        let parent = dependent.of.as_ref().and_then(|of| rule.dependents.iter().find(|d| &d.id == of));
        plan.matches(&dependent.table, parent.map_or(&rule.table, |p| &p.table), &dependent.matches);
        plan.action(&dependent.table, &dependent.action);
        plan.of(&dependent.table, dependent.key.as_deref().unwrap_or_default());
    }
    plan.rows(&rule.table, &test.records);
    for (table, rows) in test.rows.iter().chain(&test.after) {
        plan.columns(table, rows.iter().flatten().map(|(name, _)| name));
    }
    for (table, rows) in &test.rows {
        plan.rows(table, rows);
    }
    plan.trigger(rule);
    plan.tables()
}

#[derive(Default)]
struct Plan {
    tables: BTreeMap<TableName, Planned>,
}

#[derive(Default)]
struct Planned {
    key: Vec<ColumnName>,
    columns: BTreeMap<ColumnName, &'static str>,
    rows: Vec<Row>,
}

impl Plan {
    fn of(&mut self, table: &TableName, key: &[ColumnName]) {
        self.columns(table, key.iter());
        if let (Some(planned), false) = (self.tables.get_mut(table), key.is_empty()) {
            key.clone_into(&mut planned.key);
        }
    }

    fn columns<'n>(&mut self, table: &TableName, names: impl Iterator<Item = &'n ColumnName>) {
        let planned = self.tables.entry(table.clone()).or_default();
        for name in names {
            planned.columns.entry(name.clone()).or_insert("");
        }
    }

    fn matches(&mut self, theirs: &TableName, ours: &TableName, matches: &[Match]) {
        self.columns(theirs, matches.iter().map(|m| &m.theirs));
        self.columns(ours, matches.iter().map(|m| &m.ours));
    }

    fn action(&mut self, table: &TableName, action: &Action) {
        if let Action::Pseudonymize { columns, mark } = action {
            self.columns(table, columns.iter().map(|(name, _)| name));
            self.columns(table, std::iter::once(mark));
            self.declare(table, mark, "timestamptz");
        }
    }

    fn declare(&mut self, table: &TableName, name: &ColumnName, declared: &'static str) {
        if let Some(planned) = self.tables.get_mut(table) {
            planned.columns.insert(name.clone(), declared);
        }
    }

    fn rows(&mut self, table: &TableName, rows: &[Row]) {
        self.columns(table, rows.iter().flatten().map(|(name, _)| name));
        for (name, value) in rows.iter().flatten() {
            let guess = match value {
                Value::Integer(_) => "integer",
                Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => continue,
            };
            if let Some(declared) = self.tables.get_mut(table).and_then(|p| p.columns.get_mut(name))
                && declared.is_empty()
            {
                *declared = guess;
            }
        }
        if let Some(planned) = self.tables.get_mut(table) {
            planned.rows.extend(rows.iter().cloned());
        }
    }

    /// The rule's reading says what the column is; without one, whether the values look like dates.
    fn trigger(&mut self, rule: &Rule) {
        let (table, name) = match &rule.trigger.place {
            TriggerPlace::Column(name) => (&rule.table, name),
            TriggerPlace::Rows { table, column, .. } => (table, column),
        };
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
    fn tables(self) -> Vec<TrialTable> {
        let own = |text: &str| ColumnName::new(text).ok();
        let mut tables = Vec::new();
        for (name, mut planned) in self.tables {
            if planned.key.is_empty() {
                let id =
                    own("id").filter(|id| planned.columns.contains_key(id)).or_else(|| own("trial_number"));
                if let Some(id) = &id {
                    planned.columns.insert(id.clone(), "integer");
                }
                planned.key = id.into_iter().collect();
            }
            let columns = planned.columns.into_iter().collect();
            tables.push(TrialTable { name, columns, key: planned.key, rows: planned.rows });
        }
        tables
    }
}

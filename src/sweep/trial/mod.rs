//! The tests inside rule files: each builds a small world, tables in memory and files in a temporary directory, asks the
//! judge, and lets the very statements of a sweep run on it.

mod plan;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tempfile::TempDir;

use super::shares::{Remote, give_up};
use crate::datastore::sqlite::{self, Cursor, Phase};
use crate::datastore::{DatastoreError, Explained, Prepared, Writer, files};
use crate::model::catalogue::Catalogues;
use crate::model::key::Key;
use crate::model::name::{ColumnName, DatastoreName};
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::model::value::Value;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::{BoundDataset, BoundRule, RowRule, bind};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Due, Verdict, decide};
use crate::rules::rule::{Expected, Row, Rule, RuleTest, Step, TestRecords};

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

/// What a test is about: databases in memory, trees on the disk.
struct World {
    databases: BTreeMap<DatastoreName, sqlite::Writer>,
    catalogues: Catalogues,
    trees: BTreeMap<DatastoreName, TempDir>,
}

impl World {
    async fn of(rule: &Rule, test: &RuleTest) -> Result<Self, String> {
        let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
        let (mut databases, mut catalogues) = (BTreeMap::new(), Catalogues::new());
        for (name, tables) in plan::tables(rule, test) {
            let mut database = sqlite::Writer::trial(&tables).await.map_err(chain)?;
            catalogues.insert(name.clone(), database.catalogue().await.map_err(chain)?);
            databases.insert(name, database);
        }
        Ok(Self { databases, catalogues, trees: tree::plant(rule, test)? })
    }
}

async fn attempt(rule: &Rule, test: &RuleTest, failures: &mut Failures) -> Result<(), String> {
    let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
    let mut world = World::of(rule, test).await?;
    let bound = bind(rule, &world.catalogues)
        .map_err(|problems| problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("; "))?;
    if let (Some(rows), Some(own)) = (bound.rows(), world.databases.get_mut(&rule.datastore)) {
        own.begin_rule(rows).await.map_err(chain)?;
    }
    let orders = if test.held { Orders::hold_on_all() } else { Orders::default() };
    for step in &test.steps {
        verdicts(&mut world, &bound, test, &orders, step, failures).await?;
    }
    let Some(step) = test.steps.last() else { return Ok(()) };
    if test.after.is_empty() && test.after_files.is_empty() {
        return Ok(());
    }
    if let Some(rows) = bound.rows() {
        return aftermath(&mut world, rows, test, &orders, step, failures).await.map_err(chain);
    }
    let gone = due(&mut world, &bound, &orders, Now::given(step.at)).await.map_err(chain)?;
    let gone = gone.into_iter().collect();
    tree::compare(&world.trees, test, &BTreeMap::from([(rule.datastore.clone(), gone)]), failures)
}

/// Each record's verdict against the expected one, and the records a sweep's own statements select against the verdicts.
async fn verdicts(
    world: &mut World,
    bound: &BoundRule<'_>,
    test: &RuleTest,
    orders: &Orders,
    step: &Step,
    failures: &mut Failures,
) -> Result<(), String> {
    let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
    let now = Now::given(step.at);
    let mut judged_due = BTreeSet::new();
    for (number, expected) in (1..).zip(&step.expect) {
        let found = look_up(world, bound, &test.records, number).await?;
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

/// A record of the test by its number, from 1.
async fn look_up(
    world: &mut World,
    bound: &BoundRule<'_>,
    records: &TestRecords,
    number: usize,
) -> Result<Option<Explained>, String> {
    let chain = |error: DatastoreError| crate::diagnostic::chain(&error);
    let datastore = &bound.rule().datastore;
    match (records, bound.rows()) {
        (TestRecords::Rows(records), Some(rows)) => {
            let (Some(record), Some(database), Some(catalogue)) = (
                records.get(number - 1),
                world.databases.get_mut(datastore),
                world.catalogues.get(datastore),
            ) else {
                return Ok(None);
            };
            let key = typed_key(rows, record)
                .ok_or_else(|| format!("record {number} does not name every column of the key"))?;
            database.look_up(rows, catalogue, &key).await.map_err(chain)
        }
        (TestRecords::Files(records), _) => {
            let (Some(file), Some(tree)) = (records.get(number - 1), world.trees.get(datastore)) else {
                return Ok(None);
            };
            files::find(tree.path(), bound, &file.path).map_err(chain)
        }
        (TestRecords::Rows(_), None) => Ok(None),
    }
}

/// The keys a sweep would dispose of.
async fn due(
    world: &mut World,
    bound: &BoundRule<'_>,
    orders: &Orders,
    now: Now,
) -> Result<Vec<String>, DatastoreError> {
    let mut keys = Vec::new();
    let datastore = &bound.rule().datastore;
    let mut add = |verdict| {
        if let Verdict::Due(due) | Verdict::Overdue(due) = verdict {
            keys.push(Due::key(&due).as_str().to_owned());
        }
    };
    if let BoundDataset::Files(pattern) = bound.dataset() {
        let Some(tree) = world.trees.get(datastore) else { return Ok(keys) };
        let mut pages = files::Pages::open(tree.path(), pattern, WORLD)?;
        while let Some(page) = pages.next().await? {
            for found in &page.files {
                add(decide(bound, files::record(bound, found, 0)?, orders, now));
            }
        }
        return Ok(keys);
    }
    let (Some(rows), Some(database)) = (bound.rows(), world.databases.get_mut(datastore)) else {
        return Ok(keys);
    };
    let cutoffs = Cutoffs::of(bound, now);
    for phase in [Phase::Exact, Phase::Candidates] {
        let mut selected = database.select(rows, &cutoffs, phase, &Cursor::default(), WORLD).await?;
        for record in std::mem::take(&mut selected.page.records) {
            add(decide(bound, record, orders, now));
        }
        selected.rollback().await?;
    }
    Ok(keys)
}

/// What is left after a sweep at the step, against `after` and `after_files`.
async fn aftermath(
    world: &mut World,
    rows: RowRule<'_>,
    test: &RuleTest,
    orders: &Orders,
    step: &Step,
    failures: &mut Failures,
) -> Result<(), DatastoreError> {
    let now = Now::given(step.at);
    let cutoffs = Cutoffs::of(rows.bound(), now);
    // A test's key: pseudonyms of a trial join with nothing outside it.
    let pseudonyms = PseudonymKey::from_bytes(zeroize::Zeroizing::new([7; 32]));
    let mut writers = Vec::new();
    for share in rows.bound().shares().iter().skip(1) {
        match (world.databases.remove(share.datastore), world.trees.get(share.datastore)) {
            (Some(database), _) => writers.push(Writer::Sqlite(Box::new(database))),
            (None, Some(tree)) => writers.push(Writer::Files(Arc::new(files::Tree::open(tree.path())?))),
            (None, None) => {}
        }
    }
    let mut remote = Remote::over(writers, rows).await?;
    let Some(database) = world.databases.get_mut(&rows.rule().datastore) else { return Ok(()) };
    // One transaction holds one phase. A test whose records need both would be told what the first leaves.
    let exact = due_in(database, rows, &cutoffs, orders, now, Phase::Exact).await?;
    let phase = if exact == 0 { Phase::Candidates } else { Phase::Exact };
    let mut selected = database.select(rows, &cutoffs, phase, &Cursor::default(), WORLD).await?;
    let due: Vec<Due> = std::mem::take(&mut selected.page.records)
        .into_iter()
        .filter_map(|record| match decide(rows.bound(), record, orders, now) {
            Verdict::Due(due) | Verdict::Overdue(due) => Some(due),
            Verdict::Kept(_) | Verdict::Held(_) | Verdict::Undated(_) => None,
        })
        .collect();
    let judged = selected.keep_only(due).await?;
    let prepared = judged.dispose(now.eligible, Some(&pseudonyms)).await?;
    let mut own = Prepared::Sqlite(Box::new(prepared));
    let mut others = remote.prepare(rows, &mut own, now.eligible, Some(&pseudonyms)).await?;
    for (table, expected) in &test.after {
        let (datastore, table) = plan::located(rows.rule(), table);
        let share = rows.bound().shares().iter().position(|share| share.datastore == &datastore);
        let holder = match share {
            Some(number) if number > 0 => others.get_mut(number - 1),
            Some(_) | None => Some(&mut own),
        };
        if let Some(Prepared::Sqlite(prepared)) = holder {
            compare(prepared, &table, expected, failures).await?;
        }
    }
    let mut gone: BTreeMap<DatastoreName, BTreeSet<String>> = BTreeMap::new();
    for (share, prepared) in rows.bound().shares().iter().skip(1).zip(&others) {
        let keys = prepared.parts().iter().flat_map(|part| &part.keys).map(Key::as_str).map(str::to_owned);
        gone.insert(share.datastore.clone(), keys.collect());
    }
    tree::compare(&world.trees, test, &gone, failures).unwrap_or_else(|error| failures.push(error));
    give_up(others).await?;
    own.rollback().await
}

async fn compare(
    prepared: &mut sqlite::Prepared<'_>,
    table: &crate::model::name::TableName,
    rows: &[Row],
    failures: &mut Failures,
) -> Result<(), DatastoreError> {
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
                failures.push(format!("after the sweep, `{table}` does not hold row {number} of `after`"));
            }
        }
    }
    if !left.is_empty() {
        failures
            .push(format!("after the sweep, `{table}` holds {} rows that `after` does not name", left.len()));
    }
    Ok(())
}

async fn due_in(
    database: &mut sqlite::Writer,
    rows: RowRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
    phase: Phase,
) -> Result<usize, DatastoreError> {
    let mut selected = database.select(rows, cutoffs, phase, &Cursor::default(), WORLD).await?;
    let records = std::mem::take(&mut selected.page.records);
    let count = records
        .into_iter()
        .map(|record| decide(rows.bound(), record, orders, now))
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

fn typed_key(rows: RowRule<'_>, record: &Row) -> Option<Vec<String>> {
    let part = |name: &ColumnName| match record.iter().find(|(column, _)| column == name)?.1.clone() {
        Value::Integer(n) => Some(n.to_string()),
        Value::Text(text) => Some(text),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    };
    rows.table().key.iter().map(part).collect()
}

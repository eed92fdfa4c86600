//! What is wrong with a test's own world, before anybody is judged in it.

use std::collections::BTreeSet;

use super::{Failure, Failures};
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::quoted;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::orders::SubjectId;
use crate::rules::rule::{
    Action, Dataset, DependentDataset, Match, Row, Rule, RuleTest, TestRecords, TriggerPlace,
};

/// Everything at once; nothing is tried while something is found.
pub(super) fn check(rule: &Rule, test: &RuleTest) -> Failures {
    let mut found = Vec::new();
    if let (TestRecords::Rows(records), Dataset::Table { table, key }) = (&test.records, &rule.dataset) {
        keys(records, table, key, &mut found);
    }
    requests(rule, test, &mut found);
    let known = tables(rule);
    let of_steps = test.steps.iter().flat_map(|step| &step.rows);
    for (place, table) in test.rows.iter().chain(of_steps).map(|(table, _)| ("rows", table)) {
        found.extend(unknown_table(place, table, &known));
    }
    let trees = trees(rule);
    for (place, named) in [("files", &test.files), ("after_files", &test.after_files)] {
        found.extend(named.iter().filter_map(|(datastore, _)| unknown_tree(place, datastore, &trees)));
    }
    for (table, rows) in &test.after {
        found.extend(unknown_table("after", table, &known));
        let columns = columns(rule, test, table);
        let named: BTreeSet<&ColumnName> = rows.iter().flatten().map(|(name, _)| name).collect();
        for column in named.into_iter().filter(|name| !columns.contains(name)) {
            found.push(unknown_column(table, column, &columns));
        }
    }
    found
}

/// Every record has its key, and each another one.
fn keys(records: &[Row], table: &TableName, key: &[ColumnName], found: &mut Failures) {
    let mut seen: Vec<(Row, usize)> = Vec::new();
    for (number, record) in (1..).zip(records) {
        let value = |column: &ColumnName| record.iter().find(|(name, _)| name == column).cloned();
        let missing: Vec<String> =
            key.iter().filter(|c| value(c).is_none()).map(|c| format!("`{c}`")).collect();
        if !missing.is_empty() {
            found.push(Failure {
                what: format!(
                    "record {number} lacks {}, expected the whole key of `{table}`",
                    missing.join(", ")
                ),
                why: vec![format!("add {} to the record", missing.join(" and "))],
            });
            continue;
        }
        let own: Row = key.iter().filter_map(value).collect();
        if let Some((_, other)) = seen.iter().find(|(other, _)| *other == own) {
            found.push(Failure {
                what: format!("records {other} and {number} have the same key, expected one record a key"),
                why: vec!["give each another key".to_owned()],
            });
        }
        seen.push((own, number));
    }
}

/// Every request can reach a record while somebody looks.
fn requests(rule: &Rule, test: &RuleTest, found: &mut Failures) {
    if test.requests.is_empty() {
        return;
    }
    let Some(subject) = &rule.subject else {
        found.push(Failure {
            what: "`requests` names data subjects, but the rule has no `subject`: no request reaches its records"
                .to_owned(),
            why: vec!["take it out, or say in the rule which column holds the data subject's id".to_owned()],
        });
        return;
    };
    let TestRecords::Rows(records) = &test.records else { return };
    let values = records.iter().flatten().filter(|(name, _)| *name == subject.column);
    let subjects: BTreeSet<SubjectId> = values.filter_map(|(_, value)| SubjectId::stored(value)).collect();
    let names: Vec<String> = subjects.iter().map(SubjectId::text).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let last = test.steps.iter().map(|step| step.at).max();
    for (asking, at) in &test.requests {
        let id = asking.text();
        if !subjects.contains(asking) {
            let otherwise = format!("give a record `{} = …` of this value", subject.column);
            found.push(Failure {
                what: format!("`requests` names {}, and no record is theirs", quoted(&id)),
                why: vec![did_you_mean(&id, &names, otherwise)],
            });
        }
        if last.is_some_and(|last| last < *at) {
            found.push(Failure {
                what: format!("{} requests erasure after the last instant of the test", quoted(&id)),
                why: vec!["look at the records at that instant, or later".to_owned()],
            });
        }
    }
}

/// The tables that the rule looks at or disposes of something in.
fn tables(rule: &Rule) -> Vec<&TableName> {
    let mut tables = Vec::new();
    if let Dataset::Table { table, .. } = &rule.dataset {
        tables.push(table);
    }
    if let TriggerPlace::Rows { table, .. } = &rule.trigger.place {
        tables.push(table);
    }
    tables.extend(rule.unless.iter().map(|unless| &unless.table));
    tables.extend(rule.dependents.iter().filter_map(|dependent| match &dependent.dataset {
        DependentDataset::Rows { table, .. } => Some(table),
        DependentDataset::Files { .. } | DependentDataset::Keys(_) => None,
    }));
    tables.sort();
    tables.dedup();
    tables
}

fn unknown_table(key: &str, table: &TableName, known: &[&TableName]) -> Option<Failure> {
    if known.contains(&table) {
        return None;
    }
    let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    let help = another(table.as_str(), &names, "the rule looks at no table");
    let what = format!("`{key}` names table `{table}`, which the rule neither looks at nor disposes of");
    Some(Failure { what, why: vec![help] })
}

/// What to write instead of a name that means nothing here; `none`: why nothing would.
fn another(name: &str, known: &[&str], none: &str) -> String {
    let otherwise = match known {
        [] => format!("take it out: {none}"),
        known => format!("take it out, or name one of {}", known.join(", ")),
    };
    did_you_mean(name, known, otherwise)
}

/// The datastores in which the rule disposes of files.
fn trees(rule: &Rule) -> BTreeSet<&DatastoreName> {
    let own = matches!(rule.dataset, Dataset::Files(_)).then_some(&rule.datastore);
    let dependents = rule.dependents.iter().filter(|d| matches!(d.dataset, DependentDataset::Files { .. }));
    own.into_iter().chain(dependents.map(|d| &d.datastore)).collect()
}

fn unknown_tree(key: &str, datastore: &DatastoreName, known: &BTreeSet<&DatastoreName>) -> Option<Failure> {
    if known.contains(datastore) {
        return None;
    }
    let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    let help = another(datastore.as_str(), &names, "the rule disposes of no files");
    let what = format!("`{key}` names datastore `{datastore}`, in which the rule disposes of no files");
    Some(Failure { what, why: vec![help] })
}

/// The columns of a table that the rule or a row of the test names.
fn columns<'t>(rule: &'t Rule, test: &'t RuleTest, table: &TableName) -> BTreeSet<&'t ColumnName> {
    let mut columns = BTreeSet::new();
    let theirs = |matches: &'t [Match]| matches.iter().map(|m| &m.theirs);
    if let Dataset::Table { table: own, key } = &rule.dataset
        && own == table
    {
        columns.extend(key);
        columns.extend(rule.subject.iter().map(|s| &s.column));
        columns.extend(rule.only.iter().map(|c| &c.column));
        columns.extend(of_action(&rule.action));
        if let TriggerPlace::Column(column) = &rule.trigger.place {
            columns.insert(column);
        }
        if let TestRecords::Rows(records) = &test.records {
            columns.extend(records.iter().flatten().map(|(name, _)| name));
        }
    }
    if let TriggerPlace::Rows { table: read, matches, column, .. } = &rule.trigger.place
        && read == table
    {
        columns.extend(theirs(matches).chain([column]));
    }
    for unless in rule.unless.iter().filter(|unless| unless.table == *table) {
        columns.extend(theirs(&unless.matches).chain(unless.only.iter().map(|c| &c.column)));
    }
    for dependent in &rule.dependents {
        if let DependentDataset::Rows { table: of, key, matches } = &dependent.dataset
            && of == table
        {
            columns.extend(key.iter().flatten().chain(theirs(matches)));
            columns.extend(of_action(&dependent.action));
        }
    }
    let of_steps = test.steps.iter().flat_map(|step| &step.rows);
    let rows = test.rows.iter().chain(of_steps).filter(|(name, _)| name == table);
    columns.extend(rows.flat_map(|(_, rows)| rows.iter().flatten().map(|(name, _)| name)));
    columns
}

fn of_action(action: &Action) -> Vec<&ColumnName> {
    match action {
        Action::Delete => Vec::new(),
        Action::Pseudonymize { columns, mark } => {
            columns.iter().map(|(name, _)| name).chain([mark]).collect()
        }
    }
}

fn unknown_column(table: &TableName, column: &ColumnName, known: &BTreeSet<&ColumnName>) -> Failure {
    let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    let otherwise = format!("name one of {}, or give it a value in a row of the test", names.join(", "));
    let help = did_you_mean(column.as_str(), &names, otherwise);
    let what = format!(
        "`after` names column `{column}` of `{table}`, which neither the rule nor a row of the test has"
    );
    Failure { what, why: vec![help] }
}

//! `[[rule.test]]`: what the author says the rule does.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use toml::de::DeValue;

use super::word;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::name::{DatastoreName, TableName};
use crate::model::orders::SubjectId;
use crate::rules::rule::{Dataset, Expected, Row, RuleTest, Step, TestFile, TestRecords, Then};

/// `own` is the rule's dataset, which holds the records.
pub fn test(mut table: Cursor<'_>, own: Option<&Dataset>) -> Option<RuleTest> {
    let place = table.place().file_line();
    let name = table.required("name").and_then(|e| e.sentence());
    let (records, own) = match own {
        Some(Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_)) => {
            (records(&mut table, file).map(TestRecords::Files), None)
        }
        Some(Dataset::Table { table: own, .. }) => {
            (records(&mut table, row).map(TestRecords::Rows), Some(own))
        }
        None => (records(&mut table, row).map(TestRecords::Rows), None),
    };
    let rows = table.optional("rows").map_or(Vec::new(), |e| rows_by_table(&e, own));
    let files = table.optional("files").map_or(Vec::new(), |e| by_datastore(&e));
    let after_files = table.optional("after_files").map_or(Vec::new(), |e| by_datastore(&e));
    let held = table.optional("held").map_or(Some(false), |e| e.boolean());
    let requests = table.optional("requests").map_or(BTreeMap::new(), |e| requests(&e));
    let steps = steps(&mut table, records.as_ref().map(TestRecords::len), own);
    let after = table.optional("after").map_or(Vec::new(), |e| rows_by_table(&e, None));
    table.finish();
    Some(RuleTest {
        name: name?,
        place,
        records: records?,
        rows,
        files,
        held: held?,
        requests,
        steps: steps?,
        after,
        after_files,
    })
}

fn records<T>(table: &mut Cursor<'_>, record: impl Fn(&Entry<'_>) -> Option<T>) -> Option<Vec<T>> {
    let (one, several) = (table.optional("record"), table.optional("records"));
    match (one, several) {
        (Some(entry), None) => Some(vec![record(&entry)?]),
        (None, Some(entry)) => {
            if entry.is_empty() {
                entry.refuse(Code::BadValue, "`records` is empty", "a test needs a record to judge");
            }
            Some(entry.list()?.iter().filter_map(record).collect())
        }
        (Some(_), Some(entry)) => {
            entry.refuse(Code::Conflict, "`record` and `records` exclude each other", "keep one of them");
            None
        }
        (None, None) => {
            let help = "add `record = { column = value }`, values as the datastore holds them";
            table.refuse(Code::MissingKey, "the test has neither `record` nor `records`", help);
            None
        }
    }
}

fn row(entry: &Entry<'_>) -> Option<Row> {
    let value = |(key, value): (&str, Entry<'_>)| {
        let (column, value) = (value.column_of(key), word::held(&value));
        Some((column?, value?))
    };
    Some(super::kept(entry.table()?.entries().into_iter().filter_map(value)))
}

/// `{ path = "…", modified = "…" }`.
fn file(entry: &Entry<'_>) -> Option<TestFile> {
    let mut table = entry.table()?;
    let path = table.required("path").and_then(|e| e.sentence());
    let modified = table.optional("modified").and_then(|e| instant(&e));
    table.finish();
    Some(TestFile { path: path?, modified })
}

/// `{ uploads = ["1/a.txt"] }`.
fn by_datastore(entry: &Entry<'_>) -> Vec<(DatastoreName, Vec<String>)> {
    let mut all = Vec::new();
    for (key, value) in entry.table().map(|mut t| t.entries()).unwrap_or_default() {
        let paths = value.list().unwrap_or_default().iter().filter_map(Entry::sentence).collect();
        match DatastoreName::new(key) {
            Ok(name) => all.push((name, paths)),
            Err(e) => value.refuse(Code::BadValue, e.to_string(), "name a datastore"),
        }
    }
    all
}

/// `{ anna = 2026-03-02T10:00:00+03:00 }`.
fn requests(entry: &Entry<'_>) -> BTreeMap<SubjectId, DateTime<Utc>> {
    let mut all = BTreeMap::new();
    for (key, value) in entry.table().map(|mut t| t.entries()).unwrap_or_default() {
        let Some(subject) = SubjectId::typed(key) else {
            let message = format!("{} is no id of a data subject", quoted(key));
            value.refuse(
                Code::BadValue,
                message,
                "write the id as the records hold it; bytes as `hex:` and lower case",
            );
            continue;
        };
        all.extend(instant(&value).map(|at| (subject, at)));
    }
    all
}

fn rows(entry: &Entry<'_>) -> Option<Vec<Row>> {
    Some(super::kept(entry.list()?.iter().filter_map(row)))
}

fn rows_by_table(entry: &Entry<'_>, own: Option<&TableName>) -> Vec<(TableName, Vec<Row>)> {
    let mut all = Vec::new();
    for (key, value) in entry.table().map(|mut t| t.entries()).unwrap_or_default() {
        match TableName::new(key) {
            Ok(name) if Some(&name) == own => {
                let message = format!("rows of the rule's own table `{name}` are its records");
                value.refuse(Code::Conflict, message, "write them under `records`");
            }
            Ok(name) => all.extend(rows(&value).map(|rows| (name, rows))),
            Err(e) => value.refuse(Code::BadValue, e.to_string(), "name a table"),
        }
    }
    all.shrink_to_fit();
    all
}

/// `at` and `expect`, or `steps`. `records`: how many verdicts each step must name.
fn steps(table: &mut Cursor<'_>, records: Option<usize>, own: Option<&TableName>) -> Option<Vec<Step>> {
    let Some(entry) = table.optional("steps") else {
        let (at, expect) = (instant_of(table), verdicts(table, records));
        let expect = expect.filter(|expect| {
            let gone = expect.contains(&Expected::Gone);
            if gone {
                let help = "a test of one instant has no sweep before it: write `steps`";
                table.refuse(Code::Conflict, "nothing is `gone` before a sweep", help);
            }
            !gone
        });
        return Some(vec![Step { at: at?, rows: Vec::new(), expect: expect?, then: Then::Look }]);
    };
    for key in ["at", "expect"] {
        if let Some(extra) = table.optional(key) {
            let message = format!("`{key}` and `steps` exclude each other");
            extra.refuse(Code::Conflict, message, "move it into a step");
        }
    }
    if entry.is_empty() {
        entry.refuse(Code::BadValue, "`steps` is empty", "a test needs an instant and a verdict");
    }
    let mut steps: Vec<Step> = Vec::new();
    for item in entry.list()? {
        let mut table = item.table()?;
        let step = step(&mut table, records, own);
        table.finish();
        let Some(step) = step else { continue };
        if step.expect.contains(&Expected::Gone) && !steps.iter().any(|s| s.then == Then::Sweep) {
            let message = "nothing is `gone` before a sweep";
            item.refuse(Code::Conflict, message, "write `sweep = true` in the step that disposes of it");
        }
        if steps.last().is_some_and(|last| last.at > step.at) {
            item.refuse(Code::BadValue, "this step's `at` is before the last one's", "time never goes back");
        }
        steps.push(step);
    }
    steps.shrink_to_fit();
    Some(steps)
}

fn step(table: &mut Cursor<'_>, records: Option<usize>, own: Option<&TableName>) -> Option<Step> {
    let at = instant_of(table);
    let rows = table.optional("rows").map_or(Vec::new(), |e| rows_by_table(&e, own));
    let expect = verdicts(table, records);
    let sweep = table.optional("sweep").map_or(Some(false), |e| e.boolean());
    let then = if sweep? { Then::Sweep } else { Then::Look };
    Some(Step { at: at?, rows, expect: expect?, then })
}

fn instant_of(table: &mut Cursor<'_>) -> Option<DateTime<Utc>> {
    table.required("at").and_then(|e| instant(&e))
}

fn verdicts(table: &mut Cursor<'_>, records: Option<usize>) -> Option<Vec<Expected>> {
    table.required("expect").and_then(|e| expected(&e, records))
}

fn instant(entry: &Entry<'_>) -> Option<DateTime<Utc>> {
    let help = "write an instant with its offset, such as `2026-03-02T10:00:00+03:00`";
    let text = match entry.value() {
        DeValue::Datetime(at) => at.to_string(),
        _ => entry.text()?.to_owned(),
    };
    let parsed = DateTime::parse_from_rfc3339(&text);
    if parsed.is_err() {
        let message = format!("`{}` is {}, expected an instant in RFC 3339", entry.key(), quoted(&text));
        entry.refuse(Code::BadValue, message, help);
    }
    parsed.ok().map(|at| at.with_timezone(&Utc))
}

const VERDICTS: [(&str, Expected); 6] = [
    ("kept", Expected::Kept),
    ("due", Expected::Due),
    ("overdue", Expected::Overdue),
    ("held", Expected::Held),
    ("undated", Expected::Undated),
    ("gone", Expected::Gone),
];

/// One verdict, or one a record in their order.
fn expected(entry: &Entry<'_>, records: Option<usize>) -> Option<Vec<Expected>> {
    let verdicts = if let DeValue::Array(_) = entry.value() {
        let read: Vec<_> = entry.list()?.iter().map(|item| word::one_of(item, &VERDICTS)).collect();
        read.into_iter().collect::<Option<Vec<Expected>>>()?
    } else {
        vec![word::one_of(entry, &VERDICTS)?]
    };
    // Where the records are wrong themselves, their number says nothing.
    if let Some(records) = records.filter(|records| *records != verdicts.len()) {
        let message = format!("verdicts in `expect`: {}, records in the test: {records}", verdicts.len());
        entry.refuse(Code::BadValue, message, "name one verdict a record, in their order");
        return None;
    }
    Some(verdicts)
}

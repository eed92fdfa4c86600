//! Each record's verdict against the expected one, and why it is what it is.

use chrono::{DateTime, Utc};

use super::disposal::Court;
use super::world::World;
use super::{Failure, Failures};
use crate::datastore::{Explained, files};
use crate::diagnostic::chain;
use crate::model::calendar::{Moment, Working};
use crate::model::key::Key;
use crate::model::name::ColumnName;
use crate::model::orders::Whose;
use crate::model::period::DeleteBy;
use crate::model::value::Value;
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::check::words;
use crate::rules::decide::{Record, TriggerValue, Verdict, decide, trigger_moment};
use crate::rules::rule::{Expected, Row, Rule, Step, TestRecords};

/// A record as it was found. What it reads does not depend on the instant, so it is read once for several steps.
pub(super) struct Found {
    key: Key,
    trigger: TriggerValue,
    whose: Whose,
    selected: bool,
}

impl From<Explained> for Found {
    fn from(Explained { record, selected }: Explained) -> Self {
        let Record { key, trigger, whose, position: _ } = record;
        Self { key, trigger, whose, selected }
    }
}

/// Every record of the test in their order; none: it is not there.
pub(super) async fn find_all(
    world: &mut World,
    court: Court<'_>,
    records: &TestRecords,
) -> Result<Vec<Option<Found>>, String> {
    let wrong = |error| chain(&error);
    let bound = court.bound;
    let datastore = &bound.rule().datastore;
    let mut all = Vec::with_capacity(records.len());
    match (records, court.rows()) {
        (TestRecords::Rows(records), Some(rows)) => {
            for record in records {
                let (Some(database), Some(catalogue)) =
                    (world.writers.get_mut(datastore), world.catalogues.get(datastore))
                else {
                    return Err("the rule's own table is in no database of the test".to_owned());
                };
                let key = typed_key(rows, record).ok_or("the key of a record is no integer and no text")?;
                all.push(database.look_up(rows, catalogue, &key).await.map_err(wrong)?.map(Found::from));
            }
        }
        (TestRecords::Files(records), None) => {
            for file in records {
                let Some(tree) = world.trees.get(datastore) else {
                    return Err("the rule's own files are in no tree of the test".to_owned());
                };
                all.push(files::find(tree.path(), bound, &file.path).map_err(wrong)?.map(Found::from));
            }
        }
        (TestRecords::Rows(_), None) | (TestRecords::Files(_), Some(_)) => {}
    }
    Ok(all)
}

fn typed_key(rows: RowRule<'_>, record: &Row) -> Option<Vec<String>> {
    let part = |name: &ColumnName| match &record.iter().find(|(column, _)| column == name)?.1 {
        Value::Integer(n) => Some(n.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Real(_) | Value::Instant(_) | Value::Blob(_) => None,
    };
    rows.table().key.iter().map(part).collect()
}

/// Compares every verdict with the expected one. Returns the keys of those that the judge would let go.
pub(super) fn compare(
    court: Court<'_>,
    records: &TestRecords,
    found: &[Option<Found>],
    step: &Step,
    failures: &mut Failures,
) -> Vec<String> {
    let mut due = Vec::new();
    for ((number, expected), found) in (1..).zip(&step.expect).zip(found) {
        let observed = match found {
            None => Expected::Gone,
            Some(found) if !found.selected => Expected::Kept,
            Some(found) => {
                let verdict = decide(court.bound, record(found), court.orders, court.now);
                if matches!(verdict, Verdict::Due(_) | Verdict::Overdue(_)) {
                    due.push(found.key.as_str().to_owned());
                }
                word(&verdict)
            }
        };
        if observed != *expected {
            let zone = court.bound.rule().calendar.zone();
            let who = who(records, number, court.bound);
            failures.push(Failure {
                what: format!(
                    "at {}, record {number}{who}: expected {expected}, observed {observed}",
                    zone.rfc3339(step.at)
                ),
                why: found.as_ref().map_or_else(|| vec![GONE.to_owned()], |found| why(court, found, step.at)),
            });
        }
    }
    due
}

fn record(found: &Found) -> Record {
    let Found { key, trigger, whose, selected: _ } = found;
    Record { key: key.clone(), trigger: trigger.clone(), whose: whose.clone(), position: 0 }
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

const GONE: &str = "there is no such record: an earlier sweep disposed of it, or its key is of another type";

/// The record's key as the test has it.
fn who(records: &TestRecords, number: usize, bound: &BoundRule<'_>) -> String {
    match records {
        TestRecords::Rows(records) => {
            let Some((rows, record)) = bound.rows().zip(records.get(number - 1)) else {
                return String::new();
            };
            let Some(parts) = typed_key(rows, record) else { return String::new() };
            let pairs: Vec<String> =
                rows.table().key.iter().zip(parts).map(|(name, value)| format!("{name} = {value}")).collect();
            format!(" ({})", pairs.join(", "))
        }
        TestRecords::Files(records) => {
            records.get(number - 1).map_or_else(String::new, |file| format!(" ({})", file.path))
        }
    }
}

/// What the judge went by.
fn why(court: Court<'_>, found: &Found, at: DateTime<Utc>) -> Vec<String> {
    if !found.selected {
        return vec!["`only`, `unless` or the mark leaves it alone".to_owned()];
    }
    let rule = court.bound.rule();
    let moment = trigger_moment(court.bound, &found.trigger, court.now);
    let demanded = court.orders.demanded(&found.whose);
    let mut lines = Vec::new();
    match moment {
        Ok(moment) => {
            let due = rule.calendar.due_working(&moment, &rule.retain);
            lines.extend(bound(rule, "due", &due, at));
            let deadline = rule.calendar.deadline_working(&moment, &rule.delete_by);
            lines.extend(bound(rule, "deadline", &deadline, at));
        }
        Err(_) if rule.trigger.is_request() => {
            lines.extend(demanded.is_none().then(|| "nobody has demanded its erasure by then".to_owned()));
        }
        Err(why) => lines.push(format!("its trigger gives no plausible instant ({})", why.as_str())),
    }
    if let Some(demanded) = demanded {
        let when = rule.calendar.zone().rfc3339(demanded);
        lines.push(format!(
            "its erasure was demanded {when}, {}: due from then on, if not before",
            apart(at, demanded)
        ));
        let demanded = Moment::Instant(demanded);
        let deadline = rule.calendar.deadline_working(&demanded, &DeleteBy::on_request());
        lines.extend(bound(rule, "deadline of a demand", &deadline, at));
        if rule.trigger.is_request() {
            let own = rule.calendar.deadline_working(&demanded, &rule.delete_by);
            lines.extend(bound(rule, "the rule's own deadline", &own, at));
        }
    }
    lines
}

/// A bound, and how it was worked out.
fn bound(rule: &Rule, word: &str, working: &Working, at: DateTime<Utc>) -> Vec<String> {
    let end = match working.end {
        Some(end) => format!("{word} {}, {}", rule.calendar.zone().rfc3339(end), apart(at, end)),
        None => format!("{word}: never"),
    };
    let steps = working.lines().into_iter().map(|line| format!("  {line}"));
    std::iter::once(end).chain(steps).collect()
}

/// How far a bound lies from the instant of the step.
fn apart(at: DateTime<Utc>, bound: DateTime<Utc>) -> String {
    match bound.cmp(&at) {
        std::cmp::Ordering::Less => format!("{} earlier", words(at - bound)),
        std::cmp::Ordering::Equal => "at that instant".to_owned(),
        std::cmp::Ordering::Greater => format!("{} later", words(bound - at)),
    }
}

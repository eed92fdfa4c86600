//! The shipped rules against the policy: no row of its table without a promise, no promise without a row.

use std::collections::BTreeSet;
use std::path::Path;

use expunged::model::datastore::Defaults;
use expunged::model::name::ClassName;
use expunged::rules::check::{self, PromiseKept};
use expunged::rules::document;
use expunged::rules::rule::{Promise, RuleSet};

const TABLE: &str = include_str!("../fixtures/policy-promises.md");

/// Words of the policy that are no figure, so that somebody has to decide one.
const NO_FIGURE: [&str; 3] = ["decided by the operator", "promptly", "without delay"];

/// One promise of the table.
struct Row<'t> {
    number: u8,
    service: &'t str,
    bound: &'t str,
    id: &'t str,
    declared: &'t str,
    classes: BTreeSet<&'t str>,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table.lines().filter(|line| line.starts_with("| ")).skip(1).map(row).collect()
}

fn row(line: &str) -> Row<'_> {
    let cells: Vec<&str> =
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [number, service, _promise, _trigger, bound, id, declared, classes] = cells[..] else {
        panic!("the row has {} cells: {line}", cells.len())
    };
    let number = number.parse().unwrap_or_else(|_| panic!("the row has no number: {line}"));
    let classes = classes.split(", ").map(|class| class.trim_matches('`')).collect();
    Row { number, service, bound, id, declared, classes }
}

fn shipped() -> (RuleSet, Vec<PromiseKept>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let set = document::load(&directory, &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    let kept = check::check(&set, &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    (set, kept)
}

/// The promise's bound in the words of the table.
fn declared(promise: &Promise) -> String {
    let not_before = promise.not_before.as_ref().map(|period| format!("not before {period}"));
    let then = match (&promise.no_later_than, &promise.decision) {
        _ if promise.on_request => "on request".to_owned(),
        // The operator's own figure may say how long to wait, too.
        (Some(_), Some(_)) => "decided".to_owned(),
        (Some(period), None) => format!("no later than {period}"),
        (None, _) => "without end".to_owned(),
    };
    not_before.map_or_else(|| then.clone(), |not_before| format!("{not_before}, then {then}"))
}

/// What the shipped rules fail to say or keep of the table, and what they promise beside it.
fn differences(table: &[Row<'_>], set: &RuleSet, kept: &[PromiseKept]) -> Vec<String> {
    let mut found = Vec::new();
    for service in &set.services {
        for promise in &service.promises {
            if !table.iter().any(|row| row.service == service.id.as_str() && row.id == promise.id.as_str()) {
                found.push(format!("{}/{} stands in no row", service.id, promise.id));
            }
        }
    }
    for row in table {
        let of_row = |p: &&PromiseKept| p.service.as_str() == row.service && p.promise.as_str() == row.id;
        let service = set.services.iter().find(|service| service.id.as_str() == row.service);
        let promise = service.and_then(|s| s.promises.iter().find(|p| p.id.as_str() == row.id));
        match (promise, kept.iter().find(of_row)) {
            (Some(promise), Some(kept)) => {
                let problems = broken(row, promise, kept);
                found.extend(problems.into_iter().map(|p| format!("{}/{}: {p}", row.service, row.id)));
            }
            (Some(_), None) => found.push(format!("{}/{} is not kept", row.service, row.id)),
            (None, _) => found.push(format!("{}/{} is not declared", row.service, row.id)),
        }
    }
    found
}

fn broken(row: &Row<'_>, promise: &Promise, kept: &PromiseKept) -> Vec<String> {
    let mut found = Vec::new();
    let declared = declared(promise);
    // A figure the operator decided alone is not the table's to repeat, nor how long it waits.
    let same = declared == row.declared || (row.declared == "decided" && declared.ends_with("then decided"));
    if !same {
        found.push(format!("declared is {declared}, the policy says {}", row.declared));
    }
    if NO_FIGURE.iter().any(|word| row.bound.contains(word)) != promise.decision.is_some() {
        found.push(format!("bound `{}` and decision {:?}", row.bound, promise.decision));
    }
    let covers: BTreeSet<&str> = promise.covers.iter().map(ClassName::as_str).collect();
    let reached: BTreeSet<&str> =
        kept.keepers.iter().flat_map(|keeper| &keeper.classes).map(ClassName::as_str).collect();
    for (what, classes) in [("covers", covers), ("reached by its rules", reached)] {
        if classes != row.classes {
            found.push(format!("{what}: {classes:?}, the policy's records: {:?}", row.classes));
        }
    }
    found
}

#[test]
fn every_promise_of_the_policy_is_declared_and_kept_for_all_its_records() {
    let (set, kept) = shipped();
    assert_eq!(differences(&rows(TABLE), &set, &kept), [""; 0]);
}

#[test]
fn the_table_has_every_row_and_every_service_of_the_policy() {
    let rows = rows(TABLE);
    let numbers: BTreeSet<u8> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=19).collect());
    assert_eq!(rows.iter().map(|row| row.service).collect::<BTreeSet<_>>().len(), 11);
}

#[test]
fn a_promise_without_a_row_and_a_row_without_a_promise_are_found() {
    let (mut set, kept) = shipped();
    let mut table = rows(TABLE);
    let row = table.pop().unwrap();
    let name = format!("{}/{}", row.service, row.id);
    assert_eq!(differences(&table, &set, &kept), [format!("{name} stands in no row")]);
    table.push(row);
    let promise = set.services.iter_mut().find_map(|s| s.promises.pop_if(|p| p.id.as_str() == "evaluated"));
    assert!(promise.is_some());
    assert_eq!(differences(&table, &set, &kept), [format!("{name} is not declared")]);
}

#[test]
fn another_figure_a_missing_decision_and_a_missing_class_are_found() {
    let (mut set, kept) = shipped();
    let mut table = rows(TABLE);
    for row in &mut table {
        match row.number {
            1 => row.declared = "no later than 2 months",
            12 => drop(row.classes.insert("report-copies")),
            _ => {}
        }
    }
    let newsletter = set.services.iter_mut().flat_map(|s| &mut s.promises).find(|p| p.decision.is_some());
    newsletter.unwrap().decision = None;
    let found = differences(&table, &set, &kept);
    let about = |name: &str| found.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(about("my-kaspersky/account: declared is no later than 1 month"), 1, "{found:#?}");
    assert_eq!(about("gsi-parser/report: "), 2, "{found:#?}");
    assert_eq!(about("company-account/account: "), 2, "{found:#?}");
    assert_eq!(found.len(), 5, "{found:#?}");
}

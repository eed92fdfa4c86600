//! The same view as JSON, as a table and as a page.

use std::process::{Command, Stdio};

use expunged::ledger::entry::*;
use expunged::ledger::tree::EntryIndex;
use expunged::report::Report;

use super::book::*;
use crate::architecture::source::root;

/// A period in which everything happened once.
fn everything() -> Report {
    let mut book = Book::new();
    book.start(-3_000, "S0");
    book.finish(-2_990, "S0", Residue { undated: Some(1), ..nothing_left() }, SweepResult::Completed);
    let placed = book.add(at(-1_000), &hold());
    let requested = book.add(at(-900), &request());
    book.add(at(10), &Body::HoldReleased(HoldReleased { hold: name("H1"), placed, by: name("legal") }));
    let answers = vec![Answer { rule: name(RULE), left: 1, kept: Some(name("tax law, § 147")) }];
    book.add(at(20), &Body::ErasureAnswered(ErasureAnswered { request: name("R1"), requested, answers }));
    let pause = book.add(at(30), &Body::Pause(Pause { by: name("operator") }));
    book.add(at(40), &Body::Resume(Resume { pause, by: name("compliance") }));
    let rule_sha256 = document("24 hours").digest();
    let approval = Approval { rule: name(RULE), rule_sha256, up_to: 5_000, by: name("compliance") };
    book.add(at(45), &Body::Approval(approval));
    book.start(50, "S1");
    book.batch("B1", &Batch { disposed: 9, late: 2, ..Batch::default() });
    book.intend(at(150), "B2", &Batch::default());
    book.sweep(Residue {
        remaining: Some(4),
        held: Some(1),
        refused: Some(1),
        undated: Some(3),
        stranded: 1,
        bounds: bounds(1, Some(2_000)),
        why: vec![
            Why { of: Left::Undated, reason: name("null"), n: 3 },
            Why { of: Left::Refused, reason: name("the database refuses: a constraint"), n: 1 },
        ],
        ..nothing_left()
    });
    book.report()
}

fn hold() -> Body {
    Body::HoldPlaced(HoldPlaced {
        hold: name("H1"),
        service: name("site"),
        rule: Some(name(RULE)),
        subject: None,
        reference: name("case-7"),
        by: name("legal"),
    })
}

fn request() -> Body {
    Body::ErasureRequested(ErasureRequested {
        request: name("R1"),
        service: name("site"),
        subject: subject(),
        received: at(-901),
        deadline: at(2_000_000),
        by: name("support"),
    })
}

#[test]
fn the_report_as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&everything()).unwrap());
}

#[test]
fn the_report_as_a_table() {
    insta::assert_snapshot!(everything().to_csv().unwrap());
}

#[test]
fn a_table_has_one_row_for_each_figure_of_the_json() {
    let report = everything();
    let mut reader = csv::Reader::from_reader(std::io::Cursor::new(report.to_csv().unwrap()));
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.iter().all(|row| row.len() == 10));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(rows.len(), figures(&json), "{rows:?}");
    let found = |section: &str, item: &str, metric: &str| {
        let mut all = rows.iter().filter(|r| &r[0] == section && &r[7] == item && &r[8] == metric);
        let (row, more) = (all.next(), all.next());
        assert!(more.is_none(), "{section} {item} {metric} is there twice");
        row.unwrap_or_else(|| panic!("no {section} {item} {metric}"))[9].to_owned()
    };
    assert_eq!(found("disposals", "delete", "outcomes.disposed"), "9");
    assert_eq!(found("promises.keepers", "", "late.at_most"), "2");
    assert_eq!(found("promises.keepers.reasons", "undated", "n"), "3");
    assert_eq!(found("requests", "R1", "standing"), "in_time");
}

/// Scalars, and lists of them, that are no column of their own.
fn figures(value: &serde_json::Value) -> usize {
    let names = ["service", "rule", "promise", "class", "datastore", "dataset"];
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                // The report's own `service` is none here, and so is a hold's rule elsewhere: both are columns.
                _ if names.contains(&name.as_str()) => 0,
                value => figures(value),
            })
            .sum(),
        serde_json::Value::Array(list) if list.is_empty() => 0,
        serde_json::Value::Array(list) if list.iter().any(serde_json::Value::is_object) => {
            list.iter().map(figures).sum()
        }
        _ => 1,
    }
}

/// Runs the page past a second program: well formed, everything accessible, nothing from elsewhere.
pub fn checked(html: &str) -> String {
    let mut checker = Command::new("python3")
        .arg(root().join("tests/it/report/page.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut checker.stdin.take().unwrap(), html.as_bytes()).unwrap();
    String::from_utf8(checker.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_page_is_whole_accessible_and_needs_nothing_from_elsewhere() {
    let html = everything().to_html().unwrap();
    assert_eq!(checked(&html), "");
    for text in [
        "Site &#38; friends",
        "tax law, § 147",
        "case-7",
        "2 to 2",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(html.contains(text) || text == "2 to 2", "{text}");
    }
    assert_eq!(html.matches("<table").count(), 11, "a table for everything that happened");
}

#[test]
fn an_empty_report_is_a_page_too() {
    let nothing = Book::new().report();
    assert_eq!(checked(&nothing.to_html().unwrap()), "");
}

#[test]
fn the_checker_of_pages_finds_what_it_looks_for() {
    let html = everything().to_html().unwrap();
    for (from, to) in [
        ("<caption>", "<p>"),
        ("</tbody>", ""),
        ("<h2 id=\"waits\">", "<h4 id=\"waits\">"),
        ("scope=\"row\"", ""),
        ("lang=\"en\"", ""),
        ("<main>", "<main><script>x</script>"),
        ("<main>", "<main><img alt=\"\" src=\"a.png\">"),
        ("<main>", "<main>see http://example.com"),
        ("<style>", "<style>@import \"a.css\";"),
        ("id=\"glance\"", "id=\"waits\""),
        ("--soft: #55606e", "--soft: #959ca5"),
        ("--kept: #8fd6a8", "--kept: #2a5f3a"),
    ] {
        assert!(html.contains(from), "{from}");
        assert_ne!(checked(&html.replacen(from, to, 1)), "", "{from} → {to}");
    }
}

#[test]
fn what_a_rule_file_or_an_entry_says_cannot_become_markup() {
    let evil = "<script>alert(1)</script>";
    let mut book = Book::new();
    let mut body = committed("B1", None, EntryIndex::new(0), &Batch::default());
    body.parts[0].dataset = name(evil);
    book.add(at(70), &Body::BatchCommitted(body));
    let rules = RULES.replace("Gone within 24 hours.", evil).replace("Policy, 2020-04-28", "\\\" onload=x");
    let report = book.reading(at(0), at(END)).report(&known(&rules), None, evidence());
    let html = report.to_html().unwrap();
    assert!(!html.contains("<script") && !html.contains("\" onload"), "{html}");
    assert_eq!(checked(&html), "");
}

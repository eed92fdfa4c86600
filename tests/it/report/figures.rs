//! What is counted, and what belongs to the period.

use chrono::TimeDelta;
use expunged::ledger::entry::*;
use expunged::ledger::tree::EntryIndex;
use expunged::report::{Of, Outcomes as Counted, Period, PeriodError, Report, RequestStanding};

use super::book::*;

fn disposed(report: &Report) -> u64 {
    report.summary.disposed
}

#[test]
fn an_entry_counts_from_the_first_instant_on_and_not_at_the_last() {
    for (offset, counted) in [(-1, 0), (0, 10), (1, 10)] {
        let mut book = Book::new();
        let batch = Batch { measured: -2_000_000, durable: -50, gone: -40, ..Batch::default() };
        let intent = book.intend(at(0) - TimeDelta::seconds(1), "B1", &batch);
        book.commit(at(0) + micros(offset), "B1", intent, &batch);
        assert_eq!(disposed(&book.report()), counted, "{offset} µs from the beginning");
    }
    for (offset, counted) in [(-1, 10), (0, 0), (1, 0)] {
        let mut book = Book::new();
        let batch = Batch::default();
        let intent = book.intend(at(END) - TimeDelta::seconds(1), "B1", &batch);
        book.commit(at(END) + micros(offset), "B1", intent, &batch);
        let report = book.report();
        assert_eq!(disposed(&report), counted, "{offset} µs from the end");
        assert_eq!(report.open_intents.len(), usize::from(counted == 0));
    }
}

#[test]
fn a_period_without_an_instant_and_one_that_is_ahead_are_refused() {
    let now = at(500);
    assert!(matches!(Period::new(at(0), at(0), now), Err(PeriodError::Empty { .. })));
    assert!(matches!(Period::new(at(1), at(0), now), Err(PeriodError::Empty { .. })));
    assert!(matches!(Period::new(at(500), at(600), now), Err(PeriodError::Ahead { .. })));
    let running = Period::new(at(0), at(600), now).unwrap();
    let report = expunged::report::Reading::new(running).report(&known(RULES), None, evidence());
    assert_eq!((report.to.0, report.until.0), (at(600), now));
}

#[test]
fn records_are_counted_by_whose_they_are_where_and_what_was_done() {
    let mut book = Book::new();
    let batch = Batch { intended: 9, disposed: 8, ..Batch::default() };
    let mut intent_ = intent("B1", None, None, 9);
    let comments =
        IntentPart { dataset: name("comment"), action: Action::Pseudonymize, ..intent_.parts[0].clone() };
    intent_.parts.push(comments);
    intent_.timing = Some(Timing {
        at: at(100),
        waited: vec![Waited { within: 60, n: 4 }, Waited { within: 120, n: 5 }],
        bounds: bounds(0, Some(7_100)),
    });
    let index = book.add(at(101), &Body::BatchIntent(intent_));
    let mut body = committed("B1", None, index, &batch);
    let comments = CommittedPart {
        dataset: name("comment"),
        action: Action::Pseudonymize,
        fields: vec![name("author")],
        ..body.parts[0].clone()
    };
    body.parts.push(comments);
    book.add(at(102), &Body::BatchCommitted(body));
    // A share in another datastore: dependents, though they are the first part.
    let share = intent("B2", Some(name("B1")), None, 9);
    let index = book.add(at(103), &Body::BatchIntent(share));
    book.add(at(104), &Body::BatchCommitted(committed("B2", Some(name("B1")), index, &batch)));

    let report = book.report();
    let rows: Vec<_> = report
        .disposals
        .iter()
        .map(|d| (d.of, d.class.as_deref(), d.dataset.as_str(), d.action, d.outcomes.disposed))
        .collect();
    assert_eq!(
        rows,
        [
            (Of::Rule, Some("account"), "account", Action::Delete, 8),
            (Of::Dependent, None, "account", Action::Delete, 8),
            (Of::Dependent, Some("comments"), "comment", Action::Pseudonymize, 8),
        ],
        "no dependent of the rule as it is now is in `account`"
    );
    assert_eq!(report.disposals[0].outcomes, Counted { disposed: 8, changed: 1, ..Counted::default() });
    assert_eq!((report.summary.disposed, report.summary.dependents), (8, 16));
    let wait = &report.waits[0];
    assert_eq!((wait.records, wait.stayed), (9, 1));
    assert_eq!([wait.median_seconds, wait.p99_seconds, wait.worst_seconds].map(|s| s.0), [120, 120, 120]);
}

#[test]
fn a_rule_that_is_no_longer_there_is_still_reported() {
    let mut book = Book::new();
    book.version(-90_000, "site/gone", "24 hours");
    book.start_rule(50, "S9", "site/gone", 1);
    let residue = Residue { rule: name("site/gone"), undated: Some(3), ..nothing_left() };
    book.finish(60, "S9", residue, SweepResult::Completed);
    let mut body = committed("B1", None, EntryIndex::new(0), &Batch::default());
    body.rule = name("site/gone");
    book.add(at(70), &Body::BatchCommitted(body));
    let report = book.report();
    assert_eq!(
        (report.disposals[0].rule.as_str(), report.disposals[0].class.as_deref()),
        ("site/gone", None)
    );
    assert_eq!((report.remaining[0].rule.as_str(), report.remaining[0].undated), ("site/gone", Some(3)));
    let versions: Vec<_> = report.versions.iter().map(|v| (v.rule.as_str(), v.current)).collect();
    assert_eq!(versions, [("site/gone", None)]);
    assert!(report.to_html().unwrap().contains("unknown class"));
}

#[test]
fn the_versions_in_force_are_those_applied_and_the_one_carried_over() {
    let mut book = Book::new();
    let [second, third] = [book.version(-90_000, RULE, "23 hours"), book.version(-80_000, RULE, "22 hours")];
    for (when, sweep, version) in [(-700, "S1", VERSION), (-600, "S2", second.get()), (60, "S3", third.get())]
    {
        book.start_rule(when, sweep, RULE, version);
        book.finish(when, sweep, nothing_left(), SweepResult::Completed);
    }
    let report = book.report();
    let versions: Vec<_> =
        report.versions.iter().map(|v| (v.entry, v.sweeps, v.delete_by.as_deref(), v.current)).collect();
    assert_eq!(
        versions,
        [(second.get(), 0, Some("23 hours"), Some(false)), (third.get(), 1, Some("22 hours"), Some(false)),]
    );
    let before = report.remaining[0].before.as_ref().unwrap();
    assert_eq!((report.remaining[0].at.0, before.at.0), (at(60), at(-600)));
}

fn hold(id: &str) -> Body {
    Body::HoldPlaced(HoldPlaced {
        hold: name(id),
        service: name("site"),
        rule: None,
        subject: Some(subject()),
        reference: name("case-7"),
        by: name("legal"),
    })
}

#[test]
fn holds_in_force_in_the_period_are_shown_and_older_ones_are_not() {
    let mut book = Book::new();
    let [old, ended] = [book.add(at(-900), &hold("old")), book.add(at(-800), &hold("ended"))];
    let release = |hold: &str, placed| {
        Body::HoldReleased(HoldReleased { hold: name(hold), placed, by: name("compliance") })
    };
    book.add(at(-1), &release("old", old));
    book.add(at(0), &release("ended", ended));
    book.add(at(10), &hold("open"));
    let told: Vec<_> =
        book.report().holds.into_iter().map(|h| (h.hold, h.released.map(|m| m.0), h.one_subject)).collect();
    assert_eq!(told, [("ended".to_owned(), Some(at(0)), true), ("open".to_owned(), None, true)]);
}

fn request(id: &str, deadline: i64) -> Body {
    Body::ErasureRequested(ErasureRequested {
        request: name(id),
        service: name("site"),
        subject: subject(),
        received: at(-5_000),
        deadline: at(deadline),
        by: name("support"),
    })
}

#[test]
fn a_request_answered_at_its_deadline_is_late() {
    let mut book = Book::new();
    let answer = |id: &str, requested| {
        Body::ErasureAnswered(ErasureAnswered {
            request: name(id),
            requested,
            answers: vec![Answer { rule: name(RULE), left: 2, kept: Some(name("tax law")) }],
        })
    };
    let before = book.add(at(-4_000), &request("before", 500));
    let in_time = book.add(at(-3_000), &request("in-time", 101));
    let late = book.add(at(-2_000), &request("late", 100));
    book.add(at(-1_000), &request("open", END + 1));
    book.add(at(-1_000), &request("overdue", END));
    let withdrawn = book.add(at(-900), &request("withdrawn", END));
    let given_up = book.add(at(-900), &request("given-up", 50));
    book.add(at(-500), &answer("before", before));
    let withdraw = |id: &str, requested| {
        Body::ErasureWithdrawn(ErasureWithdrawn { request: name(id), requested, by: name("support") })
    };
    let end = book.add(at(49), &withdraw("withdrawn", withdrawn));
    book.add(at(50), &withdraw("given-up", given_up));
    book.add(at(100), &answer("in-time", in_time));
    book.add(at(100), &answer("late", late));
    let report = book.report();
    let told: Vec<_> = report.requests.iter().map(|r| (r.request.as_str(), r.standing)).collect();
    assert_eq!(
        told,
        [
            ("in-time", RequestStanding::InTime),
            ("late", RequestStanding::Late),
            ("open", RequestStanding::Open),
            ("overdue", RequestStanding::Overdue),
            ("withdrawn", RequestStanding::Withdrawn),
            ("given-up", RequestStanding::Late),
        ]
    );
    assert_eq!(report.summary.requests_late, 3);
    let ended = &report.requests[4];
    assert_eq!(ended.withdrawn.map(|m| m.0), Some(at(49)));
    assert_eq!((ended.withdrawn_by.as_deref(), ended.withdrawn_entry), (Some("support"), Some(end.get())));
    let answer = &report.requests[0].answers[0];
    assert_eq!((answer.left, answer.kept.as_deref()), (2, Some("tax law")));
}

#[test]
fn a_report_of_one_service_holds_nothing_of_another() {
    let mut book = Book::new();
    book.version(-90_000, "other/rule", "24 hours");
    book.start_rule(50, "S9", "other/rule", 1);
    book.finish(60, "S9", Residue { rule: name("other/rule"), ..nothing_left() }, SweepResult::Completed);
    book.add(at(70), &hold("ours"));
    let of = |service| book.reading(at(0), at(END)).report(&known(RULES), service, evidence());
    assert!(serde_json::to_string(&of(None)).unwrap().contains("other/rule"));
    assert!(!serde_json::to_string(&of(Some("site"))).unwrap().contains("other/rule"));
    let other = of(Some("other"));
    assert_eq!((other.promises.len(), other.holds.len(), other.sweeps.len()), (0, 0, 1));
}

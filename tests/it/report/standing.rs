//! Kept, at risk, unknown, broken: each at its boundary.

use expunged::ledger::entry::*;
use expunged::report::{Lateness, Standing};

use super::book::*;

const SECOND: i64 = 1_000_000;

fn swept_with(batch: &Batch) -> Book {
    let mut book = Book::new();
    book.start(50, "S1");
    book.batch("B1", batch);
    book.sweep(nothing_left());
    book
}

fn left(change: impl FnOnce(&mut Residue)) -> Book {
    let mut residue = nothing_left();
    change(&mut residue);
    let mut book = Book::new();
    book.sweep(residue);
    book
}

fn late(at_least: u64, at_most: u64) -> Lateness {
    Lateness { at_least, at_most }
}

#[test]
fn what_goes_exactly_at_the_end_of_the_margin_is_not_in_time() {
    let of = |gone: i64| swept_with(&Batch { gone, ..Batch::default() });
    let end = 100 * SECOND + 7_100 * SECOND;
    let (last, at_the_end) = (of(end - 1), of(end));
    assert_eq!(last.standing(), ("kept", vec![]));
    assert_eq!(last.keeper().margin_disposed_seconds.map(|m| m.0), Some(0));
    // The margin was rounded down from less than 7,200 s: nobody can say.
    assert_eq!(at_the_end.standing(), ("unknown", vec![("maybe_late", Some(10))]));
    assert_eq!(at_the_end.keeper().margin_disposed_seconds, None);
}

#[test]
fn what_went_after_every_rounding_of_the_margin_was_late() {
    let of = |durable: i64| swept_with(&Batch { durable, gone: 9_000 * SECOND, ..Batch::default() });
    // The margin ends where the minute of the deadline begins: until that is over, the record may have gone in time.
    let end = 100 * SECOND + 7_200 * SECOND + 60 * SECOND;
    assert_eq!(of(end - 1).standing(), ("unknown", vec![("maybe_late", Some(10))]));
    assert_eq!(of(end).standing(), ("broken", vec![("late", Some(1))]));
    assert_eq!(of(end).keeper().late, late(1, 10), "one of them certainly");
}

#[test]
fn a_batch_that_a_crash_settled_late_is_unknown_and_not_broken() {
    let batch = Batch { gone: 9_000 * SECOND, recovered: true, ..Batch::default() };
    let book = swept_with(&batch);
    assert_eq!(book.standing(), ("unknown", vec![("maybe_late", Some(10))]));
    let sweeps = book.report().sweeps.remove(0);
    assert_eq!((sweeps.committed, sweeps.recovered, sweeps.unattributed), (1, 1, 10));
}

#[test]
fn a_record_that_was_past_the_bound_breaks_the_promise() {
    let book = swept_with(&Batch { late: 3, ..Batch::default() });
    assert_eq!(book.standing(), ("broken", vec![("late", Some(3))]));
    assert_eq!(book.keeper().margin_disposed_seconds.map(|m| m.0), Some(7_098), "of the other seven");
    let all = swept_with(&Batch { late: 10, margin: None, ..Batch::default() });
    assert_eq!((all.keeper().late, all.keeper().margin_disposed_seconds), (late(10, 10), None));
}

#[test]
fn where_some_of_a_batch_stayed_what_was_late_is_a_range() {
    for (intended, disposed, passed, expected) in
        [(10, 9, 3, late(2, 3)), (10, 7, 3, late(0, 3)), (10, 2, 3, late(0, 2)), (10, 0, 3, late(0, 0))]
    {
        let book = swept_with(&Batch { intended, disposed, late: passed, ..Batch::default() });
        assert_eq!(book.keeper().late, expected, "{disposed} of {intended}");
    }
    let some = swept_with(&Batch { disposed: 7, late: 3, ..Batch::default() });
    assert_eq!(some.standing(), ("unknown", vec![("maybe_late", Some(3))]));
    assert_eq!(some.report().waits[0].stayed, 3);
}

#[test]
fn an_aborted_intent_does_not_count() {
    let mut book = Book::new();
    book.start(50, "S1");
    let batch = Batch { late: 3, ..Batch::default() };
    let intent = book.intend(at(101), "B1", &batch);
    let aborted = BatchAborted { batch: name("B1"), intent, reason: AbortReason::RolledBack };
    book.add(at(102), &Body::BatchAborted(aborted));
    book.sweep(nothing_left());
    assert_eq!(book.standing(), ("kept", vec![]));
    let report = book.report();
    assert_eq!((report.summary.disposed, report.waits.len(), report.sweeps[0].aborted), (0, 0, 1));
}

#[test]
fn a_rule_without_a_sweep_in_the_period_is_unknown() {
    let mut book = Book::new();
    assert_eq!(book.standing(), ("unknown", vec![("no_sweep", None)]));
    book.start(-2_000, "S0");
    book.finish(-1_000, "S0", nothing_left(), SweepResult::Completed);
    assert_eq!(book.standing(), ("unknown", vec![("no_sweep", None)]));
    assert_eq!(book.report().summary.unknown, 1);
}

#[test]
fn what_could_not_be_counted_is_unknown() {
    let fields: [fn(&mut Residue) -> &mut Option<u64>; 6] = [
        |r| &mut r.remaining,
        |r| &mut r.held,
        |r| &mut r.locked,
        |r| &mut r.refused,
        |r| &mut r.changed,
        |r| &mut r.undated,
    ];
    for field in fields {
        let book = left(|residue| {
            *field(residue) = None;
            if residue.remaining.is_none() {
                residue.bounds.clear();
            }
        });
        assert_eq!(book.standing(), ("unknown", vec![("not_counted", None)]));
    }
    // The rule was swept, but by a version that did not know the promise.
    let book = left(|residue| residue.bounds.truncate(1));
    assert_eq!(book.standing(), ("unknown", vec![("no_bound", None)]));
}

#[test]
fn a_record_found_past_the_bound_breaks_the_promise() {
    let book = left(|residue| {
        residue.remaining = Some(2);
        residue.bounds = bounds(2, None);
    });
    assert_eq!(book.standing(), ("broken", vec![("overdue", Some(2))]));
    assert_eq!(book.keeper().overdue, Some(2));
}

#[test]
fn less_than_two_sweeps_of_time_is_a_risk() {
    for (margin, standing) in [(TWO_SWEEPS - 100, "at risk"), (TWO_SWEEPS, "kept")] {
        let book = left(|residue| {
            residue.remaining = Some(2);
            residue.bounds = bounds(0, Some(margin));
        });
        assert_eq!(book.standing().0, standing, "{margin}");
    }
}

#[test]
fn a_margin_that_has_run_out_since_the_last_sweep_is_unknown() {
    // The sweep told it 100 s before the end.
    for (margin, expected) in [(100, ("unknown", "maybe_overdue")), (110, ("at risk", "margin"))] {
        let book = left(|residue| {
            residue.remaining = Some(5);
            residue.held = Some(1);
            residue.bounds = bounds(0, Some(margin));
        });
        let (standing, reasons) = book.standing();
        assert_eq!((standing, reasons[0].0), expected, "{reasons:?}");
        assert!(expected.1 == "margin" || reasons[0].1 == Some(4), "{reasons:?}");
    }
}

#[test]
fn records_that_nobody_can_vouch_for_are_a_risk_and_held_ones_are_not() {
    type Change = fn(&mut Residue);
    let fields: [(&str, Change); 6] = [
        ("undated", |r| r.undated = Some(4)),
        ("refused", |r| r.refused = Some(4)),
        ("changed", |r| r.changed = Some(4)),
        ("locked", |r| r.locked = Some(4)),
        ("stranded", |r| r.stranded = 4),
        ("held", |r| (r.held, r.remaining) = (Some(4), Some(4))),
    ];
    for (reason, field) in fields {
        let standing = if reason == "held" { "kept" } else { "at risk" };
        assert_eq!(left(field).standing(), (standing, vec![(reason, Some(4))]));
    }
}

#[test]
fn sweeps_that_stay_away_are_a_risk() {
    for (when, standing) in [(END - TWO_GAPS, "kept"), (END - TWO_GAPS - 1, "at risk")] {
        let mut book = Book::new();
        book.start(when - 10, "S1");
        book.finish(when, "S1", nothing_left(), SweepResult::Completed);
        assert_eq!(book.standing().0, standing, "{when}");
    }
}

#[test]
fn a_sweep_that_did_not_complete_is_a_risk() {
    for result in [SweepResult::Stopped, SweepResult::Parked, SweepResult::Refused, SweepResult::Failed] {
        let mut book = Book::new();
        book.start(END - 300, "S1");
        book.finish(END - 200, "S1", nothing_left(), SweepResult::Completed);
        book.start(END - 100, "S2");
        book.finish(END - 90, "S2", nothing_left(), result);
        assert_eq!(book.standing(), ("at risk", vec![("last_sweep", None)]), "{result:?}");
    }
    let mut book = Book::new();
    book.start(END - 100, "S1");
    book.finish(END - 90, "S1", nothing_left(), SweepResult::Stopped);
    assert_eq!(book.standing(), ("at risk", vec![("stale", None), ("last_sweep", None)]));
}

#[test]
fn an_open_intent_and_a_pause_are_risks() {
    let mut book = Book::new();
    book.start(END - 300, "S1");
    book.finish(END - 200, "S1", nothing_left(), SweepResult::Completed);
    let pause = book.add(at(END - 150), &Body::Pause(Pause { by: name("compliance") }));
    assert_eq!(book.standing(), ("at risk", vec![("paused", None)]));
    book.add(at(END - 140), &Body::Resume(Resume { pause, by: name("compliance") }));
    assert_eq!(book.standing(), ("kept", vec![]));
    book.start(END - 100, "S2");
    book.intend(at(END - 90), "B1", &Batch::default());
    assert_eq!(book.standing(), ("at risk", vec![("open_intents", Some(1))]));
    let open = book.report().open_intents.remove(0);
    assert_eq!((open.rule.as_str(), open.records), (RULE, 10));
}

#[test]
fn nothing_is_kept_in_a_ledger_that_does_not_verify() {
    let mut book = Book::new();
    book.sweep(nothing_left());
    let mut evidence = evidence();
    evidence.sound = false;
    let report = book.reading(at(0), at(END)).report(&known(RULES), None, evidence);
    assert_eq!(report.promises[0].standing, Standing::Unknown);
}

#[test]
fn a_promise_without_a_deadline_is_not_judged() {
    let rules = RULES.replace("no_later_than", "not_before");
    let book = Book::new();
    let report = book.reading(at(0), at(END)).report(&known(&rules), None, evidence());
    assert_eq!(report.promises[0].standing, Standing::NoDeadline);
    assert_eq!((report.summary.no_deadline, report.summary.unknown), (1, 0));
}

#[test]
fn a_deadline_that_was_promised_since_is_unknown_until_a_sweep_has_counted_by_it() {
    let book = |text: &str, deadline: &str| {
        let mut book = Book::new();
        let promises = format!(r#"[{{"no_later_than":"{deadline}","text":"{text}"}}]"#);
        let rule_json = RuleDocument::parse(&format!(r#"{{"promises":{promises}}}"#)).unwrap();
        let rule_sha256 = rule_json.digest();
        let version = RuleVersion { rule: name(RULE), rule_sha256, rule_json, tzdb: name("2026a") };
        let version = book.add(at(-500), &Body::RuleVersion(version));
        book.start_rule(END - 100, "S1", RULE, version.get());
        book.finish(END - 90, "S1", nothing_left(), SweepResult::Completed);
        book.standing()
    };
    let other = vec![("other_bound", None), ("other_version", None)];
    assert_eq!(book("Gone within 24 hours.", "1 month"), ("unknown", other));
    for text in ["Gone within 24 hours.", "Gone within a day, said otherwise."] {
        assert_eq!(book(text, "24 hours"), ("kept", vec![("other_version", None)]));
    }
}

#[test]
fn another_version_than_the_rule_files_hold_is_said_and_is_no_risk_by_itself() {
    let mut book = Book::new();
    let other = book.version(-50_000, RULE, "23 hours");
    book.start_rule(END - 100, "S1", RULE, other.get());
    book.finish(END - 90, "S1", nothing_left(), SweepResult::Completed);
    assert_eq!(book.standing(), ("kept", vec![("other_version", None)]));
}

/// What a sweep of demands leaves is what was demanded: the rule's own sweep has said what else there is.
#[test]
fn a_sweep_of_demands_says_nothing_of_what_the_trigger_made_due() {
    let mut book = left(|residue| residue.undated = Some(7));
    let before = book.report();
    book.demanded(END - 50, "S-demanded", nothing_left());
    let after = book.report();
    assert_eq!(after.remaining[0].undated, Some(7));
    assert_eq!(after.promises[0].standing, before.promises[0].standing);
    assert_eq!(after.sweeps[0].ended.started, before.sweeps[0].ended.started + 1);
    assert_eq!(after.sweeps[0].last_completed, before.sweeps[0].last_completed);
}

//! The audit: a sound ledger has no findings, and each broken invariant has its own.

use expunged::ledger::audit::{AuditReport, OpenIntents, Violation, audit};
use expunged::ledger::commitment::{BatchId, EpochId};
use expunged::ledger::entry::*;
use expunged::ledger::tree::{self, EntryIndex, TreeSize};

use super::world::{
    self, ABORTED, BATCH, COMMITTED, EPOCH, FINISHED, GENESIS, INTENT, OPEN, RESIDUE, RULE, STARTED,
};

fn run(bodies: &[Body], open: OpenIntents) -> AuditReport {
    let entries = world::entries(bodies).into_iter().enumerate();
    audit(entries.map(|(n, entry)| (EntryIndex::new(n as u64), entry.to_bytes())), open)
}

/// The findings of the ledger after this change.
fn findings(change: impl FnOnce(&mut Vec<Body>)) -> Vec<(u64, Violation)> {
    let mut bodies = world::bodies();
    change(&mut bodies);
    let report = run(&bodies, OpenIntents::Refused);
    report.findings.into_iter().map(|finding| (finding.entry.get(), finding.violation)).collect()
}

macro_rules! body {
    ($bodies:expr, $n:expr, $kind:ident) => {
        match &mut $bodies[$n] {
            Body::$kind(body) => body,
            other => panic!("entry {} is {}", $n, other.kind()),
        }
    };
}

macro_rules! assert_finds {
    ($findings:expr, $index:expr, $violation:pat) => {
        let findings = $findings;
        let found = findings.iter().any(|(n, found)| *n == $index as u64 && matches!(found, $violation));
        assert!(found, "{findings:?}");
    };
}

#[test]
fn a_sound_ledger_has_no_findings_and_the_root_of_its_leaves() {
    let report = run(&world::bodies(), OpenIntents::Refused);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.size.get(), report.root), (12, tree::root(&world::leaves())));
    assert!(report.open_intents.is_empty() && report.open_sweeps.is_empty() && report.suppressed == 0);
}

#[test]
fn genesis_is_first_and_only_once() {
    assert_finds!(findings(|bodies| bodies.swap(GENESIS, EPOCH)), 0, Violation::Genesis);
    assert_finds!(findings(|bodies| bodies.push(bodies[GENESIS].clone())), 12, Violation::Genesis);
    assert_finds!(findings(Vec::clear), 0, Violation::Genesis);
}

#[test]
fn a_missing_repeated_or_unreadable_entry_is_found() {
    let entries = world::entries(&world::bodies());
    let numbered = |numbers: &[u64]| {
        let leaf = |n: &u64| (EntryIndex::new(*n), entries[usize::try_from(*n).unwrap()].to_bytes());
        audit(numbers.iter().map(leaf), OpenIntents::Refused).findings
    };
    assert!(matches!(numbered(&[0, 2])[0].violation, Violation::Gap { .. }));
    assert!(matches!(numbered(&[0, 1, 1])[0].violation, Violation::Gap { .. }));
    let garbage = audit([(EntryIndex::new(0), b"{}")], OpenIntents::Refused);
    assert!(matches!(garbage.findings[0].violation, Violation::Unreadable { .. }));
}

#[test]
fn time_that_runs_back_is_found() {
    let mut entries = world::entries(&world::bodies());
    let body = entries[OPEN].body().clone();
    entries[OPEN] = Entry::new(world::at(-1), entries[OPEN].node(), &body).unwrap();
    let leaves = entries.iter().zip(0..).map(|(entry, n)| (EntryIndex::new(n), entry.as_bytes()));
    let report = audit(leaves, OpenIntents::Refused);
    assert_eq!(report.findings.len(), 1);
    assert!(matches!(report.findings[0].violation, Violation::TimeRunsBack));
}

#[test]
fn an_opening_of_another_tree_is_found() {
    let size = |bodies: &mut Vec<Body>| body!(bodies, OPEN, Open).size = TreeSize::new(2);
    assert_finds!(findings(size), OPEN, Violation::OpenedAnotherTree);
    let root = |bodies: &mut Vec<Body>| body!(bodies, OPEN, Open).root = world::leaves()[3];
    assert_finds!(findings(root), OPEN, Violation::OpenedAnotherTree);
}

#[test]
fn an_unannounced_or_repeated_epoch_is_found() {
    let other = EpochId::parse("2026-12").unwrap();
    let unknown = |bodies: &mut Vec<Body>| body!(bodies, INTENT, BatchIntent).epoch = other;
    assert_finds!(findings(unknown), INTENT, Violation::UnknownEpoch { .. });
    let again = |bodies: &mut Vec<Body>| bodies.push(bodies[EPOCH].clone());
    assert_finds!(findings(again), 12, Violation::RepeatedEpoch { .. });
}

#[test]
fn a_batch_that_does_not_name_its_rules_version_is_found() {
    let entry = |bodies: &mut Vec<Body>| body!(bodies, INTENT, BatchIntent).rule_entry = EntryIndex::new(1);
    assert_finds!(findings(entry), INTENT, Violation::UnknownRule { .. });
    let digest = |bodies: &mut Vec<Body>| {
        body!(bodies, INTENT, BatchIntent).rule_sha256 = RuleDocument::parse("{}").unwrap().digest();
    };
    assert_finds!(findings(digest), INTENT, Violation::UnknownRule { .. });
    let rule = |bodies: &mut Vec<Body>| {
        body!(bodies, STARTED, SweepStarted).rule = RuleId::parse("motorsport/other").unwrap();
    };
    assert_finds!(findings(rule), STARTED, Violation::UnknownRule { .. });
    let later = |bodies: &mut Vec<Body>| bodies.swap(RULE, STARTED);
    assert_finds!(findings(later), RULE, Violation::UnknownRule { .. });
}

#[test]
fn every_intent_has_exactly_one_outcome() {
    let open = |bodies: &mut Vec<Body>| drop(bodies.remove(COMMITTED));
    assert_finds!(findings(open), INTENT, Violation::NoOutcome { .. });
    let twice = |bodies: &mut Vec<Body>| bodies.push(bodies[COMMITTED].clone());
    assert_finds!(findings(twice), 12, Violation::NoIntent { .. });
    let both = |bodies: &mut Vec<Body>| body!(bodies, ABORTED, BatchAborted).batch = batch(BATCH);
    assert_finds!(findings(both), ABORTED, Violation::NoIntent { .. });
    let unintended = |bodies: &mut Vec<Body>| bodies.swap(INTENT, COMMITTED);
    assert_finds!(findings(unintended), INTENT, Violation::NoIntent { .. });
}

#[test]
fn an_open_intent_is_listed_and_allowed_where_the_caller_says_so() {
    let bodies = &world::bodies()[..=INTENT];
    let report = run(bodies, OpenIntents::Allowed);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.open_intents[0].batch, batch(BATCH));
    assert_eq!(report.open_sweeps.len(), 1);
    assert_eq!(run(bodies, OpenIntents::Refused).findings.len(), 1);
}

#[test]
fn names_of_batches_and_sweeps_are_unique() {
    let again = |bodies: &mut Vec<Body>| body!(bodies, 7, BatchIntent).batch = batch(BATCH);
    assert_finds!(findings(again), 7, Violation::RepeatedBatch { .. });
    let again = |bodies: &mut Vec<Body>| bodies.push(bodies[STARTED].clone());
    assert_finds!(findings(again), 12, Violation::RepeatedSweep { .. });
}

#[test]
fn a_seal_that_disagrees_with_its_intent_or_sweep_is_found() {
    let disagrees = |name: &str, change: fn(&mut BatchCommitted)| {
        let found = findings(|bodies| change(body!(bodies, COMMITTED, BatchCommitted)));
        let named =
            |violation: &Violation| matches!(violation, Violation::Disagrees { field } if *field == name);
        assert!(found.iter().any(|(n, violation)| *n == COMMITTED as u64 && named(violation)), "{found:?}");
    };
    disagrees("intent", |seal| seal.intent = EntryIndex::new(4));
    disagrees("sweep", |seal| seal.sweep = SweepId::parse("S2").unwrap());
    disagrees("rule", |seal| seal.rule = RuleId::parse("a/b").unwrap());
    disagrees("rule_entry", |seal| seal.rule_entry = EntryIndex::new(2));
    disagrees("rule_sha256", |seal| seal.rule_sha256 = RuleDocument::parse("{}").unwrap().digest());
    disagrees("epoch", |seal| seal.epoch = EpochId::parse("2026-12").unwrap());
    disagrees("cause", |seal| seal.cause = Cause::Replay);
    disagrees("cutoff", |seal| seal.cutoff = world::at(34));
    disagrees("t0", |seal| seal.t0 = world::at(49));
    disagrees("t1", |seal| seal.t1 = world::at(61));
    disagrees("parts", |seal| drop(seal.parts.pop()));
    disagrees("parts", |seal| seal.parts.swap(0, 1));
    disagrees("parts", |seal| seal.parts[0].outcomes.unknown = 1);
    disagrees("parts", |seal| seal.parts[0].dataset = DatasetName::parse("other").unwrap());
    // All records of the part went, under another root than the intent's; and fewer than all, under the same.
    disagrees("parts", |seal| seal.parts[0].root = world::leaves()[0]);
    let same_root = findings(|bodies| {
        let intended = body!(bodies, INTENT, BatchIntent).parts[1].root;
        body!(bodies, COMMITTED, BatchCommitted).parts[1].root = intended;
    });
    assert_finds!(same_root, COMMITTED, Violation::Disagrees { field: "parts" });
}

#[test]
fn an_abort_that_names_another_intent_is_found() {
    let other = |bodies: &mut Vec<Body>| body!(bodies, ABORTED, BatchAborted).intent = EntryIndex::new(5);
    assert_finds!(findings(other), ABORTED, Violation::Disagrees { field: "intent" });
}

#[test]
fn a_sweep_whose_batches_do_not_add_up_is_found() {
    let wrong: [fn(&mut SweepFinished); 5] = [
        |sweep| sweep.totals.disposed += 1,
        |sweep| sweep.totals.changed = 0,
        |sweep| sweep.batches = 2,
        |sweep| sweep.aborted = 0,
        |sweep| sweep.open = 1,
    ];
    for change in wrong {
        let found = findings(|bodies| change(body!(bodies, FINISHED, SweepFinished)));
        assert_finds!(found, FINISHED, Violation::Totals { .. });
    }
    let started =
        |bodies: &mut Vec<Body>| body!(bodies, FINISHED, SweepFinished).started = EntryIndex::new(5);
    assert_finds!(findings(started), FINISHED, Violation::Disagrees { field: "started" });
}

#[test]
fn nothing_belongs_to_a_sweep_that_was_not_started_or_is_over() {
    let unknown = |bodies: &mut Vec<Body>| bodies.swap(STARTED, INTENT);
    assert_finds!(findings(unknown), STARTED, Violation::UnknownSweep { .. });
    let over = |bodies: &mut Vec<Body>| bodies.swap(RESIDUE, FINISHED);
    assert_finds!(findings(over), FINISHED, Violation::UnknownSweep { .. });
    let twice = |bodies: &mut Vec<Body>| bodies.push(bodies[FINISHED].clone());
    assert_finds!(findings(twice), 12, Violation::UnknownSweep { .. });
    let late = |bodies: &mut Vec<Body>| {
        let mut intent = body!(bodies, INTENT, BatchIntent).clone();
        intent.batch = batch("B3");
        bodies.push(Body::BatchIntent(intent));
    };
    assert_finds!(findings(late), 12, Violation::UnknownSweep { .. });
}

#[test]
fn recovery_may_settle_an_intent_after_its_sweep_has_finished() {
    let ledger = |recovered| {
        let mut bodies = world::bodies();
        let mut seal = body!(bodies, COMMITTED, BatchCommitted).clone();
        seal.recovered = recovered;
        let finished = body!(bodies, FINISHED, SweepFinished);
        (finished.batches, finished.open, finished.totals) = (0, 1, Outcomes::default());
        // An approval in its place leaves the other entries where they are.
        bodies[COMMITTED] = bodies[11].clone();
        bodies.push(Body::BatchCommitted(seal));
        run(&bodies, OpenIntents::Refused)
    };
    let settled = ledger(true);
    assert!(settled.findings.is_empty() && settled.open_sweeps.is_empty(), "{:?}", settled.findings);
    assert!(matches!(ledger(false).findings[..], [ref finding]
        if matches!(finding.violation, Violation::SweepIsOver { .. })));
}

#[test]
fn a_ledger_full_of_garbage_does_not_exhaust_the_auditor() {
    let garbage = (0..3_000).map(|n| (EntryIndex::new(n), b"garbage"));
    let report = audit(garbage, OpenIntents::Refused);
    assert_eq!((report.findings.len(), report.suppressed), (1_000, 2_000));
}

fn batch(text: &str) -> BatchId {
    BatchId::parse(text).unwrap()
}

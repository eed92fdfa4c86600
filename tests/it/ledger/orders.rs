//! Orders in the ledger: each has its end, named by the entry that gave it, and no intent is written while disposal is paused.

use expunged::ledger::audit::{OpenIntents, Violation, audit};
use expunged::ledger::commitment::{Nonce, commit_subject};
use expunged::ledger::entry::*;
use expunged::ledger::tree::EntryIndex;

use super::world::{self, INTENT, STARTED, at};

fn role() -> RoleName {
    RoleName::parse("legal").unwrap()
}

fn placed() -> HoldPlaced {
    HoldPlaced {
        hold: HoldId::parse("H1").unwrap(),
        service: ServiceName::parse("motorsport").unwrap(),
        rule: Some(RuleId::parse("motorsport/account").unwrap()),
        subject: Some(commit_subject(&Nonce::from_bytes([7; 16]), "[\"4711\"]")),
        reference: CaseReference::parse("CASE-2026-17").unwrap(),
        by: role(),
    }
}

fn released(placed: u64) -> Body {
    Body::HoldReleased(HoldReleased {
        hold: HoldId::parse("H1").unwrap(),
        placed: EntryIndex::new(placed),
        by: role(),
    })
}

fn requested() -> ErasureRequested {
    ErasureRequested {
        request: RequestId::parse("E1").unwrap(),
        service: ServiceName::parse("motorsport").unwrap(),
        subject: commit_subject(&Nonce::from_bytes([8; 16]), "[\"4711\"]"),
        received: at(-60),
        deadline: at(86_400),
        by: role(),
    }
}

fn answered(requested: u64) -> ErasureAnswered {
    let answer = |rule: &str, left, kept: Option<&str>| Answer {
        rule: RuleId::parse(rule).unwrap(),
        left,
        kept: kept.map(|why| ReasonText::parse(why).unwrap()),
    };
    ErasureAnswered {
        request: RequestId::parse("E1").unwrap(),
        requested: EntryIndex::new(requested),
        answers: vec![
            answer("motorsport/account", 0, None),
            answer("motorsport/invoice", 3, Some("Tax law")),
        ],
    }
}

fn withdrawn(requested: u64) -> Body {
    Body::ErasureWithdrawn(ErasureWithdrawn {
        request: RequestId::parse("E1").unwrap(),
        requested: EntryIndex::new(requested),
        by: role(),
    })
}

fn pause() -> Body {
    Body::Pause(Pause { by: role() })
}

fn resume(pause: u64) -> Body {
    Body::Resume(Resume { pause: EntryIndex::new(pause), by: role() })
}

/// What the audit finds in a ledger that goes on with these; they begin at entry 12.
fn findings(more: Vec<Body>) -> Vec<(u64, String)> {
    let bodies = [world::bodies(), more].concat();
    let entries = world::entries(&bodies).into_iter().enumerate();
    let report = audit(entries.map(|(n, e)| (EntryIndex::new(n as u64), e.to_bytes())), OpenIntents::Refused);
    report.findings.iter().map(|f| (f.entry.get(), format!("{:?}", f.violation))).collect()
}

fn found(more: Vec<Body>, entry: u64, violation: &str) {
    let findings = findings(more);
    assert!(findings.iter().any(|(n, what)| *n == entry && what.starts_with(violation)), "{findings:?}");
}

#[test]
fn orders_that_are_given_and_ended_leave_nothing_to_find() {
    let more = vec![
        Body::HoldPlaced(placed()),
        Body::ErasureRequested(requested()),
        pause(),
        resume(14),
        released(12),
        Body::ErasureAnswered(answered(13)),
        pause(),
    ];
    assert_eq!(findings(more), []);
    assert_eq!(findings(vec![Body::ErasureRequested(requested()), withdrawn(12)]), []);
}

#[test]
fn an_order_is_ended_once_and_by_its_own_end() {
    let hold = || Body::HoldPlaced(placed());
    found(vec![released(12)], 12, "UnknownOrder");
    found(vec![hold(), released(12), released(12)], 14, "UnknownOrder");
    found(vec![hold(), released(11)], 13, "UnknownOrder");
    found(vec![hold(), hold()], 13, "RepeatedOrder");
    found(vec![Body::ErasureAnswered(answered(12))], 12, "UnknownOrder");
    found(
        vec![Body::ErasureRequested(requested()), Body::ErasureRequested(requested())],
        13,
        "RepeatedOrder",
    );
    found(vec![hold(), Body::ErasureAnswered(answered(12))], 13, "UnknownOrder");
    let asked = || Body::ErasureRequested(requested());
    found(vec![withdrawn(12)], 12, "UnknownOrder");
    found(vec![hold(), withdrawn(12)], 13, "UnknownOrder");
    found(vec![asked(), withdrawn(12), withdrawn(12)], 14, "UnknownOrder");
    found(vec![asked(), withdrawn(12), Body::ErasureAnswered(answered(12))], 14, "UnknownOrder");
    found(vec![pause(), pause()], 13, "PausedTwice");
    found(vec![resume(11)], 12, "UnknownOrder");
    found(vec![pause(), resume(11)], 13, "UnknownOrder");
}

#[test]
fn an_intent_while_disposal_is_paused_is_found() {
    let mut bodies = world::bodies();
    let Body::BatchIntent(intent) = bodies[INTENT].clone() else { panic!("no intent") };
    bodies.insert(INTENT, pause());
    let entries = world::entries(&bodies).into_iter().enumerate();
    let report = audit(entries.map(|(n, e)| (EntryIndex::new(n as u64), e.to_bytes())), OpenIntents::Allowed);
    let paused = |f: &&expunged::ledger::audit::Finding| matches!(&f.violation, Violation::Paused { batch } if *batch == intent.batch);
    assert_eq!(report.findings.iter().filter(paused).count(), 1, "{:?}", report.findings);
}

/// What the audit finds at an entry once these are put before the first intent, which comes right behind them.
fn at_the_intent(orders: Vec<Body>, cause: Cause) -> Vec<Violation> {
    let mut bodies = world::bodies();
    let Body::SweepStarted(started) = &mut bodies[STARTED] else { panic!("no sweep") };
    started.cause = cause;
    let intent = (INTENT + orders.len()) as u64;
    bodies.splice(INTENT..INTENT, orders);
    let entries = world::entries(&bodies).into_iter().enumerate();
    let report = audit(entries.map(|(n, e)| (EntryIndex::new(n as u64), e.to_bytes())), OpenIntents::Allowed);
    let here = report.findings.into_iter().filter(|finding| finding.entry.get() == intent);
    here.map(|finding| finding.violation).collect()
}

#[test]
fn an_intent_of_a_rule_all_of_which_is_held_is_found() {
    let on = |service: &str, rule: Option<&str>| {
        let rule = rule.map(|rule| RuleId::parse(rule).unwrap());
        let service = ServiceName::parse(service).unwrap();
        Body::HoldPlaced(HoldPlaced { service, rule, subject: None, ..placed() })
    };
    let first = INTENT as u64;
    let all = on("motorsport", None);
    for covers in [all.clone(), on("motorsport", Some("motorsport/account"))] {
        let found = at_the_intent(vec![covers], Cause::Schedule);
        let held = |v: &Violation| matches!(v, Violation::Held { placed, .. } if placed.get() == first);
        assert!(found.len() == 1 && held(&found[0]), "{found:?}");
    }
    // Whose records a batch is of is in no entry.
    let others = [
        vec![Body::HoldPlaced(placed())],
        vec![on("motorsport", Some("motorsport/other"))],
        vec![on("partner-portal", None)],
        vec![all, released(first)],
    ];
    for orders in others {
        assert!(at_the_intent(orders.clone(), Cause::Schedule).is_empty(), "{orders:?}");
    }
}

#[test]
fn an_intent_for_erasure_requests_of_which_none_is_open_is_found() {
    let asked = || Body::ErasureRequested(requested());
    let of_another = Body::ErasureRequested(ErasureRequested {
        service: ServiceName::parse("partner-portal").unwrap(),
        ..requested()
    });
    let first = INTENT as u64;
    let over = [
        vec![],
        vec![of_another],
        vec![asked(), Body::ErasureAnswered(answered(first))],
        vec![asked(), withdrawn(first)],
    ];
    for orders in over {
        let found = at_the_intent(orders.clone(), Cause::Request);
        assert!(matches!(found[..], [Violation::NotDemanded { .. }]), "{orders:?}: {found:?}");
        assert!(at_the_intent(orders, Cause::Schedule).is_empty());
    }
    assert!(at_the_intent(vec![asked()], Cause::Request).is_empty());
}

/// The last request may be withdrawn between the look at the orders and the start of its sweep, or during it.
#[test]
fn a_sweep_for_requests_that_disposes_of_nothing_may_have_none() {
    let started = world::bodies()[STARTED].clone();
    let Body::SweepStarted(started) = started else { panic!("no sweep") };
    let sweep = SweepId::parse("S2").unwrap();
    let more = vec![
        Body::ErasureRequested(requested()),
        withdrawn(12),
        Body::SweepStarted(SweepStarted { sweep: sweep.clone(), cause: Cause::Request, ..started }),
        Body::SweepFinished(SweepFinished {
            sweep,
            started: EntryIndex::new(14),
            result: SweepResult::Completed,
            batches: 0,
            aborted: 0,
            open: 0,
            totals: Outcomes::default(),
        }),
    ];
    assert_eq!(findings(more), []);
}

#[test]
fn an_order_that_contradicts_itself_is_refused() {
    let refused = |body: Body| Entry::new(at(0), &NodeName::parse("n").unwrap(), &body).is_err();
    assert!(!refused(Body::HoldPlaced(placed())));
    assert!(refused(Body::HoldPlaced(HoldPlaced {
        service: ServiceName::parse("other").unwrap(),
        ..placed()
    })));
    assert!(refused(Body::ErasureRequested(ErasureRequested { deadline: at(-61), ..requested() })));
    assert!(!refused(Body::ErasureAnswered(answered(1))));
    let change = |change: fn(&mut ErasureAnswered)| {
        let mut body = answered(1);
        change(&mut body);
        refused(Body::ErasureAnswered(body))
    };
    assert!(change(|a| a.answers.clear()));
    assert!(change(|a| a.answers.reverse()));
    assert!(change(|a| a.answers[0].left = 1));
    assert!(change(|a| a.answers.push(a.answers[1].clone())));
}

/// The commitment opens with its nonce, and with no other.
#[test]
fn a_subject_is_committed_to_and_not_named() {
    let commitment = commit_subject(&Nonce::from_bytes([7; 16]), "[\"4711\"]");
    assert_ne!(commitment, commit_subject(&Nonce::from_bytes([8; 16]), "[\"4711\"]"));
    assert_ne!(commitment, commit_subject(&Nonce::from_bytes([7; 16]), "[\"4712\"]"));
    let entry = Entry::new(at(0), &NodeName::parse("n").unwrap(), &Body::HoldPlaced(placed())).unwrap();
    assert!(!entry.as_text().contains("4711") && entry.as_text().contains(&commitment.to_string()));
}

//! The cases. None of them knows which kind it is asking.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::{Change, Key, Kind, Trigger};
use crate::world::at;

const RULE: &str = "site/account";

pub fn key(name: &str) -> Key {
    name.as_bytes().to_vec()
}

pub fn set(names: &[&str]) -> BTreeSet<Key> {
    names.iter().map(|name| key(name)).collect()
}

/// Long due.
pub fn due() -> Trigger {
    Trigger::At(at("1971-01-01T00:00:00Z"))
}

/// Not due for decades.
pub fn kept() -> Trigger {
    Trigger::At(at("2020-01-01T00:00:00Z"))
}

fn swept<K: Kind>(kind: &K, code: i32) -> Json {
    kind.world().ran(&["sweep", "--format", "json"], code).rule()
}

/// How many the ledger says were disposed of.
pub fn claimed<K: Kind>(kind: &K) -> u64 {
    kind.world().records("batch.committed")
}

/// How many it has intents for.
fn intended<K: Kind>(kind: &K) -> u64 {
    kind.world().records("batch.intent")
}

/// Each of these has a proof that verifies, and none of those.
pub fn proofs<K: Kind>(kind: &K, gone: &BTreeSet<Key>, there: &BTreeSet<Key>) {
    let world = kind.world();
    let (out, vkey) = (world.path("one.tlog-proof"), world.path("ledger.key.vkey"));
    let (out, vkey) = (out.to_str().unwrap(), vkey.to_str().unwrap());
    let prove = |key: &Key, code| {
        world.ran(&["prove", RULE, "--out", out, "--", &K::typed(key)], code);
    };
    for key in gone {
        prove(key, 0);
        world.ran(&["verify", "--key", vkey, out], 0);
    }
    for key in there {
        prove(key, 1);
    }
    world.ran(&["ledger", "verify"], 0);
}

pub fn exactly_the_due_set_goes_and_each_of_it_can_be_proved<K: Kind>() {
    let kind = K::new();
    // 50 years from 2 March 1971 have passed with 2 March 2021: what was of that day is due with 3 March.
    let boundary: DateTime<Utc> = at("1971-03-03T00:00:00Z");
    let records = [
        ("old/first", Trigger::At(at("1970-01-01T00:00:01Z"))),
        ("a second before", Trigger::At(boundary - TimeDelta::seconds(1))),
        ("a microsecond before", Trigger::At(boundary - TimeDelta::microseconds(1))),
        ("on it", Trigger::At(boundary)),
        ("a second after", Trigger::At(boundary + TimeDelta::seconds(1))),
        ("recent", kept()),
        ("future", Trigger::At(at("2170-01-01T00:00:00Z"))),
        ("undated", Trigger::Undated),
    ];
    for (name, trigger) in records {
        kind.put(&key(name), trigger);
    }
    let gone = set(&["old/first", "a second before", "a microsecond before"]);
    let all: BTreeSet<Key> = records.iter().map(|(name, _)| key(name)).collect();
    let there: BTreeSet<Key> = all.difference(&gone).cloned().collect();
    let now = at("2021-03-03T00:00:00Z");
    assert_eq!(
        kind.world().sweep(now - TimeDelta::microseconds(1)).unwrap().disposed,
        1,
        "only the first is due yet"
    );
    assert_eq!(kind.left(), all.difference(&set(&["old/first"])).cloned().collect());
    let report = kind.world().sweep(now).unwrap();
    assert_eq!((report.disposed, report.refusals(), report.changed), (2, 0, 0));
    let residue = report.residue.unwrap();
    assert_eq!((residue.past_due(), residue.undated_total()), (0, 2));
    assert_eq!((kind.left(), kind.hollow()), (there.clone(), set(&[])));
    assert_eq!(claimed(&kind), 3);
    proofs(&kind, &gone, &there);
}

pub fn a_second_sweep_does_nothing_and_proves_nothing_twice<K: Kind>() {
    let kind = K::new();
    for (name, trigger) in [("a", due()), ("b", due()), ("c", kept())] {
        kind.put(&key(name), trigger);
    }
    assert_eq!(swept(&kind, 0)["disposed"], 2);
    let batches = kind.world().entries("batch.intent").len();
    for _ in 0..2 {
        assert_eq!(swept(&kind, 0)["disposed"], 0);
    }
    assert_eq!(kind.world().entries("batch.intent").len(), batches, "nothing was intended again");
    assert_eq!((kind.left(), claimed(&kind)), (set(&["c"]), 2));
}

pub fn a_record_renewed_before_the_decision_survives<K: Kind>() {
    // The count for the guard was before; then nobody has looked at a record yet, or some kind has listed it.
    for (point, expected) in
        [("sweep-started.after:1", (0, 0, 2)), ("prepare.before:1", K::RENEWED_BEFORE_THE_JUDGE)]
    {
        let kind = K::new();
        for name in ["a", "renewed", "z"] {
            kind.put(&key(name), due());
        }
        let ran = kind.world().run_paused(point, &["sweep", "--format", "json"], || {
            assert_eq!(kind.renew(&key("renewed")), Change::Done);
        });
        let changed = ran.rule()["changed"].as_u64().unwrap();
        assert_eq!((ran.code, changed, intended(&kind)), expected, "at `{point}`: {}", ran.text());
        assert_eq!(kind.left(), set(&["renewed"]));
        assert_eq!(swept(&kind, 0)["disposed"], 0);
        assert_eq!(claimed(&kind), 2);
        proofs(&kind, &set(&["a", "z"]), &set(&["renewed"]));
    }
}

pub fn a_record_renewed_after_the_intent_survives_or_could_not_be_renewed<K: Kind>() {
    let kind = K::new();
    for name in ["a", "renewed", "z"] {
        kind.put(&key(name), due());
    }
    let mut change = Change::Locked;
    let json = ["sweep", "--format", "json"];
    let ran = kind.world().run_paused("commit.before:1", &json, || change = kind.renew(&key("renewed")));
    let (gone, there) = match change {
        Change::Done => {
            assert_eq!(ran.code, 1, "what changed is said: {}", ran.text());
            let report = &ran.rule();
            assert_eq!([&report["changed"], &report["refused"]], [1, 0], "{report}");
            (set(&["a", "z"]), set(&["renewed"]))
        }
        Change::Locked => {
            assert_eq!(ran.code, 0, "{}", ran.text());
            (set(&["a", "renewed", "z"]), set(&[]))
        }
    };
    assert_eq!(kind.left(), there);
    assert_eq!(claimed(&kind), gone.len() as u64);
    proofs(&kind, &gone, &there);
}

pub fn without_permission_nothing_goes_and_nothing_is_claimed<K: Kind>() {
    let kind = K::new();
    for (name, trigger) in [("in/a", due()), ("in/b", due()), ("in/c", kept())] {
        kind.put(&key(name), trigger);
    }
    kind.deny();
    let ran = kind.world().run_bound(&["sweep"]);
    assert_eq!(ran.code, K::DENIED, "{}", ran.text());
    assert!(ran.text().contains("permission") || ran.text().contains("permit"), "{}", ran.text());
    assert_eq!(kind.left(), set(&["in/a", "in/b", "in/c"]));
    assert_eq!(claimed(&kind), 0);
    kind.world().ran(&["ledger", "verify"], 0);
    kind.allow();
    let ran = kind.world().run_bound(&["sweep"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!((kind.left(), claimed(&kind)), (set(&["in/c"]), 2));
    proofs(&kind, &set(&["in/a", "in/b"]), &set(&["in/c"]));
}

/// Three due in two batches, in two places.
fn small<K: Kind>() -> K {
    let kind = K::new();
    kind.world().configure("[defaults]\n", "[defaults]\nbatch = 2\n");
    kind.world().configure("\"unlimited\"", "1000000");
    for (name, trigger) in [("in/a", due()), ("in/b", due()), ("out/c", due()), ("out/d", kept())] {
        kind.put(&key(name), trigger);
    }
    kind
}

pub fn a_crash_at_any_point_in_any_turn_loses_nothing_and_proves_nothing_twice<K: Kind>() {
    let (gone, there) = (set(&["in/a", "in/b", "out/c"]), set(&["out/d"]));
    let kind = small::<K>();
    let (traced, passed) = kind.world().trace(&["sweep"]);
    assert_eq!(traced.code, 0, "{}", traced.text());
    let missed: Vec<String> = K::points().into_iter().filter(|point| !passed.contains_key(point)).collect();
    assert!(missed.is_empty(), "never passed: {missed:?}");
    for (point, turns) in passed {
        for turn in 1..=turns {
            let (kind, place) = (small::<K>(), format!("{point}:{turn}"));
            let died = kind.world().killed_at(&["sweep"], &point, turn);
            // Batches shrink where the machine is slow: the trace may have had a turn more, and nothing died here.
            assert!(
                died.code == -1 || (turn > 1 && died.code == 0),
                "`{place}` was not hit: {}",
                died.text()
            );
            let intended = intended(&kind);
            let hollow = kind.hollow();
            let lost = gone.difference(&kind.left()).count() as u64;
            assert!(lost <= intended, "{lost} went under {intended} intended, at `{place}`");
            kind.world().ran(&["sweep"], 0);
            assert_eq!(kind.left(), there, "after `{place}`");
            assert_eq!(kind.hollow(), hollow, "a crash alone leaves an emptied place: `{place}`");
            assert_eq!(claimed(&kind), 3, "after `{place}`");
            proofs(&kind, &gone, &there);
        }
    }
}

pub fn names_and_keys_from_hell_are_told_apart<K: Kind>() {
    let kind = K::new();
    let all = K::from_hell();
    assert!(all.len() > 40);
    let (mut gone, mut there) = (BTreeSet::new(), BTreeSet::new());
    for (number, key) in all.iter().enumerate() {
        let goes = number % 2 == 0;
        kind.put(key, if goes { due() } else { kept() });
        if goes { &mut gone } else { &mut there }.insert(key.clone());
    }
    assert_eq!(kind.left().len(), all.len(), "the datastore itself tells them apart");
    assert_eq!(swept(&kind, 0)["disposed"], gone.len());
    assert_eq!((kind.left(), kind.hollow()), (there.clone(), set(&[])));
    proofs(&kind, &gone, &there);
    for key in &there {
        let explained = kind.world().ran(&["explain", RULE, "--", &K::typed(key)], 0);
        assert!(explained.stdout.contains("kept"), "{}", explained.text());
    }
}

pub fn what_is_on_hold_stays_even_when_overdue<K: Kind>() {
    let kind = K::new();
    for (name, trigger) in [("a", due()), ("b", kept())] {
        kind.put(&key(name), trigger);
    }
    let held = kind.world().ran(&["--format", "json", "hold", "place", RULE, "--reference", "CASE-1"], 0);
    let held: serde_json::Value = serde_json::from_str(&held.stdout).unwrap();
    assert_eq!(held["answers"][0]["records"], 2, "{held}");
    // 200 years have passed: everything is overdue.
    let report = kind.world().sweep(at("2300-01-01T00:00:00Z")).unwrap();
    assert_eq!((report.disposed, report.residue.unwrap().held), (0, 2));
    assert_eq!((kind.left(), claimed(&kind)), (set(&["a", "b"]), 0));
    kind.world().ran(&["hold", "release", held["hold"].as_str().unwrap()], 0);
    assert_eq!(kind.world().sweep(at("2300-01-01T00:00:00Z")).unwrap().disposed, 2);
    assert_eq!(kind.left(), set(&[]));
}

pub fn a_hold_that_comes_before_the_intent_keeps_what_was_judged<K: Kind>() {
    for point in ["prepare.after:2", "intent.before:2"] {
        let kind = K::new();
        kind.world().configure("= \"unlimited\"", "= 1000000\nbatch = 1");
        for name in ["a", "b", "c"] {
            kind.put(&key(name), due());
        }
        let hold = || drop(kind.world().ran(&["hold", "place", RULE, "--reference", "CASE-1"], 0));
        kind.world().run_paused(point, &["sweep"], hold);
        assert_eq!((kind.left().len(), claimed(&kind)), (2, 1), "{point}");
        kind.world().ran(&["ledger", "verify"], 0);
    }
}

pub fn a_pause_stops_before_the_next_intent<K: Kind>() {
    let kind = K::new();
    kind.world().configure("= \"unlimited\"", "= 1000000\nbatch = 1");
    for name in ["a", "b", "c"] {
        kind.put(&key(name), due());
    }
    let pause = || drop(kind.world().ran(&["pause"], 0));
    let ran = kind.world().run_paused("intent.before:2", &["sweep"], pause);
    assert_eq!((ran.code, kind.left().len(), claimed(&kind)), (5, 2, 1), "{}", ran.text());
    kind.world().ran(&["resume"], 0);
    swept(&kind, 0);
    assert_eq!((kind.left().len(), claimed(&kind)), (0, 3));
    kind.world().ran(&["ledger", "verify"], 0);
}

pub fn a_batch_that_the_state_does_not_take_stays<K: Kind>() {
    let kind = K::new();
    kind.world().configure("= \"unlimited\"", "= 1000000\nbatch = 1");
    for name in ["a", "b", "c"] {
        kind.put(&key(name), due());
    }
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON identity BEGIN SELECT RAISE(ABORT, 'full'); END";
    let refuse = || kind.world().sql_on("state.db", refuse);
    let ran = kind.world().run_paused("prepare.before:2", &["sweep"], refuse);
    assert!(ran.code != 0 && ran.text().contains("full"), "{}", ran.text());
    assert_eq!((kind.left().len(), claimed(&kind)), (2, 1));
    kind.world().sql_on("state.db", "DROP TRIGGER full");
    swept(&kind, 0);
    assert_eq!((kind.left().len(), claimed(&kind)), (0, 3));
    kind.world().ran(&["ledger", "verify"], 0);
}

pub fn a_record_that_the_datastore_refuses_keeps_no_other<K: Kind>() {
    let kind = K::new();
    for name in ["a", "poisoned", "z"] {
        kind.put(&key(name), due());
    }
    kind.poison(&key("poisoned"));
    for disposed in [2, 0] {
        let report = swept(&kind, 1);
        let counts = [&report["disposed"], &report["refused"], &report["remaining"]];
        assert_eq!(counts, [disposed, 1, 1], "{report}");
        assert_eq!((kind.left(), claimed(&kind)), (set(&["poisoned"]), 2));
    }
    kind.cure(&key("poisoned"));
    assert_eq!(swept(&kind, 0)["disposed"], 1);
    proofs(&kind, &set(&["a", "poisoned", "z"]), &set(&[]));
}

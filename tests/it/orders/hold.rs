//! Legal holds: honoured by whatever disposes of something, from the next intent on.

use super::{DUE, SCHEMA, hold, json, release, sound, world};
use crate::world::{DELETED_AT, World, rules, set};

#[test]
fn a_hold_on_a_person_keeps_theirs_and_nobody_elses() {
    let world = world();
    let held = hold(&world, &["site", "--subject", "anna"], 0);
    assert_eq!(held["answers"][0]["answer"], "held");
    assert_eq!(held["answers"][0]["records"], 3, "{held}");
    let swept = json(&world, &["sweep"], 1);
    assert_eq!(swept["rules"][0]["disposed"], 4, "{swept}");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "5"]));
    assert_eq!(world.ids("SELECT id FROM purchase"), set(&["10", "30", "50"]));
    let residue = world.entries("residue").pop().unwrap();
    assert_eq!((&residue["held"], &residue["remaining"]), (&2.into(), &2.into()));
    let explained = json(&world, &["explain", "site/account", "1"], 0);
    assert_eq!(explained["verdict"], "held");
    assert_eq!(json(&world, &["status"], 0)["rules"][0]["held"], 2);
    assert_eq!(json(&world, &["plan"], 0)["rules"][0]["held"], 2);
    release(&world, &held);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "5"]));
    sound(&world);
}

#[test]
fn a_hold_on_a_service_or_a_rule_keeps_everything_of_it() {
    for scope in ["site", "site/account"] {
        let world = world();
        let before = world.contents();
        let held = hold(&world, &[scope], 0);
        assert_eq!(held["answers"][0]["records"], 8, "{held}");
        assert_eq!(json(&world, &["sweep"], 1)["rules"][0]["disposed"], 0);
        assert_eq!(world.contents(), before);
        sound(&world);
    }
}

#[test]
fn whom_a_hold_is_about_is_found_however_the_id_is_stored() {
    let cases = [
        ("INTEGER", "4711", "4711"),
        ("TEXT", "'4711'", "4711"),
        ("TEXT COLLATE NOCASE", "'Anna'", "Anna"),
        ("BLOB", "x'00ff'", "hex:00ff"),
        ("", "4711", "4711"),
        ("", "'it''s \"[1]\" \\'", "it's \"[1]\" \\"),
        ("TEXT", "'O''Brien; DROP TABLE account; --'", "O'Brien; DROP TABLE account; --"),
    ];
    for (kind, stored, typed) in cases {
        let schema = SCHEMA.replace("person TEXT", &format!("person {kind}"));
        let world =
            World::new(&rules(DELETED_AT, "subject = \"person\"\non_erasure = \"dispose\"\n"), &schema);
        world.sql(&format!(
            "INSERT INTO account VALUES (1, {stored}, {DUE}), (2, 'other', {DUE}), (3, 'anna', {DUE})"
        ));
        let held = hold(&world, &["site", "--subject", typed], 0);
        assert_eq!(held["answers"][0]["records"], 1, "{kind}: {held}");
        json(&world, &["sweep"], 1);
        assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]), "{kind} {typed}");
        release(&world, &held);
        world.sql(&format!("INSERT INTO account VALUES (9, 'kept', {})", super::RUNNING));
        json(&world, &["erase", "request", "site", typed], 0);
        json(&world, &["sweep"], 0);
        assert_eq!(world.ids("SELECT id FROM account"), set(&["9"]), "{kind} {typed}");
        sound(&world);
    }
}

#[test]
fn a_person_whose_id_has_no_one_text_is_held_with_everybody() {
    let schema = SCHEMA.replace("person TEXT", "person");
    let world = World::new(&rules(DELETED_AT, "subject = \"person\"\non_erasure = \"dispose\"\n"), &schema);
    world.sql(&format!("INSERT INTO account VALUES (1, 1.5, {DUE}), (2, NULL, {DUE})"));
    let held = hold(&world, &["site", "--subject", "1.5"], 0);
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    release(&world, &held);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&[]));
}

/// The rule of the accounts takes along what another rule is about: a hold there holds here.
#[test]
fn a_hold_on_a_rule_holds_every_rule_over_the_same_records() {
    let second = super::REST.to_owned()
        + "[[rule]]\nid = \"purchase\"\nclass = \"purchase\"\nkeeps = []\ndatastore = \"site\"\ntable = \"purchase\"\nkey = [\"id\"]\n\
           trigger = { column = \"deleted_at\", pending = [\"null\"] }\nretain = \"50 years\"\ndelete_by = \"200 years\"\naction = \"delete\"\n";
    let schema = SCHEMA.replace("account_id INTEGER", "deleted_at timestamptz, account_id INTEGER");
    let world = World::new(&rules(DELETED_AT, &second), &schema);
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {DUE}); INSERT INTO purchase VALUES (10, NULL, 1);"
    ));
    let before = world.contents();
    let held = hold(&world, &["site/purchase"], 0);
    assert_eq!(held["held_along"], serde_json::json!(["site/account"]));
    json(&world, &["sweep"], 1);
    assert_eq!(world.contents(), before);
    sound(&world);
}

#[test]
fn a_rule_without_data_subjects_says_that_it_is_not_covered() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {DUE})"));
    let held = hold(&world, &["site", "--subject", "anna"], 1);
    assert_eq!(held["answers"][0]["answer"], "not_covered");
}

#[test]
fn who_comes_too_late_is_told_the_entry() {
    let rest = "subject = \"id\"\non_erasure = \"dispose\"\n";
    let world = World::new(&rules(DELETED_AT, rest), SCHEMA);
    world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {DUE})"));
    json(&world, &["sweep"], 0);
    let held = hold(&world, &["site", "--subject", "1"], 1);
    let proved = json(&world, &["prove", "site/account", "1", "--out", "p"], 0);
    assert_eq!(held["answers"][0]["answer"], "too_late");
    assert_eq!(held["answers"][0]["entries"][0], proved["proofs"][0]["entry"]);
    assert_eq!(hold(&world, &["site", "--subject", "2"], 0)["answers"][0]["answer"], "none_found");
}

#[test]
fn a_hold_without_its_key_keeps_what_it_may_cover() {
    let world = world();
    hold(&world, &["site", "--subject", "anna"], 0);
    let before = world.contents();
    let key = world.path("keys").join("orders.key");
    let away = world.path("away");
    std::fs::rename(&key, &away).unwrap();
    assert!(world.ran(&["sweep"], 5).stderr.contains("orders.key"));
    assert_eq!(world.contents(), before);
    std::fs::write(&key, [7; 32]).unwrap();
    assert!(world.ran(&["sweep"], 5).stderr.contains("cannot be read"));
    assert_eq!(world.contents(), before);
    std::fs::rename(&away, &key).unwrap();
    json(&world, &["sweep"], 1);
    assert!(world.ids("SELECT id FROM account").contains("1"));
}

#[test]
fn a_person_is_in_no_file_and_no_line() {
    let world = world();
    world.sql("UPDATE account SET person = 'Anna-Canary-Jovanović' WHERE person = 'anna'");
    let mut said = String::new();
    let log = |arguments: &[&str], code| {
        let ran = world.ran(&[&["--log-level", "trace"], arguments].concat(), code);
        ran.text()
    };
    let name = "Anna-Canary-Jovanović";
    said += &log(&["hold", "place", "site", "--subject", name, "--reference", "C-1"], 0);
    said += &log(&["erase", "request", "site", name], 0);
    for (arguments, code) in [
        (&["sweep"][..], 1),
        (&["hold", "list"], 0),
        (&["erase", "list"], 0),
        (&["status"], 0),
        (&["plan"], 0),
        (&["explain", "site/account", "1"], 0),
        (&["ledger", "verify"], 0),
    ] {
        said += &log(arguments, code);
    }
    assert!(!said.contains("Canary"), "{said}");
    world.fold();
    assert_eq!(
        world.found_in("Canary", &["state.db", "state.db.checkpoint", "keys/orders.key"]),
        Vec::<String>::new()
    );
}

/// Nobody can tell whether it is meant for bytes: what finds nobody must not answer that there is nobody.
#[test]
fn bytes_in_upper_case_are_refused() {
    let world = world();
    let arguments = ["hold", "place", "site", "--subject", "hex:00AB", "--reference", "C-1"];
    assert!(world.ran(&arguments, 2).stderr.contains("lower case"));
    assert!(world.ran(&["erase", "request", "site", "hex:00AB"], 2).stderr.contains("lower case"));
}

#[test]
fn holds_are_listed_and_released_once() {
    let world = world();
    assert_eq!(json(&world, &["hold", "list"], 0)["holds"], serde_json::json!([]));
    let held = hold(&world, &["site/account", "--subject", "anna", "--by", "legal"], 0);
    let listed = json(&world, &["hold", "list"], 0);
    assert_eq!(listed["holds"][0]["hold"], held["hold"]);
    assert_eq!(listed["holds"][0]["personal"], true);
    release(&world, &held);
    world.ran(&["hold", "release", held["hold"].as_str().unwrap()], 2);
    assert_eq!(json(&world, &["hold", "list"], 0)["holds"], serde_json::json!([]));
    assert_eq!((world.entries("hold.placed").len(), world.entries("hold.released").len()), (1, 1));
    world.ran(&["hold", "place", "sitte", "--reference", "C"], 2);
    world.ran(&["hold", "place", "site", "--reference", "Anna Jovanović"], 2);
    sound(&world);
}

/// Root orders a hold beside a daemon with an account of its own, which has to open afterwards what that made.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_state() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let world = world();
    chown(world.path(""), Some(65_534), Some(65_534)).unwrap();
    hold(&world, &["site", "--subject", "anna"], 0);
    json(&world, &["sweep"], 1);
    let made = ["state.db", "state.db.lock", "state.db.checkpoint", "keys", "keys/orders.key"];
    for file in made.map(|name| world.path(name)) {
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (65_534, 65_534), "{}", file.display());
    }
    sound(&world);
}

/// Whoever orders a hold cannot wait until an engineer has mended a file; nor can a pause.
#[test]
fn orders_are_given_even_while_nobody_can_read_the_rules() {
    let world = world();
    let before = world.contents();
    let good = std::fs::read_to_string(world.path("rules/site.toml")).unwrap();
    world.rules("nothing");
    let placed = world.ran(&["hold", "place", "site", "--reference", "C-1"], 65);
    assert!(placed.stderr.contains("is in force (entry"), "{}", placed.text());
    world.ran(&["hold", "place", "No Service", "--reference", "C-1"], 2);
    world.ran(&["pause"], 0);
    world.ran(&["resume"], 0);
    let listed = json(&world, &["hold", "list"], 0);
    world.rules(&good);
    json(&world, &["sweep"], 1);
    assert_eq!(world.contents(), before);
    world.rules("nothing");
    release(&world, &listed["holds"][0]);
    world.rules(&good);
    sound(&world);
}

#[cfg(feature = "test-hooks")]
mod meanwhile {
    use super::*;

    /// The sweep has looked at the ledger, and has not written yet which tree it found.
    #[test]
    fn a_hold_that_comes_while_a_sweep_opens_the_ledger_leaves_it_sound() {
        let world = world();
        for _ in 0..2 {
            let ran = world.run_paused("log-open.before:1", &["sweep"], || {
                let held = hold(&world, &["site", "--subject", "anna"], 0);
                assert_eq!(held["answers"][0]["answer"], "held", "{held}");
            });
            assert_eq!(ran.code, 1, "{}", ran.text());
            sound(&world);
        }
        assert!(world.ids("SELECT id FROM account WHERE person = 'anna'").len() == 3);
    }

    /// Whatever the sweep has in hand: judged and not intended yet, a hold still keeps it.
    #[test]
    fn a_hold_that_comes_before_the_intent_keeps_the_batch() {
        for point in ["prepare.before:1", "prepare.after:1", "intent.before:1"] {
            let world = world();
            let mut answer = serde_json::Value::Null;
            let ran = world
                .run_paused(point, &["sweep"], || answer = hold(&world, &["site", "--subject", "anna"], 0));
            assert_eq!(ran.code, 1, "{point}\n{}", ran.text());
            assert_eq!(answer["answers"][0]["answer"], "held", "{point}");
            assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "5"]), "{point}");
            sound(&world);
        }
    }

    #[test]
    fn a_hold_on_everything_that_comes_before_the_intent_keeps_the_batch() {
        let world = world();
        let before = world.contents();
        world.run_paused("intent.before:1", &["sweep"], || drop(hold(&world, &["site"], 0)));
        assert_eq!(world.contents(), before);
        assert_eq!(world.entries("batch.intent").len(), 0);
        sound(&world);
    }

    /// The intent is durable: the hold is told that it may come too late, and afterwards that it did.
    #[test]
    fn a_hold_that_comes_after_the_intent_is_told_so() {
        let rest = "subject = \"id\"\non_erasure = \"dispose\"\n";
        let world = World::new(&rules(DELETED_AT, rest), SCHEMA);
        world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {DUE})"));
        let mut answer = serde_json::Value::Null;
        world.run_paused("intent.after:1", &["sweep"], || {
            answer = hold(&world, &["site", "--subject", "1"], 1);
        });
        assert_eq!(answer["answers"][0]["answer"], "pending");
        assert_eq!(hold(&world, &["site", "--subject", "1"], 1)["answers"][0]["answer"], "too_late");
        sound(&world);
    }

    /// The hold waits as long as it is told to: once the batch is settled, it knows.
    #[test]
    fn a_hold_waits_for_what_was_intended_before_it() {
        let rest = "subject = \"id\"\non_erasure = \"dispose\"\n";
        let world = World::new(&rules(DELETED_AT, rest), SCHEMA);
        world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {DUE})"));
        let arguments = ["hold", "place", "site", "--subject", "1", "--reference", "C-1", "--wait", "60"];
        let world = &world;
        let waiting = std::thread::scope(|scope| {
            let mut waiting = None;
            world.run_paused("intent.after:1", &["sweep"], || {
                waiting = Some(scope.spawn(move || json(world, &arguments, 1)));
                // It is in force, and there is something to wait for.
                while world.entries("hold.placed").is_empty() {
                    std::thread::yield_now();
                }
            });
            waiting.unwrap().join().unwrap()
        });
        assert_eq!(waiting["answers"][0]["answer"], "too_late", "{waiting}");
        sound(world);
    }

    #[test]
    fn a_crash_of_an_order_leaves_all_of_it_or_nothing() {
        for (point, placed) in [("order.before:1", 0), ("order.after:1", 1)] {
            let world = world();
            let arguments = ["hold", "place", "site", "--reference", "C-1"];
            world.run_with(&[("EXPUNGED_KILL_AT", point)], &arguments);
            assert_eq!(
                json(&world, &["hold", "list"], 0)["holds"].as_array().unwrap().len(),
                placed,
                "{point}"
            );
            json(&world, &["sweep"], i32::from(placed == 1));
            assert_eq!(world.ids("SELECT id FROM account").len(), if placed == 1 { 8 } else { 2 });
            sound(&world);
        }
    }
}

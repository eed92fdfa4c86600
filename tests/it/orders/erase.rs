//! Erasure requests: disposed of in the next sweep, behind the same guards, and answered when nothing is left.

use super::{DUE, REST, RUNNING, SCHEMA, hold, json, release, sound, world};
use crate::world::{DELETED_AT, World, rules, set};

#[test]
fn what_a_person_demands_goes_in_the_next_sweep_and_is_answered() {
    let world = world();
    let request = json(&world, &["erase", "request", "site", "boris"], 0);
    assert_eq!(request["rules"][0]["records"], 2, "{request}");
    let explained = json(&world, &["explain", "site/account", "5"], 0);
    assert_eq!(explained["verdict"], "due", "{explained}");
    assert_eq!(json(&world, &["plan"], 0)["rules"][0]["demanded"], 1);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3"]));
    assert_eq!(world.ids("SELECT id FROM purchase"), set(&["30"]));
    let causes: Vec<_> = world.entries("batch.committed").iter().map(|b| b["cause"].clone()).collect();
    assert_eq!(causes, ["schedule", "request"]);
    let answered = world.entries("erasure.answered");
    assert_eq!(answered[0]["request"], request["request"]);
    assert_eq!(answered[0]["answers"], serde_json::json!([{ "rule": "site/account", "left": 0 }]));
    // Nobody can take it back by an older copy of the state.
    let published = std::fs::read_to_string(world.path("state.db.checkpoint")).unwrap();
    let entries = world.list_on("state.db", "SELECT count(*) FROM entry");
    assert_eq!(published.lines().nth(1), Some(entries[0].as_str()));
    let shown = json(&world, &["erase", "show", request["request"].as_str().unwrap()], 0);
    assert!(shown["answered"].is_string(), "{shown}");
    let proof = json(&world, &["prove", "site/account", "5", "--out", "p"], 0);
    assert_eq!(proof["proofs"].as_array().unwrap().len(), 1);
    let verified = json(&world, &["verify", "--key", "ledger.key.vkey", "p"], 0);
    assert_eq!(verified["proofs"][0]["cause"], "request");
    // The answer is given once.
    json(&world, &["sweep"], 0);
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

#[test]
fn what_is_demanded_and_held_stays_and_the_request_stays_open() {
    let world = world();
    let held = hold(&world, &["site", "--subject", "anna"], 0);
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "5"]));
    assert_eq!(world.entries("erasure.answered").len(), 0);
    release(&world, &held);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["5"]));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

#[test]
fn a_rule_that_keeps_for_a_reason_answers_with_it() {
    let keeps = "subject = \"person\"\non_erasure = { keep = \"Tax law\" }\n[[rule]]\nid = \"purchase\"\nclass = \"purchase\"\nkeeps = []\n\
        datastore = \"site\"\ntable = \"purchase\"\nkey = [\"id\"]\nsubject = \"person\"\non_erasure = \"dispose\"\n\
        trigger = { column = \"deleted_at\", pending = [\"null\"] }\nretain = \"50 years\"\ndelete_by = \"200 years\"\naction = \"delete\"\n";
    let schema =
        SCHEMA.replace("account_id INTEGER", "person TEXT, deleted_at timestamptz, account_id INTEGER");
    let world = World::new(&rules(DELETED_AT, keeps), &schema);
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {RUNNING}); INSERT INTO purchase VALUES (10, 'anna', NULL, 1), (11, 'boris', NULL, 1);"
    ));
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    assert_eq!(world.ids("SELECT id FROM purchase"), set(&["11"]));
    let answers = &world.entries("erasure.answered")[0]["answers"];
    let expected = serde_json::json!([
        { "rule": "site/account", "left": 1, "kept": "Tax law" }, { "rule": "site/purchase", "left": 0 }
    ]);
    assert_eq!(*answers, expected);
    sound(&world);
}

#[test]
fn a_service_that_knows_no_data_subjects_cannot_be_asked() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    let ran = world.ran(&["erase", "request", "site", "anna"], 2);
    assert!(ran.stderr.contains("no rule with `subject`"), "{}", ran.text());
    assert!(!world.path("state.db").exists());
    let world = super::world();
    let ran = world.ran(&["erase", "request", "site", "anna", "--received", "2999-01-01T00:00:00Z"], 2);
    assert!(ran.stderr.contains("lies ahead"), "{}", ran.text());
    world.ran(&["erase", "request", "site", ""], 2);
    world.ran(&["erase", "request", "site", "anna"], 0);
    world.ran(&["erase", "show", "E-1"], 2);
}

/// A request goes through the guards, and does not lift those of the trigger.
#[test]
fn a_request_does_not_finish_a_new_version_of_a_rule() {
    let world = world();
    world.configure("first_sweep = 1000000", "first_sweep = 4");
    json(&world, &["erase", "request", "site", "boris"], 0);
    let swept = json(&world, &["sweep"], 5);
    assert_eq!(swept["rules"][0]["result"], "parked", "{swept}");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "6", "7", "8"]));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    assert_eq!(json(&world, &["sweep"], 5)["rules"][0]["result"], "parked");
    world.sql(&format!(
        "INSERT INTO account VALUES (21,'c',{RUNNING}), (22,'c',{RUNNING}), (23,'c',{RUNNING}), (24,'c',{RUNNING}), (25,'c',{RUNNING})"
    ));
    json(&world, &["erase", "request", "site", "c"], 0);
    json(&world, &["sweep"], 5);
    assert!(world.ids("SELECT id FROM account").contains("21"), "five are more than four");
    sound(&world);
}

/// Approved, what was parked goes in the request's own sweep, and the request is answered.
#[test]
fn a_parked_request_goes_once_it_is_approved() {
    let world = world();
    json(&world, &["sweep"], 0);
    world.configure("first_sweep = 1000000", "first_sweep = 1");
    world.sql(&format!("INSERT INTO account VALUES (21, 'c', {RUNNING}), (22, 'c', {RUNNING})"));
    json(&world, &["erase", "request", "site", "c"], 0);
    let parked = json(&world, &["sweep"], 5);
    assert_eq!(parked["rules"][0]["requests"]["result"], "parked", "{parked}");
    assert!(world.ids("SELECT id FROM account").contains("21"));
    let status = json(&world, &["status"], 1)["rules"][0].clone();
    assert_eq!(
        status["requests_parked"],
        serde_json::json!({ "due": 2, "dependents": null, "allowed": 1 }),
        "{status}"
    );
    assert!(status["parked"].is_null(), "{status}");
    let told = world.ran(&["status"], 1).stdout;
    assert!(told.contains("parked: more is demanded than may go without a look"), "{told}");
    world.ran(&["approve", "site/account", "--up-to", "2"], 0);
    json(&world, &["status"], 0);
    json(&world, &["sweep"], 0);
    assert!(!world.ids("SELECT id FROM account").contains("21"));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

/// What was approved for the schedule, and has been used, is none of a request's business.
#[test]
fn an_approval_ends_with_the_schedules_sweep() {
    let world = world();
    world.configure("first_sweep = 1000000", "first_sweep = 1");
    world.ran(&["sweep"], 5);
    world.ran(&["approve", "site/account", "--up-to", "100"], 0);
    json(&world, &["sweep"], 0);
    world.sql(&format!("INSERT INTO account VALUES (21, 'c', {RUNNING}), (22, 'c', {RUNNING})"));
    json(&world, &["erase", "request", "site", "c"], 0);
    let parked = json(&world, &["sweep"], 5);
    assert_eq!(parked["rules"][0]["requests"]["result"], "parked", "{parked}");
    assert!(world.ids("SELECT id FROM account").contains("21"));
    sound(&world);
}

/// Whoever is kept by a row of another table is not gone: the request stays open until that row is.
#[test]
fn a_request_stays_open_while_a_row_keeps_what_it_reaches() {
    let rest = REST.replace(
        "[[rule.dependent]]",
        "[[rule.unless]]\ntable = \"dispute\"\nmatch = { account_id = \"id\" }\n[[rule.dependent]]",
    );
    let world = World::new(
        &rules(DELETED_AT, &rest),
        &format!(
            "{SCHEMA} CREATE TABLE dispute (account_id INTEGER); CREATE INDEX dispute_account ON dispute (account_id);"
        ),
    );
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {RUNNING}), (2, 'anna', {RUNNING}); INSERT INTO dispute VALUES (1);"
    ));
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    assert_eq!(world.entries("erasure.answered").len(), 0);
    world.sql("DELETE FROM dispute");
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&[]));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

#[test]
fn a_request_that_is_withdrawn_reaches_nothing_and_is_forgotten() {
    let world = world();
    let asked = json(&world, &["erase", "request", "site", "boris"], 0);
    let id = asked["request"].as_str().unwrap();
    json(&world, &["erase", "withdraw", id, "--by", "support"], 0);
    let again = world.ran(&["erase", "withdraw", id], 2);
    assert!(again.stderr.contains("not open"), "{}", again.text());
    json(&world, &["sweep"], 0);
    assert_eq!(
        world.ids("SELECT id FROM account"),
        set(&["3", "5"]),
        "the schedule alone disposed of something"
    );
    assert_eq!(world.entries("erasure.answered").len(), 0);
    assert_eq!(world.entries("erasure.withdrawn")[0]["by"], "support");
    assert_eq!(world.list_on("state.db", "SELECT id FROM request WHERE subject IS NOT NULL"), [""; 0]);
    assert!(world.ran(&["erase", "list"], 0).stdout.contains("withdrawn"));
    assert!(world.ran(&["erase", "show", id], 0).stdout.contains("withdrawn"));
    sound(&world);
}

#[test]
fn an_unanswered_request_past_its_month_is_a_finding() {
    let world = world();
    json(&world, &["erase", "request", "site", "anna", "--received", "2020-01-31T12:00:00Z"], 0);
    let listed = json(&world, &["erase", "list"], 1);
    assert_eq!(listed["requests"][0]["deadline"], "2020-02-29T00:00:00+00:00");
    let explained = json(&world, &["explain", "site/account", "3"], 0);
    assert_eq!(explained["verdict"], "overdue", "{explained}");
    json(&world, &["sweep"], 0);
    json(&world, &["erase", "list"], 0);
    sound(&world);
}

#[test]
fn filters_bound_what_a_request_reaches() {
    let rest =
        REST.replace("[[rule.dependent]]", "only = { person = { not = [\"boris\"] } }\n[[rule.dependent]]");
    let world = World::new(&rules(DELETED_AT, &rest), SCHEMA);
    world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {RUNNING}), (2, 'boris', {DUE})"));
    json(&world, &["erase", "request", "site", "boris"], 0);
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_hold_that_comes_before_the_intent_of_a_request_keeps_the_batch() {
    let world = World::new(&rules(DELETED_AT, REST), SCHEMA);
    world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {RUNNING}), (2, 'boris', {RUNNING})"));
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["erase", "request", "site", "boris"], 0);
    world.run_paused("intent.before:1", &["sweep"], || drop(hold(&world, &["site", "--subject", "anna"], 0)));
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

/// The sweep for requests has looked at them, and starts without any: it disposes of nothing, and the audit knows that this can be.
#[cfg(feature = "test-hooks")]
#[test]
fn a_request_that_is_withdrawn_before_the_start_of_its_sweep_is_no_finding() {
    let world = world();
    let asked = json(&world, &["erase", "request", "site", "boris"], 0);
    let id = asked["request"].as_str().unwrap();
    world.run_paused("sweep-started.before:2", &["sweep"], || {
        world.ran(&["erase", "withdraw", id], 0);
    });
    let started = world.entries("sweep.started");
    assert_eq!(started.iter().filter(|sweep| sweep["cause"] == "request").count(), 1);
    assert_eq!(world.ids("SELECT id FROM account WHERE person = 'boris'"), set(&["5"]));
    sound(&world);
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_crash_of_an_answer_is_made_good_by_the_next_sweep() {
    for point in ["answer.before:1", "answer.after:1"] {
        let world = world();
        json(&world, &["erase", "request", "site", "boris"], 0);
        world.run_with(&[("EXPUNGED_KILL_AT", point)], &["sweep"]);
        json(&world, &["sweep"], 0);
        assert_eq!(world.entries("erasure.answered").len(), 1, "{point}");
        sound(&world);
    }
}

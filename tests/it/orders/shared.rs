//! Two rules over the same records, whose data subjects may be the same people or others.

use super::{DUE, RUNNING, hold, json, sound};
use crate::world::{DELETED_AT, World, rules, set};

/// Threads of one person hold posts of others.
const THREADS: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, person TEXT, deleted_at timestamptz);\
     CREATE INDEX account_deleted_at ON account (deleted_at);\
     CREATE INDEX account_person ON account (person);\
     CREATE TABLE post (id INTEGER PRIMARY KEY, person TEXT, deleted_at timestamptz, thread INTEGER REFERENCES account (id));\
     CREATE INDEX post_deleted_at ON post (deleted_at);\
     CREATE INDEX post_thread ON post (thread);\
     CREATE INDEX post_person ON post (person);";

/// The rule of the threads takes the posts along: by these columns.
fn threads(matches: &str) -> World {
    let rest = format!(
        "subject = \"person\"\non_erasure = \"dispose\"\n\
         [[rule.dependent]]\nid = \"posts\"\nclass = \"post\"\ntable = \"post\"\nmatch = {{ {matches} }}\naction = \"delete\"\n\
         [[rule]]\nid = \"post\"\nclass = \"post\"\nkeeps = []\ndatastore = \"site\"\ntable = \"post\"\nkey = [\"id\"]\n\
         subject = \"person\"\non_erasure = \"dispose\"\n\
         trigger = {{ column = \"deleted_at\", pending = [\"null\"] }}\nretain = \"50 years\"\ndelete_by = \"200 years\"\naction = \"delete\"\n"
    );
    World::new(&rules(DELETED_AT, &rest), THREADS)
}

/// Anna's thread is due and holds what Boris wrote: who holds Boris holds it, though nothing in it says whose posts go along. Where
/// the threads are in the hold's scope too, one of Boris' may hold a post of anybody.
#[test]
fn a_hold_on_a_person_keeps_what_would_take_theirs_along() {
    for (scope, along, left) in [
        ("site", &["site/account", "site/post"][..], &["10", "11", "12"][..]),
        ("site/post", &["site/account"], &["10", "12"]),
    ] {
        let world = threads("thread = \"id\"");
        world.sql(&format!(
            "INSERT INTO account VALUES (1, 'anna', {DUE}); \
             INSERT INTO post VALUES (10, 'boris', NULL, 1), (11, 'clara', {DUE}, NULL), (12, 'boris', {DUE}, NULL);"
        ));
        let held = hold(&world, &[scope, "--subject", "boris"], 0);
        assert_eq!(held["held_along"], serde_json::json!(along), "{scope}");
        json(&world, &["sweep"], 1);
        assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]), "{scope}");
        assert_eq!(world.ids("SELECT id FROM post"), set(left), "{scope}");
        sound(&world);
    }
}

/// It goes the other way round too: the posts of a thread under hold stay.
#[test]
fn a_hold_on_a_rule_keeps_what_it_takes_along() {
    let world = threads("thread = \"id\"");
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {RUNNING}); INSERT INTO post VALUES (10, 'boris', {DUE}, 1);"
    ));
    let before = world.contents();
    assert_eq!(hold(&world, &["site/account"], 0)["held_along"], serde_json::json!(["site/post"]));
    json(&world, &["sweep"], 1);
    assert_eq!(world.contents(), before);
    sound(&world);
}

/// Where both rules find one and the same person by the same columns, nobody else is held.
#[test]
fn a_hold_on_a_person_keeps_nobody_elses_where_both_rules_know_them_alike() {
    let world = threads("person = \"person\"");
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {DUE}), (2, 'boris', {DUE}); \
         INSERT INTO post VALUES (10, 'anna', {DUE}, NULL), (11, 'boris', {DUE}, NULL);"
    ));
    let held = hold(&world, &["site/post", "--subject", "boris"], 0);
    assert_eq!(held["held_along"], serde_json::json!(["site/account"]));
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    assert_eq!(world.ids("SELECT id FROM post"), set(&["11"]));
    sound(&world);
}

/// The other rule's batch may hold records that are on hold from now on.
#[cfg(feature = "test-hooks")]
#[test]
fn a_hold_waits_for_the_batch_of_another_rule_over_its_records() {
    let world = threads("thread = \"id\"");
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {DUE}); INSERT INTO post VALUES (10, 'boris', NULL, 1);"
    ));
    let mut answer = serde_json::Value::Null;
    world.run_paused("intent.after:1", &["sweep"], || {
        answer = hold(&world, &["site/post", "--subject", "boris"], 1);
    });
    assert_eq!(answer["answers"][0]["answer"], "pending");
    sound(&world);
}

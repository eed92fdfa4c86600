//! Records that are kept until their data subject asks: `trigger = { request = true }`.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DUE, REST, RUNNING, SCHEMA, hold, json, sound};
use crate::world::{World, rules, set};

/// Anna's accounts are of every age, and so is Boris'; the rule asks nobody's age.
fn world() -> World {
    let text = rules("{ request = true }", REST)
        .replace("retain = \"50 years\"", "retain = \"0 hours\"")
        .replace("delete_by = \"200 years\"", "delete_by = \"3 days\"");
    let world = World::new(&text, SCHEMA);
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {DUE}), (2, 'anna', {RUNNING}), (3, 'anna', NULL), (4, 'boris', {DUE});\
         INSERT INTO purchase VALUES (10, 1), (40, 4);"
    ));
    world
}

#[test]
fn nothing_goes_before_somebody_asks_and_then_what_is_theirs() {
    let world = world();
    let planned = json(&world, &["plan"], 0);
    assert_eq!(planned["rules"][0]["not_started"], 4, "{planned}");
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "4"]));
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4"]));
    assert_eq!(world.ids("SELECT id FROM purchase"), set(&["40"]));
    assert_eq!(world.entries("erasure.answered").len(), 1);
    let causes: Vec<_> = world.entries("batch.committed").iter().map(|b| b["cause"].clone()).collect();
    assert_eq!(causes, ["request"]);
    sound(&world);
}

#[test]
fn the_rules_own_deadline_counts_from_the_request() {
    let world = world();
    let received = expunged::clock::now() - TimeDelta::days(4);
    json(&world, &["erase", "request", "site", "anna", "--received", &received.to_rfc3339()], 0);
    let explained = json(&world, &["explain", "site/account", "1"], 0);
    assert_eq!(explained["verdict"], "overdue", "{explained}");
    let deadline: DateTime<Utc> = explained["deadline"].as_str().unwrap().parse().unwrap();
    let day = |at: DateTime<Utc>| at.date_naive();
    assert_eq!(day(deadline) - day(received), TimeDelta::days(3), "{explained}");
    assert_eq!(json(&world, &["explain", "site/account", "4"], 0)["verdict"], "kept");
}

#[test]
fn what_is_asked_for_and_held_stays() {
    let world = world();
    hold(&world, &["site", "--subject", "anna"], 0);
    json(&world, &["erase", "request", "site", "anna"], 0);
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "4"]));
    sound(&world);
}

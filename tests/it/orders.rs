//! Orders beside a sweep: legal holds, erasure requests, pauses.

mod erase;
mod hold;
mod lost;
mod obeyed;
mod on_request;
mod pause;
mod shared;

use serde_json::Value;

use crate::world::{DELETED_AT, World, rules};

/// Accounts of data subjects, of whom each has several; the orders of each account hang on it.
const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, person TEXT, deleted_at timestamptz);\
     CREATE INDEX account_deleted_at ON account (deleted_at);\
     CREATE INDEX account_person ON account (person);\
     CREATE TABLE purchase (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES account (id));";

const DUE: &str = "'1971-01-01T00:00:00Z'";
const RUNNING: &str = "'2001-01-01T00:00:00Z'";

/// What the tests' rule says beside its trigger.
const REST: &str = "subject = \"person\"\non_erasure = \"dispose\"\n\
     [[rule.dependent]]\nid = \"purchases\"\nclass = \"purchase\"\ntable = \"purchase\"\nmatch = { account_id = \"id\" }\naction = \"delete\"\n";

/// Anna has two due accounts and one whose period runs; Boris one due, and one undated; one due account is nobody's.
fn world() -> World {
    let world = World::new(&rules(DELETED_AT, REST), SCHEMA);
    world.sql(&format!(
        "INSERT INTO account VALUES (1, 'anna', {DUE}), (2, 'anna', {DUE}), (3, 'anna', {RUNNING}), (4, 'boris', {DUE}), \
         (5, 'boris', 'yesterday'), (6, NULL, {DUE}), (7, 'anna ', {DUE}), (8, 'ANNA', {DUE});\
         INSERT INTO purchase VALUES (10, 1), (30, 3), (40, 4), (50, 5);"
    ));
    world
}

fn json(world: &World, arguments: &[&str], code: i32) -> Value {
    let ran = world.ran(&[&["--format", "json"], arguments].concat(), code);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}\n{}", ran.text()))
}

/// Places a hold; what it answered.
fn hold(world: &World, arguments: &[&str], code: i32) -> Value {
    let place = ["hold", "place", "--reference", "CASE-2026-17", "--wait", "0"];
    json(world, &[&place, arguments].concat(), code)
}

fn release(world: &World, held: &Value) {
    world.ran(&["hold", "release", held["hold"].as_str().unwrap()], 0);
}

/// Every entry is where it belongs, and none is left open.
fn sound(world: &World) {
    world.ran(&["ledger", "verify"], 0);
}

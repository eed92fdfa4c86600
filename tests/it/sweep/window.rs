//! Outside the window of a datastore nothing goes, whoever asks.

#![cfg(feature = "test-hooks")]

use std::time::SystemTime;

use serde_json::Value as Json;

use crate::files_rule;
use crate::world::{DELETED_AT, World, at, rules, set};

const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, '1971-01-01T00:00:00Z'), (3, '2001-01-01T00:00:00Z');";

const NIGHT: &str = "window = { from = \"22:00\", to = \"06:00\", time_zone = \"Europe/Moscow\" }\n";

/// Sweeps today at this time of the day, in UTC.
fn swept_at(world: &World, time: &str, code: i32) -> Json {
    let now = expunged::clock::now();
    let then = now.date_naive().and_time(time.parse().unwrap()).and_utc();
    let offset = (then - now).num_seconds().to_string();
    let ran = world.run_with(&[("EXPUNGED_CLOCK_OFFSET", &offset)], &["sweep", "--format", "json"]);
    assert_eq!(ran.code, code, "{}", ran.text());
    serde_json::from_str::<Json>(&ran.stdout).unwrap()["rules"][0].clone()
}

#[test]
fn outside_the_window_a_sweep_stops_and_what_is_left_waits() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    world.configure("url = \"sqlite://site.db\"\n", &format!("url = \"sqlite://site.db\"\n{NIGHT}"));
    let report = swept_at(&world, "12:00:00", 1);
    assert_eq!((&report["result"], &report["disposed"]), (&"stopped".into(), &0.into()), "{report}");
    assert_eq!(report["remaining"], 2);
    assert_eq!(report["closed"], "datastore `site` may be swept only from 22:00 to 06:00 in Europe/Moscow");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
    assert!(world.entries("batch.intent").is_empty());
    assert_eq!(world.entries("sweep.finished")[0]["result"], "stopped");
    let report = swept_at(&world, "19:00:30", 0);
    assert_eq!((&report["result"], &report["disposed"]), (&"completed".into(), &2.into()), "{report}");
    assert_eq!(report["closed"], Json::Null);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3"]));
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn files_wait_for_the_window_of_their_tree() {
    let world = files_rule::world("**", files_rule::MODIFIED, "");
    world.configure("root = \"tree\"\n", &format!("root = \"tree\"\n{NIGHT}"));
    let file = std::fs::File::create(world.path("tree/a")).unwrap();
    file.set_modified(SystemTime::from(at("1971-01-01T00:00:00Z"))).unwrap();
    assert_eq!(swept_at(&world, "12:00:00", 1)["result"], "stopped");
    assert!(world.path("tree/a").exists());
    assert_eq!(swept_at(&world, "19:00:30", 0)["disposed"], 1);
    assert!(!world.path("tree/a").exists());
}

/// What hangs on the records elsewhere goes with them: both have to be open.
#[test]
fn the_window_of_a_dependents_datastore_counts_too() {
    let dependent = "[[rule.dependent]]\nid = \"pictures\"\nclass = \"pictures\"\ndatastore = \"tree\"\npattern = \"{id}/*\"\n\
                     action = \"delete\"\n";
    let world = World::new(&rules(DELETED_AT, dependent), SCHEMA);
    std::fs::create_dir_all(world.path("tree/3")).unwrap();
    world.configure(
        "[datastore.site]\n",
        &format!("[datastore.tree]\nkind = \"files\"\nroot = \"tree\"\n{NIGHT}\n[datastore.site]\n"),
    );
    let report = swept_at(&world, "12:00:00", 1);
    assert_eq!(report["closed"], "datastore `tree` may be swept only from 22:00 to 06:00 in Europe/Moscow");
    assert_eq!(swept_at(&world, "19:00:30", 0)["disposed"], 2);
}

#[test]
fn the_next_sweep_is_explained_with_the_hours() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    world.configure("url = \"sqlite://site.db\"\n", &format!("url = \"sqlite://site.db\"\n{NIGHT}"));
    let said = world.ran(&["explain", "site/account", "--at", "2026-03-04T12:10:00Z"], 0).stdout;
    let next = "2026-03-04T19:00:00Z = 2026-03-04T19:00:00+00:00 in Etc/UTC; schedule `0 0 * * * *`, in UTC; swept only in \
                `site`: 22:00 to 06:00 in Europe/Moscow";
    assert!(said.contains(next), "{said}");
}

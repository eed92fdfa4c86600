//! What the ledger says of how long records waited, and how they stood to the bounds.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use crate::world::{DELETED_AT, World, at, rules, set};

const PROMISE: &str = "[[promise]]\nid = \"account\"\ntext = \"Gone within a month.\"\nsource = \"s\"\n\
    trigger = \"account deleted\"\nno_later_than = \"1 month\"\ncovers = [\"account\"]\n\n[[rule]]";

#[test]
fn waits_and_what_is_left_of_every_bound_stand_in_the_ledger() {
    let text = rules(DELETED_AT, "")
        .replace("[[rule]]", PROMISE)
        .replace("keeps = []", "keeps = [\"account\"]")
        .replace("50 years", "0 hours")
        .replace("200 years", "24 hours");
    let now = expunged::clock::now();
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);\
        CREATE TRIGGER no_way BEFORE DELETE ON account WHEN old.id = 4 BEGIN SELECT RAISE(ABORT, 'no'); END;";
    let world = World::new(&text, schema);
    for (id, hours) in [(1, 3), (2, 3), (3, 30), (4, 50)] {
        let at = (now - TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Micros, true);
        world.sql(&format!("INSERT INTO account VALUES ({id}, '{at}')"));
    }
    world.sql("INSERT INTO account VALUES (5, '')");
    world.ran(&["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4", "5"]));
    // Two digits: nothing finer may tell one record from the next. A test takes less than 200 seconds here.
    let waited = json!([{ "n": 2, "within": 11_000 }, { "n": 1, "within": 110_000 }]);
    let committed = world.entries("batch.committed");
    let intents = world.entries("batch.intent");
    let of = |n: usize| {
        let batch = &committed[n]["batch"];
        intents.iter().find(|intent| intent["batch"] == *batch).unwrap()["timing"].clone()
    };
    let timings: Vec<_> = (0..committed.len()).map(of).collect();
    let all: Vec<_> = timings.iter().flat_map(|t| t["waited"].as_array().unwrap().clone()).collect();
    assert_eq!(all.len(), 2, "{timings:?}");
    for one in waited.as_array().unwrap() {
        assert!(all.contains(one), "{all:?}");
    }
    let mut own = (0, Vec::new());
    for timing in &timings {
        let bounds = timing["bounds"].as_array().unwrap();
        let [rule, promise] = &bounds[..] else { panic!("{bounds:?}") };
        assert!(rule.get("promise").is_none() && promise["promise"] == "account");
        own.0 += rule["late"].as_u64().unwrap();
        own.1.extend(rule["margin"].as_u64());
        assert_eq!(promise["late"], 0);
        let margin = promise["margin"].as_u64().unwrap();
        assert!((2_200_000..2_700_000).contains(&margin), "{margin}");
    }
    assert_eq!(own, (1, vec![75_000]), "one was late; 21 hours less the clock's 5 s were left of the others");
    let residue = world.entries("residue").pop().unwrap();
    assert_eq!(residue["bounds"][0], json!({ "late": 1, "margin": null }));
    assert_eq!(residue["bounds"][1]["late"], 0);
    let why = residue["why"].as_array().unwrap();
    assert_eq!(why[0], json!({ "n": 1, "of": "undated", "reason": "unreadable" }));
    assert_eq!((&why[1]["of"], &why[1]["n"]), (&json!("refused"), &json!(1)), "{why:?}");
    assert_eq!(why.len(), 2);
    world.ran(&["ledger", "verify"], 0);
}

const MINUTE: i64 = 60;

/// A rule at once, overdue after a day, over a table whose account 1 nobody lets go.
fn at_once(ids: &[(u32, DateTime<Utc>)]) -> World {
    let text = rules(DELETED_AT, "").replace("50 years", "0 hours").replace("200 years", "24 hours");
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);\
        CREATE TRIGGER no_way BEFORE DELETE ON account WHEN old.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END;";
    let world = World::new(&text, schema);
    for (id, at) in ids {
        let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        world.sql(&format!("INSERT INTO account VALUES ({id}, '{at}')"));
    }
    world
}

fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(MINUTE) * MINUTE
}

/// Whoever puts many measures of a record that stays together learns its deadline's minute, and nothing finer.
#[test]
fn no_number_of_measures_tells_a_deadline_to_less_than_its_minute() {
    let trigger = at("2021-03-02T10:20:37.250Z");
    let (world, deadline) = (at_once(&[(1, trigger)]), trigger + TimeDelta::hours(24));
    for before in [110, 99, 73, 60, 59, 38, 37, 36, 20, 1] {
        let now = deadline - TimeDelta::seconds(before);
        world.sweep(now).unwrap();
        let bounds = &world.entries("residue").pop().unwrap()["bounds"];
        let left = u64::try_from(minute(deadline) - now.timestamp()).unwrap_or(0);
        // Below 100 s all of it can be said in two digits; the clock's own fraction is cut off.
        let said = bounds[0]["margin"].as_u64().unwrap();
        assert!(
            said <= left && said + if left < 100 { 1 } else { 10 } >= left,
            "{before} s before: {said} of {left}"
        );
        assert_eq!(bounds[0]["late"], 0);
    }
    world.sweep(deadline).unwrap();
    assert_eq!(world.entries("residue").pop().unwrap()["bounds"][0], json!({ "late": 1, "margin": null }));
}

/// What is due at once has waited for seconds, and a batch may be of one record.
#[test]
fn a_short_wait_is_told_to_the_minute_of_its_trigger() {
    let trigger = expunged::clock::now() - TimeDelta::seconds(7);
    let world = at_once(&[(2, trigger)]);
    world.ran(&["sweep"], 0);
    let timing = &world.entries("batch.intent")[0]["timing"];
    let (measured, within) =
        (at(timing["at"].as_str().unwrap()), timing["waited"][0]["within"].as_i64().unwrap());
    assert!(within >= MINUTE, "{timing}");
    assert!(within == MINUTE || (measured.timestamp() + 1 - within - minute(trigger)).abs() <= 1, "{timing}");
    assert!(measured.timestamp() - within <= minute(trigger), "no longer than so: {timing}");
}

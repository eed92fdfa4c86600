//! A record whose data lies in three datastores: row, devices and uploads. Killed at every point in every turn, and swept to
//! the end: exactly what had to go is gone, everywhere, and every part of it can be proved.

use std::collections::{BTreeMap, BTreeSet};

use super::points;
use crate::units::{Unit, survivors};

#[test]
fn a_unit_in_three_datastores_is_disposed_of_exactly_whatever_kills_the_sweep() {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    let trace = Unit::new();
    let passed = trace.trace();
    for (point, turns) in &passed {
        for turn in 1..=*turns {
            let unit = Unit::new();
            assert!(unit.killed_at(point, turn), "`{point}:{turn}` was not hit");
            let hollow = unit.hollow();
            unit.sweep_to_the_end();
            assert_eq!(unit.left(), &survivors() | &hollow, "after `{point}:{turn}`");
            unit.proves_everything(&format!("{point}:{turn}"));
            *hits.entry(point.clone()).or_default() += 1;
        }
    }
    println!("{} crashes: {hits:?}", hits.values().sum::<u64>());
    let names: BTreeSet<&str> = hits.keys().filter_map(|point| point.split('.').next()).collect();
    let missed: Vec<&str> = points::FILES.into_iter().filter(|point| !names.contains(point)).collect();
    assert!(missed.is_empty(), "never hit: {missed:?}");
}

/// Killed in the middle of the files, and again at every point of the recovery.
#[test]
fn a_crash_in_the_recovery_of_files_changes_no_outcome() {
    let begun = Unit::new();
    assert!(begun.killed_at("unlink.after", 2));
    let passed = begun.trace();
    assert!(passed.contains_key("recover.before") && passed.contains_key("recover.after"));
    for point in passed.keys() {
        let unit = Unit::new();
        assert!(unit.killed_at("unlink.after", 2));
        assert!(unit.killed_at(point, 1), "`{point}` was not hit");
        let hollow = unit.hollow();
        unit.sweep_to_the_end();
        assert_eq!(unit.left(), &survivors() | &hollow, "after `{point}`");
        unit.proves_everything(point);
    }
}

/// A batch of files is in doubt while its root is another directory: whatever hangs on files there waits.
#[test]
fn a_rule_with_dependents_in_a_parked_datastore_disposes_of_nothing() {
    let unit = Unit::new();
    assert!(unit.killed_at("unlink.after", 1));
    let tree = |name: &str| unit.world.path(name);
    std::fs::rename(tree("tree"), tree("away")).unwrap();
    std::fs::create_dir(tree("tree")).unwrap();
    let rows = |unit: &Unit| unit.world.list_on("site.db", "SELECT id FROM account");
    let before = rows(&unit);
    let parked = unit.world.ran(&["sweep"], 5);
    assert!(parked.stderr.contains("its root is another directory now"), "{}", parked.text());
    assert_eq!(rows(&unit), before);
    // Two names trade places, so that nothing has to be removed.
    std::fs::rename(tree("tree"), tree("empty")).unwrap();
    std::fs::rename(tree("away"), tree("tree")).unwrap();
    unit.sweep_to_the_end();
    assert_eq!(unit.left(), survivors());
    unit.proves_everything("the root came back");
}

/// Of a disk that was replaced, and its files restored, a person says that it is the one; nothing that is not there is claimed.
#[test]
fn a_batch_of_a_root_that_was_replaced_is_settled_once_that_is_confirmed() {
    let unit = Unit::new();
    assert!(unit.killed_at("unlink.after", 1));
    let world = &unit.world;
    std::fs::rename(world.path("tree"), world.path("away")).unwrap();
    let copied =
        std::process::Command::new("cp").arg("-a").args([world.path("away"), world.path("tree")]).status();
    assert!(copied.unwrap().success());
    assert!(world.ran(&["sweep"], 5).stderr.contains("approve --root"));
    world.ran(&["approve", "--root", "uploads"], 0);
    let intent = world.entries("batch.intent")[0]["batch"].clone();
    unit.sweep_to_the_end();
    assert_eq!(unit.left(), survivors());
    let settled = world.entries("batch.committed");
    let settled = settled.iter().find(|entry| entry["batch"] == intent).unwrap();
    let outcomes = &settled["parts"][0]["outcomes"];
    assert_eq!(
        (&outcomes["disposed"], &outcomes["already_gone"], &outcomes["changed"]),
        (&0.into(), &1.into(), &5.into())
    );
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_crash_while_the_end_of_backups_is_recorded_loses_nothing() {
    for when in ["before", "after"] {
        let world = crate::files_rule::backups();
        let point = format!("{}.{when}:1", points::BACKUPS);
        assert_eq!(
            world.run_with(&[("EXPUNGED_KILL_AT", &point)], &["sweep"]).code,
            -1,
            "`{point}` was not hit"
        );
        world.ran(&["sweep"], 1);
        assert_eq!(world.entries("backup.expired").len(), 1, "{when}");
        world.ran(&["ledger", "verify"], 0);
    }
}

/// Killed where the shares of the other datastores are sealed, and the records are not gone yet.
fn without_their_dependents() -> Unit {
    let turns = Unit::new().trace()["commit.before"];
    let unit = Unit::new();
    assert!(unit.killed_at("commit.before", turns));
    unit
}

fn stranded(unit: &Unit) -> Vec<Option<u64>> {
    let residues = unit.world.entries("residue");
    residues.iter().map(|residue| residue["stranded"].as_u64()).collect()
}

const SAID: &str = "A crash left at most 3 records whose dependents in another datastore are gone.";

#[test]
fn records_that_a_crash_left_without_their_dependents_are_said() {
    let unit = without_their_dependents();
    let swept = unit.world.ran(&["sweep"], 1);
    assert!(swept.stdout.contains(SAID), "{}", swept.text());
    assert_eq!(stranded(&unit), [Some(3), None]);
    assert_eq!(unit.left(), survivors());
    unit.world.ran(&["sweep"], 0);
}

/// The records' database is away at the restart, and when it comes back they are not due any more: nobody would count them again.
#[test]
fn records_without_their_dependents_are_said_once_their_datastore_is_back() {
    let unit = without_their_dependents();
    let others = crate::world::rules(crate::world::DELETED_AT, "")
        .replace("datastore = \"site\"", "datastore = \"devices\"");
    unit.world.write("rules/other.toml", &others);
    unit.world.sql_on(
        "devices.db",
        "CREATE TABLE account (id integer PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z');",
    );
    std::fs::rename(unit.world.path("site.db"), unit.world.path("away.db")).unwrap();
    let parked = unit.world.ran(&["sweep"], 5);
    assert!(!parked.stdout.contains("whose dependents"), "nobody knows yet: {}", parked.text());
    let other = unit.world.list_on("devices.db", "SELECT id FROM account");
    assert!(other.is_empty(), "another rule goes on meanwhile: {}", parked.text());
    assert_eq!(stranded(&unit), [None], "of the other rule alone");
    let verified = unit.world.ran(&["ledger", "verify"], 1);
    assert!(verified.stdout.contains("sound") && !verified.stdout.contains("NOT"), "{}", verified.text());
    std::fs::rename(unit.world.path("away.db"), unit.world.path("site.db")).unwrap();
    unit.world.sql("UPDATE account SET deleted_at = NULL");
    let swept = unit.world.ran(&["sweep", "--format", "json"], 1);
    let said: serde_json::Value = serde_json::from_str(&swept.stdout).unwrap();
    assert_eq!(said["recovered"]["stranded"], 3, "{said}");
    assert_eq!(unit.world.list_on("site.db", "SELECT id FROM account").len(), 5);
    unit.world.ran(&["ledger", "verify"], 0);
    unit.world.ran(&["sweep"], 0);
    assert_eq!(stranded(&unit).into_iter().flatten().collect::<Vec<_>>(), [3], "once");
}

//! Evidence lost between a crash and the restart: the marker's table dropped, so that only the records can tell; or the whole
//! datastore away.

use super::oracle::{self, Summary};
use super::world::{SMALL, Size, World};
use crate::world::Application as _;

/// A world whose sweep dies at a point of its first batch; then the evidence is lost, and whatever else the application does.
fn recovered_without_evidence(point: &str, meanwhile: &'static str) -> Summary {
    // One batch takes all whose trigger SQL can compare, and what only looks like a time.
    let world = World::new(&Size { batch: 100, first_sweep: 1000, ..SMALL });
    let mut model = world.model();
    assert!(world.run_killed_at(&["sweep"], point, 1).killed());
    world.sql("DROP TABLE expunged_marker");
    world.sql(meanwhile);
    if meanwhile.contains("INSERT") {
        model.gone(REUSED);
        model.accounts.insert(REUSED, None);
    } else if !meanwhile.is_empty() {
        model.accounts.insert(REUSED, None);
    }
    let swept = world.sweep_to_the_end();
    assert!(swept.stdout.contains("Recovered from a crash: "), "{}", swept.stdout);
    oracle::check(&world, model)
}

/// A due account of every world.
const REUSED: i64 = 1;

fn only(of: &std::collections::BTreeMap<String, u64>, what: &str) -> bool {
    of.get(what) == Some(&1)
}

#[test]
fn with_the_marker_lost_a_surviving_record_proves_the_roll_back() {
    let summary = recovered_without_evidence("commit.before", "");
    assert!(only(&summary.aborted, "SurvivorFound"), "{:?}", summary.aborted);
}

#[test]
fn with_the_marker_lost_one_record_undeleted_does_not_hide_that_the_others_survive() {
    let summary =
        recovered_without_evidence("commit.before", "UPDATE account SET deleted_at = NULL WHERE id = 1");
    assert!(only(&summary.aborted, "SurvivorFound"), "{:?}", summary.aborted);
}

/// The batch's selection held a record that was not due, `2020-02-31`: that it is there proves nothing.
#[test]
fn with_the_marker_lost_no_surviving_record_of_the_batch_means_committed_as_the_state_has_it() {
    let summary = recovered_without_evidence("commit.after", "");
    assert!(only(&summary.committed, "State, recovered: true"), "{:?}", summary.committed);
}

#[test]
fn with_the_marker_lost_a_key_used_again_is_no_survivor() {
    let summary = recovered_without_evidence("commit.after", "INSERT INTO account VALUES (1, 'new', NULL)");
    assert!(only(&summary.committed, "State, recovered: true"), "{:?}", summary.committed);
}

/// The sweep that was cut off is closed with its batch still open; the outcome comes after the end.
#[test]
fn with_the_datastore_away_nothing_is_assumed_until_it_is_back() {
    for (point, word) in [("commit.after", "Marker, recovered: true"), ("commit.before", "RolledBack")] {
        let world = World::new(&Size { first_sweep: 1000, ..SMALL });
        let model = world.model();
        assert!(world.run_killed_at(&["sweep"], point, 2).killed());
        let away = world.path("away");
        std::fs::create_dir(&away).unwrap();
        let moved = ["shop.db", "shop.db-wal", "shop.db-shm"];
        for file in moved.iter().filter(|file| world.path(file).exists()) {
            std::fs::rename(world.path(file), away.join(file)).unwrap();
        }
        for _ in 0..2 {
            world.run(&["sweep"]).expect(&[5]);
            world.run(&["ledger", "verify"]).expect(&[1]);
        }
        for file in moved.iter().filter(|file| away.join(file).exists()) {
            std::fs::rename(away.join(file), world.path(file)).unwrap();
        }
        world.sweep_to_the_end();
        let summary = oracle::check(&world, model);
        assert!(only(&summary.committed, word) || only(&summary.aborted, word), "{:?}", summary.aborted);
    }
}

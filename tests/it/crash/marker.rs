//! The marker's table dropped between a crash and the restart: what is left to tell by is the records themselves.

use super::oracle::{self, Summary};
use super::world::{SMALL, Size, World};

/// A world whose sweep dies at a point of its first batch; then the evidence is lost, and whatever else the application does.
fn recovered_without_evidence(point: &str, meanwhile: &'static str) -> Summary {
    // One batch takes all whose trigger SQL can compare, and what only looks like a time.
    let world = World::new(&Size { batch: 100, first_sweep: 1000, ..SMALL });
    let mut model = world.model();
    assert!(world.run_killed_at(&["sweep"], point, 1).killed());
    world.execute("DROP TABLE expunged_marker");
    world.execute(meanwhile);
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

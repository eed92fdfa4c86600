//! Every named point, in every turn, in small worlds that are checked after every single crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::sqlite::SqliteJournalMode;

use super::oracle::{self, Summary};
use super::world::{SMALL, Size, World};
use crate::architecture::source::rust_files;

/// Passed once in the life of a state or a datastore, or by another command: hit in small worlds only.
pub const ONLY_ONCE: [&str; 8] = [
    "state-tables.before",
    "state-tables.after",
    "marker-table.before",
    "marker-table.after",
    "incarnation.before",
    "incarnation.after",
    "approval.before",
    "approval.after",
];

/// Whether a sweep of many batches passes the point many times.
pub fn in_every_batch(point: &str) -> bool {
    let name = point.split('.').next().unwrap_or(point);
    ["prepare", "stage", "intent", "marker", "commit", "seal", "forget", "state-commit"].contains(&name)
}

/// Passed by sweeps of files only: `super::unit` hits each of them.
pub const FILES: [&str; 4] = ["unlink", "directory-sync", "prune", "prune-sync"];

/// Passed by sweeps of backups only: `super::unit` hits them too.
pub const BACKUPS: &str = "backup-expired";

/// Passed by orders and their answers only: `crate::orders` hits them.
pub const ORDERS: [&str; 2] = ["order", "answer"];

/// Passed by sweeps of rules that ask for more than logical erasure only: `crate::levels` hits them.
pub const LEVELS: [&str; 2] = ["level", "claim"];

/// The points that a sweep of rows passes.
pub fn of_rows() -> BTreeSet<String> {
    let name = |point: &String| point.split('.').next().unwrap_or(point).to_owned();
    let elsewhere = |name: &str| {
        name == BACKUPS || FILES.contains(&name) || ORDERS.contains(&name) || LEVELS.contains(&name)
    };
    in_source().into_iter().filter(|point| !elsewhere(&name(point))).collect()
}

/// The points as `src` names them: a new one is covered without a word here.
pub fn in_source() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    for (_, text) in rust_files("src") {
        let calls = text.split("hook::reach(\"").skip(1);
        points.extend(calls.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(points.len() > 20, "the calls are written otherwise now: {points:?}");
    points
}

/// How often each point is named in the file that `EXPUNGED_REACHED` names.
pub fn passed(reached: &Path) -> BTreeMap<String, u64> {
    let mut passed = BTreeMap::new();
    for point in std::fs::read_to_string(reached).unwrap().lines() {
        *passed.entry(point.to_owned()).or_default() += 1;
    }
    passed
}

/// A state's life from nothing: parked, approved, swept.
const COMMANDS: [&[&str]; 3] = [&["sweep"], &["approve", super::RULE, "--up-to", "100"], &["sweep"]];
const EXITS: [i32; 3] = [5, 0, 0];

fn finish_from(world: &World, first: usize) {
    for (command, exit) in COMMANDS.iter().zip(EXITS).skip(first) {
        world.run(command).expect(&[exit]);
    }
}

#[test]
fn a_crash_at_any_point_in_any_turn_loses_nothing_and_proves_everything() {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    let world = World::new(&SMALL);
    let model = world.model();
    for (number, command) in COMMANDS.iter().enumerate() {
        let before = world.snapshot();
        let (ran, passed) = world.trace(command);
        ran.expect(&[EXITS[number]]);
        let after = world.snapshot();
        for (point, turns) in passed {
            for turn in 1..=turns {
                world.restore(&before);
                let ran = world.run_killed_at(command, &point, turn);
                assert!(ran.killed(), "`{point}:{turn}` was not hit by {command:?}: {}", ran.stderr);
                println!("killed {command:?} at {point}:{turn}");
                finish_from(&world, number);
                oracle::check(&world, model.clone());
                *hits.entry(point.clone()).or_default() += 1;
            }
        }
        world.restore(&after);
    }
    let only_in_recovery = ["recover.before", "recover.after"];
    let missed: Vec<String> = of_rows()
        .into_iter()
        .filter(|p| !hits.contains_key(p) && !only_in_recovery.contains(&p.as_str()))
        .collect();
    assert!(missed.is_empty(), "never hit: {missed:?}");
    println!("{} crashes: {hits:?}", hits.values().sum::<u64>());
}

/// The batch was rolled back with the process, and with its marker already written.
#[test]
fn a_crash_in_the_recovery_of_a_batch_that_was_rolled_back_changes_no_outcome() {
    let mut hits = recovery_crashes("commit.before", 2, SqliteJournalMode::Wal, |s| {
        s.aborted.contains_key("RolledBack")
    });
    for (point, n) in
        recovery_crashes("intent.after", 1, SqliteJournalMode::Wal, |s| s.aborted.contains_key("RolledBack"))
    {
        *hits.entry(point).or_default() += n;
    }
    println!("{} crashes after a crash: {hits:?}", hits.values().sum::<u64>());
}

/// The batch was committed, and nobody was told; the application keeps a rollback journal.
#[test]
fn a_crash_in_the_recovery_of_a_batch_that_was_committed_changes_no_outcome() {
    let hits = recovery_crashes("commit.after", 2, SqliteJournalMode::Delete, |s| {
        s.committed.contains_key("Marker, recovered: true")
    });
    println!("{} crashes after a crash: {hits:?}", hits.values().sum::<u64>());
}

/// Kills a sweep at one point, and the next two at every point of theirs.
fn recovery_crashes(
    first: &str,
    turn: u64,
    journal: SqliteJournalMode,
    as_it_was: impl Fn(&Summary) -> bool,
) -> BTreeMap<String, u64> {
    let world = World::new(&Size { journal, ..SMALL });
    let model = world.model();
    world.run(COMMANDS[0]).expect(&[EXITS[0]]);
    world.approve();
    assert!(world.run_killed_at(&["sweep"], first, turn).killed());
    let crashed = world.snapshot();
    let (ran, passed) = world.trace(&["sweep"]);
    ran.expect(&[0]);
    assert!(passed.contains_key("recover.before") && passed.contains_key("recover.after"));
    for point in passed.keys() {
        world.restore(&crashed);
        assert!(world.run_killed_at(&["sweep"], point, 1).killed(), "`{point}` was not hit");
        println!("killed at {first}:{turn}, then at {point}:1");
        // Once more at the same point: recovery begins where it left off.
        let again = world.run_killed_at(&["sweep"], point, 1);
        if !again.killed() {
            again.expect(&[0]);
        }
        world.sweep_to_the_end();
        let summary = oracle::check(&world, model.clone());
        assert!(as_it_was(&summary), "committed {:?}, aborted {:?}", summary.committed, summary.aborted);
    }
    passed.into_keys().map(|point| (point, 1)).collect()
}

//! Every named point, in every turn, in small worlds that are checked after every single crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::oracle;
use super::world::{SMALL, World};

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
    ["prepare", "intent", "marker", "commit", "seal", "forget", "state-commit"].contains(&name)
}

/// The points as `src` names them: a new one is covered without a word here.
pub fn in_source() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut points);
    assert!(points.len() > 20, "the calls are written otherwise now: {points:?}");
    points
}

fn collect(directory: &Path, points: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, points);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("hook::reach(\"").skip(1);
            points.extend(calls.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

/// A state's life from nothing: parked, approved, swept.
const COMMANDS: [&[&str]; 3] = [&["sweep"], &["approve", super::RULE, "--up-to", "100"], &["sweep"]];
const EXITS: [i32; 3] = [5, 0, 0];

fn finish_from(world: &World, first: usize) {
    for (command, exit) in COMMANDS.iter().zip(EXITS).skip(first) {
        world.run(command).expect(&[exit]);
    }
}

/// A world in which the commands before this one have gone well.
fn world_before(command: usize) -> World {
    let world = World::new(&SMALL);
    for (command, exit) in COMMANDS.iter().zip(EXITS).take(command) {
        world.run(command).expect(&[exit]);
    }
    world
}

#[test]
fn a_crash_at_any_point_in_any_turn_loses_nothing_and_proves_everything() {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    for (number, command) in COMMANDS.iter().enumerate() {
        let (ran, passed) = world_before(number).trace(command);
        ran.expect(&[EXITS[number]]);
        for (point, turns) in passed {
            for turn in 1..=turns {
                let world = world_before(number);
                let model = world.model();
                let ran = world.run_killed_at(command, &point, turn);
                assert!(ran.killed(), "`{point}:{turn}` was not hit by {command:?}: {}", ran.stderr);
                // A crash of the first command may have come before there was a state at all.
                finish_from(&world, number);
                oracle::check(&world, model);
                *hits.entry(point.clone()).or_default() += 1;
            }
        }
    }
    let only_in_recovery = ["recover.before", "recover.after"];
    let missed: Vec<String> = in_source()
        .into_iter()
        .filter(|p| !hits.contains_key(p) && !only_in_recovery.contains(&p.as_str()))
        .collect();
    assert!(missed.is_empty(), "never hit: {missed:?}");
    println!("{} crashes: {hits:?}", hits.values().sum::<u64>());
}

#[test]
fn a_crash_in_the_recovery_from_a_crash_changes_no_outcome() {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    for (first, turn) in [("commit.before", 2), ("marker.after", 1), ("commit.after", 2)] {
        let crashed = || {
            let world = world_before(2);
            let model = world.model();
            assert!(world.run_killed_at(&["sweep"], first, turn).killed());
            (world, model)
        };
        let (ran, passed) = crashed().0.trace(&["sweep"]);
        ran.expect(&[0]);
        assert!(passed.contains_key("recover.before") && passed.contains_key("recover.after"));
        for point in passed.keys() {
            let (world, model) = crashed();
            assert!(world.run_killed_at(&["sweep"], point, 1).killed(), "`{point}` was not hit");
            // Once more at the same point: recovery starts from where it was.
            let again = world.run_killed_at(&["sweep"], point, 1);
            if !again.killed() {
                again.expect(&[0]);
            }
            world.sweep_to_the_end();
            let summary = oracle::check(&world, model);
            let (committed, aborted) = (&summary.committed, &summary.aborted);
            if first == "commit.after" {
                assert!(committed["Marker, recovered: true"] > 0, "{committed:?}");
            } else {
                assert!(aborted["RolledBack"] > 0, "{aborted:?}");
            }
            *hits.entry(point.clone()).or_default() += 1;
        }
    }
    println!("{} crashes after a crash: {hits:?}", hits.values().sum::<u64>());
}

//! A record whose data lies in three datastores: row, devices and uploads. Killed at every point in every turn, and swept to
//! the end: exactly what had to go is gone, everywhere, and every part of it can be proved.

use std::collections::{BTreeMap, BTreeSet};

use super::points;
use crate::units::{Unit, survivors};

/// Rows and files: a directory that a crash left behind is empty (docs/known-limitations.md).
fn data(left: BTreeSet<String>) -> BTreeSet<String> {
    left.into_iter().filter(|one| !one.starts_with("directory ")).collect()
}

#[test]
fn a_unit_in_three_datastores_is_disposed_of_exactly_whatever_kills_the_sweep() {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    let trace = Unit::new();
    let passed = trace.trace();
    for (point, turns) in &passed {
        for turn in 1..=*turns {
            let unit = Unit::new();
            assert!(unit.killed_at(point, turn), "`{point}:{turn}` was not hit");
            unit.sweep_to_the_end();
            assert_eq!(data(unit.left()), data(survivors()), "after `{point}:{turn}`");
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
        unit.sweep_to_the_end();
        assert_eq!(data(unit.left()), data(survivors()), "after `{point}`");
        unit.proves_everything(point);
    }
}

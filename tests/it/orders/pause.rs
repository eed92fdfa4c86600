//! Pauses and the stop file: everything stops before the next intent.

use super::{json, sound, world};
use crate::world::set;

#[test]
fn while_paused_nothing_is_disposed_of() {
    let world = world();
    let before = world.contents();
    json(&world, &["pause", "--by", "ops"], 0);
    json(&world, &["pause"], 0);
    let ran = world.ran(&["sweep"], 5);
    assert!(ran.stderr.contains("expunged resume"), "{}", ran.text());
    assert_eq!(world.contents(), before);
    json(&world, &["resume"], 0);
    assert!(world.ran(&["resume"], 0).stdout.contains("was not paused"));
    json(&world, &["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "5"]));
    assert_eq!((world.entries("pause").len(), world.entries("resume").len()), (1, 1));
    sound(&world);
}

#[test]
fn a_stop_file_stops_everything_and_so_does_one_that_cannot_be_looked_for() {
    let world = world();
    let before = world.contents();
    world.write("state.db.stop", "");
    assert!(world.ran(&["sweep"], 5).stderr.contains("state.db.stop"));
    assert_eq!(json(&world, &["resume"], 1)["paused"], true);
    assert_eq!(world.contents(), before);
    crate::files::world::remove(&world.path("state.db.stop"));
    // A link that leads to itself is there as well.
    std::os::unix::fs::symlink("state.db.stop", world.path("state.db.stop")).unwrap();
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    crate::files::world::remove(&world.path("state.db.stop"));
    json(&world, &["sweep"], 0);
    sound(&world);
}

/// Whoever asks how things stand learns that nothing goes, and who said so.
#[test]
fn status_says_that_disposal_is_halted_and_is_a_finding() {
    let world = world();
    json(&world, &["sweep"], 0);
    let calm = json(&world, &["status"], 0);
    assert!(calm["halted"].is_null() && calm["paused_at"].is_null() && calm["paused_by"].is_null(), "{calm}");
    let entry = json(&world, &["pause", "--by", "ops"], 0)["entry"].clone();
    let paused = json(&world, &["status"], 1);
    let why = format!("disposal is paused (entry {entry}): `expunged resume`");
    assert_eq!((&paused["halted"], &paused["paused_by"]), (&why.as_str().into(), &"ops".into()));
    let since = crate::world::at(paused["paused_at"].as_str().unwrap());
    assert_eq!(since, crate::world::at(world.entries("pause")[0]["at"].as_str().unwrap()));
    let text = world.ran(&["status"], 1).stdout;
    let first =
        format!("Nothing is disposed of: {why}; since {}, by ops.", since.format("%Y-%m-%d %H:%M:%S UTC"));
    assert_eq!(text.lines().next(), Some(first.as_str()));
    json(&world, &["resume"], 0);
    world.ran(&["status"], 0);
    world.write("state.db.stop", "");
    let stopped = json(&world, &["status"], 1);
    assert!(stopped["halted"].as_str().unwrap().contains("state.db.stop"), "{stopped}");
    assert!(stopped["paused_at"].is_null() && stopped["paused_by"].is_null(), "{stopped}");
    let text = world.ran(&["status"], 1).stdout;
    assert!(text.starts_with("Nothing is disposed of: the stop file"), "{text}");
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_pause_in_the_middle_of_a_sweep_stops_it_before_the_next_intent() {
    for (point, intents) in
        [("prepare.before:1", 0), ("prepare.after:1", 0), ("intent.before:1", 0), ("intent.after:1", 1)]
    {
        for stop_file in [false, true] {
            let world = world();
            world.configure("[defaults]\n", "[defaults]\nbatch = 2\n");
            let ran = world.run_paused(point, &["sweep"], || {
                if stop_file {
                    world.write("state.db.stop", "");
                } else {
                    json(&world, &["pause"], 0);
                }
            });
            assert_eq!(ran.code, 5, "{point}\n{}", ran.text());
            assert_eq!(world.entries("batch.intent").len(), intents, "{point}");
            assert_eq!(world.entries("sweep.finished")[0]["result"], "stopped");
            sound(&world);
        }
    }
}

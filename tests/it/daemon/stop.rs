//! How it ends.

use super::handle::{Daemon, run, world};
use crate::world::{World, set};

#[test]
fn a_second_disposer_is_refused() {
    let world = world();
    let daemon = Daemon::start(&world);
    for command in ["run", "sweep"] {
        let refused = run(&world, &[command]);
        assert_eq!(refused.code, 75, "{}", refused.text());
    }
    daemon.stop();
}

/// Batches of one record, held at a point of the second.
pub fn held<'w>(world: &'w World, point: &str, more: &[(&str, &str)]) -> (Daemon<'w>, std::path::PathBuf) {
    world.sql("UPDATE account SET deleted_at = '2031-03-03T20:00:00Z' WHERE id < 4");
    world.configure("rows_per_second = \"unlimited\"", "rows_per_second = 1000000\nbatch = 1");
    let pipe = world.path("pause");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let environment = [&[("EXPUNGED_PAUSE_AT", point), ("EXPUNGED_PAUSE", "pause")], more].concat();
    let daemon = Daemon::spawn(world, &environment);
    daemon.wait("READY=1");
    assert_eq!(std::fs::read_to_string(&pipe).unwrap(), "reached", "`{point}` was not passed");
    (daemon, pipe)
}

#[test]
fn a_stop_in_mid_sweep_ends_after_the_batch() {
    let world = world();
    let (mut daemon, pipe) = held(&world, "commit.before:2", &[]);
    daemon.signal("TERM");
    daemon.wait("STOPPING=1");
    drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    assert_eq!(daemon.ended(), 0, "{}", daemon.log());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    assert_eq!(world.ids("SELECT id FROM visit"), set(&["1", "2"]), "no other rule has its turn");
    let finished = world.entries("sweep.finished");
    assert_eq!((finished.len(), finished[0]["result"].as_str()), (1, Some("stopped")), "{finished:?}");
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let world = world();
    let (mut daemon, _pipe) = held(&world, "commit.after:2", &[]);
    daemon.signal("TERM");
    daemon.wait("STOPPING=1");
    daemon.signal("INT");
    assert_eq!(daemon.ended(), 1, "{}", daemon.log());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    drop(daemon);
    let daemon = Daemon::start(&world);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4"]));
    daemon.stop();
    world.ran(&["ledger", "verify"], 0);
}

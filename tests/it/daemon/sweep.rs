//! `expunged sweep` under the same signals.

use std::process::{Command, Stdio};

use super::handle::world;
use crate::world::{World, set};

/// `expunged sweep`, batch by batch, held at a point; then these signals, and it goes on. Its exit code.
fn signalled(world: &World, point: &str, signals: &[&str]) -> i32 {
    world.sql("UPDATE account SET deleted_at = '2031-03-03T20:00:00Z' WHERE id < 4");
    world.configure("rows_per_second = \"unlimited\"", "rows_per_second = 1000000\nbatch = 1");
    let (pipe, log) = (world.path("pause"), world.path("sweep.log"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_expunged"))
        .current_dir(world.path(""))
        .envs([("EXPUNGED_CLOCK_FILE", "clock"), ("EXPUNGED_PAUSE_AT", point), ("EXPUNGED_PAUSE", "pause")])
        .args(["--config", "expunged.toml", "--log-level", "info", "sweep"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    assert_eq!(std::fs::read_to_string(&pipe).unwrap(), "reached", "`{point}` was not passed");
    for signal in signals {
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        // Two signals of a kind that come at once are one.
        while !std::fs::read_to_string(&log).unwrap().contains(&format!("SIG{signal}")) {
            std::thread::yield_now();
        }
    }
    if signals.len() == 1 {
        drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    }
    child.wait().unwrap().code().unwrap_or(-1)
}

#[test]
fn a_sweep_that_is_interrupted_ends_after_its_batch() {
    let world = world();
    assert_eq!(signalled(&world, "commit.before:2", &["INT"]), 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    assert_eq!(world.ids("SELECT id FROM visit"), set(&["1", "2"]), "no other rule has its turn");
    let finished = world.entries("sweep.finished");
    assert_eq!((finished.len(), finished[0]["result"].as_str()), (1, Some("stopped")), "{finished:?}");
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_sweep_that_is_interrupted_twice_ends_at_once() {
    let world = world();
    assert_eq!(signalled(&world, "commit.before:2", &["TERM", "INT"]), 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "4"]));
    let swept = super::handle::run(&world, &["sweep"]);
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4"]));
    world.ran(&["ledger", "verify"], 0);
}

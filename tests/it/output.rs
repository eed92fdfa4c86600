//! What a command prints, where nobody reads it to the end: `| head`, `| grep -q`, a pager that was left, a full disk.

use std::fs::File;
use std::process::{Output, Stdio};

use crate::world::{DELETED_AT, World, rules, set};

const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
    CREATE INDEX by_deleted ON account (deleted_at);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL), (3, '1971-06-01T00:00:00Z');";

fn world() -> World {
    World::new(&rules(DELETED_AT, ""), SCHEMA)
}

/// A pipe whose reader has left already.
fn left() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Runs the program with standard output and standard error there.
fn run(world: &World, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> (Option<i32>, String) {
    let Output { status, stderr, .. } =
        world.command(&[], arguments).stdout(stdout).stderr(stderr).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn whoever_leaves_before_the_end_changes_no_exit_code() {
    let world = world();
    let cases: [(&[&str], i32); 10] = [
        (&["status"], 0),
        (&["status", "--format", "json"], 0),
        (&["plan"], 0),
        (&["check"], 0),
        (&["explain", "site/account"], 0),
        (&["explain", "site/account", "2"], 0),
        (&["schema", "rules"], 0),
        (&["grants"], 0),
        (&["demo"], 0),
        (&["plan", "site/none"], 2),
    ];
    for (arguments, code) in cases {
        let (ended, stderr) = run(&world, arguments, left(), Stdio::piped());
        assert_eq!(ended, Some(code), "{arguments:?}\n{stderr}");
        assert!(!stderr.contains("a bug"), "{arguments:?}\n{stderr}");
        assert_eq!(run(&world, arguments, left(), left()).0, Some(code), "{arguments:?}");
    }
}

/// What went has gone, and its scheduler learns how the sweep ended.
#[test]
fn a_sweep_that_nobody_reads_ends_with_its_own_code() {
    for (format, stderr) in [("text", Stdio::piped()), ("json", left())] {
        let world = world();
        let (ended, stderr) = run(&world, &["sweep", "--format", format], left(), stderr);
        assert_eq!(ended, Some(0), "{stderr}");
        assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
        // One that is refused says so too, and so does one that leaves something.
        world.sql("INSERT INTO account VALUES (4, '1971-01-01T00:00:00Z')");
        world.ran(&["pause"], 0);
        assert_eq!(run(&world, &["sweep", "--format", format], left(), left()).0, Some(5));
        world.ran(&["resume"], 0);
        world.sql("CREATE TRIGGER kept BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'kept'); END");
        assert_eq!(run(&world, &["sweep", "--format", format], left(), left()).0, Some(1));
        assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "4"]));
        world.ran(&["ledger", "verify"], 0);
    }
}

/// A reader who leaves has what they wanted; a disk that is full has lost it.
#[test]
fn output_that_is_lost_is_a_finding_and_no_bug() {
    let world = world();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for arguments in [&["sweep"][..], &["status"], &["status", "--format", "json"], &["schema", "rules"]] {
        let (ended, stderr) = run(&world, arguments, full(), Stdio::piped());
        assert_eq!(ended, Some(1), "{stderr}");
        assert!(stderr.contains("standard output could not be written"), "{stderr}");
    }
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    // A command that failed has a code of its own.
    world.ran(&["pause"], 0);
    assert_eq!(run(&world, &["sweep"], full(), full()).0, Some(5));
}

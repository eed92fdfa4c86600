//! Batches of a SQLite file that are read ahead, while the one before goes: what is read so is only taken where nobody else has written since.

use std::collections::BTreeSet;

use crate::world::{DELETED_AT, Ran, World, rules};

const SWEEP: [&str; 3] = ["sweep", "--format", "json"];

/// Two thousand due records, and as many that are kept, in a file with this journal. Batches begin with 40.
fn world(journal: &str) -> World {
    let world = World::new(
        &rules(DELETED_AT, "subject = \"id\"\non_erasure = \"dispose\"\n"),
        &format!(
            "PRAGMA journal_mode = {journal}; \
             CREATE TABLE account (id INTEGER NOT NULL PRIMARY KEY, deleted_at timestamptz); \
             CREATE INDEX account_deleted_at ON account (deleted_at); \
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4000) \
             INSERT INTO account SELECT n, strftime('%Y-%m-%dT%H:%M:%S.000000Z', CASE WHEN n <= 2000 THEN 31536000 ELSE 1800000000 END + n, 'unixepoch') \
             FROM n"
        ),
    );
    world.configure("[defaults]\n", "[defaults]\nbatch = 40\n");
    world
}

/// A sweep, and how many of its batches were taken as they had been read ahead.
fn swept(world: &World) -> (Ran, usize) {
    let noted = world.path("noted");
    let ran = world.run_with(&[("EXPUNGED_NOTED", noted.to_str().unwrap())], &SWEEP);
    let lines = std::fs::read_to_string(&noted).unwrap_or_default();
    (ran, lines.lines().filter(|line| *line == "taken as it was read ahead").count())
}

fn left(world: &World) -> BTreeSet<String> {
    world.ids("SELECT id FROM account WHERE id <= 2000")
}

#[test]
fn every_batch_but_the_first_is_read_ahead_where_nobody_writes() {
    let world = world("WAL");
    let (ran, taken) = swept(&world);
    assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(2_000)), "{}", ran.text());
    let batches = world.entries("batch.committed").len();
    // Behind the last is a look that finds nothing, where that was full.
    assert!(batches > 5 && (batches - 1..=batches).contains(&taken), "{taken} of {batches}");
    assert!(left(&world).is_empty());
    assert_eq!(world.records("batch.committed"), 2_000);
    assert!(!world.path("site.db-wal").exists(), "the last connection to be closed folds the log");
    world.ran(&["ledger", "verify"], 0);
}

/// A reader would keep the commit waiting, and the commit the reader.
#[test]
fn with_a_journal_nothing_is_read_ahead() {
    let world = world("DELETE");
    let (ran, taken) = swept(&world);
    assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(2_000)), "{}", ran.text());
    assert_eq!(taken, 0);
}

/// The second batch has been read when this happens, and has not begun.
#[test]
fn what_changes_after_it_was_read_ahead_is_read_again() {
    let world = world("WAL");
    let ran = world.run_paused("prepare.before:2", &SWEEP, || {
        // Of the next forty: un-deleted, changed to another due time, gone; and as many among them that nobody has read, so that their number
        // tells nothing.
        world.sql(
            "UPDATE account SET deleted_at = NULL WHERE id = 41; \
             UPDATE account SET deleted_at = '1971-01-01T00:00:43.500000Z' WHERE id = 42; \
             DELETE FROM account WHERE id = 43; \
             INSERT INTO account VALUES (9000, '1971-01-01T00:00:50.000000Z'), (9001, '1971-01-01T00:00:51.000000Z')",
        );
    });
    assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(2_000)), "{}", ran.text());
    assert_eq!(left(&world), BTreeSet::from(["41".to_owned()]));
    assert!(world.ids("SELECT id FROM account WHERE id >= 9000").is_empty());
    for gone in ["42", "9000", "9001"] {
        world.ran(&["prove", "site/account", gone, "--out", gone], 0);
    }
    for other in ["41", "43"] {
        assert_ne!(world.run(&["prove", "site/account", other, "--out", "none"]).code, 0, "{other}");
    }
    assert_eq!(world.records("batch.committed"), 2_000);
    world.ran(&["ledger", "verify"], 0);
}

/// The same number of records before and behind: counting them would not tell.
#[test]
fn a_record_that_takes_the_place_of_one_that_was_read_ahead_goes_in_its_own_name() {
    let world = world("WAL");
    world.run_paused("prepare.before:2", &SWEEP, || {
        world.sql("UPDATE account SET id = 9000 WHERE id = 45");
    });
    assert!(left(&world).is_empty());
    world.ran(&["prove", "site/account", "9000", "--out", "proof"], 0);
    assert_ne!(
        world.run(&["prove", "site/account", "45", "--out", "none"]).code,
        0,
        "nobody of that name went"
    );
    world.ran(&["verify", "--key", "ledger.key.vkey", "proof"], 0);
}

/// A hold that comes when the records that it keeps have been read ahead.
#[test]
fn a_hold_keeps_what_was_read_ahead() {
    let world = world("WAL");
    let hold = ["hold", "place", "site", "--subject", "45", "--reference", "C-1"];
    let ran = std::thread::scope(|scope| {
        let mut placing = None;
        // The second batch is read ahead, and whoever looks at the orders before it finds the hold.
        let ran = world.run_paused("commit.after:1", &SWEEP, || {
            // It answers when the batch before is sealed, which the sweep does when it goes on.
            let placed = placing.insert(scope.spawn(|| world.ran(&hold, 0)));
            while world.entries("hold.placed").is_empty() && !placed.is_finished() {}
        });
        placing.unwrap().join().unwrap();
        ran
    });
    assert_eq!(ran.rule()["disposed"].as_u64(), Some(1_999), "{}", ran.text());
    assert_eq!(left(&world), BTreeSet::from(["45".to_owned()]));
    assert_eq!(world.records("batch.committed"), 1_999);
    world.ran(&["ledger", "verify"], 0);
}

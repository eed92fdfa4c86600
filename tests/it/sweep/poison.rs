//! A record that the engine will not let go must not keep the others, and says nothing of itself.

use crate::world::{DELETED_AT, World, rules, set};

fn hundred() -> String {
    let rows: Vec<String> =
        (1..=100).map(|n| format!("({n}, '1971-01-01T00:00:{:02}Z', 'canary-name-{n}')", n % 60)).collect();
    format!(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT);
         INSERT INTO account VALUES {};",
        rows.join(", ")
    )
}

/// Every record but these goes, in one sweep; they are counted under the reason and nothing is said of them.
#[track_caller]
fn sets_aside(statements: &str, left: &[&str], reason: &str) {
    for batch in ["1", "7", "2000"] {
        let world = World::new(&rules(DELETED_AT, ""), &hundred());
        world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
        world.sql(statements);
        let ran = world.ran(&["sweep"], 1);
        assert_eq!(world.ids("SELECT id FROM account"), set(left), "batch {batch}: {}", ran.text());
        let line = format!("site/account: {} records set aside: {reason}", left.len());
        assert!(ran.stdout.contains(&line), "`{line}` is not in:\n{}", ran.text());
        assert!(!ran.text().contains("canary"), "{}", ran.text());
        let files = ["state.db", "state.db-wal", "state.db.checkpoint"];
        assert_eq!(world.found_in("canary", &files), Vec::<String>::new());
        // Still there, still said.
        let again = world.ran(&["sweep"], 1);
        assert!(again.stdout.contains(&line), "{}", again.text());
        let residue = world.entries("residue");
        assert_eq!(residue[0]["refused"], left.len(), "{residue:?}");
        assert_eq!(residue[0]["remaining"], left.len(), "{residue:?}");
        world.ran(&["ledger", "verify"], 0);
    }
}

#[test]
fn rows_that_an_undeclared_foreign_key_holds_are_set_aside() {
    let foreign_key = "a foreign key of another table points to it";
    for action in ["ON DELETE RESTRICT", "", "DEFERRABLE INITIALLY DEFERRED"] {
        let child = format!(
            "CREATE TABLE child (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) {action});
             INSERT INTO child VALUES (1, 42), (2, 77), (3, NULL);"
        );
        sets_aside(&child, &["42", "77"], foreign_key);
    }
}

#[test]
fn rows_that_a_trigger_refuses_are_set_aside_without_its_words() {
    for raise in ["ABORT", "FAIL", "ROLLBACK"] {
        let trigger = format!(
            "CREATE TRIGGER no BEFORE DELETE ON account WHEN old.id IN (1, 50, 51) BEGIN SELECT RAISE({raise}, 'canary-raise'); END;"
        );
        sets_aside(&trigger, &["1", "50", "51"], "a trigger refuses it");
    }
}

#[test]
fn rows_that_a_trigger_passes_over_in_silence_are_set_aside() {
    let trigger =
        "CREATE TRIGGER no BEFORE DELETE ON account WHEN old.id IN (1, 50) BEGIN SELECT RAISE(IGNORE); END;";
    sets_aside(trigger, &["1", "50"], "a trigger keeps it");
}

#[test]
fn all_refused_is_no_endless_loop() {
    let trigger =
        "CREATE TRIGGER no BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'canary-raise'); END;";
    let all: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    sets_aside(trigger, &all, "a trigger refuses it");
}

#[test]
fn a_poisoned_candidate_is_set_aside_too() {
    let world = World::new(&rules(DELETED_AT, ""), &hundred());
    world.sql(
        "UPDATE account SET deleted_at = replace(deleted_at, 'Z', '+00:00');
         CREATE TRIGGER no BEFORE DELETE ON account WHEN old.id = 5 BEGIN SELECT RAISE(ABORT, 'canary-raise'); END;",
    );
    let ran = world.ran(&["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["5"]));
    assert!(!ran.text().contains("canary"), "{}", ran.text());
}

/// What a deferred constraint refuses is rolled back at the commit, and with it the forgetting of the markers before.
#[test]
fn a_long_row_of_refused_commits_drops_no_marker() {
    let world = World::new(&rules(DELETED_AT, ""), &hundred());
    world.configure("[defaults]\n", "[defaults]\nbatch = 1\n");
    world.sql(
        "INSERT INTO account SELECT id + 100, deleted_at, name FROM account; \
         CREATE TABLE child (account INTEGER REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO child SELECT id FROM account WHERE id > 1",
    );
    let ran = world.ran(&["sweep", "--format", "json"], 1);
    let said = ran.rule();
    assert_eq!((&said["disposed"], &said["refused"]), (&1.into(), &199.into()), "{said}");
    assert!(world.entries("batch.aborted").len() > 100, "{said}");
    assert_eq!(world.rows("SELECT name FROM expunged_marker WHERE name LIKE 'batch:%'"), set(&[]));
}

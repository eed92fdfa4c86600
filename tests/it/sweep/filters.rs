//! `only` and `unless`: who is meant at all.

use crate::world::{DELETED_AT, World, rules, set};

const SCHEMA: &str =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, status TEXT, converted BOOLEAN,
       plan INTEGER, note TEXT);
     INSERT INTO account VALUES
       (1, '1971-01-01T00:00:00Z', 'closed', 0, 1, NULL),
       (2, '1971-01-01T00:00:00Z', 'open',   1, 2, 'canary-note'),
       (3, '1971-01-01T00:00:00Z', NULL,  NULL, NULL, ''),
       (4, '1971-01-01T00:00:00Z', 'Closed', 0, 3, NULL),
       (5, '2020-01-01T00:00:00Z', 'closed', 0, 1, NULL),
       (6, '1971-01-01T00:00:00Z', 'it''s; --', 1, -1, 'x');";

#[track_caller]
fn leaves(filter: &str, left: &[&str]) {
    let world = World::new(&rules(DELETED_AT, filter), SCHEMA);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(left), "{filter}");
    let again = world.ran(&["sweep", "--format", "json"], 0);
    assert!(again.stdout.contains("\"disposed\":0"), "{}", again.stdout);
    assert_eq!(world.ids("SELECT id FROM account"), set(left), "{filter}");
}

#[test]
fn only_narrows_by_value_and_null_equals_nothing() {
    leaves(r#"only = { status = ["closed"] }"#, &["2", "3", "4", "5", "6"]);
    leaves(r#"only = { status = "closed" }"#, &["2", "3", "4", "5", "6"]);
    leaves(r#"only = { status = ["closed", "open"] }"#, &["3", "4", "5", "6"]);
    leaves(r#"only = { status = ["it's; --"] }"#, &["1", "2", "3", "4", "5"]);
    leaves(r"only = { converted = false }", &["2", "3", "5", "6"]);
    leaves(r"only = { converted = true }", &["1", "3", "4", "5"]);
    leaves(r"only = { plan = [1, -1] }", &["2", "3", "4", "5"]);
    leaves(r#"only = { plan = 1, status = "open" }"#, &["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn not_includes_null() {
    leaves(r#"only = { status = { not = ["closed"] } }"#, &["1", "5"]);
    leaves(r"only = { plan = { not = [1, 2] } }", &["1", "2", "5"]);
    leaves(r"only = { converted = { not = true } }", &["2", "5", "6"]);
}

#[test]
fn null_is_asked_for_by_name() {
    leaves(r"only = { note = { null = true } }", &["2", "3", "5", "6"]);
    leaves(r"only = { note = { null = false } }", &["1", "4", "5"]);
}

const INVOICES: &str = "CREATE TABLE invoice (number INTEGER PRIMARY KEY, account_id INTEGER, paid INTEGER);
     INSERT INTO invoice VALUES (1, 1, 0), (2, 2, 1), (3, 2, 0), (4, 4, 1), (5, NULL, 0), (6, 6, NULL);";

#[test]
fn unless_keeps_a_record_while_a_matching_row_exists() {
    let schema = format!("{SCHEMA}{INVOICES}");
    let filter = r#"unless = { table = "invoice", match = { account_id = "id" }, only = { paid = false } }"#;
    let world = World::new(&rules(DELETED_AT, filter), &schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "5"]));
    // Paid at last: the record is due like any other.
    world.sql("UPDATE invoice SET paid = 1 WHERE number = 1");
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "5"]));
}

#[test]
fn of_several_unless_one_is_enough() {
    let schema = format!(
        "{SCHEMA}{INVOICES}CREATE TABLE dispute (account_id INTEGER); INSERT INTO dispute VALUES (3);"
    );
    let filter = r#"unless = [
      { table = "invoice", match = { account_id = "id" } },
      { table = "dispute", match = { account_id = "id" } },
    ]"#;
    let world = World::new(&rules(DELETED_AT, filter), &schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "4", "5", "6"]));
    world.sql("DELETE FROM dispute; DELETE FROM invoice WHERE account_id = 4");
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "5", "6"]));
}

/// The rows that `unless` and the trigger look at may be dependents of the same rule.
#[test]
fn a_trigger_in_a_dependents_rows_is_read_before_they_go() {
    let trigger = r#"{ table = "license", match = { account_id = "id" }, column = "ends", pick = "latest" }"#;
    let rest = r#"
[[rule.dependent]]
id = "licenses"
class = "account"
table = "license"
match = { account_id = "id" }
action = "delete"
"#;
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY);
        CREATE TABLE license (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES account (id) ON DELETE CASCADE, ends timestamptz);
        INSERT INTO account VALUES (1), (2), (3);
        INSERT INTO license (account_id, ends) VALUES (1, '1971-01-01T00:00:00Z'), (1, '1972-01-01T00:00:00Z'),
          (2, '1971-01-01T00:00:00Z'), (2, '2020-01-01T00:00:00Z'), (3, '1971-01-01T00:00:00+03:00');";
    let world = World::new(&rules(trigger, rest), schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    assert_eq!(world.ids("SELECT id FROM license"), set(&["3", "4"]));
}

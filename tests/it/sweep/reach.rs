//! What a deletion would take along without a dependent that declares it is refused, and named.

use crate::told;
use crate::world::{DELETED_AT, Ran, World, rules};

const ACCOUNT: &str =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT, boss INTEGER);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z', 'canary', NULL), (2, NULL, 'canary', 1);";

/// Refused by plan and by sweep, with 65, and nothing has changed.
#[track_caller]
fn refused(rest: &str, schema: &str) -> Ran {
    let world = World::new(&rules(DELETED_AT, rest), &format!("{ACCOUNT}{schema}"));
    let before = world.contents();
    let plan = world.ran(&["plan"], 65);
    let sweep = world.ran(&["sweep"], 65);
    assert_eq!(world.contents(), before);
    assert!(plan.stderr.contains("error[R0"), "{}", plan.text());
    assert!(!sweep.text().contains("canary"));
    plan
}

const CALLS: &str = r#"
[[rule.dependent]]
id = "calls"
class = "account"
table = "call"
match = { account = "id" }
action = "delete"
"#;

#[test]
fn an_undeclared_cascade_is_named() {
    told!(refused(
        "",
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE CASCADE);"
    ));
}

#[test]
fn a_cascade_is_found_whatever_the_case_of_its_names() {
    told!(refused(
        "",
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES \"ACCOUNT\" (ID) ON DELETE CASCADE);"
    ));
}

#[test]
fn a_cascade_behind_a_declared_dependent_is_named() {
    told!(refused(
        CALLS,
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE CASCADE);
         CREATE TABLE recording (id INTEGER PRIMARY KEY, call INTEGER REFERENCES call ON DELETE CASCADE);"
    ));
}

#[test]
fn a_cascade_on_itself_is_named() {
    let own = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, boss INTEGER REFERENCES account (id) ON DELETE CASCADE);
        INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z', NULL), (2, NULL, 1);";
    let world = World::new(&rules(DELETED_AT, ""), own);
    let before = world.contents();
    let ran = world.ran(&["sweep"], 65);
    assert_eq!(world.contents(), before);
    told!(ran);
}

#[test]
fn a_foreign_key_that_would_change_rows_is_named() {
    told!(refused(
        "",
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE SET NULL);"
    ));
    refused(
        "",
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER DEFAULT 2 REFERENCES account (id) ON DELETE SET DEFAULT);",
    );
}

#[test]
fn a_dependent_on_other_columns_does_not_explain_a_cascade() {
    told!(refused(
        CALLS,
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER, agent INTEGER REFERENCES account (id) ON DELETE CASCADE);"
    ));
}

#[test]
fn a_pseudonymized_dependent_does_not_explain_a_cascade() {
    let rest = CALLS.replace(
        "action = \"delete\"",
        "action = \"pseudonymize\"\ncolumns = { number = \"random\" }\nmark = \"done\"",
    );
    let call = "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE CASCADE, number TEXT, done TEXT);";
    refused(&rest, call);
    // Once it no longer points there, the cascade has nothing to take.
    let detached = rest.replace("number = \"random\"", "number = \"random\", account = \"null\"");
    let world = World::new(
        &rules(DELETED_AT, &detached),
        &format!("{ACCOUNT}{call} INSERT INTO call VALUES (1, 1, 'canary', NULL);"),
    );
    world.ran(&["sweep"], 0);
    assert_eq!(world.rows("SELECT id, account FROM call"), crate::world::set(&["1 | NULL"]));
}

#[test]
fn a_trigger_that_writes_elsewhere_is_named() {
    let audit = "CREATE TABLE audit (id INTEGER PRIMARY KEY, who TEXT);
         CREATE TRIGGER \"keep copies\" AFTER DELETE ON account BEGIN INSERT INTO audit (who) VALUES (old.name); END;";
    told!(refused("", audit));
}

#[test]
fn a_trigger_behind_a_trigger_is_found() {
    refused(
        "",
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, who TEXT); CREATE TABLE deep (who TEXT);
         CREATE TRIGGER a AFTER DELETE ON account WHEN 0 BEGIN UPDATE account SET name = '' WHERE id = old.id; END;
         CREATE TRIGGER b AFTER UPDATE OF name ON account BEGIN INSERT INTO deep VALUES (old.name); END;",
    );
}

#[test]
fn an_update_trigger_counts_for_pseudonymization_only() {
    let history = "CREATE TABLE history (name TEXT); ALTER TABLE account ADD COLUMN done timestamptz;
         CREATE TRIGGER h AFTER UPDATE ON account BEGIN INSERT INTO history VALUES (old.name); END;";
    let world = World::new(&rules(DELETED_AT, ""), &format!("{ACCOUNT}{history}"));
    world.ran(&["sweep"], 0);
    let text = rules(DELETED_AT, "columns = { name = \"random\" }\nmark = \"done\"\n")
        .replace("action = \"delete\"", "action = \"pseudonymize\"");
    let world = World::new(&text, &format!("{ACCOUNT}{history}"));
    let ran = world.ran(&["sweep"], 65);
    assert!(ran.stderr.contains("history"), "{}", ran.text());
}

#[test]
fn a_table_that_no_rule_can_name_is_reached_by_none() {
    let long = "x".repeat(129);
    for name in [long.as_str(), "two\nlines"] {
        let ran = refused(
            "",
            &format!(
                "CREATE TABLE \"{name}\" (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE CASCADE);"
            ),
        );
        assert!(ran.stderr.contains("a table whose name no rule can write"), "{}", ran.text());
    }
}

#[test]
fn one_refused_rule_stops_no_other() {
    let text = rules(DELETED_AT, "");
    let second = text[text.find("[[rule]]").unwrap()..].replace("\"account\"", "\"other\"");
    let world = World::new(
        &format!("{text}\n{second}"),
        &format!(
            "{ACCOUNT}CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id) ON DELETE CASCADE);
             CREATE TABLE other (id INTEGER PRIMARY KEY, deleted_at timestamptz); INSERT INTO other VALUES (1, '1971-01-01T00:00:00Z');"
        ),
    );
    let ran = world.ran(&["sweep"], 65);
    assert_eq!(world.rows("SELECT id FROM other"), crate::world::set(&[]));
    told!(ran);
}

//! The command line as people type it: the real program, with arguments right and wrong.

use crate::world::{DELETED_AT, World, rules, set};

const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
    CREATE INDEX by_deleted ON account (deleted_at);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL), (3, '1971-06-01T00:00:00Z');";

fn world() -> World {
    World::new(&rules(DELETED_AT, ""), SCHEMA)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_plan_and_a_sweep_of_one_rule_are_of_that_rule() {
    let world = world();
    for pattern in ["site/account", "site"] {
        let plan = world.ran(&["plan", pattern, "--format", "json"], 0);
        assert_eq!(json(&plan.stdout)["rules"][0]["due"], 2, "{}", plan.text());
    }
    let swept = world.ran(&["sweep", "site/account", "--format", "json"], 0);
    assert_eq!(json(&swept.stdout)["rules"][0]["disposed"], 2, "{}", swept.text());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
}

#[test]
fn a_rule_that_does_not_exist_is_refused_with_the_nearest_one() {
    let world = world();
    for (command, name, help) in [
        ("plan", "site/acount", "did you mean `site/account`?"),
        ("sweep", "site/acount", "did you mean `site/account`?"),
        ("sweep", "nope", "the rules are site/account"),
    ] {
        let ran = world.ran(&[command, name], 2);
        assert!(ran.stderr.contains(help), "{}", ran.text());
    }
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
}

#[test]
fn a_plan_takes_other_rules_and_what_disposes_of_records_does_not() {
    let world = world();
    std::fs::create_dir(world.path("others")).unwrap();
    world.write("others/site.toml", &rules(DELETED_AT, "").replace("\"50 years\"", "\"150 years\""));
    let plan = world.ran(&["plan", "site/account", "--rules", "others", "--format", "json"], 0);
    let rule = &json(&plan.stdout)["rules"][0];
    assert_eq!((&rule["due"], &rule["kept"]), (&0.into(), &2.into()), "{rule}");
    let refused: [&[&str]; 3] =
        [&["sweep"], &["approve", "site/account", "--up-to", "3"], &["demo", "a world of its own"]];
    for command in refused {
        let ran = world.ran(&[command, &["--rules", "others"]].concat(), 2);
        assert!(ran.stderr.contains("takes no `--rules`"), "{}", ran.text());
    }
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
    assert!(!world.path("state.db").exists() && !world.path("a world of its own").exists());
}

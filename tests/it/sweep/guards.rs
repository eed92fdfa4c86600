//! A rule that is new or changed disposes of little before a person has looked.

use serde_json::Value as Json;

use crate::told;
use crate::world::{DELETED_AT, World, rules, set};

/// Twenty records are due, the limit is ten.
fn world(trigger: &str, literal: &str, declared: &str) -> World {
    let rows: Vec<String> = (1..=20).map(|n| format!("({n}, {literal}, 'canary-{n}')")).collect();
    let world = World::new(
        &rules(trigger, ""),
        &format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at {declared}, name TEXT);
             INSERT INTO account VALUES {};",
            rows.join(", ")
        ),
    );
    world.configure("first_sweep = 1000000", "first_sweep = 10");
    world
}

fn usual() -> World {
    world(DELETED_AT, "'1971-01-01T00:00:00Z'", "timestamptz")
}

#[test]
fn a_new_rule_above_its_limits_waits_for_a_person() {
    let world = usual();
    let before = world.contents();
    let ran = world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    assert!(world.entries("sweep.started").is_empty() && world.entries("batch.intent").is_empty());
    told!(ran);
}

/// What a sweep says of it, before the first one and after.
#[test]
fn status_says_that_a_rule_is_parked_and_what_to_do() {
    for (trigger, literal, declared) in [
        (DELETED_AT, "'1971-01-01T00:00:00Z'", "timestamptz"),
        // Only the judge can read these.
        (r#"{ column = "deleted_at", format = "%d.%m.%Y %H:%M %z" }"#, "'01.01.1971 00:00 +0000'", "TEXT"),
    ] {
        let world = world(trigger, literal, declared);
        let told = |status: &str| {
            let line =
                status.lines().find(|line| line.starts_with("site/account: parked: ")).map(str::to_owned);
            line.unwrap_or_else(|| panic!("{status}"))
        };
        let before = told(&world.ran(&["status"], 1).stdout);
        assert!(!world.path("state.db").exists(), "status makes no state");
        assert_eq!(before, told(&world.ran(&["sweep"], 5).stdout));
        assert_eq!(before, told(&world.ran(&["status"], 1).stdout));
        let json = |code| {
            let status = world.ran(&["status", "--format", "json"], code).stdout;
            serde_json::from_str::<serde_json::Value>(&status).unwrap()["rules"][0].clone()
        };
        let rule = json(1);
        assert_eq!(
            rule["parked"],
            serde_json::json!({ "due": 20, "dependents": null, "allowed": 10 }),
            "{rule}"
        );
        assert!(rule["requests_parked"].is_null(), "{rule}");
        world.ran(&["approve", "site/account", "--up-to", "20"], 0);
        assert!(json(0)["parked"].is_null());
        world.ran(&["sweep"], 0);
        assert!(json(0)["parked"].is_null());
    }
}

/// A fraction is one of the table, whatever the rule's filters leave of it.
#[test]
fn status_counts_a_fraction_of_the_dataset_as_the_sweep_does() {
    let world = usual();
    world.configure("first_sweep = 10\nfirst_fraction = 1.0", "first_sweep = 1000\nfirst_fraction = 0.05");
    world.rules(&rules(DELETED_AT, "only = { name = { not = [\"living\"] } }"));
    let living = |n: u32| {
        format!(
            "INSERT INTO account WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {n})
             SELECT i + (SELECT max(id) FROM account), NULL, 'living' FROM n;"
        )
    };
    world.sql(&living(370));
    let status = world.ran(&["status"], 1);
    assert!(status.stdout.contains("would dispose of 20, and may dispose of 19"), "{}", status.text());
    world.ran(&["sweep"], 5);
    world.sql(&living(10));
    world.ran(&["status"], 0);
    world.ran(&["sweep"], 0);
}

#[test]
fn an_approval_that_is_too_small_still_parks() {
    let world = usual();
    world.ran(&["sweep"], 5);
    world.ran(&["approve", "site/account", "--up-to", "19"], 0);
    let before = world.contents();
    let ran = world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    assert!(ran.stdout.contains("would dispose of 20, and may dispose of 19"), "{}", ran.text());
}

#[test]
fn an_exact_approval_passes_and_holds_until_the_sweep_has_finished() {
    let world = usual();
    world.ran(&["sweep"], 5);
    told!(world.ran(&["approve", "site/account", "--up-to", "20"], 0));
    world.ran(&["sweep"], 0);
    assert!(world.contents().is_empty());
    // A finished version needs no approval, whatever the number.
    world.sql("INSERT INTO account SELECT value, '1971-01-01T00:00:00Z', 'x' FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')");
    world.ran(&["sweep"], 0);
    assert!(world.contents().is_empty());
}

#[test]
fn a_changed_rule_waits_again_and_a_renamed_one_does_not() {
    let world = usual();
    world.ran(&["sweep"], 5);
    world.ran(&["approve", "site/account", "--up-to", "20"], 0);
    world.ran(&["sweep"], 0);
    world.sql("INSERT INTO account SELECT value, '1971-01-01T00:00:00Z', 'x' FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')");
    let before = world.contents();
    world.rules(&rules(DELETED_AT, "").replace("50 years", "49 years"));
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    // The approval was for another version.
    world.rules(&rules(DELETED_AT, "").replace("50 years", "48 years"));
    world.ran(&["approve", "site/account", "--up-to", "100"], 0);
    world.rules(&rules(DELETED_AT, "").replace("50 years", "49 years"));
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    world.rules(&rules(DELETED_AT, "").replace("name = \"Site\"", "name = \"The site\""));
    world.ran(&["sweep"], 0);
    assert!(world.contents().is_empty());
}

#[test]
fn a_fraction_binds_a_large_dataset() {
    let rows: Vec<String> = (1..=300)
        .map(|n| {
            format!("({n}, '{}')", if n <= 16 { "1971-01-01T00:00:00Z" } else { "2020-01-01T00:00:00Z" })
        })
        .collect();
    let schema = format!(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz); INSERT INTO account VALUES {};",
        rows.join(", ")
    );
    let world = World::new(&rules(DELETED_AT, ""), &schema);
    world.configure("first_fraction = 1.0", "first_fraction = 0.05");
    world.ran(&["sweep"], 5);
    world.sql("DELETE FROM account WHERE id = 1; INSERT INTO account VALUES (301, NULL)");
    world.ran(&["sweep"], 0);
}

/// What only the judge can read is counted by the judge, and no less guarded.
#[test]
fn text_that_only_the_judge_reads_is_guarded_too() {
    for batch in ["3", "2000"] {
        let text = world(
            r#"{ column = "deleted_at", format = "%d.%m.%Y %H:%M %z" }"#,
            "'01.01.1971 00:00 +0000'",
            "TEXT",
        );
        let offsets = world(DELETED_AT, "'1971-01-01T00:00:00+00:00'", "timestamptz");
        for world in [text, offsets] {
            world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
            let before = world.contents();
            let ran = world.ran(&["sweep"], 5);
            assert_eq!(world.contents(), before);
            assert!(ran.stdout.contains("would dispose of 20, and may dispose of 10"), "{}", ran.text());
            world.ran(&["approve", "site/account", "--up-to", "20"], 0);
            world.ran(&["sweep"], 0);
            assert!(world.contents().is_empty());
        }
    }
}

#[test]
#[cfg(feature = "test-hooks")]
fn a_disagreement_between_query_and_judge_rolls_back_and_stops_the_rule() {
    // Kept for fifty years: the second account is due tomorrow.
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00.000000Z'), (3, NULL);
         INSERT INTO account VALUES (2, strftime('%Y-%m-%dT12:00:00.000000Z', 'now', '-50 years'));",
    );
    let before = world.contents();
    // The query's derivation of the cut-off is wrong by two days.
    let ran = world.run_with(&[("EXPUNGED_SKEW_CUTOFF", "172800")], &["sweep"]);
    assert_eq!(ran.code, 70, "{}", ran.text());
    assert!(ran.stderr.contains("the batch was rolled back and the rule stopped"), "{}", ran.text());
    assert_eq!(world.contents(), before);
    assert!(world.entries("batch.intent").is_empty());
    world.ran(&["ledger", "verify"], 0);
    // The same world, with both derivations right.
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3"]));
}

/// An account's comments go with it.
fn with_dependents(mode: &str) -> String {
    let dependents = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author_id = "id" }
action = "delete"
"#;
    rules(DELETED_AT, &format!("mode = \"{mode}\"\n{dependents}"))
}

/// `accounts`, and fifty comments on the first of them.
fn with_comments(accounts: &str) -> World {
    let rows: Vec<String> = (1..=50).map(|n| format!("({n}, 1)")).collect();
    let world = World::new(
        &with_dependents("enforce"),
        &format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
             CREATE TABLE comment (id INTEGER PRIMARY KEY, author_id INTEGER);
             INSERT INTO account VALUES {accounts};
             INSERT INTO comment VALUES {};",
            rows.join(", ")
        ),
    );
    world.configure("first_sweep = 1000000", "first_sweep = 10");
    world
}

const FIRST_IS_DUE: &str = "UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 1";

#[test]
fn a_version_nobody_has_approved_counts_what_goes_along() {
    let world = with_comments("(1, '1971-01-01T00:00:00Z'), (2, NULL)");
    let before = world.contents();
    let ran = world.ran(&["sweep"], 5);
    assert!(
        ran.stdout.contains("would dispose of 1 and at least 50 dependents, and may dispose of 10 in all"),
        "{}",
        ran.text()
    );
    let report: Json = serde_json::from_str(&world.ran(&["sweep", "--format", "json"], 5).stdout).unwrap();
    let parked = serde_json::json!({ "due": 1, "dependents": 50, "allowed": 10 });
    assert_eq!(report["rules"][0]["parked"], parked);
    assert_eq!(world.contents(), before);
    world.ran(&["approve", "site/account", "--up-to", "1"], 0);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    assert!(world.ids("SELECT id FROM comment").is_empty());
}

/// Sweeps that found nothing have shown nothing of what the rule does.
#[test]
fn a_version_that_has_disposed_of_nothing_yet_is_as_new() {
    let world = with_comments("(1, NULL), (2, NULL)");
    world.ran(&["sweep"], 0);
    world.ran(&["sweep"], 0);
    world.sql(FIRST_IS_DUE);
    let before = world.contents();
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
    // The other goes by itself, and what goes then is not of a new version any more.
    world.sql(
        "UPDATE account SET deleted_at = NULL WHERE id = 1; UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 2",
    );
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    world.sql(FIRST_IS_DUE);
    world.ran(&["sweep"], 0);
    assert!(world.contents().is_empty());
}

/// Somebody has looked, whether there was something to dispose of or not.
#[test]
fn a_version_that_was_approved_is_past_its_guard_after_a_sweep_of_nothing() {
    let world = with_comments("(1, NULL), (2, NULL)");
    world.ran(&["sweep"], 0);
    world.ran(&["approve", "site/account", "--up-to", "1"], 0);
    world.ran(&["sweep"], 0);
    world.sql(FIRST_IS_DUE);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
}

/// What was approved has gone, and after that somebody had a reason to watch the rule again.
#[test]
fn an_approval_that_is_over_does_not_lift_the_guard_again() {
    let world = with_comments("(1, NULL), (2, NULL)");
    world.ran(&["sweep"], 0);
    world.sql("UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 2");
    world.ran(&["approve", "site/account", "--up-to", "5"], 0);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    world.rules(&with_dependents("observe"));
    world.ran(&["sweep"], 0);
    world.rules(&with_dependents("enforce"));
    // There is still nothing to show what it does.
    world.ran(&["sweep"], 0);
    world.sql(FIRST_IS_DUE);
    let before = world.contents();
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
}

#[test]
#[cfg(feature = "test-hooks")]
fn a_clock_far_ahead_of_the_ledger_disposes_of_nothing_until_a_person_confirms_it() {
    const EIGHT_DAYS: &[(&str, &str)] = &[("EXPUNGED_CLOCK_OFFSET", "691200")];
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00.000000Z'), (2, NULL);",
    );
    world.ran(&["sweep"], 0);
    world.sql("INSERT INTO account VALUES (1, '1971-01-01T00:00:00.000000Z')");
    let before = world.contents();
    for attempt in 1..=2 {
        // A refused start writes nothing, or the second would take the first's entry for the present.
        let ran = world.run_with(EIGHT_DAYS, &["sweep"]);
        assert_eq!(ran.code, 5, "attempt {attempt}: {}", ran.text());
        assert!(ran.stderr.contains("approve --clock"), "{}", ran.text());
        assert_eq!(world.contents(), before);
    }
    // Orders are taken by whatever clock there is, and vouch for none.
    let orders: [&[&str]; 4] = [
        &["hold", "place", "site", "--subject", "99", "--reference", "CASE-1"],
        &["approve", "site/account", "--up-to", "9"],
        &["pause"],
        &["resume"],
    ];
    for order in orders {
        let ran = world.run_with(EIGHT_DAYS, order);
        assert!(ran.code == 0 || order[0] == "hold", "{order:?}: {}", ran.text());
        assert_eq!(world.run_with(EIGHT_DAYS, &["sweep"]).code, 5, "after {order:?}");
        assert_eq!(world.contents(), before);
    }
    let confirmed = world.run_with(EIGHT_DAYS, &["approve", "--clock", "site"]);
    assert_eq!(confirmed.code, 0, "{}", confirmed.text());
    assert_eq!(world.run_with(EIGHT_DAYS, &["sweep"]).code, 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    // Back to the true time, the ledger is ahead of the clock.
    assert_eq!(world.run(&["sweep"]).code, 5);
}

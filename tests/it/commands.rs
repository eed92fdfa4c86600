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

#[test]
fn an_approval_is_of_a_rule_or_of_a_clock_or_of_a_root() {
    let world = world();
    let wrong: [&[&str]; 8] = [
        &[],
        &["site/account"],
        &["--up-to", "3"],
        &["site/account", "--up-to", "0"],
        &["site/account", "--clock", "site"],
        &["--up-to", "3", "--clock", "site"],
        &["site/account", "--root", "site"],
        &["--clock", "site", "--root", "site"],
    ];
    for arguments in wrong {
        world.ran(&[&["approve"], arguments].concat(), 2);
    }
    assert!(!world.path("state.db").exists());
    world.ran(&["sweep"], 0);
    for what in ["--clock", "--root"] {
        let missing = world.ran(&["approve", what, "nowhere"], 2);
        assert!(missing.stdout.is_empty(), "{}", missing.text());
    }
    world.ran(&["approve", "site/account", "--up-to", "1", "--by", "data-protection.officer_2"], 0);
    assert_eq!(world.entries("approval").len(), 1);
}

#[test]
fn what_is_no_role_is_refused_and_not_printed_back() {
    let world = world();
    let long = "canary".repeat(11);
    for by in ["", "Canary Ann", "canary@example.com", "canary\n", &long] {
        let ran = world.ran(&["approve", "site/account", "--up-to", "1", "--by", by], 2);
        assert!(ran.stderr.contains("`--by` is a role"), "{}", ran.text());
        assert!(!ran.text().to_lowercase().contains("canary"), "{}", ran.text());
    }
}

#[test]
fn a_proof_has_a_name_without_the_key_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world();
    world.sql("INSERT INTO account VALUES (987654321, '1971-01-01T00:00:00Z')");
    world.ran(&["sweep"], 0);
    let record = ["prove", "site/account", "987654321"];
    let proved = world.ran(&[&record[..], &["--format", "json"]].concat(), 0);
    let proof = &json(&proved.stdout)["proofs"][0];
    let name = proof["file"].as_str().unwrap();
    assert!(name.starts_with(&format!("site-account-account-entry{}-", proof["entry"])), "{name}");
    assert!(name.ends_with(".tlog-proof") && !name.contains("987654321"), "{name}");
    let again = world.ran(&record, 5);
    assert!(again.stderr.contains("exists"), "{}", again.text());
    world.write("mine", "older and longer than nothing");
    world.ran(&[&record[..], &["--out", "mine"]].concat(), 0);
    let printed = world.ran(&[&record[..], &["--out", "-"]].concat(), 0);
    world.write("printed", &printed.stdout);
    world.ran(&["verify", "--key", "ledger.key.vkey", name, "mine", "printed"], 0);
    for file in [name, "mine"] {
        assert_eq!(std::fs::metadata(world.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// Three tests, of which the last two fail, and a rule without any.
const TESTED: &str = r#"
[[rule.test]]
name = "kept for fifty years"
record = { id = 1, deleted_at = "1971-01-01T00:00:00Z" }
at = "2021-01-01T23:59:59Z"
expect = "kept"

[[rule.test]]
name = "due after fifty years"
record = { id = 1, deleted_at = "1971-01-01T00:00:00Z" }
at = "2021-01-01T00:00:00Z"
expect = "due"

[[rule.test]]
name = "gone with the sweep"
records = [{ id = 1, deleted_at = "1971-01-01T00:00:00Z" }, { id = 2, deleted_at = { null = true } }]
at = "2021-01-02T00:00:00Z"
expect = ["due", "kept"]
after = { account = [{ id = 1 }] }

[[rule]]
id = "untested"
class = "account"
keeps = []
datastore = "site"
table = "other"
key = ["id"]
trigger = { column = "deleted_at" }
retain = "50 years"
delete_by = "200 years"
action = "delete"
"#;

#[test]
fn tests_that_fail_are_shown_in_full() {
    let world = World::new(&rules(DELETED_AT, TESTED), SCHEMA);
    let ran = world.ran(&["test"], 65);
    let seconds = |text: &str| {
        let line = text.lines().find(|line| line.contains(" passed, ")).unwrap();
        let took = line.rsplit("; ").next().unwrap();
        assert!(took.strip_suffix(" s").unwrap().parse::<f64>().is_ok(), "{took}");
        text.replace(took, "[time]")
    };
    insta::assert_snapshot!(seconds(&ran.text()));
    let told = json(&world.ran(&["test", "--format", "json"], 65).stdout);
    assert_eq!((&told["passed"], &told["failed"], &told["left_out"]), (&1.into(), &2.into(), &0.into()));
    assert_eq!(told["untested"], serde_json::json!(["site/untested"]));
    assert!(told["seconds"].is_f64(), "{told}");
    let failed = &told["tests"][1];
    assert_eq!(failed["failures"][0], failed["details"][0]["what"]);
    assert_eq!(failed["details"][0]["why"][0], "due 2021-01-02T00:00:00+00:00, 24 hours later");
}

#[test]
fn a_filter_chooses_tests_by_their_rule_and_name() {
    let world = World::new(&rules(DELETED_AT, TESTED), SCHEMA);
    let chosen = world.ran(&["test", "kept for", "--format", "json"], 0);
    assert_eq!((&json(&chosen.stdout)["passed"], &json(&chosen.stdout)["left_out"]), (&1.into(), &2.into()));
    world.ran(&["test", "account: kept"], 0);
    world.ran(&["test", "kept for", "gone with"], 65);
    let none = world.ran(&["test", "kept for", "no such"], 2);
    assert!(none.stderr.contains("`no such`") && none.stdout.is_empty(), "{}", none.text());
}

const TWO: &str = r#"
[[rule]]
id = "elsewhere"
class = "account"
keeps = []
datastore = "other"
table = "account"
key = ["id"]
trigger = { column = "deleted_at", pending = ["null"] }
retain = "50 years"
delete_by = "200 years"
action = "delete"
"#;

#[test]
fn a_datastore_that_cannot_be_asked_hides_no_other_and_has_one_code() {
    let world = World::new(&rules(DELETED_AT, TWO), SCHEMA);
    let config = std::fs::read_to_string(world.path("expunged.toml")).unwrap();
    world.write(
        "expunged.toml",
        &(config + "[datastore.other]\nkind = \"sqlite\"\nurl = \"sqlite://other.db\"\n"),
    );
    for command in ["plan", "status"] {
        let ran = world.ran(&[command], 69);
        assert!(ran.stdout.contains("site/account"), "{}", ran.text());
        assert!(ran.stderr.contains("site/elsewhere: error: "), "{}", ran.text());
        let ran = world.ran(&[command, "--format", "json"], 69);
        let told = json(&ran.stdout);
        assert_eq!(told["rules"][0]["due"], 2, "{told}");
        assert_eq!(told["rules"][0]["oldest_due"], "2021-01-02T00:00:00+00:00", "{told}");
        assert!(told["rules"][1]["error"].is_string(), "{told}");
    }
}

#[test]
fn a_lost_signing_key_is_restored_where_there_is_a_ledger() {
    let world = world();
    std::fs::rename(world.path("ledger.key"), world.path("lost")).unwrap();
    let before = world.ran(&["sweep"], 78);
    assert!(before.stderr.contains("make one with `expunged key generate ledger.key`"), "{}", before.text());
    std::fs::rename(world.path("lost"), world.path("ledger.key")).unwrap();
    world.ran(&["sweep"], 0);
    std::fs::rename(world.path("ledger.key"), world.path("lost")).unwrap();
    let after = world.ran(&["sweep"], 78);
    assert!(after.stderr.contains("restore it: a new key cannot sign this ledger"), "{}", after.text());
}

#[test]
fn explain_answers_programs_with_numbers_and_slips_with_a_refusal() {
    let world = world();
    world.ran(&["sweep"], 0);
    let gone = world.ran(&["explain", "site/account", "1", "--format", "json"], 0);
    assert!(json(&gone.stdout)["disposed_of_in"][0].is_u64(), "{}", gone.text());
    let slip = world.ran(&["explain", "site/account", "canary"], 2);
    assert!(slip.stderr.contains("is an integer") && !slip.stderr.contains("canary"), "{}", slip.text());
}

#[test]
fn a_demo_needs_a_directory_of_its_own() {
    let world = world();
    let full = world.ran(&["demo", "rules"], 2);
    assert!(full.stderr.contains("is not empty"), "{}", full.text());
    let file = world.ran(&["demo", "expunged.toml/below"], 2);
    assert!(file.stderr.contains("cannot be made"), "{}", file.text());
}

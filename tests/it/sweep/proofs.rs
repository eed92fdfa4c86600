//! What people see: plan, explain, status, and the proofs.

use crate::told;
use crate::world::{DELETED_AT, World, rules, set};

const REST: &str = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "pseudonymize"
columns = { author = "null", name = "random" }
mark = "done"

[[rule.dependent]]
id = "sessions"
class = "account"
table = "session"
match = { account = "id" }
action = "delete"
"#;

/// Canaries in every column that could hold a person, keys among them.
const SCHEMA: &str = "CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, deleted_at timestamptz, email TEXT);
    CREATE INDEX by_deleted ON account (deleted_at);
    CREATE TABLE comment (id TEXT NOT NULL PRIMARY KEY, author TEXT, name TEXT, body TEXT, done timestamptz);
    CREATE TABLE session (token TEXT NOT NULL PRIMARY KEY, account TEXT REFERENCES account (id));
    INSERT INTO account VALUES ('canary-ann', '1971-01-01T00:00:00Z', 'canary-mail'), ('canary-bob', NULL, 'canary-mail'),
      ('canary-cyd', '2020-01-01T00:00:00Z', 'canary-mail'), ('canary-dan', 'canary-time', 'canary-mail'),
      ('canary-eve', '1971-01-01T03:00:00+03:00', 'canary-mail'), ('canary-far', '2971-01-01T00:00:00Z', 'canary-mail');
    INSERT INTO comment VALUES ('canary-comment', 'canary-ann', 'canary-name', 'canary-body', NULL),
      ('canary-other', 'canary-bob', 'canary-name', 'canary-body', NULL);
    INSERT INTO session VALUES ('canary-token', 'canary-ann');";

fn world() -> World {
    World::new(&rules(DELETED_AT, REST), SCHEMA)
}

const STATE: [&str; 4] = ["state.db", "state.db-wal", "state.db.checkpoint", "state.db.lock"];

fn bytes(world: &World, files: &[&str]) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|file| std::fs::read(world.path(file)).ok()).collect()
}

fn tables(world: &World) -> Vec<String> {
    let tables = ["entry", "epoch", "rule_version", "sweep", "batch", "part", "approval"];
    tables.iter().flat_map(|t| world.list_on("state.db", &format!("SELECT '{t}', * FROM {t}"))).collect()
}

#[test]
fn a_plan_shows_what_a_sweep_would_do_and_names_nobody() {
    told!(world().ran_at_noon(&["plan"], 0));
}

#[test]
fn a_plan_at_another_time_is_one_of_that_time() {
    let ran = world().ran(&["plan", "--at", "2071-01-01T00:00:00Z", "--format", "json"], 0);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let rule = &plan["rules"][0];
    assert_eq!(
        (&rule["due"], &rule["overdue"], &rule["not_started"]),
        (&3.into(), &0.into(), &1.into()),
        "{rule}"
    );
    assert_eq!(rule["undated"], serde_json::json!({ "future": 1, "unreadable": 1 }));
}

#[test]
fn plan_explain_and_status_write_nothing() {
    let world = world();
    let looks: [&[&str]; 5] = [
        &["plan"],
        &["explain", "site/account", "canary-ann"],
        &["explain", "site/account", "nobody"],
        &["status"],
        &["plan", "--at", "2071-01-01T00:00:00Z"],
    ];
    let datastore = bytes(&world, &["site.db", "site.db-journal", "site.db-wal"]);
    for look in looks {
        world.run(look);
        assert_eq!(bytes(&world, &["site.db", "site.db-journal", "site.db-wal"]), datastore, "{look:?}");
        assert_eq!(bytes(&world, &STATE), vec![None; 4], "{look:?} made a state");
    }
    world.ran(&["sweep"], 0);
    let datastore = bytes(&world, &["site.db", "site.db-journal", "site.db-wal"]);
    world.fold();
    let state = tables(&world);
    let published = bytes(&world, &["state.db.checkpoint"]);
    for look in looks {
        world.run(look);
        assert_eq!(bytes(&world, &["site.db", "site.db-journal", "site.db-wal"]), datastore, "{look:?}");
        assert_eq!(tables(&world), state, "{look:?} changed the state");
        assert_eq!(bytes(&world, &["state.db.checkpoint"]), published, "{look:?}");
    }
}

#[test]
fn explain_tells_each_records_story() {
    let world = world();
    let mut all = String::new();
    for key in ["canary-ann", "canary-bob", "canary-cyd", "canary-dan", "canary-eve", "canary-far"] {
        let ran = world.ran(&["explain", "site/account", key, "--at", "2026-06-15T12:00:00Z"], 0);
        all += &ran.text();
    }
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn explain_of_nobody_is_a_finding() {
    let ran = world().ran(&["explain", "site/account", "nobody"], 1);
    insta::assert_snapshot!(ran.text(), @r"
    exit 1
    -- stdout
    site/account: there is no such record, and the ledger knows of no disposal
    ");
}

#[test]
fn a_sweep_says_what_it_did_and_a_second_that_there_was_nothing_to_do() {
    let world = world();
    let first = world.ran(&["sweep"], 0);
    let second = world.ran(&["sweep"], 0);
    insta::with_settings!({ filters => crate::world::REDACTED.to_vec() }, {
        insta::assert_snapshot!(first.text() + &second.text());
    });
}

#[test]
fn status_shows_every_rule() {
    let world = world();
    let before = world.ran_at_noon(&["status"], 0);
    world.ran_at_noon(&["sweep"], 0);
    let after = world.ran_at_noon(&["status"], 0);
    let zones = [(r"\d+ d( \d+ h)?\b", "[length]")];
    let filters: Vec<_> = crate::world::REDACTED.into_iter().chain(zones).collect();
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!(before.text() + &after.text());
    });
}

#[test]
fn every_disposal_can_be_proved_and_verified_by_a_stranger() {
    let world = world();
    world.ran(&["sweep"], 0);
    let mut all = String::new();
    for (key, dataset, out) in [
        ("canary-ann", None, "record"),
        ("canary-eve", Some("account"), "candidate"),
        ("canary-comment", Some("comment"), "pseudonymized"),
        ("canary-token", Some("session"), "dependent"),
    ] {
        let mut arguments = vec!["prove", "site/account", key, "--out", out];
        arguments.extend(dataset.into_iter().flat_map(|d| ["--dataset", d]));
        all += &world.ran(&arguments, 0).text();
        let verified = world.ran(&["verify", "--key", "ledger.key.vkey", out], 0);
        assert_eq!(
            verified.stdout.matches("canary").count(),
            1,
            "this record's key and no other: {}",
            verified.text()
        );
        all += &verified.text();
        let others =
            ["canary-ann", "canary-eve", "canary-comment", "canary-token"].into_iter().filter(|o| *o != key);
        for other in others.chain(["canary-mail", "canary-bob"]) {
            assert!(world.found_in(other, &[out]).is_empty(), "{other} in the proof of {key}");
        }
    }
    insta::with_settings!({ filters => crate::world::REDACTED.to_vec() }, {
        insta::assert_snapshot!(all);
    });
}

#[test]
fn a_changed_proof_does_not_verify() {
    let world = world();
    world.ran(&["sweep"], 0);
    world.ran(&["prove", "site/account", "canary-ann", "--out", "proof"], 0);
    let text = std::fs::read_to_string(world.path("proof")).unwrap();
    world.write("changed", &text.replacen("index ", "index 1", 1));
    let ran = world.ran(&["verify", "--key", "ledger.key.vkey", "proof", "changed"], 4);
    assert!(
        ran.stdout.contains("proof: verified") && ran.stderr.contains("changed: NOT VERIFIED"),
        "{}",
        ran.text()
    );
}

#[test]
fn what_was_not_disposed_of_cannot_be_proved() {
    let world = world();
    world.ran(&["sweep"], 0);
    let mut all = String::new();
    for (arguments, code) in [
        (vec!["prove", "site/account", "canary-bob"], 1),
        (vec!["prove", "site/account", "canary-ann", "--dataset", "session"], 1),
        (vec!["prove", "site/account", "canary-ann", "--dataset", "sessions"], 2),
        (vec!["prove", "site/accounts", "canary-ann"], 2),
        (vec!["prove", "site/account", "canary-ann", "more"], 2),
    ] {
        all += &world.ran(&arguments, code).text();
    }
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn explain_of_a_disposed_record_names_its_entry() {
    let world = world();
    world.ran(&["sweep"], 0);
    let told = world.ran(&["explain", "site/account", "canary-ann"], 0);
    let proved = world.ran(&["prove", "site/account", "canary-ann", "--out", "proof"], 0);
    let entry =
        told.stdout.trim_end().trim_end_matches(" of the ledger").rsplit(' ').next().unwrap().to_owned();
    assert!(told.stdout.contains("disposed of; entry "), "{}", told.text());
    assert!(
        proved.stdout.contains(&format!("entry {entry} of the ledger")),
        "{}{}",
        told.text(),
        proved.text()
    );
}

#[test]
fn a_rowid_used_again_and_disposed_of_again_has_two_proofs() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz); INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z')",
    );
    world.ran(&["sweep"], 0);
    world.sql("INSERT INTO account (deleted_at) VALUES ('1971-01-01T00:00:01Z')");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
    let alive = world.ran(&["explain", "site/account", "1"], 0);
    assert!(alive.stdout.contains("due"), "the record that is there now: {}", alive.text());
    world.ran(&["sweep"], 0);
    let proved = world.ran(&["prove", "site/account", "1", "--out", "one.tlog-proof"], 0);
    assert_eq!(proved.stdout.lines().count(), 2, "{}", proved.text());
    let verified =
        world.ran(&["verify", "--key", "ledger.key.vkey", "one.tlog-proof", "one.2.tlog-proof"], 0);
    assert_eq!(verified.stdout.matches(": verified").count(), 2, "{}", verified.text());
}

/// Keys and values stand in the datastore, and in the proofs that a person asks for. Nowhere else.
#[test]
fn no_personal_data_reaches_logs_state_or_reports() {
    let world = world();
    world.sql(
        "CREATE TRIGGER no BEFORE DELETE ON account WHEN old.id = 'canary-eve' BEGIN SELECT RAISE(ABORT, 'canary-raise'); END;",
    );
    let mut said = String::new();
    let commands: [&[&str]; 9] = [
        &["plan", "--log-level", "debug"],
        &["sweep", "--log-level", "debug"],
        &["sweep", "--format", "json"],
        &["status", "--log-level", "debug"],
        &["status", "--format", "json"],
        &["plan", "--format", "json"],
        &["explain", "site/account", "canary-dan", "--log-level", "debug"],
        &["ledger", "verify"],
        &["approve", "site/account", "--up-to", "3"],
    ];
    for command in commands {
        said += &world.run(command).text();
        assert_eq!(world.found_in("canary", &STATE), Vec::<String>::new(), "{command:?}");
    }
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(
        world.ids("SELECT id FROM account"),
        set(&["canary-bob", "canary-cyd", "canary-dan", "canary-eve", "canary-far"])
    );
    let keys: Vec<_> = std::fs::read_dir(world.path("keys")).unwrap().map(|e| e.unwrap().path()).collect();
    for key in keys {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
}

/// Whoever destroys an epoch's key may, and knows what for; another key in its place is nobody's right.
#[test]
fn a_month_whose_key_is_gone_or_another_is_named() {
    let world = world();
    world.ran(&["sweep"], 0);
    let epoch = world.entries("key.epoch")[0]["epoch"].as_str().unwrap().to_owned();
    let file = world.path(&format!("keys/epoch-{epoch}.key"));
    let verify = |code| {
        let said = world.ran(&["ledger", "verify"], code).stdout;
        let json = world.ran(&["ledger", "verify", "--format", "json"], code).stdout;
        (said, serde_json::from_str::<serde_json::Value>(&json).unwrap())
    };
    let (said, json) = verify(0);
    assert!(!said.contains("key file"), "{said}");
    assert_eq!(
        (&json["missing_keys"], &json["wrong_keys"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    std::fs::rename(&file, world.path("away")).unwrap();
    let (said, json) = verify(0);
    let nothing = format!("nothing that went in epoch {epoch} can be proved any more");
    assert!(said.contains(&nothing) && said.contains("\nsound: "), "{said}");
    assert_eq!(json["missing_keys"][0], epoch);
    for other in [&[7; 32][..], &[7; 31]] {
        std::fs::write(&file, other).unwrap();
        let (said, json) = verify(4);
        assert!(
            said.contains("is not the key that the ledger announced") && said.contains("NOT SOUND"),
            "{said}"
        );
        assert_eq!(json["wrong_keys"][0], epoch);
    }
}

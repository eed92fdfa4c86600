//! `report` and `ledger export` as people type them.

use crate::told;
use crate::world::{Ran, World, at};
use chrono::{SecondsFormat, TimeDelta};
use expunged::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use expunged::ledger::hash::{empty_root, leaf_hash};
use expunged::ledger::key::SigningKey;
use expunged::ledger::tree::TreeSize;

/// Two rules, which keep one promise; the first is the one that the library sweeps.
const RULES: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[promise]]
id = "account"
text = "Gone within a month."
source = "Policy, 2020-04-28"
trigger = "account deleted"
no_later_than = "1 month"
covers = ["account", "ticket"]

[[rule]]
id = "ticket"
class = "ticket"
keeps = ["account"]
datastore = "site"
table = "ticket"
key = ["id"]
trigger = { column = "deleted_at", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
action = "delete"

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
subject = "id"
on_erasure = "dispose"
trigger = { column = "deleted_at", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
action = "delete"
"#;

const SCHEMA: &str = "CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, deleted_at timestamptz);
    CREATE TABLE ticket (id TEXT NOT NULL PRIMARY KEY, deleted_at timestamptz);
    CREATE TRIGGER no_way BEFORE DELETE ON account WHEN old.id = 'canary-refused' BEGIN SELECT RAISE(ABORT, 'canary-no'); END;";

/// Records that went in time and late, one undated, one refused; and two tickets, which a hold covers.
pub fn world() -> World {
    let world = World::new(RULES, SCHEMA);
    let now = expunged::clock::now();
    let put = |table: &str, id: &str, hours: i64| {
        let at = (now - TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Micros, true);
        world.sql(&format!("INSERT INTO {table} VALUES ('{id}', '{at}')"));
    };
    put("account", "canary-in-time", 3);
    put("account", "canary-late", 30);
    put("account", "canary-refused", 50);
    put("ticket", "canary-held", 2);
    put("ticket", "canary-held-too", 40);
    world.sql("INSERT INTO account VALUES ('canary-undated', ''), ('canary-living', NULL)");
    world.ran(&["hold", "place", "site/ticket", "--reference", "CASE-1"], 0);
    world.ran(&["sweep"], 1);
    world
}

pub fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.text()))
}

#[test]
fn a_report_for_people() {
    told!(world().ran(&["report"], 0));
}

#[test]
fn late_undated_held_and_refused_records_are_reported() {
    let world = world();
    let report = json(&world.ran(&["report", "--format", "json"], 0));
    let rule = |section: &str, name: &str| {
        let rows = report[section].as_array().unwrap();
        rows.iter().find(|row| row["rule"] == name).unwrap_or_else(|| panic!("{section}: {name}")).clone()
    };
    assert_eq!(report["summary"]["disposed"], 2);
    let account = rule("remaining", "site/account");
    for (count, n) in [("undated", 1), ("refused", 1), ("overdue", 1), ("held", 0), ("remaining", 1)] {
        assert_eq!(account[count], n, "{count}: {account}");
    }
    let ticket = rule("remaining", "site/ticket");
    assert_eq!((&ticket["held"], &ticket["overdue"]), (&2.into(), &0.into()), "{ticket}");
    // The rule's own 24 hours were missed once; the promise's month was not.
    let wait = rule("waits", "site/account");
    assert_eq!(wait["late"], serde_json::json!({ "at_least": 1, "at_most": 1 }));
    assert_eq!(report["promises"][0]["standing"], "at_risk");
    let reasons: Vec<&str> = report["promises"][0]["keepers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|keeper| keeper["reasons"].as_array().unwrap())
        .map(|reason| reason["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["held", "undated", "refused"]);
    assert_eq!(report["evidence"]["sound"], true);
}

#[test]
fn nothing_of_a_record_is_in_any_form_of_a_report() {
    let world = world();
    for form in ["text", "json", "csv", "html"] {
        let ran = world.ran(&["report", "--format", form, "--log-level", "debug"], 0);
        assert!(!ran.text().contains("canary"), "{form}");
        world.ran(&["report", "--format", form, "--out", "report"], 0);
        assert!(world.found_in("canary", &["report"]).is_empty());
    }
    world.ran(&["ledger", "export", "exported"], 0);
    let size = world.list_on("state.db", "SELECT count(*) FROM entry").remove(0);
    for file in
        ["checkpoint".to_owned(), format!("tile/entries/000.p/{size}"), format!("tile/0/000.p/{size}")]
    {
        let file = format!("exported/{file}");
        assert!(world.path(&file).exists() && world.found_in("canary", &[&file]).is_empty(), "{file}");
    }
}

#[test]
fn a_promise_that_is_unknown_or_broken_ends_with_1() {
    let world = world();
    // The rule's own bound is the promise's now: what went late, and what is refused, breaks it.
    world.rules(&RULES.replace("1 month", "24 hours"));
    assert_eq!(json(&world.ran(&["report", "--format", "json"], 1))["promises"][0]["standing"], "unknown");
    world.ran(&["sweep", "site/account"], 1);
    let report = json(&world.ran(&["report", "--format", "json"], 1));
    assert_eq!(report["promises"][0]["standing"], "broken", "{}", report["promises"][0]);
    let long_ago = ["report", "--from", "2020-01-01", "--to", "2020-02-01", "--format", "json"];
    let report = json(&world.ran(&long_ago, 1));
    assert_eq!((&report["summary"]["unknown"], &report["summary"]["disposed"]), (&1.into(), &0.into()));
}

#[test]
fn a_bare_date_is_its_midnight_and_the_end_does_not_count() {
    let world = world();
    let day = |days: i64| (expunged::clock::now() + TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let of =
        |from: &str, to: &str| json(&world.run(&["report", "--format", "json", "--from", from, "--to", to]));
    let report = of(&day(-1), &day(2));
    assert_eq!(report["from"], format!("{}T00:00:00.000000Z", day(-1)));
    assert_eq!(report["summary"]["disposed"], 2);
    assert!(report["until"].as_str() < report["to"].as_str());
    let committed = world.entries("batch.committed");
    let first = committed.iter().map(|entry| at(entry["at"].as_str().unwrap())).min().unwrap();
    let of = |from, to| of(&to_text(from), &to_text(to))["summary"]["disposed"].as_u64().unwrap();
    let last = committed.iter().map(|entry| at(entry["at"].as_str().unwrap())).max().unwrap();
    let micro = TimeDelta::microseconds(1);
    assert_eq!(of(first, last + micro), 2);
    assert!(of(first - micro, last) < 2 && of(first + micro, last + micro + micro) < 2);
}

fn to_text(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[test]
fn a_period_that_cannot_be_is_refused() {
    let world = world();
    let mut all = String::new();
    for arguments in [
        &["report", "--from", "2026-11-02", "--to", "2026-11-01"][..],
        &["report", "--from", "2026-11-01", "--to", "2026-11-01"],
        &["report", "--from", "2026-13-01"],
        &["report", "--from", "yesterday"],
        &["report", "--to", "2026-11-01T00:00:00"],
        &["report", "--service", "sight"],
        &["report", "--service", "other"],
        &["status", "--format", "html"],
        &["ledger", "verify", "--format", "csv"],
        &["ledger", "verify", "--exported", "here"],
        &["report", "--out", "nowhere/report"],
    ] {
        all += &world.ran(arguments, 2).text();
    }
    insta::assert_snapshot!(all);
    let ahead = world.ran(&["report", "--from", "2999-01-01", "--to", "2999-02-01"], 2);
    assert!(ahead.stderr.contains("expected before now"), "{}", ahead.text());
}

#[test]
fn a_report_runs_beside_a_disposer_and_touches_no_datastore() {
    let world = world();
    let lock = std::fs::File::open(world.path("state.db.lock")).unwrap();
    lock.try_lock().unwrap();
    world.ran(&["sweep"], 75);
    std::fs::rename(world.path("site.db"), world.path("away.db")).unwrap();
    world.ran(&["report"], 0);
    world.ran(&["ledger", "export", "exported"], 0);
}

#[test]
fn a_ledger_that_was_changed_is_reported_as_such() {
    let world = world();
    world.sql_on(
        "state.db",
        "UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"recovered\":false', '\"recovered\":true') AS BLOB) \
         WHERE CAST(bytes AS TEXT) LIKE '%\"t\":\"batch.committed\"%'",
    );
    let report = world.run(&["report", "--format", "json"]);
    assert_eq!(report.code, 4, "{}", report.text());
    let report = json(&report);
    assert_eq!((&report["evidence"]["sound"], &report["summary"]["kept"]), (&false.into(), &0.into()));
    assert!(world.ran(&["report", "--format", "html"], 4).stdout.contains("The ledger does not verify."));
    let exported = world.ran(&["ledger", "export", "exported"], 4);
    assert!(!world.path("exported/checkpoint").exists(), "{}", exported.text());
}

#[test]
fn an_exported_ledger_verifies_with_nothing_but_the_key() {
    let world = world();
    let exported = world.ran(&["ledger", "export", "exported"], 0);
    assert!(exported.stdout.starts_with("exported: "), "{}", exported.text());
    std::fs::rename(world.path("state.db"), world.path("away.db")).unwrap();
    world.write("expunged.toml", "");
    let verify = ["ledger", "verify", "--exported", "exported", "--key", "ledger.key.vkey"];
    let verified = world.ran(&verify, 0);
    assert!(verified.stdout.starts_with("sound: "), "{}", verified.text());
    let told = json(&world.ran(&[&verify[..], &["--format", "json"]].concat(), 0));
    assert_eq!((&told["sound"], &told["wrong_commitments"]), (&true.into(), &serde_json::Value::Null));
    let width = verified.stdout.split(' ').nth(1).unwrap().to_owned();
    let bundle = format!("exported/tile/entries/000.p/{width}");
    let bytes = std::fs::read(world.path(&bundle)).unwrap();
    let mut changed = bytes.clone();
    *changed.iter_mut().rfind(|byte| **byte == b'1').unwrap() = b'2';
    for broken in [&changed[..], &bytes[..bytes.len() - 1], b""] {
        std::fs::write(world.path(&bundle), broken).unwrap();
        world.ran(&verify, 4);
    }
    std::fs::write(world.path(&bundle), bytes).unwrap();
    let checkpoint = std::fs::read_to_string(world.path("exported/checkpoint")).unwrap();
    world.write("exported/checkpoint", &checkpoint.replacen(&format!("\n{width}\n"), "\n3\n", 1));
    world.ran(&verify, 4);
}

/// Whoever holds the key can sign two ledgers: a head that somebody kept shows which of them it was.
#[test]
fn a_ledger_continues_the_checkpoints_that_were_kept_or_is_another() {
    let world = world();
    let kept = std::fs::read_to_string(world.path("state.db.checkpoint")).unwrap();
    world.write("kept", &kept);
    world.ran(&["pause"], 0);
    world.ran(&["ledger", "export", "exported"], 0);
    let key = std::fs::read_to_string(world.path("ledger.key")).unwrap();
    let key = SigningKey::parse(key.trim()).unwrap();
    let head = SignedCheckpoint::parse_verified(&kept, &key.verifier()).unwrap();
    let signed = |size: u64, root| {
        Checkpoint::new(key.origin().clone(), TreeSize::new(size), root).sign(&key).unwrap().to_text()
    };
    world.write("another", &signed(head.size().get(), leaf_hash(b"another")));
    world.write("longer", &signed(1_000_000, head.root()));
    world.write("forged", &kept.replacen(&head.root().to_string(), &leaf_hash(b"another").to_string(), 1));
    world.write("empty", &signed(0, empty_root()));
    world.write("bytes", "");
    let of_state = ["ledger", "verify"];
    let of_files = ["ledger", "verify", "--exported", "exported", "--key", "ledger.key.vkey"];
    for verify in [&of_state[..], &of_files] {
        let since = |files: &[&str], code| {
            let files: Vec<&str> = files.iter().flat_map(|file| ["--since", file]).collect();
            let json = json(&world.ran(&[verify, &files, &["--format", "json"]].concat(), code));
            assert_eq!(json["sound"], code == 0, "{json}");
            (world.ran(&[verify, &files].concat(), code), json)
        };
        let (said, json) = since(&["kept", "exported/checkpoint", "empty"], 0);
        assert_eq!(said.stdout.matches("the ledger continues it").count(), 3, "{}", said.text());
        assert_eq!(json["since"][0]["entries"], head.size().get());
        for (file, why) in [
            ("another", "and the ledger's first ones have root"),
            ("longer", "1000000 entries were signed, and the ledger has"),
            ("forged", "NOT VERIFIED: "),
            ("bytes", "NOT VERIFIED: "),
        ] {
            let (said, json) = since(&["kept", file], 4);
            assert!(said.stdout.contains(why) && said.stdout.contains("NOT SOUND"), "{}", said.text());
            let continued = [0, 1].map(|n| json["since"][n]["continued"].as_bool().unwrap());
            assert_eq!(continued, [true, false], "{json}");
        }
        world.ran(&[verify, &["--since", "nowhere"]].concat(), 2);
    }
}

#[test]
fn a_ledger_is_exported_into_a_directory_of_its_own() {
    let world = world();
    let full = world.ran(&["ledger", "export", "rules"], 2);
    assert!(full.stderr.contains("is not empty"), "{}", full.text());
    assert_eq!(std::fs::read_dir(world.path("rules")).unwrap().count(), 1);
}

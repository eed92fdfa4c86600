//! `mode = "observe"`: what is due is counted, and never disposed of.

use serde_json::Value as Json;

use crate::files_rule;
use crate::world::{DELETED_AT, World, rules, set};

const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, person TEXT, deleted_at timestamptz);\
     CREATE INDEX account_deleted_at ON account (deleted_at);\
     INSERT INTO account VALUES (1, 'anna', '1971-01-01T00:00:00Z'), (2, 'boris', '1971-01-01T00:00:00Z'), \
     (3, 'anna', '2001-01-01T00:00:00Z');";
const OBSERVE: &str = "mode = \"observe\"\nsubject = \"person\"\non_erasure = \"dispose\"\n";

fn swept(world: &World, code: i32) -> Json {
    let ran = world.ran(&["sweep", "--format", "json"], code);
    serde_json::from_str::<Json>(&ran.stdout).unwrap()["rules"][0].clone()
}

#[test]
fn an_observing_rule_counts_and_disposes_of_nothing() {
    let world = World::new(&rules(DELETED_AT, OBSERVE), SCHEMA);
    let report = swept(&world, 0);
    assert_eq!((&report["result"], &report["disposed"]), (&"observed".into(), &0.into()), "{report}");
    assert_eq!(report["remaining"], 2, "{report}");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
    assert!(world.entries("batch.intent").is_empty());
    assert_eq!(world.entries("sweep.finished")[0]["result"], "observed");
    assert_eq!(world.entries("residue")[0]["remaining"], 2);
    world.ran(&["ledger", "verify"], 0);
    world.ran(&["plan"], 0);
}

/// A deadline that has passed is a broken promise, whoever only looks at it.
#[test]
fn what_an_observing_rule_leaves_overdue_is_a_finding() {
    let text = rules(DELETED_AT, OBSERVE).replace("delete_by = \"200 years\"", "delete_by = \"51 years\"");
    let world = World::new(&text, SCHEMA);
    assert_eq!(swept(&world, 1)["result"], "observed");
    assert_eq!(world.ids("SELECT id FROM account").len(), 3);
}

#[test]
fn a_rule_that_was_only_observed_is_guarded_like_a_new_one() {
    let world = World::new(&rules(DELETED_AT, OBSERVE), SCHEMA);
    world.configure("first_sweep = 1000000", "first_sweep = 1");
    swept(&world, 0);
    world.rules(&rules(DELETED_AT, &OBSERVE.replace("mode = \"observe\"\n", "")));
    assert_eq!(swept(&world, 5)["result"], "parked");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
    world.ran(&["approve", "site/account", "--up-to", "2"], 0);
    assert_eq!(swept(&world, 0)["disposed"], 2);
    world.rules(&rules(DELETED_AT, OBSERVE));
    world.sql("INSERT INTO account VALUES (4, 'anna', '1971-01-01T00:00:00Z')");
    assert_eq!(swept(&world, 0)["result"], "observed");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    // Its version has completed a sweep, and somebody had a reason to watch it again.
    world.sql("INSERT INTO account VALUES (5, 'anna', '1971-01-01T00:00:00Z')");
    world.rules(&rules(DELETED_AT, &OBSERVE.replace("mode = \"observe\"\n", "")));
    assert_eq!(swept(&world, 5)["result"], "parked");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4", "5"]));
    world.ran(&["ledger", "verify"], 0);
}

/// What nobody disposes of is not gone by any date.
#[test]
fn backups_that_are_only_observed_are_gone_by_no_date() {
    let backups = "\n[[rule]]\nid = \"backup\"\nclass = \"backup\"\nkeeps = []\ndatastore = \"files\"\npattern = \"*\"\n\
        backup = { of = [\"site\"], every = \"1 day\" }\ntrigger = { file = \"modified\" }\nretain = \"1 day\"\n\
        delete_by = \"8 days\"\naction = \"delete\"\n";
    let date = |mode: &str| {
        let world = World::new(&rules(DELETED_AT, &format!("{backups}{mode}")), SCHEMA);
        let files = "[datastore.files]\nkind = \"files\"\nroot = \"tree\"\n\n[datastore.site]\n";
        world.configure("[datastore.site]\n", files);
        std::fs::create_dir(world.path("tree")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.path("tree"), mode).unwrap();
        world.run(&["sweep"]);
        let status: Json = serde_json::from_str(&world.run(&["status", "--format", "json"]).stdout).unwrap();
        assert_eq!(world.ids("SELECT id FROM account"), set(&["3"]));
        status["rules"][0]["gone_everywhere_by"].clone()
    };
    assert!(date("").is_string());
    assert_eq!(date("mode = \"observe\"\n"), Json::Null);
}

#[test]
fn an_erasure_request_to_an_observing_rule_stays_open() {
    let world = World::new(&rules(DELETED_AT, OBSERVE), SCHEMA);
    world.ran(&["erase", "request", "site", "anna"], 0);
    let report = swept(&world, 0);
    // One of her two is due by itself.
    assert_eq!(
        (&report["demanded"], &report["remaining"], &report["requests"]),
        (&1.into(), &3.into(), &Json::Null)
    );
    assert_eq!(world.entries("residue")[0]["remaining"], 3);
    let said = world.ran(&["sweep"], 0).stdout;
    let line = "site/account: of what remains, 1 by erasure requests alone; they stay open: the rule only observes\n";
    assert!(said.contains(line), "{said}");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3"]));
    assert!(world.entries("erasure.answered").is_empty());
    let status: Json = serde_json::from_str(&world.ran(&["status", "--format", "json"], 0).stdout).unwrap();
    assert_eq!((&status["rules"][0]["due"], &status["rules"][0]["demanded"]), (&2.into(), &1.into()));
}

/// After a month without an answer somebody has to look, though the rule does as it says: whether the record is due by itself or by the
/// request alone.
#[test]
fn a_request_that_an_observing_rule_leaves_for_more_than_a_month_is_a_finding() {
    for (record, demanded) in [("1971-01-01T00:00:00Z", 0), ("2001-01-01T00:00:00Z", 1)] {
        let world = World::new(&rules(DELETED_AT, OBSERVE), SCHEMA);
        world.sql(&format!("DELETE FROM account; INSERT INTO account VALUES (4, 'boris', '{record}')"));
        world.ran(&["erase", "request", "site", "boris", "--received", "2020-01-01T00:00:00Z"], 0);
        let report = swept(&world, 1);
        let figures = ["overdue", "remaining", "demanded"].map(|key| report[key].clone());
        assert_eq!(figures, [1.into(), 1.into(), Json::from(demanded)], "{report}");
        let residue = &world.entries("residue")[0];
        assert_eq!(
            (&residue["remaining"], &residue["bounds"][0]["late"]),
            (&1.into(), &1.into()),
            "{residue}"
        );
        world.ran(&["ledger", "verify"], 0);
        let status = world.ran(&["status", "--format", "json"], 1).stdout;
        let status = serde_json::from_str::<Json>(&status).unwrap()["rules"][0].clone();
        assert_eq!((&status["overdue"], &status["demanded"]), (&1.into(), &demanded.into()));
        let explained = world.ran(&["explain", "site/account", "4"], 0).stdout;
        assert!(explained.starts_with("site/account: overdue\n"), "{explained}");
        assert!(explained.contains("it only observes"), "{explained}");
        // What a hold keeps is not late.
        world.ran(&["hold", "place", "site", "--subject", "boris", "--reference", "A-1"], 0);
        let report = swept(&world, 0);
        assert_eq!((&report["overdue"], &report["demanded"]), (&0.into(), &0.into()), "{report}");
    }
}

#[test]
fn files_are_observed_as_well() {
    let world = files_rule::world("**", files_rule::MODIFIED, "mode = \"observe\"\n");
    std::fs::write(world.path("tree/old"), "x").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(24);
    std::fs::File::options().append(true).open(world.path("tree/old")).unwrap().set_modified(old).unwrap();
    let report = swept(&world, 0);
    assert_eq!((&report["result"], &report["remaining"]), (&"observed".into(), &1.into()), "{report}");
    assert!(world.path("tree/old").exists());
}

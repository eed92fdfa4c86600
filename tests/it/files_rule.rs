//! Rules whose records are files: uploads by their modification time, backups by the date in their name.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use crate::files::world::Mount;
use crate::world::{World, rules};

/// Due after 50 years; the tree is `tree`.
pub fn world(pattern: &str, trigger: &str, rest: &str) -> World {
    let text = rules(trigger, rest)
        .replace("table = \"account\"\nkey = [\"id\"]", &format!("pattern = \"{pattern}\""))
        .replace("datastore = \"site\"", "datastore = \"files\"");
    let world = World::new(&text, "CREATE TABLE account (id integer PRIMARY KEY)");
    world.configure(
        "[datastore.site]\n",
        "[datastore.files]\nkind = \"files\"\nroot = \"tree\"\n\n[datastore.site]\n",
    );
    std::fs::create_dir(world.path("tree")).unwrap();
    std::fs::set_permissions(world.path("tree"), std::fs::Permissions::from_mode(0o755)).unwrap();
    world
}

fn write(world: &World, path: impl AsRef<std::path::Path>, modified: DateTime<Utc>) {
    let path = world.path("tree").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().set_modified(SystemTime::from(modified)).unwrap();
}

/// Every file and directory that is left, by its path.
fn left(world: &World) -> BTreeSet<Vec<u8>> {
    crate::listing::below(&world.path("tree"))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn report(world: &World, code: i32) -> Json {
    let ran = world.ran(&["sweep", "--format", "json"], code);
    serde_json::from_str::<Json>(&ran.stdout).unwrap()["rules"][0].clone()
}

pub const MODIFIED: &str = "{ file = \"modified\" }";

#[test]
fn what_is_no_record_and_what_cannot_go_is_said_and_stops_nothing() {
    let world = world("**", MODIFIED, "");
    write(&world, "goes", at("1971-01-01T00:00:00Z"));
    write(&world, "linked", at("1971-01-01T00:00:00Z"));
    std::fs::hard_link(world.path("tree/linked"), world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(world.path("elsewhere"), world.path("tree/symlink")).unwrap();
    let swept = report(&world, 1);
    assert_eq!(swept["disposed"], 1, "{swept}");
    assert_eq!((&swept["refused"], &swept["remaining"]), (&Json::from(1), &Json::from(1)), "{swept}");
    assert_eq!(swept["obstacles"]["symbolic link"], 1, "{swept}");
    assert!(left(&world).contains(b"linked".as_slice()) && !left(&world).contains(b"goes".as_slice()));
    // The refused file has no proof.
    world.ran(&["prove", "site/account", "linked"], 1);
    world.ran(&["ledger", "verify"], 0);
}

/// Files may lie behind it, and nobody has seen them.
#[test]
fn where_records_may_hide_nobody_says_how_many_remain() {
    let world = world("**", MODIFIED, "");
    write(&world, "goes", at("1971-01-01T00:00:00Z"));
    std::fs::create_dir(world.path("tree/m")).unwrap();
    let mount = Mount::tmpfs(&world.path("tree/m"));
    let swept = report(&world, 1);
    assert_eq!((&swept["disposed"], &swept["remaining"]), (&Json::from(1), &Json::Null), "{swept}");
    assert_eq!(
        (&swept["hidden"]["mount point"], &swept["obstacles"]),
        (&Json::from(1), &serde_json::json!({}))
    );
    assert_eq!(world.entries("residue").pop().unwrap()["remaining"], Json::Null);
    let said = world.ran(&["sweep"], 1);
    assert!(
        said.stdout.contains("not looked into") && !said.stdout.contains("not records"),
        "{}",
        said.text()
    );
    let planned = world.ran(&["plan"], 0);
    assert!(planned.stdout.contains("not looked into"), "{}", planned.text());
    let status = world.ran(&["status"], 1);
    assert!(status.stderr.contains("1 of kind `mount point`"), "{}", status.text());
    drop(mount);
    assert_eq!(report(&world, 0)["remaining"], 0);
    world.ran(&["ledger", "verify"], 0);
}

/// Another directory, with one file in it, takes the tree's place; the tree goes to `away`.
fn replace(world: &World, away: &str) {
    std::fs::rename(world.path("tree"), world.path(away)).unwrap();
    write(world, "other", at("1971-01-01T00:00:00Z"));
}

/// A disk that is not mounted looks like a tree in which nothing is due.
#[test]
fn another_root_than_before_is_neither_swept_nor_counted_until_a_person_confirms_it() {
    let world = world("**", MODIFIED, "");
    // Nothing was put there yet: whatever comes is the first.
    assert_eq!(report(&world, 0)["remaining"], 0);
    replace(&world, "bare");
    assert_eq!(report(&world, 0)["disposed"], 1);
    replace(&world, "first");
    for command in ["sweep", "status", "plan"] {
        let refused = world.ran(&[command], 5);
        assert!(refused.stderr.contains("expunged approve --root files"), "{}", refused.text());
    }
    assert_eq!(left(&world), BTreeSet::from([b"other".to_vec()]));
    world.ran(&["approve", "--root", "site"], 2);
    world.ran(&["approve", "--root", "files"], 0);
    assert_eq!(report(&world, 0)["disposed"], 1);
}

/// After a restart of the host a disk may have another number, and its files are the same.
#[cfg(feature = "test-hooks")]
#[test]
fn a_batch_is_settled_although_its_disk_has_another_number_now() {
    let world = world("u/*", MODIFIED, "");
    let [disk, other] = ["disk", "other"].map(|name| world.path(name));
    let mount = Mount::image(&disk, &world.path("tree"));
    for n in 0..3 {
        write(&world, format!("u/{n}"), at("1971-01-01T00:00:00Z"));
    }
    let number =
        |path: &str| std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(world.path(path)).unwrap());
    let before = number("tree");
    assert_eq!(world.killed_at(&["sweep"], "unlink.after", 2).code, -1);
    drop(mount);
    std::fs::create_dir(world.path("elsewhere")).unwrap();
    let others = Mount::image(&other, &world.path("elsewhere"));
    let mount = Mount::image(&disk, &world.path("tree"));
    assert_ne!(number("tree"), before);
    let swept = world.ran(&["sweep", "--format", "json"], 0);
    assert!(
        swept.stdout.contains("\"committed\":1") && swept.stdout.contains("\"disposed\":1"),
        "{}",
        swept.text()
    );
    world.ran(&["ledger", "verify"], 0);
    drop((mount, others));
}

#[test]
fn an_unapproved_rule_over_files_waits_for_a_person() {
    let world = world("**", MODIFIED, "");
    world.configure("first_sweep = 1000000", "first_sweep = 2");
    for n in 0..3 {
        write(&world, format!("{n}"), at("1971-01-01T00:00:00Z"));
    }
    assert_eq!(report(&world, 5)["parked"]["due"], 3);
    assert_eq!(left(&world).len(), 3);
    world.ran(&["approve", "site/account", "--up-to", "3"], 0);
    assert_eq!(report(&world, 0)["disposed"], 3);
}

const BACKUPS: &str = "backup = { of = [\"site\"], every = \"1 day\", keep_at_least = 3 }\n";
const NAMED: &str = "{ name = \"backup-%Y%m%dT%H%M%SZ.tar\" }";

fn backup(world: &World, made: DateTime<Utc>) -> String {
    let name = made.format("backup-%Y%m%dT%H%M%SZ.tar").to_string();
    write(world, &name, at("2001-01-01T00:00:00Z"));
    name
}

#[test]
fn backups_go_at_their_age_whatever_the_operator_would_like_to_keep() {
    let world = world("*", NAMED, BACKUPS);
    backup(&world, at("1971-01-01T00:00:00Z"));
    let newest = backup(&world, expunged::clock::now() - TimeDelta::hours(30));
    let ran = world.ran(&["sweep"], 1);
    assert!(
        ran.stdout.contains("1 backups are left, 3 were to be kept: the promise goes first"),
        "{}",
        ran.text()
    );
    assert!(!ran.stdout.contains("the newest backup is"), "{}", ran.text());
    assert_eq!(left(&world), BTreeSet::from([newest.into_bytes()]));
}

#[test]
fn a_missing_newer_backup_alarms() {
    let world = world("*", NAMED, BACKUPS);
    for days in 3..6 {
        backup(&world, expunged::clock::now() - TimeDelta::days(days) - TimeDelta::hours(1));
    }
    let ran = world.ran(&["sweep"], 1);
    assert!(ran.stdout.contains("the newest backup is 3 d"), "{}", ran.text());
    assert!(!ran.stdout.contains("were to be kept"), "{}", ran.text());
}

/// One backup that goes, and one that stays.
pub fn backups() -> World {
    let world = world("**", NAMED, BACKUPS);
    backup(&world, at("1971-01-01T00:00:00Z"));
    backup(&world, at("2001-01-02T00:00:00Z"));
    world
}

#[test]
fn the_ledger_says_up_to_when_backups_are_gone_unless_nobody_can() {
    let world = backups();
    world.ran(&["sweep"], 1);
    let expired = world.entries("backup.expired");
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["until"], "2001-01-01T00:00:00.000000Z", "{expired:?}");
    assert_eq!(expired[0]["of"], serde_json::json!(["site"]));
    // Nothing has moved: nothing to say.
    world.ran(&["sweep"], 1);
    assert_eq!(world.entries("backup.expired").len(), 1);
}

#[test]
fn where_a_backup_may_hide_nobody_says_that_all_are_gone() {
    for hidden in ["backup-no-date.tar", "link"] {
        let world = world("**", NAMED, BACKUPS);
        backup(&world, at("1971-01-01T00:00:00Z"));
        if hidden == "link" {
            std::os::unix::fs::symlink("/nowhere", world.path("tree/link")).unwrap();
        } else {
            write(&world, hidden, at("1971-01-01T00:00:00Z"));
        }
        world.ran(&["sweep"], 1);
        assert!(world.entries("backup.expired").is_empty(), "{hidden}");
    }
}

/// A root that is not mounted is an empty directory: what is not seen there proves nothing.
#[test]
fn where_no_backup_is_seen_only_one_that_went_says_how_far_they_reach() {
    let world = world("*", NAMED, BACKUPS);
    world.ran(&["sweep"], 1);
    assert!(world.entries("backup.expired").is_empty());
    backup(&world, at("1971-01-01T00:00:00Z"));
    backup(&world, at("1971-01-03T00:00:00Z"));
    world.ran(&["sweep"], 1);
    assert!(left(&world).is_empty());
    let expired = world.entries("backup.expired");
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["until"], "1971-01-02T00:00:00.000000Z", "{expired:?}");
}

/// What goes from a datastore that backups hold says by when it is gone from them: in its entry, its proof and `status`.
#[test]
fn a_disposal_says_by_when_it_is_gone_everywhere() {
    let world = World::new(
        &(rules(crate::world::DELETED_AT, "")
            + "\n[[rule]]\nid = \"backups\"\nclass = \"backups\"\nkeeps = []\ndatastore = \"files\"\npattern = \"*\"\n"
            + "trigger = { name = \"backup-%Y%m%dT%H%M%SZ.tar\" }\nretain = \"3 weeks\"\ndelete_by = \"1 month\"\n"
            + "action = \"delete\"\nbackup = { of = [\"site\"], every = \"1 day\" }\n"),
        "CREATE TABLE account (id integer PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z')",
    );
    world.configure(
        "[datastore.site]\n",
        "[datastore.files]\nkind = \"files\"\nroot = \"tree\"\n\n[datastore.site]\n",
    );
    std::fs::create_dir(world.path("tree")).unwrap();
    world.ran(&["sweep", "site/account"], 0);
    let seal = world.entries("batch.committed").pop().unwrap();
    let (gone, by) = (at(seal["t1"].as_str().unwrap()), at(seal["gone_everywhere_by"].as_str().unwrap()));
    let days = (by - gone).num_days();
    assert!((27..=32).contains(&days), "{seal}");
    let shown = format!("gone everywhere by {}", by.format("%Y-%m-%d %H:%M:%S UTC"));
    let out = world.path("one.tlog-proof");
    let proved = world.ran(&["prove", "site/account", "1", "--out", out.to_str().unwrap()], 0);
    assert!(proved.stdout.contains(&shown), "{}", proved.text());
    let vkey = world.path("ledger.key.vkey");
    let verified = world.ran(&["verify", "--key", vkey.to_str().unwrap(), out.to_str().unwrap()], 0);
    assert!(verified.stdout.to_lowercase().contains("gone everywhere by"), "{}", verified.text());
    let status = world.ran(&["status"], 0);
    assert!(status.stdout.contains("gone from the backups too by"), "{}", status.text());
}

#[test]
fn what_the_program_needs_lies_below_no_root() {
    let world = world("**", MODIFIED, "");
    for (from, to) in [
        ("state = \"sqlite://state.db\"", "state = \"sqlite://tree/state.db\""),
        ("rules = \"rules\"", "rules = \"tree/rules\""),
        ("keys = \"keys\"", "keys = \"tree/keys\""),
        ("file = \"ledger.key\"", "file = \"tree/ledger.key\""),
        ("url = \"sqlite://site.db\"", "url = \"sqlite://tree/site.db\""),
    ] {
        world.configure(from, to);
        let ran = world.ran(&["sweep"], 78);
        assert!(
            ran.stderr.contains("below the root") || ran.stderr.contains("overlap"),
            "{to}\n{}",
            ran.text()
        );
        world.configure(to, from);
    }
}

//! One person's data in three datastores: the account's row, its devices in another database, its uploads on the disk.

#[cfg(feature = "test-hooks")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

#[cfg(feature = "test-hooks")]
use crate::servers::mariadb::MariaDb;
#[cfg(feature = "test-hooks")]
use crate::servers::postgres::Postgres;
#[cfg(feature = "test-hooks")]
use crate::servers::{Database, Engine, Session, poll};
use crate::world::{DELETED_AT, Ran, World, rules};

const DEPENDENTS: &str = r#"
[[rule.dependent]]
id = "sessions"
class = "account"
table = "session"
match = { account_id = "id" }
action = "delete"

[[rule.dependent]]
id = "devices"
class = "account"
datastore = "devices"
table = "device"
match = { account_id = "id" }
action = "delete"

[[rule.dependent]]
id = "events"
class = "account"
of = "devices"
table = "event"
match = { device_id = "id" }
action = "delete"

[[rule.dependent]]
id = "uploads"
class = "account"
datastore = "uploads"
pattern = "uploads/{id}/**"
action = "delete"
orphans = true
"#;

const CONFIGURED: &str = r#"[datastore.devices]
kind = "sqlite"
url = "sqlite://devices.db"

[datastore.uploads]
kind = "files"
root = "tree"

[datastore.site]
"#;

/// Accounts 1 to 3 are due, 4 and 12 are not; 12 begins like 1.
const ACCOUNTS: [(u32, &str); 5] = [
    (1, "'1971-01-01T00:00:00Z'"),
    (2, "'1972-01-01T00:00:00Z'"),
    (3, "'1973-01-01T00:00:00Z'"),
    (4, "NULL"),
    (12, "'2001-01-01T00:00:00Z'"),
];

pub struct Unit {
    pub world: World,
}

impl Unit {
    pub fn new() -> Self {
        Self::ruled(DEPENDENTS)
    }

    fn ruled(rest: &str) -> Self {
        let schema = "CREATE TABLE account (id integer PRIMARY KEY, deleted_at timestamptz);\
                      CREATE TABLE session (id integer PRIMARY KEY, account_id integer);\
                      CREATE INDEX session_account_id ON session (account_id);";
        let world = World::new(&rules(DELETED_AT, rest), schema);
        world.configure("[datastore.site]\n", CONFIGURED);
        world.sql_on(
            "devices.db",
            "CREATE TABLE device (id integer PRIMARY KEY, account_id integer);\
             CREATE INDEX device_account_id ON device (account_id);\
             CREATE TABLE event (id integer PRIMARY KEY, device_id integer);\
             CREATE INDEX event_device_id ON event (device_id);",
        );
        for (id, deleted_at) in ACCOUNTS {
            world.sql(&format!("INSERT INTO account VALUES ({id}, {deleted_at})"));
            world.sql(&format!("INSERT INTO session VALUES ({id}, {id})"));
            for n in 0..2 {
                let device = id * 10 + n;
                world.sql_on("devices.db", &format!("INSERT INTO device VALUES ({device}, {id})"));
                world.sql_on("devices.db", &format!("INSERT INTO event VALUES ({device}, {device})"));
                let directory = world.path(&format!("tree/uploads/{id}/deep"));
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(directory.join(format!("{n}.txt")), "x").unwrap();
            }
        }
        Self { world }
    }

    /// Every row and file that is left.
    pub fn left(&self) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        for (file, table) in [
            ("site.db", "account"),
            ("site.db", "session"),
            ("devices.db", "device"),
            ("devices.db", "event"),
        ] {
            let ids = self.world.list_on(file, &format!("SELECT id FROM {table}"));
            left.extend(ids.into_iter().map(|id| format!("{table} {id}")));
        }
        left.extend(crate::listing::texts(&self.world.path("tree")));
        left
    }

    /// Directories that hold no file: what a crash left of emptied ones, and what nothing removes later.
    #[cfg(feature = "test-hooks")]
    pub fn hollow(&self) -> BTreeSet<String> {
        let hollow = crate::listing::hollow(&self.world.path("tree")).into_iter();
        hollow.map(|path| String::from_utf8(path).unwrap()).collect()
    }

    pub fn sweep_to_the_end(&self) {
        swept_after_a_crash(&self.world.run(&["sweep"]));
        self.world.ran(&["sweep"], 0);
    }

    /// The points a sweep passes, and how often.
    #[cfg(feature = "test-hooks")]
    pub fn trace(&self) -> BTreeMap<String, u64> {
        let (ran, passed) = self.world.trace(&["sweep"]);
        swept_after_a_crash(&ran);
        passed
    }

    /// Whether a sweep died at this point.
    #[cfg(feature = "test-hooks")]
    pub fn killed_at(&self, point: &str, turn: u64) -> bool {
        self.world.killed_at(&["sweep"], point, turn).code == -1
    }

    /// Every record that is gone has a proof that verifies, and what is left has none.
    pub fn proves_everything(&self, after: &str) {
        self.world.ran(&["ledger", "verify"], 0);
        for file in ["site.db", "devices.db"] {
            let marked = "SELECT name FROM expunged_marker WHERE name LIKE 'batch:%'";
            assert_eq!(self.world.list_on(file, marked), [""; 0], "after {after}: {file}");
        }
        for (id, _) in ACCOUNTS {
            let gone = id <= 3;
            let device = (id * 10).to_string();
            let upload = format!("uploads/{id}/deep/1.txt");
            for (dataset, key) in [
                ("account", id.to_string()),
                ("session", id.to_string()),
                ("device", device.clone()),
                ("event", device),
                ("uploads/{id}/**", upload),
            ] {
                let out = self.world.path("one.tlog-proof");
                let arguments =
                    ["prove", "site/account", &key, "--dataset", dataset, "--out", out.to_str().unwrap()];
                let ran = self.world.run(&arguments);
                assert_eq!(ran.code == 0, gone, "after {after}: {dataset} {key}\n{}", ran.text());
                if gone {
                    let vkey = self.world.path("ledger.key.vkey");
                    self.world.ran(&["verify", "--key", vkey.to_str().unwrap(), out.to_str().unwrap()], 0);
                }
            }
        }
    }

    fn sweep(&self, code: i32) -> Ran {
        self.world.ran(&["sweep", "--format", "json"], code)
    }
}

#[expect(clippy::disallowed_methods, reason = "what the test made, outside every datastore's keeping")]
fn unlink(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

/// The first sweep after a crash says if records were left without their dependents.
fn swept_after_a_crash(ran: &Ran) {
    let expected = i32::from(ran.stdout.contains("A crash left at most 3 records"));
    assert_eq!(ran.code, expected, "{}", ran.text());
}

/// What has to be left.
pub fn survivors() -> BTreeSet<String> {
    let mut left = BTreeSet::from(["uploads/".to_owned()]);
    for id in [4, 12] {
        left.extend([format!("account {id}"), format!("session {id}")]);
        left.extend([format!("uploads/{id}/"), format!("uploads/{id}/deep/")]);
        for n in 0..2 {
            let device = id * 10 + n;
            left.extend([format!("device {device}"), format!("event {device}")]);
            left.insert(format!("uploads/{id}/deep/{n}.txt"));
        }
    }
    left
}

#[test]
fn a_persons_data_goes_from_every_datastore_and_nobody_elses() {
    let unit = Unit::new();
    let swept = unit.sweep(0);
    assert!(
        swept.stdout.contains("\"disposed\":3") && swept.stdout.contains("\"dependents\":21"),
        "{}",
        swept.text()
    );
    assert_eq!(unit.left(), survivors());
    unit.proves_everything("a sweep");
    let again = unit.sweep(0);
    assert!(again.stdout.contains("\"disposed\":0"), "{}", again.text());
}

#[test]
fn a_file_without_a_record_is_listed_and_stays() {
    let unit = Unit::new();
    for stray in ["uploads/99/deep/stray.txt", "uploads/007/stray.txt", "uploads/none/stray.txt"] {
        let path = unit.world.path("tree").join(stray);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    let counted = unit.world.ran(&["plan"], 0);
    assert!(counted.stdout.contains("orphans: 3 files of `uploads.uploads/{id}/**`"), "{}", counted.text());
    assert!(!counted.stdout.contains("stray.txt"), "a path may say whose it was: {}", counted.text());
    let listed = unit.world.ran(&["plan", "--orphans"], 0);
    for stray in ["uploads/99/deep/stray.txt", "uploads/007/stray.txt", "uploads/none/stray.txt"] {
        assert!(listed.stdout.contains(stray), "{}", listed.text());
    }
    assert!(!listed.stdout.contains("uploads/1/"), "{}", listed.text());
    unit.sweep(0);
    let strays = unit.left().into_iter().filter(|one| one.contains("stray.txt")).count();
    assert_eq!(strays, 3);
}

/// The shares of a unit are linked in the ledger.
#[test]
fn the_ledger_links_the_parts_of_a_unit() {
    let unit = Unit::new();
    unit.sweep(0);
    let seals = unit.world.entries("batch.committed");
    assert_eq!(seals.len(), 3, "{seals:?}");
    let own = seals.last().unwrap();
    assert_eq!(own["dependents"].as_array().map(Vec::len), Some(2), "{own}");
    for share in &seals[..2] {
        assert_eq!(share["unit"], own["batch"], "{share}");
        assert!(share.get("dependents").is_none(), "{share}");
    }
}

/// A hard link is somebody else's name for the same data: its record stays, and stops nobody.
#[test]
fn a_dependent_that_cannot_go_keeps_its_record_and_stops_no_other() {
    let unit = Unit::new();
    let linked = unit.world.path("tree/uploads/2/deep/0.txt");
    std::fs::hard_link(&linked, unit.world.path("elsewhere.txt")).unwrap();
    let swept = unit.world.ran(&["sweep"], 1);
    assert!(swept.stdout.contains("more than one link"), "{}", swept.text());
    let mut left = survivors();
    left.extend(
        ["account 2", "session 2", "device 20", "device 21", "event 20", "event 21"].map(str::to_owned),
    );
    left.extend(["uploads/2/deep/0.txt", "uploads/2/deep/1.txt"].map(str::to_owned));
    left.extend(["uploads/2/", "uploads/2/deep/"].map(str::to_owned));
    assert_eq!(unit.left(), left);
    unlink(&unit.world.path("elsewhere.txt"));
    unit.sweep(0);
    assert_eq!(unit.left(), survivors());
}

#[test]
fn a_datastore_that_cannot_be_reached_keeps_the_records() {
    let unit = Unit::new();
    let all = unit.left();
    std::fs::rename(unit.world.path("devices.db"), unit.world.path("away.db")).unwrap();
    let swept = unit.world.run(&["sweep"]);
    assert_eq!(swept.code, 69, "{}", swept.text());
    std::fs::rename(unit.world.path("away.db"), unit.world.path("devices.db")).unwrap();
    assert_eq!(unit.left(), all);
    unit.sweep(0);
    assert_eq!(unit.left(), survivors());
}

/// A trigger in the other database refuses the device of one account.
#[test]
fn a_refusal_in_another_database_leaves_everything_of_that_record() {
    let unit = Unit::new();
    unit.world.sql_on(
        "devices.db",
        "CREATE TRIGGER t BEFORE DELETE ON device WHEN old.id = 11 BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    unit.world.ran(&["sweep"], 1);
    let left = unit.left();
    for kept in ["account 1", "session 1", "device 10", "device 11", "event 10", "uploads/1/deep/0.txt"] {
        assert!(left.contains(kept), "{kept}: {left:?}");
    }
    assert!(!left.contains("account 2") && !left.contains("account 3"), "{left:?}");
}

#[test]
fn a_world_writable_or_symlinked_root_is_refused_and_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let unit = Unit::new();
    let (all, tree) = (unit.left(), unit.world.path("tree"));
    std::fs::set_permissions(&tree, std::fs::Permissions::from_mode(0o777)).unwrap();
    let swept = unit.world.ran(&["sweep"], 78);
    assert!(swept.stderr.contains("lets everyone write"), "{}", swept.text());
    std::fs::set_permissions(&tree, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&tree, unit.world.path("real")).unwrap();
    std::os::unix::fs::symlink("real", &tree).unwrap();
    let swept = unit.world.ran(&["sweep"], 78);
    assert!(swept.stderr.contains("symbolic link"), "{}", swept.text());
    unlink(&tree);
    std::fs::rename(unit.world.path("real"), &tree).unwrap();
    assert_eq!(std::fs::metadata(&tree).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(unit.left(), all);
}

/// A root that is not mounted has nothing in it, and what hangs on a record would seem to be gone.
#[test]
fn a_root_without_the_directory_that_a_dependent_names_keeps_the_records() {
    let unit = Unit::new();
    let tree = unit.world.path("tree");
    std::fs::rename(&tree, unit.world.path("away")).unwrap();
    std::fs::create_dir(&tree).unwrap();
    let all = unit.left();
    let swept = unit.world.ran(&["sweep"], 5);
    assert!(swept.stderr.contains("there is no directory `uploads` in it"), "{}", swept.text());
    assert_eq!(unit.left(), all);
    // Nothing was uploaded yet.
    std::fs::create_dir(tree.join("uploads")).unwrap();
    unit.sweep(0);
    assert!(!unit.left().contains("account 1"));
}

/// The application makes the directory with the first upload: where no record is due, nothing can be missed in it.
#[test]
fn a_root_that_waits_for_its_first_file_stops_no_sweep_that_disposes_of_nothing() {
    for pattern in ["uploads/{id}/**", "{id}/**"] {
        let rest = format!("subject = \"id\"\non_erasure = \"dispose\"\n{DEPENDENTS}");
        let unit = Unit::ruled(&rest.replace("uploads/{id}/**", pattern));
        let tree = unit.world.path("tree");
        std::fs::rename(&tree, unit.world.path("away")).unwrap();
        std::fs::create_dir(&tree).unwrap();
        unit.world.sql("UPDATE account SET deleted_at = NULL");
        unit.world.ran(&["sweep"], 0);
        // The first who leads there is somebody who demands it.
        unit.world.ran(&["erase", "request", "site", "4"], 0);
        unit.world.ran(&["sweep"], 5);
        assert!(unit.left().contains("account 4"), "{pattern}");
        let first = tree.join(pattern.replace("{id}/**", "4"));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::write(first.join("first.txt"), "x").unwrap();
        unit.world.ran(&["sweep"], 0);
        assert!(!unit.left().contains("account 4"), "{pattern}");
        unit.world.ran(&["ledger", "verify"], 0);
    }
}

/// Their record is all that leads to files which a mount hides.
#[test]
fn another_root_than_before_keeps_the_records_until_a_person_confirms_it() {
    let unit = Unit::new();
    unit.sweep(0);
    let path = |name: &str| unit.world.path(name);
    let move_to = |from: &str, to: &str| std::fs::rename(path(from), path(to)).unwrap();
    let refused = || {
        unit.world.sql("INSERT OR IGNORE INTO account VALUES (5, '1971-01-01T00:00:00Z')");
        let swept = unit.world.ran(&["sweep"], 5);
        assert!(swept.stderr.contains("expunged approve --root uploads"), "{}", swept.text());
        assert!(unit.left().contains("account 5"));
    };
    move_to("tree", "hidden");
    std::fs::create_dir_all(path("tree/uploads")).unwrap();
    refused();
    // Mounted again.
    move_to("tree", "other");
    move_to("hidden", "tree");
    unit.sweep(0);
    assert_eq!(unit.left(), survivors());
    // Moved for good.
    move_to("tree", "old");
    move_to("other", "tree");
    refused();
    unit.world.ran(&["approve", "--root", "uploads"], 0);
    unit.sweep(0);
    assert!(!unit.left().contains("account 5"));
}

/// Where a pattern begins with what varies, no directory tells an empty root from one that is not mounted.
#[test]
fn an_empty_root_that_nobody_has_seen_keeps_the_records() {
    let unit = Unit::ruled(&DEPENDENTS.replace("uploads/{id}/**", "{id}/**"));
    std::fs::rename(unit.world.path("tree"), unit.world.path("hidden")).unwrap();
    std::fs::create_dir(unit.world.path("tree")).unwrap();
    let swept = unit.world.ran(&["sweep"], 5);
    assert!(swept.stderr.contains("expunged approve --root uploads"), "{}", swept.text());
    assert!(unit.left().contains("account 1"));
    unit.world.ran(&["approve", "--root", "uploads"], 0);
    unit.sweep(0);
    assert!(!unit.left().contains("account 1"));
}

/// The unit is judged, and every one of its shares is prepared: a hold keeps all of it, in every datastore, and nothing of others.
#[cfg(feature = "test-hooks")]
#[test]
fn a_hold_that_comes_before_the_intents_of_a_unit_keeps_it_everywhere() {
    let subject = format!("subject = \"id\"\non_erasure = \"dispose\"\n{DEPENDENTS}");
    let unit = Unit::ruled(&subject);
    let before = unit.left();
    unit.world.run_paused("intent.before:1", &["sweep"], || {
        unit.world.ran(&["hold", "place", "site", "--subject", "1", "--reference", "C-1"], 0);
    });
    let of = |account: u32| {
        let devices = (0..2).flat_map(move |n| {
            let device = account * 10 + n;
            [format!("device {device}"), format!("event {device}"), format!("uploads/{account}/deep/{n}.txt")]
        });
        let rest = ["account ", "session "].map(|what| format!("{what}{account}"));
        let rest =
            rest.into_iter().chain([format!("uploads/{account}/"), format!("uploads/{account}/deep/")]);
        rest.chain(devices)
    };
    let gone: BTreeSet<String> = [2, 3].into_iter().flat_map(of).collect();
    assert_eq!(gone.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new(), "{before:?}");
    assert_eq!(unit.left(), &before - &gone);
    unit.world.ran(&["ledger", "verify"], 0);
}

/// The application finishes an upload, whatever has been listed.
#[cfg(feature = "test-hooks")]
fn upload(unit: &Unit, path: &str) {
    let path = unit.world.path("tree").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "x").unwrap();
}

/// Every share has gone, and the records have not: they stay until what came goes too.
#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_while_a_unit_goes_is_not_left_behind() {
    let unit = Unit::new();
    let swept = unit.world.run_paused("commit.after:2", &["sweep"], || {
        upload(&unit, "uploads/1/late.txt");
        unit.world.sql_on("devices.db", "INSERT INTO device VALUES (29, 2)");
    });
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_eq!(unit.left(), survivors());
    unit.proves_everything("what came late");
}

/// Somebody has the whole database while the last look is due there, and longer: once that is over, the same sweep takes the rest.
#[cfg(feature = "test-hooks")]
#[test]
fn a_database_that_is_locked_midway_is_waited_for() {
    let unit = Unit::new();
    let mut holder = None;
    let mut waited = 0;
    let swept = unit.world.run_paused_at(&["commit.after:2", "hindered", "hindered"], &["sweep"], |point| {
        if point == "hindered" {
            waited += 1;
        } else {
            holder = Some(unit.world.hold("devices.db"));
        }
        if waited == 2 {
            holder.take().unwrap().release();
        }
    });
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_eq!(unit.left(), survivors());
    unit.proves_everything("a lock");
}

/// The row that leads to it is in another datastore: it stays as the record does.
#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_below_a_row_of_another_share_is_not_left_behind() {
    let pictures = "\n[[rule.dependent]]\nid = \"pictures\"\nclass = \"account\"\nof = \"devices\"\n\
        datastore = \"uploads\"\npattern = \"pictures/{id}/**\"\naction = \"delete\"\n";
    let unit = Unit::ruled(&format!("{DEPENDENTS}{pictures}"));
    upload(&unit, "pictures/10/early.txt");
    let swept = unit.world.run_paused("commit.after:1", &["sweep"], || {
        assert!(!unit.left().contains("pictures/10/early.txt"));
        upload(&unit, "pictures/10/late.txt");
    });
    assert_eq!(swept.code, 0, "{}", swept.text());
    let pictures: Vec<String> = unit.left().into_iter().filter(|one| one.ends_with("late.txt")).collect();
    assert_eq!(pictures, [""; 0]);
    assert!(!unit.left().contains("account 1"));
    unit.world.ran(&["ledger", "verify"], 0);
}

/// Whoever demanded it is not told that nothing is left.
#[cfg(feature = "test-hooks")]
#[test]
fn a_request_is_not_answered_while_something_came_to_its_record() {
    let unit = Unit::ruled(&format!("subject = \"id\"\non_erasure = \"dispose\"\n{DEPENDENTS}"));
    unit.world.sql("UPDATE account SET deleted_at = NULL");
    unit.world.ran(&["erase", "request", "site", "4"], 0);
    // With the first try its devices and its files go, with each later one what came.
    let tries = [2, 3, 4, 5, 6].map(|commit| format!("commit.after:{commit}"));
    let swept = unit.world.run_paused_at(&tries.each_ref().map(String::as_str), &["sweep"], |_| {
        upload(&unit, "uploads/4/late.txt");
    });
    assert_eq!(swept.code, 1, "{}", swept.text());
    let why = "1 records set aside: with every try more came to hang on it elsewhere";
    assert!(swept.stdout.contains(why), "{}", swept.text());
    assert!(swept.stdout.contains("1 records are still there while dependents of theirs are gone"));
    let left = unit.left();
    assert!(left.contains("account 4") && left.contains("uploads/4/late.txt"), "{left:?}");
    assert!(unit.world.entries("erasure.answered").is_empty());
    unit.world.ran(&["ledger", "verify"], 0);
    unit.sweep(0);
    let left = unit.left();
    assert!(!left.contains("account 4") && !left.contains("uploads/4/"), "{left:?}");
    assert_eq!(unit.world.entries("erasure.answered").len(), 1);
    unit.world.ran(&["ledger", "verify"], 0);
}

#[cfg(feature = "test-hooks")]
const LETTERS: &str = "CREATE TABLE letter (id int PRIMARY KEY, account_id int, name varchar(80), marked_at timestamp NULL); \
     CREATE INDEX letter_account ON letter (account_id); \
     INSERT INTO letter VALUES (1, 1, 'Anna', NULL), (2, 2, 'Boris', NULL)";

/// Two accounts, one of them due, with their letters on a server, of which this becomes.
#[cfg(feature = "test-hooks")]
fn with_mail<E: Engine>(mail: &Database<E>, action: &str) -> World {
    let head = "[[rule.dependent]]\nid = \"letters\"\nclass = \"account\"\ndatastore = \"mail\"\ntable = \"letter\"\n";
    let letters = format!("\n{head}match = {{ account_id = \"id\" }}\n{action}\n");
    let world = World::new(
        &rules(DELETED_AT, &letters),
        "CREATE TABLE account (id integer PRIMARY KEY, deleted_at timestamptz);\
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL);",
    );
    let lines = mail.datastore(E::ADMINISTRATOR);
    world.configure("[datastore.site]\n", &format!("[datastore.mail]\n{lines}\n\n[datastore.site]\n"));
    world
}

/// A letter comes to the account after its letters have gone, and before it has: nothing of it is left behind, and what is
/// pseudonymized does not come again.
#[cfg(feature = "test-hooks")]
fn what_comes_to_a_server_is_not_left_behind<E: Engine>() {
    let pseudonymize = "action = \"pseudonymize\"\ncolumns = { name = \"keyed\" }\nmark = \"marked_at\"";
    for (action, left) in [("action = \"delete\"", "FALSE"), (pseudonymize, "marked_at IS NOT NULL")] {
        let mail = Database::<E>::new();
        mail.sql(LETTERS);
        let world = with_mail(&mail, action);
        let swept = world.run_paused("commit.after:1", &["sweep"], || {
            mail.sql("INSERT INTO letter VALUES (3, 1, 'Anna', NULL)");
        });
        assert_eq!(swept.code, 0, "{}", swept.text());
        assert_eq!(world.list_on("site.db", "SELECT id FROM account"), ["2"]);
        let others = format!("SELECT name FROM letter WHERE NOT ({left})");
        assert_eq!(mail.texts(&others), ["Boris"], "{action}");
        world.ran(&["ledger", "verify"], 0);
    }
}

/// The last look has a connection of its own from the first record on of which something hangs there, and none before.
#[cfg(feature = "test-hooks")]
#[test]
fn a_second_connection_is_there_once_something_hangs_on_a_record() {
    const OURS: &str = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mail = Database::<Postgres>::new();
    mail.sql(LETTERS);
    mail.sql("DELETE FROM letter WHERE account_id = 1");
    let world = with_mail(&mail, "action = \"delete\"");
    // What the sweep has closed may be there for another moment.
    let has = |connections: &str| {
        poll("the connections", || (mail.texts(OURS) == [connections]).then_some(()));
    };
    let swept = world.run_paused("intent.before:1", &["sweep"], || has("1"));
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_eq!(world.list_on("site.db", "SELECT id FROM account"), ["2"]);
    world.sql("UPDATE account SET deleted_at = '1971-01-01T00:00:00Z'");
    let swept = world.run_paused("intent.before:1", &["sweep"], || has("2"));
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_eq!(mail.texts("SELECT name FROM letter"), [""; 0]);
    world.ran(&["ledger", "verify"], 0);
}

/// What came is still somebody else's: the record waits for it, and where that lasts, it is counted as locked.
#[cfg(feature = "test-hooks")]
fn what_comes_locked_is_waited_for<E: Engine>() {
    for lasts in [false, true] {
        let mail = Database::<E>::new();
        mail.sql(LETTERS);
        let world = with_mail(&mail, "action = \"delete\"");
        let mut holder = None;
        let points = if lasts { &["commit.after:1"][..] } else { &["commit.after:1", "hindered"] };
        let swept = world.run_paused_at(points, &["sweep"], |point| {
            if point == "hindered" {
                return holder.take().map_or((), Session::rollback);
            }
            mail.sql("INSERT INTO letter VALUES (3, 1, 'Anna', NULL)");
            let mut session = mail.begin();
            session.sql("UPDATE letter SET name = 'Anne' WHERE id = 3");
            holder = Some(session);
        });
        assert_eq!(swept.code, i32::from(lasts), "{}", swept.text());
        if lasts {
            assert!(swept.stdout.contains("1 records were locked by somebody else"), "{}", swept.text());
            assert!(swept.stdout.contains("1 records are still there while dependents of theirs are gone"));
            assert_eq!(world.list_on("site.db", "SELECT id FROM account"), ["1", "2"]);
            holder.take().unwrap().rollback();
            world.ran(&["sweep"], 0);
        }
        assert_eq!(world.list_on("site.db", "SELECT id FROM account"), ["2"]);
        assert_eq!(mail.texts("SELECT name FROM letter"), ["Boris"]);
        world.ran(&["ledger", "verify"], 0);
    }
}

#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_locked_to_postgres_is_waited_for() {
    what_comes_locked_is_waited_for::<Postgres>();
}

#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_locked_to_mariadb_is_waited_for() {
    what_comes_locked_is_waited_for::<MariaDb>();
}

#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_to_postgres_while_a_unit_goes_is_not_left_behind() {
    what_comes_to_a_server_is_not_left_behind::<Postgres>();
}

#[cfg(feature = "test-hooks")]
#[test]
fn what_comes_to_mariadb_while_a_unit_goes_is_not_left_behind() {
    what_comes_to_a_server_is_not_left_behind::<MariaDb>();
}

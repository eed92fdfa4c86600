//! Bad input that only a catalogue, a state or a disk can tell: a clear error with its place and its remedy, the documented
//! exit code, and nothing disposed of.

use std::path::Path;
use std::process::Command;

use expunged::ledger::entry::Entry;
use expunged::ledger::key::{Origin, SigningKey};
use expunged::state::write_key_pair;

use crate::told;
use crate::world::{DELETED_AT, ORIGIN, Ran, World, rules};

const SCHEMA: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, day DATE, name TEXT);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z', '1971-01-01', 'canary'), (2, NULL, NULL, 'canary');";

fn world() -> World {
    World::new(&rules(DELETED_AT, ""), SCHEMA)
}

/// A world whose ledger is old enough to have a checkpoint, and in which a record is due again.
fn swept() -> World {
    let world = world();
    world.ran(&["sweep"], 0);
    world.sql("INSERT INTO account VALUES (3, '1971-01-01T00:00:00Z', '1971-01-01', 'canary')");
    world.fold();
    world
}

/// A sweep that ends so, and nothing has changed.
#[track_caller]
fn refused(world: &World, code: i32) -> Ran {
    let before = world.contents();
    let ran = world.ran(&["sweep"], code);
    assert_eq!(world.contents(), before);
    assert!(!ran.text().contains("canary"), "{}", ran.text());
    ran
}

#[track_caller]
fn invalid(text: &str, schema: &str) -> Ran {
    let world = World::new(text, schema);
    let before = world.contents();
    let planned = world.ran(&["plan"], 65);
    refused(&world, 65);
    assert_eq!(world.contents(), before);
    planned
}

fn with(from: &str, to: &str) -> String {
    let text = rules(DELETED_AT, "");
    assert_eq!(text.matches(from).count(), 1, "`{from}`");
    text.replace(from, to)
}

#[test]
fn a_column_that_does_not_exist() {
    told!(invalid(&with("deleted_at", "closed_at"), SCHEMA));
}

#[test]
fn a_table_that_does_not_exist() {
    told!(invalid(&with("table = \"account\"", "table = \"accounts\""), SCHEMA));
}

#[test]
fn every_wrong_name_is_reported_at_once() {
    let rest = r#"only = { state = ["x"] }
unless = { table = "invoice", match = { account = "id" } }
subject = "person"
on_erasure = "dispose"

[[rule.dependent]]
id = "names"
class = "account"
table = "account"
match = { owner = "number" }
action = "pseudonymize"
columns = { nick = "random" }
mark = "done"
"#;
    told!(invalid(&rules(DELETED_AT, rest), SCHEMA));
}

#[test]
fn a_table_without_a_key() {
    told!(invalid(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER, deleted_at timestamptz); INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z')"
    ));
}

#[test]
fn a_key_that_is_only_part_of_one() {
    told!(invalid(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER NOT NULL, site INTEGER NOT NULL, deleted_at timestamptz, PRIMARY KEY (id, site))"
    ));
}

#[test]
fn a_unique_key_that_admits_null() {
    invalid(&rules(DELETED_AT, ""), "CREATE TABLE account (id TEXT UNIQUE, deleted_at timestamptz)");
    invalid(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id TEXT NOT NULL, deleted_at timestamptz); CREATE UNIQUE INDEX part ON account (id) WHERE deleted_at IS NULL",
    );
}

#[test]
fn an_hour_bound_on_a_date() {
    let text = with("deleted_at", "day").replace("50 years", "24 hours").replace("200 years", "1 month");
    told!(invalid(&text, SCHEMA));
}

#[test]
fn a_trigger_column_of_another_type() {
    told!(invalid(&with("column = \"deleted_at\"", "column = \"name\""), SCHEMA));
    invalid(&with("column = \"deleted_at\"", "column = \"id\""), SCHEMA);
    invalid(&with("column = \"deleted_at\"", "column = \"deleted_at\", unit = \"s\""), SCHEMA);
}

#[test]
fn pseudonyms_that_the_schema_cannot_hold() {
    let text = rules(DELETED_AT, "columns = { name = \"null\" }\nmark = \"done\"\n")
        .replace("action = \"delete\"", "action = \"pseudonymize\"");
    told!(invalid(
        &text,
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT NOT NULL, done timestamptz NOT NULL)"
    ));
}

#[test]
fn a_table_whose_name_cannot_stand_in_the_ledger() {
    let text = with("table = \"account\"", "table = \"account\\nlines\"");
    let schema = "CREATE TABLE \"account\nlines\" (id INTEGER PRIMARY KEY, deleted_at timestamptz);
        INSERT INTO \"account\nlines\" VALUES (1, '1971-01-01T00:00:00Z')";
    let world = World::new(&text, schema);
    told!(refused(&world, 65));
}

/// Two different numbers may be written alike: the rule stops, and says so.
#[test]
fn a_key_that_cannot_be_written_down() {
    for value in ["1.5", "0.1 + 0.2"] {
        let schema = format!(
            "CREATE TABLE account (id NOT NULL PRIMARY KEY, deleted_at timestamptz); INSERT INTO account VALUES ({value}, '1971-01-01T00:00:00Z')"
        );
        let world = World::new(&rules(DELETED_AT, ""), &schema);
        let ran = refused(&world, 1);
        assert!(
            ran.stderr.contains("a record of the batch cannot be identified: a key column holds"),
            "{}",
            ran.text()
        );
    }
}

#[test]
fn a_missing_signing_key() {
    let world = swept();
    std::fs::rename(world.path("ledger.key"), world.path("elsewhere")).unwrap();
    told!(refused(&world, 78));
}

#[test]
fn a_signing_key_that_is_none() {
    let world = swept();
    world.write("ledger.key", "PRIVATE+KEY+nonsense\n");
    told!(refused(&world, 78));
}

#[test]
fn a_signing_key_of_another_origin() {
    let world = swept();
    let other = SigningKey::generate(&Origin::parse("other.example.com/ledger").unwrap(), [7; 32]);
    write_key_pair(&world.path("ledger.key"), &other).unwrap();
    told!(refused(&world, 78));
}

#[test]
fn another_signing_key_for_the_same_ledger() {
    let world = swept();
    let other = SigningKey::generate(&Origin::parse(ORIGIN).unwrap(), [8; 32]);
    write_key_pair(&world.path("ledger.key"), &other).unwrap();
    told!(refused(&world, 4));
}

#[test]
fn a_ledger_of_another_origin() {
    let world = swept();
    let other = SigningKey::generate(&Origin::parse("other.example.com/ledger").unwrap(), [7; 32]);
    write_key_pair(&world.path("ledger.key"), &other).unwrap();
    world.configure(ORIGIN, "other.example.com/ledger");
    std::fs::rename(world.path("state.db.checkpoint"), world.path("elsewhere")).unwrap();
    told!(refused(&world, 78));
}

#[test]
fn a_state_of_another_version() {
    let world = swept();
    world.sql_on("state.db", "PRAGMA user_version = 9");
    told!(refused(&world, 78));
}

#[test]
fn a_state_that_is_another_database() {
    let world = world();
    world.sql_on("state.db", "CREATE TABLE guestbook (name TEXT); INSERT INTO guestbook VALUES ('canary')");
    let ran = refused(&world, 78);
    assert_eq!(world.list_on("state.db", "SELECT name FROM guestbook").len(), 1);
    told!(ran);
}

#[test]
fn a_state_that_is_the_datastore() {
    let world = world();
    world.configure("sqlite://state.db", "sqlite://./site.db");
    told!(refused(&world, 78));
}

#[test]
fn a_state_that_is_no_database() {
    let world = world();
    world.write("state.db", &"canary, but certainly no database. ".repeat(100));
    told!(refused(&world, 5));
}

#[test]
fn a_state_whose_bytes_were_overwritten() {
    let world = swept();
    let mut bytes = std::fs::read(world.path("state.db")).unwrap();
    let page = 4096;
    for byte in bytes.iter_mut().skip(page) {
        *byte = 0x5a;
    }
    std::fs::write(world.path("state.db"), bytes).unwrap();
    told!(refused(&world, 5));
}

#[test]
fn a_state_that_was_cut_off() {
    let world = swept();
    let bytes = std::fs::read(world.path("state.db")).unwrap();
    std::fs::write(world.path("state.db"), &bytes[..4096 + 100]).unwrap();
    told!(refused(&world, 5));
}

#[test]
fn an_empty_state_beside_a_published_checkpoint() {
    let world = swept();
    world.write("state.db", "");
    told!(refused(&world, 4));
}

#[test]
fn a_ledger_with_an_entry_missing() {
    let world = swept();
    world.sql_on("state.db", "PRAGMA foreign_keys = off; DELETE FROM entry WHERE idx = 1");
    told!(refused(&world, 5));
}

#[test]
fn a_ledger_that_was_rewritten() {
    let world = swept();
    world.sql_on("state.db", "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1");
    told!(refused(&world, 4));
}

#[test]
fn an_entry_that_was_rewritten_is_found_by_ledger_verify() {
    let world = swept();
    world.sql_on("state.db", "UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"eligible\":\"2', '\"eligible\":\"1') AS BLOB)");
    told!(world.ran(&["ledger", "verify"], 4));
}

#[test]
fn a_ledger_older_than_its_published_checkpoint() {
    let world = world();
    world.ran(&["sweep"], 0);
    world.fold();
    let old = std::fs::read(world.path("state.db")).unwrap();
    world.ran(&["sweep"], 0);
    world.fold();
    world.sql("INSERT INTO account VALUES (3, '1971-01-01T00:00:00Z', '1971-01-01', 'canary')");
    std::fs::write(world.path("state.db"), old).unwrap();
    told!(refused(&world, 4));
}

/// What somebody was told, or holds in hand, cannot be forgotten by a restore.
#[test]
fn a_state_without_an_order_or_without_what_was_signed_for_others_is_refused() {
    let given: [&[&str]; 4] = [
        &["hold", "place", "site", "--reference", "CASE-1"],
        &["pause"],
        &["approve", "site/account", "--up-to", "3"],
        &["ledger", "export", "exported"],
    ];
    for command in given {
        let world = swept();
        let published = std::fs::read(world.path("state.db.checkpoint")).unwrap();
        let old = std::fs::read(world.path("state.db")).unwrap();
        if command[0] == "ledger" {
            // An opening that no sweep has published.
            world.ran(&["approve", "--clock", "site"], 0);
            std::fs::write(world.path("state.db.checkpoint"), published).unwrap();
        }
        world.ran(command, 0);
        world.fold();
        std::fs::write(world.path("state.db"), old).unwrap();
        refused(&world, 4);
    }
}

/// Whatever the path to the state is called, what stands beside it is one.
#[test]
fn a_link_to_the_state_leads_to_its_checkpoint_and_its_stop_file() {
    let world = swept();
    std::fs::create_dir(world.path("elsewhere")).unwrap();
    for name in ["state.db", "state.db.checkpoint"] {
        std::fs::rename(world.path(name), world.path("elsewhere").join(name)).unwrap();
    }
    std::os::unix::fs::symlink("elsewhere/state.db", world.path("state.db")).unwrap();
    world.write("elsewhere/state.db.stop", "");
    refused(&world, 5);
    crate::files::world::remove(&world.path("elsewhere/state.db.stop"));
    world.write("elsewhere/state.db.checkpoint", "of another ledger");
    refused(&world, 4);
}

#[test]
fn a_checkpoint_that_was_tampered_with() {
    let world = swept();
    let text = std::fs::read_to_string(world.path("state.db.checkpoint")).unwrap();
    let size = text.lines().nth(1).unwrap();
    world.write("state.db.checkpoint", &text.replacen(&format!("\n{size}\n"), "\n1\n", 1));
    told!(refused(&world, 4));
}

#[test]
fn a_state_that_another_process_holds() {
    let world = swept();
    let lock = std::fs::File::options().write(true).open(world.path("state.db.lock")).unwrap();
    lock.lock().unwrap();
    told!(refused(&world, 75));
    // What only looks is not kept out.
    world.ran(&["plan"], 0);
    drop(lock);
    world.ran(&["sweep"], 0);
}

#[test]
fn a_state_directory_that_does_not_exist() {
    let world = world();
    world.configure("sqlite://state.db", "sqlite://missing/state.db");
    told!(refused(&world, 5));
}

#[test]
fn a_clock_set_back_behind_the_ledger() {
    let world = swept();
    let last = world.list_on("state.db", "SELECT CAST(bytes AS TEXT) FROM entry ORDER BY idx DESC LIMIT 1");
    let last = last[0].trim_matches('\'').to_owned();
    let at = last.find("\"at\":\"").unwrap() + 6;
    let ahead = format!("{}2999{}", &last[..at], &last[at + 4..]);
    let entry = Entry::parse(ahead.as_bytes()).unwrap();
    let leaf: Vec<String> = entry.leaf_hash().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    world.sql_on(
        "state.db",
        &format!(
            "INSERT INTO entry (idx, bytes, leaf) SELECT max(idx) + 1, CAST('{}' AS BLOB), x'{}' FROM entry",
            ahead.replace('\'', "''"),
            leaf.concat()
        ),
    );
    told!(refused(&world, 5));
}

#[test]
fn a_missing_epoch_key() {
    let world = swept();
    std::fs::rename(world.path("keys"), world.path("elsewhere")).unwrap();
    let ran = refused(&world, 5);
    insta::with_settings!({ filters => months() }, { insta::assert_snapshot!(ran.text()) });
}

#[test]
fn a_wrong_epoch_key() {
    let world = swept();
    let key = std::fs::read_dir(world.path("keys")).unwrap().next().unwrap().unwrap().path();
    for bytes in [&[9_u8; 32][..], b"short"] {
        std::fs::write(&key, bytes).unwrap();
        let ran = refused(&world, 5);
        insta::with_settings!({ filters => months() }, { insta::assert_snapshot!("a_wrong_epoch_key", ran.text()) });
    }
}

fn months() -> Vec<(&'static str, &'static str)> {
    let month = (r"epoch-\d{4}-\d\d", "epoch-[month]");
    crate::world::REDACTED.into_iter().chain([month]).collect()
}

#[test]
fn a_datastore_that_does_not_exist() {
    let world = world();
    world.configure("sqlite://site.db", "sqlite://gone.db");
    told!(refused(&world, 69));
    assert!(!world.path("gone.db").exists(), "looking for it does not make it");
}

#[test]
fn a_datastore_that_is_no_database() {
    let world = world();
    world.configure("sqlite://site.db", "sqlite://text.db");
    world.write("text.db", &"canary, but certainly no database. ".repeat(100));
    told!(refused(&world, 69));
}

#[test]
fn a_datastore_that_another_writer_holds_for_longer_than_the_timeout() {
    let world = swept();
    let ran = hold(&world, || refused_without_reading(&world, 69));
    assert_eq!(world.rows("SELECT id FROM account").len(), 2);
    told!(ran);
    world.ran(&["sweep"], 0);
}

fn refused_without_reading(world: &World, code: i32) -> Ran {
    world.ran(&["sweep"], code)
}

/// Runs with a lock on the datastore, held by another connection.
fn hold<T>(world: &World, run: impl FnOnce() -> T) -> T {
    let holder = world.hold("site.db");
    let done = run();
    holder.release();
    done
}

/// A file system of the test's own, since root is stopped by no permission.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(path: &'a Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", path.to_str().unwrap()]);
        Self(path)
    }

    fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        // Lazily: a test that fails may still hold a file open.
        run("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "`{program} {}` failed: {}; this test needs root and the right to mount a tmpfs",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_datastore_that_is_read_only() {
    let world = world();
    let path = world.path("mounted");
    let mount = Mount::tmpfs(&path, "size=1m");
    std::fs::copy(world.path("site.db"), path.join("site.db")).unwrap();
    world.configure("sqlite://site.db", "sqlite://mounted/site.db");
    mount.remount("ro");
    let ran = world.ran(&["sweep"], 77);
    assert_eq!(
        std::fs::read(path.join("site.db")).unwrap(),
        std::fs::read(world.path("site.db")).unwrap(),
        "nothing was written"
    );
    told!(ran);
    world.ran(&["plan"], 0);
    mount.remount("rw");
    world.ran(&["sweep"], 0);
}

#[test]
fn a_state_directory_that_is_full() {
    let world = swept();
    let path = world.path("mounted");
    let mount = Mount::tmpfs(&path, "size=1m");
    for file in ["state.db", "state.db.checkpoint"] {
        std::fs::copy(world.path(file), path.join(file)).unwrap();
    }
    world.configure("sqlite://state.db", "sqlite://mounted/state.db");
    std::fs::write(path.join("filler"), "").unwrap();
    let filler = std::fs::File::options().write(true).open(path.join("filler")).unwrap();
    // Until nothing fits: then the sweep's first entry does not either.
    let block = [0_u8; 4096];
    while std::io::Write::write_all(&mut &filler, &block).is_ok() {}
    let ran = refused(&world, 5);
    told!(ran);
    filler.set_len(0).unwrap();
    world.ran(&["sweep"], 0);
    assert_eq!(world.rows("SELECT id FROM account").len(), 1);
    world.ran(&["ledger", "verify"], 0);
    drop(mount);
}

/// Room for some entries and not for all: what has gone has its proof, what has not stays.
#[test]
fn a_state_directory_that_fills_up_on_the_way() {
    let world = world();
    let rows: Vec<String> =
        (10..3000).map(|n| format!("({n}, '1971-01-01T00:00:00Z', NULL, 'canary')")).collect();
    world.sql(&format!("INSERT INTO account VALUES {}", rows.join(", ")));
    let path = world.path("mounted");
    let mount = Mount::tmpfs(&path, "size=512k");
    world.configure("sqlite://state.db", "sqlite://mounted/state.db");
    world.configure("rows_per_second = \"unlimited\"", "rows_per_second = 1000000\nbatch = 30");
    let ran = world.ran(&["sweep"], 5);
    assert!(ran.stderr.contains("no space left"), "{}", ran.text());
    let gone = 2991 - (world.rows("SELECT id FROM account").len() - 1);
    mount.remount("size=8m");
    let again = world.ran(&["sweep"], 0);
    assert_eq!(world.rows("SELECT id FROM account").len(), 1, "{}", again.text());
    world.ran(&["ledger", "verify"], 0);
    let committed = world.list_on("mounted/state.db", "SELECT sum(records) FROM batch WHERE committed");
    assert_eq!(
        committed,
        vec!["2991".to_owned()],
        "every record that went is under one outcome; first {gone}"
    );
    let open = world.list_on("mounted/state.db", "SELECT count(*) FROM batch WHERE outcome IS NULL");
    assert_eq!(open, vec!["0".to_owned()]);
    drop(mount);
}

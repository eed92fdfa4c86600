//! Tables of every shape: keys, names, collations.

use crate::world::{DELETED_AT, World, rules, set};

fn keyed(key: &str) -> String {
    rules(DELETED_AT, "").replace(r#"key = ["id"]"#, &format!("key = {key}"))
}

const OLD: &str = "1971-01-01T00:00:00Z";

/// Sweeps with batches of one and of three, so that the walk crosses its cursor, with and without an index.
#[track_caller]
fn leaves(text: &str, schema: &str, query: &str, left: &[&str]) -> World {
    for (batch, index) in [(1, false), (3, true)] {
        let world = World::new(text, schema);
        world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
        if index {
            world.sql("CREATE INDEX by_trigger ON account (deleted_at)");
        }
        world.ran(&["sweep"], 0);
        assert_eq!(world.ids(query), set(left), "batch {batch}");
        let again = world.ran(&["sweep", "--format", "json"], 0);
        assert!(again.stdout.contains("\"disposed\":0"), "{}", again.stdout);
        world.ran(&["ledger", "verify"], 0);
        if index {
            return world;
        }
    }
    unreachable!("the last turn returns")
}

#[test]
fn composite_keys_identify_one_record() {
    let schema = format!(
        "CREATE TABLE account (site TEXT NOT NULL, number INTEGER NOT NULL, deleted_at timestamptz, PRIMARY KEY (site, number));
         INSERT INTO account VALUES ('a', 1, '{OLD}'), ('a', 2, NULL), ('b', 1, NULL), ('b', 2, '{OLD}'), ('b', 10, '{OLD}'),
           ('c', 1, '{OLD}'), ('c', 2, '2020-01-01T00:00:00Z');"
    );
    let query = "SELECT site || number FROM account";
    let world = leaves(&keyed(r#"["number", "site"]"#), &schema, query, &["a2", "b1", "c2"]);
    world.ran(&["prove", "site/account", "10", "b", "--out", "proof"], 0);
    world.ran(&["prove", "site/account", "b", "10", "--out", "proof"], 1);
    world.ran(&["prove", "site/account", "10"], 2);
}

#[test]
fn a_unique_index_over_columns_that_are_not_null_is_a_key_too() {
    let schema = format!(
        "CREATE TABLE account (email TEXT NOT NULL UNIQUE, deleted_at timestamptz);
         INSERT INTO account VALUES ('a', '{OLD}'), ('b', NULL);"
    );
    leaves(&keyed(r#"["email"]"#), &schema, "SELECT email FROM account", &["b"]);
}

#[test]
fn keys_without_case_name_the_record_as_it_is_stored() {
    let schema = format!(
        "CREATE TABLE account (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES ('Ann', '{OLD}'), ('ANNA', '{OLD}'), ('bob', NULL), ('Cy', '{OLD}'), ('cyd', '2020-01-01T00:00:00Z');"
    );
    let world = leaves(&keyed(r#"["id"]"#), &schema, "SELECT id FROM account", &["bob", "cyd"]);
    world.ran(&["prove", "site/account", "Ann", "--out", "proof"], 0);
}

#[test]
fn tables_without_rowid_and_keys_of_bytes_are_swept() {
    let schema = format!(
        "CREATE TABLE account (id BLOB NOT NULL PRIMARY KEY, deleted_at timestamptz) WITHOUT ROWID;
         INSERT INTO account VALUES (x'00', '{OLD}'), (x'00ff', '{OLD}'), (x'', '{OLD}'), (x'01', NULL), ('text', '{OLD}');"
    );
    let world = leaves(&keyed(r#"["id"]"#), &schema, "SELECT hex(id) FROM account", &["01"]);
    world.ran(&["prove", "site/account", "hex:00ff", "--out", "proof"], 0);
    world.ran(&["explain", "site/account", "hex:01"], 0);
}

#[test]
fn every_kind_of_key_value_survives_the_way_to_the_engine_and_back() {
    let schema = format!(
        "CREATE TABLE account (id NOT NULL PRIMARY KEY, deleted_at timestamptz);
         INSERT INTO account VALUES (1, '{OLD}'), ('1x', '{OLD}'), (-9223372036854775808, '{OLD}'), (9223372036854775807, '{OLD}'),
           (9007199254740993, '{OLD}'), ('', '{OLD}'), ('t', '{OLD}'), ('b00', '{OLD}'), ('r1.5', '{OLD}'), (' ', '{OLD}'),
           ('\"', '{OLD}'), ('''', '{OLD}'), ('\\', '{OLD}'), (char(10), '{OLD}'), ('😀', '{OLD}'), ('null', '{OLD}'),
           (char(8206), '{OLD}'), (x'74', '{OLD}'), ('keep', NULL);"
    );
    leaves(&keyed(r#"["id"]"#), &schema, "SELECT id FROM account", &["keep"]);
}

#[test]
fn names_from_hell_are_only_names() {
    let text = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[rule]]
id = "account"
class = "account"
keeps = []
datastore = "site"
table = "select \"from\" 'where'; --"
key = ["order by", "😀 key"]
trigger = { column = "de\"leted", pending = ["null"] }
retain = "50 years"
delete_by = "200 years"
only = { "group" = ["x"] }
unless = { table = "table", match = { "index" = "order by" } }
action = "delete"

[[rule.dependent]]
id = "rows"
class = "account"
table = "drop table \"x\""
match = { "a]b" = "order by", "`c`" = "😀 key" }
action = "pseudonymize"
columns = { "values (?1)" = "random", "k0" = "null", "n" = { fixed = "'); --" } }
mark = "set"

[[rule.dependent]]
id = "grand"
class = "account"
of = "rows"
table = "grand'child"
match = { "trig" = "m:a]b" }
action = "delete"
"#;
    let schema = format!(
        r#"CREATE TABLE "select ""from"" 'where'; --" ("order by" INTEGER NOT NULL, "😀 key" TEXT NOT NULL, "de""leted" timestamptz,
             "group" TEXT, PRIMARY KEY ("order by", "😀 key"));
           CREATE TABLE "table" ("index" INTEGER);
           CREATE TABLE "drop table ""x""" ("pk" INTEGER PRIMARY KEY, "a]b" INTEGER, "`c`" TEXT, "values (?1)" TEXT, "k0" TEXT, "n" TEXT,
             "set" timestamptz, "m:a]b" INTEGER);
           CREATE TABLE "grand'child" ("the pk" INTEGER PRIMARY KEY, "trig" INTEGER);
           INSERT INTO "select ""from"" 'where'; --" VALUES (1, 'a', '{OLD}', 'x'), (2, 'b', '{OLD}', 'x'), (3, 'c', NULL, 'x'),
             (4, 'd', '{OLD}', 'y'), (1, 'z', '2020-01-01T00:00:00Z', 'x');
           INSERT INTO "table" VALUES (2);
           INSERT INTO "drop table ""x""" VALUES (1, 1, 'a', 'canary', 'canary', 'canary', NULL, 7), (2, 1, 'z', 'v', 'v', 'v', NULL, 8);
           INSERT INTO "grand'child" VALUES (1, 7), (2, 8), (3, NULL);"#
    );
    let world = World::new(text, &schema);
    world.ran(&["sweep"], 0);
    let left = world.ids(r#"SELECT "order by" || "😀 key" FROM "select ""from"" 'where'; --""#);
    assert_eq!(left, set(&["2b", "3c", "4d", "1z"]));
    assert_eq!(world.ids(r#"SELECT "the pk" FROM "grand'child""#), set(&["2", "3"]));
    let rows = world
        .rows(r#"SELECT "pk", "values (?1)" = 'canary', "k0", "n", "set" IS NULL FROM "drop table ""x""""#);
    assert_eq!(rows, set(&["1 | 0 | NULL | '''); --' | 0", "2 | 0 | 'v' | 'v' | 1"]));
    world.ran(&["sweep"], 0);
    world.ran(&["plan"], 0);
    world.ran(&["prove", "site/account", "1", "a", "--out", "proof"], 0);
    world.ran(&["prove", "site/account", "1", "--dataset", "drop table \"x\"", "--out", "dependent"], 0);
    world.ran(&["verify", "--key", "ledger.key.vkey", "proof", "dependent"], 0);
    world.ran(&["ledger", "verify"], 0);
}

/// A filter means what it says, to the byte, whatever a column makes of case and of blanks: what a rule leaves out by it is proved so.
/// What keeps a record may be more than it says.
#[test]
fn filters_compare_to_the_byte_where_more_would_go() {
    let rest = "only = { status = [\"closed\"] }\n\
                [[rule.unless]]\ntable = \"claim\"\nmatch = { account = \"id\" }\nonly = { state = { not = [\"done\"] } }\n\
                [[rule.unless]]\ntable = \"dispute\"\nmatch = { account = \"id\" }\nonly = { state = [\"open\"] }\n";
    let schema = format!(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, status TEXT COLLATE NOCASE, note TEXT, deleted_at timestamptz);
         CREATE TABLE claim (account INTEGER, state TEXT COLLATE RTRIM);
         INSERT INTO account VALUES (1, 'closed', NULL, '{OLD}'), (2, 'CLOSED', NULL, '{OLD}'), (3, 'Closed', NULL, '{OLD}'),
           (4, 'closed', NULL, '{OLD}'), (5, 'closed', NULL, '{OLD}'), (6, 'closed', NULL, '{OLD}');
         INSERT INTO claim VALUES (4, 'done'), (5, 'done ');
         CREATE TABLE dispute (account INTEGER, state TEXT COLLATE NOCASE);
         INSERT INTO dispute VALUES (6, 'OPEN');"
    );
    let world = World::new(&rules(DELETED_AT, rest), &schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "5", "6"]));
}

/// A NUL in a name ends it for nobody: no catalogue has such a name, and nothing is shown beyond it.
#[test]
fn a_name_with_a_nul_is_refused() {
    for (from, to) in [
        ("table = \"account\"", "table = \"account\\u0000; x\""),
        ("key = [\"id\"]", "key = [\"id\\u0000\"]"),
        ("column = \"deleted_at\"", "column = \"deleted_at\\u0000\""),
        ("action = \"delete\"", "only = { \"a\\u0000b\" = 1 }\naction = \"delete\""),
    ] {
        let text = rules(DELETED_AT, "").replace(from, to);
        let world = World::new(
            &text,
            "CREATE TABLE account (id INTEGER PRIMARY KEY, a INTEGER, deleted_at timestamptz)",
        );
        let ran = world.ran(&["check"], 65);
        assert!(ran.stderr.contains("error[R"), "{to}: {}", ran.stderr);
        assert!(!ran.stderr.contains('\0'), "{to}");
    }
}

#[test]
fn a_datastore_in_write_ahead_mode_is_read_and_swept() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        &format!(
            "PRAGMA journal_mode = wal; CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
             INSERT INTO account VALUES (1, '{OLD}'), (2, NULL)"
        ),
    );
    let before = std::fs::read(world.path("site.db")).unwrap();
    world.ran(&["plan"], 0);
    world.ran(&["explain", "site/account", "1"], 0);
    assert_eq!(std::fs::read(world.path("site.db")).unwrap(), before);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
}

#[test]
fn batches_of_any_size_dispose_of_the_same() {
    let rows: Vec<String> = (1..=150)
        .map(|n| {
            let literal = match n % 3 {
                0 => "'2020-01-01T00:00:00Z'".to_owned(),
                1 => format!("'1971-01-01T00:00:{:02}Z'", n % 60),
                _ => format!("'1971-01-01T00:00:{:02}+00:00'", n % 60),
            };
            format!("({n}, {literal})")
        })
        .collect();
    let schema = format!(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz); INSERT INTO account VALUES {}",
        rows.join(", ")
    );
    let left: Vec<String> = (1..=150).filter(|n| n % 3 == 0).map(|n: i32| n.to_string()).collect();
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    for batch in [1, 7, 100, 2000] {
        let world = World::new(&rules(DELETED_AT, ""), &schema);
        // Paced, so that batches do not grow.
        world.configure(
            "rows_per_second = \"unlimited\"",
            &format!("rows_per_second = 1000000\nbatch = {batch}"),
        );
        let report = world.sweep(crate::world::at("2026-06-15T12:00:00Z")).unwrap();
        assert_eq!(report.disposed, 100);
        assert_eq!(world.ids("SELECT id FROM account"), set(&left));
        // The first walk finds every text that sorts before the cut-off, whatever its form.
        let batches = world.entries("batch.committed").len();
        assert_eq!(batches, 100_usize.div_ceil(batch), "batch {batch}");
        world.ran(&["ledger", "verify"], 0);
    }
}

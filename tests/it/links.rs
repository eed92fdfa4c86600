//! What leads from a record to what hangs on it: to the byte, whatever the engine takes for equal; and what an engine takes along by itself, through
//! foreign keys and triggers, goes with evidence or not at all.

use serde_json::Value as Json;

use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::servers::{Database, Engine, Private};
use crate::world::{DELETED_AT, Ran, World, rules};

/// Comments by their authors' logins.
const BY_LOGIN: &str = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "login" }
action = "delete"
"#;

fn world<E: Engine>(database: &Database<E>, rest: &str) -> World {
    World::on(&database.datastore(E::ADMINISTRATOR), &rules(DELETED_AT, rest))
}

/// How many went, were refused, and remain.
fn counts(ran: &Ran) -> [Option<u64>; 3] {
    let said: Json = ran.rule();
    [&said["disposed"], &said["refused"], &said["remaining"]].map(Json::as_u64)
}

#[test]
fn a_text_that_holds_a_nul_leads_to_its_own_dependents_and_to_nobody_elses() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, login TEXT, deleted_at timestamptz);
        CREATE TABLE comment (id INTEGER PRIMARY KEY, author TEXT);
        INSERT INTO account VALUES (1, 'bob', NULL), (2, 'bob' || char(0) || 'x', '1971-01-01T00:00:00Z');
        INSERT INTO comment VALUES (1, 'bob'), (2, 'bob' || char(0) || 'x'), (3, char(0));";
    let world = World::new(&rules(DELETED_AT, BY_LOGIN), schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.list_on("site.db", "SELECT id FROM comment ORDER BY id"), ["1", "3"]);
    assert_eq!(world.list_on("site.db", "SELECT id FROM account"), ["1"]);
}

/// By themselves, beside others, and beside values of other kinds.
#[test]
fn a_key_that_holds_a_nul_is_no_other() {
    let both = "('a' || char(0) || 'b', 1, '1971-01-01T00:00:00Z'), ('a', 1, NULL), (x'6100', 1, NULL), (char(0), 1, '1971-01-01T00:00:00Z')";
    for (key, primary) in [("[\"id\"]", "id"), ("[\"id\", \"part\"]", "id, part")] {
        for batch in [1, 100] {
            let schema = format!(
                "CREATE TABLE account (id NOT NULL, part NOT NULL, deleted_at timestamptz, PRIMARY KEY ({primary}));
                 INSERT INTO account VALUES {both};"
            );
            let rules = rules(DELETED_AT, "").replace("key = [\"id\"]", &format!("key = {key}"));
            let world = World::new(&rules, &schema);
            world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
            world.ran(&["sweep"], 0);
            assert_eq!(
                world.list_on("site.db", "SELECT hex(id) FROM account ORDER BY 1"),
                ["'61'", "'6100'"]
            );
            world.ran(&["ledger", "verify"], 0);
        }
    }
}

/// What a column's charset has no letter for becomes `?` there.
#[test]
fn a_text_that_another_charset_cannot_hold_leads_to_nobody_of_mariadb() {
    for (charset, login) in [("latin1", "Ирина"), ("utf8mb3", "Anna😀")] {
        let database = Database::<MariaDb>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, login varchar(40) CHARACTER SET utf8mb4, deleted_at timestamp NULL); \
             CREATE TABLE comment (id int PRIMARY KEY, author varchar(40) CHARACTER SET {charset}, KEY (author)); \
             INSERT INTO account VALUES (1, '{login}', '1971-01-01 00:00:00'), (2, 'Zoé', '1971-01-01 00:00:00'); \
             INSERT INTO comment VALUES (1, REPEAT('?', CHAR_LENGTH('{login}'))), (2, 'Anna?'), (3, 'Zoé'), (4, 'zoe')"
        ));
        let world = world(&database, BY_LOGIN);
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (0, [Some(2), Some(0), Some(0)]), "{}", ran.text());
        assert_eq!(
            database.texts("SELECT CAST(id AS CHAR) FROM comment ORDER BY id"),
            ["1", "2", "4"],
            "{charset}"
        );
    }
}

/// Two texts that are no UTF-8 look alike where they are read as text.
#[test]
fn a_text_that_is_no_utf8_leads_nowhere_unseen() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, login TEXT, deleted_at timestamptz);
        CREATE TABLE comment (id INTEGER PRIMARY KEY, author TEXT);
        INSERT INTO account VALUES (1, CAST(x'4a6f73e9' AS TEXT), '1971-01-01T00:00:00Z'), (2, 'ann', '1971-01-01T00:00:00Z');
        INSERT INTO comment VALUES (1, CAST(x'4a6f73e9' AS TEXT)), (2, 'ann'), (3, CAST(x'4a6f73e8' AS TEXT));";
    let world = World::new(&rules(DELETED_AT, BY_LOGIN), schema);
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{}", ran.text());
    assert_eq!(world.list_on("site.db", "SELECT id FROM comment ORDER BY id"), ["1", "3"]);
    let ran = world.run(&["sweep"]);
    assert!(ran.text().contains("not UTF-8"), "{}", ran.text());
}

/// The same where a pseudonym would stand for both.
#[test]
fn texts_that_are_no_utf8_share_no_pseudonym() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, login TEXT, deleted_at timestamptz, gone timestamptz);
        INSERT INTO account VALUES (1, CAST(x'4a6f73e9' AS TEXT), '1971-01-01T00:00:00Z', NULL),
            (2, CAST(x'4a6f73e8' AS TEXT), '1971-01-01T00:00:00Z', NULL), (3, 'ann', '1971-01-01T00:00:00Z', NULL);";
    let pseudonymize = "action = \"pseudonymize\"\ncolumns = { login = \"keyed\" }\nmark = \"gone\"\n";
    let world = World::new(&rules(DELETED_AT, "").replace("action = \"delete\"\n", pseudonymize), schema);
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(2), Some(2)]), "{}", ran.text());
    assert_eq!(
        world.list_on("site.db", "SELECT hex(login) FROM account WHERE id < 3 ORDER BY id"),
        ["'4A6F73E9'", "'4A6F73E8'"]
    );
}

/// The foreign key goes by the columns' collation, and the dependent by the bytes.
fn what_only_the_key_takes_for_a_match_stays<E: Engine>(before: &str, login: &str, timestamp: &str) {
    for action in ["ON DELETE CASCADE", "ON DELETE SET NULL"] {
        let database = Database::<E>::new();
        database.sql(&format!(
            "{before} CREATE TABLE account (id int PRIMARY KEY, login {login} UNIQUE, deleted_at {timestamp} NULL); \
             CREATE TABLE comment (id int PRIMARY KEY, author {login}, FOREIGN KEY (author) REFERENCES account (login) {action}); \
             CREATE INDEX by_author ON comment (author); \
             INSERT INTO account VALUES (1, 'ann', '1971-01-01 00:00:00'), (2, 'bob', '1971-01-01 00:00:00'), (3, 'eve', NULL); \
             INSERT INTO comment VALUES (1, 'ann'), (2, 'ANN'), (3, 'bob'), (4, 'EVE')"
        ));
        let world = world(&database, BY_LOGIN);
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{action}: {}", ran.text());
        let left = database.texts("SELECT concat(id, author) FROM comment ORDER BY id");
        assert_eq!(left, ["1ann", "2ANN", "4EVE"], "{action}");
    }
}

#[test]
fn what_only_a_foreign_key_of_mariadb_takes_for_a_match_is_not_taken_along() {
    let login = "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
    what_only_the_key_takes_for_a_match_stays::<MariaDb>("", login, "timestamp");
}

#[test]
fn what_only_a_foreign_key_of_postgresql_takes_for_a_match_is_not_taken_along() {
    let before =
        "CREATE COLLATION whatever (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
    what_only_the_key_takes_for_a_match_stays::<Postgres>(before, "text COLLATE whatever", "timestamptz");
}

/// What it runs at the end of the transaction, no statement before it counts.
#[test]
fn what_a_deferred_trigger_writes_is_counted_before_anything_is_intended() {
    for index in ["CREATE INDEX ON account (deleted_at);", ""] {
        let database = Database::<Postgres>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); {index} CREATE TABLE profile (id int); \
             INSERT INTO profile VALUES (1); \
             CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM profile WHERE id = OLD.id; RETURN NULL; END'; \
             CREATE CONSTRAINT TRIGGER forget AFTER DELETE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION forget(); \
             INSERT INTO account VALUES (1, '1971-01-01'), (2, '1971-01-01'); ANALYZE account"
        ));
        let world = world(&database, "");
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{}", ran.text());
        assert_eq!(database.texts("SELECT id::text FROM profile"), ["1"], "it is no dependent");
        assert_eq!(database.texts("SELECT id::text FROM account"), ["1"]);
    }
}

#[test]
fn a_server_that_counts_nothing_is_not_taken_at_its_word() {
    let database = Database::<Postgres>::new();
    database.sql(&format!(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); CREATE TABLE audit (id int); INSERT INTO audit VALUES (1); \
         CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM audit; RETURN OLD; END'; \
         CREATE TRIGGER forget AFTER DELETE ON account FOR EACH ROW EXECUTE FUNCTION forget(); \
         INSERT INTO account VALUES (1, '1971-01-01'); ALTER DATABASE {} SET track_counts = off",
        database.name()
    ));
    let world = world(&database, "");
    let ran = world.run(&["sweep"]);
    assert_eq!(database.texts("SELECT id::text FROM audit"), ["1"], "{}", ran.text());
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("track_counts"), "{}", ran.text());
}

/// Under the account that is printed, which need not see that there is one.
#[test]
fn what_a_trigger_of_mariadb_writes_is_counted_by_whoever_cannot_see_it() {
    let database = Database::<MariaDb>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at)); CREATE TABLE audit (id int); \
         INSERT INTO audit VALUES (1); \
         CREATE TRIGGER forget AFTER DELETE ON account FOR EACH ROW DELETE FROM audit WHERE id = OLD.id; \
         INSERT INTO account VALUES (1, '1971-01-01 00:00:00'), (2, '1971-01-01 00:00:00')",
    );
    let role = database.role("SELECT 1");
    let world = World::on(&database.datastore(&role), &rules(DELETED_AT, ""));
    database.sql(&world.ran(&["grants"], 0).stdout);
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{}", ran.text());
    assert_eq!(database.texts("SELECT CAST(id AS CHAR) FROM audit"), ["1"], "it is no dependent");
    assert_eq!(database.texts("SELECT CAST(id AS CHAR) FROM account"), ["1"]);
}

/// A page is named by a column of its own, which a right on others does not show.
#[test]
fn a_role_of_postgresql_that_may_not_see_where_rows_lie_sweeps_another_way() {
    const PAGES: &str = "by ranges of the table's pages";
    for sees in [false, true] {
        let database = Database::<Postgres>::new();
        database.sql(
            "CREATE TABLE account (id int PRIMARY KEY, name text, deleted_at timestamptz); \
             INSERT INTO account SELECT i, 'x', '1971-01-01' FROM generate_series(1, 3000) i; ANALYZE account",
        );
        let role = database.role("SELECT 1");
        let world = World::on(&database.datastore(&role), &rules(DELETED_AT, ""));
        database.sql(&world.ran(&["grants"], 0).stdout);
        if sees {
            database.sql(&format!("GRANT SELECT (ctid) ON account TO {role}"));
        }
        let plan = world.ran(&["plan"], 0);
        assert_eq!(plan.stdout.contains(PAGES), sees, "{}", plan.text());
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (0, [Some(3000), Some(0), Some(0)]), "{}", ran.text());
        world.ran(&["check", "--connect"], 0);
    }
}

/// A record that a trigger refuses, by whatever code, keeps nobody else.
#[test]
fn a_trigger_that_refuses_by_a_code_of_its_own_keeps_one_record() {
    for code in ["23000", "A0001", "P0001", "21000", "22012"] {
        let database = Database::<Postgres>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); CREATE INDEX ON account (deleted_at); \
             CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF OLD.id = 2 THEN RAISE 'it is needed' USING ERRCODE = '{code}'; END IF; RETURN OLD; END $$; \
             CREATE TRIGGER keep BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION keep(); \
             INSERT INTO account SELECT i, '1971-01-01' FROM generate_series(1, 5) i"
        ));
        let world = world(&database, "");
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (1, [Some(4), Some(1), Some(1)]), "{code}: {}", ran.text());
        assert_eq!(database.texts("SELECT id::text FROM account"), ["2"]);
    }
    let database = Database::<MariaDb>::new();
    for statement in [
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at))",
        "INSERT INTO account VALUES (1, '1971-01-01'), (2, '1971-01-01'), (3, '1971-01-01')",
    ] {
        database.sql(statement);
    }
    // Numbers of the server's own among them: of a lock, and of a right that is missing.
    for (state, number) in
        [("45000", 1001), ("45000", 1205), ("45000", 1142), ("HY000", 30001), ("99001", 6001)]
    {
        database.sql(&format!(
            "CREATE OR REPLACE TRIGGER keep BEFORE DELETE ON account FOR EACH ROW \
             IF OLD.id = 2 THEN SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'it is needed'; END IF"
        ));
        let world = world(&database, "");
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (1, [Some(2), Some(1), Some(1)]), "{number}: {}", ran.text());
        database.sql("INSERT INTO account VALUES (1, '1971-01-01'), (3, '1971-01-01')");
    }
}

/// Only its being there already says that the batch was committed.
#[cfg(feature = "test-hooks")]
#[test]
fn a_marker_that_is_refused_for_another_reason_proves_nothing() {
    let database = Database::<MariaDb>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at)); \
         INSERT INTO account VALUES (1, '1971-01-01')",
    );
    let world = world(&database, "");
    world.killed_at(&["sweep"], "commit.before", 1);
    database.sql(
        "CREATE TRIGGER refuse BEFORE INSERT ON expunged_marker FOR EACH ROW SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 9001",
    );
    let ran = world.run(&["sweep"]);
    assert_ne!(ran.code, 0, "{}", ran.text());
    assert!(world.entries("batch.committed").is_empty(), "{}", ran.text());
    database.sql("DROP TRIGGER refuse");
    world.ran(&["sweep"], 0);
    assert_eq!(database.texts("SELECT count(*) FROM account"), ["0"]);
    assert_eq!(world.entries("batch.aborted").len(), 1);
}

/// JSON has no number for it.
#[test]
fn a_real_that_is_infinite_leads_to_its_own_dependents() {
    const BY_CODE: &str = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { code = "code" }
action = "delete"
"#;
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, code REAL, deleted_at timestamptz); CREATE TABLE comment (id INTEGER PRIMARY KEY, code REAL);
        INSERT INTO account VALUES (1, 9e999, '1971-01-01T00:00:00Z'), (2, -9e999, '1971-01-01T00:00:00Z'), (3, 0.0, NULL);
        INSERT INTO comment VALUES (1, 9e999), (2, -9e999), (3, 0.0);";
    let world = World::new(&rules(DELETED_AT, BY_CODE), schema);
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!(world.list_on("site.db", "SELECT id FROM comment"), ["3"], "{}", ran.text());
}

/// The engine reads no more than fifteen digits of it as text.
#[test]
fn a_walk_goes_on_behind_numbers_that_are_no_time() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at INTEGER); CREATE INDEX by_deleted_at ON account (deleted_at);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) INSERT INTO account SELECT i, 31536000.123412341 FROM n;
        INSERT INTO account VALUES (10, 31536001), (11, 31536002);";
    let trigger = r#"{ column = "deleted_at", unit = "s", pending = ["null"] }"#;
    let world = World::new(&rules(trigger, ""), schema);
    world.configure("[defaults]\n", "[defaults]\nbatch = 3\nrun_cap = \"1 minute\"\n");
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)[0]), (0, Some(2)), "{}", ran.text());
    assert_eq!(world.list_on("site.db", "SELECT count(*) FROM account"), ["9"]);
}

/// An erasure request finds its person whatever the column's type shows of a number.
#[test]
fn a_person_of_mariadb_is_found_by_any_number() {
    for (ty, stored, asked) in [
        ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("decimal(12,2)", "50", "50"),
        ("int zerofill", "7", "7"),
    ] {
        let database = Database::<MariaDb>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, person {ty}, deleted_at timestamp NULL); \
             INSERT INTO account VALUES (1, {stored}, NULL), (2, {stored} - 1, NULL)"
        ));
        let subject = rules(DELETED_AT, "")
            .replace("key = [\"id\"]", "key = [\"id\"]\nsubject = \"person\"\non_erasure = \"dispose\"");
        let world = World::on(&database.datastore(MariaDb::ADMINISTRATOR), &subject);
        world.run(&["erase", "request", "site", asked]);
        let ran = world.run(&["sweep"]);
        assert_eq!(database.texts("SELECT CAST(id AS CHAR) FROM account"), ["2"], "{ty}: {}", ran.text());
    }
}

/// MariaDB counts each row of a partition twice.
#[test]
fn a_partitioned_table_of_mariadb_goes_and_what_a_trigger_of_it_writes_is_counted() {
    let pseudonymize = "action = \"pseudonymize\"\ncolumns = { name = \"null\" }\nmark = \"gone\"\n";
    for (event, action) in [("DELETE", "action = \"delete\"\n"), ("UPDATE", pseudonymize)] {
        for (has_trigger, counted) in
            [(false, (0, [Some(40), Some(0), Some(0)])), (true, (1, [Some(39), Some(1), Some(1)]))]
        {
            let database = Database::<MariaDb>::new();
            database.sql(
                "CREATE TABLE account (id int PRIMARY KEY, name text, gone timestamp NULL, deleted_at timestamp NULL, KEY (deleted_at)) \
                     PARTITION BY HASH (id) PARTITIONS 4; \
                 CREATE TABLE audit (id int); INSERT INTO audit VALUES (7); \
                 INSERT INTO account SELECT seq, 'x', NULL, '1971-01-01 00:00:00' FROM seq_1_to_40",
            );
            if has_trigger {
                database.sql(&format!(
                    "CREATE TRIGGER forget AFTER {event} ON account FOR EACH ROW DELETE FROM audit WHERE id = OLD.id"
                ));
            }
            let rules = rules(DELETED_AT, "").replace("action = \"delete\"\n", action);
            let world = World::on(&database.datastore(MariaDb::ADMINISTRATOR), &rules);
            let ran = world.run(&["sweep", "--format", "json"]);
            assert_eq!((ran.code, counts(&ran)), counted, "{event}: {}", ran.text());
            assert_eq!(database.texts("SELECT CAST(id AS CHAR) FROM audit"), ["7"], "it is no dependent");
        }
    }
}

/// What it logs, it counts as rows of whoever it logs.
#[test]
fn a_server_of_mariadb_that_logs_into_tables_is_swept() {
    let private = Private::<MariaDb>::start_set(
        &["--general-log=1", "--slow-query-log=1", "--long-query-time=0", "--log-output=TABLE"]
            .map(str::to_owned),
    );
    let database = private.database();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at)); CREATE TABLE audit (id int); \
         INSERT INTO audit VALUES (2); \
         CREATE TRIGGER forget AFTER DELETE ON account FOR EACH ROW DELETE FROM audit WHERE id = OLD.id; \
         INSERT INTO account VALUES (1, '1971-01-01 00:00:00'), (2, '1971-01-01 00:00:00')",
    );
    let world = world(&database, "");
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{}", ran.text());
}

/// Of ours, no statement is slow: what a trigger inserts is counted there as elsewhere.
#[test]
fn a_server_of_mariadb_that_logs_what_is_slow_into_tables_counts_what_triggers_insert() {
    let private = Private::<MariaDb>::start_set(
        &["--slow-query-log=1", "--long-query-time=0", "--log-output=TABLE"].map(str::to_owned),
    );
    let database = private.database();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at)); CREATE TABLE audit (id int); \
         CREATE TRIGGER remember AFTER DELETE ON account FOR EACH ROW INSERT INTO audit VALUES (OLD.id); \
         INSERT INTO account VALUES (1, '1971-01-01 00:00:00')",
    );
    let world = world(&database, "");
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, counts(&ran)), (1, [Some(0), Some(1), Some(1)]), "{}", ran.text());
}

/// Its mark says that it was done, and the foreign key does not ask.
#[test]
fn a_row_that_is_marked_already_is_not_taken_along_by_a_foreign_key() {
    const MARKED: &str = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "pseudonymize"
columns = { author = "null" }
mark = "gone"
"#;
    fn stays<E: Engine>(timestamp: &str) {
        let database = Database::<E>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, deleted_at {timestamp} NULL); \
             CREATE TABLE comment (id int PRIMARY KEY, author int, gone {timestamp} NULL, \
                 FOREIGN KEY (author) REFERENCES account (id) ON DELETE CASCADE); \
             CREATE INDEX by_author ON comment (author); \
             INSERT INTO account VALUES (1, '1971-01-01 00:00:00'), (2, '1971-01-01 00:00:00'); \
             INSERT INTO comment VALUES (1, 1, NULL), (2, 2, '2020-01-01 00:00:00')"
        ));
        let world = world(&database, MARKED);
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, counts(&ran)), (1, [Some(1), Some(1), Some(1)]), "{}", ran.text());
        assert_eq!(database.texts("SELECT count(*) FROM comment"), ["2"]);
    }
    stays::<MariaDb>("timestamp");
    stays::<Postgres>("timestamptz");
}

/// Between the look at the dependents and the deletion: the foreign key looks at an index of its own.
#[cfg(feature = "test-hooks")]
#[test]
fn a_dependent_of_mariadb_that_comes_meanwhile_waits_or_is_seen() {
    let database = Database::<MariaDb>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, login varchar(40) UNIQUE, deleted_at timestamp NULL); \
         CREATE TABLE comment (id int PRIMARY KEY, author varchar(40), FOREIGN KEY (author) REFERENCES account (login) ON DELETE CASCADE); \
         INSERT INTO account VALUES (1, 'ann', '1971-01-01 00:00:00'); INSERT INTO comment VALUES (1, 'ann')",
    );
    let world = world(&database, BY_LOGIN);
    let mut came = None;
    let ran = world.run_paused("gathered", &["sweep", "--format", "json"], || {
        came = Some(database.try_sql("INSERT INTO comment VALUES (2, 'ann')"));
    });
    assert_eq!((ran.code, came), (0, Some(false)), "{}", ran.text());
    assert_eq!(ran.rule()["dependents"].as_u64(), Some(1));
}

/// The same number in columns of two types.
#[test]
fn a_row_of_mariadb_keeps_a_record_whatever_zeros_its_column_shows() {
    for ty in ["decimal(12,2)", "int zerofill", "double"] {
        let database = Database::<MariaDb>::new();
        database.sql(&format!(
            "CREATE TABLE account (id bigint PRIMARY KEY, deleted_at timestamp NULL, KEY (deleted_at)); \
             CREATE TABLE invoice (id int PRIMARY KEY, account {ty}, KEY (account)); \
             INSERT INTO account VALUES (5, '1971-01-01 00:00:00'), (6, '1971-01-01 00:00:00'); INSERT INTO invoice VALUES (1, 5)"
        ));
        let unless = "\n[[rule.unless]]\ntable = \"invoice\"\nmatch = { account = \"id\" }\n";
        let world = world(&database, unless);
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!(database.texts("SELECT CAST(id AS CHAR) FROM account"), ["5"], "{ty}: {}", ran.text());
    }
}

#[test]
fn a_record_of_mariadb_is_explained_by_any_number() {
    let database = Database::<MariaDb>::new();
    database.sql(
        "CREATE TABLE account (id bigint unsigned PRIMARY KEY, deleted_at timestamp NULL); \
         INSERT INTO account VALUES (18446744073709551615, '1971-01-01 00:00:00')",
    );
    let world = world(&database, "");
    let ran = world.ran(&["explain", "site/account", "18446744073709551615"], 0);
    assert!(ran.stdout.contains("due"), "{}", ran.text());
    world.ran(&["explain", "site/account", "18446744073709551616"], 2);
}

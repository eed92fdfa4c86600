//! Beyond logical erasure, on real engines: what is reached, what stands in its way, what is claimed, and what is proved.

use std::path::Path;

use serde_json::{Value as Json, json};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::servers::{mariadb, postgres};
use crate::told;
use crate::world::{DELETED_AT, Ran, World, rules};

const RULE: &str = "site/account";

/// The record's notes are pseudonymized with it.
fn asking(then: &str, trigger: &str) -> String {
    let rest = format!(
        "then = \"{then}\"\n\n[[rule.dependent]]\nid = \"notes\"\nclass = \"account\"\ntable = \"note\"\n\
         match = {{ account = \"id\" }}\naction = \"pseudonymize\"\ncolumns = {{ body = \"null\" }}\nmark = \"done\"\n"
    );
    rules(trigger, &rest)
}

/// What a sweep says of the level.
fn level(ran: &Ran) -> Json {
    ran.rule()["level"].clone()
}

fn swept(world: &World, code: i32) -> Json {
    level(&world.ran(&["sweep", "--format", "json"], code))
}

fn reached(level: &str, batches: u64) -> Json {
    json!({ "asked": level, "reached": batches, "owed": 0, "why": null })
}

/// Nothing was reached, for a reason that says this.
#[track_caller]
fn owed(said: &Json, level: &str, batches: u64, why: &str) {
    assert_eq!(
        (&said["asked"], &said["reached"], &said["owed"]),
        (&json!(level), &json!(0), &json!(batches)),
        "{said}"
    );
    assert!(said["why"].as_str().unwrap().contains(why), "{said}");
}

fn claims(world: &World) -> Vec<Json> {
    world.entries("erasure.level")
}

/// The record's proof, and what it says of the level.
fn proved(world: &World, key: &str) -> (String, Json) {
    let (out, vkey) = (world.path("one.tlog-proof"), world.path("ledger.key.vkey"));
    let (out, vkey) = (out.to_str().unwrap(), vkey.to_str().unwrap());
    world.ran(&["prove", RULE, key, "--out", out], 0);
    let text = world.ran(&["verify", "--key", vkey, out], 0).stdout;
    let said = world.ran(&["verify", "--key", vkey, "--format", "json", out], 0).stdout;
    (text, serde_json::from_str::<Json>(&said).unwrap()["proofs"][0].clone())
}

// SQLite.

const SCHEMA: &str = "CREATE TABLE account (id integer PRIMARY KEY, email text, deleted_at timestamptz); \
    CREATE TABLE note (id integer PRIMARY KEY, account integer, body text, done timestamptz); \
    CREATE INDEX by_deleted ON account (deleted_at); CREATE INDEX by_account ON note (account); \
    CREATE TABLE draft (id integer PRIMARY KEY, body text); \
    INSERT INTO account VALUES (1, 'an address', NULL), (2, 'another address', NULL), (3, 'a living address', NULL); \
    INSERT INTO note VALUES (10, 1, 'a canary in a note', NULL), (11, 3, 'a note that stays', NULL);";

/// An application that keeps a log and overwrites nothing that it deletes.
const APPLICATION: &str = "PRAGMA journal_mode = WAL; PRAGMA secure_delete = off; \
    INSERT INTO draft VALUES (1, 'a canary in a draft'); DELETE FROM draft; \
    UPDATE account SET email = 'a canary in an address', deleted_at = '1971-01-01T00:00:00Z' WHERE id = 1;";

const FILES: [&str; 3] = ["site.db", "site.db-wal", "site.db-journal"];

fn in_sqlite(then: &str) -> World {
    let world = World::new(&asking(then, DELETED_AT), SCHEMA);
    world.sql(APPLICATION);
    world
}

/// An application that is connected, and has looked at the database.
struct Idle(tokio::runtime::Runtime, sqlx::SqliteConnection);

impl Idle {
    fn on(database: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let connection = runtime.block_on(options.connect()).unwrap();
        let mut idle = Self(runtime, connection);
        idle.sql("SELECT count(*) FROM account");
        idle
    }

    fn sql(&mut self, statements: &'static str) {
        self.0.block_on(sqlx::raw_sql(statements).execute(&mut self.1)).unwrap();
    }
}

/// One that reads, from before the sweep on.
struct Reader(Idle);

impl Reader {
    fn of(database: &Path) -> Self {
        let mut reader = Idle::on(database);
        reader.sql("BEGIN; SELECT * FROM account");
        Self(reader)
    }

    fn end(self) {
        let Idle(runtime, connection) = self.0;
        runtime.block_on(connection.close()).unwrap();
    }
}

#[test]
fn a_vacuumed_database_holds_no_byte_of_what_went_and_its_log_is_empty() {
    let world = in_sqlite("vacuum");
    // As long as the application is there, a sweep does not fold the log by leaving last.
    let _idle = Idle::on(&world.path("site.db"));
    assert!(!world.found_in("a canary in an address", &FILES).is_empty());
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    for canary in ["a canary in an address", "a canary in a note"] {
        assert_eq!(world.found_in(canary, &FILES), [""; 0], "{canary}");
    }
    let claims = claims(&world);
    let [claim] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(
        (&claim["rule"], &claim["datastore"], &claim["level"]),
        (&json!(RULE), &json!("site"), &json!("vacuumed"))
    );
    assert_eq!(claim["means"], "secure_delete, wal_checkpoint(TRUNCATE)");
    assert_eq!(claim["remains"], json!(["backups", "file_system", "free_space", "statistics"]));
    world.ran(&["ledger", "verify"], 0);
    // Nothing is owed any more, and nothing is claimed twice.
    assert_eq!(swept(&world, 0), Json::Null);
    assert_eq!(world.entries("erasure.level").len(), 1);
}

#[test]
fn a_rewritten_database_holds_no_byte_of_what_the_application_left_behind_either() {
    let world = in_sqlite("rewrite");
    assert_eq!(
        world.found_in("a canary in a draft", &["site.db"]),
        ["site.db"],
        "the application overwrites nothing"
    );
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
    for canary in ["a canary in a draft", "a canary in an address", "a canary in a note"] {
        assert_eq!(world.found_in(canary, &FILES), [""; 0], "{canary}");
    }
    assert_eq!(world.found_in("a living address", &["site.db"]), ["site.db"]);
    assert_eq!(claims(&world)[0]["remains"], json!(["backups", "file_system", "statistics"]));
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_log_that_somebody_reads_from_is_a_finding_and_the_next_sweep_asks_again() {
    let world = in_sqlite("vacuum");
    let reader = Reader::of(&world.path("site.db"));
    owed(&swept(&world, 1), "vacuumed", 1, "somebody reads from the write-ahead log");
    assert_eq!((claims(&world).len(), world.records("batch.committed")), (0, 2));
    let (text, said) = proved(&world, "1");
    assert!(text.contains("  level       logical: "), "{text}");
    assert_eq!((&said["level"], said.get("level_entry")), (&json!("logical"), None));
    reader.end();
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    let (text, said) = proved(&world, "1");
    assert!(text.contains("  level       vacuumed: "), "{text}");
    assert!(text.contains("  known to remain in backups, freed blocks of the file system, "), "{text}");
    assert_eq!((&said["level"], &said["level_remains"]), (&json!("vacuumed"), &claims(&world)[0]["remains"]));
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_rule_that_asks_for_more_later_owes_it_to_what_goes_from_then_on() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    world.sql("UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 1");
    assert_eq!(swept(&world, 0), Json::Null);
    world.rules(&rules(DELETED_AT, "then = \"vacuum\"\n"));
    assert_eq!(swept(&world, 0), Json::Null, "nobody asked for it when the record went");
    world.sql("UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 2");
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    world.rules(&rules(DELETED_AT, "then = \"rewrite\"\n"));
    assert_eq!(swept(&world, 0), Json::Null);
    let (_, first) = proved(&world, "1");
    let (_, second) = proved(&world, "2");
    assert_eq!((&first["level"], &second["level"]), (&json!("logical"), &json!("vacuumed")));
}

#[test]
fn a_rule_that_asks_for_nothing_any_more_leaves_what_is_owed() {
    let world = in_sqlite("vacuum");
    let reader = Reader::of(&world.path("site.db"));
    swept(&world, 1);
    reader.end();
    world.rules(&asking("vacuum", DELETED_AT).replace("then = \"vacuum\"\n", ""));
    assert_eq!(swept(&world, 0), Json::Null);
    world.rules(&asking("rewrite", DELETED_AT));
    // What was asked for is reached with what is more.
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
}

#[test]
fn a_rule_over_another_database_claims_nothing_of_what_went_from_the_first() {
    let world = in_sqlite("vacuum");
    let reader = Reader::of(&world.path("site.db"));
    swept(&world, 1);
    reader.end();
    world.sql_on("other.db", SCHEMA);
    world.configure("site.db", "other.db");
    assert_eq!(swept(&world, 0), Json::Null);
    world.configure("other.db", "site.db");
    // The same path, and another database: the marker's table is not the one of the batch.
    std::fs::rename(world.path("site.db"), world.path("kept.db")).unwrap();
    world.sql(SCHEMA);
    owed(&swept(&world, 1), "vacuumed", 1, "some went from another database");
    assert_eq!(claims(&world).len(), 0);
}

#[test]
fn what_is_asked_for_shows_in_the_plan_and_in_the_explanation() {
    let world = in_sqlite("rewrite");
    let plan = world.ran(&["plan"], 0).stdout;
    assert!(
        plan.contains("  then: secure_delete, VACUUM, wal_checkpoint(TRUNCATE) on account, note, to be rewritten; known to remain in "),
        "{plan}"
    );
    let plan: Json = serde_json::from_str(&world.ran(&["plan", "--format", "json"], 0).stdout).unwrap();
    assert_eq!(plan["rules"][0]["then"]["level"], "rewritten");
    let explained = world.ran(&["explain", RULE], 0).stdout;
    assert!(
        explained
            .contains("3. then what held them is written anew without them (rewritten), in datastore `site`"),
        "{explained}"
    );
}

#[test]
fn what_was_reached_and_what_is_owed_stand_in_the_deletion_report() {
    let world = in_sqlite("vacuum");
    swept(&world, 0);
    world.sql("UPDATE account SET deleted_at = '1971-01-01T00:00:00Z' WHERE id = 2");
    let reader = Reader::of(&world.path("site.db"));
    swept(&world, 1);
    reader.end();
    let today = expunged::clock::now().date_naive().to_string();
    let json = world.ran(&["report", "--from", &today, "--format", "json"], 0).stdout;
    let report: Json = serde_json::from_str(&json).unwrap();
    let remains = &claims(&world)[0]["remains"];
    let expected = json!([{ "rule": RULE, "datastore": "site", "logical": 1, "vacuumed": 2, "rewritten": 0, "remains": remains }]);
    assert_eq!(report["levels"], expected);
    let page = world.ran(&["report", "--from", &today, "--format", "html"], 0).stdout;
    assert!(page.contains("<h2 id=\"levels\">How thoroughly</h2>"), "{page}");
    world.write("report.json", &json);
    let ledger = world.path("exported");
    world.ran(&["ledger", "export", ledger.to_str().unwrap()], 0);
    let oracle = std::process::Command::new("python3")
        .arg(crate::architecture::source::root().join("tests/report_oracle.py"))
        .args([&ledger, &world.path("report.json")])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&oracle.stdout).into_owned();
    assert!(oracle.status.success() && told.contains("levels: 1"), "{told}");
}

#[test]
fn a_level_that_could_not_be_reached_is_said_to_people() {
    let world = in_sqlite("vacuum");
    let reader = Reader::of(&world.path("site.db"));
    let ran = world.ran(&["sweep"], 1);
    reader.end();
    told!(ran);
    told!(world.ran(&["sweep"], 0));
}

/// Whatever line it dies on, from the last seal to the claim.
#[cfg(feature = "test-hooks")]
#[test]
fn a_crash_before_the_claim_leaves_it_owed_and_none_after_it_claims_it_twice() {
    for point in [
        "commit.after",
        "seal.after",
        "sweep-finished.after",
        "checkpoint.after",
        "level.before",
        "level.after",
        "claim.before",
        "claim.after",
    ] {
        let world = in_sqlite("vacuum");
        assert_eq!(world.killed_at(&["sweep"], point, 1).code, -1, "`{point}` was not hit");
        let before = claims(&world).len();
        assert_eq!(before, usize::from(point == "claim.after"), "{point}");
        let expected = if before == 0 { reached("vacuumed", 1) } else { Json::Null };
        assert_eq!(swept(&world, 0), expected, "{point}");
        assert_eq!(claims(&world).len(), 1, "{point}");
        assert_eq!(proved(&world, "1").1["level"], "vacuumed", "{point}");
        world.ran(&["ledger", "verify"], 0);
    }
}

// PostgreSQL.

const TABLES: &str = "CREATE TABLE account (id int PRIMARY KEY, email text, deleted_at timestamptz); \
    CREATE TABLE note (id int PRIMARY KEY, account int, body text, done timestamptz); \
    CREATE INDEX ON account (deleted_at); CREATE INDEX ON account (email); CREATE INDEX ON note (account);";

const ROWS: &str = "INSERT INTO account SELECT n, 'canary-' || n, CASE WHEN n % 2 = 0 THEN '1971-01-01 00:00:00' END \
      FROM generate_series(1, 200) AS n; \
    INSERT INTO note SELECT n, n, 'canary-note-' || n, NULL FROM generate_series(1, 200) AS n;";

/// Before version 17 only who owns a table may vacuum it.
fn owning(database: &postgres::Database) -> World {
    database.sql(&format!(
        "{TABLES} {}",
        ROWS.replace("THEN '1971-01-01 00:00:00'", "THEN timestamptz '1971-01-01Z'")
    ));
    let role = database.role(
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}; ALTER TABLE account OWNER TO {role}; ALTER TABLE note OWNER TO {role}",
    );
    World::on(&database.datastore(&role), &asking("vacuum", DELETED_AT))
}

/// So many versions of removed rows are in the table and its indexes' heap.
fn dead(database: &postgres::Database, table: &str) -> String {
    database.sql("CREATE EXTENSION IF NOT EXISTS pgstattuple");
    database.texts(&format!("SELECT dead_tuple_count::text FROM pgstattuple('{table}')")).concat()
}

#[test]
fn postgres_keeps_no_version_of_what_went_once_it_is_vacuumed() {
    let database = postgres::Database::new();
    let world = owning(&database);
    let ran = world.ran(&["sweep", "--format", "json"], 0);
    assert_eq!((&ran.rule()["disposed"], level(&ran)), (&json!(100), reached("vacuumed", 1)));
    assert_eq!((dead(&database, "account"), dead(&database, "note")), ("0".to_owned(), "0".to_owned()));
    let claim = &claims(&world)[0];
    assert_eq!(claim["means"], "VACUUM (FREEZE, INDEX_CLEANUP ON)");
    assert_eq!(
        claim["remains"],
        json!([
            "backups",
            "file_system",
            "free_space",
            "indexes",
            "replicas",
            "statistics",
            "write_ahead_log"
        ])
    );
    assert_eq!(proved(&world, "2").1["level"], "vacuumed");
    world.ran(&["ledger", "verify"], 0);
    // Who has to own a table so as to vacuum it does not hold too much.
    let said = world.run(&["check", "--connect"]);
    assert!(!said.text().contains(" owns "), "{}", said.text());
}

#[test]
fn an_older_snapshot_on_postgres_keeps_a_level_from_being_claimed_until_it_is_gone() {
    let database = postgres::Database::new();
    let world = owning(&database);
    let mut old = database.session();
    old.sql("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let process = old.texts("SELECT pg_backend_pid()::text FROM account LIMIT 1").concat();
    owed(&swept(&world, 1), "vacuumed", 1, &format!("the transaction of process {process}"));
    assert_eq!(claims(&world).len(), 0);
    assert_eq!(proved(&world, "2").1["level"], "logical");
    // A batch after the snapshot's end is not held back by it; one before it is.
    old.rollback();
    let mut later = database.session();
    later.sql("BEGIN ISOLATION LEVEL REPEATABLE READ");
    later.texts("SELECT id::text FROM account LIMIT 1");
    database.sql("UPDATE account SET deleted_at = '1971-01-01Z' WHERE id = 1");
    let said = swept(&world, 1);
    assert_eq!((&said["reached"], &said["owed"]), (&json!(1), &json!(1)), "{said}");
    assert_eq!(
        (&proved(&world, "2").1["level"], &proved(&world, "1").1["level"]),
        (&json!("vacuumed"), &json!("logical"))
    );
    later.rollback();
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    assert_eq!(proved(&world, "1").1["level"], "vacuumed");
    world.ran(&["ledger", "verify"], 0);
}

/// A sweep that dies before its engine is asked: the level is owed.
#[cfg(feature = "test-hooks")]
fn dies_owing(world: &World) {
    assert_eq!(world.killed_at(&["sweep"], "level.before", 1).code, -1);
}

#[cfg(feature = "test-hooks")]
const ANOTHER: &str = "was renamed, detached or dropped since";

#[cfg(feature = "test-hooks")]
#[test]
fn a_level_is_not_claimed_of_another_table_of_the_same_name() {
    for (then, level) in [("vacuum", "vacuumed"), ("rewrite", "rewritten")] {
        let database = postgres::Database::new();
        let world = owning(&database);
        world.rules(&asking(then, DELETED_AT));
        dies_owing(&world);
        database.sql(
            "ALTER TABLE note RENAME TO kept; CREATE TABLE note (LIKE kept INCLUDING ALL); \
             DO $$ BEGIN EXECUTE 'ALTER TABLE note OWNER TO ' || \
               (SELECT relowner::regrole FROM pg_class WHERE relname = 'kept'); END $$",
        );
        owed(&swept(&world, 1), level, 1, ANOTHER);
        assert_eq!(claims(&world).len(), 0);
        // What goes from the new one is as good as ever.
        database.sql("UPDATE account SET deleted_at = '1971-01-01Z' WHERE id = 1");
        let said = swept(&world, 1);
        assert_eq!((&said["reached"], &said["owed"]), (&json!(1), &json!(1)), "{said}");
        database.sql("DROP TABLE note; ALTER TABLE kept RENAME TO note");
        assert_eq!(swept(&world, 0), reached(level, 1));
        assert_eq!(proved(&world, "2").1["level"], level);
    }
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_level_is_not_claimed_of_another_partition_of_the_same_name() {
    let database = postgres::Database::new();
    let low = "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (100);";
    database.sql(&format!(
        "CREATE TABLE account (id int PRIMARY KEY, email text, deleted_at timestamptz) PARTITION BY RANGE (id); {low} \
         INSERT INTO account VALUES (1, 'x', '1971-01-01Z')"
    ));
    let role = database.role(
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}; ALTER TABLE account OWNER TO {role}; ALTER TABLE low OWNER TO {role}",
    );
    let world = World::on(&database.datastore(&role), &rules(DELETED_AT, "then = \"vacuum\"\n"));
    dies_owing(&world);
    database.sql(&format!(
        "ALTER TABLE account DETACH PARTITION low; ALTER TABLE low RENAME TO kept; {low} ALTER TABLE low OWNER TO {role}"
    ));
    owed(&swept(&world, 1), "vacuumed", 1, ANOTHER);
    database.sql("DROP TABLE low; ALTER TABLE account ATTACH PARTITION kept FOR VALUES FROM (0) TO (100)");
    // One that comes beside it is vacuumed as well, and stands in nobody's way.
    let more = "CREATE TABLE high PARTITION OF account FOR VALUES FROM (100) TO (200)";
    database.sql(&format!("{more}; ALTER TABLE high OWNER TO {role}"));
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
}

#[test]
fn a_table_of_postgres_that_was_written_anew_holds_no_byte_of_what_went() {
    let database = postgres::Database::new();
    let world = owning(&database);
    world.rules(&asking("rewrite", DELETED_AT));
    let mut reader = database.session();
    reader.sql("BEGIN; LOCK TABLE note IN ACCESS SHARE MODE");
    owed(&swept(&world, 1), "rewritten", 1, "it has locked what the batch needs");
    reader.rollback();
    let files = |table: &str| {
        let path = database.texts(&format!(
            "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{table}')"
        ));
        path.concat()
    };
    let before = files("account");
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
    assert_ne!(files("account"), before);
    database.sql("CHECKPOINT");
    for table in ["account", "note", "account_email_idx"] {
        let bytes = std::fs::read(files(table)).unwrap();
        let holds = |canary: &str| bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
        assert!(!holds("canary-100") && !holds("canary-note-100"), "{table}");
        assert_eq!(holds("canary-101"), table != "note", "{table}");
    }
    assert_eq!(
        claims(&world)[0]["remains"],
        json!(["backups", "file_system", "replicas", "statistics", "write_ahead_log"])
    );
}

#[test]
fn partitions_are_vacuumed_one_by_one_and_what_is_stored_beside_a_row_with_it() {
    let database = postgres::Database::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, email text, deleted_at timestamptz) PARTITION BY RANGE (id); \
         CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (100); \
         CREATE TABLE \"High\" PARTITION OF account FOR VALUES FROM (100) TO (200); \
         INSERT INTO account SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 500) AS m), '1971-01-01Z' \
           FROM generate_series(95, 105) AS n",
    );
    let role = database.role(
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}; ALTER TABLE account OWNER TO {role}; ALTER TABLE low OWNER TO {role}; \
         ALTER TABLE \"High\" OWNER TO {role}",
    );
    for (then, level) in [("vacuum", "vacuumed"), ("rewrite", "rewritten")] {
        let world =
            World::on(&database.datastore(&role), &rules(DELETED_AT, &format!("then = \"{then}\"\n")));
        database.sql("INSERT INTO account VALUES (1, 'x', '1971-01-01Z')");
        assert_eq!(swept(&world, 0), reached(level, 1));
        let beside = "SELECT coalesce(sum((pgstattuple(reltoastrelid)).dead_tuple_count), 0)::text FROM pg_class \
                      WHERE relname IN ('low', 'High')";
        assert_eq!((dead(&database, "low"), dead(&database, "\"High\"")), ("0".to_owned(), "0".to_owned()));
        assert_eq!(database.texts(beside), ["0"]);
    }
}

/// Its failsafe is out of reach where the server's other settings are as usual; the number of transactions stays below that at which the
/// server would vacuum by itself.
#[test]
fn a_vacuum_that_passed_over_indexes_is_no_evidence() {
    let settings = ["autovacuum=off", "vacuum_failsafe_age=0", "autovacuum_freeze_max_age=100000"];
    let settings: Vec<String> =
        settings.iter().flat_map(|set| ["-c".to_owned(), (*set).to_owned()]).collect();
    let server = postgres::Private::start_set(&settings);
    let database = server.database();
    let world = owning(&database);
    world.rules(&rules(DELETED_AT, "then = \"vacuum\"\n"));
    let mut application = database.session();
    application.sql("SET synchronous_commit = off");
    application
        .sql("DO $$ BEGIN FOR n IN 1..106000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$");
    database.sql("CREATE EXTENSION pageinspect");
    let keys = || database.texts("SELECT count(*)::text FROM bt_page_items('account_email_idx', 1)").concat();
    owed(&swept(&world, 1), "vacuumed", 1, "passed over indexes");
    assert_eq!((dead(&database, "account"), keys()), ("0".to_owned(), "200".to_owned()));
    assert_eq!(claims(&world).len(), 0);
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    assert_eq!(keys(), "100");
}

#[test]
fn an_account_that_may_not_vacuum_is_refused_before_anything_goes() {
    let database = postgres::Database::new();
    database.sql(&format!("{TABLES} INSERT INTO account VALUES (1, 'x', '1971-01-01Z')"));
    let role = database.role(
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT SELECT, UPDATE, DELETE ON account, note TO {role}",
    );
    let world = World::on(&database.datastore(&role), &asking("vacuum", DELETED_AT));
    let said = world.ran(&["sweep"], 77).stderr;
    for table in ["account", "note"] {
        let lacking =
            format!("MAINTAIN on table `{table}`, which before version 17 only the role that owns it has");
        assert!(said.contains(&lacking), "{said}");
    }
    assert_eq!(
        (world.entries("batch.intent").len(), database.texts("SELECT id::text FROM account").len()),
        (0, 1)
    );
    let granted = world.ran(&["grants"], 0).stdout;
    assert!(
        granted.contains(&format!("-- GRANT MAINTAIN ON \"public\".\"account\" TO \"{role}\";")),
        "{granted}"
    );
}

#[test]
fn since_version_17_to_vacuum_is_a_right_of_its_own() {
    let server = postgres::Private::start_version(18, &[]);
    let database = server.database();
    database.sql(&format!("{TABLES} INSERT INTO account VALUES (1, 'x', '1971-01-01Z')"));
    let role = database.role(
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT SELECT, UPDATE, DELETE, MAINTAIN ON account, note TO {role}",
    );
    let world = World::on(&database.datastore(&role), &asking("rewrite", DELETED_AT));
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
    database.sql(&format!("REVOKE MAINTAIN ON note FROM {role}"));
    world.ran(&["sweep"], 77);
}

/// The sweep has to end while the engine is at work: it is called off, in order, and asked again.
#[cfg(feature = "test-hooks")]
#[test]
fn a_vacuum_that_is_called_off_is_owed() {
    // Whatever else runs on a standing server keeps these rows too young to be frozen, and then nothing has to wait for the page.
    let server = postgres::Private::start();
    let database = server.database();
    let world = owning(&database);
    world.configure(
        "rows_per_second = \"unlimited\"",
        "rows_per_second = \"unlimited\"\nrun_cap = \"8 seconds\"",
    );
    let mut other = database.session();
    // A cursor stays on a page, which the engine may then not clean: for that it waits, and no limit to waits for locks is about it.
    other.sql("BEGIN; DECLARE pinned CURSOR FOR SELECT * FROM account; FETCH 1 FROM pinned");
    let ran = world.ran(&["sweep", "--format", "json"], 1);
    let said = level(&ran);
    owed(&said, "vacuumed", 1, "it was called off, since the sweep has to end");
    let still = "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'VACUUM%' AND state = 'active' AND datname = current_database()";
    assert_eq!(database.texts(still), ["0"], "nothing goes on at the server");
    other.rollback();
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
}

// MariaDB.

fn in_mariadb(database: &mariadb::Database, then: &str) -> World {
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, email varchar(99), deleted_at datetime(6), KEY (deleted_at)); \
         CREATE TABLE note (id int PRIMARY KEY, account int, body varchar(99), done datetime(6), KEY (account)); \
         INSERT INTO account SELECT seq, concat('canary-', seq), IF(seq % 2 = 0, '1971-01-01', NULL) FROM seq_1_to_200; \
         INSERT INTO note SELECT seq, seq, concat('canary-note-', seq), NULL FROM seq_1_to_200",
    );
    let name = database.name().to_owned();
    let more = if then == "rewrite" { ", INSERT" } else { "" };
    let role = database.role(&format!(
        "GRANT SELECT, UPDATE, DELETE{more} ON {name}.account TO {{role}}; GRANT SELECT, UPDATE, DELETE{more} ON {name}.note TO {{role}}; \
         GRANT REFERENCES ON *.* TO {{role}}; GRANT CREATE, SELECT, INSERT, DELETE ON {name}.expunged_marker TO {{role}}"
    ));
    let trigger = DELETED_AT.replace(", pending", ", time_zone = \"Etc/UTC\", pending");
    let world = World::on(&database.datastore(&role), &asking(then, &trigger));
    let said = world.ran(&["sweep"], 77).stderr;
    assert!(said.contains("PROCESS, and needs it to see whether the engine has purged"), "{said}");
    assert!(world.entries("batch.intent").is_empty());
    let granted = world.ran(&["grants"], 0).stdout;
    let process = format!("\nGRANT PROCESS ON *.* TO `{role}`@`%`;\n");
    assert_eq!(granted.matches(&process).count(), 1, "{granted}");
    let anew = format!("\nGRANT SELECT, INSERT ON `{name}`.`account` TO `{role}`@`%`;\n");
    assert_eq!(granted.contains(&anew), then == "rewrite", "{granted}");
    database.sql(&format!("GRANT PROCESS ON *.* TO {role}@'%'"));
    world
}

#[test]
fn an_older_snapshot_on_mariadb_keeps_a_level_from_being_claimed_until_it_is_purged() {
    let server = mariadb::Private::start();
    let database = server.database();
    let world = in_mariadb(&database, "vacuum");
    let mut old = database.session();
    old.sql(
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT",
    );
    owed(&swept(&world, 1), "vacuumed", 1, "an older snapshot may still see what was deleted");
    assert_eq!(claims(&world).len(), 0);
    old.rollback();
    assert_eq!(swept(&world, 0), reached("vacuumed", 1));
    let claim = &claims(&world)[0];
    assert_eq!((&claim["level"], &claim["means"]), (&json!("vacuumed"), &json!("purge by InnoDB")));
    assert_eq!(proved(&world, "2").1["level"], "vacuumed");
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn a_table_of_mariadb_that_was_written_anew_holds_no_byte_of_what_went() {
    let server = mariadb::Private::start();
    let database = server.database();
    let world = in_mariadb(&database, "rewrite");
    let ran = world.ran(&["sweep", "--format", "json"], 0);
    assert_eq!((&ran.rule()["disposed"], level(&ran)), (&json!(100), reached("rewritten", 1)));
    database.sql("FLUSH TABLES account, note FOR EXPORT; UNLOCK TABLES");
    let directory = database.texts("SELECT @@datadir").concat();
    for (table, stays) in [("account", true), ("note", false)] {
        let file = format!("{directory}{}/{table}.ibd", database.name());
        let bytes = std::fs::read(&file).unwrap();
        let holds = |canary: &str| bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
        assert!(!holds("canary-100") && !holds("canary-note-100"), "{table}");
        assert!(holds("canary-101") == stays, "{table}");
    }
    assert_eq!(claims(&world)[0]["means"], "purge by InnoDB, OPTIMIZE TABLE");
    world.ran(&["ledger", "verify"], 0);
}

/// The purge goes by the tables that were changed, whatever they are called; a rebuild goes by a name.
#[cfg(feature = "test-hooks")]
#[test]
fn a_rebuild_is_not_claimed_of_another_table_of_the_same_name() {
    let server = mariadb::Private::start();
    let database = server.database();
    let world = in_mariadb(&database, "rewrite");
    dies_owing(&world);
    database.sql("RENAME TABLE note TO `kept-1`; CREATE TABLE note LIKE `kept-1`");
    owed(&swept(&world, 1), "rewritten", 1, "goes by another name now, and was not written anew");
    assert_eq!(claims(&world).len(), 0);
    // The application may rebuild a table itself.
    database.sql("DROP TABLE note; RENAME TABLE `kept-1` TO note; ALTER TABLE account FORCE");
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
    // A partition is a table of its own.
    database.sql(
        "ALTER TABLE account DROP PRIMARY KEY, ADD PRIMARY KEY (id) PARTITION BY HASH (id) PARTITIONS 2; \
         UPDATE account SET deleted_at = '1971-01-01' WHERE id IN (1, 3, 5)",
    );
    dies_owing(&world);
    database.sql(
        "CREATE TABLE kept LIKE account; ALTER TABLE kept REMOVE PARTITIONING; ALTER TABLE account EXCHANGE PARTITION p1 WITH TABLE kept",
    );
    owed(&swept(&world, 1), "rewritten", 1, "goes by another name now, and was not written anew");
    database.sql("ALTER TABLE account EXCHANGE PARTITION p1 WITH TABLE kept");
    assert_eq!(swept(&world, 0), reached("rewritten", 1));
    world.ran(&["ledger", "verify"], 0);
}

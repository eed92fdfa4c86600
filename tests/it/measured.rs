//! Walks along an index that leads through a table of PostgreSQL's in its own order: stretches of it are measured before they are read.

use std::collections::BTreeSet;

use crate::servers::postgres::Postgres;
use crate::servers::{Database, poll};
use crate::world::{World, rules};

const SWEEP: [&str; 3] = ["sweep", "--format", "json"];

/// A kind of trigger, and its values: that of second `n` of 1971, one that has not come, and those that are no time.
struct Kind {
    column: &'static str,
    reading: &'static str,
    second: &'static str,
    now: &'static str,
    odd: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind {
        column: "timestamptz",
        reading: "",
        second: "timestamptz '1971-01-01 00:00:00Z' + n * interval '1 second'",
        now: "now()",
        odd: &["'infinity'", "'-infinity'", "'1970-01-01 00:00:00Z'"],
    },
    Kind {
        column: "timestamp",
        reading: ", time_zone = \"Europe/Berlin\"",
        second: "timestamp '1971-01-01 00:00:00' + n * interval '1 second'",
        now: "now()::timestamp",
        odd: &["'infinity'", "'-infinity'", "'1970-01-01 00:00:00'"],
    },
    Kind {
        column: "int",
        reading: ", unit = \"s\"",
        second: "31536000 + n",
        now: "1800000000",
        odd: &["0", "-5"],
    },
    Kind {
        column: "bigint",
        reading: ", unit = \"ms\"",
        second: "(31536000 + n)::bigint * 1000 + 7",
        now: "1800000000000",
        odd: &["0", "9223372036854775807", "-9223372036854775808"],
    },
    Kind {
        column: "bigint",
        reading: ", unit = \"us\"",
        second: "(31536000 + n)::bigint * 1000000 + 7",
        now: "1800000000000000",
        odd: &["0", "9223372036854775807"],
    },
];

/// A table in the order of its triggers: those of these seconds, and three thousand that are not due.
fn table(kind: &Kind, due: &str) -> (World, Database<Postgres>) {
    let database = Database::<Postgres>::new();
    let Kind { column, reading, second, now, odd } = kind;
    let odd: Vec<String> = (1..).zip(*odd).map(|(id, value)| format!("(-{id}, {value})")).collect();
    database.sql(&format!(
        "CREATE TABLE account (id bigint PRIMARY KEY, deleted_at {column}); \
         CREATE INDEX account_deleted_at ON account (deleted_at); \
         INSERT INTO account SELECT row_number() OVER (ORDER BY n), {second} FROM ({due}) AS due (n) ORDER BY n; \
         INSERT INTO account SELECT 100000 + n, {now} FROM generate_series(1, 3000) AS n; \
         INSERT INTO account VALUES {}, (-100, NULL); ANALYZE account",
        odd.join(", ")
    ));
    let trigger = format!("{{ column = \"deleted_at\"{reading}, pending = [\"null\", \"future\"] }}");
    let world = World::on(&database.datastore("postgres"), &rules(&trigger, ""));
    world.configure("[defaults]\n", "[defaults]\nbatch = 40\n");
    (world, database)
}

fn is_measured(world: &World) {
    let plan = world.ran(&["plan"], 0).stdout;
    assert!(plan.contains("goes: by ranges of the trigger's index, measured\n"), "{plan}");
}

fn left(database: &Database<Postgres>) -> BTreeSet<String> {
    database.texts("SELECT id FROM account WHERE id BETWEEN 1 AND 100000").into_iter().collect()
}

/// The records of the largest batch.
fn largest(world: &World) -> u64 {
    let batches = world.entries("batch.committed");
    batches.iter().filter_map(|entry| entry["parts"][0]["n"].as_u64()).max().unwrap_or(0)
}

/// Dense, sparse, nothing for half a year, and dense again, so that no stretch foretells the next.
const UNEVEN: &str = "SELECT generate_series(1, 4000) UNION ALL SELECT 10000 + 1000 * generate_series(1, 1000) \
     UNION ALL SELECT 20000000 + generate_series(1, 4000)";

#[test]
fn exactly_what_is_due_goes_whatever_kind_its_trigger_is_of() {
    for kind in KINDS {
        let (world, database) = table(&kind, UNEVEN);
        is_measured(&world);
        let ran = world.run(&SWEEP);
        let said = ran.rule();
        let numbers = ["disposed", "remaining"].map(|of| said[of].as_u64());
        assert_eq!((ran.code, numbers), (0, [Some(9_000), Some(0)]), "{}: {}", kind.column, ran.text());
        assert!(left(&database).is_empty());
        let stayed = 3_000 + kind.odd.len() + 1;
        assert_eq!(database.texts("SELECT count(*) FROM account"), [stayed.to_string()]);
        assert_eq!(world.records("batch.committed"), 9_000);
        let largest = largest(&world);
        assert!(
            largest <= 600,
            "a batch that grows to ten times 40, and may hold half as many again, took {largest}"
        );
        world.ran(&["ledger", "verify"], 0);
    }
}

/// No stretch of a line is shorter than one moment.
#[test]
fn more_records_at_one_moment_than_a_batch_takes_are_listed_and_those_behind_them_are_not() {
    let due = "SELECT generate_series(1, 4000) UNION ALL SELECT 4000 FROM generate_series(1, 2000) \
         UNION ALL SELECT generate_series(4001, 5000)";
    let (world, database) = table(&KINDS[0], due);
    is_measured(&world);
    let ran = world.run(&SWEEP);
    assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(7_000)), "{}", ran.text());
    assert!(left(&database).is_empty());
    assert_eq!(world.records("batch.committed"), 7_000);
    world.ran(&["ledger", "verify"], 0);
}

/// An index from the newest to the oldest over a table in that order, and hardly any that has a trigger at all: exactly what is due goes,
/// and where there is a pace, no batch is larger than it may be.
#[test]
fn whatever_the_table_is_like_exactly_what_is_due_goes() {
    let reversed = "DROP INDEX account_deleted_at; CREATE INDEX ON account (deleted_at DESC); CREATE TABLE turned AS SELECT * FROM account; \
         TRUNCATE account; INSERT INTO account SELECT * FROM turned ORDER BY deleted_at DESC";
    let living = "INSERT INTO account SELECT 200000 + n, NULL FROM generate_series(1, 400000) AS n";
    for change in [reversed, living] {
        let (world, database) = table(&KINDS[0], UNEVEN);
        database.sql(&format!("{change}; ANALYZE account"));
        world.configure("\"unlimited\"", "1000000");
        is_measured(&world);
        let ran = world.run(&SWEEP);
        assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(9_000)), "{change}: {}", ran.text());
        assert!(left(&database).is_empty());
        assert_eq!(world.records("batch.committed"), 9_000);
        let largest = largest(&world);
        assert!(largest <= 40, "{change}: at a pace, a batch of 40 took {largest}");
        world.ran(&["ledger", "verify"], 0);
    }
}

/// Rows that statements have come to by following the trigger's index from one to the next. A map of an index's pages follows nothing.
fn followed(database: &Database<Postgres>) -> u64 {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // What a session has done is in the statistics when it has ended.
    poll("the sweep's sessions to end", || (database.texts(others) == ["0"]).then_some(()));
    let of = "SELECT idx_tup_fetch FROM pg_stat_user_indexes WHERE indexrelname = 'account_deleted_at'";
    database.texts(of)[0].parse().unwrap()
}

/// A trigger of the application's, or what a rule adds, would be planned without the index too; and an index of another kind would be taken for
/// it, whatever it costs.
#[test]
fn each_page_is_read_once_where_nothing_else_is_planned_so() {
    let pointed = "CREATE TABLE note (account bigint REFERENCES account); CREATE INDEX ON note (account); \
         CREATE TABLE site (id bigint PRIMARY KEY); ALTER TABLE account ADD site bigint REFERENCES site";
    let triggered = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
         CREATE TRIGGER nothing BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION nothing()";
    let ruled = "CREATE RULE nothing AS ON DELETE TO account DO ALSO NOTHING";
    let coarse = "CREATE INDEX ON account USING brin (deleted_at)";
    for (change, once) in
        [("SELECT 1", true), (pointed, true), (triggered, false), (ruled, false), (coarse, false)]
    {
        let (world, database) = table(&KINDS[0], "SELECT generate_series(1, 4000)");
        database.sql(change);
        // What is counted is told by the index alone.
        database.sql("VACUUM account");
        is_measured(&world);
        let before = followed(&database);
        let ran = world.run(&SWEEP);
        assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(4_000)), "{change}: {}", ran.text());
        assert!(left(&database).is_empty());
        // To read them and to delete them.
        let followed = followed(&database) - before;
        assert_eq!(followed < 4_000, once, "{change}: {followed}");
        assert!(once || followed >= 8_000, "{change}: {followed}");
        world.ran(&["ledger", "verify"], 0);
    }
}

/// Days are told apart, and stand on no line that could be measured: an index on them would be counted off, record by record.
#[test]
fn much_that_is_due_by_dates_goes_by_the_pages() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY, deleted_at date); CREATE INDEX account_deleted_at ON account (deleted_at); \
         INSERT INTO account SELECT n, date '1971-01-01' + (n / 20)::int FROM generate_series(1, 9000) AS n; ANALYZE account",
    );
    let world = World::on(&database.datastore("postgres"), &rules(r#"{ column = "deleted_at" }"#, ""));
    let plan = world.ran(&["plan"], 0).stdout;
    assert!(plan.contains("goes: by ranges of the table's pages\n"), "{plan}");
    assert_eq!(world.ran(&SWEEP, 0).rule()["disposed"].as_u64(), Some(9_000));
    assert!(left(&database).is_empty());
}

#[test]
fn what_is_of_others_held_or_done_already_stays_where_it_is() {
    let (world, database) = table(&KINDS[0], UNEVEN);
    database.sql(
        "ALTER TABLE account ADD site int; ALTER TABLE account ADD name text; ALTER TABLE account ADD done_at timestamptz; \
         UPDATE account SET site = id % 2, name = 'somebody'; CLUSTER account USING account_deleted_at; ANALYZE account",
    );
    let text = rules(
        r#"{ column = "deleted_at", pending = ["null", "future"] }"#,
        "subject = \"id\"\non_erasure = \"dispose\"\nonly = { site = 1 }\n",
    );
    let pseudonymize = "action = \"pseudonymize\"\ncolumns = { name = \"null\" }\nmark = \"done_at\"";
    world.rules(&text.replace("action = \"delete\"", pseudonymize));
    is_measured(&world);
    for subject in ["1", "4001", "8999"] {
        world.ran(&["hold", "place", "site", "--subject", subject, "--reference", "C-1"], 0);
    }
    let ran = world.run(&SWEEP);
    assert_eq!(ran.rule()["disposed"].as_u64(), Some(4_497), "{}", ran.text());
    let named = |and: &str| {
        let named = "SELECT count(*) FROM account WHERE name IS NOT NULL AND id BETWEEN 1 AND 9000";
        database.texts(&format!("{named}{and}"))
    };
    assert_eq!((named(""), named(" AND site = 1")), (vec!["4503".to_owned()], vec!["3".to_owned()]));
    // What is done is past the cut-off still.
    assert_eq!(world.run(&SWEEP).rule()["disposed"].as_u64(), Some(0));
    world.ran(&["ledger", "verify"], 0);
}

/// The stretch with the lock is gone through record by record, and to its end; those behind it go as before.
#[test]
fn a_lock_in_one_stretch_stops_none_of_those_behind_it() {
    let (world, database) = table(&KINDS[0], "SELECT generate_series(1, 4000)");
    is_measured(&world);
    let mut application = database.begin();
    application.texts("SELECT id FROM account WHERE id = 1234 FOR UPDATE");
    let ran = world.run(&SWEEP);
    let said = ran.rule();
    let numbers = ["disposed", "remaining", "locked"].map(|of| said[of].as_u64());
    assert_eq!((ran.code, numbers), (1, [Some(3_999), Some(1), Some(1)]), "{}", ran.text());
    assert_eq!(left(&database), BTreeSet::from(["1234".to_owned()]));
    application.rollback();
    assert_eq!(world.ran(&SWEEP, 0).rule()["disposed"], 1);
    assert_eq!(world.records("batch.committed"), 4_000);
    world.ran(&["ledger", "verify"], 0);
}

/// Read in a snapshot before, and un-deleted or changed before it goes.
#[test]
fn what_changes_between_the_look_and_the_deletion_is_looked_at_again() {
    let (world, database) = table(&KINDS[0], "SELECT generate_series(1, 4000)");
    is_measured(&world);
    let ran = world.run_paused("selected.after:1", &SWEEP, || {
        database.sql("UPDATE account SET deleted_at = NULL WHERE id % 10 = 0 AND id > 0 AND id <= 4000");
        database.sql("UPDATE account SET deleted_at = deleted_at + interval '1 second' WHERE id % 10 = 1 AND id > 0 AND id <= 4000");
    });
    assert_eq!(ran.code, 0, "{}", ran.text());
    let there = "SELECT count(*) FROM account WHERE id BETWEEN 1 AND 4000";
    assert_eq!(database.texts(there), ["400"]);
    assert_eq!(database.texts(&format!("{there} AND deleted_at IS NULL")), ["400"]);
    assert_eq!(world.records("batch.committed"), 3_600);
    world.ran(&["ledger", "verify"], 0);
}

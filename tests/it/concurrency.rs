//! What the application does meanwhile, on a server: nothing goes that is not due when the deciding statement runs, nobody waits for
//! anybody, and two sweeps prove nothing twice.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::on_servers;
use crate::servers::{Database, Engine};
use crate::world::World;

/// A database, and a world that sweeps it.
struct Served<E: Engine> {
    world: World,
    database: Database<E>,
}

/// One rule on `account`, due after 50 years and without dependents.
const PLAIN: &str = "";

/// The same, while no unpaid invoice is there.
const UNLESS_UNPAID: &str =
    "unless = { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = 0 } }\n";

/// Naive, since MariaDB's `timestamp` ends in 2038; `account` with an index on its trigger, `invoice` and `license` with foreign keys.
const SCHEMA: &str = "CREATE TABLE account (id bigint NOT NULL PRIMARY KEY, deleted_at timestamp(6) NULL); \
     CREATE INDEX account_deleted_at ON account (deleted_at); \
     CREATE TABLE invoice (id bigint NOT NULL PRIMARY KEY, account_id bigint NOT NULL, paid int NOT NULL, \
       FOREIGN KEY (account_id) REFERENCES account (id)); \
     CREATE INDEX invoice_account ON invoice (account_id); \
     CREATE TABLE license (id bigint NOT NULL PRIMARY KEY, account_id bigint NOT NULL, expires_at timestamp(6) NULL, \
       FOREIGN KEY (account_id) REFERENCES account (id)); \
     CREATE INDEX license_account ON license (account_id)";

const DELETED_AT: &str = r#"{ column = "deleted_at", time_zone = "Etc/UTC", pending = ["null"] }"#;

impl<E: Engine> Served<E> {
    fn new(trigger: &str, rest: &str) -> Self {
        let database = Database::<E>::new();
        // What MariaDB calls `datetime` has no zone and no end.
        let schema = if E::SCHEME == "mariadb" {
            SCHEMA.replace("timestamp(6)", "datetime(6)")
        } else {
            SCHEMA.to_owned()
        };
        database.sql(&schema);
        let world = Self::over(&database, trigger, rest);
        Self { world, database }
    }

    /// A world of its own over a database: another daemon, with another ledger.
    fn over(database: &Database<E>, trigger: &str, rest: &str) -> World {
        World::on(&database.datastore(E::ADMINISTRATOR), &crate::world::rules(trigger, rest))
    }

    fn accounts(&self, ids: impl IntoIterator<Item = u32>) {
        let rows: Vec<String> = ids.into_iter().map(|id| format!("({id}, '1971-01-01 00:00:00')")).collect();
        self.database.sql(&format!("INSERT INTO account VALUES {}", rows.join(", ")));
    }

    /// Living accounts with an invoice each, enough for the engine to find a row by its index and not by reading the table.
    fn living(&self) {
        let ids = 1_000..2_000;
        let accounts: Vec<String> = ids.clone().map(|id| format!("({id}, NULL)")).collect();
        let invoices: Vec<String> = ids.map(|id| format!("({id}, {id}, 1)")).collect();
        self.database.sql(&format!("INSERT INTO account VALUES {}", accounts.join(", ")));
        self.database.sql(&format!("INSERT INTO invoice VALUES {}", invoices.join(", ")));
        for table in ["account", "invoice"] {
            let analyze = if E::SCHEME == "mariadb" { "ANALYZE TABLE" } else { "ANALYZE" };
            self.database.texts(&format!("{analyze} {table}"));
        }
    }

    fn left(&self) -> BTreeSet<String> {
        self.database.texts("SELECT id FROM account WHERE deleted_at IS NOT NULL").into_iter().collect()
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

const SWEEP: [&str; 3] = ["sweep", "--format", "json"];

on_servers!(
    a_record_un_deleted_after_it_was_selected_stays_or_could_not_be_un_deleted,
    a_row_that_keeps_a_record_and_comes_before_the_deciding_statement_keeps_it,
    a_row_that_keeps_a_record_and_is_in_flight_keeps_it,
    a_renewal_before_the_deciding_statement_keeps_the_record,
    what_the_application_has_locked_is_passed_over_and_said,
    a_lock_in_one_of_many_batches_stops_none_of_those_behind_it,
    what_is_locked_is_told_from_what_is_held_refused_and_pseudonymized,
    what_was_locked_and_is_gone_at_the_end_is_not_said,
    a_dependent_that_the_application_has_locked_keeps_its_record_and_no_other,
    a_lock_that_is_given_back_soon_is_waited_for,
    two_sweeps_at_once_dispose_of_each_record_once_and_prove_it_once,
    what_an_order_undoes_leaves_no_row_locked,
    an_order_between_the_batches_of_several_connections_stops_none_of_them,
    a_pause_between_the_batches_of_several_connections_stops_all_of_them,
    pages_that_hold_nothing_due_stop_none_of_several_connections,
    a_record_that_is_left_is_said_although_as_many_went_as_there_were,
);

fn a_record_un_deleted_after_it_was_selected_stays_or_could_not_be_un_deleted<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.accounts(1..=3);
    let mut done = false;
    let ran = served.world.run_paused("selected.after:1", &SWEEP, || {
        done = served.database.try_sql("UPDATE account SET deleted_at = NULL WHERE id = 2");
    });
    assert_eq!(ran.code, 0, "{}", ran.text());
    let stayed = u64::from(done);
    assert_eq!(served.database.texts("SELECT count(*) FROM account WHERE id = 2"), [stayed.to_string()]);
    assert_eq!((served.left(), served.world.records("batch.committed")), (set(&[]), 3 - stayed));
}

fn a_row_that_keeps_a_record_and_comes_before_the_deciding_statement_keeps_it<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, UNLESS_UNPAID);
    served.accounts(1..=3);
    // Nobody has locked the record yet: the sweep has only counted.
    let ran = served.world.run_paused("prepare.before:1", &SWEEP, || {
        served.database.sql("INSERT INTO invoice VALUES (1, 2, 0)");
    });
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!((served.left(), served.world.records("batch.committed")), (set(&["2"]), 2));
    served.world.ran(&["ledger", "verify"], 0);
}

fn a_row_that_keeps_a_record_and_is_in_flight_keeps_it<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, UNLESS_UNPAID);
    served.accounts(1..=3);
    served.living();
    // The foreign key holds the record until the application knows what it wants.
    let mut application = served.database.begin();
    application.sql("INSERT INTO invoice VALUES (1, 2, 0)");
    let ran = served.world.run(&SWEEP);
    application.commit();
    let said = ran.rule();
    assert_eq!((served.left(), served.world.records("batch.committed")), (set(&["2"]), 2), "{said}");
    // It was past due when the sweep counted what it left, since nobody else sees what is in flight.
    assert_eq!((ran.code, &said["remaining"]), (1, &Json::from(1)), "{said}");
    assert_eq!(served.world.ran(&SWEEP, 0).rule()["remaining"], 0);
}

fn a_renewal_before_the_deciding_statement_keeps_the_record<E: Engine>() {
    let trigger = r#"{ table = "license", match = { account_id = "id" }, column = "expires_at", pick = "latest", time_zone = "Etc/UTC" }"#;
    let dependent = "[[rule.dependent]]\nid = \"licenses\"\nclass = \"license\"\ntable = \"license\"\n\
         match = { account_id = \"id\" }\naction = \"delete\"\n";
    let served = Served::<E>::new(trigger, dependent);
    served.accounts(1..=3);
    served.database.sql("INSERT INTO license SELECT id, id, '1971-01-01 00:00:00' FROM account");
    let mut done = false;
    let ran = served.world.run_paused("selected.after:1", &SWEEP, || {
        done = served.database.try_sql("INSERT INTO license VALUES (20, 2, '2020-01-01 00:00:00')");
    });
    let said = ran.rule();
    if done {
        assert_eq!((served.left(), &said["disposed"]), (set(&["2"]), &Json::from(2)), "{said}");
        assert_eq!(served.database.texts("SELECT count(*) FROM license WHERE account_id = 2"), ["2"]);
    } else {
        assert_eq!(
            (ran.code, served.left()),
            (0, set(&[])),
            "the lock on the record kept the renewal out: {said}"
        );
    }
    served.world.ran(&["ledger", "verify"], 0);
}

fn what_the_application_has_locked_is_passed_over_and_said<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.accounts(1..=5);
    served.living();
    let mut application = served.database.begin();
    for id in [2, 4] {
        application.texts(&format!("SELECT id FROM account WHERE id = {id} FOR UPDATE"));
    }
    let ran = served.world.run(&SWEEP);
    let said = ran.rule();
    assert_eq!(served.left(), set(&["2", "4"]), "{}", ran.text());
    let numbers = |said: &Json| ["disposed", "remaining", "locked", "refused"].map(|of| said[of].as_u64());
    assert_eq!((ran.code, numbers(&said)), (1, [Some(3), Some(2), Some(2), Some(0)]), "{said}");
    let told = served.world.ran(&["sweep"], 1);
    let line = "site/account: 2 records were locked by somebody else: the next sweep takes them\n";
    assert!(told.stdout.contains(line), "{}", told.text());
    for residue in served.world.entries("residue") {
        assert_eq!(
            (&residue["remaining"], &residue["locked"]),
            (&Json::from(2), &Json::from(2)),
            "{residue}"
        );
    }
    application.rollback();
    assert_eq!(served.world.ran(&SWEEP, 0).rule()["disposed"], 2);
    assert_eq!(served.world.records("batch.committed"), 5);
}

/// Batches of a page each: the second stumbles, and those behind it go as the first did.
fn a_lock_in_one_of_many_batches_stops_none_of_those_behind_it<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
    served.accounts(1..=900);
    let analyze = if E::SCHEME == "mariadb" { "ANALYZE TABLE" } else { "ANALYZE" };
    served.database.texts(&format!("{analyze} account"));
    let mut application = served.database.begin();
    application.texts("SELECT id FROM account WHERE id = 250 FOR UPDATE");
    let ran = served.world.run(&SWEEP);
    assert_eq!((ran.code, served.left()), (1, set(&["250"])), "{}", ran.text());
    assert_eq!(served.world.records("batch.committed"), 899);
    application.rollback();
    assert_eq!(served.world.ran(&SWEEP, 0).rule()["disposed"], 1);
    assert_eq!(
        served.database.texts("SELECT count(*) FROM expunged_marker WHERE name LIKE 'batch:%'"),
        ["0"]
    );
}

fn what_is_locked_is_told_from_what_is_held_refused_and_pseudonymized<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.living();
    let text = crate::world::rules(DELETED_AT, "subject = \"id\"\non_erasure = \"dispose\"\n");
    let pseudonymize = "action = \"pseudonymize\"\ncolumns = { name = \"random\" }\nmark = \"done_at\"";
    served.world.rules(&text.replace("action = \"delete\"", pseudonymize));
    served.database.sql(
        "ALTER TABLE account ADD name varchar(40); ALTER TABLE account ADD done_at timestamp NULL; \
         ALTER TABLE account ADD CHECK (id <> 3 OR name = 'kept')",
    );
    served.database.sql(
        "INSERT INTO account (id, deleted_at, name) SELECT n, '1971-01-01 00:00:00', 'kept' FROM \
         (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) AS t",
    );
    served.world.ran(&["hold", "place", "site", "--subject", "1", "--reference", "C-1"], 0);
    let mut application = served.database.begin();
    for id in [2, 5] {
        application.texts(&format!("SELECT id FROM account WHERE id = {id} FOR UPDATE"));
    }
    let ran = served.world.run(&SWEEP);
    let said = ran.rule();
    let numbers = ["disposed", "remaining", "locked", "refused"].map(|of| said[of].as_u64());
    assert_eq!((ran.code, numbers), (1, [Some(2), Some(4), Some(2), Some(1)]), "{}", ran.text());
    let residue = served.world.entries("residue").remove(0);
    assert_eq!((&residue["held"], &residue["locked"]), (&Json::from(1), &Json::from(2)), "{residue}");
    application.rollback();
    let said = served.world.ran(&SWEEP, 1).rule();
    assert_eq!((&said["disposed"], &said["locked"]), (&Json::from(2), &Json::from(0)), "{said}");
    served.world.ran(&["ledger", "verify"], 0);
}

fn what_was_locked_and_is_gone_at_the_end_is_not_said<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.accounts(1..=3);
    served.living();
    let mut application = served.database.begin();
    application.sql("UPDATE account SET deleted_at = NULL WHERE id = 2");
    // The walk is over, and what it left is not counted yet.
    let ran = served.world.run_paused("seal.after:1", &SWEEP, || application.commit());
    let said = ran.rule();
    assert_eq!((ran.code, &said["disposed"]), (0, &Json::from(2)), "{}", ran.text());
    assert_eq!((&said["remaining"], &said["locked"]), (&Json::from(0), &Json::from(0)), "{said}");
}

const INVOICES: &str = "[[rule.dependent]]\nid = \"invoices\"\nclass = \"invoice\"\ntable = \"invoice\"\n\
     match = { account_id = \"id\" }\naction = \"delete\"\n\
     [[rule.dependent]]\nid = \"licenses\"\nclass = \"license\"\ntable = \"license\"\n\
     match = { account_id = \"id\" }\naction = \"delete\"\n";

fn a_dependent_that_the_application_has_locked_keeps_its_record_and_no_other<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, INVOICES);
    served.accounts(1..=5);
    served.database.sql("INSERT INTO invoice SELECT id, id, 1 FROM account");
    served.living();
    let mut application = served.database.begin();
    application.texts("SELECT id FROM invoice WHERE id = 3 FOR UPDATE");
    let ran = served.world.run(&SWEEP);
    let said = ran.rule();
    assert_eq!(served.left(), set(&["3"]), "{}", ran.text());
    assert_eq!(
        (ran.code, &said["disposed"], &said["locked"], &said["refused"]),
        (1, &Json::from(4), &Json::from(1), &Json::from(0)),
        "{said}"
    );
    application.rollback();
    assert_eq!(served.world.ran(&SWEEP, 0).rule()["disposed"], 1);
    assert_eq!(served.database.texts("SELECT count(*) FROM invoice WHERE id < 1000"), ["0"]);
}

fn a_lock_that_is_given_back_soon_is_waited_for<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, INVOICES);
    served.accounts(1..=1);
    served.database.sql("INSERT INTO invoice VALUES (1, 1, 1)");
    let mut application = served.database.begin();
    application.texts("SELECT id FROM invoice WHERE id = 1 FOR UPDATE");
    // The first try meets the lock, the second does not.
    let ran = served.world.run_paused("prepare.before:2", &SWEEP, || application.rollback());
    assert_eq!((ran.code, served.left()), (0, set(&[])), "{}", ran.text());
}

fn two_sweeps_at_once_dispose_of_each_record_once_and_prove_it_once<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.accounts(1..=2_000);
    let other = Served::over(&served.database, DELETED_AT, PLAIN);
    for world in [&served.world, &other] {
        world.configure("= \"unlimited\"", "= 1000000\nbatch = 100");
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(|| served.world.run(&SWEEP));
        let second = scope.spawn(|| other.run(&SWEEP));
        for ran in [first.join().unwrap(), second.join().unwrap()] {
            assert!([0, 1].contains(&ran.code), "{}", ran.text());
        }
    });
    served.world.run(&SWEEP);
    assert_eq!(served.left(), set(&[]));
    assert_eq!(served.world.records("batch.committed") + other.records("batch.committed"), 2_000);
    for world in [&served.world, &other] {
        world.ran(&["ledger", "verify"], 0);
    }
}

/// As where two sweeps begin at once on a datastore that has no marker yet: PostgreSQL may say of its table that a *type* is there already.
#[test]
fn a_marker_table_that_somebody_else_makes_at_the_same_moment_is_used() {
    let served = Served::<crate::servers::postgres::Postgres>::new(DELETED_AT, PLAIN);
    served.accounts(1..=3);
    let made = "CREATE TABLE expunged_marker (name TEXT PRIMARY KEY, value TEXT NOT NULL); \
         CREATE FUNCTION there() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE SQLSTATE ''42710''; END'; \
         CREATE EVENT TRIGGER there ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION there()";
    let ran = served.world.run_paused("marker-table.before:1", &SWEEP, || served.database.sql(made));
    assert_eq!((ran.code, served.left()), (0, set(&[])), "{}", ran.text());
    served.world.ran(&["ledger", "verify"], 0);
}

/// Batches of a page each, one after another or several at once: of a batch that is only dropped, the driver keeps the locks until it uses
/// the connection again.
fn what_an_order_undoes_leaves_no_row_locked<E: Engine>() {
    for pace in ["1000000", "\"unlimited\""] {
        let served = Served::<E>::new(DELETED_AT, "subject = \"id\"\non_erasure = \"dispose\"\n");
        served.world.configure("\"unlimited\"", pace);
        served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
        served.accounts(1..=900);
        let ran = served.world.run_paused_at(&["intent.before:1", "undone"], &SWEEP, |point| {
            if point == "intent.before:1" {
                let hold = ["hold", "place", "site", "--subject", "900", "--reference", "C-1", "--wait", "0"];
                served.world.ran(&hold, 0);
            } else {
                assert!(served.database.try_sql("SELECT id FROM account FOR UPDATE"), "{pace}");
            }
        });
        assert_eq!((ran.code, served.left()), (1, set(&["900"])), "{}", ran.text());
        served.world.ran(&["ledger", "verify"], 0);
    }
}

/// Which batches a connection has committed, and whose marker it takes along, is its own business: where two knew of one marker, the second
/// to forget it failed.
fn an_order_between_the_batches_of_several_connections_stops_none_of_them<E: Engine>() {
    for point in ["commit.after:1", "commit.after:2", "commit.after:3"] {
        let served = Served::<E>::new(DELETED_AT, "subject = \"id\"\non_erasure = \"dispose\"\n");
        served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
        served.accounts(1..=2_000);
        let ran = served.world.run_paused(point, &SWEEP, || {
            let hold = ["hold", "place", "site", "--subject", "2000", "--reference", "C-1", "--wait", "0"];
            // Of the batch that has just been committed the ledger does not say so yet.
            served.world.ran(&hold, 1);
        });
        assert_eq!((ran.code, served.left()), (1, set(&["2000"])), "{point}: {}", ran.text());
        assert_eq!(served.world.records("batch.committed"), 1_999);
        served.world.ran(&["ledger", "verify"], 0);
    }
}

/// Batches that are made ahead ask for no orders; their intents do.
fn a_pause_between_the_batches_of_several_connections_stops_all_of_them<E: Engine>() {
    for point in ["commit.after:1", "commit.after:2", "commit.after:3"] {
        let served = Served::<E>::new(DELETED_AT, PLAIN);
        served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
        served.accounts(1..=2_000);
        let ran = served.world.run_paused(point, &SWEEP, || {
            served.world.ran(&["pause"], 0);
        });
        let went = served.world.records("batch.committed");
        assert_eq!(ran.rule()["result"], "stopped", "{point}: {}", ran.text());
        assert_eq!(Some(served.left().len() as u64), 2_000_u64.checked_sub(went), "{point}: {}", ran.text());
        // As many as there were at the pause, and none that was made ahead.
        assert_eq!(served.world.entries("batch.committed").len().to_string(), point[point.len() - 1..]);
        served.world.ran(&["resume"], 0);
        served.world.ran(&["sweep"], 0);
        assert_eq!((served.left(), served.world.records("batch.committed")), (set(&[]), 2_000));
        served.world.ran(&["ledger", "verify"], 0);
    }
}

/// The pages before them held none, so that many are set apart at once, for one connection.
#[test]
fn pages_that_hold_far_more_than_they_seemed_to_are_gone_through_to_the_end() {
    let served = Served::<crate::servers::postgres::Postgres>::new(DELETED_AT, PLAIN);
    served.world.configure("[defaults]\n", "[defaults]\nbatch = 400\n");
    served.database.sql("INSERT INTO account SELECT i, NULL FROM generate_series(10001, 30000) AS i");
    served.accounts(1..=8_000);
    let ran = served.world.run(&SWEEP);
    assert_eq!((ran.code, served.world.records("batch.committed")), (0, 8_000), "{}", ran.text());
    assert_eq!(served.left(), set(&[]));
    // Each is held for no longer than its own batch.
    assert!(ran.rule()["longest_batch_seconds"].as_f64().is_some_and(|longest| longest > 0.0));
    let largest = served.world.entries("batch.committed").iter().map(|e| e["parts"][0]["n"].as_u64()).max();
    assert!(largest.flatten().is_some_and(|n| n <= 8_000 / 4), "{largest:?}");
    served.world.ran(&["ledger", "verify"], 0);
}

fn pages_that_hold_nothing_due_stop_none_of_several_connections<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
    served.accounts(1..=600);
    served.living();
    served.accounts(2_001..=2_600);
    let ran = served.world.run(&SWEEP);
    assert_eq!((ran.code, served.world.records("batch.committed")), (0, 1_200), "{}", ran.text());
    served.world.ran(&["ledger", "verify"], 0);
}

/// Read no further than a batch is to hold, a page would have to be looked at record by record.
#[test]
fn a_page_that_holds_far_more_than_a_batch_goes_at_once() {
    let served = Served::<crate::servers::postgres::Postgres>::new(DELETED_AT, PLAIN);
    served.world.configure("[defaults]\n", "[defaults]\nbatch = 1\n");
    served.accounts(1..=900);
    let ran = served.world.run(&SWEEP);
    assert_eq!((ran.code, served.world.records("batch.committed")), (0, 900), "{}", ran.text());
    let batches = served.world.entries("batch.committed").len();
    assert!(batches < 20, "{batches} batches");
}

/// As many go as were counted before: one more has come, and one is left.
fn a_record_that_is_left_is_said_although_as_many_went_as_there_were<E: Engine>() {
    let served = Served::<E>::new(DELETED_AT, PLAIN);
    served.world.configure("[defaults]\n", "[defaults]\nbatch = 20\n");
    served.accounts(1..=900);
    let mut application = served.database.begin();
    application.texts("SELECT id FROM account WHERE id = 450 FOR UPDATE");
    let ran = served.world.run_paused("commit.after:1", &SWEEP, || served.accounts(901..=901));
    let said = ran.rule();
    let numbers = ["disposed", "remaining", "locked"].map(|of| said[of].as_u64());
    assert_eq!((ran.code, numbers), (1, [Some(900), Some(1), Some(1)]), "{}", ran.text());
    application.rollback();
    assert_eq!(served.left(), set(&["450"]));
}

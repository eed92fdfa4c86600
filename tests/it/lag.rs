//! A sweep waits for the replicas of its datastore, and says so where nobody can tell how far they are.

use serde_json::Value as Json;

use crate::servers::{mariadb, poll, postgres};
use crate::world::{DELETED_AT, World, rules};

const TABLE: &str = "CREATE TABLE account (id integer PRIMARY KEY, deleted_at DATETIME_TYPE NULL)";
const ROWS: &str =
    "INSERT INTO account VALUES (1, '1971-01-01 00:00:00'), (2, '1971-01-01 00:00:00'), (3, NULL)";

fn table(ty: &str) -> String {
    TABLE.replace("DATETIME_TYPE", ty)
}

fn world(datastore: &str) -> World {
    let world = World::on(datastore, &rules(DELETED_AT, ""));
    world.configure(
        "rows_per_second = \"unlimited\"",
        "rows_per_second = \"unlimited\"\nrun_cap = \"2 seconds\"",
    );
    world
}

fn patient(world: &World) {
    world.configure("run_cap = \"2 seconds\"", "run_cap = \"2 minutes\"");
}

fn sweep(world: &World, code: i32) -> Json {
    world.ran(&["sweep", "--format", "json"], code).rule()
}

#[test]
fn a_sweep_waits_in_no_transaction_until_a_replica_of_postgres_keeps_up() {
    let primary = postgres::Private::start();
    let replica = primary.replica("1h");
    let database = primary.database();
    database.sql(&format!("{}; {ROWS}", table("timestamptz")));
    let role = database.role(
        "GRANT SELECT, UPDATE, DELETE ON account TO {role}; GRANT CREATE ON SCHEMA public TO {role}; GRANT pg_monitor TO {role}",
    );
    let count =
        |query: &str| database.texts(&format!("SELECT count(*) FROM {query}"))[0].parse::<u64>().unwrap();
    let there = |what: &str, query: &str| poll(what, || (count(query) > 0).then_some(()));
    let world = world(&format!(
        "kind = \"postgres\"\nurl = \"{}\"\npause_on_replica_lag = \"1 second\"\n",
        database.url(&role)
    ));
    there("the replica to be behind", "pg_stat_replication WHERE replay_lag > interval '1 second'");
    // Not before the run cap.
    let stopped = sweep(&world, 1);
    assert_eq!((&stopped["result"], &stopped["remaining"]), (&"stopped".into(), &2.into()), "{stopped}");
    let closed = stopped["closed"].as_str().unwrap();
    assert!(closed.starts_with("replica `walreceiver at 127.0.0.1` is "), "{closed}");
    assert!(closed.ends_with(" s behind, of datastore `site`; at most 1 second are allowed"), "{closed}");
    assert!(world.entries("batch.intent").is_empty());
    patient(&world);
    let ran = std::thread::scope(|scope| {
        let program = scope.spawn(|| world.run(&["sweep", "--format", "json"]));
        let asking =
            format!("pg_stat_activity WHERE usename = '{role}' AND query LIKE '%pg_stat_replication%'");
        there("the sweep to ask", &asking);
        let open = format!(
            "pg_stat_activity WHERE usename = '{role}' AND xact_start IS NOT NULL AND query NOT LIKE '%pg_stat_replication%'"
        );
        assert_eq!((count(&open), count("account")), (0, 3));
        let mut session = replica.session();
        session.sql("ALTER SYSTEM SET recovery_min_apply_delay = 0");
        session.sql("SELECT pg_reload_conf()");
        program.join().unwrap()
    });
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!((&ran.rule()["result"], &ran.rule()["disposed"]), (&"completed".into(), &2.into()));
    assert_eq!(database.texts("SELECT id::text FROM account"), ["3"]);
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn what_postgres_does_not_tell_of_its_replicas_is_no_keeping_up() {
    let database = postgres::Database::new();
    database.sql(&format!("{}; {ROWS}", table("timestamptz")));
    let role = database
        .role("GRANT SELECT, UPDATE, DELETE ON account TO {role}; GRANT CREATE ON SCHEMA public TO {role}");
    let world = world(&format!(
        "kind = \"postgres\"\nurl = \"{}\"\npause_on_replica_lag = \"1 second\"\n",
        database.url(&role)
    ));
    let said = world.ran(&["sweep"], 77).stderr;
    assert!(
        said.contains("how far replication is behind: the account may not ask: grant it `pg_monitor`"),
        "{said}"
    );
    database.sql(&format!("GRANT pg_monitor TO {role}"));
    let said = world.ran(&["sweep"], 69).stderr;
    assert!(said.contains("how far replication is behind: no replica is connected"), "{said}");
    assert_eq!(database.texts("SELECT count(*)::text FROM account"), ["3"]);
    assert!(world.entries("batch.intent").is_empty());
}

#[test]
fn a_sweep_waits_until_a_replica_of_mariadb_keeps_up_and_fails_where_it_does_not_replicate() {
    let primary = mariadb::Private::start_set(&["--log-bin".to_owned(), "--server-id=1".to_owned()]);
    let replica = mariadb::Private::start_set(&["--server-id=2".to_owned()]);
    let database = primary.database();
    database.sql(&table("datetime(6)"));
    let mut session = replica.session();
    session.sql(&format!(
        "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'root', master_use_gtid = slave_pos; \
         START SLAVE",
        primary.port()
    ));
    let keep_up = |session: &mut crate::servers::Session<mariadb::MariaDb>| {
        let newest = database.texts("SELECT @@gtid_binlog_pos").concat();
        assert_eq!(session.texts(&format!("SELECT master_gtid_wait('{newest}', 60)")), ["0"]);
    };
    keep_up(&mut session);
    session.sql("STOP SLAVE; CHANGE MASTER TO master_delay = 7200; START SLAVE");
    // As if it had been written an hour ago.
    database.sql(&format!("SET timestamp = UNIX_TIMESTAMP() - 3600; {ROWS}"));
    poll("the replica to be behind", || {
        let waits = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting until MASTER_DELAY%'";
        (session.texts(waits) == ["1"]).then_some(())
    });
    let url = |user: &str, port| format!("mariadb://{user}@127.0.0.1:{port}/mysql");
    let right = url("root", replica.port());
    let world = world(&format!(
        "kind = \"mariadb\"\nurl = \"{}\"\npause_on_replica_lag = \"10 seconds\"\nreplicas = [\"{right}\"]\n",
        database.url("root")
    ));
    world.rules(&rules(&DELETED_AT.replace(", pending", ", time_zone = \"Etc/UTC\", pending"), ""));
    let stopped = sweep(&world, 1);
    assert_eq!((&stopped["result"], &stopped["remaining"]), (&"stopped".into(), &2.into()), "{stopped}");
    let closed = stopped["closed"].as_str().unwrap();
    assert!(closed.starts_with(&format!("replica `127.0.0.1:{}` is 36", replica.port())), "{closed}");
    assert!(world.entries("batch.intent").is_empty());
    session.sql("STOP SLAVE; CHANGE MASTER TO master_delay = 0; START SLAVE");
    keep_up(&mut session);
    patient(&world);
    assert_eq!(sweep(&world, 0)["disposed"], 2);
    assert_eq!(database.texts("SELECT id FROM account"), ["3"]);
    // Nobody can tell any more: nothing goes.
    database.sql("INSERT INTO account VALUES (4, '1971-01-01 00:00:00')");
    let refused = |code, expected: &str| {
        let said = world.ran(&["sweep"], code).stderr;
        assert!(said.contains(&format!("how far replication is behind: {expected}")), "{said}");
        assert_eq!(database.texts("SELECT id FROM account ORDER BY id"), ["3", "4"]);
    };
    session.sql("STOP SLAVE");
    refused(69, "its replication does not run: see `SHOW REPLICA STATUS`");
    session.sql("CREATE USER nobody@'%'");
    let lowly = format!("mariadb://nobody@127.0.0.1:{}/information_schema", replica.port());
    world.configure(&right, &lowly);
    refused(77, "the account may not ask: grant it `REPLICA MONITOR`");
    let other = mariadb::Private::start();
    world.configure(&lowly, &url("root", other.port()));
    refused(78, "it replicates nothing: correct `replicas`");
}

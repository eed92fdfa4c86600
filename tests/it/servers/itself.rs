//! Whether the servers and the proxy do what other tests take for granted.

use std::net::TcpStream;
use std::process::Command;

use super::database::{Database, Session};
use super::mariadb::{self, MariaDb};
use super::postgres::{self, Postgres};
use super::private::Private;
use super::proxy::Cut;
use super::{Engine, run};

const TABLE: &str = "CREATE TABLE account (id integer PRIMARY KEY, name varchar(20)); \
                     INSERT INTO account VALUES (1, 'one'), (2, NULL)";
const NAMES: &str = "SELECT name FROM account ORDER BY id";

/// What was committed is there after a kill and a restart, and what was not is not.
fn survives_a_kill<E: Engine>(mut server: Private<E>) {
    let database = server.database();
    database.sql(TABLE);
    let mut open = database.begin();
    open.sql("INSERT INTO account VALUES (3, 'never committed')");
    server.kill();
    assert!(open.try_sql("COMMIT").is_err());
    server.restart();
    assert_eq!(database.texts(NAMES), ["one", "NULL"]);
    server.stop();
    server.restart();
    assert_eq!(database.texts(NAMES), ["one", "NULL"]);
}

#[test]
fn a_private_postgres_that_is_killed_has_what_was_committed() {
    survives_a_kill(postgres::Private::start());
}

#[test]
fn a_private_postgres_of_the_newest_version_that_is_killed_has_what_was_committed() {
    let server = postgres::Private::start_version(18, &[]);
    assert!(server.database().texts("SHOW server_version")[0].starts_with("18."));
    survives_a_kill(server);
}

#[test]
fn a_private_mariadb_that_is_killed_has_what_was_committed() {
    survives_a_kill(mariadb::Private::start());
}

/// The temporary tables of a server that runs: it dies where one is taken from it.
#[test]
fn a_private_mariadb_that_starts_leaves_other_servers_tables_alone() {
    let table = tempfile::Builder::new().prefix("#sql-temptable-").suffix(".MAI").tempfile().unwrap();
    run(Command::new("chown").arg(MariaDb::OWNER).arg(table.path()));
    drop(mariadb::Private::start());
    assert!(table.path().exists());
}

fn goes_with_the_test<E: Engine>() {
    let mut port = 0;
    let fails = std::panic::AssertUnwindSafe(|| {
        let server = Private::<E>::start();
        port = server.port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        panic!("as an assertion does");
    });
    let panic = std::panic::catch_unwind(fails).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as an assertion does"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_private_server_does_not_outlive_a_test_that_fails() {
    goes_with_the_test::<Postgres>();
    goes_with_the_test::<MariaDb>();
}

/// What the client was told about its COMMIT, what the server has, and that the connection is gone.
fn is_cut<E: Engine>() {
    let database = Database::<E>::new();
    for (cut, told, there) in
        [(Cut::BeforeCommit, false, false), (Cut::AfterCommit, false, true), (Cut::AfterAnswer, true, true)]
    {
        for nth in [1, 3] {
            database.sql("DROP TABLE IF EXISTS account; CREATE TABLE account (id integer PRIMARY KEY)");
            let proxy = database.proxy();
            let mut session = database.session_through(&proxy);
            session.sql("BEGIN; INSERT INTO account VALUES (0)");
            session.sql("COMMIT");
            proxy.cut(cut, nth);
            for number in 1..nth {
                session.sql("BEGIN");
                session.sql(&format!("INSERT INTO account VALUES ({number})"));
                session.sql("COMMIT");
            }
            assert!(!proxy.has_cut());
            session.sql("BEGIN");
            session.sql("INSERT INTO account VALUES (10)");
            let committed = session.try_sql("COMMIT");
            assert_eq!(committed.is_ok(), told, "{} {cut:?}: {committed:?}", E::NAME);
            assert!(session.try_sql("SELECT 1").is_err(), "{} {cut:?}", E::NAME);
            assert_eq!((proxy.has_cut(), proxy.commits()), (true, nth + 1));
            let found = database.texts("SELECT id FROM account WHERE id = 10");
            assert_eq!(found == ["10"], there, "{} {cut:?}: {found:?}", E::NAME);
            let before = database.texts("SELECT count(*) FROM account WHERE id < 10");
            assert_eq!(before, [nth.to_string()], "{} {cut:?}", E::NAME);
            // Whoever comes after that is let through.
            database.session_through(&proxy).sql("BEGIN; DELETE FROM account; COMMIT");
        }
    }
}

/// The client is gone, and its transaction is open on the server until the COMMIT has come, or is lost.
fn is_on_its_way<E: Engine>() {
    let database = Database::<E>::new();
    database.sql("CREATE TABLE account (id integer PRIMARY KEY)");
    for (number, arrives) in [(1, true), (2, false)] {
        let proxy = database.proxy();
        let mut session = database.session_through(&proxy);
        proxy.cut(Cut::OnItsWay, 1);
        session.sql("BEGIN");
        session.sql(&format!("INSERT INTO account VALUES ({number})"));
        assert!(session.try_sql("COMMIT").is_err());
        assert!(proxy.has_cut());
        drop(session);
        let again = format!("INSERT INTO account VALUES ({number})");
        assert!(!database.try_sql(&again), "{}: its transaction has ended", E::NAME);
        proxy.end(arrives);
        // Waits for that transaction to end.
        let mut other = database.session();
        assert_eq!(other.try_sql(&again).is_err(), arrives, "{}", E::NAME);
    }
}

#[test]
fn a_connection_to_postgres_is_cut_where_the_test_wants_it() {
    is_cut::<Postgres>();
    is_on_its_way::<Postgres>();
}

#[test]
fn a_connection_to_mariadb_is_cut_where_the_test_wants_it() {
    is_cut::<MariaDb>();
    is_on_its_way::<MariaDb>();
}

fn a_lock_is_not_waited_for<E: Engine>(database: &Database<E>) {
    database.sql(TABLE);
    let mut holder = database.begin();
    holder.sql("UPDATE account SET name = 'held' WHERE id = 1");
    let mut other = database.begin();
    other.sql("UPDATE account SET name = 'other' WHERE id = 2");
    assert!(!database.try_sql("UPDATE account SET name = 'late' WHERE id = 1"));
    holder.commit();
    other.rollback();
    assert_eq!(database.texts(NAMES), ["held", "NULL"]);
    assert!(database.try_sql("UPDATE account SET name = 'late' WHERE id = 1"));
    assert_eq!(database.texts(NAMES), ["late", "NULL"]);
}

#[test]
fn rows_that_a_transaction_holds_are_not_waited_for_in_postgres() {
    a_lock_is_not_waited_for(&postgres::Database::new());
}

#[test]
fn rows_that_a_transaction_holds_are_not_waited_for_in_mariadb() {
    a_lock_is_not_waited_for(&mariadb::Database::new());
}

/// A role that may look only; `all` lists every role of the server.
fn leaves_nothing<E: Engine>(grants: &str, all: &str) {
    let database = Database::<E>::new();
    database.sql(TABLE);
    let role = database.role(&grants.replace("{database}", database.name()));
    let mut session = Session::<E>::open(&database.url(&role)).unwrap();
    assert_eq!(session.texts(NAMES), ["one", "NULL"]);
    assert!(session.try_sql("DELETE FROM account").is_err());
    let url = database.url(E::ADMINISTRATOR);
    assert!(Database::<E>::new().texts(all).contains(&role));
    drop(database);
    assert!(Session::<E>::open(&url).is_err(), "`{url}` is still there");
    assert!(!Database::<E>::new().texts(all).contains(&role));
}

#[test]
fn a_postgres_database_is_gone_with_its_roles() {
    leaves_nothing::<Postgres>("GRANT SELECT ON account TO {role}", "SELECT rolname FROM pg_roles");
}

#[test]
fn a_mariadb_database_is_gone_with_its_roles() {
    leaves_nothing::<MariaDb>("GRANT SELECT ON {database}.account TO {role}", "SELECT user FROM mysql.user");
}

//! A shop on `SQLite`, the real binary beside it, and what the binary did.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::future::Future;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;

use super::model::Model;
use super::oracle::Scene;
use super::points::passed;
use crate::world::Application;

pub const RULE: &str = "shop/account";

/// How large a world is, and how its sweeps go.
pub struct Size {
    pub accounts: i64,
    pub batch: u32,
    pub rows_per_second: &'static str,
    pub first_sweep: u32,
    /// The application's choice.
    pub journal: SqliteJournalMode,
}

/// Small enough to be swept some hundred times; its batches do not grow, since a rate is set.
pub const SMALL: Size = Size {
    accounts: 24,
    batch: 4,
    rows_per_second: "1000000",
    first_sweep: 1,
    journal: SqliteJournalMode::Wal,
};

pub struct World {
    directory: TempDir,
}

/// Every file of a world, to go back to.
pub struct Snapshot(Vec<(PathBuf, Vec<u8>, Permissions)>);

/// What one run of the binary came to.
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    #[track_caller]
    pub fn expect(self, codes: &[i32]) -> Self {
        let observed = self.status.code();
        assert!(
            observed.is_some_and(|code| codes.contains(&code)),
            "expected exit {codes:?}, observed {}:\n{}{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

pub const RULES: &str = r#"
[service]
name = "Shop"
owner = "shop@example.com"
time_zone = "Europe/Berlin"

[[promise]]
id = "account"
text = "Personal data is gone within 60 days of the account being deleted."
source = "Privacy policy"
trigger = "account deleted"
no_later_than = "60 days"
covers = ["account", "comments"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "shop"
table = "account"
key = ["id"]
subject = "id"
on_erasure = "dispose"
trigger = { column = "deleted_at", pending = ["null"] }
retain = "7 days"
delete_by = "60 days"
schedule = "0 0 * * * *"
action = "delete"

[[rule.dependent]]
id = "sessions"
class = "account"
table = "session"
match = { account_id = "id" }
action = "delete"

[[rule.dependent]]
id = "devices"
class = "account"
of = "sessions"
table = "device"
match = { session_id = "id" }
action = "delete"

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author_id = "id" }
action = "pseudonymize"
columns = { author_id = "null", author_name = "random", author_email = "keyed", author_ip = "truncate-ip" }
mark = "pseudonymized_at"
"#;

/// Keys are used again: no AUTOINCREMENT. Half the accounts are due, in every form a trigger may have; a quarter is alive; the
/// rest was deleted a day ago, or at a time that is none.
const SCHEMA: &str = "
CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL, deleted_at timestamptz);
CREATE INDEX account_deleted ON account (deleted_at);
CREATE TABLE session (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES account (id));
CREATE INDEX session_account ON session (account_id);
CREATE TABLE device (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES session (id));
CREATE INDEX device_session ON device (session_id);
CREATE TABLE comment (id INTEGER PRIMARY KEY, author_id INTEGER REFERENCES account (id), author_name TEXT NOT NULL,
    author_email TEXT NOT NULL, author_ip TEXT NOT NULL, body TEXT NOT NULL, pseudonymized_at timestamptz);
CREATE INDEX comment_author ON comment (author_id);
INSERT INTO account WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < :accounts)
SELECT i, 'name ' || i, CASE
    WHEN i % 24 IN (1, 2, 5, 6, 9, 10, 13, 14, 17) THEN printf('2020-%02d-%02dT%02d:00:00Z', 1 + i % 12, 1 + i % 28, i % 24)
    WHEN i % 24 = 18 THEN '2020-03-01T10:00:00.123Z'
    WHEN i % 24 IN (21, 22) THEN '2020-04-01T10:00:00+02:00'
    WHEN i % 24 IN (0, 3, 7, 11, 15, 19) THEN NULL
    WHEN i % 24 = 4 THEN '2020-02-31T00:00:00Z'
    WHEN i % 24 = 8 THEN '2999-01-01T00:00:00Z'
    ELSE ':recent' END FROM n;
INSERT INTO session SELECT id, id FROM account WHERE id % 3 = 0 OR id % 5 = 0;
INSERT INTO device SELECT id, id FROM session WHERE id % 2 = 0;
INSERT INTO comment SELECT id, id, 'name ' || id, 'a' || id || '@example.com', '203.0.113.77', 'body', NULL
    FROM account WHERE id % 4 < 2;
";

impl World {
    pub fn new(size: &Size) -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        let Size { batch, rows_per_second, first_sweep, .. } = size;
        let rate = match *rows_per_second {
            "unlimited" => "\"unlimited\"",
            number => number,
        };
        let config = format!(
            "rules = \"rules\"\nstate = \"sqlite://state.db\"\n[ledger]\norigin = \"shop.example.com/ledger\"\n\
             key = {{ file = \"ledger.key\" }}\nkeys = \"keys\"\n[defaults]\nbatch = {batch}\nrows_per_second = {rate}\n\
             [limits]\nfirst_sweep = {first_sweep}\n[datastore.shop]\nkind = \"sqlite\"\nurl = \"sqlite://shop.db\"\n"
        );
        std::fs::write(world.path("expunged.toml"), config).unwrap();
        std::fs::create_dir(world.path("rules")).unwrap();
        std::fs::write(world.path("rules/shop.toml"), RULES).unwrap();
        let recent = expunged::clock::now() - chrono::TimeDelta::days(1);
        let schema = SCHEMA
            .replace(":accounts", &size.accounts.to_string())
            .replace(":recent", &recent.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
        block_on(async {
            let options = options(&world.datastore())
                .create_if_missing(true)
                .journal_mode(size.journal)
                .pragma("synchronous", "off");
            let mut connection = options.connect().await.unwrap();
            let sql = format!("BEGIN; {schema} COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            // Dropped, it would be closed by its own thread, some time: its files would go while a snapshot reads them.
            connection.close().await.unwrap();
        });
        let key = world.path("ledger.key");
        world.run(&["key", "generate", key.to_str().unwrap()]).expect(&[0]);
        world
    }

    /// Nobody has a file of it open.
    pub fn snapshot(&self) -> Snapshot {
        let read = |path: std::path::PathBuf| {
            let (bytes, metadata) = (std::fs::read(&path).unwrap(), path.metadata().unwrap());
            (path, bytes, metadata.permissions())
        };
        Snapshot(crate::listing::files(self.directory.path()).into_iter().map(read).collect())
    }

    /// Back to that moment, in the same place: an approval is for a datastore where it is.
    #[expect(clippy::disallowed_methods, reason = "the files are the test's own")]
    pub fn restore(&self, Snapshot(files): &Snapshot) {
        for (path, ..) in self.snapshot().0 {
            std::fs::remove_file(path).unwrap();
        }
        for (path, bytes, permissions) in files {
            std::fs::write(path, bytes).unwrap();
            std::fs::set_permissions(path, permissions.clone()).unwrap();
        }
    }

    /// What is there before anything was swept.
    pub fn model(&self) -> Model {
        block_on(async {
            let mut model = Model::default();
            let mut connection = self.open_datastore().await;
            for row in rows(&mut connection, "SELECT id, deleted_at FROM account").await {
                model.accounts.insert(row.get(0), row.get(1));
            }
            for row in rows(&mut connection, "SELECT id, account_id FROM session").await {
                model.sessions.insert(row.get(0), (row.get(1), 0));
            }
            for row in rows(&mut connection, "SELECT id, session_id FROM device").await {
                model.devices.insert(row.get(0), row.get(1));
            }
            for row in rows(&mut connection, "SELECT id, author_id FROM comment").await {
                model.comments.insert(row.get(0), (row.get(1), 0));
            }
            connection.close().await.unwrap();
            model
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn datastore(&self) -> PathBuf {
        self.path("shop.db")
    }

    pub async fn open_datastore(&self) -> SqliteConnection {
        options(&self.datastore()).connect().await.unwrap()
    }

    pub async fn open_state(&self) -> SqliteConnection {
        options(&self.path("state.db")).connect().await.unwrap()
    }

    /// How many open intents restarts have found and settled.
    pub fn recovered(&self) -> i64 {
        let settled = "SELECT count(*) FROM entry WHERE CAST(bytes AS TEXT) LIKE '%\"recovered\":true%' \
            OR CAST(bytes AS TEXT) LIKE '%\"t\":\"batch.aborted\"%'";
        block_on(async {
            let mut connection = self.open_state().await;
            let count = rows(&mut connection, settled).await[0].get(0);
            connection.close().await.unwrap();
            count
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_expunged"));
        command.arg("--config").arg(self.path("expunged.toml")).args(arguments);
        command.env_remove("EXPUNGED_KILL_AT").env_remove("EXPUNGED_REACHED");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    /// Runs a command that dies at the point, in that turn.
    pub fn run_killed_at(&self, arguments: &[&str], point: &str, turn: u64) -> Ran {
        let mut command = self.command(arguments);
        command.env("EXPUNGED_KILL_AT", format!("{point}:{turn}"));
        ran(command)
    }

    /// Runs a command to its end; how often it passed every point.
    pub fn trace(&self, arguments: &[&str]) -> (Ran, BTreeMap<String, u64>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut command = self.command(arguments);
        command.env("EXPUNGED_REACHED", file.path());
        let ran = ran(command);
        (ran, passed(file.path()))
    }

    /// Starts a command and kills it after the delay, wherever it is then.
    pub fn run_killed_after(&self, arguments: &[&str], delay: Duration) -> Ran {
        let mut child = self.command(arguments).spawn().unwrap();
        // Not to wait for anything: the delay is what is tested.
        std::thread::sleep(delay);
        child.kill().unwrap();
        finish(child.wait_with_output().unwrap())
    }

    /// Sweeps until it has been approved and is done.
    pub fn sweep_to_the_end(&self) -> Ran {
        self.run(&["sweep"]).expect(&[0])
    }

    pub fn approve(&self) -> Ran {
        self.run(&["approve", RULE, "--up-to", "10000000"]).expect(&[0])
    }
}

impl Application for World {
    fn sql(&self, statements: &str) {
        assert!(self.try_sql(statements), "{statements}");
    }

    fn try_sql(&self, statements: &str) -> bool {
        block_on(async {
            let mut connection = self.open_datastore().await;
            let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await;
            connection.close().await.unwrap();
            done.is_ok()
        })
    }

    fn texts(&self, query: &str) -> Vec<String> {
        block_on(async {
            let mut connection = self.open_datastore().await;
            let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            let text = |row: &SqliteRow| row.try_get_unchecked::<Option<String>, _>(0).unwrap();
            rows.iter().map(|row| text(row).unwrap_or_else(|| "NULL".to_owned())).collect()
        })
    }
}

impl Scene for World {
    fn application(&self) -> &dyn Application {
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        World::path(self, name)
    }

    fn verified(&self) -> String {
        self.run(&["ledger", "verify"]).expect(&[0]).stdout
    }
}

fn ran(mut command: Command) -> Ran {
    finish(command.output().unwrap())
}

fn finish(output: std::process::Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(Duration::from_mins(1))
        .disable_statement_logging()
}

pub async fn rows(connection: &mut SqliteConnection, sql: &'static str) -> Vec<sqlx::sqlite::SqliteRow> {
    sqlx::query(sql).fetch_all(connection).await.unwrap()
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

//! A small world for behaviour tests: one datastore, one service, one ledger, in a directory of its own.

#[cfg(feature = "test-hooks")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};
use expunged::config::Config;
use expunged::ledger::canonical::RuleDocument;
use expunged::ledger::key::{Origin, SigningKey};
use expunged::model::datastore::DatastoreIdentity;
use expunged::model::name::DatastoreName;
use expunged::model::now::Now;
use expunged::rules::digest::version;
use expunged::rules::document::load;
use expunged::state::{Role, Settings, State, write_key_pair};
use expunged::sweep::{self, Brake, Guard, Horizons, Report, SweepError, Target};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tempfile::TempDir;

pub const ORIGIN: &str = "expunged.example.com/ledger";

const CONFIG: &str = r#"rules = "rules"
state = "sqlite://state.db"

[ledger]
origin = "expunged.example.com/ledger"
key = { file = "ledger.key" }
keys = "keys"

[defaults]
rows_per_second = "unlimited"

[limits]
first_sweep = 1000000
first_fraction = 1.0

[datastore.site]
"#;

/// A database in the world's own directory.
pub const SITE: &str = r#"kind = "sqlite"
url = "sqlite://site.db"
"#;

/// A rule file with one rule on `account`: due after 50 years, overdue after 200, so that no test depends on the day it
/// runs. 1971 is due, 2001 is not.
pub fn rules(trigger: &str, rest: &str) -> String {
    format!(
        r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[rule]]
id = "account"
class = "account"
keeps = []
datastore = "site"
table = "account"
key = ["id"]
trigger = {trigger}
retain = "50 years"
delete_by = "200 years"
action = "delete"
{rest}"#
    )
}

/// The trigger most tests use.
pub const DELETED_AT: &str = r#"{ column = "deleted_at", pending = ["null"] }"#;

/// What a command printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a sweep said of its first rule, as JSON.
    pub fn rule(&self) -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(&self.stdout).unwrap()["rules"][0].clone()
    }

    /// Everything a snapshot holds.
    pub fn text(&self) -> String {
        let mut text = format!("exit {}\n", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                let _ = write!(text, "-- {name}\n{stream}");
            }
        }
        text
    }
}

/// What an application says to its database, whichever engine that is.
pub trait Application {
    /// Statements, one after the other.
    fn sql(&self, statements: &str);
    /// The same without waiting for a lock; whether they were done.
    fn try_sql(&self, statements: &str) -> bool;
    /// The first column of every row as text; NULL is `NULL`.
    fn texts(&self, query: &str) -> Vec<String>;
}

pub struct World {
    dir: TempDir,
}

impl World {
    /// A world with these rules, and a datastore that these statements made.
    pub fn new(rules: &str, schema: &str) -> Self {
        let world = Self::on(SITE, rules);
        world.sql(schema);
        world
    }

    /// A world with these rules over a datastore that is elsewhere, as these lines of the configuration say.
    pub fn on(datastore: &str, rules: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let world = Self { dir };
        world.datastore(datastore);
        std::fs::create_dir(world.path("rules")).unwrap();
        world.rules(rules);
        let key = SigningKey::generate(&Origin::parse(ORIGIN).unwrap(), [7; 32]);
        write_key_pair(&world.path("ledger.key"), &key).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn rules(&self, text: &str) {
        self.write("rules/site.toml", text);
    }

    /// Writes the configuration: the datastore is where these lines say.
    pub fn datastore(&self, lines: &str) {
        self.write("expunged.toml", &format!("{CONFIG}{lines}"));
    }

    /// Changes the configuration; what is changed stands there exactly once.
    pub fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("expunged.toml")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}`");
        self.write("expunged.toml", &text.replace(from, to));
    }

    /// Runs the real program in the world's directory.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments)
    }

    /// The same, in a changed environment.
    pub fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
        Ran::of(self.command(environment, arguments).output().unwrap())
    }

    /// The same, not started yet.
    pub fn command(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_expunged"));
        command.current_dir(self.dir.path()).env_remove("EXPUNGED_CONFIG").env_remove("RUST_BACKTRACE");
        command.envs(environment.iter().copied()).args(["--config", "expunged.toml"]).args(arguments);
        command
    }

    /// The same to its end; how often it passed each point.
    #[cfg(feature = "test-hooks")]
    pub fn trace(&self, arguments: &[&str]) -> (Ran, BTreeMap<String, u64>) {
        let reached = self.path("reached");
        std::fs::write(&reached, "").unwrap();
        let ran = self.run_with(&[("EXPUNGED_REACHED", reached.to_str().unwrap())], arguments);
        (ran, crate::crash::points::passed(&reached))
    }

    /// The same, and it dies at the point in that turn: its code is -1.
    #[cfg(feature = "test-hooks")]
    pub fn killed_at(&self, arguments: &[&str], point: &str, turn: u64) -> Ran {
        self.run_with(&[("EXPUNGED_KILL_AT", &format!("{point}:{turn}"))], arguments)
    }

    /// The same, bound by permissions like everyone: root without its way around them.
    pub fn run_bound(&self, arguments: &[&str]) -> Ran {
        let output = Command::new("setpriv")
            .current_dir(self.dir.path())
            .env_remove("EXPUNGED_CONFIG")
            .env_remove("RUST_BACKTRACE")
            .args(["--bounding-set=-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_expunged")])
            .args(["--config", "expunged.toml"])
            .args(arguments)
            .output()
            .unwrap();
        Ran::of(output)
    }

    /// The same, with something done while it waits at a point (`prepare.before:1`).
    #[cfg(feature = "test-hooks")]
    pub fn run_paused(&self, point: &str, arguments: &[&str], meanwhile: impl FnOnce()) -> Ran {
        let mut meanwhile = Some(meanwhile);
        self.run_paused_at(&[point], arguments, |_| meanwhile.take().map_or((), |meanwhile| meanwhile()))
    }

    /// The same at several points, in the order in which it passes them.
    #[cfg(feature = "test-hooks")]
    pub fn run_paused_at(&self, points: &[&str], arguments: &[&str], mut meanwhile: impl FnMut(&str)) -> Ran {
        let pipe = self.path("pause");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let all = points.join(",");
        let environment = [("EXPUNGED_PAUSE_AT", all.as_str()), ("EXPUNGED_PAUSE", pipe.to_str().unwrap())];
        let ran = std::thread::scope(|scope| {
            let program = scope.spawn(|| {
                let ran = self.run_with(&environment, arguments);
                // Where a point was not passed, somebody still waits for it.
                let mut options = std::fs::File::options();
                drop(options.read(true).write(true).open(&pipe).map(|_| ()));
                ran
            });
            let mut done = Ok(());
            for point in points {
                let reached = std::fs::read_to_string(&pipe).unwrap();
                assert_eq!(reached, "reached", "`{point}` was not passed");
                // The scope waits for the program, which waits for the pipe: a test that fails must not hang.
                done = done.and_then(|()| {
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| meanwhile(point)))
                });
                drop(std::fs::File::options().write(true).open(&pipe));
            }
            let ran = program.join().unwrap();
            done.map_or_else(|panic| std::panic::resume_unwind(panic), |()| ran)
        });
        crate::files::world::remove(&pipe);
        ran
    }

    /// The same at noon of today: how wide a column of lengths is depends on the hour.
    #[track_caller]
    pub fn ran_at_noon(&self, arguments: &[&str], code: i32) -> Ran {
        let now = expunged::clock::now();
        let noon = now.date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc();
        let offset = (noon - now).num_seconds().to_string();
        let ran = self.run_with(&[("EXPUNGED_CLOCK_OFFSET", &offset)], arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}", ran.text());
        ran
    }

    /// The same, and it ends as expected.
    #[track_caller]
    pub fn ran(&self, arguments: &[&str], code: i32) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}", ran.text());
        ran
    }

    /// Statements on the datastore, as the application would send them.
    pub fn sql(&self, statements: &str) {
        self.sql_on("site.db", statements);
    }

    /// The same without waiting for anyone; whether it was done.
    pub fn try_sql(&self, statements: &str) -> bool {
        block(async {
            let options = SqliteConnectOptions::new().filename(self.path("site.db"));
            let mut connection = options.busy_timeout(std::time::Duration::ZERO).connect().await.unwrap();
            let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await;
            connection.close().await.unwrap();
            done.is_ok()
        })
    }

    /// Another connection, which lets nobody write before it is released.
    pub fn hold(&self, file: &str) -> Holder {
        block(async {
            let mut connection = open(&self.path(file)).await;
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            Holder(connection)
        })
    }

    pub fn sql_on(&self, file: &str, statements: &str) {
        self::statements(&self.path(file), statements);
    }

    /// Rows as a set, each with its columns' SQL literals between bars.
    pub fn rows(&self, query: &str) -> BTreeSet<String> {
        self.list_on("site.db", query).into_iter().collect()
    }

    /// The texts of the first column, as a set.
    pub fn ids(&self, query: &str) -> BTreeSet<String> {
        self.rows(query).into_iter().map(|row| row.trim_matches('\'').to_owned()).collect()
    }

    pub fn list_on(&self, file: &str, query: &str) -> Vec<String> {
        block(async {
            let mut connection = open(&self.path(file)).await;
            let rows = list(&mut connection, query).await;
            connection.close().await.unwrap();
            rows
        })
    }

    /// Every row of every table of the application.
    pub fn contents(&self) -> Vec<String> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                      AND name <> 'expunged_marker' ORDER BY name";
        let mut all = Vec::new();
        for name in self.list_on("site.db", tables) {
            let name = name.trim_matches('\'').replace("''", "'");
            let quoted = name.replace('"', "\"\"");
            for row in self.list_on("site.db", &format!("SELECT * FROM \"{quoted}\"")) {
                all.push(format!("{name}: {row}"));
            }
        }
        all.sort();
        all
    }

    /// The ledger's entries of one type; none where a crash came before its table.
    pub fn entries(&self, kind: &str) -> Vec<serde_json::Value> {
        let table = "SELECT name FROM sqlite_schema WHERE name = 'entry'";
        // Asking would make the file.
        if !self.path("state.db").exists() || self.list_on("state.db", table).is_empty() {
            return Vec::new();
        }
        let rows = self.list_on("state.db", "SELECT CAST(bytes AS TEXT) FROM entry ORDER BY idx");
        rows.iter()
            .map(|row| serde_json::from_str(&row[1..row.len() - 1].replace("''", "'")).unwrap())
            .filter(|entry: &serde_json::Value| entry["t"] == kind)
            .collect()
    }

    /// How many records the ledger has in entries of a type.
    pub fn records(&self, entries: &str) -> u64 {
        let parts = self.entries(entries).into_iter().flat_map(|e| e["parts"].as_array().unwrap().clone());
        parts.map(|part| part["n"].as_u64().unwrap()).sum()
    }

    /// Folds the state's write-ahead log into its file, so that the file is all there is.
    pub fn fold(&self) {
        self.list_on("state.db", "SELECT count(*) FROM sqlite_schema");
        assert!(!self.path("state.db-wal").exists(), "the last connection leaves no log");
    }

    /// Sweeps the first rule through the library, as if it were `at`.
    pub fn sweep(&self, at: DateTime<Utc>) -> Result<Report, SweepError> {
        let config = Config::load(&self.path("expunged.toml")).unwrap_or_else(|e| panic!("{e}"));
        let set = load(&config.rules_dir, &config.defaults).unwrap_or_else(|e| panic!("{e}"));
        let (service, rule) = set.rules().next().unwrap();
        let datastore = &config.datastores[&rule.datastore];
        let identity = |name: &DatastoreName| {
            let datastore = &config.datastores[name];
            DatastoreIdentity { kind: datastore.kind(), location: datastore.location.to_string() }
        };
        let document = RuleDocument::try_from(version(service, rule, &identity).json).unwrap();
        let target = Target {
            rule,
            document: &document,
            datastores: &config.datastores,
            horizons: &Horizons::new(),
            rules: &set,
            pace: datastore.pace,
            guard: Guard {
                first_sweep: config.limits.first_sweep,
                first_fraction: config.limits.first_fraction,
            },
            batch: config.defaults.batch.get(),
            run_cap: config.defaults.run_cap.to_std().unwrap(),
        };
        block(async {
            let mut state = self.state().await;
            sweep::run(&mut state, &target, Now::given(at), &Brake::none(), &mut |_| ()).await
        })
    }

    async fn state(&self) -> State {
        let text = std::fs::read_to_string(self.path("ledger.key")).unwrap();
        let signing_key = SigningKey::parse(&text).unwrap();
        let settings = Settings { path: self.path("state.db"), keys: self.path("keys"), signing_key };
        State::open(settings, Role::Disposer).await.unwrap()
    }

    /// Whether any of these files holds the text.
    pub fn found_in(&self, text: &str, files: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for file in files {
            let Ok(bytes) = std::fs::read(self.path(file)) else { continue };
            if bytes.windows(text.len()).any(|w| w == text.as_bytes()) {
                found.push((*file).to_owned());
            }
        }
        found
    }
}

impl Application for World {
    fn sql(&self, statements: &str) {
        World::sql(self, statements);
    }

    fn try_sql(&self, statements: &str) -> bool {
        World::try_sql(self, statements)
    }

    fn texts(&self, query: &str) -> Vec<String> {
        let rows = self.list_on("site.db", query);
        rows.iter().map(|row| row.trim_matches('\'').replace("''", "'")).collect()
    }
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_test_that_fails_while_the_program_waits_for_it_does_not_hang() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id integer PRIMARY KEY, deleted_at timestamptz)",
    );
    let failed = std::panic::AssertUnwindSafe(|| {
        world.run_paused("sweep-started.after:1", &["sweep"], || panic!("as an assertion does"))
    });
    let panic = std::panic::catch_unwind(failed).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as an assertion does"));
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap()
}

async fn list(connection: &mut SqliteConnection, query: &str) -> Vec<String> {
    let described = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut *connection).await.unwrap();
    let width = described.first().map_or(0, sqlx::Row::len);
    let columns: Vec<String> = (0..width).map(|i| format!("c{i}")).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let quoted: Vec<String> = columns.iter().map(|c| format!("quote({c})")).collect();
    let wrapped =
        format!("WITH q({}) AS ({query}) SELECT {} FROM q", columns.join(", "), quoted.join(" || ' | ' || "));
    let rows = sqlx::query(AssertSqlSafe(wrapped)).fetch_all(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.try_get(0).unwrap()).collect()
}

/// Whoever has a database's lock.
pub struct Holder(SqliteConnection);

impl Holder {
    pub fn release(self) {
        block(self.0.close()).unwrap();
    }
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Statements on a database, which is made if it is not there.
pub fn statements(database: &Path, statements: &str) {
    block(async {
        let mut connection = open(database).await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// A set of ids, for the survivors of a sweep.
pub fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Paths, instants, names and keyed ids differ from run to run.
pub const REDACTED: [(&str, &str); 10] = [
    (r"\b[HE]-\d{8}T\d{6}Z-[0-9a-f]{8}\b", "[order]"),
    (r"(/dev/shm|/tmp)/\.tmp\w+", "[dir]"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z|[+-]\d\d:\d\d)?", "[time]"),
    (r"version [A-Za-z0-9+/]{43}=", "version [sha256]"),
    (r"root [A-Za-z0-9+/]{43}=", "root [sha256]"),
    (r"\d+\.\d s\b", "[took]"),
    (r"(by keyed id:)( [0-9a-f]{12})+", "$1 [ids]"),
    (r"[+][0-9a-f]{8}[+][A-Za-z0-9+/=]{44}", "+[vkey]"),
    (r"\b\d+ d \d+ h\b", "[length]"),
    (r"\d{8}T\d{6}Z-[0-9a-f-]+", "[batch]"),
];

/// A snapshot without what differs from run to run.
#[macro_export]
macro_rules! told {
    ($ran:expr) => {
        insta::with_settings!({ filters => $crate::world::REDACTED.to_vec(), omit_expression => true }, {
            insta::assert_snapshot!($ran.text());
        });
    };
}

//! A running daemon, what it tells its service manager, and a clock that the test moves.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::world::{Ran, World, at};

/// When every world of these tests begins.
pub const BEGIN: &str = "2031-03-04T00:10:00Z";

/// What comes sooner or later comes within this; a machine may be slow.
const LONGEST: Duration = Duration::from_mins(1);

/// Two rules: accounts go an hour after their deletion, hourly; visits a day after they ended, daily at 03:00.
pub const TWO_RULES: &str = r#"[service]
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
trigger = { column = "deleted_at", pending = ["null"] }
retain = "1 hour"
delete_by = "24 hours"
schedule = "0 0 * * * *"
action = "delete"

[[rule]]
id = "visit"
class = "visit"
keeps = []
datastore = "site"
table = "visit"
key = ["id"]
trigger = { column = "ended_at", pending = ["null"] }
retain = "24 hours"
delete_by = "240 hours"
schedule = "0 0 3 * * *"
action = "delete"
"#;

/// Accounts: 1 was due before the world began, 2 and 3 become due on its first day, 4 lives. Visits: 1 was due, 2 becomes due.
pub const TWO_TABLES: &str = "
CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
CREATE INDEX account_deleted ON account (deleted_at);
INSERT INTO account VALUES (1, '2031-03-03T20:00:00Z'), (2, '2031-03-03T23:30:00Z'), (3, '2031-03-04T01:30:00Z'), (4, NULL);
CREATE TABLE visit (id INTEGER PRIMARY KEY, ended_at timestamptz);
CREATE INDEX visit_ended ON visit (ended_at);
INSERT INTO visit VALUES (1, '2031-03-02T12:00:00Z'), (2, '2031-03-03T01:00:00Z');";

/// The world of most tests, at its beginning.
pub fn world() -> World {
    let world = World::new(TWO_RULES, TWO_TABLES);
    set_clock(&world, BEGIN);
    world
}

/// The same, with monitoring on a port that the system chooses.
pub fn monitored() -> World {
    let world = world();
    world.configure("[datastore.site]", "[http]\nlisten = \"127.0.0.1:0\"\n\n[datastore.site]");
    world
}

/// Sets the clock of every program of this world; it goes on from there.
pub fn set_clock(world: &World, to: &str) {
    let offset = (at(to) - expunged::clock::now()).num_seconds();
    world.write("clock.new", &offset.to_string());
    std::fs::rename(world.path("clock.new"), world.path("clock")).unwrap();
}

/// Runs a command by the world's clock.
pub fn run(world: &World, arguments: &[&str]) -> Ran {
    world.run_with(&[("EXPUNGED_CLOCK_FILE", "clock")], arguments)
}

pub struct Daemon<'w> {
    world: &'w World,
    child: Child,
    manager: Receiver<String>,
    told: RefCell<Vec<String>>,
}

/// The lines it is told, read as they come: a manager that does not read would hold the daemon up.
fn listen(manager: UnixDatagram) -> Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    manager.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // Ends when nobody listens any more.
        loop {
            let length = manager.recv(&mut bytes).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            // Silence too: it finds out whether somebody listens.
            let lines = if text.is_empty() { vec![text] } else { text.lines().map(str::to_owned).collect() };
            if lines.into_iter().any(|line| sender.send(line).is_err()) {
                return;
            }
        }
    });
    receiver
}

impl<'w> Daemon<'w> {
    /// Starts it, and waits until it is ready and has nothing to do.
    pub fn start(world: &'w World) -> Self {
        let daemon = Self::spawn(world, &[]);
        daemon.wait("READY=1");
        daemon.wait("STATUS=next sweep");
        daemon
    }

    /// Starts it in a changed environment, and waits for nothing.
    pub fn spawn(world: &'w World, environment: &[(&str, &str)]) -> Self {
        let socket = world.path("manager");
        if socket.exists() {
            crate::files::world::remove(&socket);
        }
        let manager = UnixDatagram::bind(&socket).unwrap();
        let manager = listen(manager);
        let log = std::fs::File::options().create(true).append(true).open(world.path("daemon.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_expunged"))
            .current_dir(world.path(""))
            .env_remove("EXPUNGED_CONFIG")
            .env_remove("RUST_BACKTRACE")
            .env_remove("JOURNAL_STREAM")
            .env("NOTIFY_SOCKET", &socket)
            .env("EXPUNGED_CLOCK_FILE", "clock")
            .envs(environment.iter().copied())
            .args(["--config", "expunged.toml", "run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { world, child, manager, told: RefCell::default() }
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.world.path("daemon.log")).unwrap()
    }

    /// Where monitoring is answered, with the port that the system chose.
    #[track_caller]
    pub fn address(&self) -> String {
        let log = self.log();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found = lines.filter_map(|line| Some(line["address"].as_str()?.to_owned())).next_back();
        found.unwrap_or_else(|| panic!("it does not listen\n{log}"))
    }

    /// What monitoring sees now.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let (status, metrics) = get(&self.address(), "/metrics");
        assert_eq!(status, 200);
        metrics
    }

    /// Looks until monitoring sees what it should: that something was counted, nobody is told. What it saw.
    #[track_caller]
    pub fn until(&self, seen: impl Fn(&str) -> bool) -> String {
        let watch = expunged::clock::Stopwatch::start();
        loop {
            let metrics = self.metrics();
            if seen(&metrics) {
                return metrics;
            }
            assert!(watch.elapsed() < LONGEST, "{metrics}\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// Waits until it tells its manager something that begins like this, and forgets what came before.
    #[track_caller]
    pub fn wait(&self, beginning: &str) -> String {
        let watch = expunged::clock::Stopwatch::start();
        while watch.elapsed() < LONGEST {
            let mut told = self.told.borrow_mut();
            if let Some(found) = told.iter().position(|line| line.starts_with(beginning)) {
                return told.drain(..=found).next_back().unwrap();
            }
            told.extend(self.manager.recv_timeout(LONGEST / 10));
        }
        panic!("`{beginning}` was not told; {:?}\n{}", self.told.borrow(), self.log());
    }

    /// Forgets what it has told, and asserts that it tells nothing that begins like this for longer than a watchdog of these
    /// tests would wait.
    #[track_caller]
    pub fn silent(&self, beginning: &str) {
        self.told.borrow_mut().clear();
        while self.manager.try_recv().is_ok() {}
        // The reader says every 200 ms that nothing came.
        for line in self.manager.iter().take(4) {
            assert!(!line.starts_with(beginning), "{line}");
        }
    }

    /// Moves the clock, and waits until what is due then was swept.
    #[track_caller]
    pub fn advance(&self, to: &str) {
        set_clock(self.world, to);
        self.wait("STATUS=sweeping");
        self.wait("STATUS=next sweep");
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    pub fn ended(&mut self) -> i32 {
        // SIGTERM or not, nothing it waits for takes so long; a test that waits longer is ended by the runner.
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Stops it; what it logged.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.ended(), 0, "{}", self.log());
        self.log()
    }

    /// As by a power cut.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The rules whose sweeps started, in their order, with the instants.
pub fn sweeps(world: &World) -> Vec<(String, DateTime<Utc>)> {
    let started = world.entries("sweep.started");
    started.iter().map(|e| (e["rule"].as_str().unwrap().to_owned(), at(e["at"].as_str().unwrap()))).collect()
}

/// The names alone.
pub fn swept(world: &World) -> Vec<String> {
    sweeps(world).into_iter().map(|(rule, _)| rule).collect()
}

/// One request over TCP, as a scraper sends it: status, and body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    exchange(std::net::TcpStream::connect(address).unwrap(), path)
}

/// The same over a Unix socket.
pub fn get_unix(socket: &std::path::Path, path: &str) -> (u16, String) {
    exchange(std::os::unix::net::UnixStream::connect(socket).unwrap(), path)
}

fn exchange(mut stream: impl Read + Write, path: &str) -> (u16, String) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The value of one sample, as `name{labels}`.
#[track_caller]
pub fn sample<'m>(metrics: &'m str, name: &str) -> &'m str {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{name}` in\n{metrics}"))
}

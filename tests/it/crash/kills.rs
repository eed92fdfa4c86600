//! Kill after kill, on every engine: the daemon and the single sweep die at moments and at points that chance chooses, while the
//! application un-deletes, uses keys again and people place holds. Whoever comes next recovers; in the end everything adds up.

mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use expunged::clock::Stopwatch;

use super::model::{Model, is_due};
use super::oracle::{self, Scene as _, Summary};
use super::points;
use super::random::Random;
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use shop::Shop;

/// As many as fit into CI beside the rest.
const KILLS: u64 = 30;

/// The same choices in every run of CI; what the machine makes of them differs.
const SEED: u64 = 1;

#[test]
fn whatever_kills_the_program_on_postgres_exactly_the_due_set_goes() {
    whatever_kills_the_program(&Shop::served::<Postgres>());
}

#[test]
fn whatever_kills_the_program_on_mariadb_exactly_the_due_set_goes() {
    whatever_kills_the_program(&Shop::served::<MariaDb>());
}

#[test]
fn whatever_kills_the_program_on_sqlite_exactly_the_due_set_goes() {
    whatever_kills_the_program(&Shop::in_a_file("DELETE"));
}

/// The next batch is read while one goes.
#[test]
fn whatever_kills_the_program_on_sqlite_with_a_log_exactly_the_due_set_goes() {
    whatever_kills_the_program(&Shop::in_a_file("WAL"));
}

/// A table whose rows have a trigger.
#[derive(Clone, Copy, PartialEq)]
enum Table {
    Account,
    Visit,
}

impl Table {
    /// What it is called, and its trigger.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Account => ("account", "deleted_at"),
            Self::Visit => ("visit", "ended_at"),
        }
    }
}

struct Story<'s> {
    shop: &'s Shop,
    random: Random,
    accounts: Model,
    /// The same of the visits, which are all that it knows.
    visits: Model,
    next: i64,
    /// By data subject: holds in force, and whether the record is there under it for certain.
    held: BTreeMap<i64, (String, bool)>,
    counts: BTreeMap<&'static str, u64>,
}

/// Due records in each table before each start, so that a sweep has some batches to go through.
const DUE: usize = 24;

/// No more holds at a time.
const HOLDS: usize = 8;

fn whatever_kills_the_program(shop: &Shop) {
    let (kills, seed) = super::chance(KILLS, SEED);
    let watch = Stopwatch::start();
    let mut story = Story {
        shop,
        random: Random::new(seed),
        accounts: Model::default(),
        visits: Model::default(),
        next: 0,
        held: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    story.feed();
    // Where kills are to land, measured: nothing of it is known to the program.
    let sweep = Stopwatch::start();
    shop.world.ran(&["sweep"], 0);
    let whole = sweep.elapsed();
    let mut killed = 0;
    // Ends: who starts with records that are due does not end before every second kill, or something is wrong.
    for start in 0.. {
        assert!(start < 20 + 4 * kills, "{killed} of {start} were killed: {:?}", story.counts);
        story.feed();
        killed += u64::from(story.start(whole));
        if killed == kills {
            break;
        }
    }
    println!("{:6.1} s: {killed} kills, {:?}", watch.elapsed().as_secs_f64(), story.counts);
    let summary = story.end();
    println!("{:6.1} s: {summary}", watch.elapsed().as_secs_f64());
}

impl Story<'_> {
    fn of(&mut self, table: Table) -> &mut Model {
        match table {
            Table::Account => &mut self.accounts,
            Table::Visit => &mut self.visits,
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// What is gone was due, and not on hold; how many are due still. Whoever was killed may have committed what is seen only later.
    fn look(&mut self, table: Table) -> usize {
        let name = table.names().0;
        let there: BTreeSet<i64> = self.shop.ids(&format!("SELECT id FROM {name}")).into_iter().collect();
        let model = self.of(table);
        let gone: Vec<i64> = model.accounts.keys().filter(|id| !there.contains(id)).copied().collect();
        for id in gone {
            model.gone(id);
        }
        assert_eq!(model.accounts.len(), there.len(), "what was disposed of is there again");
        if table == Table::Account {
            let lost = self.held.iter().filter(|(id, (_, certain))| *certain && !there.contains(id));
            assert_eq!(lost.count(), 0, "what was held is gone");
        }
        self.of(table).accounts.values().filter(|at| is_due(at.as_deref())).count()
    }

    /// New records until enough are due, some with a key that was used before.
    fn feed(&mut self) {
        let mut rows = "BEGIN; ".to_owned();
        for table in [Table::Account, Table::Visit] {
            for _ in self.look(table)..DUE {
                let due = self.due();
                self.insert(&mut rows, table, Some(due));
                let kept = match self.random.below(6) {
                    0 => Some("2999-01-01 00:00:00".to_owned()),
                    1 => Some(yesterday()),
                    2 => None,
                    _ => continue,
                };
                self.insert(&mut rows, table, kept);
            }
        }
        rows.push_str("COMMIT");
        self.shop.sql(&rows);
    }

    fn due(&mut self) -> String {
        let [month, day, second] = [12, 28, 60].map(|of| self.random.below(of));
        format!("2020-{:02}-{:02} 12:00:{second:02}", 1 + month, 1 + day)
    }

    /// A key that nobody has had, or one whose record is known to be gone.
    fn key(&mut self, table: Table) -> i64 {
        let (again, number) = (self.random.below(4) == 0, self.random.below(1000));
        let model = self.of(table);
        let free = model.disposals.keys().filter(|id| !model.accounts.contains_key(id));
        let free: Vec<i64> = free.copied().collect();
        if again && !free.is_empty() {
            return free[number % free.len()];
        }
        self.next += 1;
        self.next
    }

    fn insert(&mut self, rows: &mut String, table: Table, trigger: Option<String>) {
        let id = self.key(table);
        let at = trigger.as_ref().map_or("NULL".to_owned(), |at| format!("'{at}'"));
        self.of(table).accounts.insert(id, trigger);
        let _ = match table {
            Table::Visit => write!(rows, "INSERT INTO visit VALUES ({id}, {at}); "),
            Table::Account => write!(rows, "INSERT INTO account VALUES ({id}, 'name', {at}); "),
        };
        if table == Table::Account {
            self.hang_on(rows, id);
        }
    }

    /// Nothing, a session with its device, or that and a comment.
    fn hang_on(&mut self, rows: &mut String, account: i64) {
        let on = (account, self.accounts.life(account));
        let hang = self.random.below(3);
        if hang > 0 {
            self.next += 1;
            let id = self.next;
            let _ = write!(rows, "INSERT INTO session VALUES ({id}, {account}); ");
            let _ = write!(rows, "INSERT INTO device VALUES ({id}, {id}); ");
            self.accounts.sessions.insert(id, on);
            self.accounts.devices.insert(id, id);
        }
        if hang > 1 {
            self.next += 1;
            let id = self.next;
            let person = format!("'name {id}', 'a{id}@example.com', '203.0.113.77'");
            let _ = write!(rows, "INSERT INTO comment VALUES ({id}, {account}, {person}, 'body', NULL); ");
            self.accounts.comments.insert(id, on);
        }
    }

    /// One life of the program, the daemon's or a single sweep's; whether it was killed.
    fn start(&mut self, whole: Duration) -> bool {
        let arguments: &[&str] = if self.random.below(2) == 0 { &["run"] } else { &["sweep"] };
        let share =
            |random: &mut Random, of: Duration| of * u32::try_from(random.below(1000)).unwrap() / 1000;
        let place = (self.random.below(2) == 0).then(|| self.place());
        // A point that does not come is no reason to wait for long.
        let longest = if place.is_some() { whole * 2 } else { share(&mut self.random, whole * 5 / 4) };
        let place = place.unwrap_or_default();
        let log = std::fs::File::create(self.shop.world.path("log")).unwrap();
        let watch = Stopwatch::start();
        let child = self
            .shop
            .world
            .command(&[("EXPUNGED_KILL_AT", &place)], arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        match self.random.below(6) {
            0 => self.hold(),
            1..4 => self.undelete(),
            _ => {}
        }
        let status = killed_after(child, longest.saturating_sub(watch.elapsed()));
        let killed = status.signal() == Some(9);
        if !killed {
            let log = std::fs::read_to_string(self.shop.world.path("log")).unwrap();
            assert!(matches!(status.code(), Some(0 | 1)), "{arguments:?} {place} ended with {status}\n{log}");
        }
        self.count(match (killed, place.is_empty()) {
            (true, true) => "killed at a moment",
            (true, false) => "killed at a point, or behind it",
            (false, _) => "ended before",
        });
        killed
    }

    /// A point, and in which turn: mostly one that every batch passes, in one of the first batches.
    fn place(&mut self) -> String {
        let every = self.random.below(4) > 0;
        let met = |point: &String| {
            points::in_every_batch(point) == every && !points::ONLY_ONCE.contains(&point.as_str())
        };
        let points: Vec<String> = points::of_rows().into_iter().filter(met).collect();
        let turn = if every { 1 + self.random.below(8) } else { 1 };
        format!("{}:{turn}", points[self.random.below(points.len())])
    }

    /// One that is due and not known to be gone.
    fn one_due(&mut self, table: Table) -> Option<i64> {
        let due = |(id, at): (&i64, &Option<String>)| is_due(at.as_deref()).then_some(*id);
        let due: Vec<i64> = self.of(table).accounts.iter().filter_map(due).collect();
        let number = self.random.below(due.len().max(1));
        due.get(number).copied()
    }

    /// The application takes some deletions back. What it finds afterwards was not disposed of, and never will be.
    fn undelete(&mut self) {
        for table in [Table::Account, Table::Visit] {
            let (name, column) = table.names();
            let Some(id) = self.one_due(table) else { continue };
            self.shop.sql(&format!("UPDATE {name} SET {column} = NULL WHERE id = {id}"));
            if self.shop.ids(&format!("SELECT id FROM {name} WHERE id = {id}")).is_empty() {
                self.of(table).gone(id);
                self.count("too late to un-delete");
            } else {
                self.of(table).accounts.insert(id, None);
                self.count("un-deleted");
            }
        }
    }

    /// Somebody places a hold on one who is due, or releases the first there is.
    fn hold(&mut self) {
        let world = &self.shop.world;
        if self.held.len() >= HOLDS {
            let (_, (hold, _)) = self.held.pop_first().expect("a hold");
            self.shop.world.ran(&["hold", "release", &hold], 0);
            self.count("released");
            return;
        }
        let Some(id) = self.one_due(Table::Account).filter(|id| !self.held.contains_key(id)) else { return };
        let (subject, json) = (id.to_string(), ["--format", "json"]);
        let order =
            ["hold", "place", "site/account", "--subject", &subject, "--reference", "C-1", "--wait", "0"];
        let placed = world.run(&[&order[..], &json].concat());
        assert!([0, 1].contains(&placed.code), "{}", placed.text());
        let said: serde_json::Value = serde_json::from_str(&placed.stdout).unwrap();
        let answer = said["answers"][0]["answer"].as_str().unwrap();
        self.count(if answer == "held" { "held" } else { "a hold that may come too late" });
        self.held.insert(id, (said["hold"].as_str().unwrap().to_owned(), answer == "held"));
    }

    /// Swept to the end under the holds, and without them.
    fn end(mut self) -> Summary {
        // What is held past its deadline wants a look.
        let swept = self.shop.world.run(&["sweep"]);
        assert!([0, 1].contains(&swept.code), "{}", swept.text());
        self.look(Table::Account);
        for (hold, _) in self.held.values() {
            self.shop.world.ran(&["hold", "release", hold], 0);
        }
        self.shop.world.ran(&["sweep"], 0);
        let accounts = std::mem::take(&mut self.accounts).swept();
        let visits = std::mem::take(&mut self.visits).swept();
        let left: Vec<i64> = visits.accounts.keys().copied().collect();
        assert_eq!(self.shop.ids("SELECT id FROM visit ORDER BY id"), left);
        oracle::survivors(self.shop.application(), &accounts);
        let mut disposed = accounts.disposed();
        disposed.extend(visits.disposals.iter().map(|(id, n)| (("visit", *id), *n)));
        let summary = oracle::proved(self.shop, &disposed);
        self.shown(&accounts);
        summary
    }

    /// An outsider sees the same: in the exported ledger, and in the proofs of some that are gone.
    fn shown(&mut self, accounts: &Model) {
        let world = &self.shop.world;
        let (vkey, out) = ("ledger.key.vkey", "one.tlog-proof");
        world.ran(&["ledger", "export", "exported"], 0);
        world.ran(&["ledger", "verify", "--exported", "exported", "--key", vkey], 0);
        let gone: Vec<(i64, u32)> = accounts.disposals.iter().map(|(id, times)| (*id, *times)).collect();
        for _ in 0..10 {
            let (id, times) = gone[self.random.below(gone.len())];
            let proved = world.ran(&["prove", "site/account", &id.to_string(), "--out", out], 0);
            assert_eq!(proved.stdout.lines().count(), times as usize, "{}", proved.text());
            world.ran(&["verify", "--key", vkey, out], 0);
        }
    }
}

fn yesterday() -> String {
    let yesterday = expunged::clock::now() - chrono::TimeDelta::days(1);
    yesterday.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Kills a program after so long, unless it has ended by then.
fn killed_after(mut child: Child, longest: Duration) -> ExitStatus {
    let mut stdout = child.stdout.take().expect("a pipe");
    let (ended, end) = mpsc::channel();
    // Its end closes the pipe.
    std::thread::spawn(move || {
        drop(stdout.read_to_end(&mut Vec::new()));
        let _ = ended.send(());
    });
    let _ = end.recv_timeout(longest);
    child.kill().unwrap();
    child.wait().unwrap()
}

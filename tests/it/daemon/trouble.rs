//! What goes wrong, and stays where it is.

use std::path::PathBuf;
use std::process::Command;

use super::handle::{Daemon, TWO_RULES, get, monitored, sample, swept, world};
use crate::world::{World, set};

#[test]
fn a_rule_that_fails_stops_no_other() {
    let world = monitored();
    world.sql("ALTER TABLE account RENAME TO elsewhere");
    let daemon = Daemon::start(&world);
    assert_eq!(swept(&world), ["site/visit"]);
    let metrics = daemon.metrics();
    let account = "{service=\"site\",rule=\"account\"}";
    assert_eq!(
        sample(&metrics, "expunged_sweeps_total{service=\"site\",rule=\"account\",result=\"failed\"}"),
        "1"
    );
    // Could not be counted is not zero.
    assert_eq!(sample(&metrics, &format!("expunged_backlog_known{account}")), "0");
    assert!(!metrics.contains(&format!("expunged_due{account}")), "{metrics}");
    world.sql("ALTER TABLE elsewhere RENAME TO account");
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(swept(&world)[1..], ["site/account"]);
    assert_eq!(sample(&daemon.metrics(), &format!("expunged_backlog_known{account}")), "1");
    let log = daemon.stop();
    assert!(log.contains("not swept to the end") && log.contains("site/account"), "{log}");
}

#[test]
fn a_datastore_in_doubt_is_parked_until_it_can_be_asked() {
    let world = monitored();
    let mut daemon = Daemon::spawn(&world, &[("EXPUNGED_KILL_AT", "intent.after:1")]);
    daemon.ended();
    drop(daemon);
    let (there, away) = (world.path("site.db"), world.path("away.db"));
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::rename(&there, &away).unwrap();
    let daemon = Daemon::start(&world);
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, "expunged_datastore_parked{datastore=\"site\"}"), "1");
    assert_eq!(sample(&metrics, "expunged_open_intents"), "1");
    let refused = "expunged_sweeps_total{service=\"site\",rule=\"account\",result=\"refused\"}";
    assert_eq!(sample(&metrics, refused), "1", "{metrics}");
    assert_eq!(get(&daemon.address(), "/readyz").0, 200);
    std::fs::rename(&away, &there).unwrap();
    daemon.advance("2031-03-04T01:00:10Z");
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, "expunged_datastore_parked{datastore=\"site\"}"), "0");
    assert_eq!(sample(&metrics, "expunged_open_intents"), "0");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    daemon.stop();
    world.ran(&["ledger", "verify"], 0);
}

/// A disk for the state, which a test fills.
struct Disk(PathBuf);

impl Disk {
    fn new(world: &World) -> Self {
        let path = world.path("disk");
        std::fs::create_dir(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&path).status();
        assert!(mounted.unwrap().success());
        world.configure("sqlite://state.db", "sqlite://disk/state.db");
        Self(path)
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    }

    fn make_room(&self) {
        crate::files::world::remove(&self.0.join("filler"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that fails leaves its daemon there for a moment.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_state_without_room_is_survived_and_disposes_of_nothing() {
    let world = monitored();
    let disk = Disk::new(&world);
    let daemon = Daemon::start(&world);
    let address = daemon.address();
    disk.fill();
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "4"]));
    assert_eq!(get(&address, "/readyz").0, 503);
    assert_eq!(get(&address, "/healthz").0, 200);
    assert_eq!(sample(&daemon.metrics(), "expunged_state_open"), "0");
    assert!(daemon.log().contains("no space left"), "{}", daemon.log());
    disk.make_room();
    daemon.advance("2031-03-04T02:00:10Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]), "{}", daemon.log());
    assert_eq!(get(&address, "/readyz").0, 200);
    daemon.stop();
}

#[test]
fn a_state_that_comes_back_as_another_ends_the_daemon() {
    let world = monitored();
    let disk = Disk::new(&world);
    let mut daemon = Daemon::start(&world);
    disk.fill();
    daemon.advance("2031-03-04T01:00:10Z");
    disk.make_room();
    world.sql_on("disk/state.db", "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1");
    super::handle::set_clock(&world, "2031-03-04T02:00:10Z");
    daemon.wait("STOPPING=1");
    assert_eq!(daemon.ended(), 4, "{}", daemon.log());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "4"]));
}

#[test]
fn a_state_that_is_not_the_published_one_ends_the_daemon() {
    let world = world();
    Daemon::start(&world).stop();
    world.sql_on("state.db", "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1");
    let mut daemon = Daemon::spawn(&world, &[]);
    assert_eq!(daemon.ended(), 4, "{}", daemon.log());
}

#[test]
fn a_clock_that_is_set_back_refuses_and_is_said() {
    let world = monitored();
    let daemon = Daemon::start(&world);
    daemon.advance("2031-03-04T05:00:10Z");
    // Behind the ledger by two hours; an hourly start comes all the same, and is refused.
    super::handle::set_clock(&world, "2031-03-04T02:59:00Z");
    daemon.wait("STATUS=next sweep: site/account at 2031-03-04 03:00:00 UTC");
    daemon.advance("2031-03-04T03:00:01Z");
    let metrics = daemon.metrics();
    let refused = "expunged_sweeps_total{service=\"site\",rule=\"account\",result=\"refused\"}";
    assert_eq!(sample(&metrics, refused), "1", "{metrics}");
    let behind: f64 = sample(&metrics, "expunged_clock_behind_ledger_seconds").parse().unwrap();
    assert!(behind > 7000.0, "{metrics}");
    assert!(daemon.stop().contains("nothing is disposed of; set the clock right"));
}

#[test]
fn a_clock_that_jumps_ahead_under_the_daemon_disposes_of_nothing_early() {
    let world = world();
    let daemon = Daemon::start(&world);
    daemon.advance("2031-05-04T00:10:00Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "4"]));
    assert!(daemon.log().contains("has jumped ahead by 146"), "{}", daemon.log());
    // Set right, and the daemon goes on.
    super::handle::set_clock(&world, "2031-03-04T00:50:00Z");
    daemon.wait("STATUS=next sweep: site/account at 2031-03-04 01:00:00 UTC");
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    daemon.stop();
}

#[test]
fn a_signing_key_is_a_credential_or_a_file_of_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world();
    let open = |mode| {
        let path = world.path("ledger.key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(0o604);
    let refused = super::handle::run(&world, &["run"]);
    assert_eq!(refused.code, 78, "{}", refused.text());
    assert!(refused.stderr.contains("is open to everyone (mode 604): `chmod 600"), "{}", refused.text());
    open(0o640);
    Daemon::start(&world).stop();
    world.configure("{ file = \"ledger.key\" }", "{ credential = \"ledger-key\" }");
    let refused = super::handle::run(&world, &["run"]);
    assert_eq!(refused.code, 78, "{}", refused.text());
    assert!(refused.stderr.contains("CREDENTIALS_DIRECTORY is not set"), "{}", refused.text());
    std::fs::create_dir(world.path("credentials")).unwrap();
    std::fs::rename(world.path("ledger.key"), world.path("credentials/ledger-key")).unwrap();
    let directory = world.path("credentials");
    let daemon = Daemon::spawn(&world, &[("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())]);
    daemon.wait("READY=1");
    daemon.stop();
}

#[test]
fn the_log_says_what_happened_and_of_nobody() {
    let world = world();
    world.sql("INSERT INTO account VALUES (987654321, '2031-03-03T01:01:01Z')");
    let log = Daemon::start(&world).stop();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["timestamp"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    let of = |message: &str| log.lines().filter(|line| line.contains(message)).count();
    assert_eq!((of("\"sweep started\""), of("\"sweep finished\"")), (2, 2), "{log}");
    assert!(!log.contains("987654321") && !log.contains("2031-03-03T01:01:01"), "{log}");
    assert!(!TWO_RULES.contains("secret") && !log.contains("SELECT"), "{log}");
}

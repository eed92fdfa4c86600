//! A week of a daemon: ticks, orders, a bad reload, a stop in the middle of a sweep, and what it catches up with.

use super::handle::{Daemon, TWO_RULES, TWO_TABLES, run, sample, set_clock, swept};
use crate::world::{World, set};

/// The accounts of the two rules know whose they are.
fn world() -> World {
    let rules =
        TWO_RULES.replacen("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"\non_erasure = \"dispose\"", 1);
    let world = World::new(&rules, TWO_TABLES);
    world.configure("[datastore.site]", "[http]\nlisten = \"127.0.0.1:0\"\n\n[datastore.site]");
    set_clock(&world, "2031-03-04T00:10:00Z");
    world
}

fn accounts(world: &World) -> std::collections::BTreeSet<String> {
    world.ids("SELECT id FROM account")
}

#[test]
fn orders_and_reloads_are_heeded_between_ticks_and_a_restart_catches_up() {
    let world = world();
    let daemon = Daemon::start(&world);
    assert_eq!(accounts(&world), set(&["2", "3", "4"]));

    // A hold, and a tick under it.
    let held =
        run(&world, &["hold", "place", "site", "--subject", "2", "--reference", "C-1", "--format", "json"]);
    let held: serde_json::Value = serde_json::from_str(&held.stdout).unwrap();
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(accounts(&world), set(&["2", "3", "4"]));
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, "expunged_holds"), "1");
    assert_eq!(sample(&metrics, "expunged_held{service=\"site\",rule=\"account\"}"), "1");

    // A demand of one who has deleted nothing, and one under the hold.
    for person in ["2", "4"] {
        assert_eq!(run(&world, &["erase", "request", "site", person]).code, 0);
    }
    daemon.advance("2031-03-04T02:00:10Z");
    assert_eq!(accounts(&world), set(&["2", "3"]), "{}", daemon.log());
    assert_eq!(world.entries("erasure.answered").len(), 1);
    assert_eq!(sample(&daemon.metrics(), "expunged_erasure_requests_open"), "1");

    // A reload of rules that nobody can read leaves the old ones in force.
    let good = std::fs::read_to_string(world.path("rules/site.toml")).unwrap();
    world.rules(&good.replace("\"1 hour\"", "\"1m\""));
    let reload = run(&world, &["reload"]);
    assert_eq!(reload.code, 65, "{}", reload.text());
    assert!(reload.text().contains("rules/site.toml:"), "{}", reload.text());

    // The hold ends: what was demanded under it goes, by the old rules.
    assert_eq!(run(&world, &["hold", "release", held["hold"].as_str().unwrap()]).code, 0);
    daemon.advance("2031-03-04T03:00:10Z");
    assert_eq!(accounts(&world), set(&[]));
    assert_eq!(world.entries("erasure.answered").len(), 2);
    daemon.stop();

    // It is stopped in the middle of a sweep; the next one goes on where it was, and gives the missed rules their turn.
    world.rules(&good);
    world.configure("rows_per_second = \"unlimited\"", "rows_per_second = 1000000\nbatch = 1");
    world.sql("INSERT INTO account VALUES (11, '2031-03-04T08:00:00Z'), (12, '2031-03-04T08:00:00Z'), (13, '2031-03-04T08:00:00Z')");
    world.sql("INSERT INTO visit VALUES (7, '2031-03-04T08:00:00Z')");
    set_clock(&world, "2031-03-04T12:00:10Z");
    let pipe = world.path("pause");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut daemon =
        Daemon::spawn(&world, &[("EXPUNGED_PAUSE_AT", "commit.before:2"), ("EXPUNGED_PAUSE", "pause")]);
    daemon.wait("READY=1");
    assert_eq!(std::fs::read_to_string(&pipe).unwrap(), "reached");
    daemon.signal("TERM");
    daemon.wait("STOPPING=1");
    drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    assert_eq!(daemon.ended(), 0, "{}", daemon.log());
    assert_eq!(accounts(&world), set(&["13"]));
    drop(daemon);

    set_clock(&world, "2031-03-06T12:00:10Z");
    let before = swept(&world).len();
    let daemon = Daemon::start(&world);
    assert_eq!(accounts(&world), set(&[]));
    assert_eq!(world.ids("SELECT id FROM visit"), set(&[]));
    assert_eq!(swept(&world)[before..], ["site/account", "site/visit"]);
    daemon.stop();
    world.ran(&["ledger", "verify"], 0);
}

/// Deadlines pass during a pause as well, and whoever watches must see both before the next start of a rule.
#[test]
fn a_pause_is_seen_at_once_and_what_falls_due_meanwhile_is_counted() {
    let world = world();
    let daemon = Daemon::spawn(&world, &[("WATCHDOG_USEC", "600000")]);
    daemon.wait("STATUS=next sweep");
    let rule = |name: &str| format!("expunged_{name}{{service=\"site\",rule=\"account\"}}");
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, &rule("first_deadline_seconds")), "+Inf");
    assert_eq!(run(&world, &["pause"]).code, 0);
    // Nothing is due for the better part of an hour.
    daemon.wait("STATUS=disposal is halted");
    assert_eq!(sample(&daemon.metrics(), "expunged_paused"), "1");
    // Account 2 should have gone by 23:30, account 3 by 01:30 of the next day.
    for (now, due, overdue) in [
        ("2031-03-04T02:00:10Z", "1", "0"),
        ("2031-03-04T04:00:10Z", "2", "0"),
        ("2031-03-05T02:00:10Z", "0", "2"),
    ] {
        set_clock(&world, now);
        daemon.until(|metrics| {
            sample(metrics, &rule("due")) == due && sample(metrics, &rule("overdue")) == overdue
        });
    }
    let metrics = daemon.metrics();
    assert!(sample(&metrics, &rule("first_deadline_seconds")).starts_with('-'), "{metrics}");
    assert_eq!(accounts(&world), set(&["2", "3", "4"]));
    assert_eq!(swept(&world), ["site/account", "site/visit"]);
    daemon.silent("STATUS=");
    assert_eq!(run(&world, &["resume"]).code, 0);
    // Not under the words of the halt.
    daemon.wait("STATUS=sweeping site/");
    daemon.wait("STATUS=next sweep");
    assert_eq!(accounts(&world), set(&["4"]));
    let metrics = daemon.metrics();
    assert_eq!((sample(&metrics, "expunged_paused"), sample(&metrics, &rule("overdue"))), ("0", "0"));
    daemon.stop();
}

#[test]
fn while_disposal_is_paused_the_daemon_waits_and_then_goes_on_at_once() {
    let world = world();
    assert_eq!(run(&world, &["pause"]).code, 0);
    let daemon = Daemon::spawn(&world, &[]);
    daemon.wait("READY=1");
    daemon.wait("STATUS=disposal is halted");
    assert_eq!(sample(&daemon.metrics(), "expunged_paused"), "1");
    assert_eq!(accounts(&world), set(&["1", "2", "3", "4"]));
    assert_eq!(run(&world, &["resume"]).code, 0);
    daemon.wait("STATUS=next sweep");
    assert_eq!(accounts(&world), set(&["2", "3", "4"]));
    assert_eq!(sample(&daemon.metrics(), "expunged_paused"), "0");
    let log = daemon.stop();
    assert!(log.contains("expunged resume") && log.contains("disposal goes on"), "{log}");
}

//! Other rules while it runs.

use super::handle::{Daemon, TWO_RULES, run, swept, world};
use crate::world::set;

#[test]
fn bad_rules_are_told_and_the_old_ones_stay_in_force() {
    let world = world();
    let daemon = Daemon::start(&world);
    world.rules(&TWO_RULES.replace("retain = \"1 hour\"", "retain = \"1m\""));
    let refused = run(&world, &["reload"]);
    assert_eq!(refused.code, 65, "{}", refused.text());
    assert!(refused.stderr.contains("rules/site.toml:14:10: error["), "{}", refused.text());
    daemon.wait("RELOADING=1");
    daemon.wait("MONOTONIC_USEC=");
    daemon.wait("READY=1");
    daemon.signal("HUP");
    daemon.wait("RELOADING=1");
    daemon.wait("READY=1");
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    let log = daemon.stop();
    assert_eq!(log.matches("not reloaded").count(), 2, "{log}");
}

#[test]
fn good_rules_are_in_force_from_the_next_sweep_on() {
    let world = world();
    let daemon = Daemon::start(&world);
    let (account, visit) = TWO_RULES.split_at(TWO_RULES.rfind("[[rule]]").unwrap());
    world.rules(&format!("{account}{}", visit.replace("0 0 3 * * *", "0 30 * * * *")));
    let reloaded = run(&world, &["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.text());
    daemon.advance("2031-03-04T00:30:10Z");
    assert_eq!(swept(&world)[2..], ["site/visit"]);
    world.rules(account);
    daemon.signal("HUP");
    daemon.wait("READY=1");
    daemon.advance("2031-03-04T05:00:10Z");
    assert_eq!(swept(&world)[3..], ["site/account"]);
    daemon.stop();
}

#[test]
fn what_the_process_holds_open_takes_a_restart() {
    let world = world();
    let daemon = Daemon::start(&world);
    for (from, to, key) in [
        ("sqlite://state.db\"", "sqlite://other.db\"\ncontrol = { socket = \"state.db.control\" }", "state"),
        ("keys = \"keys\"", "keys = \"other\"", "ledger.keys"),
        ("ledger.key", "site.key", "ledger.key"),
    ] {
        world.configure(from, to);
        let refused = run(&world, &["reload"]);
        assert_eq!(refused.code, 78, "{}", refused.text());
        assert!(refused.stderr.contains(&format!("`{key}` has changed")), "{}", refused.text());
        world.configure(to, from);
    }
    assert_eq!(run(&world, &["reload"]).code, 0);
    daemon.stop();
}

#[test]
fn a_reload_that_nobody_answers_says_so() {
    let world = world();
    let alone = run(&world, &["reload"]);
    assert_eq!(alone.code, 69, "{}", alone.text());
    assert!(alone.stderr.contains("no daemon answers at `state.db.control`"), "{}", alone.text());
    // A dead daemon leaves its socket behind.
    Daemon::start(&world).kill();
    assert!(world.path("state.db.control").exists());
    assert_eq!(run(&world, &["reload"]).code, 69);
    let daemon = Daemon::start(&world);
    assert_eq!(run(&world, &["reload"]).code, 0);
    daemon.stop();
    assert!(!world.path("state.db.control").exists());
}

#[test]
fn the_control_socket_is_its_users_alone_and_takes_no_others_place() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world();
    world.write("state.db.control", "somebody's file");
    let mut daemon = Daemon::spawn(&world, &[]);
    assert_eq!(daemon.ended(), 78, "{}", daemon.log());
    assert!(daemon.log().contains("is in the way and is no socket"), "{}", daemon.log());
    drop(daemon);
    crate::files::world::remove(&world.path("state.db.control"));
    let daemon = Daemon::start(&world);
    let mode = std::fs::metadata(world.path("state.db.control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    daemon.stop();
}

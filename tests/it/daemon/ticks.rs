//! Rules on their schedules.

use super::handle::{BEGIN, Daemon, TWO_RULES, monitored, sample, set_clock, sweeps, swept, world};
use crate::world::set;

#[test]
fn every_rule_goes_on_its_schedule_and_takes_exactly_what_is_due() {
    let world = world();
    let daemon = Daemon::start(&world);
    // Never swept: at once.
    assert_eq!(swept(&world), ["site/account", "site/visit"]);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "3", "4"]));
    assert_eq!(world.ids("SELECT id FROM visit"), set(&["2"]));
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(swept(&world)[2..], ["site/account"]);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    daemon.advance("2031-03-04T02:00:10Z");
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4"]));
    daemon.advance("2031-03-04T03:00:10Z");
    assert_eq!(swept(&world)[3..], ["site/account", "site/account", "site/visit"]);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4"]));
    assert_eq!(world.ids("SELECT id FROM visit"), set(&[]));
    daemon.stop();
    world.ran(&["ledger", "verify"], 0);
}

#[test]
fn what_was_missed_while_nobody_ran_is_caught_up_with_once() {
    let world = world();
    Daemon::start(&world).stop();
    set_clock(&world, "2031-03-04T08:30:00Z");
    let daemon = Daemon::start(&world);
    assert_eq!(swept(&world)[2..], ["site/account", "site/visit"]);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4"]));
    // Restarted between two starts, nothing is due.
    drop(daemon);
    let daemon = Daemon::start(&world);
    assert_eq!(swept(&world).len(), 4);
    daemon.stop();
}

#[test]
fn a_stretch_that_was_slept_through_is_one_sweep() {
    let world = world();
    let daemon = Daemon::start(&world);
    daemon.advance("2031-03-06T07:20:00Z");
    let sweeps = sweeps(&world);
    assert_eq!(sweeps.len(), 4, "{sweeps:?}");
    // The account's start at 01:00 was missed before the visit's at 03:00.
    assert_eq!(sweeps[2].0, "site/account");
    daemon.stop();
}

/// A deadline does not wait until a window opens.
#[test]
fn a_start_outside_the_window_counts_what_is_due() {
    let world = monitored();
    world.rules(&TWO_RULES.replace("delete_by = \"24 hours\"", "delete_by = \"72 hours\""));
    world.configure(
        "url = \"sqlite://site.db\"\n",
        "url = \"sqlite://site.db\"\nwindow = { from = \"22:00\", to = \"23:00\", time_zone = \"Etc/UTC\" }\n",
    );
    let daemon = Daemon::spawn(&world, &[("WATCHDOG_USEC", "600000")]);
    daemon.wait("STATUS=next sweep");
    for (now, due) in [(BEGIN, "1"), ("2031-03-04T01:00:10Z", "2"), ("2031-03-04T03:00:10Z", "3")] {
        set_clock(&world, now);
        daemon.until(|metrics| sample(metrics, "expunged_due{service=\"site\",rule=\"account\"}") == due);
    }
    assert_eq!(swept(&world), [""; 0]);
    daemon.stop();
}

#[test]
fn a_start_outside_the_window_waits_until_it_opens() {
    let world = world();
    // A promise of 24 hours would not fit.
    world.rules(&TWO_RULES.replace("delete_by = \"24 hours\"", "delete_by = \"72 hours\""));
    world.configure(
        "url = \"sqlite://site.db\"\n",
        "url = \"sqlite://site.db\"\nwindow = { from = \"02:00\", to = \"05:00\", time_zone = \"Etc/UTC\" }\n",
    );
    let daemon = Daemon::start(&world);
    // Never swept, but closed.
    assert_eq!(swept(&world), [""; 0]);
    daemon.advance("2031-03-04T02:00:10Z");
    assert_eq!(swept(&world), ["site/account", "site/visit"]);
    daemon.advance("2031-03-04T04:00:10Z");
    assert_eq!(swept(&world)[2..], ["site/account", "site/visit"]);
    // The starts from five on are one.
    daemon.advance("2031-03-05T02:00:10Z");
    assert_eq!(swept(&world)[4..], ["site/account"]);
    daemon.stop();
    world.ran(&["ledger", "verify"], 0);
}

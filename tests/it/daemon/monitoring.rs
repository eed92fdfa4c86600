//! What monitoring sees.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::handle::{BEGIN, Daemon, TWO_RULES, get, get_unix, monitored, run, sample, set_clock, world};
use crate::files::world::Mount;
use crate::files_rule::{self, MODIFIED};

/// Prometheus' own judgement of the text.
fn promtool(metrics: &str) {
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().expect("promtool: see tests/run");
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{metrics}");
}

#[test]
fn monitoring_is_answered_over_tcp_and_over_a_unix_socket() {
    let world = monitored();
    let daemon = Daemon::start(&world);
    let address = daemon.address();
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/metrics").0, 200);
    for elsewhere in ["/", "/metrics/", "/debug", "/../state.db"] {
        assert_eq!(get(&address, elsewhere), (404, String::new()));
    }
    daemon.stop();
    world.configure("127.0.0.1:0", "unix:http.sock");
    let daemon = Daemon::start(&world);
    let socket = world.path("http.sock");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(get_unix(&socket, "/readyz"), (200, "ok\n".to_owned()));
    promtool(&get_unix(&socket, "/metrics").1);
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn what_may_hide_records_leaves_the_backlog_unknown() {
    let world = files_rule::world("**", MODIFIED, "");
    set_clock(&world, BEGIN);
    world.configure("[datastore.files]", "[http]\nlisten = \"127.0.0.1:0\"\n\n[datastore.files]");
    std::fs::create_dir(world.path("tree/canary")).unwrap();
    let mount = Mount::tmpfs(&world.path("tree/canary"));
    let daemon = Daemon::start(&world);
    let known = "expunged_backlog_known{service=\"site\",rule=\"account\"}";
    assert_eq!(sample(&daemon.metrics(), known), "0");
    let log = daemon.log();
    assert!(log.contains("1 of kind `mount point`") && !log.contains("canary"), "{log}");
    daemon.stop();
    drop(mount);
}

#[test]
fn every_metric_is_there_before_its_first_event() {
    let world = monitored();
    // Nothing is due yet.
    world.sql("DELETE FROM account; DELETE FROM visit");
    let daemon = Daemon::start(&world);
    let metrics = daemon.metrics();
    promtool(&metrics);
    for rule in ["account", "visit"] {
        let rule = format!("service=\"site\",rule=\"{rule}\"");
        for zero in [
            format!("expunged_disposed_total{{{rule},action=\"delete\"}}"),
            format!("expunged_disposed_dependents_total{{{rule}}}"),
            format!("expunged_sweeps_total{{{rule},result=\"failed\"}}"),
            format!("expunged_lateness_seconds_count{{{rule}}}"),
            format!("expunged_due{{{rule}}}"),
            format!("expunged_overdue{{{rule}}}"),
            format!("expunged_held{{{rule}}}"),
            format!("expunged_undated{{{rule},reason=\"unreadable\"}}"),
            format!("expunged_oldest_due_age_seconds{{{rule}}}"),
            format!("expunged_parked{{{rule}}}"),
            format!("expunged_findings{{{rule},finding=\"remaining\"}}"),
        ] {
            assert_eq!(sample(&metrics, &zero), "0", "{zero}");
        }
        assert_eq!(sample(&metrics, &format!("expunged_backlog_known{{{rule}}}")), "1");
        assert_eq!(sample(&metrics, &format!("expunged_first_deadline_seconds{{{rule}}}")), "+Inf");
    }
    for zero in ["expunged_open_intents", "expunged_paused", "expunged_clock_behind_ledger_seconds"] {
        assert_eq!(sample(&metrics, zero), "0", "{zero}");
    }
    for result in ["accepted", "refused"] {
        assert_eq!(sample(&metrics, &format!("expunged_reloads_total{{result=\"{result}\"}}")), "0");
    }
    // Every family has a sample: what is listed here is what there is.
    let families: Vec<&str> = metrics.lines().filter(|line| line.starts_with("# ")).collect();
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(families.join("\n"));
    });
}

#[test]
fn the_numbers_are_those_of_the_world() {
    let world = monitored();
    world.sql(
        "INSERT INTO account VALUES (5, '2031-03-02T00:00:00Z'), (6, '2031-02-30T00:00:00Z'), (7, '2051-01-01T00:00:00Z');",
    );
    let daemon = Daemon::start(&world);
    let metrics = daemon.metrics();
    let of = |name: &str, more: &str| {
        sample(&metrics, &format!("expunged_{name}{{service=\"site\",rule=\"account\"{more}}}"))
    };
    assert_eq!(of("disposed_total", ",action=\"delete\""), "2");
    assert_eq!(of("sweeps_total", ",result=\"completed\""), "1");
    assert_eq!(of("sweep_duration_seconds_count", ""), "1");
    // Account 5 was a day late, by some seconds more than ten minutes.
    assert_eq!(of("lateness_seconds_count", ""), "1");
    assert_eq!(of("lateness_seconds_bucket", ",le=\"86400\""), "0");
    assert_eq!(of("lateness_seconds_bucket", ",le=\"604800\""), "1");
    assert_eq!(of("undated", ",reason=\"unreadable\""), "1");
    // Account 3 is deleted later on this day.
    assert_eq!(of("undated", ",reason=\"future\""), "2");
    assert_eq!((of("due", ""), of("overdue", "")), ("0", "0"));
    let begun = crate::world::at(super::handle::BEGIN).timestamp();
    let success: f64 = of("last_success_timestamp_seconds", "").parse().unwrap();
    // The offset of the clock is whole seconds.
    assert!(success >= f64::from(i32::try_from(begun - 1).unwrap()), "{success}");
    let entries = world.list_on("state.db", "SELECT count(*) FROM entry");
    assert_eq!(sample(&metrics, "expunged_ledger_entries"), entries[0]);
    daemon.stop();
}

/// What people demand has a sweep of its own, which is counted, logged and parked like any other.
#[test]
fn a_parked_request_alarms_and_goes_once_it_is_approved() {
    let world = monitored();
    let rules =
        TWO_RULES.replacen("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"\non_erasure = \"dispose\"", 1);
    world.rules(&rules);
    let rule = "{service=\"site\",rule=\"account\"}";
    let daemon = Daemon::start(&world);
    daemon.stop();
    world.configure("first_sweep = 1000000", "first_sweep = 0");
    let daemon = Daemon::start(&world);
    let asked = run(&world, &["erase", "request", "site", "4"]);
    assert_eq!(asked.code, 0, "{}", asked.text());
    daemon.advance("2031-03-04T01:00:10Z");
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, &format!("expunged_parked{rule}")), "1");
    assert_eq!(
        sample(&metrics, "expunged_sweeps_total{service=\"site\",rule=\"account\",result=\"parked\"}"),
        "1"
    );
    assert_eq!(
        sample(&metrics, "expunged_sweeps_total{service=\"site\",rule=\"account\",result=\"completed\"}"),
        "1"
    );
    let approved = run(&world, &["approve", "site/account", "--up-to", "1"]);
    assert_eq!(approved.code, 0, "{}", approved.text());
    daemon.advance("2031-03-04T02:00:10Z");
    assert!(!world.ids("SELECT id FROM account").contains("4"));
    assert_eq!(sample(&daemon.metrics(), &format!("expunged_parked{rule}")), "0");
    assert_eq!(world.entries("erasure.answered").len(), 1);
    assert!(daemon.stop().contains("parked: waits for `expunged approve`"));
}

/// What people demand is swept by itself, and says nothing of the schedule: neither live nor after a restart.
#[test]
fn the_last_success_is_the_schedules_after_a_restart_as_well() {
    let world = monitored();
    let rules =
        TWO_RULES.replacen("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"\non_erasure = \"dispose\"", 1);
    world.rules(&rules);
    let daemon = Daemon::start(&world);
    daemon.stop();
    world.configure("first_sweep = 1000000", "first_sweep = 1");
    let daemon = Daemon::start(&world);
    world.sql(
        "INSERT INTO account VALUES (11, '2031-03-03T23:30:00Z'), (12, '2031-03-03T23:30:00Z'), (13, '2031-03-03T23:30:00Z'),
         (14, '2031-03-03T23:30:00Z'), (15, '2031-03-03T23:30:00Z')",
    );
    assert_eq!(run(&world, &["erase", "request", "site", "4"]).code, 0);
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(
        world.entries("sweep.finished").len(),
        3,
        "the schedule's sweep is parked, the request's is not"
    );
    let success = |daemon: &Daemon<'_>| -> f64 {
        let name = "expunged_last_success_timestamp_seconds{service=\"site\",rule=\"account\"}";
        sample(&daemon.metrics(), name).parse().unwrap()
    };
    let begun = crate::world::at(super::handle::BEGIN).timestamp();
    let of_the_schedule = f64::from(i32::try_from(begun).unwrap());
    assert!((success(&daemon) - of_the_schedule).abs() < 600.0);
    daemon.stop();
    let daemon = Daemon::start(&world);
    assert!((success(&daemon) - of_the_schedule).abs() < 600.0, "{}", success(&daemon));
    daemon.stop();
}

#[test]
fn a_parked_rule_goes_on_alarming() {
    let world = monitored();
    world.configure("first_sweep = 1000000", "first_sweep = 0");
    let daemon = Daemon::start(&world);
    let rule = "{service=\"site\",rule=\"account\"}";
    let metrics = daemon.metrics();
    assert_eq!(sample(&metrics, &format!("expunged_parked{rule}")), "1");
    assert_eq!(sample(&metrics, &format!("expunged_due{rule}")), "1");
    let name = format!("expunged_first_deadline_seconds{rule}");
    let left: f64 = sample(&metrics, &name).parse().unwrap();
    // Nothing is swept meanwhile; time passes all the same.
    super::handle::set_clock(&world, "2031-03-04T00:40:00Z");
    let later: f64 = sample(&daemon.metrics(), &name).parse().unwrap();
    assert!((1700.0..1900.0).contains(&(left - later)), "{left} {later}");
    assert_eq!(super::handle::run(&world, &["approve", "site/account", "--up-to", "10"]).code, 0);
    daemon.advance("2031-03-04T01:00:10Z");
    assert_eq!(sample(&daemon.metrics(), &format!("expunged_parked{rule}")), "0");
    assert!(daemon.stop().contains("parked: waits for `expunged approve`"));
}

/// What ends the command with 1, the daemon says: it has nobody to look at its exit code.
#[test]
fn missing_backups_are_said_in_the_log_and_in_the_metrics() {
    const BACKUPS: &str = r#"
[[rule]]
id = "backup"
class = "backup"
keeps = []
datastore = "files"
pattern = "*"
backup = { of = ["site"], every = "1 day", keep_at_least = 3 }
trigger = { name = "backup-%Y%m%dT%H%M%SZ.tar" }
retain = "8 days"
delete_by = "30 days"
schedule = "0 0 * * * *"
action = "delete"
"#;
    let world = monitored();
    world.rules(&format!("{TWO_RULES}{BACKUPS}"));
    world.configure(
        "[datastore.site]",
        "[datastore.files]\nkind = \"files\"\nroot = \"tree\"\n\n[datastore.site]",
    );
    std::fs::create_dir(world.path("tree")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path("tree"), mode).unwrap();
    world.write("tree/backup-20310301T000000Z.tar", "x");
    let daemon = Daemon::start(&world);
    let of = |word: &str| format!("expunged_findings{{service=\"site\",rule=\"backup\",finding=\"{word}\"}}");
    let metrics = daemon.metrics();
    for (word, found) in
        [("few_backups", "1"), ("no_recent_backup", "1"), ("changed", "0"), ("remaining", "0")]
    {
        assert_eq!(sample(&metrics, &of(word)), found, "{word}");
    }
    let log = daemon.log();
    assert!(log.contains("1 backups are left, 3 were to be kept: the promise goes first"), "{log}");
    assert!(log.contains("the newest backup is 3 d old"), "{log}");
    for made in ["backup-20310303T000000Z.tar", "backup-20310304T000000Z.tar"] {
        world.write(&format!("tree/{made}"), "x");
    }
    daemon.advance("2031-03-04T01:00:10Z");
    let metrics = daemon.metrics();
    for word in ["few_backups", "no_recent_backup"] {
        assert_eq!(sample(&metrics, &of(word)), "0", "{word}");
    }
    daemon.stop();
}

#[test]
fn labels_are_of_rules_and_closed_lists_whatever_the_data() {
    let world = monitored();
    let names = |metrics: &str| -> BTreeSet<String> {
        let samples = metrics.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let daemon = Daemon::start(&world);
    let before = names(&daemon.metrics());
    world.sql(
        "INSERT INTO account WITH RECURSIVE n(i) AS (VALUES (100) UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         SELECT i, CASE i % 4 WHEN 0 THEN 'canary' || i WHEN 1 THEN '' WHEN 2 THEN '2001-01-01T00:00:00Z' END FROM n;",
    );
    daemon.advance("2031-03-04T01:00:10Z");
    let metrics = daemon.metrics();
    assert_eq!(names(&metrics), before);
    assert!(!metrics.contains("canary") && !daemon.stop().contains("canary"));
}

#[test]
fn a_rule_that_is_gone_is_shown_no_more() {
    let world = monitored();
    let daemon = Daemon::start(&world);
    assert!(daemon.metrics().contains("rule=\"visit\""));
    let rules = super::handle::TWO_RULES;
    world.rules(&rules[..rules.rfind("[[rule]]").unwrap()]);
    assert_eq!(super::handle::run(&world, &["reload"]).code, 0);
    daemon.wait("STATUS=counting");
    daemon.wait("STATUS=next sweep");
    let metrics = daemon.metrics();
    assert!(!metrics.contains("rule=\"visit\""), "{metrics}");
    assert_eq!(sample(&metrics, "expunged_reloads_total{result=\"accepted\"}"), "1");
    daemon.stop();
}

#[test]
fn without_http_nobody_is_answered() {
    let world = world();
    let daemon = Daemon::start(&world);
    assert!(!daemon.log().contains("monitoring is answered"));
    daemon.stop();
}

#[test]
fn a_watchdog_is_fed_while_there_is_nothing_to_do() {
    let world = world();
    let daemon = Daemon::spawn(&world, &[("WATCHDOG_USEC", "300000")]);
    daemon.wait("STATUS=next sweep");
    for _ in 0..5 {
        daemon.wait("WATCHDOG=1");
    }
    daemon.stop();
}

#[test]
fn a_sweep_that_hangs_feeds_no_watchdog_and_is_said_to_hang() {
    let world = monitored();
    let (daemon, pipe) = super::stop::held(&world, "commit.before:2", &[("WATCHDOG_USEC", "400000")]);
    let address = daemon.address();
    // The loop is held with its thread; monitoring is answered all the same.
    while get(&address, "/healthz").0 == 200 {
        std::thread::yield_now();
    }
    assert_eq!(get(&address, "/healthz"), (503, "the loop has given no sign of life\n".to_owned()));
    daemon.silent("WATCHDOG=1");
    drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    daemon.wait("WATCHDOG=1");
    daemon.wait("STATUS=next sweep");
    assert_eq!(get(&address, "/healthz").0, 200);
    daemon.stop();
}

//! What monitoring sees. Every label comes from a rule file, the configuration or a closed list: no record has one.
//!
//! What could not be counted is absent, and `expunged_backlog_known` says so: it is never zero. Ages and times left are computed
//! when somebody looks, from instants: they go on while nothing is swept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::exposition::{Exposition, Family, Histogram, Kind, number};
use crate::deployment::Deployment;
use crate::ledger::entry::{Action, SweepResult};
use crate::model::name::{DatastoreName, RuleId};
use crate::rules::decide::Undated;
use crate::state::StandingOrders;
use crate::sweep::{Backlog, Finding, Report};

/// From a minute to three months: deadlines are hours to years, and what is late is looked at within days.
const LATENESS: [f64; 8] = [60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 7_776_000.0];

/// From a sweep that finds nothing to one that runs into its cap.
const DURATION: [f64; 8] = [0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0];

const RESULTS: [SweepResult; 6] = [
    SweepResult::Completed,
    SweepResult::Stopped,
    SweepResult::Parked,
    SweepResult::Refused,
    SweepResult::Failed,
    SweepResult::Observed,
];

const UNDATED: [Undated; 5] =
    [Undated::Null, Undated::NoRow, Undated::Future, Undated::BeforeEpoch, Undated::Unreadable];

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reload {
    /// What was read is in force.
    Accepted,
    /// What was in force still is.
    Refused,
}

const RELOADS: [(Reload, &str); 2] = [(Reload::Accepted, "accepted"), (Reload::Refused, "refused")];

/// The numbers of one process, from its start on.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    rules: BTreeMap<RuleId, Watch>,
    /// Whether recovery has parked it.
    datastores: BTreeMap<DatastoreName, bool>,
    reloads: BTreeMap<Reload, u64>,
    state_failures: u64,
    /// None: it is not open.
    state: Option<Ledger>,
    /// An operator's pause, or the stop file.
    paused: bool,
}

/// What the state says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ledger {
    pub(super) entries: u64,
    /// The newest entry's instant.
    pub(super) mark: DateTime<Utc>,
    pub(super) open_intents: u64,
    /// Holds in force and open erasure requests.
    pub(super) orders: StandingOrders,
    /// None: nothing was published yet.
    pub(super) checkpoint: Option<DateTime<Utc>>,
}

/// The numbers of one rule.
#[derive(Debug)]
struct Watch {
    action: &'static str,
    disposed: u64,
    dependents: u64,
    results: BTreeMap<&'static str, u64>,
    lateness: Histogram,
    duration: Histogram,
    last_success: Option<DateTime<Utc>>,
    parked: bool,
    /// What the sweeps of the last turn left to look at, by its words.
    found: BTreeSet<&'static str>,
    /// None: it could not be counted.
    backlog: Option<Backlog>,
}

impl Watch {
    fn new(action: &'static str) -> Self {
        Self {
            action,
            disposed: 0,
            dependents: 0,
            results: BTreeMap::new(),
            lateness: Histogram::new(&LATENESS),
            duration: Histogram::new(&DURATION),
            last_success: None,
            parked: false,
            found: BTreeSet::new(),
            backlog: None,
        }
    }
}

/// How much of a running sweep has been counted already.
#[derive(Debug, Default)]
pub(super) struct Seen {
    disposed: u64,
    dependents: u64,
    lateness: BTreeMap<u64, u64>,
}

impl Metrics {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These rules and datastores are in force: new ones begin at zero, others are not shown any more.
    pub(super) fn govern(&self, deployment: &Deployment) {
        let mut watched = self.watched();
        let mut old = std::mem::take(&mut watched.rules);
        for (_, rule) in deployment.rules.rules() {
            let action = action(Action::from(&rule.action));
            let kept = old.remove(&rule.id).filter(|watch| watch.action == action);
            watched.rules.insert(rule.id.clone(), kept.unwrap_or_else(|| Watch::new(action)));
        }
        let parked = std::mem::take(&mut watched.datastores);
        let names = deployment.config.datastores.keys();
        watched.datastores =
            names.map(|name| (name.clone(), parked.get(name).copied().unwrap_or(false))).collect();
    }

    fn of(&self, rule: &RuleId, change: impl FnOnce(&mut Watch)) {
        if let Some(watch) = self.watched().rules.get_mut(rule) {
            change(watch);
        }
    }

    /// Rules whose backlog nobody could count yet.
    pub(super) fn uncounted(&self, rule: &RuleId) -> bool {
        self.watched().rules.get(rule).is_some_and(|watch| watch.backlog.is_none())
    }

    pub(super) fn succeeded_before(&self, rule: &RuleId, at: Option<DateTime<Utc>>) {
        self.of(rule, |watch| watch.last_success = at);
    }

    /// What a sweep has done since it was last looked at.
    pub(super) fn went(&self, rule: &RuleId, seen: &mut Seen, report: &Report) {
        self.of(rule, |watch| {
            watch.disposed += report.disposed - seen.disposed;
            watch.dependents += report.dependents - seen.dependents;
            for (late, n) in &report.lateness {
                let before = seen.lateness.insert(*late, *n).unwrap_or(0);
                watch.lateness.add(number(*late), n - before);
            }
        });
        (seen.disposed, seen.dependents) = (report.disposed, report.dependents);
    }

    /// How the sweeps of a turn ended: its schedule's, and that of what people demand, if there was one.
    pub(super) fn ended(&self, rule: &RuleId, turn: &[SweepResult], took: Duration, at: DateTime<Utc>) {
        self.of(rule, |watch| {
            for result in turn {
                *watch.results.entry(result.as_str()).or_default() += 1;
            }
            watch.duration.add(took.as_secs_f64(), 1);
            if turn.contains(&SweepResult::Parked) {
                watch.parked = true;
            } else if turn.iter().all(|r| matches!(r, SweepResult::Completed | SweepResult::Observed)) {
                // Any other says nothing about the guard.
                watch.parked = false;
            }
            // One that observes has done what it is there for; what it leaves overdue is counted as such.
            if matches!(turn.first(), Some(SweepResult::Completed | SweepResult::Observed)) {
                watch.last_success = Some(at);
            }
        });
    }

    /// What somebody has to look at after a turn.
    pub(super) fn found(&self, rule: &RuleId, words: BTreeSet<&'static str>) {
        self.of(rule, |watch| watch.found = words);
    }

    /// What waits; none: it could not be counted.
    pub(super) fn backlog(&self, rule: &RuleId, backlog: Option<Backlog>) {
        self.of(rule, |watch| watch.backlog = backlog);
    }

    /// Where recovery found a batch in doubt.
    pub(super) fn parked(&self, datastores: &BTreeSet<String>) {
        for (name, parked) in &mut self.watched().datastores {
            *parked = datastores.contains(name.as_str());
        }
    }

    /// Whether all disposal is stopped.
    pub(super) fn halted(&self, halted: bool) {
        self.watched().paused = halted;
    }

    pub(super) fn reloaded(&self, how: Reload) {
        *self.watched().reloads.entry(how).or_default() += 1;
    }

    /// The state as it is now; none: it failed.
    pub(super) fn state(&self, ledger: Option<Ledger>) {
        let mut watched = self.watched();
        watched.state_failures += u64::from(ledger.is_none());
        watched.state = ledger;
    }

    /// Whether the state is open.
    pub(super) fn has_state(&self) -> bool {
        self.watched().state.is_some()
    }

    /// All of it, in the text format; ages as they are `now`.
    pub(super) fn text(&self, now: DateTime<Utc>) -> String {
        let watched = self.watched();
        let mut out = Exposition::default();
        watched.done(&mut out);
        watched.waiting(&mut out, now);
        watched.process(&mut out, now);
        out.into_text()
    }
}

impl Watched {
    /// One sample a rule.
    fn each(&self, mut family: Family<'_>, value: impl Fn(&Watch) -> Option<f64>) {
        for (rule, watch) in &self.rules {
            if let Some(value) = value(watch) {
                family.sample(&labels(rule), value);
            }
        }
    }

    /// What sweeps did.
    fn done(&self, out: &mut Exposition) {
        let help = "Records of the rule itself that were disposed of.";
        let mut family = out.family("expunged_disposed_total", Kind::Counter, help);
        for (rule, watch) in &self.rules {
            let [service, local] = labels(rule);
            family.sample(&[service, local, ("action", watch.action)], number(watch.disposed));
        }
        let help = "Records of dependents that were disposed of with them.";
        let family = out.family("expunged_disposed_dependents_total", Kind::Counter, help);
        self.each(family, |watch| Some(number(watch.dependents)));
        let help = "Sweeps by how they ended.";
        let mut family = out.family("expunged_sweeps_total", Kind::Counter, help);
        for (rule, watch) in &self.rules {
            let [service, local] = labels(rule);
            for result in RESULTS.map(SweepResult::as_str) {
                let n = watch.results.get(result).copied().unwrap_or(0);
                family.sample(&[service, local, ("result", result)], number(n));
            }
        }
        let help = "How long a rule's turn took.";
        let mut family = out.family("expunged_sweep_duration_seconds", Kind::Histogram, help);
        for (rule, watch) in &self.rules {
            family.histogram(&labels(rule), &watch.duration);
        }
        let help = "By how much the deadline had passed of records that were disposed of too late.";
        let mut family = out.family("expunged_lateness_seconds", Kind::Histogram, help);
        for (rule, watch) in &self.rules {
            family.histogram(&labels(rule), &watch.lateness);
        }
        let help = "When a sweep last completed, in seconds since 1970; 0: never.";
        let family = out.family("expunged_last_success_timestamp_seconds", Kind::Gauge, help);
        self.each(family, |watch| Some(watch.last_success.map_or(0.0, since_1970)));
        let help = "Whether a sweep of the last turn was parked by its guard, and waits for an approval.";
        let family = out.family("expunged_parked", Kind::Gauge, help);
        self.each(family, |watch| Some(flag(watch.parked)));
        let help = "Whether the sweeps of the last turn left something that somebody has to look at.";
        let mut family = out.family("expunged_findings", Kind::Gauge, help);
        for (rule, watch) in &self.rules {
            let [service, local] = labels(rule);
            for word in Finding::WORDS {
                family.sample(&[service, local, ("finding", word)], flag(watch.found.contains(word)));
            }
        }
    }

    /// What waits, as it was last counted.
    fn waiting(&self, out: &mut Exposition, now: DateTime<Utc>) {
        let help = "Whether the last count succeeded; 0: what depends on it is absent.";
        let family = out.family("expunged_backlog_known", Kind::Gauge, help);
        self.each(family, |watch| Some(flag(watch.backlog.is_some())));
        let of = |read: fn(&Backlog) -> u64| {
            move |watch: &Watch| watch.backlog.as_ref().map(|backlog| number(read(backlog)))
        };
        let help = "Records that may go and are not overdue.";
        self.each(out.family("expunged_due", Kind::Gauge, help), of(|backlog| backlog.due));
        let help = "Records whose deadline has passed.";
        self.each(out.family("expunged_overdue", Kind::Gauge, help), of(Backlog::past_deadline));
        let help = "Records that would be due, but for a hold.";
        self.each(out.family("expunged_held", Kind::Gauge, help), of(|backlog| backlog.held));
        let help = "Records whose trigger gives no plausible instant: never due.";
        let mut family = out.family("expunged_undated", Kind::Gauge, help);
        for (rule, watch) in &self.rules {
            let [service, local] = labels(rule);
            let Some(backlog) = &watch.backlog else { continue };
            for reason in UNDATED.map(Undated::as_str) {
                let n = backlog.undated.get(reason).copied().unwrap_or(0);
                family.sample(&[service, local, ("reason", reason)], number(n));
            }
        }
        let help = "How long ago the oldest due record became due; 0: nothing is due.";
        let family = out.family("expunged_oldest_due_age_seconds", Kind::Gauge, help);
        self.each(family, |watch| {
            let backlog = watch.backlog.as_ref()?;
            Some(backlog.oldest_due.map_or(0.0, |at| seconds(now - at)))
        });
        let help =
            "Time left to the first deadline of what is due; negative: it has passed; +Inf: nothing is due.";
        let family = out.family("expunged_first_deadline_seconds", Kind::Gauge, help);
        self.each(family, |watch| {
            let backlog = watch.backlog.as_ref()?;
            Some(backlog.first_deadline.map_or(f64::INFINITY, |at| seconds(at - now)))
        });
    }

    /// The process and its state.
    fn process(&self, out: &mut Exposition, now: DateTime<Utc>) {
        let help = "Whether a batch in doubt keeps the datastore from being swept.";
        let mut family = out.family("expunged_datastore_parked", Kind::Gauge, help);
        for (name, parked) in &self.datastores {
            family.sample(&[("datastore", name.as_str())], flag(*parked));
        }
        let mut one = |name, kind, help, value: Option<f64>| {
            let mut family = out.family(name, kind, help);
            if let Some(value) = value {
                family.sample(&[], value);
            }
        };
        let ledger = self.state;
        let gauge = Kind::Gauge;
        let help = "Whether the state is open; 0: nothing is disposed of.";
        one("expunged_state_open", gauge, help, Some(flag(ledger.is_some())));
        let help = "How often the state failed.";
        one("expunged_state_failures_total", Kind::Counter, help, Some(number(self.state_failures)));
        let help = "Entries of the ledger.";
        one("expunged_ledger_entries", gauge, help, ledger.map(|ledger| number(ledger.entries)));
        let help = "Age of the published checkpoint; +Inf: there is none.";
        let age = |ledger: Ledger| ledger.checkpoint.map_or(f64::INFINITY, |at| seconds(now - at).max(0.0));
        one("expunged_checkpoint_age_seconds", gauge, help, ledger.map(age));
        let help = "Intents without an outcome.";
        one("expunged_open_intents", gauge, help, ledger.map(|ledger| number(ledger.open_intents)));
        let help = "Legal holds in force.";
        one("expunged_holds", gauge, help, ledger.map(|ledger| number(ledger.orders.holds)));
        let help = "Erasure requests without an answer.";
        one(
            "expunged_erasure_requests_open",
            gauge,
            help,
            ledger.map(|ledger| number(ledger.orders.requests)),
        );
        let help = "Time left to answer the first open erasure request; negative: it has passed; +Inf: none is open.";
        let left =
            |ledger: Ledger| ledger.orders.first_deadline.map_or(f64::INFINITY, |at| seconds(at - now));
        one("expunged_erasure_first_deadline_seconds", gauge, help, ledger.map(left));
        let help = "How far the host's clock stands behind the newest entry; above 5 nothing is disposed of.";
        let behind = |ledger: Ledger| seconds(ledger.mark - now).max(0.0);
        one("expunged_clock_behind_ledger_seconds", gauge, help, ledger.map(behind));
        let help = "Whether all disposal is stopped: by a pause, or by the stop file.";
        one("expunged_paused", gauge, help, Some(flag(self.paused)));
        let help = "Reloads of configuration and rules by how they ended.";
        let mut family = out.family("expunged_reloads_total", Kind::Counter, help);
        for (how, word) in RELOADS {
            let n = self.reloads.get(&how).copied().unwrap_or(0);
            family.sample(&[("result", word)], number(n));
        }
        let help = "The program's version.";
        let mut family = out.family("expunged_build_info", Kind::Gauge, help);
        family.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    }
}

fn labels(rule: &RuleId) -> [(&'static str, &str); 2] {
    [("service", rule.service.as_str()), ("rule", rule.local.as_str())]
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Delete => "delete",
        Action::Pseudonymize => "pseudonymize",
    }
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

fn seconds(length: TimeDelta) -> f64 {
    length.as_seconds_f64()
}

fn since_1970(at: DateTime<Utc>) -> f64 {
    seconds(at - DateTime::UNIX_EPOCH)
}

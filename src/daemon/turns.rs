//! The loop: one rule's turn after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sd_notify::NotifyState;

use super::Shared;
use super::error::DaemonError;
use super::lifecycle::tell;
use super::metrics::{Ledger, Seen};
use super::plan::{Next, Plan};
use crate::clock::{self, Jumps, Stopwatch};
use crate::deployment::{Deployment, Exit, Failure, Turn, sweep_rule};
use crate::ledger::entry::{Cause, SweepResult};
use crate::model::datastore::Defaults;
use crate::model::name::RuleId;
use crate::model::now::Now;
use crate::model::opening::OpeningHours;
use crate::model::orders::Halt;
use crate::model::schedule::Schedule;
use crate::rules::rule::{Rule, Service};
use crate::state::{Role, State};
use crate::sweep::{Brake, Finding, Progress, Recovered, recover};

/// While disposal is halted, how often it is looked whether it goes on.
const LOOK: Duration = Duration::from_secs(1);

/// As the state has it.
const WHOLE: [&str; 2] = [SweepResult::Completed.as_str(), SweepResult::Observed.as_str()];

/// What the loop goes by.
pub(super) struct Turns<'d> {
    shared: &'d Shared,
    brake: Brake,
    /// None: it failed, and is opened again at the next start of a rule.
    state: Option<State>,
    recovered: Recovered,
    plan: Plan,
    /// When what waits for each rule was last counted: where a start of its schedule may not sweep, it counts.
    counted: Plan,
    /// How often it counts at the most while a datastore is closed.
    seldom: Schedule,
    /// Why nothing is disposed of at all.
    halt: Option<Halt>,
    jumps: Jumps,
    /// The deployment that the plan and the metrics are for.
    known: Option<Arc<Deployment>>,
}

impl<'d> Turns<'d> {
    pub(super) fn new(shared: &'d Shared, brake: Brake, state: State, recovered: Recovered) -> Self {
        Self {
            shared,
            brake,
            state: Some(state),
            recovered,
            plan: Plan::default(),
            counted: Plan::default(),
            seldom: Defaults::default().schedule,
            halt: None,
            jumps: Jumps::default(),
            known: None,
        }
    }

    /// Ends when the brake is pulled, or when the evidence does not hold.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let mut said = String::new();
        while !self.brake.pulled() {
            self.shared.pulse.beat();
            // Often, so that a jump is not taken for the time since the last look.
            self.jumps.look();
            let deployment = self.shared.in_force.get();
            if self.known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &deployment)) {
                self.adopt(&deployment).await?;
                self.known = Some(Arc::clone(&deployment));
                said.clear();
                continue;
            }
            // Whether or not anything is due: whoever watches must not learn of it only then.
            let halted = self.halted().await?;
            let rules = deployment.rules.rules().map(|(_, rule)| {
                (&rule.id, &rule.schedule, deployment.config.defaults.opening(rule.datastores()))
            });
            let now = clock::now();
            let next = self.plan.next(rules, now);
            let status = if halted { "disposal is halted".to_owned() } else { told(&next) };
            if said != status {
                tell(&[NotifyState::Status(&status)]);
                said = status;
            }
            let next = match next {
                Next::Due(rule) if !halted => {
                    self.start(&deployment, &rule).await?;
                    said.clear();
                    continue;
                }
                // What is due stays due: it starts as soon as disposal goes on.
                Next::Due(_) | Next::Never => DateTime::<Utc>::MAX_UTC,
                Next::At(_, at) => at,
            };
            let slice = if halted { LOOK } else { self.shared.pulse.slice() };
            self.count_or_wait(&deployment, now, next, slice).await;
        }
        Ok(())
    }

    /// While nothing may be swept, because of a halt or of a closed datastore, deadlines pass all the same: whoever watches sees it as
    /// soon as by sweeps. Where nothing is to be counted either, a slice of the way to the next sweep.
    async fn count_or_wait(
        &mut self,
        deployment: &Deployment,
        now: DateTime<Utc>,
        next: DateTime<Utc>,
        slice: Duration,
    ) {
        let rules = deployment.rules.rules();
        let always = rules.map(|(_, rule)| {
            // A window is there to keep load away: once an hour is often enough for what nothing is done about.
            let schedule = match self.halt {
                None if rule.schedule.longest_gap() < self.seldom.longest_gap() => &self.seldom,
                Some(_) | None => &rule.schedule,
            };
            (&rule.id, schedule, OpeningHours::default())
        });
        let until = match self.counted.next(always, now) {
            Next::Due(id) => {
                if let Some((_, rule)) = deployment.rules.rules().find(|(_, rule)| rule.id == id) {
                    self.count(deployment, rule).await;
                }
                return;
            }
            Next::At(_, at) => at.min(next),
            Next::Never => next,
        };
        self.wait_until(until, slice).await;
    }

    /// A slice of the way, or until something happens.
    async fn wait_until(&self, at: DateTime<Utc>, slice: Duration) {
        tokio::select! {
            () = clock::wait_until(at, slice) => {}
            () = self.brake.wait(slice) => {}
            () = self.shared.in_force.changed.notified() => {}
        }
    }

    /// Whether somebody has stopped all disposal; said once when it begins, and once when it ends.
    async fn halted(&mut self) -> Result<bool, Failure> {
        let Some(state) = &mut self.state else { return Ok(false) };
        let halt = match state.halt().await {
            Ok(halt) => halt,
            Err(error) => return self.state_failed(error.into()).map(|()| false),
        };
        if halt != self.halt {
            if let Some(halt) = &halt {
                tracing::warn!("nothing is disposed of: {halt}");
            } else {
                tracing::info!("disposal goes on");
            }
            self.halt = halt;
            // Before the service manager is told: who listens to it may look at the metrics at once.
            self.shared.metrics.halted(self.halt.is_some());
        }
        Ok(self.halt.is_some())
    }

    /// Goes by another deployment from here on.
    async fn adopt(&mut self, deployment: &Deployment) -> Result<(), Failure> {
        self.shared.metrics.govern(deployment);
        self.learn(deployment).await?;
        tell(&[NotifyState::Status("counting what is due")]);
        for (_, rule) in deployment.rules.rules() {
            if self.brake.pulled() {
                break;
            }
            if self.shared.metrics.uncounted(&rule.id) {
                self.count(deployment, rule).await;
            }
        }
        Ok(())
    }

    /// Asks the state when the rules that are new here were last started.
    async fn learn(&mut self, deployment: &Deployment) -> Result<(), Failure> {
        for (_, rule) in deployment.rules.rules() {
            if self.plan.knows(&rule.id) {
                continue;
            }
            let Some(state) = &mut self.state else { return Ok(()) };
            match state.overview(&rule.id.to_string()).await {
                Ok(overview) => {
                    self.shared.metrics.succeeded_before(&rule.id, overview.last_success);
                    // What a crash or a stop cut off goes on at once: its records have waited for a start already.
                    let whole = |result: Option<&str>| result.is_some_and(|r| WHOLE.contains(&r));
                    let whole = overview.last.filter(|last| whole(last.result.as_deref()));
                    self.plan.remember(&rule.id, whole.map(|last| last.started_at));
                }
                Err(error) => return self.state_failed(error.into()),
            }
        }
        Ok(())
    }

    /// Counts what waits for a rule; given up when the process has to end: counting changes nothing.
    async fn count(&mut self, deployment: &Deployment, rule: &Rule) {
        self.counted.remember(&rule.id, Some(clock::now()));
        let Some(state) = &mut self.state else {
            // What is on hold and what is demanded, nobody knows.
            self.shared.metrics.backlog(&rule.id, None);
            return;
        };
        let brake = self.brake.clone();
        let now = Now::from_clocks(clock::now(), None);
        let counted = tokio::select! {
            counted = deployment.backlog(rule, Some(state), now) => counted,
            () = brake.wait(Duration::MAX) => return,
        };
        self.shared.pulse.beat();
        if let Err(failure) = &counted {
            let rule = &rule.id;
            tracing::error!(%rule, exit = failure.exit() as u8, error = failure.text(), "what is due cannot be counted");
        }
        self.shared.metrics.backlog(&rule.id, counted.ok());
    }

    /// Gives a rule its turn.
    async fn start(&mut self, deployment: &Deployment, id: &RuleId) -> Result<(), Failure> {
        let now = clock::now();
        self.plan.remember(id, Some(now));
        self.counted.remember(id, Some(now));
        let Some((service, rule)) = deployment.rules.rules().find(|(_, rule)| rule.id == *id) else {
            return Ok(());
        };
        let watch = Stopwatch::start();
        let turn = self.turn(deployment, (service, rule)).await;
        let results: Vec<SweepResult> = match &turn {
            Ok(Ok(swept)) => {
                let requests = swept.requests.as_ref();
                let requests = requests.map(|report| report.as_ref().map_or_else(unfinished, |r| r.result));
                [swept.report.result].into_iter().chain(requests).collect()
            }
            Ok(Err(failure)) | Err(failure) => vec![unfinished(failure)],
        };
        self.shared.metrics.ended(id, &results, watch.elapsed(), clock::now());
        match turn {
            Ok(turn) => self.conclude(deployment, rule, turn).await,
            Err(failure) => {
                tracing::error!(rule = %id, exit = failure.exit() as u8, error = failure.text(), "not swept to the end");
                self.state_failed(failure)
            }
        }
    }

    async fn turn(&mut self, deployment: &Deployment, rule: (&Service, &Rule)) -> Result<Turn, Failure> {
        let shared = self.shared;
        let state = if let Some(state) = &mut self.state {
            state
        } else {
            let mut opened = deployment.state(Role::Disposer).await?;
            self.recovered = recover(&mut opened, deployment.places()).await?;
            tracing::info!("the state is open again");
            self.state.insert(opened)
        };
        if !self.recovered.parked.is_empty() {
            // Whatever was in the way may be gone.
            self.recovered = recover(state, deployment.places()).await?;
        }
        // The last thing before the sweep reads the clock.
        let ahead = self.jumps.look();
        if ahead > TimeDelta::zero() {
            let jumped = DaemonError::ClockJumped { host: clock::now(), ahead };
            return Ok(Err(Failure::new(Exit::Refused, jumped)));
        }
        let (mut scheduled, mut demanded) = (Seen::default(), Seen::default());
        let mut progress = |progress: Progress<'_>| {
            let seen = match progress.cause {
                Cause::Schedule | Cause::Replay => &mut scheduled,
                Cause::Request => &mut demanded,
            };
            shared.pulse.beat();
            shared.metrics.went(&rule.1.id, seen, progress.report);
        };
        Box::pin(sweep_rule(deployment, state, &mut self.recovered, rule, &self.brake, &mut progress)).await
    }

    /// One line for what an operator must know of a turn, and the numbers as they are now. The sweep itself says that it started
    /// and finished.
    async fn conclude(&mut self, deployment: &Deployment, rule: &Rule, turn: Turn) -> Result<(), Failure> {
        let id = &rule.id;
        let (report, requests, raised) = match turn {
            Ok(swept) => (Ok(swept.report), swept.requests, swept.raised),
            Err(failure) => (Err(failure), None, None),
        };
        // One that failed says nothing of what it would have found.
        let looked = report.is_ok();
        // What is demanded went after the schedule's sweep had counted.
        let alone = requests.is_none();
        let mut residue = None;
        let mut found = BTreeSet::new();
        for report in [report].into_iter().chain(requests) {
            match report {
                Ok(report) => {
                    if let Some(parked) = &report.parked {
                        let (due, dependents, allowed) = (parked.due, parked.dependents, parked.allowed);
                        tracing::warn!(rule = %id, due, dependents, allowed, "parked: waits for `expunged approve`");
                    }
                    for finding in report.findings() {
                        warn(id, finding);
                        found.insert(finding.word());
                    }
                    residue = report.residue.filter(|_| alone);
                }
                Err(failure) => self.turn_failed(id, failure)?,
            }
        }
        if looked {
            self.shared.metrics.found(id, found);
        }
        // What was reached, or not, has been said.
        if let Some(Err(failure)) = raised {
            self.turn_failed(id, failure)?;
        }
        match residue {
            Some(backlog) => self.shared.metrics.backlog(id, Some(backlog)),
            None => self.count(deployment, rule).await,
        }
        self.observe().await
    }

    fn turn_failed(&mut self, id: &RuleId, failure: Failure) -> Result<(), Failure> {
        let exit = failure.exit() as u8;
        tracing::error!(rule = %id, exit, error = failure.text(), "not swept to the end");
        if failure.is_of_the_state() { self.state_failed(failure) } else { Ok(()) }
    }

    /// Publishes what the state says of itself.
    pub(super) async fn observe(&mut self) -> Result<(), Failure> {
        self.shared.metrics.parked(&self.recovered.parked);
        let Some(state) = &mut self.state else { return Ok(()) };
        let open = match state.open_intents().await {
            Ok(open) => open.len() as u64,
            Err(error) => return self.state_failed(error.into()),
        };
        let orders = match state.standing_orders().await {
            Ok(orders) => orders,
            Err(error) => return self.state_failed(error.into()),
        };
        let published = std::fs::metadata(state.checkpoint_path()).and_then(|file| file.modified());
        self.shared.metrics.state(Some(Ledger {
            entries: state.ledger_size().get(),
            mark: state.high_water_mark(),
            open_intents: open,
            orders,
            checkpoint: published.ok().map(DateTime::from),
        }));
        Ok(())
    }

    /// The state is closed, and opened again at the next start of a rule; evidence that does not hold ends the daemon.
    fn state_failed(&mut self, failure: Failure) -> Result<(), Failure> {
        if failure.exit() == Exit::Evidence {
            return Err(failure);
        }
        let exit = failure.exit() as u8;
        tracing::error!(
            exit,
            error = failure.text(),
            "the state failed: it is opened again at the next start"
        );
        self.state = None;
        self.shared.metrics.state(None);
        Ok(())
    }
}

/// Says what somebody has to look at, unless it is said elsewhere.
fn warn(rule: &RuleId, finding: Finding) {
    match finding {
        // By who parked, halted, stopped or stranded it.
        Finding::Parked | Finding::Halted | Finding::Unfinished | Finding::Stranded(_) => {}
        Finding::Remaining(_)
        | Finding::Uncounted
        | Finding::Overdue(_)
        | Finding::Refused(_)
        | Finding::Changed(_)
        | Finding::Obstacles(_)
        | Finding::FewBackups { .. }
        | Finding::NoRecentBackup(_) => {
            tracing::warn!(%rule, finding = finding.word(), "somebody has to look: {finding}");
        }
    }
}

/// The result of a sweep that did not get to its end.
fn unfinished(failure: &Failure) -> SweepResult {
    if failure.exit() == Exit::Refused { SweepResult::Refused } else { SweepResult::Failed }
}

/// What comes next, as the service manager is told it.
fn told(next: &Next) -> String {
    match next {
        Next::Due(rule) => format!("sweeping {rule}"),
        Next::At(rule, at) => format!("next sweep: {rule} at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        Next::Never => "no schedule fires any more".to_owned(),
    }
}

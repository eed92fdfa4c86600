//! The daemon: every rule on its schedule, until it is told to stop.
//!
//! **Invariant:** one loop, one sweep at a time: no two sweeps ever meet in a dataset, and the state has one disposer.
//!
//! **Invariant:** a failure is the rule's own. It is said, counted, and tried again at the rule's next start; only evidence that
//! does not hold ends the daemon.

mod control;
mod error;
mod lifecycle;
pub mod plan;
mod reload;

use std::path::Path;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock;
use crate::deployment::{Deployment, Exit, Failure, Turn, sweep_rule};
use crate::ledger::entry::SweepResult;
use crate::model::name::RuleId;
use crate::rules::rule::{Rule, Service};
use crate::state::{Role, State};
use crate::sweep::{Brake, Recovered, recover};

pub use control::{Answer, ask};
pub use error::DaemonError;
pub use lifecycle::stop_on_signals;
use lifecycle::{Pulse, tell};
use plan::{Next, Plan};
use reload::InForce;

/// What the loop shares with the tasks beside it.
struct Shared {
    in_force: InForce,
    pulse: Pulse,
}

/// Sweeps every rule of this configuration on its schedule, until a signal ends it.
pub async fn run(config: &Path) -> Result<Exit, Failure> {
    let (lever, brake) = Brake::new();
    stop_on_signals(lever)?;
    let mut hangups = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
    let deployment = Deployment::load(config, None)?;
    let mut state = deployment.state(Role::Disposer).await?;
    let recovered = recover(&mut state, deployment.places()).await?;
    let socket = deployment.config.control.clone();
    let listener = control::bind(&socket, 0o600).await.map_err(misplaced)?;
    let shared = Arc::new(Shared { in_force: InForce::new(config, deployment), pulse: Pulse::start() });
    let daemon = Arc::clone(&shared);
    tokio::spawn(control::serve(listener, move || {
        let daemon = Arc::clone(&daemon);
        async move { daemon.in_force.reload().await }
    }));
    let daemon = Arc::clone(&shared);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            daemon.in_force.reload().await;
        }
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    tell(&[NotifyState::Ready]);
    let ended =
        Loop { shared: &shared, brake, state: Some(state), recovered, plan: Plan::default() }.run().await;
    tell(&[NotifyState::Stopping]);
    control::remove(&socket);
    match &ended {
        Ok(()) => tracing::info!("stopped"),
        Err(failure) => tracing::error!(exit = failure.exit() as u8, error = failure.text(), "ended"),
    }
    ended.map(|()| Exit::Done)
}

fn misplaced(error: DaemonError) -> Failure {
    Failure::new(Exit::Configuration, error)
}

/// As the state has it.
const COMPLETED: &str = SweepResult::Completed.as_str();

/// What the loop goes by.
struct Loop<'d> {
    shared: &'d Shared,
    brake: Brake,
    /// None: it failed, and is opened again at the next start of a rule.
    state: Option<State>,
    recovered: Recovered,
    plan: Plan,
}

impl Loop<'_> {
    /// Ends when the brake is pulled, or when the evidence does not hold.
    async fn run(mut self) -> Result<(), Failure> {
        let mut said = None;
        while !self.brake.pulled() {
            self.shared.pulse.beat();
            let deployment = self.shared.in_force.get();
            self.learn(&deployment).await?;
            let rules = deployment.rules.rules().map(|(_, rule)| (&rule.id, &rule.schedule));
            let next = self.plan.next(rules, clock::now());
            if said.as_ref() != Some(&next) {
                say(&next);
                said = Some(next.clone());
            }
            match next {
                Next::Due(rule) => {
                    self.start(&deployment, &rule).await?;
                    said = None;
                }
                Next::At(_, at) => self.wait_until(at).await,
                Next::Never => self.wait_until(chrono::DateTime::<chrono::Utc>::MAX_UTC).await,
            }
        }
        Ok(())
    }

    /// A slice of the way, or until something happens.
    async fn wait_until(&self, at: chrono::DateTime<chrono::Utc>) {
        let slice = self.shared.pulse.slice();
        tokio::select! {
            () = clock::wait_until(at, slice) => {}
            () = self.brake.wait(slice) => {}
            () = self.shared.in_force.changed.notified() => {}
        }
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
                    // What a crash or a stop cut off goes on at once: its records have waited for a start already.
                    let whole = overview.last.filter(|last| last.result.as_deref() == Some(COMPLETED));
                    self.plan.remember(&rule.id, whole.map(|last| last.started_at));
                }
                Err(error) => return self.state_failed(error.into()),
            }
        }
        Ok(())
    }

    /// Gives a rule its turn.
    async fn start(&mut self, deployment: &Deployment, id: &RuleId) -> Result<(), Failure> {
        self.plan.remember(id, Some(clock::now()));
        let Some((service, rule)) = deployment.rules.rules().find(|(_, rule)| rule.id == *id) else {
            return Ok(());
        };
        match self.turn(deployment, (service, rule)).await {
            Ok(turn) => conclude(id, turn),
            Err(failure) => {
                tracing::error!(rule = %id, "not swept: without the state nothing is disposed of");
                self.state_failed(failure)
            }
        }
    }

    async fn turn(&mut self, deployment: &Deployment, rule: (&Service, &Rule)) -> Result<Turn, Failure> {
        let shared = self.shared;
        let state = match &mut self.state {
            Some(state) => state,
            None => {
                let opened = deployment.state(Role::Disposer).await?;
                tracing::info!("the state is open again");
                self.state.insert(opened)
            }
        };
        if !self.recovered.parked.is_empty() {
            // Whatever was in the way may be gone.
            self.recovered = recover(state, deployment.places()).await?;
        }
        let mut progress = |_: crate::sweep::Progress<'_>| shared.pulse.beat();
        sweep_rule(deployment, state, &mut self.recovered, rule, &self.brake, &mut progress).await
    }

    /// The state is closed, and opened again at the next start of a rule; evidence that does not hold ends the daemon.
    fn state_failed(&mut self, failure: Failure) -> Result<(), Failure> {
        if failure.exit() == Exit::Evidence {
            return Err(failure);
        }
        tracing::error!(
            exit = failure.exit() as u8,
            error = failure.text(),
            "the state failed: opened again at the next start"
        );
        self.state = None;
        Ok(())
    }
}

/// Tells the service manager what comes next.
fn say(next: &Next) {
    let status = match next {
        Next::Due(rule) => format!("sweeping {rule}"),
        Next::At(rule, at) => format!("next sweep: {rule} at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        Next::Never => "no schedule fires any more".to_owned(),
    };
    tell(&[NotifyState::Status(&status)]);
}

/// One line for what an operator must know of a turn. The sweep itself says that it started and finished.
fn conclude(rule: &RuleId, turn: Turn) -> Result<(), Failure> {
    match turn {
        Ok(report) => {
            if let Some(parked) = report.parked.filter(|_| report.result == SweepResult::Parked) {
                let (due, allowed) = (parked.due, parked.allowed);
                tracing::warn!(%rule, due, allowed, "parked: waits for `expunged approve`");
            }
            Ok(())
        }
        Err(failure) if failure.exit() == Exit::Evidence => Err(failure),
        Err(failure) => {
            tracing::error!(%rule, exit = failure.exit() as u8, error = failure.text(), "sweep failed");
            Ok(())
        }
    }
}

//! The daemon: every rule on its schedule, until it is told to stop.
//!
//! **Invariant:** one loop, one sweep at a time: no two sweeps ever meet in a dataset, and the state has one disposer.
//!
//! **Invariant:** a failure is the rule's own. It is said, counted, and tried again at the rule's next start; only evidence that
//! does not hold ends the daemon.

mod control;
mod error;
mod exposition;
mod http;
mod lifecycle;
mod metrics;
pub mod plan;
mod reload;
mod turns;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::deployment::{Deployment, Exit, Failure};
use crate::state::Role;
use crate::sweep::{Brake, recover};

pub use control::{Answer, ask};
pub use error::DaemonError;
pub use lifecycle::stop_on_signals;
use lifecycle::{Pulse, tell};
use metrics::{Metrics, Reload};
use reload::InForce;
use turns::Turns;

/// What the loop shares with the tasks beside it.
struct Shared {
    in_force: InForce,
    pulse: Pulse,
    metrics: Metrics,
    /// Whether what a crash had left was settled.
    recovered: AtomicBool,
}

impl Shared {
    /// Whether it can dispose of what is due; if not, why, in one line.
    fn ready(&self) -> Result<(), &'static str> {
        if !self.recovered.load(Ordering::Acquire) {
            return Err("what a crash may have left is being settled\n");
        }
        if !self.metrics.has_state() {
            return Err("the state has failed: nothing is disposed of until it can be opened again\n");
        }
        Ok(())
    }

    /// One reload, whoever asks.
    async fn reload(&self) -> Answer {
        let answer = self.in_force.reload().await;
        let accepted = answer.exit == Exit::Done as u8;
        self.metrics.reloaded(if accepted { Reload::Accepted } else { Reload::Refused });
        answer
    }
}

/// The sockets of this process; they go with it.
#[derive(Default)]
struct Sockets(Vec<PathBuf>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.0 {
            control::remove(path);
        }
    }
}

/// Sweeps every rule of this configuration on its schedule, until a signal ends it.
///
/// The order of the start is its safety: the state's lock proves that no other daemon lives, before a socket is taken over; and
/// what a crash left is settled before anything is swept.
pub async fn run(config: &Path) -> Result<Exit, Failure> {
    let (lever, brake) = Brake::new();
    stop_on_signals(lever)?;
    let hangups = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
    let deployment = Deployment::load(config, None)?;
    let mut state = deployment.state(Role::Disposer).await?;
    let shared = Arc::new(Shared {
        in_force: InForce::new(config, deployment),
        pulse: Pulse::start(),
        metrics: Metrics::default(),
        recovered: AtomicBool::new(false),
    });
    let deployment = shared.in_force.get();
    let mut sockets = Sockets::default();
    if let Some(listen) = &deployment.config.http {
        sockets.0.extend(http::serve(listen, &shared).await.map_err(misplaced)?);
    }
    let recovered = recover(&mut state, deployment.places()).await?;
    shared.recovered.store(true, Ordering::Release);
    sockets.0.push(answer_reloads(&deployment, &shared).await?);
    tokio::spawn(reload_on(hangups, Arc::clone(&shared)));
    let mut turns = Turns::new(&shared, brake, state, recovered);
    turns.observe().await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), rules = deployment.rules.rules().count(), "started");
    drop(deployment);
    tell(&[NotifyState::Ready]);
    let ended = turns.run().await;
    tell(&[NotifyState::Stopping]);
    drop(sockets);
    ended?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// The control socket's path.
async fn answer_reloads(deployment: &Deployment, shared: &Arc<Shared>) -> Result<PathBuf, Failure> {
    let path = deployment.config.control.clone();
    let listener = control::bind(&path, 0o600).await.map_err(misplaced)?;
    let shared = Arc::clone(shared);
    let reload = move || {
        let shared = Arc::clone(&shared);
        async move { shared.reload().await }
    };
    tokio::spawn(control::serve(listener, reload));
    Ok(path)
}

/// A signal has no answer: what came of it is in the log.
async fn reload_on(mut hangups: Signal, shared: Arc<Shared>) {
    while hangups.recv().await.is_some() {
        shared.reload().await;
    }
}

fn misplaced(error: DaemonError) -> Failure {
    Failure::new(Exit::Configuration, error)
}

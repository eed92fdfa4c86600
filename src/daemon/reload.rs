//! The configuration and rules in force, and how others take their place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sd_notify::NotifyState;
use tokio::sync::Notify;

use super::control::Answer;
use super::error::DaemonError;
use super::lifecycle::tell;
use crate::config::Config;
use crate::deployment::{Deployment, Exit, Failure};

/// The deployment in force. A sweep keeps the one it began with; the next one begins with what is in force then.
pub(super) struct InForce {
    config: PathBuf,
    current: Mutex<Arc<Deployment>>,
    /// One at a time, or an older reading could take the place of a newer one.
    reloading: tokio::sync::Mutex<()>,
    /// Told when another deployment came into force: schedules may have changed.
    pub(super) changed: Notify,
}

impl InForce {
    pub(super) fn new(config: &Path, deployment: Deployment) -> Self {
        Self {
            config: config.to_owned(),
            current: Mutex::new(Arc::new(deployment)),
            reloading: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn get(&self) -> Arc<Deployment> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads and proves configuration and rules, and puts them in force whole, or leaves everything as it is.
    pub(super) async fn reload(&self) -> Answer {
        let _one = self.reloading.lock().await;
        tell_reloading();
        let read = self.read().await;
        tell(&[NotifyState::Ready]);
        match read {
            Ok(deployment) => {
                let rules = deployment.rules.rules().count();
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(deployment);
                self.changed.notify_one();
                tracing::info!(rules, "reloaded: in force from the next sweep on");
                Answer {
                    exit: Exit::Done as u8,
                    text: format!("{rules} rules are in force from the next sweep on"),
                }
            }
            Err(failure) => {
                let exit = failure.exit() as u8;
                tracing::error!(exit, error = failure.text(), "not reloaded: the old rules stay in force");
                Answer { exit, text: failure.message() }
            }
        }
    }

    async fn read(&self) -> Result<Deployment, Failure> {
        let config = self.config.clone();
        // Proving every window over decades takes a processor for a while.
        let read = tokio::task::spawn_blocking(move || Deployment::load(&config, None)).await;
        let new = read.map_err(|error| Failure::new(Exit::Bug, error))??;
        match needs_restart(&self.get().config, &new.config) {
            Some(key) => Err(Failure::new(Exit::Configuration, DaemonError::Restart { key })),
            None => Ok(new),
        }
    }
}

/// RELOADING=1 carries the time, so that the manager can tell the READY=1 after it from the one before.
fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The first key that differs of those whose files and sockets the process holds open.
fn needs_restart(old: &Config, new: &Config) -> Option<&'static str> {
    [
        ("state", old.state == new.state),
        ("ledger.origin", old.ledger.origin == new.ledger.origin),
        ("ledger.key", old.ledger.key == new.ledger.key),
        ("ledger.keys", old.ledger.keys == new.ledger.keys),
        ("control.socket", old.control == new.control),
        ("http.listen", old.http == new.http),
    ]
    .into_iter()
    .find(|(_, same)| !same)
    .map(|(key, _)| key)
}

//! What a sweep waits for before every batch, beside its rate: hours in which its datastores are open, and replicas that keep up.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::error::SweepError;
use super::run::Run;
use super::{Progress, Target};
use crate::clock;
use crate::datastore::sql::{Behind, Replicas};
use crate::model::calendar::Hours;
use crate::model::name::DatastoreName;
use crate::model::opening::OpeningHours;
use crate::model::period::Elapsed;

/// How often replicas that are behind are asked again.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Stands before every batch of a sweep.
pub(super) struct Gate<'a> {
    hours: OpeningHours,
    replicas: Vec<(&'a DatastoreName, Replicas<'a>)>,
}

/// Whether the next batch may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// It may.
    Go,
    /// No further batch of this sweep may: what is left waits for the next.
    Stop,
}

/// Why no batch may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// It is none of the hours in which the datastore may be swept.
    Window {
        /// The datastore.
        datastore: DatastoreName,
        /// When it may be.
        hours: Hours,
    },
    /// A replica is too far behind.
    Lag {
        /// The datastore.
        datastore: DatastoreName,
        /// Which replica, and how far.
        behind: Behind,
        /// How far it may be.
        longest: Elapsed,
    },
}

impl<'a> Gate<'a> {
    /// Before the datastores that a rule disposes in.
    pub(super) fn of(target: &Target<'a>) -> Result<Self, SweepError> {
        let names: BTreeSet<&'a DatastoreName> = target.rule.datastores().collect();
        let mut replicas = Vec::new();
        for name in &names {
            let own = Replicas::of(target.locate(name)?);
            replicas.extend(own.map(|own| (*name, own)));
        }
        let window = |name: &DatastoreName| target.datastores.get(name).and_then(|d| d.window);
        Ok(Self { hours: OpeningHours::of(names, window), replicas })
    }

    /// Whether it lets everything through, whatever the hour.
    pub(super) fn stands_open(&self) -> bool {
        self.replicas.is_empty() && self.hours.is_always()
    }

    /// Whether it may take long: whoever waits there leaves nothing unsealed.
    pub(super) fn may_wait(&self) -> bool {
        !self.replicas.is_empty()
    }

    /// Waits while replicas are too far behind. No transaction is open. Ends because time passes: at the latest when the run cap is
    /// reached. Why it was not let through stands in the report.
    pub(super) async fn pass(
        &mut self,
        run: &mut Run<'_>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Pass, SweepError> {
        let mut said = false;
        loop {
            run.report.closed = self.look().await?;
            if let Some(Closed::Window { .. }) = run.report.closed {
                return Ok(Pass::Stop);
            }
            let Some(closed) = &run.report.closed else {
                if said {
                    tracing::info!(rule = %run.target.rule.id, "replicas keep up: the sweep goes on");
                }
                return Ok(Pass::Go);
            };
            if run.has_to_stop() {
                return Ok(Pass::Stop);
            }
            if !said {
                tracing::info!(rule = %run.target.rule.id, "the sweep waits: {closed}");
                said = true;
            }
            run.tell(progress);
            run.brake.wait(POLL).await;
        }
    }

    /// Why nothing may go through at present; none: it may.
    pub(super) async fn look(&mut self) -> Result<Option<Closed>, SweepError> {
        match self.shut() {
            Some(window) => Ok(Some(window)),
            None => self.behind().await,
        }
    }

    /// Why nothing may go through at this hour.
    pub(super) fn shut(&self) -> Option<Closed> {
        let (datastore, hours) = self.hours.closed(clock::now())?;
        Some(Closed::Window { datastore: datastore.clone(), hours: *hours })
    }

    async fn behind(&mut self) -> Result<Option<Closed>, SweepError> {
        for (name, replicas) in &mut self.replicas {
            if let Some(behind) = replicas.behind().await? {
                let (datastore, longest) = ((*name).clone(), replicas.longest());
                return Ok(Some(Closed::Lag { datastore, behind, longest }));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window { datastore, hours } => {
                write!(f, "datastore `{datastore}` may be swept only from {hours}")
            }
            Self::Lag { datastore, behind, longest } => {
                write!(f, "{behind}, of datastore `{datastore}`; at most {longest} are allowed")
            }
        }
    }
}

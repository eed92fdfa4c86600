//! After a crash: every open intent is resolved from evidence, never assumed; every sweep that was cut off is closed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::datastore::sqlite::{Evidence, Identities, Incarnation, Writer};
use crate::hook;
use crate::ledger::entry::SweepResult;
use crate::state::{OpenIntent, Settled, State, StateError, SweepEnd};

use super::error::SweepError;

/// What a recovery did.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Batches that turned out to be committed.
    pub committed: u64,
    /// Batches that turned out to be rolled back.
    pub aborted: u64,
    /// Datastores whose open intents could not be resolved: nothing is disposed of there.
    pub parked: BTreeSet<String>,
    /// Why, one text a datastore.
    pub reasons: Vec<String>,
}

impl Recovered {
    /// Both recoveries of one process.
    pub fn add(&mut self, later: Self) {
        self.committed += later.committed;
        self.aborted += later.aborted;
        self.parked.extend(later.parked);
        self.reasons.extend(later.reasons);
        self.reasons.sort();
        self.reasons.dedup();
    }
}

/// Settles every open intent. `locate` gives the file of a datastore by its name.
pub async fn recover(
    state: &mut State,
    locate: &(dyn Fn(&str) -> Option<PathBuf> + Sync),
) -> Result<Recovered, SweepError> {
    let mut recovered = Recovered::default();
    for open in state.open_intents().await? {
        let datastore = open.datastore().to_owned();
        match settle(state, open, locate).await {
            Ok(true) => recovered.committed += 1,
            Ok(false) => recovered.aborted += 1,
            // One datastore that cannot be asked must not stop the others.
            Err(Unsettled::Datastore(reason)) => {
                tracing::error!(datastore, reason, "an open intent cannot be resolved: datastore parked");
                recovered.parked.insert(datastore);
                recovered.reasons.push(reason);
            }
            Err(Unsettled::State(error)) => return Err(error),
        }
    }
    for sweep in state.unfinished_sweeps().await? {
        let end = SweepEnd {
            result: SweepResult::Failed,
            remaining: None,
            refused: None,
            held: None,
            undated: None,
        };
        state.finish_sweep(&sweep, &end).await?;
    }
    if recovered.committed + recovered.aborted > 0 {
        state.publish_checkpoint().await?;
    }
    Ok(recovered)
}

enum Unsettled {
    Datastore(String),
    State(SweepError),
}

/// Whether the batch was committed.
async fn settle(
    state: &mut State,
    open: OpenIntent,
    locate: &(dyn Fn(&str) -> Option<PathBuf> + Sync),
) -> Result<bool, Unsettled> {
    let name = open.datastore().to_owned();
    let in_doubt = |why: String| {
        Unsettled::Datastore(format!(
            "batch `{}` of datastore `{name}` is in doubt: {why}",
            open.intent.batch()
        ))
    };
    let Some(path) = locate(&name) else {
        return Err(in_doubt("the datastore is not in the configuration any more: put it back".to_owned()));
    };
    let unreachable =
        |error: crate::datastore::DatastoreError| in_doubt(format!("{error}; make it reachable"));
    let mut writer = Writer::open(&path).await.map_err(unreachable)?;
    let incarnation = Incarnation::recorded(&open.incarnation);
    let settled = match writer.evidence(&incarnation, open.intent.batch()).await.map_err(unreachable)? {
        Evidence::Committed => Settled::MarkerFound,
        Evidence::RolledBack => Settled::RolledBack,
        Evidence::Lost => {
            let sealed = match state.identities(&open.intent).await {
                Ok(sealed) => sealed,
                Err(
                    error @ (StateError::KeyMissing { .. }
                    | StateError::WrongKey { .. }
                    | StateError::Sealed { .. }),
                ) => return Err(in_doubt(error.to_string())),
                Err(error) => return Err(Unsettled::State(error.into())),
            };
            let identities = Identities::parse(&sealed)
                .ok_or_else(|| in_doubt("its identities are damaged".to_owned()))?;
            match writer.survivors(&identities).await.map_err(unreachable)? {
                0 => Settled::NoneLeft,
                _ => Settled::SurvivorFound,
            }
        }
    };
    hook::reach("recover.before");
    let batch = open.intent.batch().to_owned();
    let OpenIntent { intent, sweep, .. } = open;
    state.seal(&sweep, intent, settled).await.map_err(|e| Unsettled::State(e.into()))?;
    hook::reach("recover.after");
    writer.sealed(&batch);
    if let Err(error) = writer.close().await {
        tracing::warn!(batch, error = &error as &dyn std::error::Error, "the marker was not forgotten");
    }
    Ok(matches!(settled, Settled::MarkerFound | Settled::NoneLeft))
}

//! After a crash: every open intent is resolved from evidence, never assumed; every sweep that was cut off is closed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datastore::DatastoreError;
use crate::datastore::files::{self, Presence, Tree};
use crate::datastore::sql::{Evidence, Identities, Incarnation, Writer};
use crate::hook;
use crate::ledger::entry::{Outcomes, SweepResult};
use crate::model::datastore::{Datastore, DatastoreKind};
use crate::model::horizon::Horizon;
use crate::model::name::DatastoreName;
use crate::state::{Disposed, OpenIntent, PartOutcomes, Settled, State, StateError, SweepEnd, Unsealed};

use super::Horizons;
use super::error::SweepError;

/// What a recovery did.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Batches that turned out to be committed.
    pub committed: u64,
    /// Batches that turned out to be rolled back.
    pub aborted: u64,
    /// At most so many records were kept although their dependents in another datastore are gone.
    pub stranded: u64,
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
        self.stranded += later.stranded;
        self.parked.extend(later.parked);
        self.reasons.extend(later.reasons);
        self.reasons.sort();
        self.reasons.dedup();
    }
}

/// Where recovery finds the datastores, and what covers them.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The datastores of the configuration.
    pub datastores: &'a std::collections::BTreeMap<DatastoreName, Datastore>,
    /// The backups that cover them.
    pub horizons: &'a Horizons,
}

impl<'a> Places<'a> {
    fn locate(&self, name: &str) -> Option<&'a Datastore> {
        self.datastores.iter().find(|(known, _)| known.as_str() == name).map(|(_, datastore)| datastore)
    }

    fn horizon(&self, name: &str) -> Horizon {
        let covering = self.horizons.iter().find(|(known, _)| known.as_str() == name);
        covering.map(|(_, horizon)| horizon.clone()).unwrap_or_default()
    }
}

/// Settles every open intent, and ends every sweep that was cut off and has none any more.
pub async fn recover(state: &mut State, places: Places<'_>) -> Result<Recovered, SweepError> {
    let mut recovered = Recovered::default();
    for open in state.open_intents().await? {
        let datastore = open.datastore().to_owned();
        match settle(state, open, places).await {
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
            locked: None,
            undated: None,
            changed: 0,
            stranded: state.stranded(&sweep).await?,
            bounds: Vec::new(),
            why: Vec::new(),
        };
        let ended = state.finish_sweep(&sweep, &end).await?;
        if ended && end.stranded > 0 {
            let (rule, at_most) = (sweep.rule().as_str(), end.stranded);
            tracing::error!(rule, at_most, "dependents gone, record kept: a crash came between them");
            recovered.stranded += end.stranded;
        }
    }
    if recovered.committed + recovered.aborted > 0 {
        state.publish_checkpoint().await?;
    }
    Ok(recovered)
}

/// Forgets the markers that earlier sweeps have left, which failed or died behind the seals of their batches. One that stays says
/// nothing wrong, and the next sweep finds it again.
pub(super) async fn forget(state: &mut State, writer: &mut Writer) -> Result<(), SweepError> {
    let forgotten = match writer.marked().await {
        Ok(marked) if marked.is_empty() => return Ok(()),
        Ok(marked) => writer.forget(&state.settled(&marked).await?).await,
        Err(error) => Err(error),
    };
    if let Err(error) = forgotten {
        tracing::warn!(error = &error as &dyn std::error::Error, "markers were not forgotten");
    }
    Ok(())
}

enum Unsettled {
    Datastore(String),
    State(SweepError),
}

/// Whether the batch was committed.
async fn settle(state: &mut State, open: OpenIntent, places: Places<'_>) -> Result<bool, Unsettled> {
    let name = open.datastore().to_owned();
    let doubt = InDoubt { batch: open.intent.batch().to_owned(), datastore: name.clone() };
    let Some(datastore) = places.locate(&name) else {
        return Err(doubt.because("the datastore is not in the configuration any more: put it back"));
    };
    let (settled, writer) = match datastore.kind() {
        DatastoreKind::Sqlite | DatastoreKind::Postgres | DatastoreKind::MariaDb => {
            let mut writer = Writer::open(datastore).await.map_err(|e| doubt.unreachable(&e))?;
            (by_marker(state, &open, &mut writer, &doubt).await?, Some(writer))
        }
        DatastoreKind::Files => (by_looking(state, &open, datastore, &doubt).await?, None),
    };
    hook::reach("recover.before");
    let OpenIntent { intent, sweep, .. } = open;
    let committed = !matches!(settled, Settled::RolledBack | Settled::SurvivorFound);
    state
        .seal(&sweep, Unsealed::new(intent, settled, places.horizon(&name)))
        .await
        .map_err(|e| Unsettled::State(e.into()))?;
    hook::reach("recover.after");
    if let Some(mut writer) = writer {
        writer.sealed(&doubt.batch);
        if let Err(error) = writer.close().await {
            tracing::warn!(
                batch = doubt.batch,
                error = &error as &dyn std::error::Error,
                "the marker was not forgotten"
            );
        }
    }
    Ok(committed)
}

/// A batch of which it is not known yet what became.
struct InDoubt {
    batch: String,
    datastore: String,
}

impl InDoubt {
    fn because(&self, why: &str) -> Unsettled {
        Unsettled::Datastore(format!(
            "batch `{}` of datastore `{}` is in doubt: {why}",
            self.batch, self.datastore
        ))
    }

    fn unreachable(&self, error: &DatastoreError) -> Unsettled {
        self.because(&format!("{error}; make it reachable"))
    }
}

/// A transaction went whole or not at all.
async fn by_marker(
    state: &mut State,
    open: &OpenIntent,
    writer: &mut Writer,
    doubt: &InDoubt,
) -> Result<Settled, Unsettled> {
    let incarnation = Incarnation::recorded(&open.incarnation);
    let evidence = writer.evidence(&incarnation, open.intent.batch()).await;
    match evidence.map_err(|e| doubt.unreachable(&e))? {
        Evidence::Marked => Ok(Settled::MarkerFound),
        Evidence::Committed => Ok(Settled::Remembered),
        Evidence::RolledBack => Ok(Settled::RolledBack),
        Evidence::Lost => {
            let sealed = identities(state, open, doubt).await?;
            let identities =
                Identities::parse(&sealed).ok_or_else(|| doubt.because("its identities are damaged"))?;
            match writer.survivors(&identities).await.map_err(|e| doubt.unreachable(&e))? {
                0 => Ok(Settled::NoneLeft),
                _ => Ok(Settled::SurvivorFound),
            }
        }
    }
}

/// Files went one by one: each is looked at. What is there unchanged was not reached; of what is gone, nothing says who did it.
async fn by_looking(
    state: &mut State,
    open: &OpenIntent,
    datastore: &Datastore,
    doubt: &InDoubt,
) -> Result<Settled, Unsettled> {
    let tree = Arc::new(files::root_of(datastore).and_then(Tree::open).map_err(|e| doubt.unreachable(&e))?);
    let is_it = tree.is_recorded(&open.incarnation);
    let confirmed = state.known_root(open.datastore()).await.map_err(|e| Unsettled::State(e.into()))?;
    if !is_it && !confirmed.is_some_and(|confirmed| tree.is_recorded(&confirmed)) {
        return Err(doubt.because(
            "its root is another directory now: put the one back that was swept, or confirm this one by `expunged approve --root`",
        ));
    }
    let sealed = identities(state, open, doubt).await?;
    let identities =
        files::Identities::parse(&sealed).ok_or_else(|| doubt.because("its identities are damaged"))?;
    let keys = identities.keys().map_err(|e| doubt.unreachable(&e))?;
    let there = identities.look(&tree).await.map_err(|e| doubt.unreachable(&e))?;
    let mut parts = Vec::new();
    for (keys, there) in keys.into_iter().zip(there) {
        let mut counts = Outcomes::default();
        let mut gone = Vec::new();
        for (key, presence) in keys.into_iter().zip(there) {
            match presence {
                // What is not in the directory that took its place was not seen to go.
                Presence::Gone if !is_it => counts.already_gone += 1,
                Presence::Gone => {
                    counts.disposed += 1;
                    gone.push(key);
                }
                Presence::Unchanged => counts.untouched += 1,
                Presence::Changed => counts.changed += 1,
                Presence::Unknown(why) => return Err(doubt.because(why)),
            }
        }
        let disposed = if counts.disposed == counts.total() { Disposed::All } else { Disposed::These(gone) };
        parts.push(PartOutcomes { counts, disposed });
    }
    Ok(Settled::Looked(parts))
}

async fn identities(
    state: &mut State,
    open: &OpenIntent,
    doubt: &InDoubt,
) -> Result<zeroize::Zeroizing<String>, Unsettled> {
    match state.identities(&open.intent).await {
        Ok(sealed) => Ok(sealed),
        Err(
            error @ (StateError::KeyMissing { .. } | StateError::WrongKey { .. } | StateError::Sealed { .. }),
        ) => Err(doubt.because(&error.to_string())),
        Err(error) => Err(Unsettled::State(error.into())),
    }
}

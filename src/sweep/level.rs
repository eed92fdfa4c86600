//! Beyond logical erasure: once the sweeps of a rule's turn are over, its datastore's engine is asked for what the rule asks of it,
//! and what is known to be done is claimed in the ledger.
//!
//! What is owed stands in the state from each batch's intent on. So whatever line this dies on, and whatever stands in its way, the
//! next turn of the rule finds it owed and asks again; nothing is claimed without the engine's evidence.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Target;
use super::brake::Brake;
use super::error::SweepError;
use super::gate::{Closed, Gate, POLL};
use crate::clock::Stopwatch;
use crate::datastore::DatastoreError;
use crate::datastore::sql::{Aim, Asked, Came, Eraser, Incarnation};
use crate::diagnostic::chain;
use crate::hook;
use crate::model::level::Level;
use crate::model::name::TableName;
use crate::rules::rule::Mode;
use crate::state::{OwedBatch, Reached, State};

/// What came of asking for more than logical erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// What the rule asks for.
    pub level: Level,
    /// Batches that have it now.
    pub reached: u64,
    /// Batches that it is still owed to: the next turn asks again.
    pub owed: u64,
    /// Why.
    pub why: Option<String>,
}

/// How long it may take, and who may end it.
pub struct Patience<'a> {
    /// What is left of the rule's turn.
    pub left: Duration,
    /// Ends it when it is pulled.
    pub brake: &'a Brake,
    /// Told now and then that it goes on.
    pub beat: &'a mut (dyn FnMut() + Send),
}

/// Asks the engine of the rule's own datastore for what the rule asks for, about every batch that it is owed to; none: nothing is
/// owed.
///
/// In no transaction of anybody's. What the engine was asked for is waited for, also where it is called off.
pub async fn raise(
    state: &mut State,
    target: &Target<'_>,
    patience: Patience<'_>,
) -> Result<Option<Raised>, SweepError> {
    let (rule, level) = (target.rule.id.to_string(), target.rule.then);
    let Some(aim) = Aim::of(target.own()?.kind(), level).filter(|_| target.rule.mode == Mode::Enforce) else {
        return Ok(None);
    };
    let owed = state.owed(&rule, target.document).await?;
    if owed.elsewhere > 0 {
        let batches = owed.elsewhere;
        tracing::warn!(
            rule,
            batches,
            "a level is owed in a datastore that the rule has left: nobody asks there"
        );
    }
    if owed.batches.is_empty() {
        return Ok(None);
    }
    let halted = state.halt().await?.map(|halt| Came::short(halt.to_string()));
    hook::reach("level.before");
    let came = match halted {
        Some(came) => came,
        None => ask(target, &owed.batches, &owed.datasets, patience).await?.unwrap_or_else(|error| {
            // Whatever it was, nothing is disposed of here: the rule's turn has gone well.
            Came::short(chain(&error))
        }),
    };
    hook::reach("level.after");
    let reached: Vec<OwedBatch> =
        came.reached.iter().filter_map(|at| owed.batches.get(*at).cloned()).collect();
    if !reached.is_empty() {
        let claim = Reached { level, means: aim.means, remains: aim.remains };
        state.claim_level(&rule, &reached, claim).await?;
        state.publish_checkpoint().await?;
    }
    let raised = Raised {
        level,
        reached: reached.len() as u64,
        owed: (owed.batches.len() - reached.len()) as u64,
        why: came.left,
    };
    let (batches, level) = (raised.reached, level.as_str());
    match &raised.why {
        None => tracing::info!(rule, batches, level, "level of erasure reached"),
        Some(why) => {
            let owed = raised.owed;
            tracing::warn!(
                rule,
                batches,
                owed,
                level,
                why,
                "level of erasure not reached: the next sweep asks again"
            );
        }
    }
    Ok(Some(raised))
}

/// The inner error is the datastore's, which leaves everything owed.
async fn ask(
    target: &Target<'_>,
    batches: &[OwedBatch],
    datasets: &BTreeSet<String>,
    Patience { left, brake, beat }: Patience<'_>,
) -> Result<Result<Came, DatastoreError>, SweepError> {
    let watch = Stopwatch::start();
    let is_over = || brake.pulled() || watch.elapsed() >= left;
    let mut gate = Gate::of(target)?;
    // Ends because time passes.
    loop {
        let closed = match gate.look().await {
            Ok(closed) => closed,
            Err(SweepError::Datastore(error)) => return Ok(Err(error)),
            Err(error) => return Err(error),
        };
        match closed {
            _ if is_over() => return Ok(Ok(Came::short("the sweep has taken the time that it may take"))),
            None => break,
            Some(closed @ Closed::Window { .. }) => return Ok(Ok(Came::short(closed.to_string()))),
            Some(Closed::Lag { .. }) => {
                beat();
                brake.wait(POLL).await;
            }
        }
    }
    let mut go_on = || {
        beat();
        !is_over() && gate.shut().is_none()
    };
    let within = left.saturating_sub(watch.elapsed());
    Ok(on_connection(target, (batches, datasets), within, &mut go_on).await)
}

async fn on_connection(
    target: &Target<'_>,
    (batches, datasets): (&[OwedBatch], &BTreeSet<String>),
    within: Duration,
    go_on: &mut (dyn FnMut() -> bool + Send),
) -> Result<Came, DatastoreError> {
    let Ok(datastore) = target.own() else { return Ok(Came::short("its datastore is not configured")) };
    let tables: Result<Vec<TableName>, _> = datasets.iter().map(|name| TableName::new(name)).collect();
    let Ok(tables) = tables else { return Ok(Came::short("a dataset of theirs has no name of a table")) };
    let mut eraser = Eraser::open(datastore).await?;
    let recorded = batches.iter().map(|batch| Incarnation::recorded(&batch.incarnation)).enumerate();
    let (places, known): (Vec<usize>, Vec<Incarnation>) =
        recorded.filter(|(_, incarnation)| eraser.knows(incarnation)).unzip();
    let strangers = batches.len() - known.len();
    let asked = Asked { level: target.rule.then, tables: &tables, batches: &known, within };
    let mut came = if known.is_empty() { Came::default() } else { eraser.ask(&asked, go_on).await? };
    came.reached = came.reached.into_iter().filter_map(|at| places.get(at).copied()).collect();
    if strangers > 0 && came.left.is_none() {
        let another = "some went from another database than the one that is there now, by the marker's table";
        came.left = Some(another.to_owned());
    }
    if let Err(error) = eraser.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not closed in order");
    }
    Ok(came)
}

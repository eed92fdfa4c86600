//! One rule's turn, as the daemon and `expunged sweep` give it.

use super::{Deployment, Exit, Failure};
use crate::clock::Stopwatch;
use crate::ledger::entry::Cause;
use crate::rules::rule::{Rule, Service};
use crate::state::State;
use crate::sweep::{
    Brake, Patience, Progress, Raised, Recovered, Report, erase, freeze, raise, recover, run,
    standing_of_requests,
};

/// What became of a rule's turn. A failure is the rule's own and stops no other.
pub type Turn = Result<Swept, Failure>;

/// A turn whose schedule's sweep went to its end.
#[derive(Debug)]
pub struct Swept {
    /// What the rule's trigger has made due.
    pub report: Report,
    /// What people demand of it, in a sweep of its own; none: nobody demands anything.
    pub requests: Option<Result<Report, Failure>>,
    /// What the engine was asked for beyond logical erasure; none: nothing is owed, or the turn ended before.
    pub raised: Option<Result<Raised, Failure>>,
}

impl Swept {
    fn failure(&self) -> Option<&Failure> {
        let requests = self.requests.as_ref().and_then(|requests| requests.as_ref().err());
        requests.or_else(|| self.raised.as_ref()?.as_ref().err())
    }
}

/// Sweeps one rule, unless a batch in doubt parks one of its datastores. What a failure leaves open is settled before the next
/// rule's turn.
///
/// The outer failure is the state's: nothing can be disposed of with it any more, by any rule.
pub async fn sweep_rule(
    deployment: &Deployment,
    state: &mut State,
    recovered: &mut Recovered,
    (service, rule): (&Service, &Rule),
    brake: &Brake,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Turn, Failure> {
    if rule.datastores().any(|name| recovered.parked.contains(name.as_str())) {
        let why = recovered.reasons.join("; ");
        return Ok(Err(Failure::new(Exit::Refused, anyhow::anyhow!(why))));
    }
    let turn = sweep(deployment, state, (service, rule), brake, progress).await;
    let failure = match &turn {
        Ok(swept) => swept.failure(),
        Err(failure) => Some(failure),
    };
    let Some(failure) = failure else { return Ok(turn) };
    match recover(state, deployment.places()).await {
        Ok(later) => {
            recovered.add(later);
            Ok(turn)
        }
        Err(later) => {
            let of_the_state = failure.is_of_the_state();
            match turn {
                // What failed first says why.
                Err(failure) if of_the_state => Err(failure),
                Ok(Swept { requests: Some(Err(failure)), .. } | Swept { raised: Some(Err(failure)), .. })
                    if of_the_state =>
                {
                    Err(failure)
                }
                Ok(Swept { requests: Some(Err(failure)), .. } | Swept { raised: Some(Err(failure)), .. })
                | Err(failure) => {
                    let (rule, exit) = (&rule.id, failure.exit() as u8);
                    tracing::error!(%rule, exit, error = failure.text(), "not swept to the end");
                    Err(later.into())
                }
                Ok(_) => Err(later.into()),
            }
        }
    }
}

async fn sweep(
    deployment: &Deployment,
    state: &mut State,
    (service, rule): (&Service, &Rule),
    brake: &Brake,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Turn {
    let document = deployment.document(service, rule)?;
    let target = deployment.target(rule, &document)?;
    let watch = Stopwatch::start();
    let now = freeze(state)?;
    let approved = standing_of_requests(state, &target).await?;
    let report = run(state, &target, now, brake, progress).await?;
    if brake.pulled() {
        return Ok(Swept { report, requests: None, raised: None });
    }
    let demanded = erase(state, &target, (now, approved), brake, progress).await;
    // A request may be about other rules as well, whatever became of this one.
    let answered = deployment.answer_requests(state, service).await;
    let requests = match (demanded, answered) {
        (Err(error), _) | (Ok(_), Err(error)) => Some(Err(error.into())),
        (Ok(report), Ok(())) => report.map(Ok),
    };
    let raised = if let Some(Err(_)) = requests {
        None
    } else {
        let left = target.run_cap.saturating_sub(watch.elapsed());
        // The sweep's own figures, once more: they do not change, and whoever listens knows that the turn goes on.
        let mut beat =
            || progress(Progress { cause: Cause::Schedule, total: report.disposed, report: &report });
        raise(state, &target, Patience { left, brake, beat: &mut beat }).await.transpose()
    };
    Ok(Swept { report, requests, raised: raised.map(|raised| raised.map_err(Failure::from)) })
}

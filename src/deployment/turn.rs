//! One rule's turn, as the daemon and `expunged sweep` give it.

use super::{Deployment, Exit, Failure};
use crate::model::orders::Orders;
use crate::rules::rule::{Rule, Service};
use crate::state::State;
use crate::sweep::{Brake, Progress, Recovered, Report, freeze, recover, run};

/// What became of a rule's turn. A failure is the rule's own and stops no other.
pub type Turn = Result<Report, Failure>;

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
    let Err(failure) = turn else { return Ok(turn) };
    match recover(state, deployment.places()).await {
        Ok(later) => {
            recovered.add(later);
            Ok(Err(failure))
        }
        // What failed first says why.
        Err(_) if failure.is_of_the_state() => Err(failure),
        Err(later) => {
            let (rule, exit) = (&rule.id, failure.exit() as u8);
            tracing::error!(%rule, exit, error = failure.text(), "not swept to the end");
            Err(later.into())
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
    let now = freeze(state)?;
    Ok(run(state, &target, &Orders::default(), now, brake, progress).await?)
}

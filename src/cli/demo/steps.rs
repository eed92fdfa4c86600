//! What an operator would do: plan, approve, sweep; and what the engine is asked for then.

use std::io::Write;

use super::report::{self, RuleResult};
use super::world::World;
use crate::cli::sweep::bar;
use crate::clock::Stopwatch;
use crate::deployment::Deployment;
use crate::deployment::Failure;
use crate::ledger::canonical::RuleDocument;
use crate::model::orders::Orders;
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::{Rule, Service};
use crate::state::{Role, State};
use crate::sweep::{Brake, Counts, Patience, Progress, Raised, Report, count, raise, recover, run};

/// The role that the approvals are given in.
pub(super) const ROLE: &str = "demo";

/// One rule on its way.
pub(super) struct Step<'c> {
    pub(super) service: &'c Service,
    pub(super) rule: &'c Rule,
    document: RuleDocument,
    pub(super) planned: Counts,
}

/// Plans, approves and sweeps every rule.
pub(super) async fn sweep_all(
    deployment: &Deployment,
    world: &World,
    out: &mut (dyn Write + Send),
) -> Result<Vec<RuleResult>, Failure> {
    let mut state = deployment.state(Role::Disposer).await?;
    recover(&mut state, deployment.places()).await?;
    let mut steps = Vec::new();
    for (service, rule) in deployment.rules.rules() {
        let document = deployment.document(service, rule)?;
        steps.push(Step { service, rule, document, planned: plan(deployment, rule, world).await? });
    }
    report::plan(out, &steps)?;
    for step in &steps {
        approve(&mut state, step).await?;
    }
    let watch = Stopwatch::start();
    let mut results = Vec::new();
    for step in &steps {
        let (report, raised) = sweep(deployment, &mut state, step, world).await?;
        let left = plan(deployment, step.rule, world).await?;
        results.push(RuleResult::of(step, &report, raised.as_ref(), &left));
    }
    report::swept(out, &results, watch.elapsed())?;
    state.publish_checkpoint().await?;
    Ok(results)
}

async fn plan(deployment: &Deployment, rule: &Rule, world: &World) -> Result<Counts, Failure> {
    let (bound, _) = deployment.bind(rule).await?;
    let cutoffs = Cutoffs::of(&bound, world.now);
    Ok(count(deployment.datastore(rule)?, &bound, &cutoffs, &Orders::default(), world.now).await?)
}

/// A new version of a rule may dispose of little by itself; here it is most of a backlog, so somebody has to say yes.
async fn approve(state: &mut State, step: &Step<'_>) -> Result<(), Failure> {
    let rule = step.rule.id.to_string();
    state.approve(&rule, &step.document, step.planned.backlog.past_due(), ROLE).await?;
    Ok(())
}

async fn sweep(
    deployment: &Deployment,
    state: &mut State,
    step: &Step<'_>,
    world: &World,
) -> Result<(Report, Option<Raised>), Failure> {
    let target = deployment.target(step.rule, &step.document)?;
    let bar = bar(&step.rule.id.to_string());
    let mut progress = |p: Progress<'_>| {
        bar.set_length(p.total.max(p.report.disposed));
        bar.set_position(p.report.disposed);
    };
    let brake = Brake::none();
    let report = run(state, &target, world.now, &brake, &mut progress).await;
    bar.finish_and_clear();
    let report = report?;
    let patience = Patience { left: target.run_cap, brake: &brake, beat: &mut || {} };
    Ok((report, raise(state, &target, patience).await?))
}

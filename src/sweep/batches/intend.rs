//! The intents of a batch: what they commit to, and how all shares of a unit become durable at once.

use std::sync::Arc;

use super::Run;
use crate::clock;
use crate::datastore::{Prepared, PreparedPart};
use crate::ledger::entry::{Action, Timing};
use crate::model::now::Now;
use crate::rules::decide::Due;
use crate::rules::rule;
use crate::state::{CommittedIntent, Draft, DraftPart, NewBatch, Sealed, State, StateError, Unsealed};
use crate::sweep::Target;
use crate::sweep::error::SweepError;
use crate::sweep::timing::{Standing, timing};

/// What a turn has prepared.
pub(super) struct Unit<'o, 'r> {
    pub(super) own: Prepared<'o>,
    pub(super) others: Vec<Prepared<'r>>,
    pub(super) drafted: Drafted,
}

/// The same, with every intent durable: the shares in the order in which they are carried out.
pub(super) struct Intended<'o, 'r> {
    pub(super) own: Prepared<'o>,
    pub(super) intent: CommittedIntent,
    pub(super) others: Vec<(usize, Prepared<'r>, CommittedIntent)>,
}

/// Makes the intents of a unit durable, all at once, and with them the seal of the batch before.
pub(super) async fn intend<'o, 'r>(
    run: &Run<'_>,
    state: &mut State,
    draft: Draft,
    unit: Unit<'o, 'r>,
    before: Option<Unsealed>,
) -> Result<Intended<'o, 'r>, SweepError> {
    let Unit { own, others, drafted: Drafted { part, timing, sealed } } = unit;
    let shares = run.bound.shares();
    let name = draft.batch().clone();
    let mut batches = Vec::new();
    let mut carried = Vec::new();
    // In the order in which they are carried out: what hangs lowest goes first.
    for (number, prepared) in (1..).zip(others).collect::<Vec<_>>().into_iter().rev() {
        let Some(identities) = prepared.identities().filter(|_| !prepared.parts().is_empty()) else {
            prepared.rollback().await?;
            continue;
        };
        let draft = state.draft(run.sweep).await?;
        batches.push(NewBatch {
            sweep: run.sweep,
            datastore: shares[number].datastore.as_str(),
            incarnation: prepared.incarnation(),
            parts: parts(&draft, prepared.parts())?,
            sealed: draft.seal(&identities)?,
            draft,
            unit: Some(name.clone()),
            timing: None,
        });
        carried.push((number, prepared));
    }
    let mut own_parts = vec![part];
    own_parts.extend(parts(&draft, own.parts())?);
    batches.push(NewBatch {
        sweep: run.sweep,
        datastore: run.target.rule.datastore.as_str(),
        incarnation: own.incarnation(),
        draft,
        parts: own_parts,
        sealed,
        unit: None,
        timing: Some(timing),
    });
    let before = before.map(|unsealed| (run.sweep, unsealed));
    let mut intents = match state.commit_intents(batches, run.orders.generation, before).await {
        Err(error @ (StateError::OrdersMoved | StateError::Halted(_))) => {
            // Of what is dropped the driver only queues the roll-back, and its locks would stand until the connection is used again.
            own.rollback().await?;
            for (_, prepared) in carried {
                prepared.rollback().await?;
            }
            return Err(error.into());
        }
        intents => intents?,
    };
    let intent = intents.pop().ok_or(SweepError::NoIntent)?;
    let others = carried.into_iter().zip(intents).map(|((n, p), i)| (n, p, i)).collect();
    Ok(Intended { own, intent, others })
}

fn parts(draft: &Draft, prepared: &[PreparedPart]) -> Result<Vec<DraftPart>, StateError> {
    prepared.iter().map(|p| draft.part(&p.dataset, p.action, &p.fields, p.keys.iter())).collect()
}

/// The commitments to the rule's own records, and their sealed identities, as a task of its own.
pub(in crate::sweep) fn drafting(
    target: &Target<'_>,
    draft: &Draft,
    due: &Arc<Vec<Due>>,
    identities: impl FnOnce() -> String + Send + 'static,
) -> impl FnOnce() -> Result<Drafted, StateError> + Send + 'static {
    let (draft, due) = (draft.clone(), Arc::clone(due));
    let rule = target.rule;
    let (dataset, action) = (rule.dataset.name().to_owned(), Action::from(&rule.action));
    let fields = replaced(&rule.action);
    let drawn_up = clock::now();
    let standing = Standing::new(rule, Now::from_clocks(drawn_up, None).late);
    move || {
        let part = draft.part(&dataset, action, &fields, due.iter().map(Due::key))?;
        let timing = timing(standing, &due, drawn_up)?;
        Ok(Drafted { part, timing, sealed: draft.seal(&identities())? })
    }
}

/// What the intent says of the rule's own records.
pub(in crate::sweep) struct Drafted {
    pub(in crate::sweep) part: DraftPart,
    pub(in crate::sweep) timing: Timing,
    pub(in crate::sweep) sealed: Sealed,
}

/// The columns an action replaces.
fn replaced(action: &rule::Action) -> Vec<String> {
    match action {
        rule::Action::Delete => Vec::new(),
        rule::Action::Pseudonymize { columns, .. } => {
            columns.iter().map(|(c, _)| c.as_str().to_owned()).collect()
        }
    }
}

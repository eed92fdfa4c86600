//! The loop: batch after batch, until nothing is left that may go.

use std::sync::Arc;

use crate::clock::Stopwatch;
use crate::datastore::error::EngineError;
use crate::datastore::sqlite::{Committed, Cursor, Evidence, Identities, Phase, Prepared, Selected, Writer};
use crate::hook;
use crate::ledger::entry::{Action, SweepResult};
use crate::model::datastore::Pace;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::BoundRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Due, Record, TriggerValue, Undated, Verdict, decide};
use crate::rules::rule::{self, Strategy};
use crate::state::{CommittedIntent, Draft, DraftPart, NewBatch, Sealed, Settled, State, StateError, Sweep};

use super::error::SweepError;
use super::pace::Budget;
use super::{Progress, Report, Target};

/// Everything that stands still while batches go by, and the report that grows.
pub(super) struct Run<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) bound: &'a BoundRule<'a>,
    pub(super) cutoffs: &'a Cutoffs,
    pub(super) orders: &'a Orders,
    pub(super) now: Now,
    pub(super) sweep: &'a Sweep,
    /// The rule's own records that may still go in this sweep.
    pub(super) allowance: u64,
    /// For a version that nobody has approved: the records of all datasets that may still go.
    pub(super) unapproved: Option<u64>,
    pub(super) total: u64,
    pub(super) watch: Stopwatch,
    pub(super) report: Report,
}

/// What became of one turn of the loop.
enum Turn {
    /// The walk goes on after this; how many records went, dependents included.
    On { next: Cursor, went: u64, last: bool },
    /// One of the selected rows cannot go.
    Refused { selected: usize, next: Cursor, last: bool, why: &'static str },
    /// More would go than is allowed.
    Exhausted,
}

/// A batch that the datastore has committed and the ledger has not sealed yet. If we die now, the next start finds its marker.
struct Unsealed {
    intent: CommittedIntent,
    settled: Settled,
}

pub(super) async fn run(
    run: &mut Run<'_>,
    state: &mut State,
    writer: &mut Writer,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), SweepError> {
    writer.begin_rule(run.bound).await?;
    let pseudonyms = if uses_key(run.bound) { Some(state.pseudonym_key()?) } else { None };
    for phase in [Phase::Exact, Phase::Candidates] {
        let mut unsealed = None;
        let walked = walk(run, state, writer, phase, &mut unsealed, pseudonyms.as_ref(), progress).await;
        let sealed = seal(run, state, writer, unsealed).await;
        walked?;
        sealed?;
        if run.report.result != SweepResult::Completed {
            break;
        }
    }
    Ok(())
}

/// One walk through the dataset. Ends because every turn moves the cursor or halves the batch.
async fn walk(
    run: &mut Run<'_>,
    state: &mut State,
    writer: &mut Writer,
    phase: Phase,
    unsealed: &mut Option<Unsealed>,
    pseudonyms: Option<&PseudonymKey>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), SweepError> {
    let mut cursor = Cursor::default();
    let mut budget = Budget::new(run.target.batch, run.target.pace);
    loop {
        if run.watch.elapsed() >= run.target.run_cap {
            run.report.result = SweepResult::Stopped;
            return Ok(());
        }
        if run.target.pace != Pace::Unlimited {
            // A seal never waits for a pause.
            seal(run, state, writer, unsealed.take()).await?;
        }
        budget.wait().await;
        let at = Place { phase, cursor: &cursor, limit: budget.limit() };
        match turn(run, state, writer, at, unsealed, pseudonyms).await? {
            Turn::On { next, went, last } => {
                progress(Progress { done: run.report.disposed, total: run.total });
                if last {
                    return Ok(());
                }
                cursor = next;
                budget.went(went);
            }
            Turn::Refused { selected, next, last, why } if selected <= 1 => {
                // It stands alone: it is set aside, and the walk goes on behind it.
                set_aside(&mut run.report, why);
                if last {
                    return Ok(());
                }
                cursor = next;
            }
            Turn::Refused { selected, .. } => budget.halve(selected),
            Turn::Exhausted => {
                run.report.result = SweepResult::Parked;
                return Ok(());
            }
        }
    }
}

fn set_aside(report: &mut Report, why: &'static str) {
    match report.refused.iter_mut().find(|(known, _)| *known == why) {
        Some((_, n)) => *n += 1,
        None => report.refused.push((why, 1)),
    }
}

/// Where a turn of the loop begins, and how much it takes.
struct Place<'c> {
    phase: Phase,
    cursor: &'c Cursor,
    limit: u32,
}

/// Writes the outcome of the batch before.
async fn seal(
    run: &mut Run<'_>,
    state: &mut State,
    writer: &mut Writer,
    unsealed: Option<Unsealed>,
) -> Result<(), SweepError> {
    let Some(Unsealed { intent, settled }) = unsealed else { return Ok(()) };
    let ledger = Stopwatch::start();
    let name = intent.batch().to_owned();
    state.seal(run.sweep, intent, settled).await?;
    run.report.ledger_wait += ledger.elapsed();
    writer.sealed(&name);
    Ok(())
}

/// Selects the next batch while the one before is sealed: another file, another thread. Nothing of the next is committed before
/// the seal is in the ledger.
async fn select_and_seal<'w>(
    run: &mut Run<'_>,
    state: &mut State,
    writer: &'w mut Writer,
    bound: &'w BoundRule<'w>,
    cutoffs: &'w Cutoffs,
    at: &Place<'_>,
    unsealed: Option<Unsealed>,
) -> Result<Selected<'w>, SweepError> {
    let Some(Unsealed { intent, settled }) = unsealed else {
        return Ok(writer.select(bound, cutoffs, at.phase, at.cursor, at.limit).await?);
    };
    writer.sealed(intent.batch());
    let watch = Stopwatch::start();
    let selecting = async {
        let selected = writer.select(bound, cutoffs, at.phase, at.cursor, at.limit).await;
        (selected, watch.elapsed())
    };
    let (sealed, (selected, took)) = tokio::join!(state.seal(run.sweep, intent, settled), selecting);
    run.report.ledger_wait += watch.elapsed().saturating_sub(took);
    sealed?;
    Ok(selected?)
}

async fn turn(
    run: &mut Run<'_>,
    state: &mut State,
    writer: &mut Writer,
    at: Place<'_>,
    unsealed: &mut Option<Unsealed>,
    pseudonyms: Option<&PseudonymKey>,
) -> Result<Turn, SweepError> {
    hook::reach("prepare.before");
    let incarnation = writer.incarnation().clone();
    let (bound, cutoffs) = (run.bound, run.cutoffs);
    let mut selected = select_and_seal(run, state, writer, bound, cutoffs, &at, unsealed.take()).await?;
    let (next, last, count) = (selected.page.next.clone(), selected.page.last, selected.page.records.len());
    let due = match judge(run, &mut selected, at.phase) {
        Ok(due) => due,
        Err(error) => {
            selected.rollback().await?;
            return Err(error);
        }
    };
    if due.is_empty() {
        selected.rollback().await?;
        return Ok(Turn::On { next, went: 0, last });
    }
    if due.len() as u64 > run.allowance {
        selected.rollback().await?;
        return Ok(Turn::Exhausted);
    }
    let judged = selected.keep_only(due).await?;
    let due = Arc::clone(judged.due());
    let draft = state.draft(run.sweep).await?;
    // Hashing and sealing take the other processor while the datastore works.
    let hashing = tokio::task::spawn_blocking(drafting(run, &draft, &due, judged.identities().clone()));
    let prepared = match judged.dispose(run.now.eligible, pseudonyms).await {
        Ok(prepared) => prepared,
        Err(error) => match error.refused() {
            Some(why) => return Ok(Turn::Refused { selected: count, next, last, why }),
            None => return Err(error.into()),
        },
    };
    hook::reach("prepare.after");
    let dependents: usize = prepared.dependents().iter().map(|p| p.keys.len()).sum();
    if run.unapproved.is_some_and(|left| (due.len() + dependents) as u64 > left) {
        // A wrong `match` takes along what nobody expects: whoever approves sees the plan first.
        prepared.rollback().await?;
        return Ok(Turn::Exhausted);
    }
    let ledger = Stopwatch::start();
    let (own, sealed) = hashing.await.map_err(SweepError::Hashing)??;
    let mut parts = vec![own];
    for part in prepared.dependents() {
        parts.push(draft.part(part.dataset.as_str(), part.action, &part.fields, part.keys.iter())?);
    }
    let batch = NewBatch {
        sweep: run.sweep,
        datastore: run.target.rule.datastore.as_str(),
        incarnation: incarnation.as_str(),
        draft,
        parts,
        sealed,
    };
    // Nothing is irreversible yet: an error here drops the open transaction, which rolls back.
    let intent = state.commit_intent(batch).await?;
    run.report.ledger_wait += ledger.elapsed();
    let went = intent.records();
    let name = intent.batch().to_owned();
    // The intent is durable and nothing is irreversible. A crash here costs one look at the marker.
    let settled = commit(run, prepared, &intent).await;
    // A deferred constraint speaks at the commit.
    let refused = match &settled {
        Err(SweepError::Commit { source: EngineError::Refused(why), .. }) => Some(*why),
        Ok(_) | Err(_) => None,
    };
    let mut failure = None;
    let settled = match settled {
        Ok(settled) => settled,
        Err(error) => {
            tracing::warn!(
                batch = name,
                error = &error as &dyn std::error::Error,
                "commit in doubt: looking at the marker"
            );
            let mut fresh = Writer::open(&run.target.datastore).await?;
            let evidence = fresh.evidence(&incarnation, &name).await?;
            match evidence {
                Evidence::Committed => Settled::MarkerFound,
                Evidence::RolledBack => {
                    failure = Some(error);
                    Settled::RolledBack
                }
                // The intent stays open; the next start looks at the records.
                Evidence::Lost => return Err(error),
            }
        }
    };
    if matches!(settled, Settled::Acknowledged | Settled::MarkerFound) {
        tally(run, &due, went);
        *unsealed = Some(Unsealed { intent, settled });
        return Ok(Turn::On { next, went, last });
    }
    seal(run, state, writer, Some(Unsealed { intent, settled })).await?;
    match refused {
        Some(why) => Ok(Turn::Refused { selected: count, next, last, why }),
        None => Err(SweepError::RolledBack { batch: name, source: failure.map(Box::new) }),
    }
}

/// Commits; an error says nothing of what is on the disk.
async fn commit(
    run: &Run<'_>,
    prepared: Prepared<'_>,
    intent: &CommittedIntent,
) -> Result<Settled, SweepError> {
    hook::reach("commit.before");
    let committed = prepared.commit(intent).await?;
    hook::reach("commit.after");
    match committed {
        Committed::Yes => Ok(Settled::Acknowledged),
        Committed::NotAttempted => Ok(Settled::NotAttempted),
        Committed::Unknown(source) => Err(SweepError::Commit { rule: run.target.rule.id.clone(), source }),
    }
}

/// The commitments to the rule's own records, and their sealed identities, as a task of its own.
fn drafting(
    run: &Run<'_>,
    draft: &Draft,
    due: &Arc<Vec<Due>>,
    identities: Identities,
) -> impl FnOnce() -> Result<(DraftPart, Sealed), StateError> + Send + 'static {
    let (draft, due) = (draft.clone(), Arc::clone(due));
    let rule = run.target.rule;
    let (dataset, action) = (rule.table.as_str().to_owned(), Action::from(&rule.action));
    let fields = replaced(&rule.action);
    move || {
        let part = draft.part(&dataset, action, &fields, due.iter().map(Due::key))?;
        Ok((part, draft.seal(&identities.to_text())?))
    }
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

/// Asks the judge about every record. What a query compared is compared again here, value by value with the cut-off: where
/// that and the judge differ, one of two independent derivations is wrong, and nothing goes.
fn judge(run: &Run<'_>, selected: &mut Selected<'_>, phase: Phase) -> Result<Vec<Due>, SweepError> {
    let mut records = std::mem::take(&mut selected.page.records);
    let (bound, cutoffs, orders, now) = (run.bound, run.cutoffs, run.orders, run.now);
    let judge_all = |records| judge_half(bound, cutoffs, orders, now, phase, records);
    // The datastore waits meanwhile, so its processor is free.
    let second =
        records.split_off(if records.len() < WORTH_A_THREAD { records.len() } else { records.len() / 2 });
    let ((mut due, mut disagreed), (more, others)) = if second.is_empty() {
        (judge_all(records), (Vec::new(), 0))
    } else {
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| judge_all(second));
            let here = judge_all(records);
            // A panic in the judge is a bug wherever it happens.
            (here, beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    };
    due.extend(more);
    disagreed += others;
    if disagreed > 0 {
        return Err(SweepError::Disagreement { rule: run.target.rule.id.clone(), records: disagreed });
    }
    Ok(due)
}

/// Below this, starting a thread takes longer than it saves.
const WORTH_A_THREAD: usize = 1_000;

/// The due among the records, in their order, and on how many the two derivations differ.
fn judge_half(
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
    phase: Phase,
    records: Vec<Record>,
) -> (Vec<Due>, u64) {
    let mut due = Vec::with_capacity(records.len());
    let mut disagreed: u64 = 0;
    for record in records {
        let compared = match &record.trigger {
            TriggerValue::Own(value) => cutoffs.compare(bound.trigger(), value),
            // The query looked at every row, and said that all of them can be compared.
            TriggerValue::Rows(_) => (phase == Phase::Exact).then_some(true),
        };
        match decide(bound, record, orders, now) {
            Verdict::Due(record) | Verdict::Overdue(record) => {
                disagreed += u64::from(compared == Some(false));
                due.push(record);
            }
            Verdict::Held(_) => disagreed += u64::from(compared == Some(false)),
            // What is compared has the shape of a time; only the judge knows that 31 February is none.
            Verdict::Undated(Undated::Unreadable) => {}
            Verdict::Kept(_) | Verdict::Undated(_) => disagreed += u64::from(compared == Some(true)),
        }
    }
    (due, disagreed)
}

fn tally(run: &mut Run<'_>, due: &[Due], went: u64) {
    let report = &mut run.report;
    let own = due.len() as u64;
    report.disposed += own;
    report.dependents += went.saturating_sub(own);
    run.allowance = run.allowance.saturating_sub(own);
    run.unapproved = run.unapproved.map(|left| left.saturating_sub(went));
    for record in due {
        let times = record.times();
        if times.deadline <= run.now.late {
            report.overdue += 1;
            continue;
        }
        let (wait, margin) = (run.now.eligible - times.due, times.deadline - run.now.late);
        report.worst_wait = Some(report.worst_wait.map_or(wait, |w| w.max(wait)));
        report.least_margin = Some(report.least_margin.map_or(margin, |m| m.min(margin)));
    }
}

fn uses_key(bound: &BoundRule<'_>) -> bool {
    let keyed = |action: &rule::Action| match action {
        rule::Action::Delete => false,
        rule::Action::Pseudonymize { columns, .. } => columns.iter().any(|(_, s)| *s == Strategy::Keyed),
    };
    keyed(&bound.rule().action) || bound.dependents().iter().any(|d| keyed(&d.dependent.action))
}

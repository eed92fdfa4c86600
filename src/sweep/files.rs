//! The loop over files: page after page of a walk, each judged, intended, disposed of and sealed. What the walk sees is the
//! residue, but for what goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backups::Backups;
use super::batches::{Drafted, drafting};
use super::error::SweepError;
use super::gate::{Gate, Pass};
use super::judge::agree;
use super::outcome::{Left, Settlement, settle};
use super::pace::Rate;
use super::roots::recognise;
use super::run::{Heeded, Run, set_aside, tally};
use super::timing::Waits;
use super::{Counts, Progress};
use crate::datastore::Prepared;
use crate::datastore::files::{self, FilePage, Identities, Listed, Outcome, Pages};
use crate::hook;
use crate::ledger::entry::SweepResult;
use crate::model::datastore::{Datastore, Pace};
use crate::rules::bind::BoundDataset;
use crate::rules::decide::{Due, Verdict, decide};
use crate::state::{NewBatch, State, StateError, Unsealed};

/// A batch takes the whole page, however long that takes: no file is locked, and nobody waits for it. Its identities and commitments
/// show in the memory of the process (docs/measurements.md).
const LARGEST: u32 = 10_000;

pub(super) async fn run(
    run: &mut Run<'_>,
    state: &mut State,
    own: &Datastore,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), SweepError> {
    let BoundDataset::Files(pattern) = run.bound.dataset() else { return Ok(()) };
    let size = match run.target.pace {
        Pace::Unlimited => run.target.batch.saturating_mul(10).min(LARGEST).max(run.target.batch),
        Pace::RowsPerSecond(_) => run.target.batch,
    };
    let mut pages = Pages::open(files::root_of(own)?, pattern, size)?;
    recognise(state, &run.target.rule.datastore, pages.tree()).await?;
    let mut rate = Rate::new(run.target.pace);
    let mut gate = Gate::of(run.target)?;
    let mut seen = Seen { counts: Counts::new(run.target.rule, run.now.late), backups: Backups::of(run) };
    // Ends with the walk, which sees each file once.
    while let Some(page) = pages.next().await? {
        rate.wait(run.brake, &mut || run.tell(progress)).await;
        if gate.pass(run, progress).await? == Pass::Stop {
            run.report.result = SweepResult::Stopped;
            break;
        }
        match batch(run, state, pages.tree(), &page, &mut seen).await? {
            Turn::On(went) => rate.went(went),
            Turn::Exhausted => run.report.result = SweepResult::Parked,
            Turn::Stop => run.report.result = SweepResult::Stopped,
        }
        run.tell(progress);
        if run.report.result != SweepResult::Completed {
            break;
        }
    }
    if run.report.result == SweepResult::Completed {
        // Only a walk that saw everything can say what is left.
        run.report.residue = run.report.hidden.is_empty().then_some(seen.counts.backlog);
        run.report.backups = seen.backups.map(|backups| backups.findings(run));
    }
    Ok(())
}

/// What the walk saw that stays.
struct Seen {
    counts: Counts,
    backups: Option<Backups>,
}

/// What became of one page.
enum Turn {
    /// So many files went.
    On(u64),
    /// More would go than is allowed.
    Exhausted,
    /// No further batch may begin.
    Stop,
}

/// One page. Ends because it is judged again only after an order, and people give them one by one.
async fn batch(
    run: &mut Run<'_>,
    state: &mut State,
    tree: &Arc<files::Tree>,
    page: &FilePage,
    seen: &mut Seen,
) -> Result<Turn, SweepError> {
    hook::reach("prepare.before");
    add(&mut run.report.obstacles, &page.obstacles);
    add(&mut run.report.hidden, &page.hidden);
    loop {
        if run.has_to_stop() || matches!(run.heed(state).await?, Heeded::Halted) {
            return Ok(Turn::Stop);
        }
        let Judged { due, stays } = judged(run, &page.files)?;
        let whole = due.len() as u64;
        if whole > run.allowance || run.unapproved.is_some_and(|left| whole > left) {
            return Ok(Turn::Exhausted);
        }
        let went = if due.is_empty() {
            0
        } else {
            hook::reach("prepare.after");
            match dispose(run, state, tree, &page.files, due, seen).await {
                Err(SweepError::State(StateError::OrdersMoved | StateError::Halted(_))) => continue,
                went => went?,
            }
        };
        for verdict in &stays {
            seen.stays(verdict);
        }
        return Ok(Turn::On(went));
    }
}

/// The files of a page, judged.
struct Judged {
    due: Vec<Due>,
    /// The verdicts on the others.
    stays: Vec<Verdict>,
}

/// The due among the files, in their order. Each is compared with the cut-off beside the judge's verdict:
/// where the two differ, one of two independent derivations is wrong, and nothing goes.
fn judged(run: &Run<'_>, files: &[files::Found]) -> Result<Judged, SweepError> {
    let (mut due, mut stays) = (Vec::new(), Vec::new());
    let mut disagreed = 0;
    for (position, found) in (0u32..).zip(files) {
        let record = files::record(run.bound, found, position)?;
        let compared = run.cutoffs.compare(run.bound.trigger(), record.trigger.own());
        let verdict = decide(run.bound, record, &run.orders, run.now);
        disagreed += u64::from(!agree(compared, &verdict));
        match verdict {
            Verdict::Due(record) | Verdict::Overdue(record) => due.push(record),
            other @ (Verdict::Kept(_) | Verdict::Held(_) | Verdict::Undated(_)) => stays.push(other),
        }
    }
    if disagreed > 0 {
        return Err(SweepError::Disagreement { rule: run.target.rule.id.clone(), records: disagreed });
    }
    Ok(Judged { due, stays })
}

async fn dispose(
    run: &mut Run<'_>,
    state: &mut State,
    tree: &Arc<files::Tree>,
    found: &[files::Found],
    due: Vec<Due>,
    seen: &mut Seen,
) -> Result<u64, SweepError> {
    let listed: Vec<Listed> = due.iter().filter_map(|due| listed(found, due)).collect();
    let keys = vec![due.iter().map(|due| due.key().clone()).collect()];
    let due = Arc::new(due);
    let draft = state.draft(run.sweep).await?;
    let sealing = Identities::of(listed.clone());
    let writing = run.idle.write();
    let hashing = tokio::task::spawn_blocking(drafting(run.target, &draft, &due, move || sealing.to_text()));
    let Drafted { part, timing, sealed } = hashing.await.map_err(SweepError::Hashing)??;
    let new = NewBatch {
        sweep: run.sweep,
        datastore: run.target.rule.datastore.as_str(),
        incarnation: tree.identity(),
        draft,
        timing: Some(timing),
        parts: vec![part],
        sealed,
        unit: None,
    };
    let intent = state.commit_intent(new, run.orders.generation).await?;
    drop(writing);
    // The intent is durable and every file is still there. A crash from here on costs one look at each of them.
    let batch = intent.batch().to_owned();
    let prepared = Prepared::Files(files::Prepared::own(tree, listed));
    let Settlement { settled, went, left, each } = settle(&run.share(0, keys), prepared, &intent).await?;
    let writing = run.idle.write();
    state.seal(run.sweep, Unsealed::new(intent, settled, run.horizon())).await?;
    drop(writing);
    if let Some(Left::RolledBack(why)) = left {
        return Err(SweepError::RolledBack { batch, why });
    }
    let due = Arc::into_inner(due).unwrap_or_default();
    let gone = sort_out(run, due, each.into_iter().flatten(), seen);
    let waits = Waits::of(&gone, run.now);
    tally(run, &gone, &waits, went);
    Ok(went)
}

/// Those that went; the others are counted as what became of them.
fn sort_out(
    run: &mut Run<'_>,
    due: Vec<Due>,
    outcomes: impl Iterator<Item = Outcome>,
    seen: &mut Seen,
) -> Vec<Due> {
    let mut gone = Vec::with_capacity(due.len());
    for (due, outcome) in due.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Disposed => {
                if let Some(backups) = &mut seen.backups {
                    backups.went(&due);
                }
                gone.push(due);
                continue;
            }
            Outcome::AlreadyGone => continue,
            Outcome::Changed => run.report.changed += 1,
            Outcome::Refused(why) => set_aside(&mut run.report, why),
            // Such a batch stays open, and does not get here.
            Outcome::Unknown(_) => {}
        }
        let overdue = due.times().deadline <= run.now.late;
        seen.stays(&if overdue { Verdict::Overdue(due) } else { Verdict::Due(due) });
    }
    gone
}

/// Adds counts by kind.
pub(super) fn add(sums: &mut BTreeMap<&'static str, u64>, counts: &BTreeMap<&'static str, u64>) {
    for (kind, n) in counts {
        *sums.entry(kind).or_default() += n;
    }
}

fn listed(found: &[files::Found], due: &Due) -> Option<Listed> {
    let at = usize::try_from(due.position()).ok()?;
    found.get(at).map(|found| found.listed.clone())
}

impl Seen {
    fn stays(&mut self, verdict: &Verdict) {
        self.counts.add(verdict);
        if let Some(backups) = &mut self.backups {
            backups.stays(verdict);
        }
    }
}

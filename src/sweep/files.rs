//! The loop over files: page after page of a walk, each judged, intended, disposed of and sealed. What the walk sees is the
//! residue, but for what goes.

use std::sync::Arc;

use super::backups::Backups;
use super::batches::{Run, drafting, set_aside, tally};
use super::error::SweepError;
use super::judge::judge;
use super::outcome::{Left, Settlement, settle};
use super::pace::Budget;
use super::{Counts, Progress};
use crate::clock::Stopwatch;
use crate::datastore::Prepared;
use crate::datastore::files::{self, FilePage, Identities, Listed, Pages};
use crate::datastore::sqlite::Phase;
use crate::hook;
use crate::ledger::entry::SweepResult;
use crate::model::datastore::{Datastore, Pace};
use crate::rules::bind::BoundDataset;
use crate::rules::decide::{Due, Verdict, decide};
use crate::state::{NewBatch, Settled, State};

/// A batch takes the whole page: its identities and commitments show in the memory of the process (docs/measurements.md).
const LARGEST: u32 = 10_000;

pub(super) async fn run(
    run: &mut Run<'_>,
    state: &mut State,
    own: &Datastore,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), SweepError> {
    let BoundDataset::Files(pattern) = run.bound.dataset() else { return Ok(()) };
    let size = match run.target.pace {
        Pace::Unlimited => run.target.batch.saturating_mul(10).min(LARGEST).max(run.target.batch),
        Pace::RowsPerSecond(_) => run.target.batch,
    };
    let mut pages = Pages::open(&own.path, pattern, size)?;
    run.incarnations = vec![pages.tree().identity()];
    let mut budget = Budget::new(size, run.target.pace);
    let mut seen = Seen { counts: Counts::default(), backups: Backups::of(run) };
    // Ends with the walk, which sees each file once.
    while let Some(page) = pages.next().await? {
        if run.watch.elapsed() >= run.target.run_cap {
            run.report.result = SweepResult::Stopped;
            break;
        }
        budget.wait().await;
        let went = batch(run, state, pages.tree(), page, &mut seen).await?;
        progress(Progress { done: run.report.disposed, total: run.total });
        let Some(went) = went else {
            run.report.result = SweepResult::Parked;
            break;
        };
        budget.went(went);
    }
    if run.report.result == SweepResult::Completed {
        // Only a walk that saw everything can say what is left.
        run.report.residue = Some(seen.counts);
        run.report.backups = seen.backups.map(|backups| backups.findings(run));
    }
    Ok(())
}

/// What the walk saw that stays.
struct Seen {
    counts: Counts,
    backups: Option<Backups>,
}

/// One page. How many files went; none: more would go than is allowed.
async fn batch(
    run: &mut Run<'_>,
    state: &mut State,
    tree: &Arc<files::Tree>,
    page: FilePage,
    seen: &mut Seen,
) -> Result<Option<u64>, SweepError> {
    hook::reach("prepare.before");
    for (what, n) in page.obstacles {
        *run.report.obstacles.entry(what).or_default() += n;
    }
    let mut records = Vec::with_capacity(page.files.len());
    for (position, found) in (0u32..).zip(&page.files) {
        let record = files::record(run.bound, found, position)?;
        // What the cut-off says is not due is only counted, and the judge must agree.
        if run.cutoffs.compare(run.bound.trigger(), record.trigger.own()) == Some(false) {
            let verdict = decide(run.bound, record, run.orders, run.now);
            seen.stays(&verdict);
            if matches!(verdict, Verdict::Due(_) | Verdict::Overdue(_) | Verdict::Held(_)) {
                return Err(SweepError::Disagreement { rule: run.target.rule.id.clone(), records: 1 });
            }
            continue;
        }
        records.push(record);
    }
    let candidates = records.len();
    let due = judge(run, records, Phase::Candidates)?;
    if due.len() < candidates {
        count_the_rest(run, &page.files, &due, seen)?;
    }
    if due.is_empty() {
        return Ok(Some(0));
    }
    let whole = due.len() as u64;
    if whole > run.allowance || run.unapproved.is_some_and(|left| whole > left) {
        return Ok(None);
    }
    hook::reach("prepare.after");
    dispose(run, state, tree, &page.files, due, seen).await.map(Some)
}

/// Those that the cut-off could not tell, and that stay.
fn count_the_rest(
    run: &Run<'_>,
    files: &[files::Found],
    due: &[Due],
    seen: &mut Seen,
) -> Result<(), SweepError> {
    let mut due = due.iter().map(Due::position).peekable();
    for (position, found) in (0u32..).zip(files) {
        if due.next_if_eq(&position).is_some() {
            continue;
        }
        let record = files::record(run.bound, found, position)?;
        if run.cutoffs.compare(run.bound.trigger(), record.trigger.own()) != Some(false) {
            seen.stays(&decide(run.bound, record, run.orders, run.now));
        }
    }
    Ok(())
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
    let due = Arc::new(due);
    let draft = state.draft(run.sweep).await?;
    let sealing = Identities::of(listed.clone());
    let hashing = tokio::task::spawn_blocking(drafting(run, &draft, &due, move || sealing.to_text()));
    let ledger = Stopwatch::start();
    let (part, sealed) = hashing.await.map_err(SweepError::Hashing)??;
    let new = NewBatch {
        sweep: run.sweep,
        datastore: run.target.rule.datastore.as_str(),
        incarnation: &run.incarnations[0],
        draft,
        parts: vec![part],
        sealed,
        unit: None,
    };
    let intent = state.commit_intent(new).await?;
    run.report.ledger_wait += ledger.elapsed();
    // The intent is durable and every file is still there. A crash from here on costs one look at each of them.
    let keys = vec![due.iter().map(|due| due.key().clone()).collect()];
    let share = run.share(0, keys);
    let batch = intent.batch().to_owned();
    let prepared = Prepared::Files(files::Prepared::own(tree, listed));
    let Settlement { settled, went, left } = settle(&share, prepared, &intent).await?;
    if let Settled::Each(parts) = &settled {
        for part in parts {
            run.report.changed += part.counts.changed;
            for _ in 0..part.counts.refused {
                set_aside(&mut run.report, refusal(left.as_ref()));
            }
        }
    }
    let ledger = Stopwatch::start();
    let gone = gone(&settled, &due);
    state.seal(run.sweep, intent, settled, &run.horizon()).await?;
    run.report.ledger_wait += ledger.elapsed();
    let (gone, stay): (Vec<Due>, Vec<Due>) = Arc::into_inner(due)
        .unwrap_or_default()
        .into_iter()
        .partition(|due| gone.contains(due.key().as_str()));
    tally(run, &gone, went);
    for due in stay {
        let verdict =
            if due.times().deadline <= run.now.late { Verdict::Overdue(due) } else { Verdict::Due(due) };
        seen.stays(&verdict);
    }
    match left {
        Some(Left::RolledBack(why)) => Err(SweepError::RolledBack { batch, why }),
        Some(Left::Refused(_)) | None => Ok(went),
    }
}

fn refusal(left: Option<&Left>) -> &'static str {
    match left {
        Some(Left::Refused(why) | Left::RolledBack(why)) => why,
        None => "it was refused",
    }
}

fn listed(found: &[files::Found], due: &Due) -> Option<Listed> {
    let at = usize::try_from(due.position()).ok()?;
    found.get(at).map(|found| found.listed.clone())
}

/// The keys of the records that are not there any more.
fn gone(settled: &Settled, due: &[Due]) -> std::collections::HashSet<String> {
    use crate::state::Disposed;
    let all = || due.iter().map(|due| due.key().as_str().to_owned()).collect();
    match settled {
        Settled::Each(parts) => match parts.first().map(|part| &part.disposed) {
            Some(Disposed::These(keys)) => keys.iter().map(|key| key.as_str().to_owned()).collect(),
            Some(Disposed::All) => all(),
            None => std::collections::HashSet::new(),
        },
        Settled::Acknowledged | Settled::MarkerFound | Settled::NoneLeft => all(),
        Settled::NotAttempted | Settled::RolledBack | Settled::SurvivorFound | Settled::Looked(_) => {
            std::collections::HashSet::new()
        }
    }
}

impl Seen {
    fn stays(&mut self, verdict: &Verdict) {
        self.counts.add(verdict);
        if let Some(backups) = &mut self.backups {
            backups.stays(verdict);
        }
    }
}

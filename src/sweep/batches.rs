//! The loop over rows: batch after batch, until nothing is left that may go.

mod beside;
mod intend;
mod lookahead;
mod rush;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use crate::clock::Stopwatch;
use crate::datastore::sql::{
    Ahead, Backlogged, CANDIDATE, Census, Cursor, Judged, Layout, Phase, Reader, Scout, Selected, Way, Writer,
};
use crate::datastore::{DatastoreError, Prepared, PreparedPart};
use crate::hook;
use crate::ledger::entry::{Cause, SweepResult};
use crate::model::datastore::{Datastore, Pace};
use crate::model::horizon::Horizon;
use crate::model::key::Key;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::pseudonym::{PseudonymError, PseudonymKey};
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::rules::rule::{self, Strategy};
use crate::secret;
use crate::state::{CommittedIntent, Draft, Settled, State, StateError, Sweep, Unsealed};

pub(super) use intend::{Drafted, drafting};

use beside::{Beside, WORTH_CONNECTIONS, beside};
use intend::{Intended, Unit, intend};
use lookahead::{Lookahead, Next};

use super::brake::Brake;
use super::error::SweepError;
use super::gate::{Gate, Pass};
use super::idle::Idle;
use super::judge::{Grounds, Threads, judge};
use super::outcome::{Left, Settlement, Share, settle};
use super::pace::Budget;
use super::shares::{self, Carried, Remote};
use super::timing::Waits;
use super::{Progress, Report, Target, orders};

/// Everything that stands still while batches go by, and the report that grows.
pub(super) struct Run<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) bound: &'a BoundRule<'a>,
    pub(super) cutoffs: &'a Cutoffs,
    /// In force when they were last read.
    pub(super) orders: Arc<Orders>,
    pub(super) now: Now,
    pub(super) brake: &'a Brake,
    /// Of the rule's own datastore, as who surveyed it saw it; none: it has no tables.
    pub(super) layout: Option<Layout>,
    pub(super) cause: Cause,
    pub(super) sweep: &'a Sweep,
    /// The rule's own records that may still go in this sweep.
    pub(super) allowance: u64,
    /// For a version that nobody has approved: the records of all datasets that may still go.
    pub(super) unapproved: Option<u64>,
    pub(super) total: u64,
    pub(super) watch: Stopwatch,
    pub(super) idle: Idle,
    /// What a connection of its own has counted since the last batch.
    pub(super) census: Option<Census>,
    /// Records that a query took for due, and the judge did not.
    pub(super) spared: u64,
    pub(super) report: Report,
    /// Records some of whose dependents are gone while they themselves are still there.
    pub(super) stranded: BTreeSet<Key>,
}

/// What a batch is read by.
#[derive(Clone, Copy)]
struct Reading<'r> {
    rows: RowRule<'r>,
    cutoffs: &'r Cutoffs,
    phase: Phase,
}

/// What became of one turn of the loop.
enum Turn {
    /// The walk goes on after this.
    On { next: Cursor, sums: Sums, last: bool },
    /// One of the selected rows cannot go.
    Refused { stretch: Stretch, why: &'static str },
    /// More would go than is allowed.
    Exhausted,
    /// Another transaction stood in the way of what was selected (none: of the selection itself); nothing of it was intended.
    Conflict { stretch: Option<Stretch>, error: DatastoreError },
    /// Something stood in the way of a whole stretch: it is looked at again from here, record by record.
    Closer(Cursor),
    /// Nothing of what stands behind this was intended, and it is read again: an order came between judgement and intent, or the table is
    /// not as it seemed.
    Again(Cursor),
}

/// What became of the records of a batch.
struct Sums {
    /// Records that went, dependents included.
    went: u64,
    /// Records that somebody else had locked.
    passed_over: u64,
    /// Records that a query took for due, and the judge did not.
    spared: u64,
    /// Records that were looked at.
    selected: u64,
}

impl Report {
    /// So long a batch may have kept the application waiting, if it went.
    fn held(&mut self, turn: &Turn, took: Duration) {
        if matches!(turn, Turn::On { sums, .. } if sums.went > 0) {
            self.longest_batch = self.longest_batch.max(took);
        }
    }
}

/// What a look at the orders comes to.
#[derive(PartialEq, Eq)]
pub(super) enum Heeded {
    /// They are as before.
    Same,
    /// There are others: what was judged by the old ones is judged again.
    Changed,
    /// Nothing may be disposed of any more.
    Halted,
}

/// A batch that the datastore has committed and the ledger has not sealed yet: its seal shares the durable write of the next intent.
struct Outstanding {
    unsealed: Unsealed,
    since: Stopwatch,
}

/// A seal waits no longer for the next intent.
const LONGEST_UNSEALED: Duration = Duration::from_secs(1);

/// The row lock of a record with dependents elsewhere is not held for longer before anything goes.
const LONGEST_LOCK: Duration = Duration::from_secs(10);

/// The walks of a sweep: what a schedule disposes of is due by its trigger, and what people demand has a sweep of its own.
pub(super) fn phases(cause: Cause) -> &'static [Phase] {
    match cause {
        Cause::Schedule | Cause::Replay => &[Phase::Exact, Phase::Candidates],
        Cause::Request => &[Phase::Demanded],
    }
}

pub(super) async fn run(
    run: &mut Run<'_>,
    rows: RowRule<'_>,
    state: &mut State,
    writer: &mut Writer,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), SweepError> {
    let mut remote = Remote::open(run, rows, state).await?;
    let mut others: Option<Beside> = None;
    let walked = walks(run, rows, state, (writer, &mut others), &mut remote, progress).await;
    match (others, walked.is_ok()) {
        // After an error a batch of a lane's may be committed and not sealed: its marker has to stay.
        (Some(Beside::Lanes(_)), false) | (None, _) => {}
        // Whoever only reads folds no log: it is closed before who writes.
        (Some(others), _) => others.close().await,
    }
    walked?;
    remote.close().await;
    Ok(())
}

async fn walks(
    run: &mut Run<'_>,
    rows: RowRule<'_>,
    state: &mut State,
    (writer, others): (&mut Writer, &mut Option<Beside>),
    remote: &mut Remote,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), SweepError> {
    let mut gate = Gate::of(run.target)?;
    let pseudonyms = if uses_key(run.bound) { Some(state.pseudonym_key()?) } else { None };
    for phase in phases(run.cause) {
        if *phase == Phase::Candidates && !run.has_candidates(rows, writer).await? {
            continue;
        }
        let way =
            writer.way(rows, run.cutoffs, *phase, Ahead { due: run.total, pace: run.target.pace }).await?;
        let mut walk = Walk {
            rows,
            phase: *phase,
            pseudonyms: pseudonyms.as_ref(),
            remote: &mut *remote,
            gate: &mut gate,
            outstanding: None,
            way,
            closer: false,
            lookahead: Lookahead::default(),
        };
        let pays =
            run.target.pace == Pace::Unlimited && run.total >= WORTH_CONNECTIONS && walk.gate.stands_open();
        if pays && others.is_none() {
            *others = beside(run.target.own()?, &writer.layout(), way).await;
        }
        let walked = walk.run(run, state, (writer, others.as_mut()), progress).await;
        let sealed = walk.seal(run, state).await;
        walked?;
        sealed?;
        if run.report.result != SweepResult::Completed {
            break;
        }
    }
    Ok(())
}

/// One walk through the dataset.
struct Walk<'w, 'r, 'g> {
    rows: RowRule<'r>,
    phase: Phase,
    pseudonyms: Option<&'w PseudonymKey>,
    remote: &'w mut Remote,
    gate: &'w mut Gate<'g>,
    outstanding: Option<Outstanding>,
    /// How it goes through the table.
    way: Way,
    /// Whether the next batch is looked at record by record, whatever the way: something stood in it.
    closer: bool,
    lookahead: Lookahead,
}

impl Walk<'_, '_, '_> {
    /// Ends because every turn moves the cursor or halves the batch, but for those that an order undoes, and people give them one by
    /// one; and because a pulled brake stays pulled.
    async fn run(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        (writer, mut others): (&mut Writer, Option<&mut Beside>),
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<(), SweepError> {
        let mut cursor = Cursor::default();
        let mut conflicts = 0;
        let mut budget = Budget::new(run.target.batch, run.target.pace, writer.longest());
        if self.remote.any() {
            budget.bound(shares::LARGEST);
        }
        loop {
            if run.has_to_stop() {
                run.report.result = SweepResult::Stopped;
                return Ok(());
            }
            if run.target.pace != Pace::Unlimited || self.gate.may_wait() {
                // A seal never waits for a pause.
                self.seal(run, state).await?;
            }
            self.seal_in_time(run, state).await?;
            budget.wait(run.brake, &mut || run.tell(progress)).await;
            if run.brake.pulled() {
                continue;
            }
            let stops = self.gate.pass(run, progress).await? == Pass::Stop;
            if stops || run.heed(state).await? == Heeded::Halted {
                run.report.result = SweepResult::Stopped;
                return Ok(());
            }
            let turn = self
                .step(run, state, (writer, others.as_deref_mut()), &cursor, &mut budget, progress)
                .await?;
            match turn {
                Turn::On { next, sums, last } => {
                    let went = run.add(&sums);
                    run.tell(progress);
                    if last {
                        return Ok(());
                    }
                    cursor = next;
                    conflicts = 0;
                    budget.went(went, sums.selected);
                }
                Turn::Refused { stretch: alone, why } if alone.selected <= 1 => {
                    // It stands alone: it is set aside, and the walk goes on behind it.
                    set_aside(&mut run.report, why);
                    run.report.locked += alone.passed_over;
                    run.tell(progress);
                    if alone.last {
                        return Ok(());
                    }
                    cursor = alone.next;
                }
                Turn::Refused { stretch, .. } => {
                    run.tell(progress);
                    budget.halve(stretch.selected);
                }
                Turn::Again(from) => {
                    hook::pause("undone");
                    cursor = from;
                }
                Turn::Closer(from) => {
                    self.closer = true;
                    cursor = from;
                }
                Turn::Conflict { stretch, error } => {
                    conflicts += 1;
                    match stretch {
                        // It stands alone, and still somebody else has it: it is set aside, and the walk goes on behind it.
                        Some(alone) if alone.selected <= 1 && conflicts > MOST_TRIES => {
                            out_of_the_way(&mut run.report, &error);
                            run.report.locked += alone.passed_over;
                            run.tell(progress);
                            if alone.last {
                                return Ok(());
                            }
                            (cursor, conflicts) = (alone.next, 0);
                            continue;
                        }
                        Some(batch) if batch.selected > 1 => budget.halve(batch.selected),
                        Some(_) => {}
                        None if conflicts > MOST_CONFLICTS => return Err(error.into()),
                        None => budget.halve(budget.limit() as usize),
                    }
                    pause_after(conflicts).await?;
                }
                Turn::Exhausted => {
                    run.report.result = SweepResult::Parked;
                    return Ok(());
                }
            }
        }
    }

    /// One batch, or as many as go by themselves.
    async fn step(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        (writer, others): (&mut Writer, Option<&mut Beside>),
        cursor: &Cursor,
        budget: &mut Budget,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Turn, SweepError> {
        let listed = self.closer || cursor.is_within();
        let scout = match others {
            Some(Beside::Lanes(lanes)) if self.way.is_snapshot() && !listed && self.gate.stands_open() => {
                return Box::pin(self.rush(run, state, (writer, lanes), cursor, budget, progress)).await;
            }
            Some(Beside::Scout(scout)) => Some(&mut **scout),
            Some(Beside::Lanes(_)) | None => None,
        };
        let limit = if listed { budget.limit() } else { budget.limit_of(self.way) };
        Box::pin(self.turn(run, state, (writer, scout), cursor, limit)).await
    }

    /// Writes the outcome of the batch before, where no intent is going to.
    async fn seal(&mut self, run: &mut Run<'_>, state: &mut State) -> Result<(), SweepError> {
        let Some(Outstanding { unsealed, .. }) = self.outstanding.take() else { return Ok(()) };
        let _writing = run.idle.write();
        state.seal(run.sweep, unsealed).await?;
        Ok(())
    }

    /// The same where it has waited long enough.
    async fn seal_in_time(&mut self, run: &mut Run<'_>, state: &mut State) -> Result<(), SweepError> {
        // What comes next takes its time too.
        if self.outstanding.as_ref().is_some_and(|o| o.since.elapsed() > LONGEST_UNSEALED / 2) {
            self.seal(run, state).await?;
        }
        Ok(())
    }

    async fn turn(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        (writer, scout): (&mut Writer, Option<&mut Scout>),
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Turn, SweepError> {
        hook::reach("prepare.before");
        let since = Stopwatch::start();
        let orders = Arc::clone(&run.orders);
        let (rows, phase, cutoffs) = (self.rows.heeding(&orders), self.phase, run.cutoffs);
        let closer = self.way.closer(cursor, limit);
        let draft = state.draft(run.sweep).await?;
        let way = if std::mem::take(&mut self.closer) { Way::Listed } else { self.way };
        let seen = self.lookahead.take(&orders, cursor).filter(|_| way == self.way);
        let was_seen = seen.is_some();
        let selected = match seen {
            Some(seen) => writer.select_seen(rows, cutoffs, phase, seen, (limit, way)).await,
            None => writer.select(rows, cutoffs, phase, cursor, limit, way).await,
        };
        let selected = match selected {
            Err(error) if way != Way::Listed => return stumbled(error, closer),
            Err(error) if error.conflict().is_some() => return Ok(Turn::Conflict { stretch: None, error }),
            selected => selected?,
        };
        if way == self.way && !cursor.is_within() {
            self.way = selected.way();
        }
        let mut lookahead = std::mem::take(&mut self.lookahead);
        if was_seen && !selected.is_taken() {
            lookahead.rest();
        }
        let from = (!selected.page.last).then(|| selected.page.next.clone());
        let next = from.zip(selected.watermark()).map(|(from, watermark)| Next { from, limit, watermark });
        let goes = async {
            let grounds = run.grounds();
            let turn = match judged(&grounds, draft, selected, cursor, closer, (phase, Threads::Two)).await? {
                Ok(sitting) => match prepared(sitting, run.now.eligible, self.pseudonyms).await? {
                    Ok(flight) => self.finish(run, state, rows, flight).await?,
                    Err(turn) => turn,
                },
                Err(turn) => turn,
            };
            run.report.held(&turn, since.elapsed());
            Ok::<_, SweepError>((turn, since.elapsed()))
        };
        let reading = Reading { rows, cutoffs, phase };
        // It is on its way while the judge sits. Neither is dropped half-way.
        let (read, gone) = tokio::join!(lookahead.look(scout, reading, &orders, next), goes);
        let (turn, took) = gone?;
        if read.is_some_and(|read| read > took) {
            lookahead.rest();
        }
        self.lookahead = lookahead;
        Ok(turn)
    }

    /// Makes what is disposed of within its open transaction irreversible, after its intent.
    async fn finish<'b>(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        rows: RowRule<'b>,
        flight: Flight<'b>,
    ) -> Result<Turn, SweepError> {
        let Flight { own, sheet: Sheet { due, draft, hashing, batch, closer, loose, locked } } = flight;
        let refused = |why| Ok(batch.clone().refused(why));
        if due.len() as u64 > run.allowance {
            own.rollback().await?;
            return Ok(Turn::Exhausted);
        }
        let (at, pseudonyms) = (run.now.eligible, self.pseudonyms);
        let others = match self.remote.prepare(rows, &own, at, pseudonyms).await {
            Ok(others) => others,
            Err(error) => {
                own.rollback().await?;
                if error.conflict().is_some() {
                    return Ok(Turn::Conflict { stretch: Some(batch), error });
                }
                return error.refused().map_or_else(|| Err(error.into()), refused);
            }
        };
        hook::reach("prepare.after");
        let dependents = records_of(own.parts()) + others.iter().map(|o| records_of(o.parts())).sum::<u64>();
        let exceeds = |left| due.len() as u64 + dependents > left;
        let late = !others.is_empty() && locked.elapsed() > LONGEST_LOCK;
        if late || run.unapproved.is_some_and(exceeds) {
            // A wrong `match` takes along what nobody expects: whoever approves sees the plan first.
            shares::give_up(others).await?;
            own.rollback().await?;
            return if late {
                refused("its dependents take longer than 10 s to list")
            } else {
                Ok(Turn::Exhausted)
            };
        }
        let writing = run.idle.write();
        let (drafted, waits) = hashing.await.map_err(SweepError::Hashing)??;
        let unit = Unit { own, others, drafted };
        // Nothing is irreversible yet: an error here drops the open transactions, which rolls back.
        let before = self.outstanding.take().map(|outstanding| outstanding.unsealed);
        let intended = match intend(run, state, draft, unit, before).await {
            Err(SweepError::State(StateError::OrdersMoved | StateError::Halted(_))) => {
                return Ok(Turn::Again(batch.from));
            }
            intended => intended?,
        };
        drop(writing);
        let mut sealed = Vec::new();
        let came_to = carry_out(run, state, intended, (&due, &waits), &mut sealed).await;
        self.remote.sealed(&sealed);
        match self.conclude(run, came_to?, batch)? {
            // A deferred constraint spoke at the commit: of one of them, and nobody knows which.
            Turn::Refused { .. } if loose => Ok(Turn::Closer(closer)),
            turn => Ok(turn),
        }
    }

    /// Leaves the seal to the next intent.
    fn conclude(&mut self, run: &Run<'_>, came_to: CameTo, batch: Stretch) -> Result<Turn, SweepError> {
        let mut leave = |intent: CommittedIntent, settled: Settled| {
            let unsealed = Unsealed::new(intent, settled, run.horizon());
            self.outstanding = Some(Outstanding { unsealed, since: Stopwatch::start() });
        };
        match came_to {
            CameTo::Gone { intent, settled, went } => {
                leave(intent, settled);
                Ok(batch.went(went))
            }
            CameTo::Kept { name, left } => batch.left(name, left),
            CameTo::Left { intent, settled, left } => {
                let name = intent.batch().to_owned();
                leave(intent, settled);
                batch.left(name, left)
            }
        }
    }
}

/// What the judge called due, and how it is looked at again where something stands in it.
struct Sitting<'w> {
    judged: Judged<'w>,
    sheet: Sheet,
}

/// A batch that is gone within its open transaction, and waits for its intent.
struct Flight<'w> {
    own: Prepared<'w>,
    sheet: Sheet,
}

/// What goes along with a batch.
struct Sheet {
    due: Arc<Vec<Due>>,
    draft: Draft,
    hashing: JoinHandle<Result<(Drafted, Waits), StateError>>,
    batch: Stretch,
    closer: Cursor,
    loose: bool,
    locked: Stopwatch,
}

/// What is wanted, or what the turn comes to without it.
type Or<T> = Result<Result<T, Turn>, SweepError>;

/// Judges what was selected, and begins to hash what is due: it takes the other processor while the datastore works.
async fn judged<'w>(
    grounds: &Grounds<'_>,
    draft: Draft,
    mut selected: Selected<'w>,
    from: &Cursor,
    closer: Cursor,
    (phase, threads): (Phase, Threads),
) -> Or<Sitting<'w>> {
    hook::reach("selected.after");
    let locked = Stopwatch::start();
    let loose = selected.is_loose();
    let mut batch = Stretch {
        from: from.clone(),
        next: selected.page.next.clone(),
        last: selected.page.last,
        selected: selected.page.records.len(),
        passed_over: selected.page.passed_over,
        spared: 0,
    };
    let records = std::mem::take(&mut selected.page.records);
    let judged = judge(grounds, records, phase, threads);
    batch.spared = judged.as_ref().map_or(0, |due| batch.selected.saturating_sub(due.len()) as u64);
    match judged {
        Ok(due) if due.is_empty() => {
            selected.rollback().await?;
            Ok(Err(batch.went(0)))
        }
        Ok(due) => {
            let mut judged = selected.keep_only(due)?;
            let (due, identity) = (Arc::clone(judged.due()), judged.identity());
            let identities = {
                let due = Arc::clone(&due);
                move || identity.to_text(&due)
            };
            let drafting = drafting(grounds.target, &draft, &due, identities);
            let (all, now) = (Arc::clone(&due), grounds.now);
            // What the report says of them: they pass through the processor here anyway.
            let hashing = tokio::task::spawn_blocking(move || Ok((drafting()?, Waits::of(&all, now))));
            Ok(Ok(Sitting { judged, sheet: Sheet { due, draft, hashing, batch, closer, loose, locked } }))
        }
        Err(error) => {
            selected.rollback().await?;
            Err(error)
        }
    }
}

/// Disposes of what is due inside the open transaction, and marks it. Nothing is irreversible yet.
async fn prepared<'w>(
    Sitting { judged, sheet }: Sitting<'w>,
    at: DateTime<Utc>,
    pseudonyms: Option<&PseudonymKey>,
) -> Or<Flight<'w>> {
    let marked = match judged.dispose(at, pseudonyms).await {
        // There is no intent yet: the marker is there only once the batch is committed.
        Ok(own) => own.mark(sheet.draft.batch().as_str()).await,
        Err(error) => Err(error),
    };
    match marked {
        Ok(own) => Ok(Ok(Flight { own: Prepared::Rows(Box::new(own)), sheet })),
        Err(error) => stopped(error, sheet).map(Err),
    }
}

/// What a turn comes to where its batch could not be disposed of.
fn stopped(error: DatastoreError, sheet: Sheet) -> Result<Turn, SweepError> {
    if sheet.loose {
        return stumbled(error, sheet.closer);
    }
    if error.conflict().is_some() {
        return Ok(Turn::Conflict { stretch: Some(sheet.batch), error });
    }
    error.refused().map_or_else(|| Err(error.into()), |why| Ok(sheet.batch.refused(why)))
}

/// A stretch that does not go as a whole is looked at record by record.
fn stumbled(error: DatastoreError, closer: Cursor) -> Result<Turn, SweepError> {
    match error {
        DatastoreError::Crowded { within } => Ok(Turn::Closer(within)),
        error if error.conflict().is_some() || error.refused().is_some() => Ok(Turn::Closer(closer)),
        error => Err(error.into()),
    }
}

/// So often a record that stands alone is tried before it is set aside.
const MOST_TRIES: u32 = 4;

/// So often in a row another transaction may stand in the way before the sweep gives up until its next turn.
const MOST_CONFLICTS: u32 = 10;

/// Lets the other transaction finish: longer each time, and never just as long as somebody who does the same.
async fn pause_after(conflicts: u32) -> Result<(), SweepError> {
    let mut random = [0; 1];
    secret::fill(&mut random).map_err(PseudonymError::Random).map_err(DatastoreError::Pseudonym)?;
    let longest = 10u64 << conflicts.min(7);
    tokio::time::sleep(Duration::from_millis(longest / 2 + longest * u64::from(random[0]) / 512)).await;
    Ok(())
}

/// What a turn has selected: from where, and where the walk goes on behind it.
#[derive(Clone)]
struct Stretch {
    from: Cursor,
    next: Cursor,
    last: bool,
    selected: usize,
    passed_over: u64,
    spared: u64,
}

impl Stretch {
    fn went(self, went: u64) -> Turn {
        let selected = self.selected as u64;
        let sums = Sums { went, passed_over: self.passed_over, spared: self.spared, selected };
        Turn::On { next: self.next, sums, last: self.last }
    }

    fn refused(self, why: &'static str) -> Turn {
        Turn::Refused { stretch: self, why }
    }

    fn left(self, batch: String, left: Left) -> Result<Turn, SweepError> {
        match left {
            Left::Refused(why) => Ok(self.refused(why)),
            Left::RolledBack(why) => Err(SweepError::RolledBack { batch, why }),
        }
    }
}

/// What became of a unit whose intents are durable.
enum CameTo {
    /// All of it is gone: so many records, wherever they were. The records' own batch waits for its seal.
    Gone { intent: CommittedIntent, settled: Settled, went: u64 },
    /// Something elsewhere is left, and with it the records: their batch is sealed.
    Kept { name: String, left: Left },
    /// The records could not go: their batch waits for its seal.
    Left { intent: CommittedIntent, settled: Settled, left: Left },
}

/// Commits what is intended: the shares elsewhere first, then the records. `sealed` is told of the shares whose outcomes are in the
/// ledger, also where this fails.
async fn carry_out(
    run: &mut Run<'_>,
    state: &mut State,
    Intended { own, intent, others }: Intended<'_, '_>,
    (due, waits): (&[Due], &Waits),
    sealed: &mut Vec<(usize, String)>,
) -> Result<CameTo, SweepError> {
    let elsewhere = match shares::carry_out(run, state, others, sealed).await? {
        Carried::All(went) => went,
        Carried::Kept { left, went } => {
            run.strand(due, went);
            own.rollback().await?;
            let name = intent.batch().to_owned();
            let unsealed = Unsealed::new(intent, Settled::NotAttempted, run.horizon());
            state.seal(run.sweep, unsealed).await?;
            run.report.dependents += went;
            return Ok(CameTo::Kept { name, left });
        }
    };
    // The intent is durable and the record is still there. A crash here costs one look at the marker.
    let share = run.share(0, Vec::new());
    let Settlement { settled, left, .. } = settle(&share, own, &intent).await?;
    run.report.dependents += elsewhere;
    if let Some(left) = left {
        // A deferred constraint speaks at the commit.
        run.strand(due, elsewhere);
        return Ok(CameTo::Left { intent, settled, left });
    }
    let went = intent.records();
    tally(run, due, waits, went + elsewhere);
    run.report.dependents += went.saturating_sub(due.len() as u64);
    Ok(CameTo::Gone { intent, settled, went: went + elsewhere })
}

impl<'a> Run<'a> {
    /// What the records of the next batch are judged by.
    pub(super) fn grounds(&self) -> Grounds<'a> {
        let Self { target, bound, cutoffs, now, .. } = *self;
        Grounds { target, bound, cutoffs, orders: Arc::clone(&self.orders), now }
    }

    /// Whether SQL left records to the judge: a look at everything, which is the residue's too where it finds none.
    async fn has_candidates(&mut self, rows: RowRule<'_>, writer: &Writer) -> Result<bool, SweepError> {
        if !writer.leaves_to_the_judge(rows) {
            return Ok(false);
        }
        let own = self.target.own()?;
        let (orders, cutoffs, layout) = (Arc::clone(&self.orders), self.cutoffs, self.layout.as_ref());
        let counted = async {
            Reader::open_again(own, layout)
                .await?
                .backlog(rows.heeding(&orders), cutoffs, Backlogged::All)
                .await
        };
        match counted.await {
            Ok(census) if census.of(CANDIDATE) == 0 => {
                self.census = Some(census);
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "nobody knows whether records are left to the judge: all of them are looked at"
                );
                Ok(true)
            }
        }
    }

    /// Reads the orders again where one was given since; says whether the sweep may go on. Before every batch that is not made ahead:
    /// the intent of one that is asks for them.
    pub(super) async fn heed(&mut self, state: &mut State) -> Result<Heeded, SweepError> {
        let known = self.orders.generation;
        let changed = state.generation().await? != known;
        if changed {
            self.orders = Arc::new(orders(state, self.target, self.cause).await?);
        }
        // After the orders: a pause that comes between is newer than they are, and no intent is written under them.
        self.report.halted = state.halt().await?;
        Ok(match (&self.report.halted, changed) {
            (Some(_), _) => Heeded::Halted,
            (None, true) => Heeded::Changed,
            (None, false) => Heeded::Same,
        })
    }

    /// Whether no further batch may begin: the run cap is reached, or the brake was pulled.
    pub(super) fn has_to_stop(&self) -> bool {
        self.watch.elapsed() >= self.target.run_cap || self.brake.pulled()
    }

    /// Says how far it has come.
    pub(super) fn tell(&self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) {
        progress(Progress { cause: self.cause, total: self.total, report: &self.report });
    }

    /// Adds what became of a batch to the rest; how many records went.
    fn add(&mut self, Sums { went, passed_over, spared, .. }: &Sums) -> u64 {
        self.report.locked += passed_over;
        self.spared += spared;
        *went
    }

    /// Whether the records that were counted before the sweep are all gone, and nothing that a query took for due is left: what is due still
    /// has come to be meanwhile. `before`: as [`Reader::count_selected`] counted them, at the same cut-off.
    pub(super) fn has_accounted(&self, own: &Datastore) -> bool {
        let Self { report, orders, .. } = self;
        self.bound.rows().is_some_and(|rows| Reader::counts_exactly(own, rows))
            && report.result == SweepResult::Completed
            && report.disposed == self.total
            && (report.locked, report.refusals(), report.changed, self.spared) == (0, 0, 0, 0)
            && !orders.all_held
            && orders.held.is_empty()
    }

    /// Remembers the records of a batch that stays, where something that hung on them went.
    fn strand(&mut self, due: &[Due], went: u64) {
        self.unapproved = self.unapproved.map(|left| left.saturating_sub(went));
        if went > 0 {
            self.stranded.extend(due.iter().map(|due| due.key().clone()));
        }
    }

    /// One of the rule's datastores, by its number among the shares, for a commit there.
    pub(super) fn share(&self, number: usize, keys: Vec<Vec<Key>>) -> Share<'_> {
        Share { target: self.target, datastore: self.bound.shares()[number].datastore, keys }
    }

    /// When what goes from the rule's own datastore is gone from its backups too.
    pub(super) fn horizon(&self) -> Horizon {
        self.target.horizon(&self.target.rule.datastore)
    }
}

fn records_of(parts: &[PreparedPart]) -> u64 {
    parts.iter().map(|part| part.keys.len() as u64).sum()
}

/// Sets a record aside that another transaction stands in the way of.
fn out_of_the_way(report: &mut Report, error: &DatastoreError) {
    if error.locked() {
        report.locked += 1;
    } else {
        set_aside(report, error.conflict().unwrap_or_default());
    }
}

pub(super) fn set_aside(report: &mut Report, why: &'static str) {
    match report.refused.iter_mut().find(|(known, _)| *known == why) {
        Some((_, n)) => *n += 1,
        None => report.refused.push((why, 1)),
    }
}

/// `went`: records of all datasets.
pub(super) fn tally(run: &mut Run<'_>, due: &[Due], waits: &Waits, went: u64) {
    let report = &mut run.report;
    let own = due.len() as u64;
    report.disposed += own;
    run.allowance = run.allowance.saturating_sub(own);
    run.unapproved = run.unapproved.map(|left| left.saturating_sub(went));
    report.add(waits);
    if !run.stranded.is_empty() {
        for record in due {
            run.stranded.remove(record.key());
        }
    }
}

fn uses_key(bound: &BoundRule<'_>) -> bool {
    let keyed = |action: &rule::Action| match action {
        rule::Action::Delete => false,
        rule::Action::Pseudonymize { columns, .. } => columns.iter().any(|(_, s)| *s == Strategy::Keyed),
    };
    keyed(&bound.rule().action) || bound.dependents().iter().any(|d| keyed(&d.dependent.action))
}

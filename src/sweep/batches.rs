//! The loop over rows: batch after batch, until nothing is left that may go.

mod beside;
mod intend;
mod lookahead;
mod making;
mod rush;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::datastore::sql::{Ahead, Cursor, Phase, Scout, Way, Writer};
use crate::datastore::{DatastoreError, PreparedPart};
use crate::hook;
use crate::ledger::entry::{Cause, SweepResult};
use crate::model::datastore::Pace;
use crate::pseudonym::{PseudonymError, PseudonymKey};
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::rules::rule::{self, Strategy};
use crate::secret;
use crate::state::{CommittedIntent, Settled, State, StateError, Unsealed};

pub(super) use intend::{Drafted, drafting};

use beside::{Beside, WORTH_CONNECTIONS, beside};
use intend::{Intended, Unit, intend};
use lookahead::{Lookahead, Next};
use making::{Flight, Or, Sheet, Sitting, Stretch, judged, prepared, prepared_and_staged, stumbled};

use super::error::SweepError;
use super::gate::{Gate, Pass};
use super::judge::Threads;
use super::outcome::{Hindrance, Left, Settlement, settle};
use super::pace::Budget;
use super::run::{Heeded, Run, Sums, out_of_the_way, set_aside, tally};
use super::shares::{self, Carried, Lookout, Remote};
use super::timing::Waits;
use super::{Progress, Report};

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
    /// Something stood in the way of what was selected, which may be gone by the next try; none of these records went.
    Hindered { stretch: Stretch, by: Hindrance },
    /// Another transaction stood in the way of the selection.
    Unselected(DatastoreError),
    /// Something stood in the way of a whole stretch: it is looked at again from here, record by record.
    Closer(Cursor),
    /// Nothing of what stands behind this was intended, and it is read again: an order came between judgement and intent, the table is
    /// not as it seemed, or the last look was not open yet.
    Again(Cursor),
}

impl Report {
    /// So long a batch may have kept the application waiting, if it went.
    fn held(&mut self, turn: &Turn, took: Duration) {
        if matches!(turn, Turn::On { sums, .. } if sums.went > 0) {
            self.longest_batch = self.longest_batch.max(took);
        }
    }
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
    let pseudonyms = if uses_key(run.bound) { Some(state.pseudonym_key().await?) } else { None };
    let mut remote = Remote::open(run, state).await?;
    let mut lookout = Lookout::new(pseudonyms.as_ref());
    let mut others: Option<Beside> = None;
    let elsewhere = (&mut remote, &mut lookout);
    let walked = walks(run, rows, state, (writer, &mut others), elsewhere, progress).await;
    match (others, walked.is_ok()) {
        // After an error a batch of a lane's may be committed and not sealed: its marker has to stay.
        (Some(Beside::Lanes(_)), false) | (None, _) => {}
        // Whoever only reads folds no log: it is closed before who writes.
        (Some(others), _) => others.close().await,
    }
    walked?;
    lookout.close().await;
    remote.close().await;
    Ok(())
}

async fn walks<'r>(
    run: &mut Run<'_>,
    rows: RowRule<'r>,
    state: &mut State,
    (writer, others): (&mut Writer, &mut Option<Beside>),
    (remote, lookout): (&mut Remote, &mut Lookout<'r>),
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), SweepError> {
    let mut gate = Gate::of(run.target)?;
    for phase in phases(run.cause) {
        if *phase == Phase::Candidates && !run.has_candidates(rows, writer).await? {
            continue;
        }
        let way =
            writer.way(rows, run.cutoffs, *phase, Ahead { due: run.total, pace: run.target.pace }).await?;
        let mut walk = Walk {
            rows,
            phase: *phase,
            pseudonyms: lookout.pseudonyms,
            remote: &mut *remote,
            lookout: &mut *lookout,
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
    lookout: &'w mut Lookout<'r>,
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
    /// one, and the one that opens the last look; and because a pulled brake stays pulled.
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
                Turn::Hindered { stretch: alone, by } if alone.selected <= 1 && conflicts >= MOST_TRIES => {
                    // It stands alone, and still something is in its way: it is set aside, and the walk goes on behind it.
                    out_of_the_way(&mut run.report, by);
                    run.report.locked += alone.passed_over;
                    run.tell(progress);
                    if alone.last {
                        return Ok(());
                    }
                    (cursor, conflicts) = (alone.next, 0);
                }
                Turn::Hindered { stretch, .. } => {
                    hook::pause("hindered");
                    conflicts += 1;
                    if stretch.selected > 1 {
                        budget.halve(stretch.selected);
                    }
                    pause_after(conflicts).await?;
                }
                Turn::Unselected(error) => {
                    conflicts += 1;
                    if conflicts > MOST_CONFLICTS {
                        return Err(error.into());
                    }
                    budget.halve(budget.limit() as usize);
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
            Err(error) if error.conflict().is_some() => return Ok(Turn::Unselected(error)),
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
                Ok(sitting) => {
                    let with = (run.now.eligible, self.pseudonyms);
                    match prepared_and_staged(sitting, with, &run.idle, state).await? {
                        Ok(flight) => self.finish(run, state, rows, flight).await?,
                        Err(turn) => turn,
                    }
                }
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
        let Flight { own, sheet: Sheet { due, draft, drafting, batch, closer, loose, locked } } = flight;
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
                let midway = run.has_stranded(&due);
                let by = if midway { Hindrance::midway(&error) } else { Hindrance::of(&error) };
                if let Some(by) = by {
                    return Ok(Turn::Hindered { stretch: batch, by });
                }
                return error.refused().map_or_else(|| Err(error.into()), refused);
            }
        };
        if let Err(error) = shares::expect(run, state, rows, (&own, &others)).await {
            shares::give_up(others).await?;
            own.rollback().await?;
            return Err(error);
        }
        hook::reach("prepare.after");
        let dependents = records_of(own.parts()) + others.iter().map(|o| records_of(o.parts())).sum::<u64>();
        let exceeds = |left| due.len() as u64 + dependents > left;
        let late = !others.is_empty() && locked.elapsed() > LONGEST_LOCK;
        if late || run.unapproved.is_some_and(exceeds) {
            // A wrong `match` takes along what nobody expects: whoever approves sees the plan first.
            shares::give_up(others).await?;
            own.rollback().await?;
            if late {
                return refused("its dependents take longer than 10 s to list");
            }
            run.along = Some(dependents);
            return Ok(Turn::Exhausted);
        }
        if self.lookout.is_wanted(&others) {
            // Once a sweep, and before anything goes: where it cannot be opened, everything is as it was.
            shares::give_up(others).await?;
            own.rollback().await?;
            self.lookout.open(run).await?;
            return Ok(Turn::Again(batch.from));
        }
        let writing = run.idle.write();
        let (drafted, waits) = drafting.done().await?;
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
        let again = (rows, &mut *self.lookout);
        let came_to = carry_out(run, state, intended, (&due, &waits), again, &mut sealed).await;
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
    (rows, lookout): (RowRule<'_>, &mut Lookout<'_>),
    sealed: &mut Vec<(usize, String)>,
) -> Result<CameTo, SweepError> {
    let carried = match shares::carry_out(run, state, others, (rows, lookout), sealed).await? {
        Carried::All(went) => match lookout.left(run, rows, (0, &own)).await? {
            None => Carried::All(went),
            Some(left) => Carried::Kept { left, went },
        },
        kept @ Carried::Kept { .. } => kept,
    };
    let elsewhere = match carried {
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

fn records_of(parts: &[PreparedPart]) -> u64 {
    parts.iter().map(|part| part.keys.len() as u64).sum()
}

fn uses_key(bound: &BoundRule<'_>) -> bool {
    let keyed = |action: &rule::Action| match action {
        rule::Action::Delete => false,
        rule::Action::Pseudonymize { columns, .. } => columns.iter().any(|(_, s)| *s == Strategy::Keyed),
    };
    keyed(&bound.rule().action) || bound.dependents().iter().any(|d| keyed(&d.dependent.action))
}

//! Two connections in turn: while the server disposes of the next batch within its transaction, this one is judged, intended and
//! committed.

use std::sync::Arc;
use std::time::Duration;

use super::{Flight, Heeded, Run, Turn, Walk, is_rest, stumbled};
use crate::clock::Stopwatch;
use crate::datastore::sql::{Cursor, Writer};
use crate::hook;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::state::State;
use crate::sweep::Progress;
use crate::sweep::error::SweepError;
use crate::sweep::pace::Budget;

/// What stands still while batches go by themselves.
#[derive(Clone, Copy)]
struct Ground<'b> {
    rows: RowRule<'b>,
    cutoffs: &'b Cutoffs,
}

/// What a step of two writers comes to.
enum Step<'w> {
    /// The next batch is selected already.
    On(Box<Flight<'w>>),
    /// What came of this one has to be seen to first.
    Out(Turn),
}

impl Walk<'_, '_, '_> {
    /// As many batches as go by themselves, on two connections in turn: while the server selects the next and disposes of it within its
    /// transaction, this one is judged, intended and committed. Nothing of the next is committed before the seal of this one.
    pub(super) async fn rush(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        (first, second): (&mut Writer, &mut Writer),
        cursor: &Cursor,
        budget: &mut Budget,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Turn, SweepError> {
        hook::reach("prepare.before");
        let orders = Arc::clone(&run.orders);
        let ground = Ground { rows: self.rows.heeding(&orders), cutoffs: run.cutoffs };
        let (limit, way) = (budget.limit(), self.way);
        let closer = way.closer(cursor, limit);
        let Ground { rows, cutoffs } = ground;
        self.announce(first);
        let mut flight = match first.select(rows, cutoffs, self.phase, cursor, limit, way).await {
            Err(error) => return stumbled(error, closer),
            Ok(selected) => Flight { selected, closer },
        };
        // Ends with the walk, or with the first batch that does not go by itself.
        loop {
            flight = match self.step(run, state, ground, flight, second, budget, progress).await? {
                Step::On(next) => *next,
                Step::Out(turn) => return Ok(turn),
            };
            flight = match self.step(run, state, ground, flight, first, budget, progress).await? {
                Step::On(next) => *next,
                Step::Out(turn) => return Ok(turn),
            };
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a walk needs, and one more connection")]
    async fn step<'b>(
        &mut self,
        run: &mut Run<'_>,
        state: &mut State,
        ground: Ground<'b>,
        flight: Flight<'_>,
        other: &'b mut Writer,
        budget: &mut Budget,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Step<'b>, SweepError> {
        budget.wait(run.brake, &mut || run.tell(progress)).await;
        self.seal_in_time(run, state, other).await?;
        self.way = flight.selected.way();
        let next = flight.selected.page.next.clone();
        let last = flight.selected.page.last || is_rest(run, &flight.selected);
        let (limit, way, phase) = (budget.limit(), self.way, self.phase);
        let Ground { rows, cutoffs } = ground;
        self.announce(other);
        let (watch, waited) = (Stopwatch::start(), run.report.ledger_wait);
        let ahead = async {
            if last {
                return (None, Duration::ZERO);
            }
            let selected = other.select(rows, cutoffs, phase, &next, limit, way).await;
            (Some(selected), watch.elapsed())
        };
        let here = self.finish(run, state, rows, flight);
        let ((ahead, took), turn) = tokio::join!(ahead, here);
        // While the server works on the next batch it waits for nobody.
        let stood = watch.elapsed().saturating_sub(took);
        run.report.ledger_wait = run.report.ledger_wait.min(waited + stood);
        let went = match turn? {
            Turn::On { went, .. } => went,
            other => {
                if let Some(Ok(selected)) = ahead {
                    selected.rollback().await?;
                }
                return Ok(Step::Out(other));
            }
        };
        run.tell(progress);
        budget.went_within(went, took);
        let closer = way.closer(&next, limit);
        let on = |last| Ok(Step::Out(Turn::On { next: next.clone(), went: 0, passed_over: 0, last }));
        match ahead {
            None => on(true),
            Some(Err(error)) => stumbled(error, closer).map(Step::Out),
            Some(Ok(selected)) if run.has_to_stop() || run.heed(state).await? != Heeded::Same => {
                selected.rollback().await?;
                on(false)
            }
            Some(Ok(selected)) => Ok(Step::On(Box::new(Flight { selected, closer }))),
        }
    }
}

//! Two connections in turn: while this batch is intended and committed, the next is read, judged and disposed of within its transaction.

use std::sync::Arc;
use std::time::Duration;

use super::{Flight, Heeded, Run, Turn, Walk, is_rest, judged, prepared, stumbled};
use crate::clock::Stopwatch;
use crate::datastore::sql::{Cursor, Writer};
use crate::hook;
use crate::rules::bind::RowRule;
use crate::state::State;
use crate::sweep::Progress;
use crate::sweep::error::SweepError;
use crate::sweep::pace::Budget;

/// What a step of two writers comes to.
enum Step<'w> {
    /// The next batch is gone within its transaction already.
    On(Box<Flight<'w>>),
    /// What came of this one has to be seen to first.
    Out(Turn),
}

impl Walk<'_, '_, '_> {
    /// As many batches as go by themselves, on two connections in turn: while this one is intended and committed, the next is read, judged
    /// and disposed of within its own transaction. Nothing of the next is committed before the seal of this one.
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
        let rows = self.rows.heeding(&orders);
        let (limit, way) = (budget.limit(), self.way);
        // Announced to one writer, and gone before the other's snapshot: two that forget one marker would be a conflict.
        self.seal(run, state, first).await?;
        let grounds = run.grounds();
        let closer = way.closer(cursor, limit);
        let selected = match first.select(rows, run.cutoffs, self.phase, cursor, limit, way).await {
            Err(error) => return stumbled(error, closer),
            Ok(selected) => selected,
        };
        self.way = selected.way();
        let judged = match judged(&grounds, selected, closer, self.phase).await? {
            Ok(judged) => judged,
            Err(turn) => return Ok(turn),
        };
        let draft = state.draft(run.sweep).await?;
        let mut flight = match prepared(&grounds, judged, draft, self.pseudonyms).await? {
            Ok(flight) => flight,
            Err(turn) => return Ok(turn),
        };
        // Ends with the walk, or with the first batch that does not go by itself.
        loop {
            flight = match self.step(run, state, rows, flight, second, budget, progress).await? {
                Step::On(next) => *next,
                Step::Out(turn) => return Ok(turn),
            };
            flight = match self.step(run, state, rows, flight, first, budget, progress).await? {
                Step::On(next) => *next,
                Step::Out(turn) => return Ok(turn),
            };
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a walk needs, and one more connection")]
    async fn step<'b, 'a: 'b>(
        &mut self,
        run: &mut Run<'a>,
        state: &mut State,
        rows: RowRule<'b>,
        flight: Flight<'_>,
        other: &'b mut Writer,
        budget: &mut Budget,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Step<'b>, SweepError> {
        budget.wait(run.brake, &mut || run.tell(progress)).await;
        self.seal_in_time(run, state, other).await?;
        self.way = flight.way;
        let next = flight.batch.next.clone();
        let last = flight.batch.last || is_rest(run, flight.way, flight.due.len());
        let (limit, way, phase, pseudonyms) = (budget.limit(), self.way, self.phase, self.pseudonyms);
        self.announce(other);
        let (grounds, draft) = (run.grounds(), state.draft(run.sweep).await?);
        let closer = way.closer(&next, limit);
        let (watch, waited) = (Stopwatch::start(), run.report.ledger_wait);
        let ahead = async {
            if last {
                return (None, Duration::ZERO);
            }
            let ahead = async {
                let selected = match other.select(rows, grounds.cutoffs, phase, &next, limit, way).await {
                    Err(error) => return stumbled(error, closer).map(Err),
                    Ok(selected) => selected,
                };
                match judged(&grounds, selected, closer, phase).await? {
                    Ok(judged) => prepared(&grounds, judged, draft, pseudonyms).await,
                    Err(turn) => Ok(Err(turn)),
                }
            };
            (Some(ahead.await), watch.elapsed())
        };
        let here = self.finish(run, state, rows, flight);
        let ((ahead, took), turn) = tokio::join!(ahead, here);
        // While the server works on the next batch it waits for nobody.
        let stood = watch.elapsed().saturating_sub(took);
        run.report.ledger_wait = run.report.ledger_wait.min(waited + stood);
        let went = match turn? {
            Turn::On { went, .. } => went,
            other => {
                if let Some(Ok(Ok(flight))) = ahead {
                    flight.own.rollback().await?;
                }
                return Ok(Step::Out(other));
            }
        };
        run.tell(progress);
        budget.went_within(went, took);
        let on = |last| Ok(Step::Out(Turn::On { next: next.clone(), went: 0, passed_over: 0, last }));
        let Some(ahead) = ahead else { return on(true) };
        match ahead? {
            Err(turn) => Ok(Step::Out(turn)),
            Ok(flight) if run.has_to_stop() || run.heed(state).await? != Heeded::Same => {
                flight.own.rollback().await?;
                on(false)
            }
            Ok(flight) => Ok(Step::On(Box::new(flight))),
        }
    }
}

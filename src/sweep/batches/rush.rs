//! Three connections in turn, each at its own pace: while the batch of one is intended and committed, the others read the next, have them
//! judged and dispose of them within their transactions.
//!
//! Two rights pass from one to the next. Who may *read on* knows where the batch before ends: of a line, before it is read. Who may
//! *commit* knows that the batch before is committed. So batches begin and end in the walk's order, whatever overlaps between.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver as Receiver, UnboundedSender as Sender, unbounded_channel};

use super::{
    Flight, Heeded, LONGEST_UNSEALED, Or, Run, Sitting, Stretch, Turn, Walk, judged, prepared, stumbled,
};
use crate::clock::Stopwatch;
use crate::datastore::sql::{Cursor, Phase, Way, Writer};
use crate::hook;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::RowRule;
use crate::state::{Draft, State};
use crate::sweep::Progress;
use crate::sweep::error::SweepError;
use crate::sweep::idle::Idle;
use crate::sweep::judge::{Grounds, Threads};
use crate::sweep::pace::Budget;

/// The right to commit.
struct Baton<'x, 'w, 'r, 'g, 'a> {
    walk: &'x mut Walk<'w, 'r, 'g>,
    run: &'x mut Run<'a>,
    state: &'x mut State,
    budget: &'x mut Budget,
    progress: &'x mut (dyn FnMut(Progress<'_>) + Send),
}

/// One of the connections, and what it passes to the next.
struct Lane<'x, 'w, 'r, 'g, 'a> {
    /// The right to read on: from here.
    places: Receiver<Cursor>,
    next_place: Sender<Cursor>,
    batons: Receiver<Baton<'x, 'w, 'r, 'g, 'a>>,
    next_baton: Sender<Baton<'x, 'w, 'r, 'g, 'a>>,
    /// Of its next batch.
    draft: Draft,
    limit: u32,
    /// As its last batch has shown the table.
    way: Way,
}

/// What stands still meanwhile.
#[derive(Clone, Copy)]
struct Fixed<'f> {
    grounds: &'f Grounds<'f>,
    rows: RowRule<'f>,
    phase: Phase,
    pseudonyms: Option<&'f PseudonymKey>,
    idle: &'f Idle,
}

/// A batch that waits for the right to commit, or what it comes to without being one.
struct Made<'w> {
    stage: Or<Stage<'w>>,
    /// As reading it has shown the table.
    way: Way,
    /// Since its records may be locked.
    since: Stopwatch,
}

/// How far a batch has come.
enum Stage<'w> {
    /// It goes only when the one before is committed.
    Judged(Box<Sitting<'w>>),
    Disposed(Box<Flight<'w>>),
}

impl Walk<'_, '_, '_> {
    /// As many batches as go by themselves.
    pub(super) async fn rush<'a>(
        &mut self,
        run: &mut Run<'a>,
        state: &mut State,
        (first, [second, third]): (&mut Writer, &mut [Writer; 2]),
        cursor: &Cursor,
        budget: &mut Budget,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Turn, SweepError> {
        let orders = Arc::clone(&run.orders);
        let (grounds, idle) = (run.grounds(), run.idle.clone());
        let fixed = Fixed {
            grounds: &grounds,
            rows: self.rows.heeding(&orders),
            phase: self.phase,
            pseudonyms: self.pseudonyms,
            idle: &idle,
        };
        let end = Turn::Again(cursor.clone());
        let drafts =
            [state.draft(run.sweep).await?, state.draft(run.sweep).await?, state.draft(run.sweep).await?];
        let ([one, two, three], place_of, baton_of) = ring(drafts, budget.limit_of(self.way), self.way);
        // Both are received: the first lane is there.
        drop(place_of.send(cursor.clone()));
        drop(baton_of.send(Baton { walk: self, run, state, budget, progress }));
        drop((place_of, baton_of));
        // Each lane ends its own transaction before it ends, whatever ended another: no call to a datastore is dropped.
        let ends = tokio::join!(one.run(fixed, first), two.run(fixed, second), three.run(fixed, third));
        let mut came_to = None;
        for end in [ends.0, ends.1, ends.2] {
            match (end, &came_to) {
                (Err(error), Some(Err(_))) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "another connection of this sweep failed too"
                ),
                (Err(error), _) => came_to = Some(Err(error)),
                // Only the lane that ends first has something to say.
                (Ok(Some(turn)), None) => came_to = Some(Ok(turn)),
                (Ok(_), _) => {}
            }
        }
        // One lane at least has a turn to show, or an error.
        came_to.unwrap_or(Ok(end))
    }
}

/// So many connections: two keep the server busy while the third waits for the disk.
const LANES: usize = 3;

/// Lanes that pass to one another in turn, and what the first of them receives from.
fn ring<'x, 'w, 'r, 'g, 'a>(
    drafts: [Draft; LANES],
    limit: u32,
    way: Way,
) -> ([Lane<'x, 'w, 'r, 'g, 'a>; LANES], Sender<Cursor>, Sender<Baton<'x, 'w, 'r, 'g, 'a>>) {
    let (place_of_first, mut places) = unbounded_channel();
    let (baton_of_first, mut batons) = unbounded_channel();
    let mut at = 0;
    let lanes = drafts.map(|draft| {
        at += 1;
        // The last passes to the first.
        let (next_place, of_next) = unbounded_channel();
        let (next_baton, with_next) = unbounded_channel();
        let (next_place, next_baton) = if at < LANES {
            (next_place, next_baton)
        } else {
            (place_of_first.clone(), baton_of_first.clone())
        };
        let (places, batons) =
            (std::mem::replace(&mut places, of_next), std::mem::replace(&mut batons, with_next));
        Lane { places, next_place, batons, next_baton, draft, limit, way }
    });
    (lanes, place_of_first, baton_of_first)
}

impl<'x, 'w, 'r, 'g, 'a> Lane<'x, 'w, 'r, 'g, 'a> {
    /// Batch after batch; what the last of them comes to, or none: another lane has ended.
    async fn run(mut self, fixed: Fixed<'_>, writer: &mut Writer) -> Result<Option<Turn>, SweepError> {
        // Ends with the walk, or with the first batch that does not go by itself: a lane that ends lets go of its ends of the channels.
        while let Some(start) = self.places.recv().await {
            let (from, next_place) = match self.way.set_apart(&start, self.limit) {
                Some((apart, behind)) => {
                    // A lane that has ended reads no further.
                    drop(self.next_place.send(behind));
                    (apart, None)
                }
                None => (start, Some(self.next_place.clone())),
            };
            let (Made { stage, way, mut since }, baton) =
                self.make(fixed, &mut *writer, &from, next_place).await;
            let baton = match baton {
                Ok(None) => self.batons.recv().await,
                Ok(baton) => baton,
                Err(error) => {
                    give_up(stage).await?;
                    return Err(error);
                }
            };
            let Some(Baton { walk, run, state, budget, progress }) = baton else {
                give_up(stage).await?;
                return Ok(None);
            };
            // Before batches that hold nothing too, however many of them come.
            let heeded = match walk.seal_in_time(run, state).await {
                // It says so itself, whatever else there is to say.
                Ok(()) if stage.is_err() => Ok(Heeded::Same),
                Ok(()) if run.has_to_stop() => Ok(Heeded::Changed),
                // Its intent asks for the orders, and is refused where there are others.
                Ok(()) if matches!(stage, Ok(Ok(_))) => Ok(Heeded::Same),
                Ok(()) => run.heed(state).await,
                Err(error) => Err(error),
            };
            if !matches!(heeded, Ok(Heeded::Same)) {
                give_up(stage).await?;
                return heeded.map(|_| Some(Turn::Again(from)));
            }
            (self.way, walk.way) = (way, way);
            let turn = match stage? {
                Err(turn) => turn,
                Ok(stage) => {
                    let flight = match stage {
                        Stage::Judged(sitting) => {
                            since = Stopwatch::start();
                            fixed.dispose(*sitting).await?
                        }
                        Stage::Disposed(flight) => Ok(*flight),
                    };
                    match flight {
                        Err(turn) => turn,
                        Ok(flight) => walk.finish(run, state, fixed.rows, flight).await?,
                    }
                }
            };
            let took = since.elapsed();
            run.report.held(&turn, took);
            let Turn::On { next, sums, last: false } = turn else { return Ok(Some(turn)) };
            let went = run.add(&sums);
            run.tell(progress);
            if went > 0 {
                budget.went_within(went, sums.selected, took);
            }
            if next.is_apart() {
                // The stretch holds more than it seemed to: all lanes begin anew with what is left, and know better.
                return Ok(Some(Turn::Again(next)));
            }
            (self.draft, self.limit) = (state.draft(run.sweep).await?, budget.limit_of(way));
            if self.next_baton.send(Baton { walk, run, state, budget, progress }).is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Makes a batch; should the right to commit come meanwhile, the batch before is sealed in time.
    async fn make<'m>(
        &mut self,
        fixed: Fixed<'m>,
        writer: &'m mut Writer,
        from: &Cursor,
        next: Option<Sender<Cursor>>,
    ) -> (Made<'m>, Result<Option<Baton<'x, 'w, 'r, 'g, 'a>>, SweepError>) {
        let batch = (self.draft.clone(), self.limit, self.way);
        let mut making = pin!(make(fixed, writer, from, batch, next.as_ref()));
        let (mut baton, mut over, mut sealed) = (None, false, Ok(()));
        // Ends with what is made: no call to a datastore is dropped.
        loop {
            tokio::select! {
                made = &mut making => return (made, sealed.map(|()| baton)),
                got = self.batons.recv(), if baton.is_none() && !over => {
                    over = got.is_none();
                    baton = got;
                }
                () = tokio::time::sleep(LONGEST_UNSEALED), if baton.as_ref().is_some_and(Baton::owes_a_seal) => {
                    if let Some(Baton { walk, run, state, .. }) = &mut baton {
                        sealed = walk.seal(run, state).await;
                    }
                }
            }
        }
    }
}

impl Baton<'_, '_, '_, '_, '_> {
    fn owes_a_seal(&self) -> bool {
        self.walk.outstanding.is_some()
    }
}

/// Reads a batch, has it judged, lets the next lane read on unless it does so already, and, where that may be, disposes of it within its
/// transaction.
async fn make<'m>(
    fixed: Fixed<'m>,
    writer: &'m mut Writer,
    from: &Cursor,
    (draft, limit, way): (Draft, u32, Way),
    next: Option<&Sender<Cursor>>,
) -> Made<'m> {
    hook::reach("prepare.before");
    let Fixed { grounds, rows, phase, idle, .. } = fixed;
    let disposes_ahead = writer.disposes_ahead();
    let closer = way.closer(from, limit);
    let reading = idle.statement();
    let selected = match writer.select(rows, grounds.cutoffs, phase, from, limit, way).await {
        Ok(selected) => selected,
        Err(error) => {
            return Made { stage: stumbled(error, closer).map(Err), way, since: Stopwatch::start() };
        }
    };
    drop(reading);
    let way = selected.way();
    let sitting = judged(grounds, draft, selected, from, closer, (phase, Threads::One)).await;
    let read_on = match &sitting {
        Ok(Ok(sitting)) => {
            let Stretch { next, last, .. } = &sitting.sheet.batch;
            (!last).then_some(next)
        }
        Ok(Err(Turn::On { next, last: false, .. })) => Some(next),
        Ok(Err(_)) | Err(_) => None,
    };
    if let (Some(cursor), Some(next)) = (read_on, next) {
        drop(next.send(cursor.clone()));
    }
    let since = Stopwatch::start();
    let stage = fixed.stage(sitting, disposes_ahead).await;
    Made { stage, way, since }
}

impl<'f> Fixed<'f> {
    /// As far as a batch may come before the one before it is committed.
    async fn stage(self, sitting: Or<Sitting<'f>>, disposes_ahead: bool) -> Or<Stage<'f>> {
        let sitting = match sitting? {
            Ok(sitting) => sitting,
            Err(turn) => return Ok(Err(turn)),
        };
        if !disposes_ahead {
            return Ok(Ok(Stage::Judged(Box::new(sitting))));
        }
        Ok(self.dispose(sitting).await?.map(|flight| Stage::Disposed(Box::new(flight))))
    }

    async fn dispose(self, sitting: Sitting<'f>) -> Or<Flight<'f>> {
        prepared(sitting, (self.grounds.now.eligible, self.pseudonyms), self.idle).await
    }
}

impl Stage<'_> {
    async fn rollback(self) -> Result<(), SweepError> {
        match self {
            Self::Judged(sitting) => sitting.judged.rollback().await?,
            Self::Disposed(flight) => flight.own.rollback().await?,
        }
        Ok(())
    }
}

/// Ends the transaction of a batch behind one that went another way.
async fn give_up(stage: Or<Stage<'_>>) -> Result<(), SweepError> {
    match stage {
        Ok(Ok(stage)) => stage.rollback().await?,
        Ok(Err(_)) => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a batch behind one that did not go could not be made either"
        ),
    }
    Ok(())
}

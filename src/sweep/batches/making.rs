//! A batch in the making: judged, then disposed of within its open transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use super::Turn;
use super::intend::{Drafted, drafting};
use crate::clock::Stopwatch;
use crate::datastore::sql::{Cursor, Judged, Phase, Selected};
use crate::datastore::{DatastoreError, Prepared};
use crate::hook;
use crate::pseudonym::PseudonymKey;
use crate::rules::decide::Due;
use crate::state::{Draft, State, StateError};
use crate::sweep::error::SweepError;
use crate::sweep::idle::Idle;
use crate::sweep::judge::{Grounds, Threads, judge};
use crate::sweep::outcome::{Hindrance, Left};
use crate::sweep::run::Sums;
use crate::sweep::timing::Waits;

/// What the judge called due, and how it is looked at again where something stands in it.
pub(super) struct Sitting<'w> {
    pub(super) judged: Judged<'w>,
    pub(super) sheet: Sheet,
}

/// A batch that is gone within its open transaction, and waits for its intent.
pub(super) struct Flight<'w> {
    pub(super) own: Prepared<'w>,
    pub(super) sheet: Sheet,
}

/// What goes along with a batch.
pub(super) struct Sheet {
    pub(super) due: Arc<Vec<Due>>,
    pub(super) draft: Draft,
    pub(super) drafting: Drafting,
    pub(super) batch: Stretch,
    pub(super) closer: Cursor,
    pub(super) loose: bool,
    pub(super) locked: Stopwatch,
}

/// What the intent is going to say, and the report.
pub(super) enum Drafting {
    Going(JoinHandle<Result<(Drafted, Waits), StateError>>),
    Done(Box<(Drafted, Waits)>),
}

impl Drafting {
    pub(super) async fn done(self) -> Result<(Drafted, Waits), SweepError> {
        match self {
            Self::Going(hashing) => Ok(hashing.await.map_err(SweepError::Hashing)??),
            Self::Done(done) => Ok(*done),
        }
    }

    /// What it came to, with what the state keeps of it written there.
    async fn staged(self, state: &mut State, draft: &Draft) -> Result<Self, SweepError> {
        let (mut drafted, waits) = self.done().await?;
        state.stage(draft, &mut drafted.part, &mut drafted.sealed).await?;
        Ok(Self::Done(Box::new((drafted, waits))))
    }
}

/// What is wanted, or what the turn comes to without it.
pub(super) type Or<T> = Result<Result<T, Turn>, SweepError>;

/// Judges what was selected, and begins to hash what is due: it takes the other processor while the datastore works.
pub(super) async fn judged<'w>(
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
            let drafting = Drafting::Going(hashing);
            Ok(Ok(Sitting { judged, sheet: Sheet { due, draft, drafting, batch, closer, loose, locked } }))
        }
        Err(error) => {
            selected.rollback().await?;
            Err(error)
        }
    }
}

/// Disposes of what is due inside the open transaction, and marks it. Nothing is irreversible yet.
pub(super) async fn prepared<'w>(
    Sitting { judged, sheet }: Sitting<'w>,
    (at, pseudonyms): (DateTime<Utc>, Option<&PseudonymKey>),
    idle: &Idle,
) -> Or<Flight<'w>> {
    let _statement = idle.statement();
    match disposed(judged, &sheet.draft, at, pseudonyms).await {
        Ok(own) => Ok(Ok(Flight { own, sheet })),
        Err(error) => stopped(error, sheet).map(Err),
    }
}

/// The same, and meanwhile the state is told what it is going to keep of the batch: nobody looks at that before the intent comes.
pub(super) async fn prepared_and_staged<'w>(
    Sitting { judged, sheet: Sheet { due, draft, drafting, batch, closer, loose, locked } }: Sitting<'w>,
    (at, pseudonyms): (DateTime<Utc>, Option<&PseudonymKey>),
    idle: &Idle,
    state: &mut State,
) -> Or<Flight<'w>> {
    let disposing = async {
        let _statement = idle.statement();
        disposed(judged, &draft, at, pseudonyms).await
    };
    let staging = async {
        let _writing = idle.write();
        drafting.staged(state, &draft).await
    };
    // Neither is dropped half-way.
    let (own, drafting) = tokio::join!(disposing, staging);
    let sheet = |drafting| Sheet { due, draft, drafting, batch, closer, loose, locked };
    match (own, drafting) {
        (Ok(own), Ok(drafting)) => Ok(Ok(Flight { own, sheet: sheet(drafting) })),
        (Err(error), Ok(drafting)) => stopped(error, sheet(drafting)).map(Err),
        (own, Err(error)) => {
            let also = match own {
                Ok(own) => own.rollback().await.err(),
                Err(also) => Some(also),
            };
            if let Some(also) = also {
                tracing::warn!(
                    error = &also as &dyn std::error::Error,
                    "the datastore failed beside the state"
                );
            }
            Err(error)
        }
    }
}

async fn disposed<'w>(
    judged: Judged<'w>,
    draft: &Draft,
    at: DateTime<Utc>,
    pseudonyms: Option<&PseudonymKey>,
) -> Result<Prepared<'w>, DatastoreError> {
    // There is no intent yet: the marker is there only once the batch is committed.
    let own = judged.dispose(at, pseudonyms).await?.mark(draft.batch().as_str()).await?;
    Ok(Prepared::Rows(Box::new(own)))
}

/// What a turn comes to where its batch could not be disposed of.
fn stopped(error: DatastoreError, sheet: Sheet) -> Result<Turn, SweepError> {
    if sheet.loose {
        return stumbled(error, sheet.closer);
    }
    if let Some(by) = Hindrance::of(&error) {
        return Ok(Turn::Hindered { stretch: sheet.batch, by });
    }
    error.refused().map_or_else(|| Err(error.into()), |why| Ok(sheet.batch.refused(why)))
}

/// A stretch that does not go as a whole is looked at record by record.
pub(super) fn stumbled(error: DatastoreError, closer: Cursor) -> Result<Turn, SweepError> {
    match error {
        DatastoreError::Crowded { within } => Ok(Turn::Closer(within)),
        error if error.conflict().is_some() || error.refused().is_some() => Ok(Turn::Closer(closer)),
        error => Err(error.into()),
    }
}

/// What a turn has selected: from where, and where the walk goes on behind it.
#[derive(Clone)]
pub(super) struct Stretch {
    pub(super) from: Cursor,
    pub(super) next: Cursor,
    pub(super) last: bool,
    pub(super) selected: usize,
    pub(super) passed_over: u64,
    pub(super) spared: u64,
}

impl Stretch {
    pub(super) fn went(self, went: u64) -> Turn {
        let selected = self.selected as u64;
        let sums = Sums { went, passed_over: self.passed_over, spared: self.spared, selected };
        Turn::On { next: self.next, sums, last: self.last }
    }

    pub(super) fn refused(self, why: &'static str) -> Turn {
        Turn::Refused { stretch: self, why }
    }

    pub(super) fn left(self, batch: String, left: Left) -> Result<Turn, SweepError> {
        match left {
            Left::Refused(why) => Ok(self.refused(why)),
            Left::Hindered(by) => Ok(Turn::Hindered { stretch: self, by }),
            Left::RolledBack(why) => Err(SweepError::RolledBack { batch, why }),
        }
    }
}

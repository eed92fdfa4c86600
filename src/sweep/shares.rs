//! What a batch has in other datastores: no transaction spans two, so each share has an intent, a commit and a seal of its own, and
//! the record goes last. The record is the work queue: until it is gone, the next sweep finds what is left. What leads to a share goes
//! only after another look at what it leads to: the application may have added to that meanwhile.

use chrono::{DateTime, Utc};

use super::error::SweepError;
use super::outcome::{Hindrance, Left, Settlement, settle};
use super::recover;
use super::roots::{Standing, recognise};
use super::run::Run;
use crate::datastore::{DatastoreError, Prepared, Writer};
use crate::model::value::Values;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::{BoundDependents, BoundRule, RowRule};
use crate::state::{CommittedIntent, Settled, State, Unsealed};

/// Records with dependents in other datastores go in batches of at most this many: their rows are locked meanwhile.
pub(super) const LARGEST: u32 = 50;

/// The other datastores of a rule, open for a sweep, in the order of its shares.
pub(super) struct Remote {
    writers: Vec<Writer>,
}

/// What became of the shares of a batch.
pub(super) enum Carried {
    /// Everything is gone; how many records.
    All(u64),
    /// Something is left, and with it the records.
    Kept { left: Left, went: u64 },
}

impl Remote {
    /// Opens every datastore of the rule but its own.
    pub(super) async fn open(run: &Run<'_>, state: &mut State) -> Result<Self, SweepError> {
        let mut writers = Vec::new();
        for share in run.bound.shares().iter().skip(1) {
            let mut writer = Writer::open(run.target.locate(share.datastore)?).await?;
            match &mut writer {
                Writer::Rows(rows) => recover::forget(state, rows).await?,
                // A new one that is bare refuses nobody before a record leads there.
                Writer::Files(tree) => drop(recognise(state, share.datastore, tree).await?),
            }
            writers.push(writer);
        }
        Ok(Self::over(writers))
    }

    /// These datastores, in the order of the rule's shares.
    pub(super) fn over(writers: Vec<Writer>) -> Self {
        Self { writers }
    }

    /// The datastores, in the order of the rule's shares.
    pub(super) fn into_writers(self) -> Vec<Writer> {
        self.writers
    }

    /// Whether the rule has dependents elsewhere.
    pub(super) fn any(&self) -> bool {
        !self.writers.is_empty()
    }

    /// Says that the outcomes of these batches are in the ledger.
    pub(super) fn sealed(&mut self, batches: &[(usize, String)]) {
        for (number, batch) in batches {
            if let Some(writer) = self.writers.get_mut(number - 1) {
                writer.sealed(batch);
            }
        }
    }

    /// Closes them all. What a failure leaves behind says nothing wrong.
    pub(super) async fn close(self) {
        for writer in self.writers {
            if let Err(error) = writer.close().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a marker was not forgotten");
            }
        }
    }

    /// Prepares every share, each from what leads to it. Nothing is irreversible; after an error everything is as it was.
    pub(super) async fn prepare<'w>(
        &'w mut self,
        rows: RowRule<'w>,
        own: &Prepared<'_>,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Vec<Prepared<'w>>, DatastoreError> {
        let mut prepared: Vec<Prepared<'w>> = Vec::new();
        for (number, writer) in (1..).zip(self.writers.iter_mut()) {
            let leader = |share: usize| share.checked_sub(1).map_or(Some(own), |before| prepared.get(before));
            let share = match links(rows, number, &leader) {
                Ok(links) => writer.prepare(rows, number, &links, at, pseudonyms).await,
                Err(error) => Err(error),
            };
            match share {
                Ok(share) => prepared.push(share),
                Err(error) => {
                    give_up(prepared).await?;
                    return Err(error);
                }
            }
        }
        Ok(prepared)
    }
}

/// Refuses a unit that leads to a tree in which what hangs on its records cannot be: they would go before it was found.
pub(super) async fn expect(
    run: &Run<'_>,
    state: &mut State,
    rows: RowRule<'_>,
    (own, others): (&Prepared<'_>, &[Prepared<'_>]),
) -> Result<(), SweepError> {
    let leader = |share: usize| share.checked_sub(1).map_or(Some(own), |before| others.get(before));
    for (number, prepared) in (1..).zip(others) {
        let Prepared::Files(files) = prepared else { continue };
        let mut led = links(rows, number, &leader)?;
        led.retain(|(_, values)| !values.is_empty());
        for (at, _) in &led {
            if let BoundDependents::Files(pattern) = rows.dependents()[*at].dataset {
                files.tree().expect(pattern)?;
            }
        }
        let datastore = run.bound.shares()[number].datastore;
        if !led.is_empty() && recognise(state, datastore, files.tree()).await? == Standing::New {
            return Err(SweepError::BareRoot { datastore: datastore.clone() });
        }
    }
    Ok(())
}

/// Rolls back what has been prepared.
pub(super) async fn give_up(prepared: Vec<Prepared<'_>>) -> Result<(), DatastoreError> {
    for share in prepared {
        share.rollback().await?;
    }
    Ok(())
}

/// What leads to the dependents of a share from others; `leader`: one of those, by its number.
fn links<'p, 'w: 'p>(
    rows: RowRule<'_>,
    number: usize,
    leader: &dyn Fn(usize) -> Option<&'p Prepared<'w>>,
) -> Result<Vec<(usize, Vec<Values>)>, DatastoreError> {
    let mut links = Vec::new();
    for at in &rows.bound().shares()[number].dependents {
        let bound = &rows.dependents()[*at];
        let parent = share_of(rows.bound(), bound.of);
        if parent != number
            && let Some(share) = leader(parent)
        {
            links.push((*at, share.leading(bound.of, &bound.links())?));
        }
    }
    Ok(links)
}

fn share_of(bound: &BoundRule<'_>, dependent: Option<usize>) -> usize {
    let Some(at) = dependent else { return 0 };
    bound.shares().iter().position(|share| share.dependents.contains(&at)).unwrap_or(0)
}

/// Why a record is set aside to which the application adds something whenever that has been listed.
const CAME: &str = "with every try more came to hang on it elsewhere";

/// Who looks once more at what a share leads to, before that share goes: over connections of its own, as those of the other shares are
/// taken by what is prepared. It has none before the first unit with something elsewhere: of one that has nothing there, the listing was
/// that look.
pub(super) struct Lookout<'p> {
    /// In the order of the rule's shares; empty: not open.
    writers: Vec<Writer>,
    /// With which the sweep makes its keyed pseudonyms.
    pub(super) pseudonyms: Option<&'p PseudonymKey>,
}

impl<'p> Lookout<'p> {
    pub(super) fn new(pseudonyms: Option<&'p PseudonymKey>) -> Self {
        Self { writers: Vec::new(), pseudonyms }
    }

    /// Whether a unit with these shares has to wait until it is open.
    pub(super) fn is_wanted(&self, others: &[Prepared<'_>]) -> bool {
        self.writers.is_empty() && others.iter().any(|share| !share.parts().is_empty())
    }

    /// Opens every datastore of the rule but its own. Nothing is prepared there meanwhile: it would stand in the way.
    pub(super) async fn open(&mut self, run: &Run<'_>) -> Result<(), SweepError> {
        let mut writers = Vec::new();
        for share in run.bound.shares().iter().skip(1) {
            writers.push(Writer::open(run.target.locate(share.datastore)?).await?);
        }
        self.writers = writers;
        Ok(())
    }

    /// Why what leads to other shares has to stay; none: nothing is left that hangs on it. They are prepared once more, by the same links,
    /// and rolled back: what was disposed of is not found again, whatever the action.
    pub(super) async fn left(
        &mut self,
        run: &Run<'_>,
        rows: RowRule<'_>,
        (number, leading): (usize, &Prepared<'_>),
    ) -> Result<Option<Left>, SweepError> {
        for (other, writer) in (1..).zip(self.writers.iter_mut()) {
            let leader = |share: usize| (share == number).then_some(leading);
            let links = links(rows, other, &leader)?;
            if links.iter().all(|(_, values)| values.is_empty()) {
                continue;
            }
            let again = match writer.prepare(rows, other, &links, run.now.eligible, self.pseudonyms).await {
                Ok(again) => again,
                Err(error) => {
                    let left = Hindrance::midway(&error).map(Left::Hindered);
                    let left = left.or_else(|| error.refused().map(Left::Refused));
                    return left.map_or_else(|| Err(error.into()), |left| Ok(Some(left)));
                }
            };
            let came = !again.parts().is_empty();
            again.rollback().await?;
            if came {
                return Ok(Some(Left::Hindered(Hindrance::Other(CAME))));
            }
        }
        Ok(None)
    }

    /// Closes them all.
    pub(super) async fn close(self) {
        Remote::over(self.writers).close().await;
    }
}

/// Carries out the shares whose intents are durable, the one that hangs lowest first, each sealed before the next. After one that
/// is not gone whole, or to which something came, the rest is given up: the records stay, and lead to it again.
///
/// A crash leaves each intent with the evidence of its own datastore.
pub(super) async fn carry_out(
    run: &mut Run<'_>,
    state: &mut State,
    shares: Vec<(usize, Prepared<'_>, CommittedIntent)>,
    (rows, lookout): (RowRule<'_>, &mut Lookout<'_>),
    sealed: &mut Vec<(usize, String)>,
) -> Result<Carried, SweepError> {
    let mut kept: Option<Left> = None;
    let mut went = 0;
    for (number, prepared, intent) in shares {
        let datastore = run.bound.shares()[number].datastore;
        let batch = intent.batch().to_owned();
        let keys: Vec<_> = prepared.parts().iter().map(|part| part.keys.clone()).collect();
        if kept.is_none() {
            kept = lookout.left(run, rows, (number, &prepared)).await?;
        }
        let settled = if kept.is_some() {
            prepared.rollback().await?;
            Settled::NotAttempted
        } else {
            let share = run.share(number, keys);
            let Settlement { settled, went: disposed, left, .. } = settle(&share, prepared, &intent).await?;
            kept = left;
            went += disposed;
            settled
        };
        let unsealed = Unsealed::new(intent, settled, run.target.horizon(datastore));
        state.seal(run.sweep, unsealed).await?;
        sealed.push((number, batch));
    }
    Ok(match kept {
        None => Carried::All(went),
        Some(left) => Carried::Kept { left, went },
    })
}

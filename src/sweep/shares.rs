//! What a batch has in other datastores: no transaction spans two, so each share has an intent, a commit and a seal of its own, and
//! the record goes last. The record is the work queue: until it is gone, the next sweep finds what is left.

use chrono::{DateTime, Utc};

use super::error::SweepError;
use super::outcome::{Left, Settlement, settle};
use super::recover;
use super::roots::{Standing, recognise};
use super::run::Run;
use crate::datastore::files::Tree;
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
    pub(super) async fn open(
        run: &Run<'_>,
        rows: RowRule<'_>,
        state: &mut State,
    ) -> Result<Self, SweepError> {
        let mut writers = Vec::new();
        for share in rows.bound().shares().iter().skip(1) {
            let mut writer = Writer::open(run.target.locate(share.datastore)?).await?;
            match &mut writer {
                Writer::Rows(rows) => recover::forget(state, rows).await?,
                Writer::Files(tree) => {
                    expect(tree, rows, &share.dependents)?;
                    let datastore = share.datastore.clone();
                    if recognise(state, &datastore, tree).await? == Standing::New {
                        return Err(SweepError::BareRoot { datastore });
                    }
                }
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
            let share = match links(rows, number, own, &prepared) {
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

/// Refuses a tree in which what hangs on the records cannot be: they lead to it, and would go before it was found.
fn expect(tree: &Tree, rows: RowRule<'_>, dependents: &[usize]) -> Result<(), DatastoreError> {
    for at in dependents {
        if let BoundDependents::Files(pattern) = rows.dependents()[*at].dataset {
            tree.expect(pattern)?;
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

/// What leads to the dependents of a share from others, which come before it.
fn links(
    rows: RowRule<'_>,
    number: usize,
    own: &Prepared<'_>,
    before: &[Prepared<'_>],
) -> Result<Vec<(usize, Vec<Values>)>, DatastoreError> {
    let mut links = Vec::new();
    for at in &rows.bound().shares()[number].dependents {
        let bound = &rows.dependents()[*at];
        let parent = share_of(rows.bound(), bound.of);
        let columns = bound.links();
        if parent == 0 {
            links.push((*at, own.leading(bound.of, &columns)?));
        } else if parent != number
            && let Some(share) = before.get(parent - 1)
        {
            links.push((*at, share.leading(bound.of, &columns)?));
        }
    }
    Ok(links)
}

fn share_of(bound: &BoundRule<'_>, dependent: Option<usize>) -> usize {
    let Some(at) = dependent else { return 0 };
    bound.shares().iter().position(|share| share.dependents.contains(&at)).unwrap_or(0)
}

/// Carries out the shares whose intents are durable, the one that hangs lowest first, each sealed before the next. After one that
/// is not gone whole, the rest is given up: the records stay, and lead to it again.
///
/// A crash leaves each intent with the evidence of its own datastore.
pub(super) async fn carry_out(
    run: &mut Run<'_>,
    state: &mut State,
    shares: Vec<(usize, Prepared<'_>, CommittedIntent)>,
    sealed: &mut Vec<(usize, String)>,
) -> Result<Carried, SweepError> {
    let mut kept: Option<Left> = None;
    let mut went = 0;
    for (number, prepared, intent) in shares {
        let datastore = run.bound.shares()[number].datastore;
        let batch = intent.batch().to_owned();
        let keys: Vec<_> = prepared.parts().iter().map(|part| part.keys.clone()).collect();
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

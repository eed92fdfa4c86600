//! Outcomes: how an intent was settled, and what that says of each of its parts.

use std::sync::Arc;

use sqlx::Row as _;

use super::draft::{Part, Records};
use super::error::StateError;
use super::intent::CommittedIntent;
use super::{State, failed, signed};
use crate::ledger::commitment::EpochKey;
use crate::ledger::entry::{AbortReason, Attribution, CommittedPart, DatastoreName, Outcomes};
use crate::model::key::Key;

/// How an intent was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The datastore acknowledged the commit.
    Acknowledged,
    /// The datastore's marker shows the commit.
    MarkerFound,
    /// The server remembers that the batch's transaction was committed.
    Remembered,
    /// The sweep stopped before it asked the datastore to commit.
    NotAttempted,
    /// The datastore's marker shows that the batch was rolled back.
    RolledBack,
    /// The marker is lost, and a record of the batch is there unchanged: it was rolled back.
    SurvivorFound,
    /// The marker is lost, and none of the records is there: it was committed, as far as anyone can tell.
    NoneLeft,
    /// The sweep itself disposed of record by record: one for each part of the intent, in its order.
    Each(Vec<PartOutcomes>),
    /// After a crash, each record was looked at: one for each part of the intent, in its order.
    Looked(Vec<PartOutcomes>),
}

/// What became of the records of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOutcomes {
    /// One count for each outcome, together as many as were intended. None may be unknown: such an intent stays open.
    pub counts: Outcomes,
    /// Which of them were disposed of, as many as `counts` says.
    pub disposed: Disposed,
}

/// Which records of a part were disposed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposed {
    /// All that were intended.
    All,
    /// These and no others.
    These(Vec<Key>),
}

/// What the ledger is going to say of an intent.
pub(super) enum Outcome {
    Aborted(AbortReason),
    Committed { attribution: Attribution, recovered: bool, parts: Vec<PartSeal> },
}

/// One part of a seal.
pub(super) struct PartSeal {
    pub(super) part: Part,
    pub(super) counts: Outcomes,
    /// Where not all were disposed of: what takes the place of the intent's commitments.
    pub(super) fewer: Option<Records>,
}

impl PartSeal {
    /// A transaction goes whole: what was prepared is what was disposed of.
    fn whole(part: &Part) -> Self {
        let counts = Outcomes { disposed: part.n, ..Outcomes::default() };
        Self { part: part.clone(), counts, fewer: None }
    }

    pub(super) fn to_entry(&self, datastore: &DatastoreName) -> CommittedPart {
        CommittedPart {
            datastore: datastore.clone(),
            dataset: self.part.dataset.clone(),
            action: self.part.action,
            fields: self.part.fields.clone(),
            outcomes: self.counts,
            n: self.counts.disposed,
            root: self.fewer.as_ref().map_or(self.part.root, |records| records.root),
        }
    }
}

impl State {
    /// What the settlement comes to; refuses one that contradicts its intent.
    pub(super) async fn outcome(
        &mut self,
        intent: &CommittedIntent,
        settled: Settled,
    ) -> Result<Outcome, StateError> {
        let whole = |attribution, recovered| Outcome::Committed {
            attribution,
            recovered,
            parts: intent.parts.iter().map(PartSeal::whole).collect(),
        };
        Ok(match settled {
            Settled::Acknowledged => whole(Attribution::Transaction, false),
            Settled::MarkerFound => whole(Attribution::Marker, true),
            Settled::Remembered => whole(Attribution::Transaction, true),
            Settled::NotAttempted => Outcome::Aborted(AbortReason::NotAttempted),
            Settled::NoneLeft => whole(Attribution::State, true),
            Settled::RolledBack => Outcome::Aborted(AbortReason::RolledBack),
            Settled::SurvivorFound => Outcome::Aborted(AbortReason::SurvivorFound),
            Settled::Each(parts) => self.counted(intent, parts, Attribution::Transaction, false).await?,
            Settled::Looked(parts) => self.counted(intent, parts, Attribution::State, true).await?,
        })
    }

    async fn counted(
        &mut self,
        intent: &CommittedIntent,
        found: Vec<PartOutcomes>,
        attribution: Attribution,
        recovered: bool,
    ) -> Result<Outcome, StateError> {
        let wrong = |what| StateError::Outcome { batch: intent.batch.to_string(), what };
        if found.len() != intent.parts.len() {
            return Err(wrong("another number of parts than the intent"));
        }
        let mut sum = Outcomes::default();
        for (part, outcomes) in intent.parts.iter().zip(&found) {
            outcomes.check(part).map_err(wrong)?;
            sum = sum.plus(&outcomes.counts);
        }
        if sum.untouched == sum.total() {
            return Ok(Outcome::Aborted(AbortReason::SurvivorFound));
        }
        if sum.untouched > 0 && !recovered {
            return Err(wrong("untouched records that no recovery found"));
        }
        let mut parts = Vec::with_capacity(found.len());
        for (number, (part, PartOutcomes { counts, disposed })) in (0..).zip(intent.parts.iter().zip(found)) {
            let fewer = match disposed {
                Disposed::These(keys) if counts.disposed < part.n => {
                    Some(self.fewer(intent, number, &keys).await?)
                }
                Disposed::All | Disposed::These(_) => None,
            };
            parts.push(PartSeal { part: part.clone(), counts, fewer });
        }
        Ok(Outcome::Committed { attribution, recovered, parts })
    }

    /// Commits to some records of a part again, under the same key; each must be among those of the intent.
    async fn fewer(
        &mut self,
        intent: &CommittedIntent,
        number: u64,
        keys: &[Key],
    ) -> Result<Records, StateError> {
        let key = self.key_of(intent).await?;
        let dataset = usize::try_from(number).ok().and_then(|n| intent.parts.get(n)).map(|p| &p.dataset);
        let dataset = dataset.map_or("", |d| d.as_str());
        let records = Records::commit(&key, &intent.batch, dataset, keys.iter())?;
        let row = sqlx::query("SELECT commitments FROM part WHERE batch = ?1 AND number = ?2")
            .bind(intent.batch.as_str())
            .bind(signed(number))
            .fetch_one(&mut self.connection)
            .await;
        let stored: Vec<u8> = row
            .and_then(|r| r.try_get(0))
            .map_err(|e| failed(&self.path, "read the commitments of an intent", e))?;
        // Both ascend: one walk over the stored ones meets every one of these, or it was not intended.
        let mut intended = stored.chunks_exact(24);
        if !records.commitments.chunks_exact(24).all(|one| intended.any(|other| other == one)) {
            let what = "a record that was not intended";
            return Err(StateError::Outcome { batch: intent.batch.to_string(), what });
        }
        Ok(records)
    }

    /// The key of the intent's epoch: at hand while the sweep goes on, else from its file.
    async fn key_of(&mut self, intent: &CommittedIntent) -> Result<Arc<EpochKey>, StateError> {
        if let Some((_, key)) = self.epoch.as_ref().filter(|(epoch, _)| *epoch == intent.epoch) {
            return Ok(Arc::clone(key));
        }
        Ok(Arc::new(self.epoch_key(&intent.epoch).await?))
    }
}

impl PartOutcomes {
    fn check(&self, part: &Part) -> Result<(), &'static str> {
        let disposed = match &self.disposed {
            Disposed::All => part.n,
            Disposed::These(keys) => keys.len() as u64,
        };
        if self.counts.unknown > 0 {
            return Err("unknown outcomes: its intent has to stay open");
        }
        if self.counts.total() != part.n {
            return Err("another number of records than the intent");
        }
        if self.counts.disposed != disposed {
            return Err("another number of disposed records than it names");
        }
        Ok(())
    }
}

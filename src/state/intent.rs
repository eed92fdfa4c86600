//! Intents: what is durable before a batch becomes irreversible, and what a restart finds of it.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::draft::{self, Draft, DraftPart, Part, Sealed};
use super::error::StateError;
use super::sweep::Sweep;
use super::{State, Writing, failed, signed};
use crate::ledger::commitment::{BatchId, EpochId};
use crate::ledger::entry::{
    Action, BatchIntent, Body, DatasetName, DatastoreName, FieldName, IntentPart, Outcomes,
};
use crate::ledger::hash::Hash;
use crate::ledger::tree::EntryIndex;
use crate::model::key::Key;

/// A batch that has been disposed of inside an open transaction, about to be intended.
pub struct NewBatch<'a> {
    /// The run of the rule.
    pub sweep: &'a Sweep,
    /// The connection.
    pub datastore: &'a str,
    /// What the datastore is known by, so that a restart knows whose evidence it looks at.
    pub incarnation: String,
    /// Its name and its key.
    pub draft: Draft,
    /// One a dataset, none of them empty, the rule's own first.
    pub parts: Vec<DraftPart>,
    /// The records' identities, dropped when the batch is sealed.
    pub sealed: Sealed,
    /// The batch of the records that these dependents, in another datastore, hang on.
    pub unit: Option<BatchId>,
}

/// A batch whose intent is durable: only with one can a datastore commit, and only this module makes one.
///
/// ```compile_fail,E0451
/// use expunged::state::CommittedIntent;
///
/// fn forged(of_another_batch: CommittedIntent) -> CommittedIntent {
///     CommittedIntent { ..of_another_batch }
/// }
/// ```
#[derive(Debug)]
pub struct CommittedIntent {
    pub(super) batch: BatchId,
    pub(super) intent: EntryIndex,
    pub(super) epoch: EpochId,
    pub(super) datastore: DatastoreName,
    pub(super) incarnation: String,
    pub(super) unit: Option<BatchId>,
    pub(super) t0: DateTime<Utc>,
    pub(super) parts: Vec<Part>,
}

impl CommittedIntent {
    /// What the datastore was known by.
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// The batch of the records that these dependents hang on.
    pub fn unit(&self) -> Option<&BatchId> {
        self.unit.as_ref()
    }

    /// The batch's name, for the datastore's marker.
    pub fn batch(&self) -> &str {
        self.batch.as_str()
    }

    /// Records of all datasets.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|p| p.n).sum()
    }
}

/// An intent without an outcome, found at a start.
pub struct OpenIntent {
    /// To be sealed, or aborted.
    pub intent: CommittedIntent,
    /// The run it belongs to.
    pub sweep: Sweep,
}

impl OpenIntent {
    /// The connection the batch was prepared on.
    pub fn datastore(&self) -> &str {
        self.intent.datastore.as_str()
    }
}

/// What became of the records of one part, where each has an outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOutcomes {
    /// A count each; together the intent's number. None is unknown: an intent in doubt stays open.
    pub counts: Outcomes,
    /// Those that were disposed of.
    pub disposed: Disposed,
}

/// Which records of a part were disposed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposed {
    /// All of them.
    All,
    /// These.
    These(Vec<Key>),
}

/// How an intent was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The datastore acknowledged the commit.
    Acknowledged,
    /// The datastore's marker shows the commit.
    MarkerFound,
    /// The sweep stopped before it asked the datastore to commit.
    NotAttempted,
    /// The datastore's marker shows that the batch was rolled back.
    RolledBack,
    /// The marker is lost, and a record of the batch is there unchanged: it was rolled back.
    SurvivorFound,
    /// The marker is lost, and none of the records is there: it was committed, as far as anyone can tell.
    NoneLeft,
    /// Each record has an outcome, as the datastore acknowledged it; one a part, in the intent's order.
    Each(Vec<PartOutcomes>),
    /// Each record was looked at after a crash.
    Looked(Vec<PartOutcomes>),
}

impl State {
    /// Makes the intents of batches durable, all in one transaction: their entries, their commitments and the sealed
    /// identities. They come back in their order, which is the order in which they are to be carried out.
    ///
    /// Dying before this returns leaves no intent or open ones; what was prepared is rolled back by its datastore.
    pub async fn commit_intents(
        &mut self,
        batches: Vec<NewBatch<'_>>,
    ) -> Result<Vec<CommittedIntent>, StateError> {
        crate::hook::reach("intent.before");
        let mut writing = self.write().await?;
        let mut intents = Vec::with_capacity(batches.len());
        for new in batches {
            intents.push(append_intent(&mut writing, new).await?);
        }
        writing.commit().await?;
        crate::hook::reach("intent.after");
        Ok(intents)
    }

    /// Every intent without an outcome, oldest first: of a unit, in the order in which its shares are carried out.
    pub async fn open_intents(&mut self) -> Result<Vec<OpenIntent>, StateError> {
        let operation = "read the open intents";
        let rows = sqlx::query(
            "SELECT id, sweep, intent, epoch, datastore, incarnation, t0, unit FROM batch WHERE outcome IS NULL \
             ORDER BY intent",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let mut open = Vec::new();
        for row in rows {
            let text = |at: usize| row.try_get::<String, _>(at).map_err(|e| failed(&self.path, operation, e));
            let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| failed(&self.path, operation, e));
            let batch = BatchId::parse(&text(0)?)?;
            let (sweep, incarnation) = (text(1)?, text(5)?);
            let (epoch, datastore) = (EpochId::parse(&text(3)?)?, DatastoreName::parse(&text(4)?)?);
            let intent = EntryIndex::new(number(2)?.unsigned_abs());
            let t0 = DateTime::from_timestamp_micros(number(6)?).unwrap_or_default();
            let unit: Option<String> = row.try_get(7).map_err(|e| failed(&self.path, operation, e))?;
            let unit = unit.map(|unit| BatchId::parse(&unit)).transpose()?;
            let parts = self.parts(&batch).await?;
            open.push(OpenIntent {
                intent: CommittedIntent { batch, intent, epoch, datastore, incarnation, unit, t0, parts },
                sweep: self.sweep(&sweep).await?,
            });
        }
        Ok(open)
    }

    /// The identities of an open intent's records, as the datastore encoded them.
    pub async fn identities(&mut self, intent: &CommittedIntent) -> Result<Zeroizing<String>, StateError> {
        let lost = || StateError::Sealed { batch: intent.batch.to_string() };
        let row = sqlx::query("SELECT sealed FROM batch WHERE id = ?1")
            .bind(intent.batch.as_str())
            .fetch_one(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, "read sealed identities", e))?;
        let sealed: Vec<u8> = row.try_get(0).map_err(|_| lost())?;
        let key = self.epoch_key(&intent.epoch).await?;
        draft::open(&key, &intent.batch, &sealed).ok_or_else(lost)
    }

    pub(super) async fn parts(&mut self, batch: &BatchId) -> Result<Vec<Part>, StateError> {
        let operation = "read the parts of a batch";
        let damaged =
            || StateError::Damaged { path: self.path.clone(), what: format!("a part of batch {batch}") };
        let rows = sqlx::query(
            "SELECT dataset, action, fields, root, length(commitments) / 24 FROM part WHERE batch = ?1 ORDER BY number",
        )
        .bind(batch.as_str())
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let mut parts = Vec::new();
        for row in rows {
            let text = |at: usize| row.try_get::<String, _>(at).map_err(|e| failed(&self.path, operation, e));
            let fields: Vec<String> = serde_json::from_str(&text(2)?).map_err(|_| damaged())?;
            let root: Vec<u8> = row.try_get(3).map_err(|e| failed(&self.path, operation, e))?;
            let n: i64 = row.try_get(4).map_err(|e| failed(&self.path, operation, e))?;
            parts.push(Part {
                dataset: DatasetName::parse(&text(0)?)?,
                action: if text(1)? == action_text(Action::Delete) {
                    Action::Delete
                } else {
                    Action::Pseudonymize
                },
                fields: fields.iter().map(|f| FieldName::parse(f)).collect::<Result<_, _>>()?,
                n: n.unsigned_abs(),
                root: Hash::from_bytes(root.try_into().map_err(|_| damaged())?),
            });
        }
        Ok(parts)
    }
}

async fn append_intent(writing: &mut Writing<'_>, new: NewBatch<'_>) -> Result<CommittedIntent, StateError> {
    let datastore = DatastoreName::parse(new.datastore)?;
    let Draft { batch, epoch, .. } = new.draft;
    let parts: Vec<Part> = new.parts.iter().map(|p| p.part.clone()).collect();
    let t0 = writing.now();
    let body = Body::BatchIntent(BatchIntent {
        batch: batch.clone(),
        sweep: new.sweep.id.clone(),
        rule: new.sweep.rule.clone(),
        rule_entry: new.sweep.rule_entry,
        rule_sha256: new.sweep.rule_sha256,
        epoch: epoch.clone(),
        unit: new.unit.clone(),
        parts: parts.iter().map(|p| p.announced(&datastore)).collect(),
    });
    let intent = writing.append_at(t0, &body).await?;
    let records: u64 = parts.iter().map(|p| p.n).sum();
    // What hangs on records elsewhere is nobody's own.
    let own = if new.unit.is_none() { parts.first().map_or(0, |p| p.n) } else { 0 };
    let insert = sqlx::query(
        "INSERT INTO batch (id, sweep, intent, epoch, datastore, incarnation, t0, records, own, sealed, unit) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    );
    let insert = insert
        .bind(batch.as_str().to_owned())
        .bind(new.sweep.id.as_str().to_owned())
        .bind(signed(intent.get()))
        .bind(epoch.as_str().to_owned())
        .bind(datastore.as_str().to_owned())
        .bind(new.incarnation.clone())
        .bind(t0.timestamp_micros())
        .bind(signed(records))
        .bind(signed(own))
        .bind(new.sealed.0)
        .bind(new.unit.as_ref().map(|unit| unit.as_str().to_owned()));
    writing.run("record an intent", insert).await?;
    for (number, draft) in (0i64..).zip(new.parts) {
        append_part(writing, &batch, number, draft).await?;
    }
    let NewBatch { incarnation, unit, .. } = new;
    Ok(CommittedIntent { batch, intent, epoch, datastore, incarnation, unit, t0, parts })
}

async fn append_part(
    writing: &mut Writing<'_>,
    batch: &BatchId,
    number: i64,
    draft: DraftPart,
) -> Result<(), StateError> {
    let DraftPart { part, commitments, tags } = draft;
    let fields: Vec<&str> = part.fields.iter().map(FieldName::as_str).collect();
    let insert = sqlx::query(
        "INSERT INTO part (batch, number, dataset, action, fields, root, commitments, tags) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    );
    let insert = insert
        .bind(batch.as_str().to_owned())
        .bind(number)
        .bind(part.dataset.as_str().to_owned())
        .bind(action_text(part.action))
        .bind(serde_json::json!(fields).to_string())
        .bind(part.root.as_bytes().to_vec())
        .bind(commitments)
        .bind(tags);
    writing.run("record the commitments of an intent", insert).await.map(drop)
}

impl Part {
    fn announced(&self, datastore: &DatastoreName) -> IntentPart {
        IntentPart {
            datastore: datastore.clone(),
            dataset: self.dataset.clone(),
            action: self.action,
            n: self.n,
            root: self.root,
        }
    }
}

pub(super) fn action_text(action: Action) -> &'static str {
    match action {
        Action::Delete => "delete",
        Action::Pseudonymize => "pseudonymize",
    }
}

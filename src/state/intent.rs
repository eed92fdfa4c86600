//! Intents: what is durable before a batch becomes irreversible, and what a restart finds of it.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::draft::{self, Draft, DraftPart, Part, Sealed};
use super::error::StateError;
use super::seal::Unsealed;
use super::sweep::Sweep;
use super::writing::Writing;
use super::{State, failed, level, signed};
use crate::ledger::commitment::{BatchId, EpochId};
use crate::ledger::entry::{
    Action, BatchIntent, Body, DatasetName, DatastoreName, FieldName, IntentPart, Timing,
};
use crate::ledger::hash::Hash;
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;
use crate::model::orders::Generation;
use crate::model::value::Value;

/// A batch that has been disposed of inside an open transaction, about to be intended.
pub struct NewBatch<'a> {
    /// The run of the rule.
    pub sweep: &'a Sweep,
    /// The connection.
    pub datastore: &'a str,
    /// The name of the marker the datastore keeps, as evidence for a restart.
    pub incarnation: String,
    /// Its name and its key.
    pub draft: Draft,
    /// Of a share in another datastore: the batch of the records its dependents hang on.
    pub unit: Option<BatchId>,
    /// Of the rule's own records; none for a share in another datastore.
    pub timing: Option<Timing>,
    /// One a dataset, none of them empty; without a unit, the rule's own first.
    pub parts: Vec<DraftPart>,
    /// The records' identities, dropped when the batch is sealed.
    pub sealed: Sealed,
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
    pub(super) t0: DateTime<Utc>,
    pub(super) unit: Option<BatchId>,
    pub(super) parts: Vec<Part>,
    /// Whether shares of its unit may have gone before it.
    pub(super) has_shares: bool,
}

impl CommittedIntent {
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
    /// The marker that tells what happened.
    pub incarnation: String,
    /// Of a share in another datastore: the batch of the records its dependents hang on.
    pub unit: Option<String>,
}

impl OpenIntent {
    /// The connection the batch was prepared on.
    pub fn datastore(&self) -> &str {
        self.intent.datastore.as_str()
    }
}

impl State {
    /// Makes the intent of one batch durable: [`State::commit_intents`].
    pub async fn commit_intent(
        &mut self,
        new: NewBatch<'_>,
        judged_by: Generation,
    ) -> Result<CommittedIntent, StateError> {
        let mut intents = self.commit_intents(vec![new], judged_by, None).await?;
        intents.pop().ok_or_else(|| StateError::Damaged {
            path: self.path.clone(),
            what: "an intent was not recorded".to_owned(),
        })
    }

    /// Makes the intents of all shares of a unit durable, in the order in which the shares are going to be committed: their
    /// entries, their commitments and the sealed identities, in one transaction. What [`State::stage`] has written ahead has to be there.
    ///
    /// Dying before this returns leaves none of the intents or all of them open; the batches themselves are rolled back by
    /// their datastores.
    /// Refuses while disposal is halted, and when an order has been given since the batch was judged by those of `judged_by`.
    ///
    /// The seal of the batch before shares the durable write, and comes first. It is written also where the intents are refused;
    /// after any other error its intent is open, as if it had never been given.
    pub async fn commit_intents(
        &mut self,
        batches: Vec<NewBatch<'_>>,
        judged_by: Generation,
        before: Option<(&Sweep, Unsealed)>,
    ) -> Result<Vec<CommittedIntent>, StateError> {
        let before = match before {
            Some((sweep, unsealed)) => Some(self.concluded(sweep, unsealed).await?),
            None => None,
        };
        crate::hook::reach("intent.before");
        let halted = self.stop_file();
        let mut writing = self.write().await?;
        let has_sealed = before.is_some();
        // A pause is an order too: the batch was judged before it, or it is judged again and finds it.
        let refused = match halted {
            Some(halt) => Err(StateError::Halted(halt)),
            None => writing.check_orders(judged_by),
        };
        if let Some(concluded) = before {
            writing.conclude(concluded).await?;
        }
        match refused {
            Err(error @ (StateError::Halted(_) | StateError::OrdersMoved)) if has_sealed => {
                writing.commit().await?;
                crate::hook::reach("seal.after");
                return Err(error);
            }
            refused => refused?,
        }
        let t0 = writing.now();
        let mut intents = Vec::with_capacity(batches.len());
        let has_shares = batches.len() > 1;
        for new in batches {
            let intent = writing.intend(t0, new)?;
            intents.push(CommittedIntent { has_shares: has_shares && intent.unit.is_none(), ..intent });
        }
        writing.commit().await?;
        self.staged.take_if(|staged| intents.iter().any(|intent| intent.batch == *staged));
        if has_sealed {
            crate::hook::reach("seal.after");
        }
        crate::hook::reach("intent.after");
        Ok(intents)
    }

    /// Every intent without an outcome, oldest first: the shares of a unit were intended in the order in which they are
    /// committed, so that dependents are looked at before what they hang on.
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
            let of = unit.as_deref().map(BatchId::parse).transpose()?;
            let parts = self.parts(&batch).await?;
            open.push(OpenIntent {
                intent: CommittedIntent {
                    batch,
                    intent,
                    epoch,
                    datastore,
                    t0,
                    has_shares: of.is_none(),
                    unit: of,
                    parts,
                },
                sweep: self.sweep(&sweep).await?,
                incarnation,
                unit,
            });
        }
        Ok(open)
    }

    /// The identities of an open intent's records, as the datastore encoded them.
    pub async fn identities(&mut self, intent: &CommittedIntent) -> Result<Zeroizing<String>, StateError> {
        let lost = || StateError::Sealed { batch: intent.batch.to_string() };
        let row = sqlx::query("SELECT sealed FROM identity WHERE batch = ?1")
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

impl Writing<'_> {
    fn intend(&mut self, t0: DateTime<Utc>, new: NewBatch<'_>) -> Result<CommittedIntent, StateError> {
        let datastore = DatastoreName::parse(new.datastore)?;
        let NewBatch {
            sweep,
            incarnation,
            draft: Draft { batch, epoch, .. },
            unit,
            timing,
            parts,
            mut sealed,
            ..
        } = new;
        // Where a clock was set back in between: earlier, the waits were shorter and the margins larger, so what it says holds.
        let timing = timing.map(|timing| Timing { at: timing.at.min(t0), ..timing });
        let body = Body::BatchIntent(BatchIntent {
            batch: batch.clone(),
            sweep: sweep.id.clone(),
            rule: sweep.rule.clone(),
            rule_entry: sweep.rule_entry,
            rule_sha256: sweep.rule_sha256,
            epoch: epoch.clone(),
            unit: unit.clone(),
            timing,
            parts: parts.iter().map(|p| p.part.announced(&datastore)).collect(),
        });
        let intent = self.append_at(t0, &body)?;
        let records: u64 = parts.iter().map(|p| p.part.n).sum();
        // All records of a share elsewhere are dependents.
        let own = if unit.is_none() { parts.first().map_or(0, |p| p.part.n) } else { 0 };
        // What is elsewhere is another engine's, which nobody asks.
        let asked = if unit.is_none() { sweep.asked } else { Level::Logical };
        let mut kept = Vec::with_capacity(parts.len());
        for (number, mut part) in (0i64..).zip(parts) {
            part.keep(&mut self.queue, &batch, number);
            kept.push(part.part);
        }
        sealed.keep(&mut self.queue, &batch);
        // An intent without them could never be proved, nor resolved after a crash.
        self.queue(
            "INSERT INTO batch (id, sweep, intent, epoch, datastore, incarnation, t0, unit, records, own, asked) \
             SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM identity WHERE batch = ?) \
             AND (SELECT count(*) FROM part WHERE batch = ?) = ?",
            [
                Value::Text(batch.to_string()),
                Value::Text(sweep.id.to_string()),
                Value::Integer(signed(intent.get())),
                Value::Text(epoch.to_string()),
                Value::Text(datastore.to_string()),
                Value::Text(incarnation),
                Value::Integer(t0.timestamp_micros()),
                unit.as_ref().map_or(Value::Null, |unit| Value::Text(unit.to_string())),
                Value::Integer(signed(records)),
                Value::Integer(signed(own)),
                Value::Integer(level::number(asked)),
                Value::Text(batch.to_string()),
                Value::Text(batch.to_string()),
                Value::Integer(signed(kept.len() as u64)),
            ],
        );
        Ok(CommittedIntent { batch, intent, epoch, datastore, t0, unit, parts: kept, has_shares: false })
    }
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

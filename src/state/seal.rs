//! Seals: the one outcome of every intent.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::draft::Records;
use super::error::StateError;
use super::intent::CommittedIntent;
use super::outcome::{Outcome, PartSeal, Settled};
use super::sweep::Sweep;
use super::writing::Writing;
use super::{State, failed, signed};
use crate::clock;
use crate::ledger::commitment::BatchId;
use crate::ledger::entry::{Algorithm, BatchAborted, BatchCommitted, Body, CommittedPart, Outcomes};
use crate::ledger::tree::EntryIndex;
use crate::model::horizon::Horizon;
use crate::model::value::Value;

/// A batch whose outcome is known, and not in the ledger yet. If we die now, the next start finds the same outcome.
pub struct Unsealed {
    intent: CommittedIntent,
    settled: Settled,
    horizon: Horizon,
    at: DateTime<Utc>,
}

impl Unsealed {
    /// What has become of an intent, as it is found out now. The horizon is that of the batch's datastore.
    pub fn new(intent: CommittedIntent, settled: Settled, horizon: Horizon) -> Self {
        Self { intent, settled, horizon, at: clock::now() }
    }

    /// The batch's name.
    pub fn batch(&self) -> &str {
        self.intent.batch()
    }
}

/// The same, with what the ledger is going to say.
pub(super) struct Concluded<'a> {
    sweep: &'a Sweep,
    intent: CommittedIntent,
    outcome: Outcome,
    horizon: Horizon,
    at: DateTime<Utc>,
}

impl State {
    /// Writes the outcome of an intent and drops its sealed identities.
    ///
    /// Dying before this returns leaves the intent open, and a restart finds the same outcome: from the datastore's marker,
    /// or by a look at each record.
    pub async fn seal(&mut self, sweep: &Sweep, unsealed: Unsealed) -> Result<EntryIndex, StateError> {
        let concluded = self.concluded(sweep, unsealed).await?;
        let mut writing = self.write().await?;
        let index = writing.conclude(concluded).await?;
        writing.commit().await?;
        crate::hook::reach("seal.after");
        Ok(index)
    }

    /// Those of these batches whose outcomes are in the ledger.
    pub async fn settled(&mut self, batches: &[String]) -> Result<Vec<String>, StateError> {
        let operation = "look for the outcomes of batches";
        let rows = sqlx::query(
            "SELECT id FROM batch WHERE outcome IS NOT NULL AND id IN (SELECT value FROM json_each(?1))",
        )
        .bind(serde_json::json!(batches).to_string())
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        rows.iter().map(|row| row.try_get(0).map_err(|e| failed(&self.path, operation, e))).collect()
    }

    /// Works out what a seal is going to say; nothing is written yet.
    pub(super) async fn concluded<'a>(
        &mut self,
        sweep: &'a Sweep,
        Unsealed { intent, settled, horizon, at }: Unsealed,
    ) -> Result<Concluded<'a>, StateError> {
        let outcome = self.outcome(&intent, settled).await?;
        crate::hook::reach("seal.before");
        Ok(Concluded { sweep, intent, outcome, horizon, at })
    }
}

/// Where nothing was disposed of, there is nothing that backups could still hold.
fn gone_by(parts: &[CommittedPart], t1: DateTime<Utc>, horizon: &Horizon) -> Option<DateTime<Utc>> {
    if parts.iter().all(|part| part.n == 0) { None } else { horizon.gone_by(t1) }
}

impl Writing<'_> {
    /// Appends the outcome of an intent, and drops its sealed identities.
    pub(super) async fn conclude(
        &mut self,
        Concluded { sweep, intent, outcome, horizon, at }: Concluded<'_>,
    ) -> Result<EntryIndex, StateError> {
        match outcome {
            Outcome::Aborted(reason) => {
                let CommittedIntent { batch, intent, .. } = intent;
                let body = Body::BatchAborted(BatchAborted { batch: batch.clone(), intent, reason });
                let index = self.append(&body)?;
                self.abort(&batch, index).await?;
                Ok(index)
            }
            Outcome::Committed { attribution, recovered, parts } => {
                // A clock that was set meanwhile puts it neither before the intent nor after this entry.
                let t1 = at.min(self.now()).max(intent.t0);
                let entries: Vec<_> = parts.iter().map(|p| p.to_entry(&intent.datastore)).collect();
                let gone_by = gone_by(&entries, t1, &horizon);
                let dependents =
                    if intent.has_shares { self.went_with(&intent.batch).await? } else { Vec::new() };
                let body = BatchCommitted {
                    batch: intent.batch,
                    intent: intent.intent,
                    sweep: sweep.id.clone(),
                    cause: sweep.cause,
                    rule: sweep.rule.clone(),
                    rule_entry: sweep.rule_entry,
                    rule_sha256: sweep.rule_sha256,
                    cutoff: sweep.cutoff,
                    t0: intent.t0,
                    t1,
                    alg: Algorithm::R1Cut24,
                    epoch: intent.epoch,
                    attribution,
                    recovered,
                    dependents,
                    unit: intent.unit,
                    gone_everywhere_by: gone_by,
                    parts: entries,
                };
                self.seal(body, &parts).await
            }
        }
    }

    async fn abort(&mut self, batch: &BatchId, outcome: EntryIndex) -> Result<(), StateError> {
        self.queue(
            "UPDATE batch SET outcome = ? WHERE id = ? AND outcome IS NULL",
            [Value::Integer(signed(outcome.get())), Value::Text(batch.to_string())],
        );
        self.drop_identities(batch);
        // Nothing was disposed of, so there is nothing to prove.
        let delete = sqlx::query("DELETE FROM part WHERE batch = ?1").bind(batch.as_str().to_owned());
        self.run("forget an aborted batch's commitments", delete).await.map(drop)
    }

    async fn seal(
        &mut self,
        committed: BatchCommitted,
        parts: &[PartSeal],
    ) -> Result<EntryIndex, StateError> {
        let batch = committed.batch.clone();
        let counts = committed.totals();
        // All records of a share elsewhere are dependents.
        let own = if committed.unit.is_none() { parts.first().map_or(0, |p| p.counts.disposed) } else { 0 };
        let gone_by = committed.gone_everywhere_by.map(|by| by.timestamp_micros());
        let index = self.append(&Body::BatchCommitted(committed))?;
        let Outcomes { disposed, already_gone, changed, refused, unknown: _, untouched } = counts;
        let numbers = [index.get(), disposed, own, already_gone, changed, refused, untouched];
        let numbers = numbers.into_iter().map(|n| Value::Integer(signed(n)));
        self.queue(
            "UPDATE batch SET committed = 1, outcome = ?, records = ?, own = ?, already_gone = ?, changed = ?, \
             refused = ?, untouched = ?, gone_by = ? WHERE id = ? AND outcome IS NULL",
            numbers.chain([gone_by.map_or(Value::Null, Value::Integer), Value::Text(batch.to_string())]),
        );
        self.drop_identities(&batch);
        for (number, part) in (0i64..).zip(parts) {
            if let Some(records) = &part.fewer {
                self.keep_fewer(&batch, number, records).await?;
            }
        }
        Ok(index)
    }

    fn drop_identities(&mut self, batch: &BatchId) {
        self.queue("DELETE FROM identity WHERE batch = ?", [Value::Text(batch.to_string())]);
    }

    /// The entries of the shares of this batch's unit that have gone before it.
    async fn went_with(&mut self, batch: &BatchId) -> Result<Vec<EntryIndex>, StateError> {
        let operation = "look for the dependents in other datastores";
        self.flush().await?;
        let rows = sqlx::query("SELECT outcome FROM batch WHERE unit = ?1 AND committed ORDER BY outcome")
            .bind(batch.as_str().to_owned())
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let index = |row: &sqlx::sqlite::SqliteRow| row.try_get::<i64, _>(0);
        rows.iter()
            .map(|row| index(row).map(|n| EntryIndex::new(n.unsigned_abs())))
            .collect::<Result<_, _>>()
            .map_err(|e| failed(&self.path, operation, e))
    }

    /// What was not disposed of must not be found, let alone proved.
    async fn keep_fewer(
        &mut self,
        batch: &BatchId,
        number: i64,
        records: &Records,
    ) -> Result<(), StateError> {
        let update = sqlx::query(
            "UPDATE part SET root = ?3, commitments = ?4, tags = ?5 WHERE batch = ?1 AND number = ?2",
        );
        let update = update
            .bind(batch.as_str().to_owned())
            .bind(number)
            .bind(records.root.as_bytes().to_vec())
            .bind(records.commitments.clone())
            .bind(records.tags.clone());
        self.run("record the commitments of what was disposed of", update).await.map(drop)
    }
}

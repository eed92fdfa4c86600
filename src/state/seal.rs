//! Seals: the one outcome of every intent.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::draft::{Draft, Part};
use super::error::StateError;
use super::intent::{CommittedIntent, Disposed, PartOutcomes, Settled};
use super::sweep::Sweep;
use super::{State, failed, signed};
use crate::ledger::entry::{
    AbortReason, Algorithm, Attribution, BatchAborted, BatchCommitted, Body, CommittedPart, FieldName,
    Outcomes,
};
use crate::ledger::tree::EntryIndex;
use crate::model::horizon::Horizon;

/// What became of one part, with what is kept of it.
struct Sealed {
    part: CommittedPart,
    /// The commitments and tags of those that were disposed of; none: those of the intent stay.
    kept: Option<(Vec<u8>, Vec<u8>)>,
}

impl State {
    /// Writes the outcome of an intent and drops its sealed identities. `horizon`: the backups of its datastore.
    ///
    /// Dying before this returns leaves the intent open, and a restart finds the same outcome from the datastore's evidence.
    pub async fn seal(
        &mut self,
        sweep: &Sweep,
        intent: CommittedIntent,
        settled: Settled,
        horizon: &Horizon,
    ) -> Result<EntryIndex, StateError> {
        crate::hook::reach("seal.before");
        let (attribution, recovered, outcomes) = match settled {
            Settled::Acknowledged => (Attribution::Transaction, false, None),
            Settled::MarkerFound => (Attribution::Marker, true, None),
            Settled::NoneLeft => (Attribution::State, true, None),
            Settled::Each(outcomes) => (Attribution::Transaction, false, Some(outcomes)),
            Settled::Looked(outcomes) if outcomes.iter().all(untouched) => {
                return self.abort(intent, AbortReason::SurvivorFound).await;
            }
            Settled::Looked(outcomes) => (Attribution::State, true, Some(outcomes)),
            Settled::NotAttempted => return self.abort(intent, AbortReason::NotAttempted).await,
            Settled::RolledBack => return self.abort(intent, AbortReason::RolledBack).await,
            Settled::SurvivorFound => return self.abort(intent, AbortReason::SurvivorFound).await,
        };
        let sealed = match outcomes {
            None => intent.parts.iter().map(|part| whole(part, &intent)).collect(),
            Some(outcomes) => self.each(&intent, &outcomes).await?,
        };
        let dependents = self.dependents(&intent).await?;
        let mut writing = self.write().await?;
        let t1 = writing.now();
        let gone_by = horizon.gone_by(t1);
        let body = Body::BatchCommitted(BatchCommitted {
            batch: intent.batch.clone(),
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
            epoch: intent.epoch.clone(),
            attribution,
            recovered,
            unit: intent.unit.clone(),
            dependents,
            gone_everywhere_by: gone_by,
            parts: sealed.iter().map(|s| s.part.clone()).collect(),
        });
        let outcome = writing.append_at(t1, &body).await?;
        for (number, sealed) in (0i64..).zip(&sealed) {
            let Some((commitments, tags)) = &sealed.kept else { continue };
            let update = sqlx::query(
                "UPDATE part SET root = ?3, commitments = ?4, tags = ?5 WHERE batch = ?1 AND number = ?2",
            );
            let update = update
                .bind(intent.batch.as_str().to_owned())
                .bind(number)
                .bind(sealed.part.root.as_bytes().to_vec())
                .bind(commitments.clone())
                .bind(tags.clone());
            writing.run("record what was disposed of", update).await?;
        }
        let totals = sealed.iter().fold(Outcomes::default(), |sum, s| sum.plus(&s.part.outcomes));
        let own = if intent.unit.is_none() { sealed.first().map_or(0, |s| s.part.n) } else { 0 };
        record(&mut writing, &intent, Some((totals, own, gone_by)), outcome).await?;
        writing.commit().await?;
        crate::hook::reach("seal.after");
        Ok(outcome)
    }

    async fn abort(
        &mut self,
        intent: CommittedIntent,
        reason: AbortReason,
    ) -> Result<EntryIndex, StateError> {
        let mut writing = self.write().await?;
        let at = writing.now();
        let body =
            Body::BatchAborted(BatchAborted { batch: intent.batch.clone(), intent: intent.intent, reason });
        let outcome = writing.append_at(at, &body).await?;
        record(&mut writing, &intent, None, outcome).await?;
        // Nothing was disposed of, so there is nothing to prove.
        let delete = sqlx::query("DELETE FROM part WHERE batch = ?1").bind(intent.batch.as_str().to_owned());
        writing.run("forget an aborted batch's commitments", delete).await?;
        writing.commit().await?;
        crate::hook::reach("seal.after");
        Ok(outcome)
    }

    /// The parts of a batch whose records have outcomes of their own: committed to anew where not all of them went.
    async fn each(
        &mut self,
        intent: &CommittedIntent,
        outcomes: &[PartOutcomes],
    ) -> Result<Vec<Sealed>, StateError> {
        let wrong = |what: &str| StateError::Damaged {
            path: self.path.clone(),
            what: format!("the outcomes of batch {} {what}", intent.batch),
        };
        let fits = |(part, outcomes): (&Part, &PartOutcomes)| part.n == outcomes.counts.total();
        if outcomes.len() != intent.parts.len() || !intent.parts.iter().zip(outcomes).all(fits) {
            return Err(wrong("are not those of its records"));
        }
        if outcomes.iter().any(|part| part.counts.unknown > 0) {
            return Err(wrong("are in doubt: it stays open"));
        }
        let mut sealed = Vec::new();
        for (part, outcomes) in intent.parts.iter().zip(outcomes) {
            let Disposed::These(keys) = &outcomes.disposed else {
                sealed.push(whole(part, intent));
                continue;
            };
            let key = self.epoch_key(&intent.epoch).await?;
            let draft = Draft::again(&intent.batch, &intent.epoch, key);
            let fields: Vec<String> = part.fields.iter().map(FieldName::to_string).collect();
            let anew = draft.part(part.dataset.as_str(), part.action, &fields, keys.iter())?;
            let mut part = whole(&anew.part, intent).part;
            part.outcomes = outcomes.counts;
            sealed.push(Sealed { part, kept: Some((anew.commitments, anew.tags)) });
        }
        Ok(sealed)
    }

    /// The seals of what hung on the records of this batch in other datastores.
    async fn dependents(&mut self, intent: &CommittedIntent) -> Result<Vec<EntryIndex>, StateError> {
        let operation = "read the seals of dependents";
        let rows = sqlx::query("SELECT outcome FROM batch WHERE unit = ?1 AND committed ORDER BY outcome")
            .bind(intent.batch.as_str())
            .fetch_all(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let mut entries = Vec::new();
        for row in rows {
            let entry: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            entries.push(EntryIndex::new(entry.unsigned_abs()));
        }
        Ok(entries)
    }
}

fn untouched(part: &PartOutcomes) -> bool {
    part.counts.untouched == part.counts.total()
}

/// All of it was disposed of.
fn whole(part: &Part, intent: &CommittedIntent) -> Sealed {
    let part = CommittedPart {
        datastore: intent.datastore.clone(),
        dataset: part.dataset.clone(),
        action: part.action,
        fields: part.fields.clone(),
        outcomes: Outcomes { disposed: part.n, ..Outcomes::default() },
        n: part.n,
        root: part.root,
    };
    Sealed { part, kept: None }
}

/// The outcome as the tables have it; none: aborted.
async fn record(
    writing: &mut super::Writing<'_>,
    intent: &CommittedIntent,
    committed: Option<(Outcomes, u64, Option<DateTime<Utc>>)>,
    outcome: EntryIndex,
) -> Result<(), StateError> {
    let (totals, own, gone_by) = committed.unwrap_or_default();
    let update = sqlx::query(
        "UPDATE batch SET outcome = ?2, committed = ?3, records = ?4, own = ?5, already_gone = ?6, changed = ?7, \
         refused = ?8, untouched = ?9, gone_by = ?10, sealed = NULL WHERE id = ?1 AND outcome IS NULL",
    );
    let update = update
        .bind(intent.batch.as_str().to_owned())
        .bind(signed(outcome.get()))
        .bind(i64::from(committed.is_some()))
        .bind(signed(totals.disposed))
        .bind(signed(own))
        .bind(signed(totals.already_gone))
        .bind(signed(totals.changed))
        .bind(signed(totals.refused))
        .bind(signed(totals.untouched))
        .bind(gone_by.map(|at| at.timestamp_micros()));
    if writing.run("record an outcome", update).await? != 1 {
        let what = format!("batch {} has an outcome already", intent.batch);
        return Err(StateError::Damaged { path: writing.path.clone(), what });
    }
    Ok(())
}

//! Seals: the one outcome of every intent.

use super::draft::Part;
use super::error::StateError;
use super::intent::{CommittedIntent, Settled};
use super::sweep::Sweep;
use super::{State, signed};
use crate::ledger::entry::{
    AbortReason, Algorithm, Attribution, BatchAborted, BatchCommitted, Body, CommittedPart, Outcomes,
};
use crate::ledger::tree::EntryIndex;

impl State {
    /// Writes the outcome of an intent and drops its sealed identities.
    ///
    /// Dying before this returns leaves the intent open, and a restart finds the same outcome from the datastore's marker.
    pub async fn seal(
        &mut self,
        sweep: &Sweep,
        intent: CommittedIntent,
        settled: Settled,
    ) -> Result<EntryIndex, StateError> {
        crate::hook::reach("seal.before");
        let mut writing = self.write().await?;
        let t1 = writing.now();
        let abort = |reason| {
            Body::BatchAborted(BatchAborted { batch: intent.batch.clone(), intent: intent.intent, reason })
        };
        let commit = |attribution, recovered| {
            Body::BatchCommitted(BatchCommitted {
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
                parts: intent.parts.iter().map(|p| disposed(p, &intent)).collect(),
            })
        };
        let body = match settled {
            Settled::Acknowledged => commit(Attribution::Transaction, false),
            Settled::MarkerFound => commit(Attribution::Marker, true),
            Settled::NotAttempted => abort(AbortReason::NotAttempted),
            Settled::NoneLeft => commit(Attribution::State, true),
            Settled::RolledBack => abort(AbortReason::RolledBack),
            Settled::SurvivorFound => abort(AbortReason::SurvivorFound),
        };
        let committed = matches!(body, Body::BatchCommitted(_));
        let outcome = writing.append_at(t1, &body).await?;
        let update = sqlx::query(
            "UPDATE batch SET outcome = ?2, committed = ?3, sealed = NULL WHERE id = ?1 AND outcome IS NULL",
        );
        let update = update
            .bind(intent.batch.as_str().to_owned())
            .bind(signed(outcome.get()))
            .bind(i64::from(committed));
        if writing.run("record an outcome", update).await? != 1 {
            let what = format!("batch {} has an outcome already", intent.batch);
            return Err(StateError::Damaged { path: writing.path.clone(), what });
        }
        if !committed {
            // Nothing was disposed of, so there is nothing to prove.
            let delete =
                sqlx::query("DELETE FROM part WHERE batch = ?1").bind(intent.batch.as_str().to_owned());
            writing.run("forget an aborted batch's commitments", delete).await?;
        }
        writing.commit().await?;
        crate::hook::reach("seal.after");
        Ok(outcome)
    }
}

/// A transaction goes whole: what was prepared is what was disposed of.
fn disposed(part: &Part, intent: &CommittedIntent) -> CommittedPart {
    CommittedPart {
        datastore: intent.datastore.clone(),
        dataset: part.dataset.clone(),
        action: part.action,
        fields: part.fields.clone(),
        outcomes: Outcomes { disposed: part.n, ..Outcomes::default() },
        n: part.n,
        root: part.root,
    }
}

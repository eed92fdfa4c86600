//! Finding what the ledger says of one record, and reading the ledger itself.

use sqlx::Row as _;

use super::checkpoint::sign;
use super::error::StateError;
use super::{State, failed, signed};
use crate::ledger::commitment::{BatchId, Commitment, Commitments, EpochId, EpochKey};
use crate::ledger::entry::{BatchCommitted, Body, Entry};
use crate::ledger::hash::leaf_hash;
use crate::ledger::proof::{LevelProof, RecordProof};
use crate::ledger::tree::{self, EntryIndex, Frontier};
use crate::model::key::Key;

impl State {
    /// Proofs of every disposal of the record with this key in one of the rule's datasets, oldest first; under the head of
    /// the ledger as it is now.
    pub async fn prove(
        &mut self,
        rule: &str,
        dataset: &str,
        key: &Key,
    ) -> Result<Vec<RecordProof>, StateError> {
        let operation = "look for a record's disposal";
        let rows = sqlx::query(
            "SELECT b.id, b.epoch, b.outcome, p.number FROM batch AS b \
             JOIN sweep AS s ON s.id = b.sweep JOIN part AS p ON p.batch = b.id \
             WHERE s.rule = ?1 AND p.dataset = ?2 AND b.committed ORDER BY b.outcome",
        )
        .bind(rule)
        .bind(dataset)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        // What is signed below is what everybody can ask for, and nothing that came since.
        let published = self.publish_checkpoint().await?;
        let mut proofs = Vec::new();
        let mut destroyed = None;
        let mut month: Option<(EpochId, EpochKey)> = None;
        for row in rows {
            let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| failed(&self.path, operation, e));
            let text = |at: usize| row.try_get::<String, _>(at).map_err(|e| failed(&self.path, operation, e));
            let (batch, epoch) = (BatchId::parse(&text(0)?)?, EpochId::parse(&text(1)?)?);
            let (index, part) = (EntryIndex::new(number(2)?.unsigned_abs()), number(3)?.unsigned_abs());
            if month.as_ref().is_none_or(|(of, _)| *of != epoch) {
                match self.epoch_key(&epoch).await {
                    Ok(key) => month = Some((epoch, key)),
                    // A destroyed epoch opens nothing any more; the record may still be found in another.
                    Err(error @ StateError::KeyMissing { .. }) => {
                        destroyed = Some(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some((_, epoch_key)) = &month else { continue };
            let tag = epoch_key.tag(dataset, key.as_str());
            let tags =
                self.blob_of(&batch, part, "SELECT tags FROM part WHERE batch = ?1 AND number = ?2").await?;
            if !tags.chunks_exact(6).any(|t| t == tag.as_bytes()) {
                continue;
            }
            let commitments = self
                .blob_of(&batch, part, "SELECT commitments FROM part WHERE batch = ?1 AND number = ?2")
                .await?;
            let batch_key = epoch_key.batch_key(&batch, dataset);
            let commitments =
                commitments.chunks_exact(24).filter_map(|c| c.try_into().ok()).map(Commitment::from_bytes);
            let commitments = Commitments::from_unsorted(commitments.collect())?;
            let Some(pos) = commitments.position(&batch_key.commit(key.as_str())) else { continue };
            let Some(path) = commitments.inclusion(pos) else { continue };
            // What was claimed since is not among the leaves.
            let claim = self.claim_of(index).await?;
            let leaves = self.leaves(published).await?;
            let Some(inclusion) = tree::inclusion(&leaves, index.get()) else { continue };
            let level = claim.and_then(|(index, entry)| {
                let inclusion = tree::inclusion(&leaves, index.get())?;
                Some(LevelProof { entry, index, inclusion })
            });
            let checkpoint = sign(&self.signing_key, &Frontier::from_leaves(leaves))?;
            proofs.push(RecordProof {
                entry: self.entry(index).await?,
                key: key.as_str().to_owned(),
                nonce: batch_key.nonce(key.as_str()),
                part,
                pos,
                n: commitments.n(),
                path,
                index,
                inclusion,
                checkpoint,
                level,
            });
        }
        match destroyed {
            Some(error) if proofs.is_empty() => Err(error),
            Some(_) | None => Ok(proofs),
        }
    }

    /// One blob of a batch's part: a rule's batches may have millions of records, of which one is looked for.
    async fn blob_of(
        &mut self,
        batch: &BatchId,
        part: u64,
        query: &'static str,
    ) -> Result<Vec<u8>, StateError> {
        let row =
            sqlx::query(query).bind(batch.as_str()).bind(signed(part)).fetch_one(&mut self.connection).await;
        row.and_then(|row| row.try_get(0)).map_err(|e| failed(&self.path, "look for a record's disposal", e))
    }

    pub(super) async fn entry(&mut self, index: EntryIndex) -> Result<Entry, StateError> {
        let row = sqlx::query("SELECT bytes FROM entry WHERE idx = ?1")
            .bind(signed(index.get()))
            .fetch_one(&mut self.connection)
            .await;
        let bytes: Vec<u8> =
            row.and_then(|r| r.try_get(0)).map_err(|e| failed(&self.path, "read an entry", e))?;
        Ok(Entry::parse(&bytes)?)
    }

    /// The exact bytes of up to `limit` entries from an index on.
    pub async fn entries(
        &mut self,
        from: EntryIndex,
        limit: u32,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StateError> {
        let operation = "read the ledger";
        let rows = sqlx::query("SELECT idx, bytes FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT ?2")
            .bind(signed(from.get()))
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let index: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            entries.push((
                EntryIndex::new(index.unsigned_abs()),
                row.try_get(1).map_err(|e| failed(&self.path, operation, e))?,
            ));
        }
        Ok(entries)
    }

    /// The entries whose bytes are not those of their leaf hash, which is what the published root is made of.
    pub async fn check_leaves(&mut self) -> Result<Vec<EntryIndex>, StateError> {
        let operation = "read the ledger";
        let mut wrong = Vec::new();
        let mut from = 0;
        // Ends because each page starts after the last row of the one before.
        loop {
            let rows =
                sqlx::query("SELECT idx, bytes, leaf FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT 1000")
                    .bind(from)
                    .fetch_all(&mut self.connection)
                    .await
                    .map_err(|e| failed(&self.path, operation, e))?;
            if rows.is_empty() {
                return Ok(wrong);
            }
            for row in rows {
                let bytes =
                    |at: usize| row.try_get::<Vec<u8>, _>(at).map_err(|e| failed(&self.path, operation, e));
                let index = row.try_get::<i64, _>(0).map_err(|e| failed(&self.path, operation, e))?;
                if leaf_hash(&bytes(1)?).as_bytes()[..] != bytes(2)? {
                    wrong.push(EntryIndex::new(index.unsigned_abs()));
                }
                from = index + 1;
            }
        }
    }

    /// Committed batches that could not be proved any more: their commitments or tags are missing, or are not those whose root
    /// their entry names, or the batch is not recorded as committed.
    pub async fn check_commitments(&mut self) -> Result<Vec<String>, StateError> {
        let mut wrong = Vec::new();
        let mut from = EntryIndex::new(0);
        // Ends because each page starts after the last entry of the one before.
        loop {
            let entries = self.entries(from, 256).await?;
            let Some((last, _)) = entries.last() else { return Ok(wrong) };
            from = EntryIndex::new(last.get() + 1);
            for (index, bytes) in entries {
                // An entry that cannot be read is the audit's finding.
                let Ok(entry) = Entry::parse(&bytes) else { continue };
                let Body::BatchCommitted(committed) = entry.body() else { continue };
                if !self.provable(index, committed).await? {
                    wrong.push(committed.batch.to_string());
                }
            }
        }
    }

    async fn provable(&mut self, index: EntryIndex, committed: &BatchCommitted) -> Result<bool, StateError> {
        let operation = "read the commitments";
        let rows = sqlx::query(
            "SELECT p.dataset, p.commitments, p.tags FROM batch AS b JOIN part AS p ON p.batch = b.id \
             WHERE b.id = ?1 AND b.outcome = ?2 AND b.committed ORDER BY p.number",
        )
        .bind(committed.batch.as_str())
        .bind(signed(index.get()))
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        if rows.len() != committed.parts.len() {
            return Ok(false);
        }
        for (row, part) in rows.iter().zip(&committed.parts) {
            let bytes =
                |at: usize| row.try_get::<Vec<u8>, _>(at).map_err(|e| failed(&self.path, operation, e));
            let dataset: String = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            let (stored, tags) = (bytes(1)?, bytes(2)?);
            let commitments =
                stored.chunks_exact(24).filter_map(|c| c.try_into().ok()).map(Commitment::from_bytes);
            let same_root =
                Commitments::from_unsorted(commitments.collect()).is_ok_and(|c| c.root() == part.root);
            let whole = stored.len() as u64 == 24 * part.n && tags.len() as u64 == 6 * part.n;
            if dataset != part.dataset.as_str() || !whole || !same_root {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

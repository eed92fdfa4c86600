//! A batch's commitments and sealed identities: computed before its intent, beside the datastore's own work.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::State;
use super::aead::{self, Purpose};
use super::error::StateError;
use super::intent::action_text;
use super::sweep::Sweep;
use super::writing::Queue;
use crate::clock;
use crate::ledger::commitment::{BatchId, Commitment, Commitments, EpochId, EpochKey, Tag};
use crate::ledger::entry::{Action, DatasetName, FieldName};
use crate::ledger::hash::Hash;
use crate::model::key::Key;
use crate::model::value::Value;
use crate::secret;

/// A batch that has a name and a key, and no intent yet. Cheap to clone; nothing of it counts yet.
#[derive(Clone)]
pub struct Draft {
    pub(super) batch: BatchId,
    pub(super) epoch: EpochId,
    key: Arc<EpochKey>,
}

/// The records of one dataset, committed to.
#[derive(Debug)]
pub struct DraftPart {
    pub(super) part: Part,
    /// None: they were given to the state.
    records: Option<Records>,
}

/// Identities that only the key of their epoch opens; none: they were given to the state.
pub struct Sealed(Option<Vec<u8>>);

/// What the entry says of one dataset.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) dataset: DatasetName,
    pub(super) action: Action,
    pub(super) fields: Vec<FieldName>,
    pub(super) n: u64,
    pub(super) root: Hash,
}

impl State {
    /// Names the next batch of a sweep, under the commitment key of the month.
    pub async fn draft(&mut self, sweep: &Sweep) -> Result<Draft, StateError> {
        let (epoch, key) = self.current_epoch().await?;
        Ok(Draft { batch: name_batch(sweep)?, epoch, key })
    }
}

impl Draft {
    /// Its name in the ledger: what the shares of a unit name the records' batch by.
    pub fn batch(&self) -> &BatchId {
        &self.batch
    }

    /// Commits to the records of one dataset. Pure computation, about a microsecond a record.
    pub fn part<'k>(
        &self,
        dataset: &str,
        action: Action,
        fields: &[String],
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<DraftPart, StateError> {
        let records = Records::commit(&self.key, &self.batch, dataset, keys)?;
        let mut fields: Vec<FieldName> =
            fields.iter().map(|f| FieldName::parse(f)).collect::<Result<_, _>>()?;
        fields.sort();
        Ok(DraftPart {
            part: Part {
                dataset: DatasetName::parse(dataset)?,
                action,
                fields,
                n: records.n,
                root: records.root,
            },
            records: Some(records),
        })
    }

    /// Encrypts the records' identities, for a restart and nobody else.
    pub fn seal(&self, identities: &str) -> Result<Sealed, StateError> {
        let batch = self.batch.as_str();
        let sealed = aead::seal(self.key.as_bytes(), Purpose::Identities, batch, identities)?;
        sealed
            .map(|sealed| Sealed(Some(sealed)))
            .ok_or_else(|| StateError::Sealed { batch: batch.to_owned() })
    }
}

impl DraftPart {
    /// Has the state keep it with the next that is sent there.
    pub(super) fn keep(&mut self, queue: &mut Queue, batch: &BatchId, number: i64) {
        let Some(Records { commitments, tags, .. }) = self.records.take() else { return };
        let Part { dataset, action, fields, root, .. } = &self.part;
        let fields: Vec<&str> = fields.iter().map(FieldName::as_str).collect();
        queue.push(
            "INSERT INTO part (batch, number, dataset, action, fields, root, commitments, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                Value::Text(batch.to_string()),
                Value::Integer(number),
                Value::Text(dataset.to_string()),
                Value::Text(action_text(*action).to_owned()),
                Value::Text(serde_json::json!(fields).to_string()),
                Value::Blob(root.as_bytes().to_vec()),
                Value::Blob(commitments),
                Value::Blob(tags),
            ],
        );
    }
}

impl Sealed {
    /// Has the state keep them with the next that is sent there.
    pub(super) fn keep(&mut self, queue: &mut Queue, batch: &BatchId) {
        let Some(sealed) = self.0.take() else { return };
        let values = [Value::Text(batch.to_string()), Value::Blob(sealed)];
        queue.push("INSERT INTO identity (batch, sealed) VALUES (?, ?)", values);
    }
}

/// Records of one dataset, as the state keeps them: 24 bytes of commitment and 6 of tag for each, in the same order.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) n: u64,
    pub(super) root: Hash,
    pub(super) commitments: Vec<u8>,
    pub(super) tags: Vec<u8>,
}

impl Records {
    pub(super) fn commit<'k>(
        key: &EpochKey,
        batch: &BatchId,
        dataset: &str,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<Self, StateError> {
        let (batch_key, tags) = (key.batch_key(batch, dataset), key.tags(dataset));
        let mut pairs: Vec<(Commitment, Tag)> =
            keys.map(|k| (batch_key.commit(k.as_str()), tags.of(k.as_str()))).collect();
        // The order of the commitments says nothing about the records; the tags stand in the same order.
        pairs.sort_unstable_by(|a, b| leading(&a.0).cmp(&leading(&b.0)).then_with(|| a.cmp(b)));
        let mut commitments = Vec::with_capacity(24 * pairs.len());
        let mut tags = Vec::with_capacity(6 * pairs.len());
        for (commitment, tag) in &pairs {
            commitments.extend_from_slice(commitment.as_bytes());
            tags.extend_from_slice(tag.as_bytes());
        }
        let sorted = Commitments::from_unsorted(pairs.into_iter().map(|p| p.0).collect())?;
        Ok(Self { n: sorted.n(), root: sorted.root(), commitments, tags })
    }
}

/// What nearly always tells two commitments apart, compared as one number.
fn leading(commitment: &Commitment) -> u64 {
    commitment.as_bytes().first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

/// Opens what [`Draft::seal`] encrypted; none: it is not what the batch sealed, or not its epoch's key.
pub(super) fn open(key: &EpochKey, batch: &BatchId, sealed: &[u8]) -> Option<Zeroizing<String>> {
    aead::open(key.as_bytes(), Purpose::Identities, batch.as_str(), sealed)
}

/// Sorts by time for people; random, so that no two daemons ever agree on one.
fn name_batch(sweep: &Sweep) -> Result<BatchId, StateError> {
    let mut random = [0; 8];
    secret::fill(&mut random)?;
    let time = clock::now().format("%Y%m%dT%H%M%SZ");
    let rule = sweep.rule.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let rule: String = rule.chars().take(24).collect();
    Ok(BatchId::parse(&format!("{time}-{rule}-{:016x}", u64::from_be_bytes(random)))?)
}

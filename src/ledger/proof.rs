//! The proof of one record: a `.tlog-proof` text (C2SP tlog-proof) that an auditor verifies offline, with this
//! file and the verifier key alone.
//!
//! A record is proved in two steps of the same shape: its commitment is in the batch's tree, whose root stands in
//! the `batch.committed` entry; and that entry is in the ledger's tree, whose root the ledger signed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::bytes;
use super::canonical;
use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::commitment::{BatchId, Commitment, Nonce};
use super::entry::{
    Action, Attribution, BatchCommitted, Body, Cause, CommittedPart, DatasetName, DatastoreName, Entry,
    FieldName, ReasonText, Remains, RuleDigest, RuleId, SweepId,
};
use super::error::ProofError;
use super::hash::{Hash, leaf_hash};
use super::key::{Origin, VerifierKey};
use super::tree::{self, EntryIndex, TreeSize};
use crate::model::level::Level;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const FORMAT: &str = "expunged-record-proof/1";

/// Everything that shows that one record was disposed of. Claims nothing until [`verify`] has read its text.
pub struct RecordProof {
    /// The `batch.committed` entry.
    pub entry: Entry,
    /// The canonical text of the record's key.
    pub key: String,
    /// What opens the record's commitment.
    pub nonce: Nonce,
    /// Which of the entry's parts, from 0.
    pub part: u64,
    /// Where the commitment stands among the part's, from 0.
    pub pos: u64,
    /// How many records the part disposed of.
    pub n: u64,
    /// From the commitment up to the part's root.
    pub path: Vec<Hash>,
    /// Where the entry stands in the ledger.
    pub index: EntryIndex,
    /// From the entry up to the checkpoint's root.
    pub inclusion: Vec<Hash>,
    /// The signed head of the ledger.
    pub checkpoint: SignedCheckpoint,
    /// What was claimed later of the batch; none: it is gone logically, and nothing more is claimed.
    pub level: Option<LevelProof>,
}

/// That a later entry says how thoroughly the batch is gone.
pub struct LevelProof {
    /// The `erasure.level` entry.
    pub entry: Entry,
    /// Where it stands in the ledger.
    pub index: EntryIndex,
    /// From it up to the root of the proof's checkpoint.
    pub inclusion: Vec<Hash>,
}

/// What a verified proof says. Built by [`verify`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The canonical text of the record's key.
    pub key: String,
    /// The connection the record was on.
    pub datastore: DatastoreName,
    /// The dataset it was in.
    pub dataset: DatasetName,
    /// What was done to it.
    pub action: Action,
    /// The fields that were pseudonymized; none for a deletion.
    pub fields: Vec<FieldName>,
    /// The rule it was due under.
    pub rule: RuleId,
    /// The digest of that rule as it was applied.
    pub rule_sha256: RuleDigest,
    /// The entry that embeds that rule.
    pub rule_entry: EntryIndex,
    /// The batch it was part of.
    pub batch: BatchId,
    /// The sweep the batch was part of.
    pub sweep: SweepId,
    /// Why that sweep ran.
    pub cause: Cause,
    /// The record's trigger lies strictly before this instant.
    pub cutoff: DateTime<Utc>,
    /// It was not disposed of by this batch before this instant.
    pub t0: DateTime<Utc>,
    /// It was gone by this instant.
    pub t1: DateTime<Utc>,
    /// What it rests on that this batch disposed of it.
    pub attribution: Attribution,
    /// Whether recovery found the outcome after a crash.
    pub recovered: bool,
    /// Where the record is a dependent in another datastore: the batch of the records it hung on.
    pub unit: Option<BatchId>,
    /// The entries of the batches in which the dependents in other datastores went.
    pub dependents: Vec<EntryIndex>,
    /// When no backup that a rule covers can hold it any more.
    pub gone_everywhere_by: Option<DateTime<Utc>>,
    /// How thoroughly it is gone.
    pub level: Level,
    /// Where that is claimed, and what is known to remain; none: it is gone logically, and nothing more is claimed.
    pub claimed: Option<Claimed>,
    /// Where the entry stands in the ledger.
    pub entry: EntryIndex,
    /// The number of entries that the ledger's signature covers.
    pub checkpoint_size: TreeSize,
    /// The ledger.
    pub origin: Origin,
}

/// What was claimed later of a record's batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What the engine was asked for.
    pub means: ReasonText,
    /// Where bytes of the record may still be.
    pub remains: Vec<Remains>,
}

/// The JSON of the `extra` line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    format: String,
    entry: String,
    key: String,
    nonce: Nonce,
    part: u64,
    pos: u64,
    n: u64,
    path: Vec<Hash>,
    level: Option<ExtraLevel>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraLevel {
    entry: String,
    index: EntryIndex,
    path: Vec<Hash>,
}

impl RecordProof {
    /// The text of a `.tlog-proof` file. Verify it before you hand it out: nothing was checked yet.
    pub fn to_text(&self) -> String {
        let texts = |path: &[Hash]| path.iter().map(Hash::to_string).collect::<Vec<_>>();
        let mut extra = serde_json::json!({
            "format": FORMAT,
            "entry": self.entry.as_text(),
            "key": self.key,
            "nonce": self.nonce.to_string(),
            "part": self.part,
            "pos": self.pos,
            "n": self.n,
            "path": texts(&self.path),
        });
        if let Some(LevelProof { entry, index, inclusion }) = &self.level {
            extra["level"] = serde_json::json!({
                "entry": entry.as_text(), "index": index.get(), "path": texts(inclusion),
            });
        }
        let extra = bytes::encode(canonical::write(&extra).as_bytes());
        let mut text = format!("{FIRST_LINE}\nextra {extra}\nindex {}\n", self.index);
        for hash in &self.inclusion {
            text.push_str(&hash.to_string());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint.to_text());
        text
    }

    /// Reads the text of a proof without verifying it. Accepts exactly what [`RecordProof::to_text`] writes.
    pub fn parse(text: &[u8]) -> Result<Self, ProofError> {
        let form = |what| ProofError::Form { what };
        let given = str::from_utf8(text).map_err(|_| form("UTF-8"))?;
        let (head, checkpoint) = given.split_once("\n\n").ok_or(form("empty line before the checkpoint"))?;
        let checkpoint =
            SignedCheckpoint::parse(checkpoint).map_err(|source| ProofError::Checkpoint { source })?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(form("first line"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(form("`extra` line"))?;
        let extra = bytes::decode(extra).map_err(|_| form("base64 of the `extra` line"))?;
        let extra = canonical::parse(&extra).map_err(|source| ProofError::Extra { source })?;
        let extra: Extra =
            serde_json::from_value(extra).map_err(|source| ProofError::ExtraSchema { source })?;
        if extra.format != FORMAT {
            return Err(form("format in the `extra` line"));
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(form("`index` line"))?;
        let index = EntryIndex::new(index.parse().map_err(|_| form("leaf index"))?);
        let inclusion = lines.map(|line| Hash::parse(line).map_err(|_| form("inclusion path")));
        let inclusion = inclusion.collect::<Result<_, _>>()?;
        let Extra { format: _, entry, key, nonce, part, pos, n, path, level } = extra;
        let read =
            |entry: &str| Entry::parse(entry.as_bytes()).map_err(|source| ProofError::Entry { source });
        let level = level.map(|ExtraLevel { entry, index, path }| {
            read(&entry).map(|entry| LevelProof { entry, index, inclusion: path })
        });
        let (entry, level) = (read(&entry)?, level.transpose()?);
        let proof = Self { entry, key, nonce, part, pos, n, path, index, inclusion, checkpoint, level };
        // One spelling: whatever the parsers above took leniently (a sign, a leading zero) shows here.
        if proof.to_text() == given { Ok(proof) } else { Err(form("spelling")) }
    }
}

/// Verifies the bytes of a `.tlog-proof` file against the ledger's key, and says what they prove.
///
/// Offline and without secrets. Every byte counts: a file that differs in one from a valid proof is refused.
pub fn verify(text: &[u8], vkey: &VerifierKey) -> Result<Verified, ProofError> {
    let proof = RecordProof::parse(text)?;
    let head = proof.checkpoint.verify(vkey).map_err(|source| ProofError::Checkpoint { source })?;
    let index = proof.index;
    in_ledger(&proof.entry, index, &proof.inclusion, head)?;
    let Body::BatchCommitted(committed) = proof.entry.body() else {
        return Err(ProofError::NotADisposal { observed: proof.entry.body().kind() });
    };
    let linked = committed.dependents.last().is_none_or(|last| *last < index);
    if committed.rule_entry >= committed.intent || committed.intent >= index || !linked {
        return Err(ProofError::Reference { index });
    }
    let part = usize::try_from(proof.part).ok().and_then(|part| committed.parts.get(part));
    let part =
        part.filter(|part| part.n == proof.n).ok_or(ProofError::Part { part: proof.part, n: proof.n })?;
    let commitment = Commitment::open(&proof.nonce, &proof.key);
    let leaf = leaf_hash(commitment.as_bytes());
    tree::verify_inclusion(&leaf, proof.pos, proof.n, &proof.path, &part.root)
        .map_err(|source| ProofError::NotInBatch { source })?;
    let raised =
        proof.level.as_ref().map(|level| raised(level, (index, committed, part), head)).transpose()?;
    let (level, claimed) = raised.map_or((Level::Logical, None), |(level, claimed)| (level, Some(claimed)));
    let verified = conclude(proof.key.clone(), part, committed, index, head.size(), head.origin());
    Ok(Verified { level, claimed, ..verified })
}

fn in_ledger(
    entry: &Entry,
    index: EntryIndex,
    inclusion: &[Hash],
    head: &Checkpoint,
) -> Result<(), ProofError> {
    tree::verify_inclusion(&entry.leaf_hash(), index.get(), head.size().get(), inclusion, &head.root())
        .map_err(|source| ProofError::NotInLedger { index, source })
}

/// A claim holds for the batches it names, in the datastore it names, and comes after them.
fn raised(
    level: &LevelProof,
    (index, committed, part): (EntryIndex, &BatchCommitted, &CommittedPart),
    head: &Checkpoint,
) -> Result<(Level, Claimed), ProofError> {
    in_ledger(&level.entry, level.index, &level.inclusion, head)?;
    let Body::ErasureLevel(claim) = level.entry.body() else {
        return Err(ProofError::NotALevel { observed: level.entry.body().kind() });
    };
    let names_it = claim.batches.contains(&index) && index < level.index;
    if !names_it || claim.rule != committed.rule || claim.datastore != part.datastore {
        return Err(ProofError::OtherBatch { level: level.index, index });
    }
    let claimed = Claimed {
        entry: level.index,
        at: level.entry.at(),
        means: claim.means.clone(),
        remains: claim.remains.clone(),
    };
    Ok((claim.level, claimed))
}

fn conclude(
    key: String,
    part: &CommittedPart,
    committed: &BatchCommitted,
    entry: EntryIndex,
    checkpoint_size: TreeSize,
    origin: &Origin,
) -> Verified {
    Verified {
        key,
        datastore: part.datastore.clone(),
        dataset: part.dataset.clone(),
        action: part.action,
        fields: part.fields.clone(),
        rule: committed.rule.clone(),
        rule_sha256: committed.rule_sha256,
        rule_entry: committed.rule_entry,
        batch: committed.batch.clone(),
        sweep: committed.sweep.clone(),
        cause: committed.cause,
        cutoff: committed.cutoff,
        t0: committed.t0,
        t1: committed.t1,
        attribution: committed.attribution,
        recovered: committed.recovered,
        unit: committed.unit.clone(),
        dependents: committed.dependents.clone(),
        gone_everywhere_by: committed.gone_everywhere_by,
        level: Level::Logical,
        claimed: None,
        entry,
        checkpoint_size,
        origin: origin.clone(),
    }
}

//! Entries: the leaves of the ledger, one canonical JSON object each, with closed schemas.
//!
//! **Invariant:** an [`Entry`] holds the very text that was parsed, and nothing is an entry that would be
//! written differently. So the bytes are the leaf, and no verifier ever canonicalises.

mod batch;
mod body;
mod level;
mod orders;
mod timing;

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::canonical;
use super::error::EntryError;
use super::hash::{Hash, leaf_hash};
use super::instant;

pub use super::canonical::{RuleDigest, RuleDocument};
pub use super::name::{
    CaseReference, DatasetName, DatastoreName, FieldName, HoldId, NodeName, PromiseName, ReasonText,
    RequestId, RoleName, RuleId, ServiceName, Software, SweepId, TzdbVersion,
};
pub use batch::{
    AbortReason, Action, Algorithm, Attribution, BatchAborted, BatchCommitted, BatchIntent, CommittedPart,
    IntentPart, Outcomes,
};
pub use body::{
    Approval, BackupExpired, Body, Cause, Genesis, KeyEpoch, Left, Open, Residue, RuleVersion, SweepFinished,
    SweepResult, SweepStarted, Why,
};
pub use level::{ErasureLevel, Remains};
pub use orders::{
    Answer, ErasureAnswered, ErasureRequested, ErasureWithdrawn, HoldPlaced, HoldReleased, Pause, Resume,
};
pub use timing::{Bound, Ceilings, MINUTE, Timing, Waited, ceiling, floor};

/// What the two-byte length before each entry of a tlog-tiles entry bundle can say.
const MAX_BYTES: usize = 65_535;

/// One leaf of the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    at: DateTime<Utc>,
    node: NodeName,
    sw: Software,
    body: Body,
    text: String,
}

impl Entry {
    /// The entry of this daemon at this instant, which is cut to the microsecond.
    ///
    /// Refuses what [`Entry::parse`] would refuse: a body that contradicts itself, an integer of 2^53 and more, a
    /// year beyond 9999, and more than 65,535 bytes.
    pub fn new(at: DateTime<Utc>, node: &NodeName, body: &Body) -> Result<Self, EntryError> {
        let sw = concat!("expunged ", env!("CARGO_PKG_VERSION"));
        let value = serde_json::to_value(body).map_err(|source| EntryError::Schema { source })?;
        let Value::Object(mut fields) = value else {
            return Err(EntryError::Common { field: "t", expected: "the type of the entry" });
        };
        fields.insert("v".into(), Value::from(1));
        fields.insert("at".into(), Value::from(instant::to_text(&at)));
        fields.insert("node".into(), Value::from(node.as_str()));
        fields.insert("sw".into(), Value::from(sw));
        // Read back: what we write is what we accept, by construction and not by care.
        Self::parse(canonical::write(&Value::Object(fields)).as_bytes())
    }

    /// Reads one leaf. Strict: closed schemas, canonical form, no contradictions.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_BYTES {
            return Err(EntryError::TooLong { observed: bytes.len() });
        }
        let value = canonical::parse(bytes).map_err(|source| EntryError::Canonical { source })?;
        let Value::Object(mut fields) = value.clone() else {
            return Err(EntryError::Common { field: "v", expected: "in an object" });
        };
        if fields.remove("v") != Some(Value::from(1)) {
            return Err(EntryError::Common { field: "v", expected: "1" });
        }
        let at = instant::parse(&take_text(&mut fields, "at")?)?;
        let node = NodeName::try_from(take_text(&mut fields, "node")?)?;
        let sw = Software::try_from(take_text(&mut fields, "sw")?)?;
        let body: Body =
            serde_json::from_value(Value::Object(fields)).map_err(|source| EntryError::Schema { source })?;
        body.check(at)?;
        check_rewritten(&body, &value)?;
        // Equal to `bytes`, or they would not have been canonical.
        Ok(Self { at, node, sw, body, text: canonical::write(&value) })
    }

    /// The leaf: the exact bytes that are hashed, stored, exported and put into proofs.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// As [`Entry::as_bytes`], owned.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.clone().into_bytes()
    }

    /// The leaf's hash.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.text.as_bytes())
    }

    /// When it was written, by the writer's clock.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Which daemon wrote it.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Which program wrote it.
    pub fn sw(&self) -> &Software {
        &self.sw
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The leaf as the JSON text it is.
    pub fn as_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.text)
    }
}

fn take_text(fields: &mut Map<String, Value>, field: &'static str) -> Result<String, EntryError> {
    match fields.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(EntryError::Common { field, expected: "a string" }),
    }
}

/// Finds what serde reads leniently, such as a missing optional field: each of the body's fields must come out as
/// it stood in the entry. The common fields were compared when they were read.
fn check_rewritten(body: &Body, entry: &Value) -> Result<(), EntryError> {
    let written = serde_json::to_value(body).map_err(|source| EntryError::Schema { source })?;
    let (Value::Object(written), Value::Object(read)) = (written, entry) else {
        return Err(EntryError::NotCanonical);
    };
    // v, at, node and sw stand beside the body's fields.
    let same = written.len() + 4 == read.len()
        && written.iter().all(|(field, value)| read.get(field) == Some(value));
    if same { Ok(()) } else { Err(EntryError::NotCanonical) }
}

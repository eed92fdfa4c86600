//! What can be wrong with bytes that claim to belong to a ledger. All of it is permanent: the same bytes will
//! be refused again.

use super::tree::EntryIndex;

/// A base64 text that is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum BytesError {
    /// Another alphabet, missing padding, or bits set behind the last byte.
    #[error("not canonical standard base64")]
    Base64 {
        /// What the decoder found.
        source: base64::DecodeError,
    },
    /// The wrong number of bytes.
    #[error("{observed} bytes instead of {expected}")]
    Length {
        /// The number of bytes found.
        observed: usize,
        /// The number of bytes of this value.
        expected: usize,
    },
}

/// A name outside its syntax.
#[derive(Debug, thiserror::Error)]
#[error("{what} {observed:?} is not {expected}")]
pub struct NameError {
    pub(super) what: &'static str,
    pub(super) observed: String,
    pub(super) expected: &'static str,
}

/// A Merkle proof that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The leaf would be outside the tree.
    #[error("leaf {index} is outside a tree of {size}")]
    OutOfRange {
        /// The claimed index.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// Too many or too few hashes.
    #[error("the number of hashes in the path does not fit the tree")]
    PathLength,
    /// The hashes lead to another root.
    #[error("the path leads to another root")]
    Root,
}

/// A key text that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not the signed-note form.
    #[error("not a key of the form {expected}")]
    Form {
        /// The form.
        expected: &'static str,
    },
    /// The name in the key is no origin.
    #[error("the name of the key cannot be used")]
    Origin {
        /// Why not.
        source: NameError,
    },
    /// The key material is not base64 of the right length.
    #[error("the key material cannot be read")]
    Material {
        /// Why not.
        source: BytesError,
    },
    /// Another kind of signature than Ed25519.
    #[error("signature type {observed:#04x} instead of 0x01 (Ed25519)")]
    Type {
        /// The type found.
        observed: u8,
    },
    /// The bytes are no point of the curve, or one of small order, under which forgeries verify.
    #[error("not a usable Ed25519 public key")]
    Point,
    /// The key id is not the one of this name and key: a typing error, or the parts of two keys.
    #[error("key id {observed} instead of {expected}")]
    Id {
        /// The id in the text.
        observed: String,
        /// The id computed from name and key.
        expected: String,
    },
}

/// A checkpoint that is not one of this ledger.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not the text that our `sign` writes.
    #[error("not a checkpoint with one signature: {what}")]
    Form {
        /// Which part.
        what: &'static str,
    },
    /// The checkpoint and the key belong to different ledgers.
    #[error("checkpoint of `{observed}` under a key of `{expected}`")]
    Origin {
        /// The origin of the checkpoint.
        observed: String,
        /// The origin of the key.
        expected: String,
    },
    /// Signed by another key of this name.
    #[error("signed by key {observed} instead of {expected}")]
    KeyId {
        /// The id in the signature line.
        observed: String,
        /// The id of the key given.
        expected: String,
    },
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// A batch that lists a record twice.
#[derive(Debug, thiserror::Error)]
#[error("a record is listed twice in one part of a batch")]
pub struct DuplicateRecord;

/// JSON that is not canonical.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not JSON at all, or followed by something.
    #[error("not JSON")]
    NotJson {
        /// Where and why.
        source: serde_json::Error,
    },
    /// The same value has another, canonical spelling.
    #[error("not in canonical form")]
    NotCanonical,
    /// A rule is an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A float, or 2^53 and more.
    #[error("number {observed} is not an integer below 2^53")]
    Number {
        /// The number.
        observed: String,
    },
    /// A key outside ASCII.
    #[error("key {observed:?} is not ASCII")]
    Key {
        /// The key.
        observed: String,
    },
}

/// An entry that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not canonical JSON.
    #[error("entry is not canonical JSON")]
    Canonical {
        /// Why not.
        source: CanonicalError,
    },
    /// More than the two-byte length of a tlog-tiles entry bundle can say.
    #[error("entry of {observed} bytes, at most 65535 can be exported as tlog-tiles")]
    TooLong {
        /// Its length in bytes.
        observed: usize,
    },
    /// A field that every entry has is missing or wrong.
    #[error("field `{field}` is missing or not {expected}")]
    Common {
        /// Which.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A name of the entry is outside its syntax.
    #[error("a common field cannot be used")]
    Name {
        /// Which and why.
        #[from]
        source: NameError,
    },
    /// Another spelling than RFC 3339 in UTC with microseconds.
    #[error("{observed:?} is not an instant of the form 2026-11-23T14:15:00.000000Z")]
    Instant {
        /// The text found.
        observed: String,
    },
    /// An unknown type, an unknown or missing field, or a value of the wrong type.
    #[error("fields do not fit the type of the entry")]
    Schema {
        /// Which.
        source: serde_json::Error,
    },
    /// A body that contradicts itself.
    #[error("contradiction in the entry: {what}")]
    Contradiction {
        /// What does not agree with what.
        what: &'static str,
    },
    /// Read without complaint, but written differently.
    #[error("entry would be written differently")]
    NotCanonical,
}

/// A proof that proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not the text of a proof.
    #[error("not a proof of one record: {what}")]
    Form {
        /// Which part.
        what: &'static str,
    },
    /// The opaque part of the proof is not ours.
    #[error("the `extra` line is not canonical JSON")]
    Extra {
        /// Why not.
        source: CanonicalError,
    },
    /// The fields of the opaque part are not ours.
    #[error("the fields of the `extra` line do not fit")]
    ExtraSchema {
        /// Which.
        source: serde_json::Error,
    },
    /// The entry in the proof cannot be read.
    #[error("the entry in the proof cannot be read")]
    Entry {
        /// Why not.
        source: EntryError,
    },
    /// The checkpoint is not this ledger's.
    #[error("the checkpoint is not signed by this ledger")]
    Checkpoint {
        /// Why not.
        source: CheckpointError,
    },
    /// The entry is not in the ledger.
    #[error("entry {index} is not in the signed ledger")]
    NotInLedger {
        /// The claimed index.
        index: EntryIndex,
        /// Why not.
        source: TreeError,
    },
    /// The entry says nothing of a disposal.
    #[error("entry is of type `{observed}` instead of `batch.committed`")]
    NotADisposal {
        /// Its type.
        observed: &'static str,
    },
    /// The entry says nothing of how thoroughly anything is gone.
    #[error("entry is of type `{observed}` instead of `erasure.level`")]
    NotALevel {
        /// Its type.
        observed: &'static str,
    },
    /// The entry claims a level of other batches, or in another datastore.
    #[error("entry {level} claims no level of the batch in entry {index}")]
    OtherBatch {
        /// The claim.
        level: EntryIndex,
        /// The batch.
        index: EntryIndex,
    },
    /// The entry has no such part, or the part another number of records.
    #[error("part {part} with {n} records is not in the entry")]
    Part {
        /// The claimed part.
        part: u64,
        /// The claimed number of records.
        n: u64,
    },
    /// The entry refers to one that comes after it.
    #[error("entry {index} refers to one that is not before it")]
    Reference {
        /// Its index.
        index: EntryIndex,
    },
    /// The record is not among those the entry counts as disposed of.
    #[error("the record is not in the batch")]
    NotInBatch {
        /// Why not.
        source: TreeError,
    },
}

//! Commitments: what stands for a record in the ledger without naming it.
//!
//! A commitment is a hash over the record's key and a nonce that only the epoch's key can compute. Showing one
//! nonce opens one record and no other; once the epoch's key is destroyed, what was not opened cannot be tried
//! against candidates any more.

use ring::hmac;
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use super::bytes::{bytes_newtype, debug_as_text};
use super::error::DuplicateRecord;
use super::hash::{Hash, leaf_hash, sha256, whole};
use super::tree;

pub use super::name::{BatchId, EpochId};

bytes_newtype! {
    /// What opens one commitment. Without `Debug`: printed, it would give away the record.
    Nonce, 16
}
bytes_newtype! {
    /// SHA-256("R1" ‖ nonce ‖ key), cut to 24 bytes: still 96 bits against collisions.
    Commitment, 24
}
bytes_newtype! {
    /// Finds a record among the state's commitments. May collide; what it finds is to be recomputed.
    Tag, 6
}
bytes_newtype! {
    /// Tells whether a key file is the one that the ledger's `key.epoch` entry announced.
    KeyCheck, 16
}
debug_as_text!(Commitment);
debug_as_text!(Tag);
debug_as_text!(KeyCheck);

/// What stands for a data subject in an entry about an order: SHA-256("S1" ‖ nonce ‖ subject), cut to 24 bytes. The nonce is random,
/// and kept with the order: showing it opens this order's commitment, and no other's.
pub fn commit_subject(nonce: &Nonce, subject: &str) -> Commitment {
    Commitment::from_bytes(cut(sha256(&[b"S1", nonce.as_bytes(), subject.as_bytes()]).as_bytes()))
}

/// The secret that all commitments of one epoch depend on. Its bytes are overwritten when dropped; its schedule, as `ring` keeps it, is not.
pub struct EpochKey {
    bytes: Zeroizing<[u8; 32]>,
    /// The key schedule, computed once: every batch has keys of its own.
    keyed: hmac::Key,
}

/// What computes the tags of one dataset. They stand in the state and in no proof: what is made for short messages is enough for them, and
/// costs a tenth.
pub struct TagKey(SipHasher24);

/// What computes the nonces of one dataset within one batch.
pub struct BatchKey(hmac::Key);

impl EpochKey {
    /// From 32 bytes of a secure random source, or of the epoch's key file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self { keyed: keyed(&bytes), bytes }
    }

    /// The key's bytes, for its file.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The key for the records of `dataset` in `batch`: HMAC-SHA256 over "expunged/batch/1\0" ‖ batch ‖ "\0" ‖
    /// dataset.
    pub fn batch_key(&self, batch: &BatchId, dataset: &str) -> BatchKey {
        let message: [&[u8]; 4] =
            [b"expunged/batch/1\0", batch.as_str().as_bytes(), b"\0", dataset.as_bytes()];
        let key = Zeroizing::new(mac(&self.keyed, &message));
        BatchKey(keyed(&key))
    }

    /// The tag of a record: SipHash-2-4 of its key under the dataset's own key, cut to 6 bytes. The same for every batch of the epoch.
    pub fn tag(&self, dataset: &str, key: &str) -> Tag {
        self.tags(dataset).of(key)
    }

    /// The tags of many records of one dataset, under HMAC-SHA256 over "expunged/tag/2\0" ‖ dataset, cut to 16 bytes.
    pub fn tags(&self, dataset: &str) -> TagKey {
        let message: [&[u8]; 2] = [b"expunged/tag/2\0", dataset.as_bytes()];
        let key = Zeroizing::new(cut(&Zeroizing::new(mac(&self.keyed, &message))));
        TagKey(SipHasher24::new_with_key(&key))
    }

    /// What `key.epoch` announces: HMAC-SHA256 over "expunged/epoch/1\0" ‖ epoch, cut to 16 bytes.
    pub fn check(&self, epoch: &EpochId) -> KeyCheck {
        let message: [&[u8]; 2] = [b"expunged/epoch/1\0", epoch.as_str().as_bytes()];
        KeyCheck::from_bytes(cut(&mac(&self.keyed, &message)))
    }
}

impl TagKey {
    /// The tag of the record with this canonical key text.
    pub fn of(&self, key: &str) -> Tag {
        let [low @ .., _, _] = self.0.hash(key.as_bytes()).to_le_bytes();
        Tag::from_bytes(low)
    }
}

impl BatchKey {
    /// The nonce of the record with this canonical key text: HMAC-SHA256 over it, cut to 16 bytes.
    pub fn nonce(&self, key: &str) -> Nonce {
        Nonce::from_bytes(cut(&mac(&self.0, &[key.as_bytes()])))
    }

    /// The commitment to the record with this canonical key text.
    pub fn commit(&self, key: &str) -> Commitment {
        Commitment::open(&self.nonce(key), key)
    }
}

impl Commitment {
    /// The commitment that this nonce opens as this key; needs no secret.
    pub fn open(nonce: &Nonce, key: &str) -> Self {
        Self(cut(sha256(&[b"R1", nonce.as_bytes(), key.as_bytes()]).as_bytes()))
    }
}

/// The commitments of one part of a batch, sorted, so that their order says nothing about the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitments(Vec<Commitment>);

impl Commitments {
    /// Sorts. Refuses a record that is listed twice: it would count as two disposals.
    pub fn from_unsorted(mut commitments: Vec<Commitment>) -> Result<Self, DuplicateRecord> {
        commitments.sort_unstable();
        if commitments.is_sorted_by(|a, b| a < b) { Ok(Self(commitments)) } else { Err(DuplicateRecord) }
    }

    /// The RFC 6962 root over the commitments as leaves; of none, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        tree::Frontier::from_leaves(self.leaves()).root()
    }

    /// How many records.
    pub fn n(&self) -> u64 {
        self.0.len() as u64
    }

    /// Where a commitment stands, from 0.
    pub fn position(&self, commitment: &Commitment) -> Option<u64> {
        self.0.binary_search(commitment).ok().map(|position| position as u64)
    }

    /// The path from the commitment at a position up to the root; `None` where there is no such position.
    pub fn inclusion(&self, position: u64) -> Option<Vec<Hash>> {
        let leaves: Vec<Hash> = self.leaves().collect();
        tree::inclusion(&leaves, position)
    }

    /// In ascending order.
    pub fn as_slice(&self) -> &[Commitment] {
        &self.0
    }

    fn leaves(&self) -> impl Iterator<Item = Hash> + '_ {
        self.0.iter().map(|commitment| leaf_hash(commitment.as_bytes()))
    }
}

fn keyed(key: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

fn mac(key: &hmac::Key, message: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in message {
        context.update(part);
    }
    whole(context.sign().as_ref())
}

fn cut<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    const { assert!(N <= 32) };
    let mut head = [0; N];
    head.copy_from_slice(&bytes[..N]);
    head
}

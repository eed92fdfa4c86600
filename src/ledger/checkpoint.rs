//! Checkpoints: the signed tree head of the ledger (C2SP tlog-checkpoint, a C2SP signed note).

use super::bytes;
use super::error::CheckpointError;
use super::hash::Hash;
use super::key::{KeyId, Origin, SigningKey, VerifierKey};
use super::tree::TreeSize;

/// The head of one ledger: how many entries it has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: TreeSize,
    root: Hash,
}

/// A checkpoint as text, with one signature. Says nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    key_id: KeyId,
    signature: [u8; 64],
}

impl Checkpoint {
    /// The head of the ledger `origin` at this size.
    pub fn new(origin: Origin, size: TreeSize, root: Hash) -> Self {
        Self { origin, size, root }
    }

    /// Signs the head.
    ///
    /// The caller answers for the log's one duty: never to sign two heads of which one does not extend the other.
    /// Refuses a key of another ledger.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedCheckpoint, CheckpointError> {
        check_origin(&self.origin, key.origin())?;
        let signature = key.sign(self.to_text().as_bytes());
        Ok(SignedCheckpoint { checkpoint: self.clone(), key_id: key.verifier().id(), signature })
    }

    /// The ledger.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The number of entries.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The root over the entries.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The three lines that are signed.
    fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

impl SignedCheckpoint {
    /// Reads the text of a checkpoint without verifying it.
    ///
    /// Accepts exactly what [`SignedCheckpoint::to_text`] writes: no extension lines, and the ledger's signature
    /// alone. The specification has verifiers ignore unknown signatures; in evidence, a line that nobody checks
    /// would be a place to change bytes unseen.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = |what| CheckpointError::Form { what };
        let mut lines = text.split('\n');
        let mut next = |what| lines.next().ok_or(form(what));
        let origin = Origin::parse(next("origin")?).map_err(|_| form("origin"))?;
        let size = next("tree size")?.parse().map_err(|_| form("tree size"))?;
        let root = Hash::parse(next("root hash")?).map_err(|_| form("root hash"))?;
        if !next("empty line")?.is_empty() {
            return Err(form("empty line"));
        }
        let (key_id, signature) = parse_signature(next("signature line")?, &origin)?;
        let checkpoint = Checkpoint::new(origin, TreeSize::new(size), root);
        let signed = Self { checkpoint, key_id, signature };
        // Catches leading zeros, signs, further lines and a missing newline in one go.
        if signed.to_text() == text { Ok(signed) } else { Err(form("spelling")) }
    }

    /// Reads a checkpoint and verifies it.
    pub fn parse_verified(text: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        Self::parse(text)?.verify(key).cloned()
    }

    /// The head, once it is known that the ledger's key signed it.
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, CheckpointError> {
        check_origin(&self.checkpoint.origin, key.origin())?;
        if self.key_id != key.id() {
            return Err(CheckpointError::KeyId {
                observed: self.key_id.to_string(),
                expected: key.id().to_string(),
            });
        }
        let text = self.checkpoint.to_text();
        if key.verifies(text.as_bytes(), &self.signature) {
            Ok(&self.checkpoint)
        } else {
            Err(CheckpointError::Signature)
        }
    }

    /// The signed note, ending in a newline.
    pub fn to_text(&self) -> String {
        let mut signature = self.key_id.as_bytes().to_vec();
        signature.extend_from_slice(&self.signature);
        let Checkpoint { origin, .. } = &self.checkpoint;
        format!("{}\n\u{2014} {origin} {}\n", self.checkpoint.to_text(), bytes::encode(&signature))
    }
}

fn parse_signature(line: &str, origin: &Origin) -> Result<(KeyId, [u8; 64]), CheckpointError> {
    let form = CheckpointError::Form { what: "signature line" };
    let parts: Vec<&str> = line.split(' ').collect();
    let ["\u{2014}", name, signature] = parts[..] else { return Err(form) };
    if name != origin.as_str() {
        return Err(form);
    }
    let Ok(bytes) = bytes::decode_array::<68>(signature) else { return Err(form) };
    let (id, signature) = bytes.split_at(4);
    let (Ok(id), Ok(signature)) = (id.try_into(), signature.try_into()) else { return Err(form) };
    Ok((KeyId::from_bytes(id), signature))
}

fn check_origin(observed: &Origin, expected: &Origin) -> Result<(), CheckpointError> {
    if observed == expected {
        return Ok(());
    }
    Err(CheckpointError::Origin { observed: observed.to_string(), expected: expected.to_string() })
}

//! The ledger's Ed25519 key, in the text forms of C2SP signed notes (golang.org/x/mod/sumdb/note).

use std::fmt;

use ed25519_dalek::{Signature, Signer as _};
use zeroize::Zeroizing;

use super::bytes;
use super::error::KeyError;
use super::hash::sha256;

pub use super::name::Origin;

/// Ed25519 signatures over the note's text, the only type a ledger of ours signs with.
const ED25519: u8 = 0x01;
const SIGNING_FORM: &str = "PRIVATE+KEY+<origin>+<key id, 8 hex digits>+<base64>";
const VERIFIER_FORM: &str = "<origin>+<key id, 8 hex digits>+<base64>";

/// What signs checkpoints. Never printed except by [`SigningKey::to_text`]; overwritten when dropped.
pub struct SigningKey {
    origin: Origin,
    key: ed25519_dalek::SigningKey,
}

/// What an auditor needs to verify proofs: the ledger's origin and its public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    origin: Origin,
    key: ed25519_dalek::VerifyingKey,
}

/// The first four bytes of SHA-256(origin ‖ "\n" ‖ 0x01 ‖ public key): tells keys apart, proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 4]);

impl KeyId {
    pub(super) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    fn check(self, text: &str) -> Result<(), KeyError> {
        let expected = self.to_string();
        if text == expected { Ok(()) } else { Err(KeyError::Id { observed: text.to_owned(), expected }) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl SigningKey {
    /// The key of this ledger from 32 bytes of a secure random source.
    pub fn generate(origin: &Origin, seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { origin: origin.clone(), key: ed25519_dalek::SigningKey::from_bytes(&seed) }
    }

    /// Reads what [`SigningKey::to_text`] writes; one newline may follow.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = strip_newline(text)
            .strip_prefix("PRIVATE+KEY+")
            .ok_or(KeyError::Form { expected: SIGNING_FORM })?;
        let (origin, id, material) = split(rest, SIGNING_FORM)?;
        let seed = Zeroizing::new(decode_material(material)?);
        let key = Self { origin, key: ed25519_dalek::SigningKey::from_bytes(&seed) };
        key.verifier().id().check(id)?;
        Ok(key)
    }

    /// The secret text form: for a file of mode 0600 and nothing else.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut material = Zeroizing::new([0; 33]);
        material[0] = ED25519;
        material[1..].copy_from_slice(self.key.as_bytes());
        let material = Zeroizing::new(bytes::encode(material.as_slice()));
        let id = self.verifier().id().to_string();
        let parts = ["PRIVATE+KEY+", self.origin.as_str(), "+", id.as_str(), "+", material.as_str()];
        // Sized beforehand, since a string that grows leaves its old bytes behind.
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            text.push_str(part);
        }
        text
    }

    /// The ledger this key signs for.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The public half.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { origin: self.origin.clone(), key: self.key.verifying_key() }
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl VerifierKey {
    /// Reads what [`VerifierKey::to_text`] writes; one newline may follow.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (origin, id, material) = split(strip_newline(text), VERIFIER_FORM)?;
        let point = decode_material(material)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&point).map_err(|_| KeyError::Point)?;
        // Under a key of small order, one signature verifies for many texts.
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        let key = Self { origin, key };
        key.id().check(id)?;
        Ok(key)
    }

    /// The public text form.
    pub fn to_text(&self) -> String {
        let mut material = vec![ED25519];
        material.extend_from_slice(self.key.as_bytes());
        format!("{}+{}+{}", self.origin, self.id(), bytes::encode(&material))
    }

    /// The ledger this key verifies.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The key's id in signature lines.
    pub fn id(&self) -> KeyId {
        let hash = sha256(&[self.origin.as_str().as_bytes(), b"\n", &[ED25519], self.key.as_bytes()]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        KeyId([a, b, c, d])
    }

    /// Strict: no signature with a non-canonical scalar or a point of small order, so that no signature has a
    /// second spelling that verifies.
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(text, &Signature::from_bytes(signature)).is_ok()
    }
}

impl serde::Serialize for VerifierKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> serde::Deserialize<'de> for VerifierKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn strip_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// Base64 may contain `+`, an origin and an id cannot: so the first two divide.
fn split<'a>(text: &'a str, expected: &'static str) -> Result<(Origin, &'a str, &'a str), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(origin), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form { expected });
    };
    let origin = Origin::parse(origin).map_err(|source| KeyError::Origin { source })?;
    Ok((origin, id, material))
}

fn decode_material(text: &str) -> Result<[u8; 32], KeyError> {
    let material = bytes::decode_array::<33>(text).map_err(|source| KeyError::Material { source })?;
    let material = Zeroizing::new(material);
    let [kind, key @ ..] = *material;
    if kind == ED25519 { Ok(key) } else { Err(KeyError::Type { observed: kind }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note, which the C2SP formats come from.
    #[test]
    fn the_example_of_the_go_implementation_signs_and_verifies() {
        let key = SigningKey::parse(
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        )
        .unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let mut signature = key.verifier().id().as_bytes().to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        assert_eq!(
            bytes::encode(&signature),
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
        );
        assert_eq!(
            key.verifier().to_text(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
    }
}

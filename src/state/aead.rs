//! Text sealed under a key of the key directory: XChaCha20-Poly1305, with a key derived for the purpose.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::hkdf;
use zeroize::Zeroizing;

use crate::secret::{self, RandomError};

/// What a sealed text is for: none opens as another's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The identities of an open intent's records.
    Identities,
    /// Whom an order is about.
    Subject,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Identities => b"expunged/identities/1",
            Self::Subject => b"expunged/subject/1",
        }
    }
}

/// Encrypts the text; it opens only under the same key, for the same purpose and beside the same name. None: longer than the cipher
/// allows, 256 GiB.
pub(super) fn seal(
    key: &[u8; 32],
    purpose: Purpose,
    name: &str,
    text: &str,
) -> Result<Option<Vec<u8>>, RandomError> {
    let mut nonce = [0; 24];
    secret::fill(&mut nonce)?;
    let payload = Payload { msg: text.as_bytes(), aad: name.as_bytes() };
    let sealed = cipher(key, purpose).encrypt(&XNonce::from(nonce), payload);
    Ok(sealed.ok().map(|sealed| [nonce.as_slice(), &sealed].concat()))
}

/// Opens what [`seal`] encrypted; none: it is something else.
pub(super) fn open(key: &[u8; 32], purpose: Purpose, name: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
    let (nonce, text) = sealed.split_at_checked(24)?;
    let nonce = XNonce::try_from(nonce).ok()?;
    let payload = Payload { msg: text, aad: name.as_bytes() };
    let opened = cipher(key, purpose).decrypt(&nonce, payload).ok()?;
    String::from_utf8(opened).ok().map(Zeroizing::new)
}

fn cipher(key: &[u8; 32], purpose: Purpose) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*derived(key, purpose)).into())
}

/// HKDF-SHA256 without a salt.
fn derived(key: &[u8; 32], purpose: Purpose) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    let label = [purpose.label()];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
    // 32 bytes are far below the 8,160 that it can give.
    let filled = extracted
        .expand(&label, hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(derived.as_mut_slice()));
    assert!(filled.is_ok(), "a fixed length that HKDF allows");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_a_key_as_hkdf_has_it() {
        // Computed by RFC 5869 with Python's `hmac`.
        let hex = |byte: &u8| format!("{byte:02x}");
        let of = |purpose| derived(&[1; 32], purpose).iter().map(hex).collect::<String>();
        assert_eq!(
            of(Purpose::Identities),
            "2e872b2c5857e8270ef9f192d26a6e8a2669565347d697b03d15db517b28b2e7"
        );
        assert_ne!(of(Purpose::Subject), of(Purpose::Identities));
    }
}

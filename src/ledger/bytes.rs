//! Binary values of a fixed length, written as standard base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::BytesError;

/// Standard base64 with padding (RFC 4648, Section 4).
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Refuses everything that [`encode`] would not have written: missing padding, and bits set behind the last
/// byte. A value has one spelling, or a changed byte could go unnoticed.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, BytesError> {
    STANDARD.decode(text).map_err(|source| BytesError::Base64 { source })
}

/// As [`decode`], for a value of exactly `N` bytes.
pub(super) fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], BytesError> {
    let bytes = decode(text)?;
    bytes.as_slice().try_into().map_err(|_| BytesError::Length { observed: bytes.len(), expected: N })
}

/// A newtype over `[u8; N]` whose text, on paper and in JSON, is standard base64.
macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From the one base64 text that `to_string` writes.
            pub fn parse(text: &str) -> Result<Self, $crate::ledger::error::BytesError> {
                $crate::ledger::bytes::decode_array(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::ledger::bytes::encode(&self.0))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Debug as its text, for the values that reveal nothing.
macro_rules! debug_as_text {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

pub(super) use {bytes_newtype, debug_as_text};

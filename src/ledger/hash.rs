//! Leaf and node hashes of RFC 6962, Section 2.1, with SHA-256.

use sha2::{Digest as _, Sha256};

use super::bytes::{bytes_newtype, debug_as_text};

bytes_newtype! {
    /// A SHA-256 hash of a leaf, a node or a whole tree; its text is standard base64.
    Hash, 32
}
debug_as_text!(Hash);

/// The hash of one leaf: SHA-256(0x00 ‖ data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0x00], data])
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right). The prefix keeps a node from passing for a leaf.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// Longer than two blocks, nothing that is hashed once a record is.
const SHORT: usize = 128;

pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    // Nearly all that is hashed here is short, and hashed in one piece costs less than in parts.
    let mut short = [0; SHORT];
    let mut rest = &mut short[..];
    for part in parts {
        let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else {
            return in_parts(parts);
        };
        place.copy_from_slice(part);
        rest = behind;
    }
    let length = SHORT - rest.len();
    Hash::from_bytes(Sha256::digest(&short[..length]).into())
}

fn in_parts(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash::from_bytes(hasher.finalize().into())
}

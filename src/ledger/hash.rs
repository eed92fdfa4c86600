//! Leaf and node hashes of RFC 6962, Section 2.1, with SHA-256.

use ring::digest::{Context, Digest, SHA256, digest};

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
    hash(digest(&SHA256, &short[..length]))
}

fn in_parts(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    hash(context.finish())
}

fn hash(digest: Digest) -> Hash {
    Hash::from_bytes(whole(digest.as_ref()))
}

/// The 32 bytes that SHA-256, and HMAC with it, come to.
pub(super) fn whole(digest: &[u8]) -> [u8; 32] {
    digest.try_into().unwrap_or_else(|_| unreachable!("SHA-256 comes to 32 bytes"))
}

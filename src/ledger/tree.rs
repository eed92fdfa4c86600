//! The Merkle tree of RFC 6962, Section 2.1: roots and inclusion, built and verified.
//!
//! One code for both levels: the ledger's tree over its entries, and each batch's tree over its commitments.
//! Therefore positions and sizes are plain `u64` here; [`EntryIndex`] and [`TreeSize`] are the ledger's own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::TreeError;
use super::hash::{Hash, empty_root, node_hash};

/// The place of an entry in the ledger, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryIndex(u64);

/// The number of entries in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(u64);

impl EntryIndex {
    /// The entry with this many entries before it.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number of entries before this one.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TreeSize {
    /// A tree of this many leaves.
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number of leaves.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The index that the next appended entry will have.
    pub const fn next_index(self) -> EntryIndex {
        EntryIndex(self.0)
    }
}

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right edge of a growing tree: enough to append and to give the root, in memory logarithmic in its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees the size is a sum of, largest first: one for each set bit of `size`.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree with these leaf hashes, in order.
    pub fn from_leaves(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut frontier = Self::default();
        for leaf in leaves {
            frontier.push(leaf);
        }
        frontier
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut subtree = leaf;
        // As in adding one to a binary number: each trailing one is a subtree of the same height to merge with.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                subtree = node_hash(&left, &subtree);
            }
        }
        self.subtrees.push(subtree);
        self.size += 1;
    }

    /// The number of leaves so far.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// The root over the leaves so far; of an empty tree, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let from_the_right = self.subtrees.iter().rev().copied();
        from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// The root over these leaf hashes; of none, SHA-256 of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    Frontier::from_leaves(leaves.iter().copied()).root()
}

/// The audit path of the leaf at `index`, from its sibling up to the root's child (RFC 6962, Section 2.1.1);
/// `None` where there is no such leaf.
///
/// Hashes every other leaf once: linear in the size of the tree.
pub fn inclusion(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let mut index = usize::try_from(index).ok().filter(|index| *index < leaves.len())?;
    let mut rest = leaves;
    let mut path = Vec::new();
    // Ends: the slice at least loses a leaf in every round.
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if index < left.len() {
            path.push(root(right));
            rest = left;
        } else {
            path.push(root(left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with this root
/// (RFC 9162, Section 2.1.3.2, the algorithm for the proofs of RFC 6962).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::OutOfRange { index, size });
    }
    let mut node = index;
    let mut last = size - 1;
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(TreeError::PathLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A right edge that is no complete subtree has no sibling on these levels.
            let levels = if node == 0 { 0 } else { node.trailing_zeros() };
            node >>= levels;
            last >>= levels;
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(TreeError::PathLength);
    }
    if hash == *root { Ok(()) } else { Err(TreeError::Root) }
}

/// The largest power of two smaller than `n`, for `n` above 1: where RFC 6962 divides a tree.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

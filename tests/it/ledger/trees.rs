//! The tree against `ct-merkle` and `tlog_tiles`, which share no code with it or with each other.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use expunged::ledger::hash::{Hash, empty_root, leaf_hash};
use expunged::ledger::tree::{self, Frontier};
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::{Error, HashReader};

struct Oracles {
    leaves: Vec<Hash>,
    ct: MemoryBackedTree<Sha256, Vec<u8>>,
    tlog: Stored,
}

struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

impl Oracles {
    fn of(data: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut oracles = Self { leaves: Vec::new(), ct: MemoryBackedTree::new(), tlog: Stored(Vec::new()) };
        for leaf in data {
            oracles.push(leaf);
        }
        oracles
    }

    fn push(&mut self, leaf: Vec<u8>) {
        let new = tlog_tiles::stored_hashes(self.size(), &leaf, &self.tlog).unwrap();
        self.tlog.0.extend(new);
        self.leaves.push(leaf_hash(&leaf));
        self.ct.push(leaf);
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn root(&self) -> Hash {
        let ct = Hash::from_bytes((*self.ct.root().as_bytes()).into());
        assert_eq!(ct, ours(&tlog_tiles::tree_hash(self.size(), &self.tlog).unwrap()));
        ct
    }

    fn check_inclusion(&self, index: u64) {
        let path = tree::inclusion(&self.leaves, index).unwrap();
        let ct = self.ct.prove_inclusion(usize::try_from(index).unwrap());
        assert_eq!(path.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<_>>(), ct.as_bytes());
        let tlog = tlog_tiles::prove_record(self.size(), index, &self.tlog).unwrap();
        assert_eq!(path, tlog.iter().map(ours).collect::<Vec<_>>());
        let leaf = &self.leaves[usize::try_from(index).unwrap()];
        tree::verify_inclusion(leaf, index, self.size(), &path, &self.root()).unwrap();
    }
}

fn ours(hash: &tlog_tiles::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

fn data(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

#[test]
fn every_tree_up_to_130_leaves_agrees_with_two_other_implementations() {
    let mut oracles = Oracles::of([]);
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), empty_root());
    for n in 0..130 {
        oracles.push(data(n));
        frontier.push(leaf_hash(&data(n)));
        assert_eq!(frontier.size().get(), n + 1);
        assert_eq!(frontier.root(), oracles.root());
        assert_eq!(tree::root(&oracles.leaves), oracles.root());
        for index in 0..=n {
            oracles.check_inclusion(index);
        }
    }
}

#[test]
fn a_proof_of_inclusion_holds_for_no_other_leaf_place_size_or_path() {
    for size in 1..=20_u64 {
        let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&data(n))).collect();
        let root = tree::root(&leaves);
        for index in 0..size {
            let leaf = &leaves[usize::try_from(index).unwrap()];
            let path = tree::inclusion(&leaves, index).unwrap();
            let holds = |leaf: &Hash, index, size, path: &[Hash]| {
                tree::verify_inclusion(leaf, index, size, path, &root).is_ok()
            };
            assert!(holds(leaf, index, size, &path));
            assert!(!holds(&leaf_hash(b"another"), index, size, &path));
            for other in (0..=size + 1).filter(|other| *other != index) {
                assert!(!holds(leaf, other, size, &path), "index {other} for {index} of {size}");
            }
            assert!(!holds(leaf, index, 0, &path));
            assert!(!holds(leaf, u64::MAX, size, &path));
            assert!(!holds(leaf, index, size, &[path.clone(), vec![root]].concat()));
            for missing in 0..path.len() {
                let mut shorter = path.clone();
                shorter.remove(missing);
                assert!(!holds(leaf, index, size, &shorter));
            }
        }
        assert_eq!(tree::inclusion(&leaves, size), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn big_trees_agree_with_two_other_implementations(size in 1_u64..6_000, seed in any::<u64>()) {
        let oracles = Oracles::of((0..size).map(|n| data(n ^ seed)));
        prop_assert_eq!(tree::root(&oracles.leaves), oracles.root());
        for index in [0, seed % size, size / 2, size - 1] {
            oracles.check_inclusion(index);
        }
    }
}

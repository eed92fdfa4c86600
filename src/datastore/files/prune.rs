//! Removing the directories that a disposal emptied.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fd::AsFd as _;
use rustix::fs::{AtFlags, fsync};

use super::Tree;
use super::listed::split;
use crate::hook;

/// Removes what is empty of these directories and, above each removed one, of its parents: never the root, and none of
/// the leading directories that are to stay, whose number stands beside each path.
///
/// Only an empty directory can be removed, so whatever an attacker puts at its path, nothing is lost by it. Nothing
/// here fails: a directory that stays is empty. It is tried again only if a file is put there and goes; after a crash
/// nobody can tell it from one that the application emptied, or made anew (docs/known-limitations.md).
pub(super) fn prune(tree: &Tree, emptied: BTreeMap<&[u8], usize>) {
    let mut levels: BTreeMap<usize, BTreeMap<&[u8], usize>> = BTreeMap::new();
    for (path, keep) in emptied {
        levels.entry(depth(path)).or_default().insert(path, keep);
    }
    let mut touched: BTreeSet<&[u8]> = BTreeSet::new();
    // The deepest first; each turn takes a level away and adds only to the one above.
    while let Some((depth, directories)) = levels.pop_last() {
        for (path, keep) in directories.into_iter().filter(|(_, keep)| depth > *keep) {
            if remove(tree, path) {
                let (parent, _) = split(path);
                touched.remove(path);
                touched.insert(parent);
                let stays = levels.entry(depth - 1).or_default().entry(parent).or_insert(keep);
                *stays = (*stays).max(keep);
            }
        }
    }
    for path in touched {
        hook::reach("prune-sync.before");
        // The files are durably gone already; an empty directory that comes back after a crash holds nothing.
        let _ = tree.directory(path).and_then(fsync);
        hook::reach("prune-sync.after");
    }
}

/// How many directories lie on the way, with the last one; the root is 0.
fn depth(path: &[u8]) -> usize {
    if path.is_empty() { 0 } else { path.split(|b| *b == b'/').count() }
}

#[expect(clippy::disallowed_methods, reason = "a datastore removes what it emptied")]
fn remove(tree: &Tree, path: &[u8]) -> bool {
    let (parent, name) = split(path);
    let Ok(parent) = tree.directory(parent) else { return false };
    hook::reach("prune.before");
    let removed = rustix::fs::unlinkat(parent.as_fd(), name, AtFlags::REMOVEDIR).is_ok();
    hook::reach("prune.after");
    removed
}

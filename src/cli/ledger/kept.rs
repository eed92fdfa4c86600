//! Checkpoints that somebody kept: each has to be a head that the ledger once had, or it is not the ledger that was shown to them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::verify::unreadable;
use super::Failure;
use crate::diagnostic::chain;
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::error::CheckpointError;
use crate::ledger::hash::Hash;
use crate::ledger::key::VerifierKey;
use crate::ledger::tree::{Frontier, TreeSize};

/// One of them, and what the ledger has in its place.
pub(super) struct Kept {
    path: PathBuf,
    head: Result<Checkpoint, CheckpointError>,
    /// The root that the ledger had at that size; none: it has not been so long.
    root: Option<Hash>,
}

impl Kept {
    pub(super) fn read(path: &Path, key: &VerifierKey) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|e| unreadable(path, e))?;
        // What is no text is no checkpoint either, and is refused as one.
        let head = SignedCheckpoint::parse_verified(&String::from_utf8_lossy(&bytes), key);
        Ok(Self { path: path.to_owned(), head, root: None })
    }

    /// Looks at the tree as it was when it had so many entries: to be shown every size, from none on.
    pub(super) fn look(&mut self, tree: &Frontier) {
        if self.head.as_ref().is_ok_and(|head| head.size() == tree.size()) {
            self.root = Some(tree.root());
        }
    }

    pub(super) fn is_continued(&self) -> bool {
        self.head.as_ref().is_ok_and(|head| self.root == Some(head.root()))
    }

    /// `entries`: how many the ledger has.
    pub(super) fn line(&self, entries: TreeSize) -> String {
        let Self { path, head, root } = self;
        let said = match (head, root) {
            (Err(error), _) => format!("NOT VERIFIED: {}", chain(error)),
            (Ok(head), None) => {
                format!("NOT CONTINUED: {} entries were signed, and the ledger has {entries}", head.size())
            }
            (Ok(head), Some(root)) if *root == head.root() => {
                format!("the ledger continues it, from entry {} on", head.size())
            }
            (Ok(head), Some(root)) => format!(
                "NOT CONTINUED: its {} entries were signed with root {}, and the ledger's first ones have root {root}",
                head.size(),
                head.root()
            ),
        };
        format!("checkpoint `{}`: {said}", path.display())
    }

    pub(super) fn object(&self) -> Value {
        let Self { path, head, root } = self;
        json!({
            "file": path.display().to_string(), "continued": self.is_continued(),
            "entries": head.as_ref().ok().map(|head| head.size().get()),
            "signed_root": head.as_ref().ok().map(|head| head.root().to_string()),
            "root": root.map(|root| root.to_string()),
            "error": head.as_ref().err().map(|error| chain(error)),
        })
    }
}

//! The published checkpoint: the signed head of the ledger, as a file beside the state.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::State;
use super::error::StateError;
use super::key_file::replace;
use super::writing::catch_up;
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::tree::{Frontier, TreeSize};

impl State {
    /// Where the checkpoint is published.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.with_added_extension("checkpoint")
    }

    /// Signs the head of the ledger as the disk has it, and publishes it.
    pub async fn publish_checkpoint(&mut self) -> Result<SignedCheckpoint, StateError> {
        self.last_at = catch_up(&mut self.connection, &self.path, &mut self.frontier, self.last_at).await?;
        let signed = self.sign(&self.frontier)?;
        crate::hook::reach("checkpoint.before");
        replace(&self.checkpoint_path(), signed.to_text().as_bytes(), 0o644)?;
        crate::hook::reach("checkpoint.after");
        Ok(signed)
    }

    /// Signs the head that the ledger had at this size, without publishing it; none where it is shorter.
    ///
    /// It is a prefix of what the disk holds, which on opening contained what was published.
    pub async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<SignedCheckpoint>, StateError> {
        let frontier = Frontier::from_leaves(self.leaves(size).await?);
        if frontier.size() == size { self.sign(&frontier).map(Some) } else { Ok(None) }
    }

    pub(super) fn sign(&self, frontier: &Frontier) -> Result<SignedCheckpoint, StateError> {
        let checkpoint = Checkpoint::new(self.signing_key.origin().clone(), frontier.size(), frontier.root());
        checkpoint.sign(&self.signing_key).map_err(StateError::Sign)
    }

    /// Refuses a ledger that no longer contains what was published: an older copy, or one that was rewritten.
    pub(super) async fn check_published(&mut self) -> Result<(), StateError> {
        let path = self.checkpoint_path();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.map_err(|source| StateError::File {
                operation: "read the published checkpoint",
                path: path.clone(),
                source,
            })?),
        };
        let Some(text) = text else {
            self.last_at =
                catch_up(&mut self.connection, &self.path, &mut self.frontier, self.last_at).await?;
            return Ok(());
        };
        let published = SignedCheckpoint::parse_verified(&text, &self.signing_key.verifier())
            .map_err(|source| StateError::Checkpoint { path: path.clone(), source })?;
        let mut all = Frontier::default();
        self.last_at = catch_up(&mut self.connection, &self.path, &mut all, self.last_at).await?;
        let (ours, theirs) = (all.size(), published.size());
        if ours < theirs {
            let what = format!("it has {ours} entries, {theirs} were published");
            return Err(StateError::Regressed { path, what });
        }
        let root = if ours == theirs { all.root() } else { self.root_at(theirs).await? };
        if root != published.root() {
            let what = format!("its first {theirs} entries have another root");
            return Err(StateError::Regressed { path, what });
        }
        self.frontier = all;
        Ok(())
    }

    async fn root_at(&mut self, size: TreeSize) -> Result<crate::ledger::hash::Hash, StateError> {
        let leaves = self.leaves(size).await?;
        Ok(Frontier::from_leaves(leaves).root())
    }
}

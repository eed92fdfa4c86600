//! The published checkpoint: the signed head of the ledger, as a file beside the state.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::State;
use super::error::StateError;
use super::key_file::replace;
use super::leaves::{follow, newest_at};
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::key::SigningKey;
use crate::ledger::tree::{EntryIndex, Frontier, TreeSize};

impl State {
    /// Where the checkpoint is published.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.with_added_extension("checkpoint")
    }

    /// Signs the head of the ledger as the disk has it, and publishes it. Whoever else publishes waits meanwhile, so that what is
    /// published only grows. How many entries it has.
    pub async fn publish_checkpoint(&mut self) -> Result<TreeSize, StateError> {
        let path = self.checkpoint_path();
        let writing = self.write().await?;
        let size = writing.frontier.size();
        let signed = sign(writing.signing_key, &writing.frontier)?;
        // The file's time says when something was added.
        if std::fs::read(&path).is_ok_and(|there| there == signed.to_text().as_bytes()) {
            return Ok(size);
        }
        crate::hook::reach("checkpoint.before");
        replace(&path, signed.to_text().as_bytes(), 0o644)?;
        crate::hook::reach("checkpoint.after");
        writing.commit().await?;
        Ok(size)
    }

    /// Publishes what an order has added: a copy of the state without it is refused from then on.
    pub(super) async fn publish_order(&mut self, entry: EntryIndex) -> Result<(), StateError> {
        match self.publish_checkpoint().await {
            Ok(_) => Ok(()),
            Err(source) => Err(StateError::Unpublished { entry, source: Box::new(source) }),
        }
    }

    /// Signs the head that the ledger had at this size; none where it is shorter.
    ///
    /// It is a prefix of what is published before: a copy of the state that lacks it could else go on otherwise.
    pub async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<SignedCheckpoint>, StateError> {
        self.publish_checkpoint().await?;
        let frontier = self.frontier_at(size).await?;
        if frontier.size() == size { sign(&self.signing_key, &frontier).map(Some) } else { Ok(None) }
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
        let mut frontier = Frontier::default();
        if let Some(text) = text {
            let published = SignedCheckpoint::parse_verified(&text, &self.signing_key.verifier())
                .map_err(|source| StateError::Checkpoint { path: path.clone(), source })?;
            follow(&mut self.connection, &self.path, &mut frontier, published.size()).await?;
            let (ours, theirs) = (frontier.size(), published.size());
            if ours < theirs {
                let what = format!("it has {ours} entries, {theirs} were published");
                return Err(StateError::Regressed { path, what });
            }
            if frontier.root() != published.root() {
                let what = format!("its first {theirs} entries have another root");
                return Err(StateError::Regressed { path, what });
            }
        }
        follow(&mut self.connection, &self.path, &mut frontier, TreeSize::new(u64::MAX)).await?;
        self.last_at = newest_at(&mut self.connection, &self.path).await?;
        self.frontier = frontier;
        Ok(())
    }
}

pub(super) fn sign(key: &SigningKey, frontier: &Frontier) -> Result<SignedCheckpoint, StateError> {
    let checkpoint = Checkpoint::new(key.origin().clone(), frontier.size(), frontier.root());
    checkpoint.sign(key).map_err(StateError::Sign)
}

//! The key files of the epochs that the ledger announced: without one, nothing of its month can be proved.

use std::fmt;
use std::path::PathBuf;

use super::error::StateError;
use super::{State, epoch_file};
use crate::ledger::commitment::{EpochId, EpochKey};
use crate::ledger::entry::KeyEpoch;

/// A key that the ledger announced and that is not in the key directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentKey {
    /// Its epoch.
    pub epoch: EpochId,
    path: PathBuf,
    /// What is there in its place.
    pub instead: Instead,
}

/// What is in the place of an announced key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// No file: it is lost, or somebody destroyed it, as they may.
    Nothing,
    /// A file with something else in it: nobody destroys a key like that.
    Another,
}

impl State {
    /// Those of these epochs whose key file is not the announced one.
    pub fn absent_keys(&self, announced: &[KeyEpoch]) -> Result<Vec<AbsentKey>, StateError> {
        let mut absent = Vec::new();
        for KeyEpoch { epoch, check } in announced {
            let name = epoch_file(epoch);
            let instead = match self.keys.read(&name) {
                Ok(None) => Instead::Nothing,
                Ok(Some(key)) if EpochKey::from_bytes(*key).check(epoch) == *check => continue,
                Ok(Some(_)) | Err(StateError::WrongKey { .. }) => Instead::Another,
                Err(error) => return Err(error),
            };
            absent.push(AbsentKey { epoch: epoch.clone(), path: self.keys.path(&name), instead });
        }
        Ok(absent)
    }
}

impl fmt::Display for AbsentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, path, instead } = self;
        let path = path.display();
        match instead {
            Instead::Nothing => write!(
                f,
                "key file `{path}` is gone: nothing that went in epoch {epoch} can be proved any more, but by proofs that were written \
                 before; restore it, unless it was destroyed on purpose"
            ),
            Instead::Another => write!(
                f,
                "key file `{path}` is not the key that the ledger announced: nothing that went in epoch {epoch} can be proved until the \
                 right one is restored"
            ),
        }
    }
}

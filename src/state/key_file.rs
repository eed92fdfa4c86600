//! Keys, one file each (0600), outside the state and its backups: who destroys an epoch's file ends what could be tried
//! against its commitments.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::StateError;
use crate::ledger::key::SigningKey;
use crate::secret;

/// The directory of epoch and pseudonymization keys.
#[derive(Debug, Clone)]
pub(super) struct KeyDirectory(PathBuf);

impl KeyDirectory {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// The key of that name, if its file is there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, StateError> {
        let path = self.path(name);
        let failed = |source| StateError::File { operation: "read the key file", path: path.clone(), source };
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        file.read_to_end(&mut bytes).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(StateError::WrongKey { path });
        }
        key.copy_from_slice(&bytes);
        Ok(Some(key))
    }

    /// Makes a new key and its file. Durable when it returns: what a key protects never comes before the key.
    pub(super) fn create(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, StateError> {
        let key = secret::random_key()?;
        let directory = &self.0;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| StateError::File {
            operation: "create the directory",
            path: directory.clone(),
            source,
        })?;
        give_to_owner(directory)?;
        write_private(&self.path(name), key.as_slice())?;
        Ok(key)
    }
}

/// Writes a signing key (0600) and, beside it, its verifier key; the path of the latter.
pub fn write_key_pair(path: &Path, key: &SigningKey) -> Result<PathBuf, StateError> {
    let public = path.with_added_extension("vkey");
    write_private(path, format!("{}\n", *key.to_text()).as_bytes())?;
    replace(&public, format!("{}\n", key.verifier().to_text()).as_bytes(), 0o644)?;
    Ok(public)
}

/// Gives a file that root has made to the owner of its directory: where a daemon of its own account keeps its state, it could not
/// open what root made there.
pub(super) fn give_to_owner(path: &Path) -> Result<(), StateError> {
    let failed = |source| StateError::File {
        operation: "give to the owner of its directory",
        path: path.to_owned(),
        source,
    };
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let (made, around) = (path.metadata().map_err(failed)?, directory.metadata().map_err(failed)?);
    // Whoever is not root keeps what they made.
    if made.uid() != 0 || around.uid() == 0 {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(around.uid()), Some(around.gid())).map_err(failed)
}

/// Writes a file that nobody else may read. Appears whole or not at all, and durably.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    replace(path, bytes, 0o600)
}

/// Replaces a file: whole or not at all, and durably.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    let temporary = path.with_added_extension("new");
    let failed = |source| StateError::File { operation: "write", path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary);
    let mut file = file.map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    give_to_owner(&temporary)?;
    crate::hook::reach("rename.before");
    std::fs::rename(&temporary, path).map_err(failed)?;
    crate::hook::reach("rename.after");
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // The rename itself is in the directory.
    File::open(directory).and_then(|d| d.sync_all()).map_err(failed)
}

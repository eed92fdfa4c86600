//! Directories that a person names for something new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{Exit, Failure};

/// A new or empty directory: nothing that is there already may be taken for a part of what is written.
pub(super) fn empty(directory: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(directory).map_err(|e| unusable(directory, "cannot be made", e))?;
    let mut entries = fs::read_dir(directory).map_err(|e| unusable(directory, "cannot be read", e))?;
    if entries.next().is_some() {
        let what = format!("directory `{}` is not empty: name a new one", directory.display());
        return Err(Failure::new(Exit::Usage, anyhow!(what)));
    }
    Ok(directory.to_owned())
}

/// A directory that a person named and that cannot be used is no bug of this program.
pub(super) fn unusable(directory: &Path, why: &str, error: io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::Denied,
        _ => Exit::Usage,
    };
    let what = format!("directory `{}` {why}", directory.display());
    Failure::new(exit, anyhow::Error::new(error).context(what))
}

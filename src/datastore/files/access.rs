//! What the system lets this process do at a path, asked without doing it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fd::AsFd;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::error::said;

/// Why a file or directory cannot be written; none: it can, as far as permissions, the file system and its flags go.
pub fn unwritable(path: &Path) -> Option<&'static str> {
    refused(CWD, path.as_os_str().as_bytes(), Access::WRITE_OK)
}

/// Why a name in a directory cannot be made or removed.
pub fn closed(path: &Path) -> Option<&'static str> {
    refused(CWD, path.as_os_str().as_bytes(), Access::WRITE_OK | Access::EXEC_OK)
}

/// The same for a directory below an open one; an empty path is that itself.
pub(super) fn closed_below(root: impl AsFd, path: &[u8]) -> Option<&'static str> {
    let path = if path.is_empty() { b"." } else { path };
    refused(root, path, Access::WRITE_OK | Access::EXEC_OK)
}

fn refused(at: impl AsFd, path: &[u8], access: Access) -> Option<&'static str> {
    let at = at.as_fd();
    // As whom we act; a sandbox that cannot tell asks as whom we were started.
    let asked = match accessat(at, path, access, AtFlags::EACCESS) {
        Err(Errno::NOSYS | Errno::INVAL) => accessat(at, path, access, AtFlags::empty()),
        asked => asked,
    };
    asked.err().map(said)
}

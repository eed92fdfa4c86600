//! Why a root is refused, and what the system says, in fixed words: its own text names paths.

use rustix::io::Errno;

use crate::datastore::error::EngineError;

/// A root that no file is disposed of in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Whoever may change the link would choose the tree.
    #[error("it is a symbolic link: expected the directory itself; set `root` to where the link leads")]
    Symlink,
    /// A file, or something stranger.
    #[error("it is {observed}: expected a directory")]
    NotDirectory {
        /// What it is.
        observed: &'static str,
    },
    /// Every user of the host may put files, and remove them, where retention is enforced.
    #[error(
        "its mode is {mode:04o}, which lets everyone write: expected no write permission for others; run `chmod o-w` on it"
    )]
    WorldWritable {
        /// The permission bits.
        mode: u32,
    },
    /// A pattern begins with a directory that is not there.
    #[error(
        "there is no directory `{directory}` in it, where files belong that go with records, and nobody can tell them from files that are \
         out of sight: mount what belongs there, or create the directory if nothing was ever put there"
    )]
    NoDirectory {
        /// As the pattern has it: the rule's own words.
        directory: String,
    },
    /// The system does not let us in.
    #[error("it cannot be opened")]
    Unreachable(#[source] EngineError),
}

impl From<Errno> for EngineError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::Denied(said(errno).to_owned()),
            Errno::NOSPC => Self::Full,
            _ => Self::Other(said(errno).to_owned()),
        }
    }
}

/// What the system says, without the path it says it of.
pub(super) fn said(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS => "permission is missing for it or for its directory",
        Errno::PERM => "the system does not permit it: it may be immutable, or owned by another user",
        Errno::ROFS => "the file system is read-only",
        Errno::BUSY => "the system uses it, as a mount point for one",
        Errno::NOENT => "there is nothing at this path",
        Errno::NOTDIR => "a part of the path is not a directory",
        Errno::LOOP => "a symbolic link stands in the path",
        Errno::XDEV => {
            "its path leads out of the tree: a mount point stands in it, or a directory was moved away"
        }
        Errno::MFILE | Errno::NFILE => "too many files are open",
        Errno::NOMEM => "the system is out of memory",
        Errno::IO => "the disk reports an error",
        Errno::STALE => "the file server no longer knows it",
        Errno::NAMETOOLONG => "a name is too long for the file system",
        Errno::NOSYS => "the kernel is too old: expected Linux 4.11 or newer",
        _ => "the system reports an error that has no name here",
    }
}

//! Files: a directory tree whose regular files are records.
//!
//! The root is opened once and pinned; everything beneath is reached from it, directory by open directory, and never by
//! a path that another process may bend meanwhile. A symbolic link is never followed, a mount point never crossed.
//! A file is looked at again right before it goes: another one at its path, or a changed one, stays.

mod access;
mod batch;
mod dispose;
mod error;
mod listed;
mod look;
mod open;
mod pages;
mod plan;
mod privileges;
mod prune;
mod survey;
mod walk;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

pub use self::access::{closed, unwritable};
pub use self::batch::{Identities, Prepared, key, typed_key};
pub use self::error::RootError;
pub use self::listed::{Found, Identity, Listed, Obstacle, Outcome, Presence, Seen, path_value};
pub use self::pages::{FilePage, Pages, find, record};
pub use self::privileges::{privileges, refused};
pub use self::survey::{Survey, survey};
pub use self::walk::Walk;

use self::open::Resolver;
use crate::datastore::DatastoreError;
use crate::model::datastore::{Datastore, Location};
use crate::model::pattern::{Glob, Pattern};

/// The root of a datastore of files.
pub fn root_of(datastore: &Datastore) -> Result<&Path, DatastoreError> {
    match &datastore.location {
        Location::Files(root) => Ok(root),
        Location::Sqlite(_) | Location::Postgres(_) | Location::MariaDb(_) => {
            Err(DatastoreError::WrongKind { expected: "files", found: datastore.kind().as_str() })
        }
    }
}

/// So deep below the root a walk goes: each directory on the way is one open file.
pub const MAX_DEPTH: usize = 64;

/// The root of a files datastore, pinned: whatever its path leads to later, this is the directory that was opened.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
    device: (u32, u32),
    inode: u64,
    /// Where the file system keeps it.
    made: Option<DateTime<Utc>>,
    resolver: Resolver,
}

impl Tree {
    /// Opens and pins the root. Refused: what is no directory, a symbolic link, and what everyone may write to, sticky
    /// or not: whoever may put files there could have them disposed of, or dispose of them first.
    pub fn open(root: &Path) -> Result<Self, DatastoreError> {
        // A slash at the end would follow a link.
        let path: PathBuf = root.components().collect();
        let refused = |source| DatastoreError::Root { path: path.clone(), source };
        let unreachable = |errno: Errno| refused(RootError::Unreachable(errno.into()));
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let named =
            rustix::fs::open(path.as_os_str().as_bytes(), flags, Mode::empty()).map_err(unreachable)?;
        let stat = open::stat(named.as_fd(), b"").map_err(unreachable)?;
        check(&stat).map_err(refused)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&named, c".", flags, Mode::empty()).map_err(unreachable)?;
        let made = open::made(root.as_fd()).map_err(unreachable)?;
        let resolver = Resolver::of(root.as_fd());
        Ok(Self { root, path, device: device(&stat), inode: stat.stx_ino, made, resolver })
    }

    /// Which directory this is, for the record: another one at the same path has another. By the number of its file system it could not
    /// be told, which changes with the order of mounts.
    pub fn identity(&self) -> String {
        match self.made {
            Some(made) => {
                format!("inode {}, made {}", self.inode, made.to_rfc3339_opts(SecondsFormat::Nanos, true))
            }
            None => format!("inode {}", self.inode),
        }
    }

    /// Whether it is the directory that was recorded so. A kernel may have learned since to tell when one was made.
    pub fn is_recorded(&self, recorded: &str) -> bool {
        let identity = self.identity();
        let more = identity.strip_prefix(recorded).or_else(|| recorded.strip_prefix(&identity));
        more.is_some_and(|more| more.is_empty() || more.starts_with(", made "))
    }

    /// Whether it has no entry at all.
    pub fn is_bare(&self) -> Result<bool, DatastoreError> {
        let bare = self.directory(b"").and_then(|root| walk::is_bare(&root));
        bare.map_err(|errno| DatastoreError::Root {
            path: self.path.clone(),
            source: RootError::Unreachable(errno.into()),
        })
    }

    /// Whether the path leads to another directory now, or nowhere: what the application uses is not what is swept.
    pub fn moved(&self) -> bool {
        let path = self.path.as_os_str().as_bytes();
        let now = open::stat(rustix::fs::CWD, path);
        !now.is_ok_and(|now| (device(&now), now.stx_ino) == (self.device, self.inode))
    }

    /// Refused: a tree without the directories that a dependent's pattern begins with. So looks a root that is not mounted, and all that
    /// hangs on a record would seem to be gone.
    pub fn expect(&self, pattern: &Pattern) -> Result<(), DatastoreError> {
        let directory = pattern.leading();
        match self.directory(directory.as_bytes()) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let source = RootError::NoDirectory { directory };
                Err(DatastoreError::Root { path: self.path.clone(), source })
            }
            // A walk says what else is in the way, and keeps the records.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Goes through the files that any of the globs stands for, each once, in no particular order but directory by
    /// directory. Blocking. Holds the open directories on the way and one piece of each one's listing, never a list of
    /// the tree; what comes and goes meanwhile may be seen or not.
    pub fn walk(self: &Arc<Self>, globs: Vec<Glob>) -> Walk {
        Walk::new(Arc::clone(self), globs)
    }

    /// Disposes of these files, with one outcome for each, in their order. Blocking.
    ///
    /// Each directory is opened anew from the root, and each file looked at again: it goes only if it is the file that
    /// was listed, unchanged, with no other name. `Disposed` is durable: its directory was synced. Directories that
    /// this emptied go too, down to what [`Listed::keep`] spares; one that a crash leaves is empty, and stays.
    /// Idempotent: a file that is gone is `AlreadyGone`.
    pub fn dispose(&self, files: &[Listed]) -> Vec<Outcome> {
        dispose::dispose(self, files)
    }

    /// What is at the path of each file now, in their order. Blocking. For recovery: it changes nothing,
    /// and what it calls `Gone` is gone from the disk.
    pub fn look(&self, files: &[Listed]) -> Vec<Presence> {
        look::look(self, files)
    }

    /// The regular file at a path, if there is one.
    fn find(&self, path: &[u8]) -> Option<Found> {
        let (directory, name) = listed::split(path);
        let directory = self.directory(directory).ok()?;
        let stat = open::stat(directory.as_fd(), name).ok()?;
        let found = || {
            let listed = Listed { path: path.to_vec(), identity: self.identify(&stat), keep: 0 };
            Found { listed, modified_micros: listed::modified_micros(&stat), links: stat.stx_nlink }
        };
        (open::kind(&stat) == FileType::RegularFile).then(found)
    }

    /// Which file below the root this is.
    fn identify(&self, stat: &Statx) -> Identity {
        Identity::of(stat, device(stat) != self.device)
    }

    /// Opens a directory by its path below the root, as [`Resolver::directory`] does.
    fn directory(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        self.resolver.directory(self.root.as_fd(), path)
    }
}

fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}

fn check(stat: &Statx) -> Result<(), RootError> {
    match open::kind(stat) {
        FileType::Directory => {}
        FileType::Symlink => return Err(RootError::Symlink),
        FileType::RegularFile => return Err(RootError::NotDirectory { observed: "a file" }),
        _ => return Err(RootError::NotDirectory { observed: "a socket, a pipe or a device" }),
    }
    let mode = u32::from(stat.stx_mode) & 0o7777;
    if mode & 0o002 != 0 { Err(RootError::WorldWritable { mode }) } else { Ok(()) }
}

//! Going through a tree: a stack of open directories, each with one piece of its listing.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{FileType, RawDir, Statx};
use rustix::io::Errno;

use super::error::said;
use super::listed::{Found, Listed, Obstacle, Seen, modified_micros};
use super::open::{is_mounted, kind, stat};
use super::plan::{Plan, Step};
use super::{MAX_DEPTH, Tree};
use crate::datastore::DatastoreError;

/// One piece of a listing: some 800 names of usual length. The deepest walk holds 64 of them.
const PIECE: usize = 32 * 1024;

/// A walk through a tree, by [`Tree::walk`]. After an error it has ended.
pub struct Walk {
    tree: Arc<Tree>,
    /// The plan of the root, until it is opened.
    start: Option<Plan>,
    stack: Vec<Frame>,
    /// The path of the directory on top of the stack, with a `/` behind it; the root's is empty.
    path: Vec<u8>,
    buffer: Vec<u8>,
}

/// A directory on the way.
struct Frame {
    directory: OwnedFd,
    stat: Statx,
    plan: Plan,
    /// How long the walk's path was above it.
    above: usize,
    /// The last entry comes first.
    entries: Vec<Entry>,
    /// Whether the directory may hold more than `entries`.
    more: bool,
}

struct Entry {
    name: CString,
    /// As the listing says it, which some file systems do not.
    kind: FileType,
    inode: u64,
}

impl Walk {
    pub(super) fn new(tree: Arc<Tree>, globs: Vec<crate::model::pattern::Glob>) -> Self {
        let start = Some(Plan::root(globs));
        Self { tree, start, stack: Vec::new(), path: Vec::new(), buffer: Vec::with_capacity(PIECE) }
    }

    /// Looks at one entry of the directory on top.
    fn visit(&mut self, entry: &Entry) -> Result<Option<Seen>, Errno> {
        let Some(frame) = self.stack.last() else { return Ok(None) };
        let step = frame.plan.step(entry.name.to_bytes());
        let (here, beneath) = (step.file.is_some(), !step.beneath.is_empty());
        let wanted = match entry.kind {
            FileType::Directory => beneath,
            FileType::Unknown | FileType::Symlink => here || beneath,
            _ => here,
        };
        if !wanted {
            return Ok(None);
        }
        if entry.kind == FileType::Directory {
            return self.descend(&entry.name, &step);
        }
        let stat = match stat(frame.directory.as_fd(), entry.name.to_bytes()) {
            Ok(stat) => stat,
            Err(errno) => return passed(errno),
        };
        match (kind(&stat), step.file) {
            (FileType::Directory, _) if beneath => self.descend(&entry.name, &step),
            (FileType::Symlink, _) => Ok(Some(Seen::Obstacle(Obstacle::Symlink))),
            (FileType::Directory, _) | (_, None) => Ok(None),
            (_, Some(_)) if is_mounted(&stat, &frame.stat) => Ok(Some(Seen::Obstacle(Obstacle::MountPoint))),
            (FileType::RegularFile, Some(keep)) => Ok(Some(Seen::File(self.found(&entry.name, &stat, keep)))),
            (_, Some(_)) => Ok(Some(Seen::Obstacle(Obstacle::Special))),
        }
    }

    fn found(&self, name: &CStr, stat: &Statx, keep: usize) -> Found {
        let path = [&self.path, name.to_bytes()].concat();
        let keep = u32::try_from(keep).unwrap_or(u32::MAX);
        let listed = Listed { path, identity: self.tree.identify(stat), keep };
        Found { listed, modified_micros: modified_micros(stat), links: stat.stx_nlink }
    }

    /// Puts a directory on top of the stack.
    fn descend(&mut self, name: &CStr, step: &Step) -> Result<Option<Seen>, Errno> {
        let Some(frame) = self.stack.last() else { return Ok(None) };
        if self.stack.len() > MAX_DEPTH {
            return Ok(Some(Seen::Obstacle(Obstacle::TooDeep)));
        }
        let opened = self.tree.resolver.step(frame.directory.as_fd(), name.to_bytes());
        let plan = frame.plan.beneath(&step.beneath);
        match opened.and_then(|directory| Frame::new(directory, plan, self.path.len())) {
            Ok(frame) => self.stack.push(frame),
            // Every file system of its kind has one at its top; the application has nothing in it.
            Err(Errno::ACCESS | Errno::PERM) if self.stack.len() == 1 && name == c"lost+found" => {
                return Ok(None);
            }
            Err(errno) => return passed(errno),
        }
        self.path.extend_from_slice(name.to_bytes());
        self.path.push(b'/');
        Ok(None)
    }

    /// The next entry of the directory on top; `None` leaves that directory.
    fn entry(&mut self) -> Option<Result<Entry, Errno>> {
        let frame = self.stack.last_mut()?;
        if frame.entries.is_empty() && frame.more {
            frame.more = false;
            match piece(&frame.directory, &mut self.buffer) {
                Ok(entries) => {
                    frame.more = !entries.is_empty();
                    frame.entries = entries;
                }
                Err(errno) => return Some(Err(errno)),
            }
        }
        if let Some(entry) = frame.entries.pop() {
            return Some(Ok(entry));
        }
        self.path.truncate(frame.above);
        self.stack.pop();
        None
    }

    /// Opens the root on the first call.
    fn begin(&mut self) -> Result<(), Errno> {
        let Some(plan) = self.start.take() else { return Ok(()) };
        let root = self.tree.directory(b"")?;
        self.stack.push(Frame::new(root, plan, 0)?);
        Ok(())
    }

    fn ended(&mut self, errno: Errno) -> DatastoreError {
        self.stack.clear();
        DatastoreError::Statement { operation: "go through the files", source: errno.into() }
    }
}

impl Iterator for Walk {
    type Item = Result<Seen, DatastoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(errno) = self.begin() {
            return Some(Err(self.ended(errno)));
        }
        // It ends with the tree: each turn uses up an entry, or a directory.
        while !self.stack.is_empty() {
            let seen = match self.entry() {
                None => continue,
                Some(Ok(entry)) => self.visit(&entry),
                Some(Err(errno)) => passed(errno),
            };
            match seen {
                Ok(None) => {}
                Ok(Some(seen)) => return Some(Ok(seen)),
                Err(errno) => return Some(Err(self.ended(errno))),
            }
        }
        None
    }
}

impl Frame {
    fn new(directory: OwnedFd, plan: Plan, above: usize) -> Result<Self, Errno> {
        let stat = stat(directory.as_fd(), b"")?;
        let known = plan.names().map(|names| {
            // A name with a NUL in it is no file's.
            let names = names.filter_map(|name| CString::new(name).ok());
            names.map(|name| Entry { name, kind: FileType::Unknown, inode: 0 }).collect()
        });
        let more = known.is_none();
        Ok(Self { directory, stat, plan, above, entries: known.unwrap_or_default(), more })
    }
}

/// What an error at one name means: nothing if the name is gone, the end if nothing else could be opened either.
fn passed(errno: Errno) -> Result<Option<Seen>, Errno> {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Ok(None),
        Errno::LOOP => Ok(Some(Seen::Obstacle(Obstacle::Symlink))),
        Errno::XDEV => Ok(Some(Seen::Obstacle(Obstacle::MountPoint))),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSYS => Err(errno),
        other => Ok(Some(Seen::Obstacle(Obstacle::Unreadable(said(other))))),
    }
}

/// Whether a directory that was just opened has no entry.
pub(super) fn is_bare(directory: &OwnedFd) -> Result<bool, Errno> {
    Ok(piece(directory, &mut Vec::with_capacity(PIECE))?.is_empty())
}

/// Reads on in a directory: the last entry comes first. Nothing is the end.
///
/// Files come before directories, so that one directory's files are disposed of together, and in the order of their
/// inodes, which is the order they lie in on most disks.
fn piece(directory: &OwnedFd, buffer: &mut Vec<u8>) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    let mut listing = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            let (kind, inode) = (entry.file_type(), entry.ino());
            entries.push(Entry { name: entry.file_name().to_owned(), kind, inode });
        }
        // A piece that held nothing but `.` and `..` is not the end.
        if listing.is_buffer_empty() && !entries.is_empty() {
            break;
        }
    }
    entries.sort_unstable_by_key(|e| (e.kind != FileType::Directory, std::cmp::Reverse(e.inode)));
    Ok(entries)
}

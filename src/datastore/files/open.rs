//! How a directory below the root is opened, so that no link and no mount leads out of the tree.

use chrono::{DateTime, Utc};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags, openat, openat2, statx,
};
use rustix::io::{Errno, Result, retry_on_intr};

/// How a directory is opened. Without NOFOLLOW, which would make the kernel call a link at the end of a path no directory,
/// as if nothing were there: `NO_SYMLINKS` refuses it as what it is.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The same where the kernel has no `NO_SYMLINKS`.
const NOFOLLOW: OFlags = DIRECTORY.union(OFlags::NOFOLLOW);

/// What the kernel promises for each step of a path.
const WITHIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What is asked about a file: its kind, its identity, its modification time and its number of names.
const ASKED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::INO)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME);

/// Who sees to it that a path stays in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolver {
    /// The kernel, for a whole path at once (Linux 5.6).
    Kernel,
    /// We, one component after the other: a kernel before 5.6, or a sandbox that hides the call.
    Steps,
}

impl Resolver {
    /// Which of the two this host allows, tried on an open directory.
    pub(super) fn of(root: BorrowedFd<'_>) -> Self {
        // Opening a directory that is open already fails for no other reason than that the call is not there.
        match openat2(root, c".", DIRECTORY, Mode::empty(), WITHIN) {
            Ok(_) if !crate::hook::without_openat2() => Self::Kernel,
            Ok(_) | Err(_) => Self::Steps,
        }
    }

    /// Opens a directory by its path below `root`; an empty path is `root` itself, with a reading position of its own.
    ///
    /// `LOOP` is a symbolic link in the path, in the last component as in any other. `XDEV` is a mount point, or a directory
    /// that was moved out of the tree while it was being opened.
    pub(super) fn directory(self, root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
        if path.is_empty() {
            return retry_on_intr(|| openat(root, c".", DIRECTORY, Mode::empty()));
        }
        if self == Self::Kernel {
            match retry_on_intr(|| openat2(root, path, DIRECTORY, Mode::empty(), WITHIN)) {
                // The path as a whole, that is: a deep tree has longer ones than the system takes.
                Err(Errno::NAMETOOLONG) => {}
                opened => return opened,
            }
        }
        let mut names = path.split(|b| *b == b'/');
        let first = self.step(root, names.next().unwrap_or_default())?;
        names.try_fold(first, |at, name| self.step(at.as_fd(), name))
    }

    /// Opens a directory by its name in another.
    pub(super) fn step(self, at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
        match self {
            Self::Kernel => retry_on_intr(|| openat2(at, name, DIRECTORY, Mode::empty(), WITHIN)),
            Self::Steps => {
                let opened = retry_on_intr(|| openat(at, name, NOFOLLOW, Mode::empty()));
                let below = match opened {
                    // NOFOLLOW and DIRECTORY together call a link no directory.
                    Err(Errno::NOTDIR) if is_symlink(at, name) => return Err(Errno::LOOP),
                    opened => opened?,
                };
                let (outer, inner) = (stat(at, b"")?, stat(below.as_fd(), b"")?);
                if is_mounted(&inner, &outer) { Err(Errno::XDEV) } else { Ok(below) }
            }
        }
    }
}

/// What a name in a directory is, itself and not where it leads; an empty name is the directory.
pub(super) fn stat(at: BorrowedFd<'_>, name: &[u8]) -> Result<Statx> {
    ask(at, name, AtFlags::empty())
}

/// The same as the server of a network file system has it now, and not as this host remembers it from some seconds ago: before
/// something irreversible, and as evidence.
pub(super) fn stat_now(at: BorrowedFd<'_>, name: &[u8]) -> Result<Statx> {
    ask(at, name, AtFlags::STATX_FORCE_SYNC)
}

fn ask(at: BorrowedFd<'_>, name: &[u8], sync: AtFlags) -> Result<Statx> {
    let alone = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::empty() };
    let flags = alone | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | sync;
    retry_on_intr(|| statx(at, name, flags, ASKED))
}

/// When a directory was made; none: its file system does not say.
pub(super) fn made(directory: BorrowedFd<'_>) -> Result<Option<DateTime<Utc>>> {
    let stat = retry_on_intr(|| statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME))?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Ok(known.then(|| DateTime::from_timestamp(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)).flatten())
}

/// Whether something is mounted on a name. Kernels before 5.8 do not say; there, another device is taken for a mount.
pub(super) fn is_mounted(stat: &Statx, directory: &Statx) -> bool {
    if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    } else {
        (stat.stx_dev_major, stat.stx_dev_minor) != (directory.stx_dev_major, directory.stx_dev_minor)
    }
}

/// What kind of thing it is.
pub(super) fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn is_symlink(at: BorrowedFd<'_>, name: &[u8]) -> bool {
    stat(at, name).is_ok_and(|stat| kind(&stat) == FileType::Symlink)
}

//! What a walk finds, and what a disposal and a look have to say of it.

use rustix::fs::Statx;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::key::NOT_UTF8;
use crate::model::value::Value;

/// Which file it was: another one at its path, or a change of this one, differs in one of these.
///
/// The change time moves with everything that is done to a file but reading it, and no program can set it. Kernels
/// before 6.13 count it in ticks of up to 10 ms: what changes within the tick of its listing is not told apart.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Whether it is on another file system than the root, as in a subvolume. Which one, the system numbers anew with every mount.
    pub elsewhere: bool,
    /// Within it; used again once a file is gone.
    pub inode: u64,
    /// Of the change time, since 1970.
    pub seconds: i64,
    /// Of the change time, below a second.
    pub nanoseconds: u32,
}

impl Identity {
    pub(super) fn of(stat: &Statx, elsewhere: bool) -> Self {
        Self {
            elsewhere,
            inode: stat.stx_ino,
            seconds: stat.stx_ctime.tv_sec,
            nanoseconds: stat.stx_ctime.tv_nsec,
        }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<identity>")
    }
}

/// A file, as it was listed. Its `Debug` prints nothing: a path may be personal data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Relative to the root.
    #[serde(serialize_with = "write_path", deserialize_with = "read_path")]
    pub path: Vec<u8>,
    /// Which file was there.
    pub identity: Identity,
    /// How many leading directories of the path stay when they become empty.
    pub keep: u32,
}

impl Listed {
    /// The path as the value of a record's key.
    pub fn key(&self) -> Value {
        path_value(&self.path)
    }

    /// The directory it is in, relative to the root, and its name there.
    pub(super) fn split(&self) -> (&[u8], &[u8]) {
        split(&self.path)
    }
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<file>")
    }
}

/// The directory of a path, and the name in it.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.iter().rposition(|b| *b == b'/').map_or((&[], path), |slash| (&path[..slash], &path[slash + 1..]))
}

/// A path as a value: text where text can hold it and cannot be taken for bytes, else bytes.
pub fn path_value(path: &[u8]) -> Value {
    match std::str::from_utf8(path) {
        Ok(text) if !text.starts_with("hex:") && !text.contains(NOT_UTF8) => Value::Text(text.to_owned()),
        Ok(_) | Err(_) => Value::Blob(path.to_vec()),
    }
}

fn write_path<S: Serializer>(path: &[u8], out: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write as _;
    if let Value::Text(text) = path_value(path) {
        return out.serialize_str(&text);
    }
    let mut text = String::from("hex:");
    for byte in path {
        let _ = write!(text, "{byte:02x}");
    }
    out.serialize_str(&text)
}

/// A path as a person types it; none: what follows `hex:` are no bytes.
pub(super) fn typed(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("hex:") else { return Some(text.as_bytes().to_vec()) };
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pair = |two: &[u8]| match two {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn read_path<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
    let bytes = typed(&String::deserialize(input)?);
    // The text itself stays out of the message: it is a path.
    bytes.ok_or_else(|| de::Error::custom("a path after `hex:` is not a row of hexadecimal pairs"))
}

/// A regular file that a glob stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is, and which file it is.
    pub listed: Listed,
    /// When its content last changed, in microseconds since 1970 UTC, rounded up: never earlier than it was.
    pub modified_micros: i64,
    /// How many names it has; only a file with one can be disposed of.
    pub links: u32,
}

/// The modification time, rounded up; an instant beyond the range is its end.
pub(super) fn modified_micros(stat: &Statx) -> i64 {
    let below = i64::from(stat.stx_mtime.tv_nsec.div_ceil(1000));
    stat.stx_mtime.tv_sec.saturating_mul(1_000_000).saturating_add(below)
}

/// Something that a glob reaches and that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// Another file system, or another part of this one, is mounted here, or the directory is
    /// being moved out of the tree. What is beneath is not ours.
    MountPoint,
    /// A symbolic link. It is never followed, and never a record.
    Symlink,
    /// A socket, a pipe or a device.
    Special,
    /// More than [`MAX_DEPTH`](super::MAX_DEPTH) directories below the root.
    TooDeep,
    /// The system does not show it, and says why.
    Unreadable(&'static str),
}

impl Obstacle {
    /// Whether records may lie behind it that no walk sees; else it is itself no record, and that is all.
    pub fn hides(self) -> bool {
        match self {
            Self::MountPoint | Self::TooDeep | Self::Unreadable(_) => true,
            Self::Symlink | Self::Special => false,
        }
    }

    /// Its kind, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MountPoint => "mount point",
            Self::Symlink => "symbolic link",
            Self::Special => "socket, pipe or device",
            Self::TooDeep => "more than 64 directories deep",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// What a walk comes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A file that may be a record.
    File(Found),
    /// Something else, to be counted and said.
    Obstacle(Obstacle),
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its name is gone, and so is the directory's entry on the disk.
    Disposed,
    /// There was nothing at its path.
    AlreadyGone,
    /// Something else is at its path, or the file was changed: left alone.
    Changed,
    /// It is there, and stays, for this reason.
    Refused(&'static str),
    /// Whether it will be there after a crash cannot be told, for this reason.
    Unknown(&'static str),
}

/// What is at a file's path now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The file that was listed, as it was.
    Unchanged,
    /// Nothing.
    Gone,
    /// Something else, or the file after a change.
    Changed,
    /// It cannot be looked at, for this reason.
    Unknown(&'static str),
}

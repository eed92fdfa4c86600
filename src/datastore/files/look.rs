//! Looking at listed files again, directory by directory.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, fsync};
use rustix::io::Errno;

use super::Tree;
use super::error::said;
use super::listed::{Listed, Presence};
use super::open::{kind, stat_now};

/// The files of one directory, by their number in the list.
pub(super) struct Group<'l> {
    pub directory: &'l [u8],
    pub numbers: Vec<usize>,
}

/// Gathers the files of each directory, however they are listed.
pub(super) fn grouped(files: &[Listed]) -> Vec<Group<'_>> {
    let mut numbers: Vec<usize> = (0..files.len()).collect();
    // Stable, and cheap where a walk's order is kept: within a directory the order stays.
    numbers.sort_by_key(|number| files[*number].split().0);
    let groups = numbers.chunk_by(|a, b| files[*a].split().0 == files[*b].split().0);
    groups.map(|group| Group { directory: files[group[0]].split().0, numbers: group.to_vec() }).collect()
}

/// What is at the path of each file. What is gone is durably gone: its directory is synced, and a directory that is gone
/// itself was synced before it went.
pub(super) fn look(tree: &Tree, files: &[Listed]) -> Vec<Presence> {
    let mut present = vec![Presence::Unknown("it was not looked at"); files.len()];
    for group in grouped(files) {
        let directory = open(tree, group.directory);
        for &number in &group.numbers {
            present[number] = match &directory {
                Ok(directory) => at(tree, directory, &files[number]).0,
                Err(presence) => *presence,
            };
        }
        let gone = |number: &&usize| present[**number] == Presence::Gone;
        let gone: Vec<usize> = group.numbers.iter().filter(gone).copied().collect();
        // A process that died between unlink and sync leaves what is gone until the power fails.
        if let Ok(directory) = directory
            && !gone.is_empty()
            && fsync(directory).is_err()
        {
            for number in gone {
                present[number] = Presence::Unknown("its directory could not be synced");
            }
        }
    }
    present
}

/// Opens the directory of listed files; where it cannot be opened, what that says of each of them.
pub(super) fn open(tree: &Tree, directory: &[u8]) -> Result<OwnedFd, Presence> {
    // The list may come from the state; a path that leaves the root is not one that we wrote.
    let strange = |name: &[u8]| matches!(name, b"" | b"." | b"..");
    if !directory.is_empty() && directory.split(|b| *b == b'/').any(strange) {
        return Err(Presence::Unknown("its path is not one below the root"));
    }
    tree.directory(directory).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => Presence::Gone,
        Errno::LOOP => Presence::Changed,
        other => Presence::Unknown(said(other)),
    })
}

/// What is at a file's name in its directory, and how many names the file has.
pub(super) fn at(tree: &Tree, directory: impl AsFd, file: &Listed) -> (Presence, u32) {
    let directory: BorrowedFd<'_> = directory.as_fd();
    let (_, name) = file.split();
    if matches!(name, b"" | b"." | b"..") {
        return (Presence::Unknown("its path is not one below the root"), 0);
    }
    match stat_now(directory, name) {
        Ok(now) if kind(&now) == FileType::RegularFile && tree.identify(&now) == file.identity => {
            (Presence::Unchanged, now.stx_nlink)
        }
        Ok(_) => (Presence::Changed, 0),
        Err(Errno::NOENT) => (Presence::Gone, 0),
        Err(errno) => (Presence::Unknown(said(errno)), 0),
    }
}

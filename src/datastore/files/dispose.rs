//! Unlinking listed files, and making it durable.

use std::collections::BTreeMap;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, fsync};
use rustix::io::Errno;

use super::Tree;
use super::error::said;
use super::listed::{Listed, Outcome, Presence};
use super::look::{Group, at, grouped, open};
use super::prune::prune;
use crate::hook;

/// So many directories stay open between their unlinks and their sync. Syncing them together pays: on ext4 the first
/// commits the journal for the rest. Two threads hold 256, a quarter of what a process may open by default.
const OPEN_AT_ONCE: usize = 128;

/// From so many files on, a second thread is worth its start (docs/measurements.md).
const SHARED_FROM: usize = 256;

/// Disposes of the files, and removes the directories that this emptied.
pub(super) fn dispose(tree: &Tree, files: &[Listed]) -> Vec<Outcome> {
    let groups = grouped(files);
    let mut outcomes = vec![Outcome::Refused("its turn did not come"); files.len()];
    let (first, second) = groups.split_at(half(&groups, files.len()));
    let done = std::thread::scope(|scope| {
        let other = (!second.is_empty()).then(|| scope.spawn(|| part(tree, files, second)));
        let mut done = part(tree, files, first);
        match other.map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(others)) => done.extend(others),
            // What it did before it fell is not known.
            Some(Err(_)) => done.extend(
                second
                    .iter()
                    .flat_map(|g| &g.numbers)
                    .map(|n| (*n, Outcome::Unknown("the thread that disposed of it failed"))),
            ),
            None => {}
        }
        done
    });
    for (number, outcome) in done {
        outcomes[number] = outcome;
    }
    prune(tree, emptied(files, &outcomes));
    outcomes
}

/// Where to cut the groups, so that each thread has half of the files; behind the last one, where one thread does.
fn half(groups: &[Group<'_>], files: usize) -> usize {
    if files < SHARED_FROM {
        return groups.len();
    }
    let mut counted = 0;
    let below = groups.iter().take_while(|group| {
        counted += group.numbers.len();
        counted <= files / 2
    });
    below.count().max(1)
}

/// The directories that files went from, and how many leading ones of each are to stay.
fn emptied<'l>(files: &'l [Listed], outcomes: &[Outcome]) -> BTreeMap<&'l [u8], usize> {
    let mut emptied = BTreeMap::new();
    for (file, _) in files.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Disposed) {
        let keep = usize::try_from(file.keep).unwrap_or(usize::MAX);
        let stays = emptied.entry(file.split().0).or_insert(keep);
        *stays = keep.max(*stays);
    }
    emptied
}

/// Disposes of the files of some directories: all unlinks of as many as may be open, then all their syncs.
fn part(tree: &Tree, files: &[Listed], groups: &[Group<'_>]) -> Vec<(usize, Outcome)> {
    let mut done = Vec::new();
    for groups in groups.chunks(OPEN_AT_ONCE) {
        let mut touched: Vec<(OwnedFd, usize)> = Vec::new();
        for group in groups {
            let directory = match open(tree, group.directory) {
                Ok(directory) => directory,
                Err(presence) => {
                    done.extend(group.numbers.iter().map(|number| (*number, unreached(presence))));
                    continue;
                }
            };
            let first = done.len();
            let unlinked = group.numbers.iter().map(|n| (*n, unlink(tree, directory.as_fd(), &files[*n])));
            done.extend(unlinked);
            let gone = |(_, outcome): &(usize, Outcome)| *outcome == Outcome::Disposed;
            if done[first..].iter().any(gone) {
                touched.push((directory, first));
            }
        }
        sync(&touched, &mut done);
    }
    done
}

/// Syncs directories; where that fails, nobody knows what a crash would bring back of the files that went from them.
/// Each directory comes with the place where its outcomes begin.
fn sync(touched: &[(OwnedFd, usize)], done: &mut [(usize, Outcome)]) {
    for (at, (directory, first)) in touched.iter().enumerate() {
        hook::reach("directory-sync.before");
        let synced = fsync(directory);
        hook::reach("directory-sync.after");
        if synced.is_err() {
            let end = touched.get(at + 1).map_or(done.len(), |(_, next)| *next);
            for (_, outcome) in &mut done[*first..end] {
                if *outcome == Outcome::Disposed {
                    *outcome = Outcome::Unknown("its directory could not be synced");
                }
            }
        }
    }
}

/// Files in a directory that cannot be opened: nothing was done to them.
fn unreached(presence: Presence) -> Outcome {
    match presence {
        Presence::Gone => Outcome::AlreadyGone,
        Presence::Changed | Presence::Unchanged => Outcome::Changed,
        Presence::Unknown(why) => Outcome::Refused(why),
    }
}

/// Looks at a file once more and unlinks it, if it is the one that was listed.
///
/// Between the look and the unlink another process may put another file of its own under the name, in this directory,
/// which lies in the tree; no call unlinks by identity. It cannot make the name lead anywhere else.
#[expect(clippy::disallowed_methods, reason = "a datastore disposes of files")]
fn unlink(tree: &Tree, directory: BorrowedFd<'_>, file: &Listed) -> Outcome {
    let (presence, links) = at(tree, directory, file);
    if presence != Presence::Unchanged {
        return unreached(presence);
    }
    // The content would stay under the other name, and the proof would say that it is gone.
    if links != 1 {
        return Outcome::Refused("it has more than one link");
    }
    hook::reach("unlink.before");
    let unlinked = rustix::fs::unlinkat(directory, file.split().1, AtFlags::empty());
    hook::reach("unlink.after");
    match unlinked {
        Ok(()) => Outcome::Disposed,
        Err(Errno::NOENT) => Outcome::AlreadyGone,
        Err(Errno::ISDIR | Errno::NOTDIR) => Outcome::Changed,
        Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY)) => {
            Outcome::Refused(said(errno))
        }
        Err(errno) => failed(at(tree, directory, file).0, errno),
    }
}

/// What became of a file whose unlink failed with an error that does not say so, from what is at its name now: one such file must
/// not stop its rule.
fn failed(presence: Presence, errno: Errno) -> Outcome {
    match presence {
        Presence::Unchanged => Outcome::Refused(said(errno)),
        // A server did it, and its answer was lost. The directory is synced like that of any other.
        Presence::Gone => Outcome::Disposed,
        Presence::Changed => Outcome::Changed,
        Presence::Unknown(why) => Outcome::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlink_that_failed_for_an_unlisted_reason_is_told_by_a_look() {
        for (presence, outcome) in [
            (Presence::Unchanged, Outcome::Refused("the disk reports an error")),
            (Presence::Gone, Outcome::Disposed),
            (Presence::Changed, Outcome::Changed),
            (Presence::Unknown("nobody can tell"), Outcome::Unknown("nobody can tell")),
        ] {
            assert_eq!(failed(presence, Errno::IO), outcome);
        }
    }
}

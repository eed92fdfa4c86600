//! A walk through a tree in pages, on a thread of its own: while one page goes, the next is listed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, channel};

use super::batch::key;
use super::listed::typed;
use super::{Found, Seen, Tree};
use crate::datastore::{DatastoreError, Explained};
use crate::model::orders::Whose;
use crate::model::pattern::{Glob, Pattern};
use crate::model::value::Value;
use crate::rules::bind::{BoundDataset, BoundRule};
use crate::rules::decide::{Record, TriggerValue};
use crate::rules::rule::TriggerPlace;

/// Files in the order of the walk.
#[derive(Default)]
pub struct FilePage {
    /// The files that the pattern names.
    pub files: Vec<Found>,
    /// What the pattern reaches and is no record, by kind.
    pub obstacles: BTreeMap<&'static str, u64>,
    /// What the pattern reaches and nobody can look behind, by kind: there may be records.
    pub hidden: BTreeMap<&'static str, u64>,
}

impl FilePage {
    fn add(&mut self, seen: Seen) {
        match seen {
            Seen::File(found) => self.files.push(found),
            Seen::Obstacle(obstacle) => {
                let kinds = if obstacle.hides() { &mut self.hidden } else { &mut self.obstacles };
                *kinds.entry(obstacle.as_str()).or_default() += 1;
            }
        }
    }
}

/// A walk that hands over page after page.
pub struct Pages {
    tree: Arc<Tree>,
    /// None is the end of the walk: a walk that says nothing more has not seen everything.
    receiver: Receiver<Result<Option<FilePage>, DatastoreError>>,
}

/// One page goes, one is ready, one is being listed: whatever the tree holds, three are in memory.
const READY: usize = 1;

impl Pages {
    /// Opens a tree and begins to walk through the files of a rule's own pattern, so many a page.
    pub fn open(root: &Path, pattern: &Pattern, size: u32) -> Result<Self, DatastoreError> {
        Self::of(root, pattern.glob().into_iter().collect(), size)
    }

    /// The same for any globs.
    pub fn of(root: &Path, globs: Vec<Glob>, size: u32) -> Result<Self, DatastoreError> {
        let tree = Arc::new(Tree::open(root)?);
        let walk = tree.walk(globs);
        Ok(Self::going(tree, walk, size))
    }

    fn going(
        tree: Arc<Tree>,
        walk: impl Iterator<Item = Result<Seen, DatastoreError>> + Send + 'static,
        size: u32,
    ) -> Self {
        let (sender, receiver) = channel(READY);
        let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
        // Ends with the walk, or with the receiver.
        tokio::task::spawn_blocking(move || {
            let mut page = FilePage::default();
            for seen in walk {
                match seen {
                    Ok(seen) => page.add(seen),
                    Err(error) => {
                        drop(sender.blocking_send(Err(error)));
                        return;
                    }
                }
                let full = page.files.len() >= size;
                if full && sender.blocking_send(Ok(Some(std::mem::take(&mut page)))).is_err() {
                    return;
                }
            }
            if sender.blocking_send(Ok(Some(page))).is_ok() {
                drop(sender.blocking_send(Ok(None)));
            }
        });
        Self { tree, receiver }
    }

    /// The tree that is walked through.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// The next page; none: the walk is over, and has seen everything.
    pub async fn next(&mut self) -> Result<Option<FilePage>, DatastoreError> {
        self.receiver.recv().await.unwrap_or_else(|| {
            Err(DatastoreError::Unexpected {
                operation: "go through the files",
                expected: "a walk to the end".to_owned(),
                observed: "the worker stopped".to_owned(),
            })
        })
    }
}

/// A file as the judge sees it.
pub fn record(rule: &BoundRule<'_>, found: &Found, position: u32) -> Result<Record, DatastoreError> {
    let trigger = match rule.rule().trigger.place {
        TriggerPlace::Name => name(&found.listed.path),
        TriggerPlace::Modified
        | TriggerPlace::Column(_)
        | TriggerPlace::Rows { .. }
        | TriggerPlace::ObjectModified
        | TriggerPlace::Field(_)
        | TriggerPlace::Idle
        | TriggerPlace::Request => Value::Integer(found.modified_micros),
    };
    Ok(Record {
        key: key(&found.listed)?,
        trigger: TriggerValue::Own(trigger),
        whose: Whose::Nobody,
        position,
    })
}

/// One file by its path as a person types it: `hex:…` where it is no text. None: there is no such file.
pub fn find(root: &Path, rule: &BoundRule<'_>, path: &str) -> Result<Option<Explained>, DatastoreError> {
    let BoundDataset::Files(pattern) = rule.dataset() else { return Ok(None) };
    let tree = Arc::new(Tree::open(root)?);
    let Some(path) = typed(path) else { return Ok(None) };
    let selected = pattern.glob().is_some_and(|glob| glob.matches(&path));
    let Some(found) = tree.find(&path) else { return Ok(None) };
    Ok(Some(Explained { record: record(rule, &found, 0)?, selected }))
}

/// A name that is not UTF-8 holds no time.
fn name(path: &[u8]) -> Value {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    match std::str::from_utf8(name) {
        Ok(name) => Value::Text(name.to_owned()),
        Err(_) => Value::Blob(name.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_walk_that_died_has_not_seen_everything() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Arc::new(Tree::open(folder.path()).unwrap());
        let mut whole = Pages::going(Arc::clone(&tree), std::iter::empty(), 1);
        assert!(whole.next().await.unwrap().is_some() && whole.next().await.unwrap().is_none());
        let mut died = Pages::going(tree, std::iter::from_fn(|| panic!("as a bug would")), 1);
        assert!(matches!(died.next().await, Err(DatastoreError::Unexpected { .. })));
    }
}

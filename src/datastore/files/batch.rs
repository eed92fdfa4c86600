//! One batch of files: listed, disposed of with its intent, or looked at after a crash.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Found, Listed, Obstacle, Outcome, Presence, Seen, Tree};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::{Committed, MOST_DEPENDENTS, PreparedPart, TOO_MANY_DEPENDENTS};
use crate::ledger::entry::Action;
use crate::model::key::Key;
use crate::model::pattern::{Glob, Pattern};
use crate::model::value::Values;
use crate::rules::bind::{BoundDependents, RowRule};
use crate::state::CommittedIntent;

/// Files that wait for their intent. Nothing has been changed.
pub struct Prepared {
    tree: Arc<Tree>,
    parts: Vec<PreparedPart>,
    files: Identities,
}

/// Which files a batch is about, part by part. Personal data: it leaves the process only sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Identities(Vec<Vec<Listed>>);

impl Identities {
    /// Of a rule's own files.
    pub fn of(files: Vec<Listed>) -> Self {
        Self(vec![files])
    }

    /// The text to seal.
    pub fn to_text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// What [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The keys of the records, part by part.
    pub fn keys(&self) -> Result<Vec<Vec<Key>>, DatastoreError> {
        let keys = |files: &Vec<Listed>| files.iter().map(key).collect();
        self.0.iter().map(keys).collect()
    }

    /// What is there now, file by file.
    pub async fn look(&self, tree: &Arc<Tree>) -> Result<Vec<Vec<Presence>>, DatastoreError> {
        let (tree, parts) = (Arc::clone(tree), self.0.clone());
        blocking(move || parts.iter().map(|files| tree.look(files)).collect()).await
    }
}

/// The key of a file's record.
pub fn key(file: &Listed) -> Result<Key, DatastoreError> {
    Ok(Key::from_values(&[file.key()])?)
}

/// The key of a file by its path as a person writes it.
pub fn typed_key(path: &str) -> Result<Key, DatastoreError> {
    Ok(Key::from_values(&[super::path_value(path.as_bytes())])?)
}

impl Prepared {
    /// A rule's own files, as the judge called them due.
    pub fn own(tree: &Arc<Tree>, files: Vec<Listed>) -> Self {
        Self { tree: Arc::clone(tree), parts: Vec::new(), files: Identities::of(files) }
    }

    /// The files that hang on the records of a batch. What stands among them and cannot go is found here, before
    /// anything has.
    pub async fn linked(
        tree: &Arc<Tree>,
        rule: RowRule<'_>,
        links: &[(usize, Vec<Values>)],
    ) -> Result<Self, DatastoreError> {
        let mut prepared = Self { tree: Arc::clone(tree), parts: Vec::new(), files: Identities::default() };
        let mut left = MOST_DEPENDENTS;
        for (at, rows) in links {
            let BoundDependents::Files(pattern) = rule.dependents()[*at].dataset else { continue };
            let globs = bound(pattern, rows)?;
            let walked = Arc::clone(tree);
            let files = blocking(move || list(&walked, globs, left)).await??;
            if files.is_empty() {
                continue;
            }
            left = left.saturating_sub(files.len() as u64);
            prepared.parts.push(PreparedPart {
                dataset: pattern.as_str().to_owned(),
                action: Action::Delete,
                fields: Vec::new(),
                keys: files.iter().map(key).collect::<Result<_, _>>()?,
            });
            prepared.files.0.push(files);
        }
        Ok(prepared)
    }

    /// Where they are.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What is in it, one part a dependent; of a rule's own files the caller knows the keys.
    pub fn parts(&self) -> &[PreparedPart] {
        &self.parts
    }

    /// Which files: to be sealed with the intent.
    pub fn identities(&self) -> &Identities {
        &self.files
    }

    /// Disposes of the files whose intent is durable, each with an outcome of its own.
    ///
    /// A crash within it leaves an open intent; a restart looks at each file.
    pub async fn commit(self, _intent: &CommittedIntent) -> Result<Committed, DatastoreError> {
        let Self { tree, files, .. } = self;
        if tree.moved() {
            return Ok(Committed::NotAttempted);
        }
        let outcomes: Vec<Vec<Outcome>> =
            blocking(move || files.0.iter().map(|files| tree.dispose(files)).collect()).await?;
        Ok(Committed::Each(outcomes))
    }
}

/// A pattern for every record of the batch; a NULL leads nowhere.
fn bound(pattern: &Pattern, rows: &[Values]) -> Result<Vec<Glob>, DatastoreError> {
    let columns: Vec<_> = pattern.columns().collect();
    let mut globs = Vec::new();
    for row in rows {
        let value = |name: &_| columns.iter().position(|c| *c == name).and_then(|at| row.get(at).cloned());
        match pattern.bind(&value) {
            Ok(glob) => globs.extend(glob),
            Err(_) => return Err(refused("a column of it cannot stand in the path of its files")),
        }
    }
    Ok(globs)
}

fn list(tree: &Arc<Tree>, globs: Vec<Glob>, most: u64) -> Result<Vec<Listed>, DatastoreError> {
    let mut files = Vec::new();
    if globs.is_empty() {
        return Ok(files);
    }
    for seen in tree.walk(globs) {
        match seen? {
            Seen::File(Found { links: 1, listed, .. }) => files.push(listed),
            Seen::File(_) => return Err(refused("one of its files has more than one link")),
            Seen::Obstacle(obstacle) => return Err(refused(among(obstacle))),
        }
        if files.len() as u64 > most {
            return Err(refused(TOO_MANY_DEPENDENTS));
        }
    }
    Ok(files)
}

fn among(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::MountPoint => "a mount point is among its files",
        Obstacle::Symlink => "a symbolic link is among its files",
        Obstacle::Special => "a socket, a pipe or a device is among its files",
        Obstacle::TooDeep => "its files lie more than 64 directories deep",
        Obstacle::Unreadable(_) => "some of its files cannot be read",
    }
}

fn refused(why: &'static str) -> DatastoreError {
    let source = EngineError::Refused(why);
    DatastoreError::Statement { operation: "list the files of a batch", source }
}

/// Runs what blocks on the disk beside the loop.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DatastoreError> {
    let stopped = |_| DatastoreError::Unexpected {
        operation: "work on files",
        expected: "an outcome for each".to_owned(),
        observed: "the worker stopped".to_owned(),
    };
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

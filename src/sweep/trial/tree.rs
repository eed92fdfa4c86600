//! The files of a test's world, in temporary directories that go with the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use super::{Failure, Failures};
use crate::datastore::files;
use crate::model::name::DatastoreName;
use crate::rules::rule::{Dependent, DependentDataset, Rule, RuleTest, TestFile, TestRecords};

/// Files in a temporary directory, by their path, each with the time of its modification where the test says it.
pub(super) struct Tree {
    root: TempDir,
    files: BTreeMap<String, Option<SystemTime>>,
}

impl Tree {
    fn plant(files: BTreeMap<String, Option<SystemTime>>) -> Result<Self, String> {
        let root =
            TempDir::with_prefix("expunged-test-").map_err(|e| format!("no temporary directory: {e}"))?;
        for (path, modified) in &files {
            write(root.path(), path, *modified)?;
        }
        Ok(Self { root, files })
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Lets go of the files with these keys, in a directory of its own.
    pub(super) fn without(&mut self, gone: &BTreeSet<String>) -> Result<(), String> {
        let mut files = std::mem::take(&mut self.files);
        let key = |path: &str| files::typed_key(path).map(|key| key.as_str().to_owned());
        files.retain(|path, _| key(path).is_ok_and(|key| !gone.contains(&key)));
        *self = Self::plant(files)?;
        Ok(())
    }
}

/// A tree for every files datastore that the rule or the test names.
pub(super) fn plant(rule: &Rule, test: &RuleTest) -> Result<BTreeMap<DatastoreName, Tree>, String> {
    let mut trees: BTreeMap<&DatastoreName, BTreeMap<String, Option<SystemTime>>> = BTreeMap::new();
    let of_files = |d: &&Dependent| matches!(d.dataset, DependentDataset::Files { .. });
    for dependent in rule.dependents.iter().filter(of_files) {
        trees.entry(&dependent.datastore).or_default();
    }
    if let TestRecords::Files(records) = &test.records {
        let modified = |record: &TestFile| (record.path.clone(), record.modified.map(SystemTime::from));
        trees.entry(&rule.datastore).or_default().extend(records.iter().map(modified));
    }
    for (name, paths) in &test.files {
        trees.entry(name).or_default().extend(paths.iter().map(|path| (path.clone(), None)));
    }
    trees.into_iter().map(|(name, files)| Ok((name.clone(), Tree::plant(files)?))).collect()
}

fn write(root: &Path, path: &str, modified: Option<SystemTime>) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("the file `{path}` of the test cannot be made: {e}");
    let inside = Path::new(path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !inside {
        return Err(format!("the file `{path}` of the test does not lie below the root"));
    }
    let path = root.join(path);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(wrong)?;
    }
    let file = File::create(&path).map_err(wrong)?;
    modified.map_or(Ok(()), |at| file.set_modified(at)).map_err(wrong)
}

/// What is left in each tree against `after_files`.
pub(super) fn compare(
    trees: &BTreeMap<DatastoreName, Tree>,
    test: &RuleTest,
    failures: &mut Failures,
) -> Result<(), String> {
    for (name, expected) in &test.after_files {
        let mut left = BTreeSet::new();
        if let Some(tree) = trees.get(name) {
            list(tree.path(), Path::new(""), &mut left)
                .map_err(|e| format!("the files of the test cannot be read: {e}"))?;
        }
        let expected: BTreeSet<String> = expected.iter().cloned().collect();
        for path in expected.difference(&left) {
            failures.push(Failure::plain(format!(
                "after the sweep, `{name}` does not hold `{path}` of `after_files`"
            )));
        }
        for path in left.difference(&expected) {
            failures.push(Failure::plain(format!(
                "after the sweep, `{name}` holds `{path}`, which `after_files` does not name"
            )));
        }
    }
    Ok(())
}

fn list(root: &Path, below: &Path, into: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, into)?;
        } else {
            into.insert(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

//! The files of a test's world, in temporary directories that go with the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use super::Failures;
use crate::datastore::files;
use crate::model::name::DatastoreName;
use crate::rules::rule::{DependentDataset, Rule, RuleTest, TestRecords};

/// A tree for every files datastore that the rule or the test names.
pub(super) fn plant(rule: &Rule, test: &RuleTest) -> Result<BTreeMap<DatastoreName, TempDir>, String> {
    let mut trees = BTreeMap::new();
    let of_files = |d: &&crate::rules::rule::Dependent| matches!(d.dataset, DependentDataset::Files { .. });
    let dependents = rule.dependents.iter().filter(of_files).map(|d| &d.datastore);
    let own = matches!(test.records, TestRecords::Files(_)).then_some(&rule.datastore);
    for name in dependents.chain(own).chain(test.files.iter().map(|(name, _)| name)) {
        if !trees.contains_key(name) {
            let tree =
                TempDir::with_prefix("expunged-test-").map_err(|e| format!("no temporary directory: {e}"))?;
            trees.insert(name.clone(), tree);
        }
    }
    if let (TestRecords::Files(records), Some(tree)) = (&test.records, trees.get(&rule.datastore)) {
        for record in records {
            let modified = record.modified.map(SystemTime::from);
            write(tree.path(), &record.path, modified)?;
        }
    }
    for (name, paths) in &test.files {
        let Some(tree) = trees.get(name) else { continue };
        for path in paths {
            write(tree.path(), path, None)?;
        }
    }
    Ok(trees)
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

/// What is left in each tree, once these keys are gone, against `after_files`.
pub(super) fn compare(
    trees: &BTreeMap<DatastoreName, TempDir>,
    test: &RuleTest,
    gone: &BTreeMap<DatastoreName, BTreeSet<String>>,
    failures: &mut Failures,
) -> Result<(), String> {
    for (name, expected) in &test.after_files {
        let mut left = BTreeSet::new();
        if let Some(tree) = trees.get(name) {
            list(tree.path(), Path::new(""), &mut left)
                .map_err(|e| format!("the files of the test cannot be read: {e}"))?;
        }
        let key = |path: &String| files::typed_key(path).map(|key| key.as_str().to_owned());
        let gone = gone.get(name);
        left.retain(|path| key(path).is_ok_and(|key| gone.is_none_or(|gone| !gone.contains(&key))));
        let expected: BTreeSet<String> = expected.iter().cloned().collect();
        for path in expected.difference(&left) {
            failures.push(format!("after the sweep, `{name}` does not hold `{path}` of `after_files`"));
        }
        for path in left.difference(&expected) {
            failures
                .push(format!("after the sweep, `{name}` holds `{path}`, which `after_files` does not name"));
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

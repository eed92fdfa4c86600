//! What lies below a directory.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Every path below a directory, from there, sorted; what is a directory has a `/` behind. Links are not followed.
pub fn below(root: &Path) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    // Ends: directories form a tree.
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let mut path = entry.path().strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
                path.push(b'/');
            }
            all.insert(path);
        }
    }
    all
}

/// The same, of a tree whose names are UTF-8.
pub fn texts(root: &Path) -> BTreeSet<String> {
    below(root).into_iter().map(|path| String::from_utf8(path).unwrap()).collect()
}

/// The files below a directory, each where it is.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let files = below(root).into_iter().filter(|path| !path.ends_with(b"/"));
    files.map(|path| root.join(std::ffi::OsStr::from_bytes(&path))).collect()
}

/// The directories below one that hold no file, however deep.
#[cfg(feature = "test-hooks")]
pub fn hollow(root: &Path) -> BTreeSet<Vec<u8>> {
    let all = below(root);
    let file_in = |directory: &[u8]| all.iter().any(|p| p.starts_with(directory) && !p.ends_with(b"/"));
    all.iter().filter(|path| path.ends_with(b"/") && !file_in(path)).cloned().collect()
}

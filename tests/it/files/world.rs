//! A tree to sweep, and what is said of it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use expunged::datastore::files::{Found, Listed, Obstacle, Outcome, Seen, Tree};
use expunged::model::pattern::{Glob, Pattern};

/// Where trees are tried: whatever `/tmp` is, and a tmpfs.
pub const PLACES: [&str; 2] = ["/tmp", "/dev/shm"];

/// A root in a folder of its own, with a neighbour that nobody may touch.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::at(PLACES[0])
    }

    pub fn at(place: &str) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap_or_else(|e| panic!("{place}: {e}"));
        std::fs::create_dir(folder.path().join("root")).unwrap();
        Self { folder }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Beside the root, outside of it.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.root().join(OsStr::from_bytes(path.as_ref()))
    }

    /// A file, and the directories it needs.
    pub fn file(&self, path: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"content").unwrap();
        path
    }

    pub fn tree(&self) -> Arc<Tree> {
        Arc::new(Tree::open(&self.root()).unwrap())
    }

    /// Lists what the patterns mean, in the order of the paths.
    pub fn list(&self, patterns: &[&str]) -> (Vec<Found>, Vec<Obstacle>) {
        walk(&self.tree(), patterns)
    }

    pub fn listed(&self, pattern: &str) -> Vec<Listed> {
        let (found, obstacles) = self.list(&[pattern]);
        assert_eq!(obstacles, []);
        found.into_iter().map(|f| f.listed).collect()
    }

    /// Lists and disposes.
    pub fn sweep(&self, pattern: &str) -> Vec<Outcome> {
        self.tree().dispose(&self.listed(pattern))
    }

    /// Everything in the root, directories with a `/` behind.
    pub fn left(&self) -> BTreeSet<Vec<u8>> {
        crate::listing::below(&self.root())
    }
}

pub fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|p| Pattern::parse(p).unwrap().open()).collect()
}

pub fn walk(tree: &Arc<Tree>, patterns: &[&str]) -> (Vec<Found>, Vec<Obstacle>) {
    let (mut found, mut obstacles) = (Vec::new(), Vec::new());
    for seen in tree.walk(globs(patterns)) {
        match seen.unwrap() {
            Seen::File(file) => found.push(file),
            Seen::Obstacle(obstacle) => obstacles.push(obstacle),
        }
    }
    found.sort_by(|a, b| a.listed.path.cmp(&b.listed.path));
    obstacles.sort();
    (found, obstacles)
}

pub fn paths(found: &[Found]) -> Vec<&[u8]> {
    found.iter().map(|f| f.listed.path.as_slice()).collect()
}

pub fn set<const N: usize>(paths: [&str; N]) -> BTreeSet<Vec<u8>> {
    paths.into_iter().map(|p| p.as_bytes().to_vec()).collect()
}

/// Runs a program that the test cannot do without.
pub fn run(program: &str, arguments: &[&OsStr]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}: this test cannot do without it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{program} {arguments:?}` failed: {said}; this test needs root");
}

/// A file, a link or an empty directory goes, by another hand than the datastore's.
#[expect(clippy::disallowed_methods, reason = "the tests are the application, too")]
pub fn remove(path: &Path) {
    if path.symlink_metadata().unwrap().is_dir() {
        std::fs::remove_dir(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

/// Something mounted, until it is dropped.
pub struct Mount(PathBuf);

impl Mount {
    pub fn tmpfs(at: &Path) -> Self {
        Self::new("tmpfs", "size=1m,mode=755", at)
    }

    /// With room for so many files and directories, itself among them.
    pub fn tmpfs_of(inodes: u32, at: &Path) -> Self {
        Self::new("tmpfs", &format!("size=1m,mode=755,nr_inodes={inodes}"), at)
    }

    /// A read-only layer, and above it one that holds what is changed.
    pub fn overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) -> Self {
        let (lower, upper, work) = (lower.display(), upper.display(), work.display());
        Self::new("overlay", &format!("lowerdir={lower},upperdir={upper},workdir={work}"), at)
    }

    /// A file system of its own in a file, which is made where it is not there.
    pub fn image(file: &Path, at: &Path) -> Self {
        if !file.exists() {
            std::fs::File::create(file).unwrap().set_len(8 << 20).unwrap();
            run("mkfs.ext4", &["-q".as_ref(), file.as_os_str()]);
        }
        run("mount", &["-o".as_ref(), "loop".as_ref(), file.as_os_str(), at.as_os_str()]);
        Self(at.to_owned())
    }

    fn new(kind: &str, options: &str, at: &Path) -> Self {
        let arguments = ["-t", kind, "-o", options, kind].map(OsStr::new);
        run("mount", &[&arguments[..], &[at.as_os_str()]].concat());
        Self(at.to_owned())
    }

    /// Another place of the same file system.
    pub fn bind(from: &Path, at: &Path) -> Self {
        run("mount", &["--bind".as_ref(), from.as_os_str(), at.as_os_str()]);
        Self(at.to_owned())
    }

    pub fn read_only(&self) {
        run("mount", &["-o".as_ref(), "remount,ro".as_ref(), self.0.as_os_str()]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["--lazy".as_ref(), self.0.as_os_str()]);
    }
}

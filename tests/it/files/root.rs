//! Which roots are refused, and what a pinned one withstands.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use expunged::datastore::DatastoreError;
use expunged::datastore::files::{Outcome, Tree};

use super::world::{Mount, World, remove, set, walk};

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What is said, the cause after the message.
fn refusal(root: &Path) -> String {
    use std::error::Error as _;
    let error = Tree::open(root).err().unwrap_or_else(|| panic!("{} was opened", root.display()));
    assert!(matches!(&error, DatastoreError::Root { path, .. } if path.components().eq(root.components())));
    let mut said = error.to_string().replace(&root.display().to_string(), "ROOT");
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}; {cause}");
        source = cause.source();
    }
    said
}

#[test]
fn a_root_that_everyone_may_write_to_is_refused() {
    let world = World::new();
    for (bits, said) in [(0o777, "0777"), (0o1777, "1777"), (0o702, "0702")] {
        mode(&world.root(), bits);
        assert_eq!(
            refusal(&world.root()),
            format!(
                "files below `ROOT` are not swept: its `root` is refused; its mode is {said}, which lets everyone \
                 write: expected no write permission for others; run `chmod o-w` on it"
            )
        );
    }
    mode(&world.root(), 0o775);
    assert!(Tree::open(&world.root()).is_ok());
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    let world = World::new();
    symlink(world.root(), world.outside("link")).unwrap();
    let link = "files below `ROOT` are not swept: its `root` is refused; it is a symbolic link: expected the directory \
                itself; set `root` to where the link leads";
    assert_eq!(refusal(&world.outside("link")), link);
    let slash = world.outside("link/");
    assert!(Tree::open(&slash).is_err(), "a slash at the end does not make it a directory");
    assert!(Tree::open(&world.outside("link/.")).is_err());
    assert_eq!(
        refusal(&world.file("file")),
        "files below `ROOT` are not swept: its `root` is refused; it is a file: expected a directory"
    );
    assert_eq!(
        refusal(&world.outside("missing")),
        "files below `ROOT` are not swept: its `root` is refused; it cannot be opened; there is nothing at this path"
    );
}

#[test]
fn a_root_that_was_moved_is_noticed_and_still_the_one_that_is_swept() {
    let world = World::new();
    world.file("a");
    let tree = world.tree();
    assert!(!tree.moved());
    std::fs::rename(world.root(), world.outside("moved")).unwrap();
    assert!(tree.moved(), "it is gone");
    symlink(world.outside("moved"), world.root()).unwrap();
    assert!(tree.moved(), "it is a link, even to the same");
    remove(&world.root());
    std::fs::create_dir(world.root()).unwrap();
    world.file("a");
    assert!(tree.moved(), "it is another");
    let (found, _) = walk(&tree, &["*"]);
    assert_eq!(tree.dispose(&[found[0].listed.clone()]), [Outcome::Disposed]);
    assert_eq!(world.left(), set(["a"]), "the file under the path now was never listed");
    assert!(!world.outside("moved/a").exists());
}

#[test]
fn a_root_that_something_was_mounted_over_was_moved() {
    let world = World::new();
    let tree = world.tree();
    let mount = Mount::tmpfs(&world.root());
    assert!(tree.moved());
    drop(mount);
    assert!(!tree.moved());
    let mount = Mount::tmpfs(&world.root());
    assert!(!world.tree().moved(), "a root may be a mount point itself");
    world.file("d/a");
    assert_eq!(world.sweep("d/*"), [Outcome::Disposed]);
    drop(mount);
}

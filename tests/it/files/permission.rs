//! Where permission is missing, files stay, and it is said.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use expunged::datastore::files::{Obstacle, Outcome, Presence, Tree};

use super::world::{Mount, World, run, set, walk};

/// An attribute of ext4 and others, until it is dropped.
struct Attribute(&'static str, PathBuf);

impl Attribute {
    fn set(attribute: &'static str, path: PathBuf) -> Self {
        run("chattr", &[format!("+{attribute}").as_ref(), path.as_os_str()]);
        Self(attribute, path)
    }
}

impl Drop for Attribute {
    fn drop(&mut self) {
        run("chattr", &[format!("-{}", self.0).as_ref(), self.1.as_os_str()]);
    }
}

#[test]
fn what_is_immutable_is_refused_and_the_rest_goes() {
    let world = World::new();
    for path in ["d/a", "d/b", "append/a"] {
        world.file(path);
    }
    let immutable = Attribute::set("i", world.path("d/a"));
    let append = Attribute::set("a", world.path("append"));
    let listed = world.listed("**");
    let refused =
        Outcome::Refused("the system does not permit it: it may be immutable, or owned by another user");
    assert_eq!(world.tree().dispose(&listed), [refused, refused, Outcome::Disposed]);
    drop((immutable, append));
    assert_eq!(world.left(), set(["append/", "append/a", "d/", "d/a"]));
}

/// No list of errors is whole. Here a layer without an inode left cannot hide a file of the layer below (`ENOSPC`).
#[test]
fn a_file_that_stays_for_a_reason_nobody_foresaw_is_refused_and_the_rest_goes() {
    let world = World::new();
    let [lower, layer] = ["lower", "layer"].map(|name| world.outside(name));
    for directory in [&lower, &layer] {
        std::fs::create_dir(directory).unwrap();
    }
    std::fs::write(lower.join("a"), "").unwrap();
    let disk = Mount::tmpfs_of(8, &layer);
    let [upper, work] = ["upper", "work"].map(|name| layer.join(name));
    for directory in [&upper, &work] {
        std::fs::create_dir(directory).unwrap();
    }
    let overlay = Mount::overlay(&lower, &upper, &work, &world.root());
    world.file("b");
    // The last ones that there are.
    assert!((0..8).any(|n| std::fs::File::create_new(layer.join(n.to_string())).is_err()));
    let listed = world.listed("*");
    let outcomes = world.tree().dispose(&listed);
    assert!(matches!(outcomes[..], [Outcome::Refused(_), Outcome::Disposed]), "{outcomes:?}");
    assert_eq!(world.left(), set(["a"]));
    drop(overlay);
    drop(disk);
}

/// Names the tree to the same test, started once more without root's way around permissions.
const TREE: &str = "EXPUNGED_TEST_TREE";

#[test]
fn a_directory_without_permission_keeps_its_files() {
    if let Some(root) = std::env::var_os(TREE) {
        return without_permission(Path::new(&root));
    }
    let world = World::new();
    for path in ["hidden/a", "locked/a", "open/a"] {
        world.file(path);
    }
    // Owned by root, who is bound by the bits like everyone once the capabilities are gone.
    // As a file system has it, for itself, and nothing of the application's.
    std::fs::create_dir(world.path("lost+found")).unwrap();
    for (path, mode) in [("hidden", 0o000), ("locked", 0o555), ("lost+found", 0o000)] {
        std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let program = std::env::current_exe().unwrap();
    let name = "files::permission::a_directory_without_permission_keeps_its_files";
    let tree = format!("{TREE}={}", world.root().display());
    let lost = "--bounding-set=-dac_override,-dac_read_search";
    let arguments = [lost.as_ref(), "env".as_ref(), OsStr::new(&tree), program.as_os_str(), name.as_ref()];
    run("setpriv", &[&arguments[..], &["--exact".as_ref()]].concat());
    let left = world.left();
    assert_eq!(
        left,
        set(["hidden/", "hidden/a", "locked/", "locked/a", "lost+found/"]),
        "the test ran, and open/ went"
    );
}

fn without_permission(root: &Path) {
    let why = "permission is missing for it or for its directory";
    let tree = std::sync::Arc::new(Tree::open(root).unwrap());
    let (found, obstacles) = walk(&tree, &["**"]);
    assert_eq!(obstacles, [Obstacle::Unreadable(why)]);
    let mut listed: Vec<_> = found.into_iter().map(|f| f.listed).collect();
    assert_eq!(tree.dispose(&listed), [Outcome::Refused(why), Outcome::Disposed]);
    assert_eq!(tree.look(&listed), [Presence::Unchanged, Presence::Gone]);
    listed.truncate(1);
    listed[0].path = b"hidden/a".to_vec();
    assert_eq!(tree.look(&listed), [Presence::Unknown(why)]);
    assert_eq!(tree.dispose(&listed), [Outcome::Refused(why)]);
}

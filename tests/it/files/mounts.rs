//! A mount point in the tree is the end of it.

use expunged::datastore::files::{Obstacle, Outcome, Presence};

use super::world::{Mount, World, paths, set};

#[test]
fn what_is_mounted_in_the_tree_is_said_and_left_alone() {
    let world = World::new();
    world.file("a");
    std::fs::create_dir(world.path("other")).unwrap();
    std::fs::create_dir(world.path("same")).unwrap();
    std::fs::create_dir(world.outside("victim")).unwrap();
    std::fs::write(world.outside("victim/a"), "").unwrap();
    std::fs::write(world.outside("victim-file"), "").unwrap();
    world.file("file");
    let other = Mount::tmpfs(&world.path("other"));
    world.file("other/a");
    // The same device: only the kernel knows that this is another place.
    let same = Mount::bind(&world.outside("victim"), &world.path("same"));
    let file = Mount::bind(&world.outside("victim-file"), &world.path("file"));
    let (found, obstacles) = world.list(&["**"]);
    assert_eq!((paths(&found), obstacles), (vec![&b"a"[..]], vec![Obstacle::MountPoint; 3]));
    let (found, obstacles) = world.list(&["other/a", "same/*"]);
    assert_eq!((paths(&found), obstacles), (Vec::new(), vec![Obstacle::MountPoint; 2]));
    drop((other, same, file));
    assert!(world.outside("victim/a").exists() && world.outside("victim-file").exists());
}

#[test]
fn what_is_mounted_after_the_listing_hides_and_protects() {
    let world = World::new();
    world.file("d/e/a");
    world.file("file");
    std::fs::create_dir(world.outside("victim")).unwrap();
    let listed = world.listed("**");
    let directory = Mount::bind(&world.path("d/e"), &world.path("d/e"));
    let file = Mount::bind(&world.path("file"), &world.path("file"));
    let hidden = "its path leads out of the tree: a mount point stands in it, or a directory was moved away";
    assert_eq!(
        world.tree().dispose(&listed),
        [Outcome::Refused(hidden), Outcome::Refused("the system uses it, as a mount point for one")]
    );
    assert_eq!(world.tree().look(&listed), [Presence::Unknown(hidden), Presence::Unchanged]);
    drop((directory, file));
    assert_eq!(world.left(), set(["d/", "d/e/", "d/e/a", "file"]));
}

#[test]
fn an_emptied_directory_that_holds_a_mount_point_stays() {
    let world = World::new();
    world.file("d/a");
    std::fs::create_dir(world.path("d/mount")).unwrap();
    let mount = Mount::tmpfs(&world.path("d/mount"));
    let (found, _) = world.list(&["**"]);
    let listed: Vec<_> = found.into_iter().map(|f| f.listed).collect();
    assert_eq!(world.tree().dispose(&listed), [Outcome::Disposed]);
    assert_eq!(world.left(), set(["d/", "d/mount/"]));
    drop(mount);
}

#[test]
fn a_read_only_file_system_refuses_each_file() {
    let world = World::new();
    let mount = Mount::tmpfs(&world.root());
    world.file("d/a");
    world.file("d/b");
    mount.read_only();
    assert_eq!(world.sweep("d/*"), [Outcome::Refused("the file system is read-only"); 2]);
    assert_eq!(world.left(), set(["d/", "d/a", "d/b"]));
}

//! What changes between the listing and the disposal stays.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use expunged::clock::Stopwatch;
use expunged::datastore::files::{Listed, Outcome, Presence};

use super::world::{PLACES, World, remove, set};

/// A change that every kernel can tell: older ones count the change time in ticks.
fn until_told(world: &World, listed: &Listed, change: impl Fn()) {
    let stopwatch = Stopwatch::start();
    let told = |world: &World| {
        let now = world.path(&listed.path).symlink_metadata().unwrap();
        (now.ino(), now.ctime(), now.ctime_nsec())
            != (listed.identity.inode, listed.identity.seconds, listed.identity.nanoseconds.into())
    };
    while !told(world) {
        assert!(stopwatch.elapsed().as_secs() < 10, "the change time does not move");
        change();
    }
}

#[test]
fn a_file_that_was_written_to_touched_replaced_or_renamed_over_stays() {
    for place in PLACES {
        let changes: [&dyn Fn(&World); 5] = [
            &|w| std::fs::write(w.path("d/a"), "more").unwrap(),
            &|w| {
                std::fs::set_permissions(w.path("d/a"), std::fs::Permissions::from_mode(0o600)).unwrap();
            },
            &|w| {
                let file = std::fs::File::options().write(true).open(w.path("d/a")).unwrap();
                file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            },
            &|w| {
                remove(&w.path("d/a"));
                w.file("d/a");
            },
            &|w| std::fs::rename(w.file("d/b"), w.path("d/a")).unwrap(),
        ];
        for change in changes {
            let world = World::at(place);
            world.file("d/a");
            let listed = world.listed("d/a");
            until_told(&world, &listed[0], || change(&world));
            assert_eq!(world.tree().look(&listed), [Presence::Changed]);
            assert_eq!(world.tree().dispose(&listed), [Outcome::Changed]);
            assert_eq!(world.left(), set(["d/", "d/a"]));
        }
    }
}

#[test]
fn a_file_that_became_something_else_stays() {
    let world = World::new();
    for path in ["directory", "link", "file-above/a"] {
        world.file(path);
    }
    let listed = world.listed("**");
    for path in ["directory", "link", "file-above/a"] {
        remove(&world.path(path));
    }
    std::fs::create_dir(world.path("directory")).unwrap();
    symlink("directory", world.path("link")).unwrap();
    remove(&world.path("file-above"));
    world.file("file-above");
    assert_eq!(
        world.tree().dispose(&listed),
        [Outcome::Changed, Outcome::AlreadyGone, Outcome::Changed],
        "beneath a file there is nothing"
    );
    assert_eq!(world.left(), set(["directory/", "file-above", "link"]));
}

#[test]
fn a_directory_that_became_a_link_is_not_followed() {
    for place in PLACES {
        let world = World::at(place);
        world.file("u/1/a");
        let listed = world.listed("u/1/a");
        // The very same file, even: only its way has changed.
        std::fs::rename(world.path("u/1"), world.outside("moved")).unwrap();
        symlink(world.outside("moved"), world.path("u/1")).unwrap();
        assert_eq!(world.tree().look(&listed), [Presence::Changed]);
        assert_eq!(world.tree().dispose(&listed), [Outcome::Changed]);
        assert!(world.outside("moved/a").exists());

        std::fs::rename(world.path("u"), world.outside("u")).unwrap();
        symlink(world.outside("u"), world.path("u")).unwrap();
        assert_eq!(world.tree().dispose(&listed), [Outcome::Changed]);
    }
}

#[test]
fn a_hard_link_is_refused_whenever_it_is_made() {
    let world = World::new();
    std::fs::hard_link(world.file("before"), world.outside("b")).unwrap();
    world.file("after");
    let (found, _) = world.list(&["*"]);
    assert_eq!(found.iter().map(|f| f.links).collect::<Vec<_>>(), [1, 2]);
    let listed: Vec<Listed> = found.into_iter().map(|f| f.listed).collect();
    until_told(&world, &listed[0], || {
        if world.outside("a").exists() {
            remove(&world.outside("a"));
        }
        std::fs::hard_link(world.path("after"), world.outside("a")).unwrap();
    });
    let refused = Outcome::Refused("it has more than one link");
    assert_eq!(world.tree().dispose(&listed), [Outcome::Changed, refused]);
    assert_eq!(world.left(), set(["after", "before"]));
}

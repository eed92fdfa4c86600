//! Walking: which files are found, under whatever names, and what is in the way.

use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use expunged::datastore::files::{Listed, MAX_DEPTH, Obstacle, Outcome};
use expunged::model::value::Value;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use super::world::{PLACES, World, paths, set};

/// Names that have broken programs before.
fn from_hell() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"plain"[..],
        b"with space",
        b"with\nnewline",
        b"*",
        b"**",
        b"{id}",
        b"-rf",
        b"...",
        b" ",
        b"\\",
        b"'\"`$(reboot)",
        b"hex:00",
        b"\xff\xfe not UTF-8",
        "\u{ffff}".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .into();
    names.push(vec![b'x'; 255]);
    names.push(vec![0xfe; 255]);
    names
}

#[test]
fn every_name_is_found_and_disposed_of() {
    for place in PLACES {
        let world = World::at(place);
        let mut expected = BTreeSet::new();
        for name in from_hell() {
            world.file(&name);
            world.file([b"d/", name.as_slice(), b"/", name.as_slice()].concat());
            expected.insert(name.clone());
            expected.insert([b"d/", name.as_slice(), b"/", name.as_slice()].concat());
        }
        let listed = world.listed("**");
        let found: BTreeSet<Vec<u8>> = listed.iter().map(|l| l.path.clone()).collect();
        assert_eq!(found, expected);
        for file in &listed {
            let sealed = serde_json::to_string(file).unwrap();
            assert_eq!(&serde_json::from_str::<Listed>(&sealed).unwrap(), file);
            assert_eq!(format!("{file:?}"), "<file>");
        }
        assert!(world.tree().dispose(&listed).iter().all(|o| *o == Outcome::Disposed));
        assert_eq!(world.left(), set([]));
    }
}

#[test]
fn a_path_is_a_key_as_text_unless_text_cannot_hold_it() {
    let key = |path: &[u8]| expunged::datastore::files::path_value(path);
    assert!(key(b"a/\n") == Value::Text("a/\n".to_owned()));
    assert!(key(b"a/hex:00") == Value::Text("a/hex:00".to_owned()));
    for path in [&b"hex:00"[..], b"\xff", "\u{ffff}".as_bytes()] {
        assert!(key(path) == Value::Blob(path.to_vec()));
    }
}

#[test]
fn a_sealed_path_that_nobody_wrote_is_not_read() {
    for path in ["hex:0", "hex:0g", "hex:+1"] {
        let text = format!(
            r#"{{"path":"{path}","identity":{{"elsewhere":false,"inode":1,"seconds":1,"nanoseconds":1}},"keep":0}}"#
        );
        assert!(serde_json::from_str::<Listed>(&text).is_err(), "{path}");
    }
}

#[test]
fn only_what_a_pattern_means_is_found_and_each_file_once() {
    let world = World::new();
    for path in ["u/1/a", "u/1/b/c", "u/2/a", "u/12/a", "v/1/a", "a", "u/a"] {
        world.file(path);
    }
    for (patterns, expected) in [
        (&["u/1/"][..], &["u/1/a", "u/1/b/c"][..]),
        (&["u/1*/a"], &["u/1/a", "u/12/a"]),
        (&["u/*/a", "u/1/**", "**"], &["a", "u/1/a", "u/1/b/c", "u/12/a", "u/2/a", "u/a", "v/1/a"]),
        (&["*/1/a", "u/2/*"], &["u/1/a", "u/2/a", "v/1/a"]),
        (&["a", "u"], &["a"]),
        (&["missing/", "u/1/a/beneath", "u/3/a"], &[]),
        (&[], &[]),
    ] {
        let (found, obstacles) = world.list(patterns);
        let expected: Vec<&[u8]> = expected.iter().map(|p| p.as_bytes()).collect();
        assert_eq!((paths(&found), obstacles), (expected, Vec::new()), "{patterns:?}");
    }
}

#[test]
fn links_and_special_files_are_said_and_never_records() {
    let world = World::new();
    std::fs::create_dir(world.outside("victim")).unwrap();
    std::fs::write(world.outside("victim/a"), "").unwrap();
    world.file("d/a");
    symlink(world.outside("victim"), world.path("link")).unwrap();
    symlink(world.outside("victim/a"), world.path("d/to-a")).unwrap();
    symlink("nowhere", world.path("d/dangling")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(world.path("d/socket")).unwrap());
    let (found, obstacles) = world.list(&["**"]);
    assert_eq!(paths(&found), [b"d/a"]);
    assert_eq!(obstacles, [Obstacle::Symlink, Obstacle::Symlink, Obstacle::Symlink, Obstacle::Special]);
    let (found, obstacles) = world.list(&["link/a"]);
    assert_eq!((paths(&found), obstacles), (Vec::new(), vec![Obstacle::Symlink]));
    let (_, obstacles) = world.list(&["d/a"]);
    assert_eq!(obstacles, [], "what no pattern reaches is not spoken of");
}

#[test]
fn a_tree_that_is_too_deep_is_said_and_the_rest_is_found() {
    let world = World::new();
    world.file("near");
    let last = vec!["d"; MAX_DEPTH].join("/");
    world.file(format!("{last}/file"));
    world.file(format!("{last}/d/file"));
    let (found, obstacles) = world.list(&["**"]);
    assert_eq!(found.len(), 2);
    assert_eq!(obstacles, [Obstacle::TooDeep]);
}

#[test]
fn a_path_longer_than_the_system_takes_is_disposed_of() {
    let world = World::new();
    let name = "n".repeat(200);
    let directory = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = rustix::fs::open(world.root(), directory, Mode::empty()).unwrap();
    for _ in 0..40 {
        mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        at = openat(&at, name.as_str(), directory, Mode::empty()).unwrap();
    }
    openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    let listed = world.listed("**");
    assert!(listed[0].path.len() > 8000);
    assert_eq!(world.tree().dispose(&listed), [Outcome::Disposed]);
    assert_eq!(world.left(), set([]));
}

#[test]
fn a_large_directory_is_listed_whole_while_it_is_emptied() {
    for place in PLACES {
        let world = World::at(place);
        for n in 0..5000 {
            world.file(format!("d/{n}-with-a-name-of-some-length"));
        }
        let tree = world.tree();
        let mut gone = 0;
        let mut walk = tree.walk(super::world::globs(&["d/*"]));
        loop {
            let batch: Vec<Listed> = walk
                .by_ref()
                .take(300)
                .map(|seen| match seen.unwrap() {
                    expunged::datastore::files::Seen::File(found) => found.listed,
                    other @ expunged::datastore::files::Seen::Obstacle(_) => panic!("{other:?}"),
                })
                .collect();
            if batch.is_empty() {
                break;
            }
            assert!(tree.dispose(&batch).iter().all(|o| *o == Outcome::Disposed));
            gone += batch.len();
        }
        assert_eq!((gone, world.left()), (5000, set(["d/"])), "{place}");
    }
}

#[test]
fn the_time_of_modification_is_rounded_up_to_the_microsecond() {
    for place in PLACES {
        let world = World::at(place);
        let file = std::fs::File::options().write(true).open(world.file("a")).unwrap();
        for (since, micros) in [
            (Duration::new(1_000_000_000, 0), 1_000_000_000_000_000),
            (Duration::new(1_000_000_000, 1), 1_000_000_000_000_001),
            (Duration::new(1_000_000_000, 1000), 1_000_000_000_000_001),
            (Duration::new(1_000_000_000, 1001), 1_000_000_000_000_002),
            (Duration::new(1_000_000_000, 999_999_999), 1_000_000_001_000_000),
        ] {
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since)).unwrap();
            assert_eq!(world.list(&["a"]).0[0].modified_micros, micros, "{since:?}");
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_nanos(1_500);
        file.set_times(FileTimes::new().set_modified(before)).unwrap();
        assert_eq!(world.list(&["a"]).0[0].modified_micros, -1);
    }
}

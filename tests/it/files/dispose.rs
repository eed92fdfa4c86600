//! Disposal: exactly what was listed goes, twice is once, emptied directories go as far as they may.

use expunged::datastore::files::{Outcome, Presence};

use super::world::{PLACES, World, remove, set};

#[test]
fn exactly_what_is_listed_goes_and_a_second_time_changes_nothing() {
    for place in PLACES {
        let world = World::at(place);
        for path in ["u/1/a", "u/1/b", "u/2/a", "u/12/a"] {
            world.file(path);
        }
        let listed = world.listed("u/*/a");
        let tree = world.tree();
        assert_eq!(tree.look(&listed), [Presence::Unchanged; 3]);
        assert_eq!(tree.dispose(&listed), [Outcome::Disposed; 3]);
        assert_eq!(world.left(), set(["u/", "u/1/", "u/1/b"]));
        assert_eq!(tree.dispose(&listed), [Outcome::AlreadyGone; 3]);
        assert_eq!(tree.look(&listed), [Presence::Gone; 3]);
        assert_eq!(world.left(), set(["u/", "u/1/", "u/1/b"]));
    }
}

#[test]
fn outcomes_come_in_the_order_of_the_files() {
    let world = World::new();
    for path in ["b/1", "a/1", "b/2", "a/2", "c"] {
        world.file(path);
    }
    let mut listed = world.listed("**");
    // From directory to directory and back.
    listed.sort_by_key(|l| l.path.last().copied());
    let gone = listed.iter().position(|l| l.path == b"b/2").unwrap();
    remove(&world.path("b/2"));
    let mut expected = vec![Outcome::Disposed; 5];
    expected[gone] = Outcome::AlreadyGone;
    assert_eq!(world.tree().dispose(&listed), expected);
}

#[test]
fn a_large_batch_goes_whole_on_two_threads() {
    let world = World::new();
    for directory in 0..300 {
        for file in 0..3 {
            world.file(format!("t/{directory}/{file}"));
        }
    }
    let mut listed = world.listed("t/*/*");
    std::fs::hard_link(world.path("t/7/1"), world.outside("other")).unwrap();
    let mut refused = world.listed("t/7/1");
    listed.retain(|l| l.path != b"t/7/1");
    listed.append(&mut refused);
    let outcomes = world.tree().dispose(&listed);
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Disposed).count(), 899);
    assert_eq!(outcomes.last(), Some(&Outcome::Refused("it has more than one link")));
    assert_eq!(world.left(), set(["t/", "t/7/", "t/7/1"]));
    assert_eq!(world.sweep("none/*"), []);
}

#[test]
fn one_directory_with_many_files_is_no_trouble() {
    let world = World::new();
    for n in 0..600 {
        world.file(format!("{n}"));
    }
    assert_eq!(world.sweep("*"), vec![Outcome::Disposed; 600]);
}

#[test]
fn emptied_directories_go_up_to_the_last_one_the_rule_names() {
    for (pattern, left) in [
        ("u/*/f/*/x", &["u/", "u/1/", "u/1/f/"][..]),
        ("u/*/*/*/x", &["u/"]),
        ("u/1/", &["u/", "u/1/"]),
        ("u/", &["u/"]),
        ("**", &[]),
        ("*/1/f/g/x", &["u/", "u/1/", "u/1/f/", "u/1/f/g/"]),
    ] {
        let world = World::new();
        world.file("u/1/f/g/x");
        assert_eq!(world.sweep(pattern), [Outcome::Disposed]);
        let left: std::collections::BTreeSet<Vec<u8>> = left.iter().map(|p| p.as_bytes().to_vec()).collect();
        assert_eq!(world.left(), left, "{pattern}");
    }
}

#[test]
fn a_directory_with_anything_left_in_it_stays() {
    let world = World::new();
    world.file("u/1/x");
    world.file("u/2/x");
    world.file("u/2/keep");
    std::fs::create_dir(world.path("u/3")).unwrap();
    assert_eq!(world.sweep("u/*/x"), [Outcome::Disposed; 2]);
    assert_eq!(world.left(), set(["u/", "u/2/", "u/2/keep", "u/3/"]), "3 was empty before: it is not ours");
}

#[test]
fn a_look_after_half_a_disposal_tells_each_file() {
    let world = World::new();
    for path in ["a/1", "a/2", "b/1", "c/1", "c/2"] {
        world.file(path);
    }
    let listed = world.listed("**");
    world.tree().dispose(&listed[..3]);
    std::fs::write(world.path("c/2"), "more content").unwrap();
    assert_eq!(
        world.tree().look(&listed),
        [Presence::Gone, Presence::Gone, Presence::Gone, Presence::Unchanged, Presence::Changed]
    );
}

/// Whether the disposal or the application emptied them, and whether somebody made them anew, nobody can tell any more.
#[test]
fn a_look_changes_nothing_not_even_an_empty_directory() {
    let world = World::new();
    for path in ["u/1/x", "u/2/deep/x", "u/3/x"] {
        world.file(path);
    }
    let listed = world.listed("u/*/**");
    for path in ["u/1/x", "u/2/deep/x", "u/2/deep", "u/3/x", "u/3"] {
        remove(&world.path(path));
    }
    std::fs::create_dir(world.path("u/3")).unwrap();
    let before = world.left();
    assert_eq!(world.tree().look(&listed), [Presence::Gone; 3]);
    assert_eq!(world.left(), before);
}

#[test]
fn a_path_that_nobody_listed_leads_nowhere() {
    let world = World::new();
    let victim = world.outside("victim");
    std::fs::write(&victim, "").unwrap();
    world.file("a/b");
    let mut listed = world.listed("a/b");
    for path in ["../victim", "a/../a/b", "a//b", "a/./b", "/a/b", "..", "a/..", "", "a/"] {
        listed[0].path = path.as_bytes().to_vec();
        let refused = Outcome::Refused("its path is not one below the root");
        assert_eq!(world.tree().dispose(&listed), [refused], "{path}");
    }
    listed[0].path = b"a/b\0".to_vec();
    assert!(matches!(world.tree().dispose(&listed)[0], Outcome::Refused(_)));
    assert!(victim.exists() && world.path("a/b").exists());
}

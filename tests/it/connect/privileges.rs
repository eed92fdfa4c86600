//! What may be done in a datastore, against what a sweep has to do. Asked of the system, never tried.

use std::os::unix::fs::PermissionsExt as _;

use super::{ACCOUNT, check, configure, problems};
use crate::files::world::Mount;
use crate::world::{DELETED_AT, Ran, World, rules};

fn chmod(world: &World, path: &str, mode: u32) {
    std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn world() -> World {
    World::new(&rules(DELETED_AT, ""), ACCOUNT)
}

/// A world with a tree whose files are its records.
fn tree(files: &[&str]) -> World {
    let text = rules("{ file = \"modified\" }", "")
        .replace("table = \"account\"\nkey = [\"id\"]", "pattern = \"up/**\"")
        .replace("datastore = \"site\"", "datastore = \"tree\"");
    let waiver = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"account\"\nreason = \"a test\"\n";
    let world = World::new(&format!("{text}{waiver}"), "CREATE TABLE account (id INTEGER PRIMARY KEY)");
    configure(&world, "[datastore.tree]\nkind = \"files\"\nroot = \"tree\"");
    std::fs::create_dir(world.path("tree")).unwrap();
    chmod(&world, "tree", 0o755);
    for file in files {
        let path = world.path("tree").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    world
}

/// Checked by somebody who is bound by permissions.
#[track_caller]
fn bound(world: &World, code: i32) -> Ran {
    let ran = world.run_bound(&["check", "--connect"]);
    assert_eq!(ran.code, code, "{}", ran.text());
    ran
}

const MISSING: &str = "permission is missing for it or for its directory";

#[test]
fn a_database_that_cannot_be_written_is_an_error() {
    let world = world();
    assert_eq!(bound(&world, 0).stderr, "");
    chmod(&world, "site.db", 0o444);
    let ran = bound(&world, 65);
    assert_eq!(
        problems(&ran),
        [format!(
            "rules/site.toml:10:13: error[R033]: the database file of datastore `site` cannot be written by this account: {MISSING}"
        )]
    );
    // Root may; whoever the service runs as may not.
    let ran = check(&world, 0);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:10:13: warning[R033]: the database file of datastore `site` has mode 0444: root may write it, and no other account"
        ]
    );
}

#[test]
fn a_directory_without_room_for_a_journal_is_an_error() {
    let world = world();
    chmod(&world, "", 0o555);
    let ran = bound(&world, 65);
    chmod(&world, "", 0o755);
    assert_eq!(
        problems(&ran),
        [format!(
            "rules/site.toml:10:13: error[R033]: the directory of the database of datastore `site` cannot be written by this account: {MISSING}; the engine keeps its journal there"
        )]
    );
}

#[test]
fn a_database_that_everyone_may_write_is_a_warning() {
    let world = world();
    chmod(&world, "site.db", 0o666);
    chmod(&world, "", 0o777);
    let ran = check(&world, 0);
    chmod(&world, "", 0o755);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:10:13: warning[R034]: the database file of datastore `site` has mode 0666, which lets everyone write",
            "rules/site.toml:10:13: warning[R034]: the directory of the database of datastore `site` has mode 0777, which lets everyone write: whoever does can replace the database, or leave a journal that undoes it",
        ]
    );
}

#[test]
fn a_root_that_everyone_may_write_is_refused_as_a_sweep_refuses_it() {
    let world = tree(&["up/a", "other/b"]);
    chmod(&world, "tree", 0o777);
    let ran = check(&world, 65);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:10:13: error[R034]: the root of datastore `tree` has mode 0777, which lets everyone write: nothing is swept there, and nothing was looked at"
        ]
    );
    assert!(ran.stderr.contains("help: run `chmod o-w` on `tree`"), "{}", ran.stderr);
}

#[test]
fn directories_that_let_nobody_remove_files_are_counted() {
    let world = tree(&["up/a/1", "up/a/2", "up/b/1", "up/c/1"]);
    assert_eq!(bound(&world, 0).stderr, "");
    chmod(&world, "tree/up/a", 0o555);
    chmod(&world, "tree/up/b", 0o555);
    let ran = bound(&world, 65);
    assert_eq!(
        problems(&ran),
        [format!(
            "rules/site.toml:10:13: error[R033]: in datastore `tree` 2 directories hold files that a rule covers and this account cannot remove: {MISSING}"
        )]
    );
}

#[test]
fn a_directory_that_cannot_be_read_is_not_taken_for_empty() {
    let world = tree(&["up/a/1", "up/b/1"]);
    chmod(&world, "tree/up/b", 0o000);
    let ran = bound(&world, 65);
    chmod(&world, "tree/up/b", 0o755);
    assert_eq!(
        problems(&ran),
        [format!(
            "rules/site.toml:10:13: error[R033]: in datastore `tree` 1 of the names cannot be read by this account ({MISSING}): what is beneath was not looked at"
        )]
    );
}

#[test]
fn a_root_that_cannot_be_opened_is_not_reached() {
    let world = tree(&["up/a"]);
    chmod(&world, "tree", 0o000);
    let ran = bound(&world, 77);
    chmod(&world, "tree", 0o755);
    assert!(ran.stderr.contains("error: datastore `tree` was not checked: "), "{}", ran.stderr);
}

#[test]
fn a_read_only_file_system_is_an_error_whoever_asks() {
    let world = tree(&[]);
    let mount = Mount::tmpfs(&world.path("tree"));
    chmod(&world, "tree", 0o755);
    std::fs::create_dir(world.path("tree/up")).unwrap();
    std::fs::write(world.path("tree/up/a"), "").unwrap();
    mount.read_only();
    let ran = world.ran(&["check", "--connect"], 65);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:10:13: error[R033]: in datastore `tree` 1 directory holds files that a rule covers and this account cannot remove: the file system is read-only",
            "rules/site.toml:10:13: error[R033]: the root of datastore `tree` cannot be written by this account: the file system is read-only",
        ]
    );
    drop(mount);
}

#[test]
fn what_is_mounted_in_a_tree_is_said() {
    let world = tree(&["up/a"]);
    std::fs::create_dir(world.path("tree/up/m")).unwrap();
    let mount = Mount::tmpfs(&world.path("tree/up/m"));
    let ran = world.ran(&["check", "--connect"], 0);
    drop(mount);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:10:13: warning[R033]: in datastore `tree` 1 of the names are mount points, which no sweep crosses: what is beneath was not looked at"
        ]
    );
}

//! What no rule covers and no waiver names; and waivers of nothing.

use std::fmt::Write as _;

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{ACCOUNT, check, configure, found, problems};
use crate::told;
use crate::world::{DELETED_AT, Ran, World, rules};

pub fn waiver(key: &str, dataset: &str) -> String {
    format!("\n[[waiver]]\ndatastore = \"site\"\n{key} = \"{dataset}\"\nreason = \"a test\"\n")
}

#[test]
fn a_table_that_nothing_covers_is_an_error_with_a_waiver_to_paste() {
    let world = World::new(&rules(DELETED_AT, ""), ACCOUNT);
    world.sql("CREATE TABLE \"odd \"\"name\"\" `x`\\\" (id INTEGER PRIMARY KEY)");
    let ran = check(&world, 65);
    // As it stands, the waiver gives no reason, and is refused.
    let lines: Vec<&str> = ran.stderr.lines().map(|line| line.trim_start_matches([' ', '='])).collect();
    let from = lines.iter().position(|line| *line == "[[waiver]]").unwrap();
    let block = format!("\n{}\n", lines[from..from + 4].join("\n"));
    world.rules(&rules(DELETED_AT, &block));
    assert!(problems(&world.ran(&["check"], 65))[0].contains("`reason` is empty"));
    world.rules(&rules(DELETED_AT, &block.replace("reason = \"\"", "reason = \"a test\"")));
    assert_eq!(check(&world, 0).stderr, "");
    told!(ran);
}

#[test]
fn a_table_that_a_rule_only_reads_is_not_covered() {
    let invoice = "CREATE TABLE invoice (id INTEGER PRIMARY KEY, account INTEGER); CREATE INDEX i ON invoice (account);";
    let unless = "unless = { table = \"invoice\", match = { account = \"id\" } }\n";
    assert_eq!(
        found(unless, invoice, 65),
        [
            "rules/site.toml:10:13: error[R035]: table `invoice` of datastore `site` is covered by no rule and no waiver, and rule `site/account` only reads it"
        ]
    );
    assert_eq!(found(&format!("{unless}{}", waiver("table", "invoice")), invoice, 0), [""; 0]);
}

#[test]
fn a_rule_that_only_observes_covers() {
    assert_eq!(found("mode = \"observe\"\n", "", 0), [""; 0]);
}

#[test]
fn a_dependent_covers() {
    let call =
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER); CREATE INDEX c ON call (account);";
    assert_eq!(found("", call, 65).len(), 1);
    let calls = "\n[[rule.dependent]]\nid = \"calls\"\nclass = \"account\"\ntable = \"call\"\nmatch = { account = \"id\" }\naction = \"delete\"\n";
    assert_eq!(found(calls, call, 0), [""; 0]);
}

#[test]
fn a_table_of_an_extension_counts_once() {
    let index = "CREATE VIRTUAL TABLE words USING fts5(text);";
    assert_eq!(
        found("", index, 65),
        [
            "rules/site.toml:10:13: error[R035]: table `words` of datastore `site` is covered by no rule and no waiver"
        ]
    );
    assert_eq!(found(&waiver("table", "words"), index, 0), [""; 0]);
}

/// The engine calls it a shadow by its name alone; it is the application's, and holds what people wrote.
#[test]
fn a_table_that_a_full_text_index_was_told_of_is_the_applications() {
    let docs = "CREATE TABLE docs_content (id INTEGER PRIMARY KEY, body TEXT, person TEXT);
                CREATE VIRTUAL TABLE docs USING fts5(body, content='docs_content', content_rowid='id');
                CREATE VIRTUAL TABLE ocs USING fts5(body);";
    let said = found(&(waiver("table", "docs") + &waiver("table", "ocs")), docs, 65);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("table `docs_content` of datastore `site` is covered by no rule and no waiver"),
        "{said:?}"
    );
}

#[test]
fn a_table_whose_name_no_rule_can_write_is_counted() {
    let schema = format!("CREATE TABLE \"{}\" (id); CREATE TABLE \"two\nlines\" (id);", "x".repeat(200));
    assert_eq!(
        found("", &schema, 65),
        [
            "rules/site.toml:10:13: error[R035]: 2 tables of datastore `site` cannot be covered: the name is longer than 128 bytes, or holds control characters"
        ]
    );
}

#[test]
fn a_datastore_that_no_rule_file_names_is_shown_where_it_is_configured() {
    let world = World::new(&rules(DELETED_AT, ""), ACCOUNT);
    configure(
        &world,
        "[datastore.other]\nkind = \"sqlite\"\nurl = \"sqlite://other.db\"\n\n[datastore.tree]\nkind = \"files\"\nroot = \"tree\"",
    );
    tree(&world, &[]);
    world.sql_on("other.db", "CREATE TABLE a (id)");
    world.sql_on("other.db", "DROP TABLE a");
    assert_eq!(check(&world, 0).stderr, "");
    world.sql_on("other.db", "CREATE TABLE a (id); CREATE TABLE b (id)");
    tree(&world, &["12/a", "12/b"]);
    let ran = check(&world, 65);
    assert_eq!(
        problems(&ran),
        [
            "expunged.toml:16:1: error[C035]: no rule file names datastore `other`: 2 tables of it are covered by no rule and no waiver (`a`, `b`)",
            "expunged.toml:20:1: error[C035]: no rule file names datastore `tree`: its 2 files are covered by no rule and no waiver",
        ]
    );
    assert!(ran.stderr.contains("16 | [datastore.other]"), "{}", ran.stderr);
}

#[test]
fn a_waiver_of_nothing_is_said() {
    let missing = found(&waiver("table", "acount"), "", 65);
    assert_eq!(
        missing,
        [
            "rules/site.toml:20:9: error[R036]: the waiver names table `acount`, which does not exist in datastore `site`"
        ]
    );
    let covered = found(&waiver("table", "account"), "", 0);
    assert_eq!(
        covered,
        [
            "rules/site.toml:20:9: warning[R036]: the waiver names table `account`, which a rule covers already"
        ]
    );
    let world = World::new(&rules(DELETED_AT, &waiver("table", "x").replace("\"site\"", "\"sit\"")), ACCOUNT);
    let ran = check(&world, 65);
    assert_eq!(
        problems(&ran),
        ["rules/site.toml:19:13: error[R013]: the configuration has no datastore `sit`"]
    );
    assert!(ran.stderr.contains("help: did you mean `site`?"), "{}", ran.stderr);
    world.rules(&rules(DELETED_AT, &waiver("pattern", "x/**")));
    let ran = check(&world, 65);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:19:13: error[R009]: datastore `site` holds rows: `table` names them; expected one that holds files"
        ]
    );
}

/// A datastore `tree` of files, made in the world.
fn tree(world: &World, files: &[&str]) {
    tree_of(world, &files.iter().map(|file| file.as_bytes()).collect::<Vec<_>>());
}

fn tree_of(world: &World, files: &[&[u8]]) {
    let root = world.path("tree");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    for file in files {
        let path = root.join(Path::new(std::ffi::OsStr::from_bytes(file)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "canary").unwrap();
    }
}

/// Checked with these patterns of dependents, and these of waivers.
fn files(patterns: &[&str], waived: &[&str], files: &[&[u8]], code: i32) -> (World, Ran) {
    let mut rest = String::new();
    for (number, pattern) in patterns.iter().enumerate() {
        write!(rest, "\n[[rule.dependent]]\nid = \"files-{number}\"\nclass = \"account\"\ndatastore = \"tree\"\npattern = \"{pattern}\"\naction = \"delete\"\n").unwrap();
    }
    for pattern in waived {
        write!(rest, "\n[[waiver]]\ndatastore = \"tree\"\npattern = \"{pattern}\"\nreason = \"a test\"\n")
            .unwrap();
    }
    let world = World::new(&rules(DELETED_AT, &rest), ACCOUNT);
    configure(&world, "[datastore.tree]\nkind = \"files\"\nroot = \"tree\"");
    tree_of(&world, files);
    let ran = check(&world, code);
    (world, ran)
}

#[test]
fn files_that_nothing_covers_are_gathered_by_the_directories_that_may_be_named() {
    let there: [&[u8]; 6] = [
        b"uploads/12/a",
        b"exports/secret-1.csv",
        b"exports/deep/secret-2.csv",
        b"uploads/secret-3",
        b"secret-4",
        b"logs/secret-5",
    ];
    let (_, ran) = files(&["uploads/{id}/**"], &[], &there, 65);
    assert!(!ran.text().contains("secret"), "{}", ran.text());
    told!(ran);
    let waived = ["exports/**", "uploads/*", "logs/*", "*"];
    assert_eq!(files(&["uploads/{id}/**"], &waived, &there, 0).1.stderr, "");
}

#[test]
fn directories_that_may_be_people_are_not_named() {
    let there: [&[u8]; 3] = [b"secret-1/mail/a", b"secret-1/b", b"secret-2/b"];
    let (_, ran) = files(&["{id}/mail/*"], &[], &there, 65);
    assert!(!ran.text().contains("secret"), "{}", ran.text());
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:21:13: error[R035]: 2 files below the root of datastore `tree` are covered by no rule and no waiver"
        ]
    );
    assert!(!ran.stderr.contains("[[waiver]]\n"), "{}", ran.stderr);
}

#[test]
fn any_pattern_covers() {
    let there: [&[u8]; 3] = [b"a/1/x", b"a/1/y", b"a/1/z"];
    assert_eq!(files(&["a/{id}/x", "a/{id}/y"], &["a/*/z"], &there, 0).1.stderr, "");
    let (_, ran) = files(&["a/{id}/x", "a/{id}/y"], &[], &there, 65);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:21:13: error[R035]: 1 file below `a/` of datastore `tree` is covered by no rule and no waiver"
        ]
    );
}

#[test]
fn a_directory_that_no_pattern_can_write_has_no_waiver_to_paste() {
    // What stands in a name literally would be a wildcard in a pattern; `?` and `[` are nothing special.
    let there: [&[u8]; 4] = [b"a/1/x", b"st*r/f", b"bad\xff/f", b"[q]?/f"];
    let (_, ran) = files(&["a/{id}/**"], &[], &there, 65);
    let problems = problems(&ran);
    let names = ["`[q]?/`", "`bad\u{fffd}/`", "`st*r/`"];
    assert_eq!(problems.len(), 3, "{problems:?}");
    for name in names {
        assert!(
            problems.iter().any(|p| p.contains(&format!("1 file below {name} of"))),
            "{name}: {problems:?}"
        );
    }
    assert_eq!(ran.stderr.matches("[[waiver]]\n").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("pattern = \"[q]?/*\"\n"), "{}", ran.stderr);
}

#[test]
fn the_directories_with_the_most_files_are_shown_and_the_others_counted() {
    let names: Vec<String> = (0..9).flat_map(|d| (0..=d).map(move |f| format!("d{d}/{f}"))).collect();
    let mut there: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    there.push(b"a/1/x");
    let (_, ran) = files(&["a/{id}/**"], &[], &there, 65);
    let problems = problems(&ran);
    assert_eq!(problems.len(), 6, "{problems:?}");
    for (directory, count) in [(8, 9), (7, 8), (6, 7), (5, 6), (4, 5)] {
        assert!(
            problems.iter().any(|p| p.contains(&format!("{count} files below `d{directory}/` of"))),
            "{problems:?}"
        );
    }
    assert!(problems.iter().any(|p| p.contains("10 more files below other directories")), "{problems:?}");
}

#[test]
fn a_waiver_that_names_no_file_is_a_warning() {
    let there: [&[u8]; 1] = [b"a/1/x"];
    let (_, ran) = files(&["a/{id}/**"], &["b/**", "a/**"], &there, 0);
    assert_eq!(
        problems(&ran),
        [
            "rules/site.toml:27:11: warning[R036]: the waiver of `b/**` names no file that is in datastore `tree` now",
            "rules/site.toml:32:11: warning[R036]: the waiver of `a/**` names only files that a rule covers already",
        ]
    );
}

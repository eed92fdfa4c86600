//! The floors: a module imports only modules on lower floors; within a floor, only inside one folder.

pub mod source;

use std::collections::BTreeMap;
use std::path::Path;

use source::{Token, module_of, paths, root, rust_files, tokens};

/// Which floor each top-level module is on.
type Floors = BTreeMap<String, u32>;

/// The table in the documentation of `src/lib.rs`: what people read is what is enforced.
fn floors(lib: &str) -> Floors {
    let mut floors = Floors::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = row.split(" | ");
        let (Some(floor), Some(modules)) = (cells.next().and_then(|c| c.parse().ok()), cells.next()) else {
            continue;
        };
        for name in modules.split("[`").skip(1).filter_map(|rest| rest.split("`]").next()) {
            assert_eq!(floors.insert(name.to_owned(), floor), None, "`{name}` is twice in the floor table");
        }
    }
    floors
}

/// What is wrong with the imports of one file, a line each.
fn violations(floors: &Floors, file: &Path, source: &str) -> Vec<String> {
    let module = module_of(file);
    let tokens = tokens(source);
    let mut wrong = Vec::new();
    let Some(from) = module.first() else {
        // The root declares modules; an import there would be a second way to every one of them.
        if tokens.iter().any(|t| t.is("use") || t.is("fn")) {
            wrong.push(format!("{}: the crate's root holds no imports and no logic", file.display()));
        }
        return wrong;
    };
    let Some(floor) = floors.get(from) else {
        return vec![format!("{}: `{from}` is not in the floor table of src/lib.rs", file.display())];
    };
    for path in paths(&module, &tokens) {
        let Some(to) = path.first() else {
            wrong.push(format!("{}: takes the crate's root under another name", file.display()));
            continue;
        };
        let said = |what: &str| format!("{}: {what} import `{}`", file.display(), path.join("::"));
        match floors.get(to) {
            _ if to == from => {}
            None => wrong.push(said("unknown")),
            Some(other) if other > floor => wrong.push(said("upward")),
            Some(other) if other == floor => wrong.push(said("sideways")),
            Some(_) => {}
        }
    }
    wrong
}

fn lib() -> String {
    std::fs::read_to_string(root().join("src/lib.rs")).unwrap()
}

#[test]
fn a_module_imports_only_modules_on_lower_floors() {
    let floors = floors(&lib());
    let mut wrong = Vec::new();
    for (file, source) in rust_files("src") {
        // The program stands on top of the library; tests/it/house.rs looks after it.
        if file != Path::new("main.rs") {
            wrong.extend(violations(&floors, &file, &source));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_floor_table_names_every_module_and_no_other() {
    let lib = lib();
    let tokens = tokens(&lib);
    let mut declared: Vec<&str> = tokens
        .windows(2)
        .filter_map(|pair| match pair {
            [keyword, Token::Word(name)] if keyword.is("mod") => Some(name.as_str()),
            _ => None,
        })
        .collect();
    declared.sort_unstable();
    let floors = floors(&lib);
    assert_eq!(floors.keys().collect::<Vec<_>>(), declared);
}

const HOUSE: &str = "
//! | floor | modules |
//! |---|---|
//! | 0 | [`model`], [`clock`]: no I/O |
//! | 1 | [`rules`], [`ledger`] |
//! | 2 | [`state`] |
";

fn found(file: &str, source: &str) -> Vec<String> {
    violations(&floors(HOUSE), Path::new(file), source)
}

#[test]
fn an_import_that_climbs_is_found_in_every_form() {
    for source in [
        "use crate::state::State;",
        "use crate::{model::Now, state};",
        "use crate::{model::{Now, Then}, state::{self, State}};",
        "pub use crate::state::State;",
        "fn f() -> crate::state::State { open() }",
        "use super::super::state::State;",
        "use super::{super::state::State};",
        "mod tests { use super::super::super::state::State; }",
        "const QUOTE: char = '\"'; use crate::state::State; const OTHER: char = '\"';",
        "const QUOTE: char = '\\''; use crate::state::State;",
        "const RAW: &str = r#\"\"\"#; use crate::state::State;",
        "fn f<'a>(a: &'a str) -> &'a str { crate::state::open(a) }",
        "/* /* */ */ use crate::state::State;",
    ] {
        let wrong = found("rules/check.rs", source);
        assert!(!wrong.is_empty(), "{source}");
        for line in &wrong {
            assert!(line.starts_with("rules/check.rs: upward import `state"), "{source}: {wrong:?}");
        }
    }
}

#[test]
fn an_import_from_next_door_is_found() {
    assert_eq!(
        found("rules/check.rs", "use crate::ledger::entry::Body;"),
        ["rules/check.rs: sideways import `ledger::entry::Body`"]
    );
    assert_eq!(
        found("clock.rs", "use super::model::now::Now;"),
        ["clock.rs: sideways import `model::now::Now`"]
    );
}

#[test]
fn no_way_around_the_table_is_left() {
    assert_eq!(
        found("rules/check.rs", "use crate::report::Page;"),
        ["rules/check.rs: unknown import `report::Page`"]
    );
    assert_eq!(
        found("report/page.rs", ""),
        ["report/page.rs: `report` is not in the floor table of src/lib.rs"]
    );
    assert_eq!(found("rules/check.rs", "use super::super::*;"), ["rules/check.rs: unknown import `*`"]);
    for renamed in ["use crate as all;", "use super::super as all;", "use crate::{self as all};"] {
        assert_eq!(
            found("rules/check.rs", renamed),
            ["rules/check.rs: takes the crate's root under another name"]
        );
    }
    assert_eq!(found("lib.rs", "pub mod model; pub use state::State;").len(), 1);
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    for source in [
        "use crate::model::{Now, period::{Period, Retain}};",
        "use crate::rules::bind::BoundRule;",
        "use super::bind::BoundRule; use self::inner::Thing;",
        "mod tests { use super::*; use super::super::bind::bind; }",
        "pub(super) fn f(self) {} pub(crate) fn g(&self) {}",
        "/// Like [`State`](crate::state::State), but pure.\n//! use crate::state::State;",
        "const TEXT: &str = \"use crate::state::State;\";",
        "const RAW: &str = r##\"\"# use crate::state::State;\"##;",
    ] {
        assert_eq!(found("rules/check.rs", source), [""; 0], "{source}");
    }
}

//! Patterns: what is refused as written, what may stand in one, and which paths are meant.

use expunged::model::name::ColumnName;
use expunged::model::pattern::{Asked, Glob, Pattern};
use expunged::model::value::Value;
use proptest::prelude::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn open(text: &str) -> Glob {
    pattern(text).open()
}

fn bound(text: &str, value: &Value) -> Option<Glob> {
    pattern(text).bind(&|_| Some(value.clone())).unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn what_cannot_be_a_pattern_is_refused_with_what_was_expected() {
    for (text, message) in [
        ("", "the pattern is empty: expected a path below the datastore's root, such as `uploads/*.zip`"),
        ("/etc", "the pattern starts with `/`: expected a path relative to the datastore's root"),
        ("/", "the pattern starts with `/`: expected a path relative to the datastore's root"),
        ("a\0b", "the pattern holds a control character: expected printable text"),
        ("a\nb", "the pattern holds a control character: expected printable text"),
        ("a//b", "component 2 of the pattern is empty: expected a name between two `/`"),
        ("a//", "component 2 of the pattern is empty: expected a name between two `/`"),
        ("a/../b", "component 2 of the pattern is `..`: expected a name below the root"),
        ("./a", "component 1 of the pattern is `.`: expected a name below the root"),
        ("..", "component 1 of the pattern is `..`: expected a name below the root"),
        ("a/**/b", "`**` stands in component 2 (`**`): expected it alone, as the last component"),
        ("a/b**", "`**` stands in component 2 (`b**`): expected it alone, as the last component"),
        ("a/***", "`**` stands in component 2 (`***`): expected it alone, as the last component"),
        ("a/**/", "`**` stands in component 2 (`**`): expected it alone, as the last component"),
        ("**/", "`**` stands in component 1 (`**`): expected it alone, as the last component"),
        ("{a", "component `{a` of the pattern has a brace without its pair: expected `{column}`"),
        ("a}", "component `a}` of the pattern has a brace without its pair: expected `{column}`"),
        ("}{a}", "component `}{a}` of the pattern has a brace without its pair: expected `{column}`"),
        ("{a}}", "component `{a}}` of the pattern has a brace without its pair: expected `{column}`"),
        ("x/{}", "`{}` in the pattern names no column: expected 1 to 128 bytes without control characters"),
        ("{a}{b}", "component `{a}{b}` of the pattern holds 2 columns: expected at most one in a component"),
        (
            "{id}*",
            "component `{id}*` of the pattern holds a column and `*`: expected them in components of their own",
        ),
    ] {
        let error = Pattern::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
    let long = Pattern::parse(&format!("a/{}", "x".repeat(256))).unwrap_err();
    assert_eq!(long.to_string(), "component 2 of the pattern holds 256 bytes: expected at most 255");
}

#[test]
fn a_glob_means_these_paths_and_not_those() {
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("a.zip", &["a.zip"], &["a-zip", "b/a.zip", "a.zip/b", ""]),
        ("*", &["a", ".a", "*", "{", "a\nb"], &["", "a/b", "/a", "a/"]),
        ("a*", &["a", "ab"], &["b", "ba"]),
        ("*.log", &[".log", "a.log", "a.log.log"], &["a.log.1", "log"]),
        ("a*b*c", &["abc", "axbxc", "abbc", "abcbc"], &["ac", "acb", "abcd", "ab"]),
        ("ab*ba", &["abba", "abxba"], &["aba", "ab"]),
        ("a/*/c", &["a/b/c"], &["a/c", "a//c", "a/b/b/c", "a/b/d"]),
        ("a/**", &["a/b", "a/b/c/d"], &["a", "a/", "b/a", "ab/c"]),
        ("a/", &["a/b", "a/b/c/d"], &["a", "a/", "b/a"]),
        ("**", &["a", "a/b/c"], &["", "/a", "a//b"]),
        ("*/x/", &["a/x/b"], &["x/b", "a/x", "a/b/x/c"]),
        ("u-{id}/f", &["u-1/f", "u-*/f"], &["u-/f", "u/f", "u-1/2/f"]),
    ];
    for (pattern, meant, others) in cases {
        for path in meant {
            assert!(open(pattern).matches(path.as_bytes()), "`{pattern}` does not mean {path:?}");
        }
        for path in others {
            assert!(!open(pattern).matches(path.as_bytes()), "`{pattern}` means {path:?}");
        }
    }
    assert!(open("*/f").matches(b"\xff\xfe/f"), "a name need not be UTF-8");
}

#[test]
fn a_value_is_taken_literally() {
    let glob = bound("u/{id}/", &Value::Integer(-12)).unwrap();
    assert!(glob.matches(b"u/-12/a"));
    assert!(!glob.matches(b"u/12/a") && !glob.matches(b"u/-1/a") && !glob.matches(b"u/-123/a"));
    let glob = bound("{name}.zip", &text("*")).unwrap();
    assert!(glob.matches(b"*.zip") && !glob.matches(b"a.zip"));
    let glob = bound("{name}/**", &text("{x}\n")).unwrap();
    assert!(glob.matches(b"{x}\n/f"));
    assert!(bound("{name}/**", &text(&"x".repeat(255))).is_some());
}

#[test]
fn null_means_no_path() {
    assert!(bound("u/{id}/", &Value::Null).is_none());
}

#[test]
fn what_cannot_be_one_name_is_unusable_and_not_told() {
    let long = "x".repeat(256);
    for (value, observed) in [
        (text(""), "empty text"),
        (text("."), "`.` or `..`"),
        (text(".."), "`.` or `..`"),
        (text("a/b"), "text with a `/`"),
        (text("../b"), "text with a `/`"),
        (text("a\0"), "text with a NUL"),
        (text("a\u{ffff}"), "text that is not UTF-8"),
        (text(&long), "more than 255 bytes"),
        (Value::Real(1.0), "a floating-point number"),
        (Value::Blob(b"a".to_vec()), "bytes"),
    ] {
        let error = pattern("x-{id}.zip").bind(&|_| Some(value.clone())).unwrap_err();
        assert_eq!(error.observed(), observed);
        assert_eq!(
            error.to_string(),
            format!(
                "column `id` holds {observed}, which cannot stand in a path: expected an integer, or text that is \
                 one file name of 1 to 255 bytes"
            )
        );
    }
    assert!(pattern("{id}").bind(&|_| None).is_err(), "a column that nobody read means nothing");
}

#[test]
fn columns_and_globs_are_told_apart() {
    assert!(pattern("a/*/b").glob().is_some());
    assert!(pattern("a/{id}/b").glob().is_none());
    let columns: Vec<String> = pattern("{a}/x/b-{b}/{a}.zip").columns().map(ToString::to_string).collect();
    assert_eq!(columns, ["a", "b", "a"]);
    assert_eq!(pattern("a/{id}/").to_string(), "a/{id}/");
}

#[test]
fn a_path_tells_what_the_columns_hold() {
    let column = |name: &str| ColumnName::new(name).unwrap();
    let held = pattern("u-{id}/{name}.zip").captures(b"u-7/\xff.zip").unwrap();
    assert_eq!(held, [(column("id"), b"7".to_vec()), (column("name"), b"\xff".to_vec())]);
    assert_eq!(pattern("{id}/**").captures(b"7/a/b").unwrap(), [(column("id"), b"7".to_vec())]);
    assert_eq!(pattern("{id}/{id}.zip").captures(b"7/7.zip").unwrap(), [(column("id"), b"7".to_vec())]);
    assert_eq!(pattern("{id}/{id}.zip").captures(b"7/8.zip"), None, "no record means two values");
    assert_eq!(pattern("{id}.zip").captures(b".zip"), None);
    assert_eq!(pattern("a/*").captures(b"a/b"), Some(Vec::new()));
}

#[test]
fn directories_stay_down_to_the_last_one_that_the_rule_names() {
    for (pattern, keep) in [
        ("*", 0),
        ("**", 0),
        ("a.zip", 0),
        ("a/*", 1),
        ("a/b/**", 2),
        ("a/*/", 1),
        ("a/*/b/*", 3),
        ("a/{id}/*", 1),
        ("a/{id}/b/", 3),
        ("{id}/", 0),
        ("{id}/*/c", 0),
    ] {
        let glob = bound(pattern, &Value::Integer(1)).unwrap();
        assert_eq!((glob.keep(), open(pattern).keep()), (keep, keep), "{pattern}");
    }
}

#[test]
fn a_glob_asks_for_a_name_where_it_knows_it() {
    let glob = bound("a/{id}/x*/", &Value::Integer(5)).unwrap();
    assert_eq!(glob.asked(0), Asked::Name(b"a"));
    assert_eq!(glob.asked(1), Asked::Name(b"5"));
    assert_eq!(glob.asked(2), Asked::Some);
    assert_eq!(glob.asked(3), Asked::Everything);
    assert_eq!(glob.asked(9), Asked::Everything);
    assert_eq!(open("a").asked(1), Asked::Nothing);
    assert_eq!(format!("{glob:?}"), "<glob>", "a value is not printed");
}

/// By the definition, character by character.
fn matches_one(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|n| matches_one(rest, &name[n..])),
        ([p, rest @ ..], [n, others @ ..]) => p == n && matches_one(rest, others),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_component_matches_as_defined(pattern in "[ab*]{1,8}", name in "[ab]{1,10}") {
        prop_assume!(!pattern.contains("**"));
        prop_assert_eq!(open(&pattern).matches(name.as_bytes()), matches_one(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn nothing_that_is_written_makes_it_fall(text in "[a{}*./]{0,12}", path in "[a./]{0,12}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(pattern.as_str(), &text);
            prop_assert!(pattern.captures(path.as_bytes()).is_none_or(|_| pattern.open().matches(path.as_bytes())));
        }
    }

    #[test]
    fn what_a_value_binds_to_is_what_the_path_tells(value in "[^/\0\u{ffff}]{1,20}") {
        prop_assume!(!matches!(value.as_str(), "." | ".."));
        let path = format!("u/x-{value}/f");
        let pattern = pattern("u/x-{id}/*");
        let glob = pattern.bind(&|_| Some(text(&value))).unwrap().unwrap();
        prop_assert!(glob.matches(path.as_bytes()));
        let captured = pattern.captures(path.as_bytes()).unwrap();
        prop_assert_eq!(&captured[0].1, value.as_bytes());
    }

    #[test]
    fn a_path_matches_where_each_of_its_names_fits(text in "([ab*]{1,3}/){0,3}[ab*]{1,3}/?", path in "([ab]{1,2}/){0,4}[ab]{1,2}") {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        let glob = pattern.open();
        let names: Vec<&[u8]> = path.as_bytes().split(|b| *b == b'/').collect();
        let fits = names.iter().enumerate().all(|(depth, name)| glob.fits(depth, name));
        prop_assert_eq!(glob.matches(path.as_bytes()), fits && glob.ends(names.len() - 1));
    }
}

#[test]
fn two_patterns_meet_where_one_path_is_meant_by_both() {
    for (a, b, expected) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a/b", "a", false),
        ("a/**", "a", false),
        ("a/**", "a/b/c", true),
        ("a/**", "**", true),
        ("a/**", "b/**", false),
        ("*.zip", "backup-*", true),
        ("*.zip", "*.tar", false),
        ("a*b*c", "*bb*", true),
        ("ab*", "*ba", true),
        ("ab", "*ba", false),
        ("a*", "a", true),
        ("{id}", "12", true),
        ("{id}", "x{of}", true),
        ("x{id}", "x", false),
        ("x{id}", "*x", true),
        ("{id}/**", "incoming/*", true),
        ("u{id}/**", "incoming/*", false),
        ("*", "**", true),
        ("*/a", "b/*", true),
    ] {
        assert_eq!(open(a).meets(&open(b)), expected, "`{a}` and `{b}`");
        assert_eq!(open(b).meets(&open(a)), expected, "`{b}` and `{a}`");
    }
}

proptest! {
    /// What both match, both meet in.
    #[test]
    fn patterns_that_match_the_same_path_meet(
        a in "[ab*]{1,5}(/[ab*]{1,3}|/\\*\\*)?", b in "[ab*]{1,5}(/[ab*]{1,3}|/\\*\\*)?", path in "[ab]{1,4}(/[ab]{1,3})?",
    ) {
        if let (Ok(a), Ok(b)) = (Pattern::parse(&a), Pattern::parse(&b)) {
            let both = a.open().matches(path.as_bytes()) && b.open().matches(path.as_bytes());
            prop_assert!(!both || a.open().meets(&b.open()));
        }
    }
}

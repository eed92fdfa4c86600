//! What editors are told of both TOML formats, against what the readers do.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use expunged::config::{self, Config};
use expunged::diagnostic::shape::{Need, Shape, Type};
use expunged::diagnostic::{Code, Diagnostics, Source, SourceKind};
use expunged::model::datastore::Defaults;
use expunged::rules::document;

use crate::architecture::source::root;

/// A file that holds one key of one table, beside what that table needs; and where the key's value stands.
struct Case {
    key: String,
    text: String,
    value: Range<usize>,
}

/// How a file is read; what is wrong with it, if something is.
type Read = fn(&str) -> Option<Diagnostics>;

fn rules(text: &str) -> Option<Diagnostics> {
    let source = Source::new(SourceKind::Rules, "rules/site.toml", text);
    document::parse(&source, "site", &Defaults::default()).err()
}

fn configuration(text: &str) -> Option<Diagnostics> {
    Config::parse(&Source::new(SourceKind::Configuration, "expunged.toml", text)).err()
}

const FORMATS: [(&Shape, Read); 2] = [(&document::FILE, rules), (&config::FILE, configuration)];

/// One right value.
fn example(of: &'static Type) -> String {
    match of {
        Type::Text(text) => format!("{:?}", text.example),
        Type::Word(words) => format!("{:?}", words[0]),
        Type::Integer(least) => (*least).max(1).to_string(),
        Type::Number => "0.5".to_owned(),
        Type::Boolean | Type::True => "true".to_owned(),
        Type::Instant => "2026-03-02T10:00:00+03:00".to_owned(),
        Type::List(of) | Type::Any(of) => format!("[{}]", example(of)),
        Type::Table(shape) => table(shape, None),
        Type::OneOf(types) => example(&types[0]),
    }
}

/// What a key only means something beside.
const COMPANIONS: [(&str, &[(&str, &str)]); 4] = [
    ("on_erasure", &[("subject", "\"id\"")]),
    ("subject", &[("on_erasure", "\"dispose\"")]),
    ("columns", &[("action", "\"pseudonymize\""), ("mark", "\"done_at\"")]),
    ("mark", &[("action", "\"pseudonymize\""), ("columns", "{ x = \"random\" }")]),
];

/// An inline table of what has to be there, and of one key more, with what it needs beside it.
fn table(shape: &'static Shape, more: Option<(&str, &str)>) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &str| match pairs.iter_mut().find(|(known, _)| known == key) {
        Some((_, known)) => value.clone_into(known),
        None => pairs.push((key.to_owned(), value.to_owned())),
    };
    for key in shape.keys.iter().filter(|k| k.need == Need::Required) {
        set(key.name, &example(&key.value));
    }
    if let (Some(names), None) = (shape.names, more) {
        set("x", &example(names));
    }
    if let Some((name, value)) = more {
        let beside = COMPANIONS.iter().filter(|(key, _)| *key == name && shape.names.is_none());
        beside.flat_map(|(_, pairs)| *pairs).for_each(|(key, value)| set(key, value));
        set(name, value);
    }
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// Marks where a value goes.
const HOLE: &str = "\u{1}";

/// A file with a hole for each key of each table, with what stands in the hole if it is right.
fn holes(root: &'static Shape) -> Vec<(String, String, &'static Type)> {
    fn walk(
        shape: &'static Shape,
        at: &str,
        within: &dyn Fn(String) -> String,
        found: &mut Vec<(String, String, &'static Type)>,
    ) {
        let named = shape.names.map(|value| ("x", value));
        let keys = shape.keys.iter().map(|key| (key.name, &key.value)).chain(named);
        for (name, value) in keys {
            let path = format!("{at}.{name}");
            found.push((path.clone(), within(table(shape, Some((name, HOLE)))), value));
            inside(value, &path, &|inner| within(table(shape, Some((name, &inner)))), found);
        }
    }
    fn inside(
        value: &'static Type,
        path: &str,
        within: &dyn Fn(String) -> String,
        found: &mut Vec<(String, String, &'static Type)>,
    ) {
        for one in value.each() {
            match one {
                Type::Table(shape) => walk(shape, path, within, found),
                Type::List(of) | Type::Any(of) => {
                    inside(of, path, &|inner| within(format!("[{inner}]")), found);
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    // The root's own keys stand in lines, not in braces.
    let lines = |table: String| {
        let mut depth = 0;
        let inner = table.trim().trim_start_matches('{').trim_end_matches('}');
        inner.chars().fold(String::new(), |mut text, c| {
            depth += match c {
                '{' | '[' => 1,
                '}' | ']' => -1,
                _ => 0,
            };
            text.push(if c == ',' && depth == 0 { '\n' } else { c });
            text
        })
    };
    walk(root, "", &lines, &mut found);
    found
}

fn fill(path: &str, holed: &str, value: &str) -> Case {
    let at = holed.find(HOLE).unwrap_or_else(|| panic!("{path}: no hole in {holed}"));
    let text = holed.replacen(HOLE, value, 1);
    Case { key: path.to_owned(), text, value: at..at + value.len() }
}

/// Whether a value of a kind fits a type.
type Fits = fn(&Type) -> bool;

/// Values of every kind that TOML has.
const KINDS: [(&str, Fits); 7] = [
    ("\"zz zz\"", |t| matches!(t, Type::Text(_) | Type::Word(_) | Type::Instant)),
    ("77", |t| matches!(t, Type::Integer(_) | Type::Number)),
    ("1.5", |t| matches!(t, Type::Number)),
    ("true", |t| matches!(t, Type::Boolean | Type::True)),
    ("2026-01-31T00:00:00Z", |t| matches!(t, Type::Instant)),
    ("[\"zz zz\"]", |t| matches!(t, Type::List(_) | Type::Any(_))),
    ("{ zz = \"zz zz\" }", |t| matches!(t, Type::Table(_))),
];

fn about(case: &Case, found: Option<Diagnostics>) -> Vec<(Code, String)> {
    let found = found.unwrap_or_default();
    let here = found.iter().filter(|d| {
        let span = d.place.span();
        span.start >= case.value.start && span.end <= case.value.end
    });
    here.map(|d| (d.code, d.message.clone())).collect()
}

#[test]
fn every_key_that_editors_offer_is_read() {
    let mut seen = 0;
    for (shape, read) in FORMATS {
        for (path, holed, value) in holes(shape) {
            for one in value.each() {
                let case = fill(&path, &holed, &example(one));
                let unknown: Vec<String> = read(&case.text)
                    .unwrap_or_default()
                    .iter()
                    .filter(|d| matches!(d.code, Code::UnknownKey | Code::WrongType | Code::Syntax))
                    .map(|d| d.message.clone())
                    .collect();
                assert!(unknown.is_empty(), "{}: {unknown:?}\n{}", case.key, case.text);
                seen += 1;
            }
        }
    }
    assert!(seen > 150, "only {seen} keys were tried");
}

#[test]
fn what_editors_refuse_is_refused() {
    for (shape, read) in FORMATS {
        for (path, holed, value) in holes(shape) {
            for (written, fits) in KINDS {
                if value.each().into_iter().any(fits) {
                    continue;
                }
                let case = fill(&path, &holed, written);
                let found = about(&case, read(&case.text));
                assert!(!found.is_empty(), "{}: `{written}` passes\n{}", case.key, case.text);
            }
        }
    }
}

#[test]
fn the_words_that_editors_offer_are_the_words_that_are_read() {
    for (shape, read) in FORMATS {
        for (path, holed, value) in holes(shape) {
            for one in value.each() {
                let (words, wrap): (&[&str], fn(String) -> String) = match one {
                    Type::Word(words) => (words, |w| w),
                    Type::List(Type::Word(words)) | Type::Any(Type::Word(words)) => {
                        (words, |w| format!("[{w}]"))
                    }
                    _ => continue,
                };
                for word in words {
                    let case = fill(&path, &holed, &wrap(format!("{word:?}")));
                    let found = about(&case, read(&case.text));
                    let unread =
                        found.iter().any(|(code, _)| matches!(code, Code::BadValue | Code::WrongType));
                    assert!(!unread, "{}: {found:?}\n{}", case.key, case.text);
                }
                let texts = value.each().into_iter().any(|t| matches!(t, Type::Text(_)));
                let case = fill(&path, &holed, &wrap("\"zz-zz\"".to_owned()));
                assert!(texts || !about(&case, read(&case.text)).is_empty(), "{}: any word passes", case.key);
            }
        }
    }
}

/// The schemas in `deploy/` are those of this program, and programs that nobody here wrote agree with the reader about the shipped
/// files. `EXPUNGED_UPDATE_DOCS=1` writes them anew.
#[test]
fn the_shipped_schemas_are_fresh_and_the_shipped_files_are_valid() {
    let directory = root().join("deploy/schema");
    for (format, file) in [("rules", "rules.schema.json"), ("configuration", "configuration.schema.json")] {
        let ran = Command::new(env!("CARGO_BIN_EXE_expunged")).args(["schema", format]).output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        let path = directory.join(file);
        if std::env::var_os("EXPUNGED_UPDATE_DOCS").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == printed, "{}: run `expunged schema {format}`", path.display());
    }
    let rules: Vec<PathBuf> = files_of("rules").collect();
    let valid = |schema: &str, files: &[PathBuf]| {
        let script = root().join("tests/validate_schema.py");
        let ran = Command::new(python("python"))
            .arg(script)
            .arg(directory.join(schema))
            .args(files)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let said = valid("rules.schema.json", &rules);
    assert!(said.starts_with(&format!("{} files are valid", rules.len())), "{said}");
    valid("configuration.schema.json", &[root().join("deploy/expunged.toml")]);
}

/// As an editor would: with the configuration for it that is shipped.
#[test]
fn taplo_accepts_the_shipped_files_and_points_at_a_wrong_key() {
    let repository = tempfile::tempdir().unwrap();
    let at = |name: &str| repository.path().join(name);
    std::fs::create_dir(at("rules")).unwrap();
    std::fs::create_dir(at("schema")).unwrap();
    for path in files_of("rules").chain(files_of("deploy/schema")) {
        let folder = if path.ends_with("taplo.toml") {
            ""
        } else {
            path.parent().unwrap().file_name().unwrap().to_str().unwrap()
        };
        std::fs::copy(&path, at(folder).join(path.file_name().unwrap())).unwrap();
    }
    std::fs::copy(root().join("deploy/expunged.toml"), at("expunged.toml")).unwrap();
    let check = || {
        let ran = Command::new(python("taplo")).arg("check").current_dir(repository.path()).output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (valid, said) = check();
    assert!(valid && said.contains("total=12"), "{said}");
    let text = std::fs::read_to_string(at("rules/motorsport.toml")).unwrap();
    std::fs::write(at("rules/motorsport.toml"), text.replacen("retain =", "retainn =", 1)).unwrap();
    let (valid, said) = check();
    assert!(!valid && said.contains("retain"), "{said}");
}

fn files_of(directory: &str) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
}

/// What `tests/run` installs from `PyPI`, beside the build.
pub fn python(program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_expunged")).parent().and_then(Path::parent).unwrap();
    let path = target.join("python/bin").join(program);
    assert!(path.exists(), "{} is missing: `tests/run` installs it", path.display());
    path
}

//! What editors are told of both TOML formats, against what the readers do.

use std::ops::Range;

use expunged::config::{self, Config};
use expunged::diagnostic::shape::{Need, Shape, Type};
use expunged::diagnostic::{Code, Diagnostics, Source, SourceKind};
use expunged::model::datastore::Defaults;
use expunged::rules::document;

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

/// An inline table of what has to be there, and of one key more.
fn table(shape: &'static Shape, more: Option<(&str, &str)>) -> String {
    let needed =
        shape.keys.iter().filter(|k| k.need == Need::Required && more.is_none_or(|(n, _)| n != k.name));
    let mut pairs: Vec<String> = needed.map(|k| format!("{} = {}", k.name, example(&k.value))).collect();
    if let (Some(names), None) = (shape.names, more) {
        pairs.push(format!("x = {}", example(names)));
    }
    pairs.extend(more.map(|(name, value)| format!("{name} = {value}")));
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

/// Values of every kind that TOML has.
const KINDS: [(&str, fn(&Type) -> bool); 7] = [
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

//! Single values: names, periods, zones, literals.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use toml::de::DeValue;

use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::Entry;
use crate::diagnostic::{Code, quoted};
use crate::model::calendar::{Calendar, Zone};
use crate::model::name::{ColumnName, NameError, TableName};
use crate::model::pattern::{KeyPattern, Pattern};
use crate::model::period::{DeleteBy, Period, Retain};
use crate::model::value::Value;
use crate::rules::rule::Match;

/// A name of any kind.
pub fn name<T>(entry: &Entry<'_>, new: impl Fn(&str) -> Result<T, NameError>) -> Option<T> {
    entry.parsed(Code::BadValue, "rename it", new)
}

pub fn table(entry: &Entry<'_>) -> Option<TableName> {
    name(entry, TableName::new)
}

pub fn column(entry: &Entry<'_>) -> Option<ColumnName> {
    name(entry, ColumnName::new)
}

pub fn pattern(entry: &Entry<'_>) -> Option<Pattern> {
    let help = "write a path below the datastore's root, such as `uploads/{id}/**` or `*.tar.zst`";
    entry.parsed(Code::BadValue, help, Pattern::parse)
}

pub fn keys(entry: &Entry<'_>) -> Option<KeyPattern> {
    let help = "write keys such as `session:{id}:*`";
    entry.parsed(Code::BadValue, help, KeyPattern::parse)
}

/// A list of names, none twice. Whether it may be empty is the caller's to say.
pub fn names<T: Ord + Clone>(
    entry: &Entry<'_>,
    new: impl Fn(&str) -> Result<T, NameError>,
) -> Option<Vec<T>> {
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    for item in entry.list()? {
        let Some(value) = name(&item, &new) else { continue };
        if !seen.insert(value.clone()) {
            item.refuse(Code::Duplicate, format!("`{}` names this twice", entry.key()), "remove one of them");
        }
        all.push(value);
    }
    Some(all)
}

/// A list of names that is not empty.
pub fn some_names<T: Ord + Clone>(
    entry: &Entry<'_>,
    new: impl Fn(&str) -> Result<T, NameError>,
) -> Option<Vec<T>> {
    let all = names(entry, new)?;
    if entry.is_empty() {
        entry.refuse(Code::BadValue, format!("`{}` is empty", entry.key()), "name at least one");
    }
    Some(all)
}

const PERIOD_HELP: &str =
    "periods are words in full, such as `24 hours`, `90 days`, `1 year 6 months`, or ISO 8601";

pub fn retain(entry: &Entry<'_>) -> Option<Retain> {
    entry.parsed(Code::Period, PERIOD_HELP, Period::from_str).map(Retain::new)
}

pub fn delete_by(entry: &Entry<'_>) -> Option<DeleteBy> {
    entry.parsed(Code::Period, PERIOD_HELP, |text| DeleteBy::new(text.parse()?))
}

pub fn zone(entry: &Entry<'_>) -> Option<Zone> {
    entry.parsed(Code::Zone, "IANA names such as `Europe/Berlin` or `Etc/UTC`", Zone::from_str)
}

pub fn utc() -> Option<Calendar> {
    Zone::from_str("Etc/UTC").ok().map(Calendar::new)
}

/// `{ theirs = "ours", … }`, not empty.
pub fn matches(entry: &Entry<'_>) -> Option<Vec<Match>> {
    let pair = |(theirs, ours): (&str, Entry<'_>)| {
        Some(Match { theirs: ours.column_of(theirs)?, ours: column(&ours)? })
    };
    let pairs = super::kept(entry.table()?.entries().into_iter().filter_map(pair));
    if entry.is_empty() {
        entry.refuse(
            Code::BadValue,
            "`match` is empty, so every row would belong to every record",
            "write `match = { their_column = \"our_column\" }`",
        );
    }
    Some(pairs)
}

impl Entry<'_> {
    /// The key itself as a column's name.
    pub(super) fn column_of(&self, key: &str) -> Option<ColumnName> {
        ColumnName::new(key).map_err(|e| self.refuse(Code::BadValue, e.to_string(), "name a column")).ok()
    }
}

/// A literal that a filter may compare with: a string, an integer or a boolean.
pub fn literal(entry: &Entry<'_>) -> Option<Value> {
    match entry.value() {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Integer(_) => entry.integer().map(Value::Integer),
        DeValue::Boolean(b) => Some(Value::Integer(i64::from(*b))),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            entry.wrong_type("a string, an integer or a boolean")
        }
    }
}

/// A value as a test's record holds it: a literal, a number, a date or time as its RFC 3339 text, or `{ null = true }`.
pub fn held(entry: &Entry<'_>) -> Option<Value> {
    match entry.value() {
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Boolean(_) => literal(entry),
        DeValue::Float(_) => entry.number().map(Value::Real),
        DeValue::Datetime(at) => Some(Value::Text(at.to_string())),
        DeValue::Array(_) => entry.wrong_type("a single value"),
        DeValue::Table(_) => {
            let mut table = entry.table()?;
            let null = table.required("null").and_then(|e| e.boolean());
            table.finish();
            if null? {
                return Some(Value::Null);
            }
            entry.refuse(
                Code::BadValue,
                "a value that is not NULL has to be given",
                "write the value itself",
            );
            None
        }
    }
}

/// One of several fixed words.
pub fn one_of<T: Copy>(entry: &Entry<'_>, words: &[(&str, T)]) -> Option<T> {
    let text = entry.text()?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("`{}` is {}, expected one of {}", entry.key(), quoted(text), list.join(", "));
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = did_you_mean(text, &words, "write one of these words");
        entry.refuse(Code::BadValue, message, help);
    }
    found.map(|(_, value)| *value)
}

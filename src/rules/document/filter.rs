//! `only` and `unless`: which records a rule is about.

use toml::de::DeValue;

use super::word;
use crate::diagnostic::Code;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::model::value::Value;
use crate::rules::rule::{Condition, Test, Unless};

/// `{ status = ["closed"], converted = false, note = { null = true }, plan = { not = ["paid"] } }`.
pub fn only(table: &mut Cursor<'_>) -> Vec<Condition> {
    let Some(entry) = table.optional("only") else { return Vec::new() };
    if entry.is_empty() {
        entry.refuse(
            Code::BadValue,
            "`only` is empty and narrows nothing",
            "name a column, or remove `only`",
        );
    }
    let condition = |(key, value): (&str, Entry<'_>)| {
        let (column, test) = (value.column_of(key), test(&value));
        Some(Condition { column: column?, test: test? })
    };
    let entries = entry.table().map(|mut t| t.entries()).unwrap_or_default();
    super::kept(entries.into_iter().filter_map(condition))
}

fn test(entry: &Entry<'_>) -> Option<Test> {
    match entry.value() {
        DeValue::Table(_) => {
            let mut table = entry.table()?;
            let (null, not) = (table.optional("null"), table.optional("not"));
            let test = match (&null, &not) {
                (Some(null), None) => {
                    null.boolean().map(|null| if null { Test::Null } else { Test::NotNull })
                }
                (None, Some(not)) => values(not).map(Test::NotIn),
                (Some(_), Some(_)) | (None, None) => {
                    let message = format!("`{}` says neither one of `null` and `not`", entry.key());
                    let help = "write `{ null = true }`, `{ null = false }` or `{ not = [\"…\"] }`";
                    table.refuse(Code::Conflict, message, help);
                    None
                }
            };
            table.finish();
            test
        }
        DeValue::Array(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Boolean(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_) => values(entry).map(Test::In),
    }
}

/// One literal or a list of them, not empty, none twice.
fn values(entry: &Entry<'_>) -> Option<Vec<Value>> {
    let DeValue::Array(_) = entry.value() else { return word::literal(entry).map(|value| vec![value]) };
    let mut values: Vec<Value> = Vec::new();
    for item in entry.list()? {
        let Some(value) = word::literal(&item) else { continue };
        if values.contains(&value) {
            item.refuse(Code::Duplicate, "this value stands twice", "remove one of them");
        }
        values.push(value);
    }
    if entry.is_empty() {
        entry.refuse(Code::BadValue, "the list is empty", "name at least one value");
    }
    Some(values)
}

/// One table, or a list of them of which none may match.
pub fn unless(table: &mut Cursor<'_>) -> Vec<Unless> {
    let Some(entry) = table.optional("unless") else { return Vec::new() };
    let entries = match entry.value() {
        DeValue::Array(_) => entry.list().unwrap_or_default(),
        _ => vec![entry],
    };
    entries.iter().filter_map(Entry::table).filter_map(unless_one).collect()
}

fn unless_one(mut table: Cursor<'_>) -> Option<Unless> {
    let name = table.required("table").and_then(|e| word::table(&e));
    let matches = table.required("match").and_then(|e| word::matches(&e));
    let only = only(&mut table);
    table.finish();
    Some(Unless { table: name?, matches: matches?, only })
}

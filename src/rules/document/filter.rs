//! `only` and `unless`: which records a rule is about.

use toml::de::DeValue;

use super::word;
use crate::diagnostic::Code;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::model::value::Value;
use crate::rules::rule::{Condition, Test, Unless};

/// `{ status = ["closed"], converted = false, note = { null = true }, plan = { not = ["paid"] } }`.
pub fn only(entry: Option<Entry<'_>>) -> Option<Vec<Condition>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let (mut conditions, mut whole) = (Vec::new(), true);
    for (key, value) in entry.table()?.entries() {
        match (value.column_of(key), test(&value)) {
            (Some(column), Some(test)) => conditions.push(Condition { column, test }),
            _ => whole = false,
        }
    }
    if conditions.is_empty() && whole {
        entry.refuse(
            Code::BadValue,
            "`only` is empty and narrows nothing",
            "name a column, or remove `only`",
        );
        return None;
    }
    whole.then_some(conditions)
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
        let value = word::literal(&item)?;
        if values.contains(&value) {
            item.refuse(Code::Duplicate, "this value stands twice", "remove one of them");
            return None;
        }
        values.push(value);
    }
    if values.is_empty() {
        entry.refuse(Code::BadValue, "the list is empty", "name at least one value");
        return None;
    }
    Some(values)
}

/// One table, or a list of them of which none may match.
pub fn unless(entry: Option<Entry<'_>>) -> Option<Vec<Unless>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let tables: Vec<Cursor<'_>> = match entry.value() {
        DeValue::Array(_) => entry.list()?.iter().filter_map(Entry::table).collect(),
        _ => vec![entry.table()?],
    };
    // Each is read, so that the problems of all of them show.
    let read: Vec<Option<Unless>> = tables.into_iter().map(unless_one).collect();
    read.into_iter().collect()
}

fn unless_one(mut table: Cursor<'_>) -> Option<Unless> {
    let name = table.required("table").and_then(|e| word::table(&e));
    let matches = table.required("match").and_then(|e| word::matches(&e));
    let only = only(table.optional("only"));
    table.finish();
    Some(Unless { table: name?, matches: matches?, only: only? })
}

//! What `only` and `unless` say, in words.

use super::line::Line;
use super::trigger::matched;
use crate::model::value::{Value, rfc3339};
use crate::rules::digest::hex;
use crate::rules::rule::{Condition, Test, Unless};

/// One condition. No value is NULL: an empty text is a value.
pub fn condition(condition: &Condition) -> Line {
    let column = Line::name(condition.column.as_str());
    match &condition.test {
        Test::In(values) => match &values[..] {
            [value] => column.and(" is ").then(literal(value)),
            values => column.and(" is one of ").then(literals(values)),
        },
        Test::NotIn(values) => match &values[..] {
            [value] => column.and(" has no value, or is not ").then(literal(value)),
            values => column.and(" has no value, or is none of ").then(literals(values)),
        },
        Test::Null => column.and(" has no value"),
        Test::NotNull => column.and(" has a value"),
    }
}

/// What keeps a record.
pub fn unless(unless: &Unless) -> Line {
    let row = Line::words("a row of ")
        .called(unless.table.as_str())
        .and(" with ")
        .then(matched(&unless.matches, "the record’s"))
        .and(" exists");
    let narrowed = Line::all(unless.only.iter().map(condition));
    if unless.only.is_empty() { row } else { row.and(", in which ").then(narrowed) }
}

fn literals(values: &[Value]) -> Line {
    Line::list(values.iter().map(literal))
}

/// A value that stands in a rule file is policy, not a person's.
fn literal(value: &Value) -> Line {
    match value {
        Value::Null => Line::words("no value"),
        Value::Integer(number) => Line::name(number.to_string()),
        Value::Real(number) => Line::name(number.to_string()),
        // The text 0 is not the number.
        Value::Text(text) => Line::name(format!("\"{text}\"")),
        Value::Instant(at) => Line::name(format!("\"{}\"", rfc3339(*at))),
        Value::Blob(bytes) => Line::name(format!("hex:{}", hex(bytes))),
    }
}

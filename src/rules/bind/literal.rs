//! The literals of a filter against the column that they are compared with.

use super::{Binder, Side};
use crate::model::catalogue::{Column, ColumnKind};
use crate::model::value::Value;
use crate::rules::rule::Test;

impl<'c> Binder<'_, 'c> {
    /// A number and a text never match: the filter would leave out every record, or none.
    pub(super) fn literals(&mut self, at: &str, (of, column): (Side<'_, 'c>, &Column), test: &Test) {
        let values = match test {
            Test::In(values) | Test::NotIn(values) => values,
            Test::Null | Test::NotNull => return,
        };
        if let Some((value, expected)) = values.iter().find_map(|v| Some((v, mismatch(column, v)?))) {
            let what = format!(
                "`{}` of `{}` is declared `{}` and compared with {}, which it never holds: expected {expected}",
                column.name,
                of.name,
                column.declared,
                value.kind()
            );
            self.problem(at, what, format!("write {expected}, or name another column"));
        }
    }
}

/// What the column holds, where that is something else than the value; none: it may hold it. A text that is a number compares with
/// numbers. A number compares with a text as its own digits do, which `true` and `05` are not: a list under `not` would then leave out
/// nothing.
fn mismatch(column: &Column, value: &Value) -> Option<&'static str> {
    let is_number = match value {
        Value::Text(text) => text.trim().parse::<f64>().is_ok() || matches!(text.as_str(), "true" | "false"),
        Value::Integer(_) | Value::Real(_) => {
            return (column.kind == ColumnKind::Text).then_some("a text");
        }
        Value::Null | Value::Instant(_) | Value::Blob(_) => return None,
    };
    match column.kind {
        ColumnKind::Integer if !is_number => Some("an integer"),
        ColumnKind::Other if !is_number && column.is_number() => Some("a number"),
        ColumnKind::Integer
        | ColumnKind::Text
        | ColumnKind::Instant
        | ColumnKind::Naive
        | ColumnKind::Date
        | ColumnKind::Other => None,
    }
}

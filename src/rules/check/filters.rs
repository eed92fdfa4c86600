//! What rules leave out: whether together they take every record of a class, and whether two of them overlap.
//!
//! `only` looks at columns for equality with listed values and with NULL, so a column has finitely many cells: each
//! listed value, NULL, and everything else. Rules are compared cell by cell.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::name::{ClassName, ColumnName, DatastoreName};
use crate::model::value::{Value, rfc3339};
use crate::rules::rule::{Condition, Promise, Rule, Test};

/// Above this many combinations of cells, nobody could say what the rules mean; they then count as not complete.
const MOST_COMBINATIONS: usize = 100_000;

/// What one column of a record holds, as far as conditions can tell.
#[derive(Clone, PartialEq)]
enum Cell {
    Null,
    Listed(Value),
    Other,
}

/// Where rules that keep a promise leave out records of a class that the promise does not leave out.
pub fn gaps(promise: &Promise, class: &ClassName, rules: &[&Rule]) -> Vec<Diagnostic> {
    let mut datasets: BTreeMap<(&DatastoreName, &str), Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        datasets.entry((&rule.datastore, rule.dataset.name())).or_default().push(rule);
    }
    let incomplete = datasets.into_values().filter(|siblings| !complete(promise, siblings));
    incomplete
        .map(|siblings| undecidable(&siblings).unwrap_or_else(|| finding(promise, class, siblings[0])))
        .collect()
}

/// Rules of which it cannot be said what they leave out.
fn undecidable(siblings: &[&Rule]) -> Option<Diagnostic> {
    let filtered: Vec<&Rule> = siblings.iter().copied().filter(|rule| rule.except.is_none()).collect();
    let conditions: Vec<&[Condition]> = filtered.iter().map(|rule| rule.only.as_slice()).collect();
    let column = undecided(&cells(&conditions))?;
    let rule = filtered.iter().find(|rule| rule.only.iter().any(|condition| condition.column == *column))?;
    let message = format!(
        "rule `{}` may leave out records: only the column knows whether two of the values of `{column}` are one, such as 1 and \"1\"",
        rule.id.local
    );
    let help = "write each value of a column in one way: numbers without quotes where it holds numbers";
    Some(Diagnostic::error(Code::Narrowed, rule.places.of("only"), message, help))
}

fn complete(promise: &Promise, siblings: &[&Rule]) -> bool {
    let same_exception = |rule: &&Rule| promise.except.is_some() && rule.except == promise.except;
    if siblings.iter().any(same_exception) {
        return true;
    }
    let whole = siblings.iter().filter(|r| r.unless.is_empty() && r.except.is_none());
    let conditions: Vec<&[Condition]> = whole.map(|r| r.only.as_slice()).collect();
    if conditions.iter().any(|only| only.is_empty()) {
        return true;
    }
    combinations(&conditions)
        .is_some_and(|mut all| all.all(|c| conditions.iter().any(|only| holds(only, &c))))
}

/// Whether some record could satisfy both.
pub fn overlap(a: &[Condition], b: &[Condition]) -> bool {
    // Not to be looked at: assume so, which at worst asks a person.
    combinations(&[a, b]).is_none_or(|mut all| all.any(|c| holds(a, &c) && holds(b, &c)))
}

/// What one filter admits and another does not.
#[derive(Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing.
    Nothing,
    /// Such a record, in words.
    Such(String),
    /// It cannot be said.
    Unknown,
}

/// What `a` admits beyond `b`.
pub fn beyond(a: &[Condition], b: &[Condition]) -> Beyond {
    let both = [a, b];
    let Some(mut all) = combinations(&both) else { return Beyond::Unknown };
    all.find(|c| holds(a, c) && !holds(b, c)).map_or(Beyond::Nothing, |c| Beyond::Such(words(&c)))
}

fn words(combination: &Combination<'_>) -> String {
    let cell = |(column, cell): &(&ColumnName, Cell)| match cell {
        Cell::Null => format!("{column} is NULL"),
        Cell::Listed(value) => format!("{column} is {}", literal(value)),
        Cell::Other => format!("{column} is anything not listed"),
    };
    combination.iter().map(cell).collect::<Vec<_>>().join(", ")
}

/// A value of the rule file, which its author wrote for everyone to read.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Real(x) => x.to_string(),
        Value::Text(text) => format!("\"{}\"", text.escape_debug()),
        Value::Instant(at) => format!("\"{}\"", rfc3339(*at)),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

type Combination<'c> = Vec<(&'c ColumnName, Cell)>;

/// Every combination of cells of the columns that any of them looks at; `None`: too many, or a column decides what is one cell.
fn combinations<'c>(conditions: &[&'c [Condition]]) -> Option<impl Iterator<Item = Combination<'c>>> {
    let columns = cells(conditions);
    if undecided(&columns).is_some() {
        return None;
    }
    let count = columns.iter().try_fold(1_usize, |n, (_, cells)| n.checked_mul(cells.len()))?;
    (count <= MOST_COMBINATIONS).then(|| {
        (0..count).map(move |index| {
            let mut rest = index;
            let pick = |(column, cells): &(&'c ColumnName, Vec<Cell>)| {
                let cell = cells[rest % cells.len()].clone();
                rest /= cells.len();
                (*column, cell)
            };
            columns.iter().map(pick).collect()
        })
    })
}

fn cells<'c>(conditions: &[&'c [Condition]]) -> Vec<(&'c ColumnName, Vec<Cell>)> {
    let mut columns: BTreeMap<&ColumnName, Vec<Cell>> = BTreeMap::new();
    for condition in conditions.iter().copied().flatten() {
        let cells = columns.entry(&condition.column).or_insert_with(|| vec![Cell::Null, Cell::Other]);
        match &condition.test {
            Test::In(values) | Test::NotIn(values) => {
                for value in values {
                    let cell = Cell::Listed(value.clone());
                    if !cells.contains(&cell) {
                        cells.push(cell);
                    }
                }
            }
            Test::Null | Test::NotNull => {}
        }
    }
    columns.into_iter().collect()
}

/// The first column of which two listed values are one where it holds numbers, and two where it holds text.
fn undecided<'c>(columns: &[(&'c ColumnName, Vec<Cell>)]) -> Option<&'c ColumnName> {
    let same = |cells: &[Cell]| {
        let numbers: Vec<Number> = cells.iter().filter_map(number).collect();
        numbers.iter().enumerate().any(|(i, a)| numbers[..i].iter().any(|b| a.is(b)))
    };
    columns.iter().find(|(_, cells)| same(cells)).map(|(column, _)| *column)
}

/// What a column of numbers makes of a value.
enum Number {
    Integer(i128),
    Other(f64),
}

impl Number {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Integer(n), Self::Other(x)) | (Self::Other(x), Self::Integer(n)) => {
                n.to_string().parse() == Ok(*x)
            }
            (Self::Other(a), Self::Other(b)) => a.partial_cmp(b) == Some(Ordering::Equal),
        }
    }
}

fn number(cell: &Cell) -> Option<Number> {
    let Cell::Listed(value) = cell else { return None };
    match value {
        Value::Integer(n) => Some(Number::Integer(i128::from(*n))),
        Value::Real(x) => Some(Number::Other(*x)),
        Value::Text(text) => {
            let text = text.trim_ascii();
            // Rust reads `inf` too, and no engine does.
            let digits = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            let whole = text.parse().ok().map(Number::Integer);
            whole.or_else(|| text.parse().ok().map(Number::Other)).filter(|_| digits)
        }
        Value::Null | Value::Instant(_) | Value::Blob(_) => None,
    }
}

fn holds(only: &[Condition], combination: &Combination<'_>) -> bool {
    only.iter().all(|condition| {
        let cell = combination.iter().find(|(column, _)| **column == condition.column).map(|(_, cell)| cell);
        match (&condition.test, cell) {
            (Test::In(values), Some(Cell::Listed(value))) => values.contains(value),
            (Test::NotIn(values), Some(Cell::Listed(value))) => !values.contains(value),
            (Test::In(_), Some(Cell::Null | Cell::Other) | None) => false,
            (Test::NotIn(_), Some(Cell::Null | Cell::Other) | None) => true,
            (Test::Null, cell) => cell == Some(&Cell::Null),
            (Test::NotNull, cell) => cell != Some(&Cell::Null),
        }
    })
}

fn finding(promise: &Promise, class: &ClassName, rule: &Rule) -> Diagnostic {
    let key = ["except", "unless", "only"].into_iter().find(|key| rule.places.has(key)).unwrap_or_default();
    let message = match (&rule.except, &promise.except) {
        (Some(left_out), Some(promised)) => format!(
            "rule `{}` leaves out \"{left_out}\", promise `{}` leaves out \"{promised}\"",
            rule.id.local, promise.id
        ),
        (Some(left_out), None) => {
            format!(
                "rule `{}` leaves out \"{left_out}\", which promise `{}` does not",
                rule.id.local, promise.id
            )
        }
        (None, Some(_) | None) => format!(
            "rule `{}` leaves out records of class `{class}` that promise `{}` covers",
            rule.id.local, promise.id
        ),
    };
    let help = "write the identical `except = \"…\"` in the rule and the promise, or a sibling rule with the same list \
                under `not`";
    Diagnostic::error(Code::Narrowed, rule.places.of(key), message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(column: &str, test: Test) -> Vec<Condition> {
        vec![Condition { column: ColumnName::new(column).unwrap(), test }]
    }

    fn texts(values: &[&str]) -> Vec<Value> {
        values.iter().map(|v| Value::Text((*v).to_owned())).collect()
    }

    fn cover(conditions: &[&[Condition]]) -> bool {
        combinations(conditions).unwrap().all(|c| conditions.iter().any(|only| holds(only, &c)))
    }

    #[test]
    fn a_list_and_its_not_take_everything() {
        let paid = only("plan", Test::In(texts(&["paid", "gift"])));
        let rest = only("plan", Test::NotIn(texts(&["gift", "paid"])));
        assert!(cover(&[&paid, &rest]));
        assert!(!overlap(&paid, &rest));
        let fewer = only("plan", Test::NotIn(texts(&["gift", "paid", "trial"])));
        assert!(!cover(&[&paid, &fewer]), "`trial` is left to nobody");
    }

    #[test]
    fn null_is_in_no_list() {
        let listed = only("plan", Test::In(texts(&["a"])));
        assert!(!cover(&[&listed, &only("plan", Test::NotNull)]));
        assert!(cover(&[&only("plan", Test::Null), &only("plan", Test::NotNull)]));
        assert!(!overlap(&listed, &only("plan", Test::Null)));
        assert!(cover(&[&[]]));
    }

    #[test]
    fn different_columns_overlap() {
        let a = only("plan", Test::In(texts(&["a"])));
        let b = only("country", Test::In(texts(&["b"])));
        assert!(overlap(&a, &b));
        assert!(!cover(&[&a, &b]));
    }

    #[test]
    fn every_combination_of_several_columns_is_looked_at_once() {
        let plan = only("plan", Test::In(texts(&["a", "b"])));
        let country = only("country", Test::Null);
        let age = only("age", Test::NotIn(vec![Value::Integer(3)]));
        let all: Vec<String> = combinations(&[&plan, &country, &age]).unwrap().map(|c| words(&c)).collect();
        assert_eq!(all.len(), 4 * 2 * 3);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert!(all.contains(&"age is 3, country is NULL, plan is \"b\"".to_owned()), "{all:?}");
        assert!(
            all.contains(&"age is NULL, country is anything not listed, plan is \"a\"".to_owned()),
            "{all:?}"
        );
    }

    #[test]
    fn what_one_filter_admits_beyond_another_is_named() {
        let such = |text: &str| Beyond::Such(text.to_owned());
        let (one, both) = (only("plan", Test::In(texts(&["a"]))), only("plan", Test::In(texts(&["a", "b"]))));
        assert_eq!(beyond(&one, &both), Beyond::Nothing);
        assert_eq!(beyond(&both, &one), such("plan is \"b\""));
        assert_eq!(beyond(&one, &[]), Beyond::Nothing);
        assert_eq!(beyond(&[], &one), such("plan is NULL"));
        assert_eq!(beyond(&only("plan", Test::NotNull), &one), such("plan is anything not listed"));
        assert_eq!(beyond(&one, &only("plan", Test::Null)), such("plan is \"a\""));
    }

    #[test]
    fn too_many_combinations_are_not_looked_at() {
        let many = |column: &str| only(column, Test::In((0..400).map(Value::Integer).collect()));
        let (a, b) = (many("a"), many("b"));
        assert_eq!(beyond(&a, &b), Beyond::Unknown);
        assert!(overlap(&a, &b));
        // 250 × 400 cells are exactly as many as are looked at.
        let (a, b) = (
            only("a", Test::In((0..248).map(Value::Integer).collect())),
            only("b", Test::In((0..398).map(Value::Integer).collect())),
        );
        assert_eq!(beyond(&a, &b), Beyond::Such("a is 0, b is NULL".to_owned()));
    }
}

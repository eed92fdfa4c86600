//! What a rule says, in words.

use crate::model::name::ColumnName;
use crate::model::value::Value;
use crate::rules::rule::{
    Action, Condition, Dataset, Dependent, DependentDataset, Match, Pending, Pick, Rule, Strategy, Test,
    TriggerPlace, Unit, Unless,
};

/// The records of a rule.
pub(super) fn records(rule: &Rule) -> String {
    match &rule.dataset {
        Dataset::Table { table, key } => {
            format!("rows of `{table}` in datastore `{}`, each known by {}", rule.datastore, columns(key))
        }
        Dataset::Files(pattern) => {
            format!("files `{}` in datastore `{}`, each known by its path", pattern.as_str(), rule.datastore)
        }
        Dataset::Objects(pattern) => {
            format!("objects `{}` in datastore `{}`, each known by its key", pattern.as_str(), rule.datastore)
        }
        Dataset::Keys(pattern) => {
            format!("keys `{}` in datastore `{}`", pattern.as_str(), rule.datastore)
        }
    }
}

/// The records of a dependent, and what is done with them.
pub(super) fn dependent(dependent: &Dependent) -> String {
    let from = dependent.of.as_ref().map_or_else(|| "the record".to_owned(), |of| format!("`{of}`"));
    let what = match &dependent.dataset {
        DependentDataset::Rows { table, matches, .. } => {
            format!("rows of `{table}` with {}", matched(matches, &from))
        }
        DependentDataset::Files { pattern, .. } => format!("files `{}`", pattern.as_str()),
        DependentDataset::Keys(pattern) => format!("keys `{}`", pattern.as_str()),
    };
    format!("{}: {what}, in datastore `{}`: {}", dependent.id, dependent.datastore, action(&dependent.action))
}

/// What is done.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Delete => "deleted".to_owned(),
        Action::Pseudonymize { columns, mark } => {
            let each = columns.iter().map(|(name, with)| format!("`{name}` {}", strategy(with)));
            format!("pseudonymized ({}), marked in `{mark}`", each.collect::<Vec<_>>().join(", "))
        }
    }
}

fn strategy(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Random => "random".to_owned(),
        Strategy::Keyed => "keyed".to_owned(),
        Strategy::Null => "empty".to_owned(),
        Strategy::Fixed(text) => format!("\"{text}\""),
        Strategy::TruncateIp => "cut to its network".to_owned(),
        Strategy::TruncateDate => "cut to its month".to_owned(),
    }
}

/// Where the trigger is read.
pub(super) fn trigger(rule: &Rule) -> String {
    match &rule.trigger.place {
        TriggerPlace::Column(column) => format!("`{}.{column}`", rule.dataset.name()),
        TriggerPlace::Rows { table, matches, column, pick } => {
            let which = match pick {
                Pick::Latest => "latest",
                Pick::Earliest => "earliest",
            };
            format!("the {which} `{table}.{column}` of the rows with {}", matched(matches, "the record"))
        }
        TriggerPlace::Modified => "when the file was last modified".to_owned(),
        TriggerPlace::Name => "the time in the file's name".to_owned(),
        TriggerPlace::ObjectModified => "when the object was last modified".to_owned(),
        TriggerPlace::Field(field) => format!("the field `{field}` of the key"),
        TriggerPlace::Idle => "when the key was last used".to_owned(),
        TriggerPlace::Request => "a data subject's erasure request".to_owned(),
    }
}

/// How its value is read, as far as the rule says so, and what is normal for it.
pub(super) fn reading(rule: &Rule) -> Vec<String> {
    let reading = &rule.trigger.reading;
    let unit = reading.unit.map(|unit| match unit {
        Unit::Seconds => "in seconds since 1970".to_owned(),
        Unit::Milliseconds => "in milliseconds since 1970".to_owned(),
        Unit::Microseconds => "in microseconds since 1970".to_owned(),
    });
    let format = reading.format.as_ref().map(|format| format!("in the form `{format}`"));
    let zone = reading.time_zone.map(|zone| format!("on the clocks of {zone}"));
    let Pending { null, future, no_row } = rule.trigger.pending;
    let normal =
        [(null, "while it is NULL"), (future, "while it lies ahead"), (no_row, "while there is no row")];
    let normal: Vec<&str> = normal.into_iter().filter(|(is, _)| *is).map(|(_, state)| state).collect();
    let pending = (!normal.is_empty()).then(|| format!("not started {}", normal.join(", or ")));
    [unit, format, zone, pending].into_iter().flatten().collect()
}

/// One condition of `only`.
pub(super) fn condition(condition: &Condition) -> String {
    let column = &condition.column;
    match &condition.test {
        Test::In(values) => format!("`{column}` is {}", literals(values, "one of ")),
        Test::NotIn(values) => format!("`{column}` is NULL or not {}", literals(values, "one of ")),
        Test::Null => format!("`{column}` is NULL"),
        Test::NotNull => format!("`{column}` is not NULL"),
    }
}

/// What keeps a record for now.
pub(super) fn unless(unless: &Unless) -> String {
    let only: Vec<String> = unless.only.iter().map(condition).collect();
    let narrowed = if only.is_empty() { String::new() } else { format!(", where {}", only.join(" and ")) };
    format!("`{}` has a row with {}{narrowed}", unless.table, matched(&unless.matches, "the record"))
}

fn matched(matches: &[Match], of: &str) -> String {
    let each = |pair: &Match| format!("`{}` = `{}` of {of}", pair.theirs, pair.ours);
    matches.iter().map(each).collect::<Vec<_>>().join(" and ")
}

fn columns(names: &[ColumnName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn literals(values: &[Value], several: &str) -> String {
    let all: Vec<String> = values.iter().map(literal).collect();
    if let [only] = &all[..] { only.clone() } else { format!("{several}{}", all.join(", ")) }
}

/// What stands in a rule file is policy, not a person's.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => n.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Blob(_) => "bytes".to_owned(),
    }
}

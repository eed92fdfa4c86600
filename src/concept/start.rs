//! The start event of a rule.

use super::view::Start;
use crate::rules::prose::{StartKind, event, not_started, read_as};
use crate::rules::rule::{Dataset, Rule, TriggerPlace};

/// Of one rule.
pub(super) fn start(rule: &Rule) -> Start {
    let (table, column) = match &rule.trigger.place {
        TriggerPlace::Column(column) => (table(&rule.dataset), Some(column)),
        TriggerPlace::Rows { table, column, .. } => (Some(table.as_str()), Some(column)),
        TriggerPlace::Modified
        | TriggerPlace::Name
        | TriggerPlace::ObjectModified
        | TriggerPlace::Field(_)
        | TriggerPlace::Idle
        | TriggerPlace::Request => (None, None),
    };
    Start {
        kind: StartKind::of(rule),
        words: event(rule),
        table: table.map(str::to_owned),
        column: column.map(ToString::to_string),
        not_started: not_started(rule),
        read_as: read_as(rule),
    }
}

fn table(dataset: &Dataset) -> Option<&str> {
    match dataset {
        Dataset::Table { table, .. } => Some(table.as_str()),
        Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_) => None,
    }
}

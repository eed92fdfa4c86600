//! What a rule says, in words.

use crate::model::name::ColumnName;
use crate::rules::prose::{self, Line};
use crate::rules::rule::{Action, Condition, Dataset, Dependent, DependentDataset, Mode, Rule, Unless};

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

/// That a rule only observes, where it does.
pub(super) fn mode(rule: &Rule) -> Option<String> {
    let observes = "it only observes: a sweep counts what is due and disposes of nothing";
    (rule.mode == Mode::Observe).then(|| observes.to_owned())
}

/// The records of a dependent, and what is done with them.
pub(super) fn dependent(dependent: &Dependent) -> String {
    let whose = dependent.of.as_ref().map_or_else(|| "the record’s".to_owned(), |of| format!("`{of}`’s"));
    let what = match &dependent.dataset {
        DependentDataset::Rows { table, matches, .. } => {
            format!("rows of `{table}` with {}", prose::matched(matches, &whose).ticked())
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
            let each =
                columns.iter().map(|(name, with)| format!("`{name}` {}", prose::strategy(with).ticked()));
            format!("pseudonymized ({}), marked in `{mark}`", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// When the clock starts.
pub(super) fn trigger(rule: &Rule) -> String {
    prose::event(rule).ticked()
}

/// How its value is read, as far as the rule says so, and what is normal for it.
pub(super) fn reading(rule: &Rule) -> Vec<String> {
    let read_as = prose::read_as(rule).map(|line| format!("read as {}", line.ticked()));
    let normal = prose::not_started(rule);
    let pending = (!normal.is_empty()).then(|| format!("not started {}", normal.join(", or ")));
    read_as.into_iter().chain(pending).collect()
}

/// One condition of `only`.
pub(super) fn condition(condition: &Condition) -> String {
    prose::condition(condition).ticked()
}

/// What keeps a record for now.
pub(super) fn unless(unless: &Unless) -> String {
    prose::unless(unless).ticked()
}

fn columns(names: &[ColumnName]) -> String {
    Line::names(names.iter().map(ColumnName::as_str)).ticked()
}

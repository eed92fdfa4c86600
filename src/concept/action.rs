//! What is done with a record, in words.

use super::view::{Action, Replaced};
use crate::rules::prose::{Line, strategy};
use crate::rules::rule;

/// Of a rule or a dependent.
pub(super) fn action(action: &rule::Action) -> Action {
    match action {
        rule::Action::Delete => Action { action: action.as_str(), columns: Vec::new(), mark: None },
        rule::Action::Pseudonymize { columns, mark } => Action {
            action: action.as_str(),
            columns: columns
                .iter()
                .map(|(column, with)| Replaced { column: column.to_string(), with: strategy(with) })
                .collect(),
            mark: Some(mark.to_string()),
        },
    }
}

impl Action {
    /// In words: the first line, and a line a column.
    pub(super) fn told(&self) -> (Line, Vec<Line>) {
        let Some(mark) = &self.mark else { return (Line::words("deleted"), Vec::new()) };
        let columns = self
            .columns
            .iter()
            .map(|replaced| Line::name(&replaced.column).and(" ").then(replaced.with.clone()));
        let mark = Line::name(mark).and(" says when it was done");
        (Line::words("pseudonymized"), columns.chain([mark]).collect())
    }
}

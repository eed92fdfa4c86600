//! What is done with a record, in words.

use super::line::Line;
use super::view::{Action, Replaced};
use crate::model::strategy::Strategy;
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

fn strategy(strategy: &Strategy) -> Line {
    match strategy {
        Strategy::Random => Line::words("replaced by random text"),
        Strategy::Keyed => {
            Line::words("replaced by a pseudonym, the same for the same value while its key exists")
        }
        Strategy::Null => Line::words("emptied"),
        Strategy::Fixed(text) => Line::words("replaced by ").called(text).and(" for everybody"),
        Strategy::TruncateIp => Line::words("cut to the network of the address (/24 or /48)"),
        Strategy::TruncateDate => Line::words("cut to the month"),
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
        let mark = Line::words("done once ").called(mark).and(" is set");
        (Line::words("pseudonymized"), columns.chain([mark]).collect())
    }
}

//! What an order covers when it is given. Rules change afterwards, and an order must not lapse with them.

use std::collections::BTreeMap;

use crate::rules::rule::{Rule, RuleSet};

/// The rules that an order covers when it is given, and the column by which each knows its data subjects.
pub type Covered = BTreeMap<String, Option<String>>;

/// What an order on these rules covers.
pub fn coverage<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Covered {
    let column = |rule: &Rule| rule.subject.as_ref().map(|subject| subject.column.to_string());
    rules.into_iter().map(|rule| (rule.id.to_string(), column(rule))).collect()
}

/// Whether a rule is there and knows its data subjects by this column.
pub(super) fn knows_by(rules: &RuleSet, id: &str, column: &str) -> bool {
    let subject = rules.find(id).and_then(|(_, rule)| rule.subject.as_ref());
    subject.is_some_and(|subject| subject.column.as_str() == column)
}

/// What an order covered, as the state has it.
pub(super) fn read_covered(text: &str) -> Result<Covered, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

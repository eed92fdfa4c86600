//! Two rules over the same records that cannot both be kept.

use chrono::TimeDelta;

use super::filters::overlap;
use crate::diagnostic::{Code, Diagnostic};
use crate::rules::rule::{Dataset, Rule, RuleSet};
use crate::rules::shared::same_dataset;

/// With the same trigger and overlapping filters, one's deadline must not precede the other's due. Rules with different
/// triggers are alternatives: whichever event comes first.
pub fn contradictions(set: &RuleSet) -> Vec<Diagnostic> {
    let rules: Vec<&Rule> = set.rules().map(|(_, rule)| rule).collect();
    let mut found = Vec::new();
    for (i, later) in rules.iter().enumerate() {
        for earlier in &rules[..i] {
            if same_records(earlier, later) {
                found.extend(precedes(later, earlier).or_else(|| precedes(earlier, later)));
            }
        }
    }
    found
}

fn same_records(a: &Rule, b: &Rule) -> bool {
    a.datastore == b.datastore
        && same_dataset(&a.dataset, &b.dataset)
        && a.trigger == b.trigger
        && overlap(&a.only, &b.only)
}

const FILTERS: &str = "narrow one of them with `only`, or correct a bound";
const PATTERNS: &str = "narrow one of the patterns, or correct a bound";

/// Whether `first` demands disposal before `second` permits it, in either's time zone.
fn precedes(first: &Rule, second: &Rule) -> Option<Diagnostic> {
    let windows = [first, second].map(|rule| rule.calendar.shortest_window(&second.retain, &first.delete_by));
    let window = windows.into_iter().find(|window| window.length <= TimeDelta::zero())?;
    let (names, help) = match (&first.dataset, &second.dataset) {
        (Dataset::Files(a), Dataset::Files(b)) if a != b => {
            (format!("`{}` and `{}`", a.as_str(), b.as_str()), PATTERNS)
        }
        (Dataset::Files(a), _) => (format!("`{}`", a.as_str()), PATTERNS),
        (Dataset::Table { .. }, _) => (format!("`{}`", first.dataset.name()), FILTERS),
    };
    let message = format!(
        "rules `{}` and `{}` contradict each other over {names}: gone by {}, kept for {} (trigger on {})",
        first.id, second.id, first.delete_by, second.retain, window.on
    );
    Some(Diagnostic::error(Code::Contradiction, first.places.of("delete_by"), message, help))
}

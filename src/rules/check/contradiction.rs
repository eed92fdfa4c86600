//! Two rules over the same records that cannot both be kept.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::filters::overlap;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::name::DatastoreName;
use crate::rules::rule::{Dataset, Rule, RuleSet};
use crate::rules::shared::same_dataset;

/// Who makes more has one cause for all of them, and there can be a pair for every two rules.
const MOST: usize = 500;

/// With the same trigger and overlapping filters, one's deadline must not precede the other's due. Rules with different
/// triggers are alternatives: whichever event comes first.
pub fn contradictions(set: &RuleSet) -> Vec<Diagnostic> {
    let mut neighbours: BTreeMap<(&DatastoreName, Option<String>), Vec<&Rule>> = BTreeMap::new();
    for (_, rule) in set.rules() {
        neighbours.entry((&rule.datastore, table(&rule.dataset))).or_default().push(rule);
    }
    let pairs = neighbours.values().flat_map(|rules| {
        rules
            .iter()
            .enumerate()
            .flat_map(|(i, later)| rules[..i].iter().map(move |earlier| (*earlier, *later)))
    });
    let found = pairs.filter(|(earlier, later)| same_records(earlier, later));
    found
        .filter_map(|(earlier, later)| precedes(later, earlier).or_else(|| precedes(earlier, later)))
        .take(MOST)
        .collect()
}

/// Only rules of one table share a row, and a name is the same in any case; any two patterns may share a file.
fn table(dataset: &Dataset) -> Option<String> {
    match dataset {
        Dataset::Table { table, .. } => Some(table.as_str().to_ascii_lowercase()),
        Dataset::Files(_) => None,
    }
}

fn same_records(a: &Rule, b: &Rule) -> bool {
    a.trigger == b.trigger && same_dataset(&a.dataset, &b.dataset) && overlap(&a.only, &b.only)
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

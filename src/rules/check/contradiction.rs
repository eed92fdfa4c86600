//! Two rules over the same records that cannot both be kept.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::filters::overlap;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::name::{ColumnName, DatastoreName};
use crate::rules::rule::{Action, Dataset, Match, Mode, Rule, RuleSet, TriggerPlace};
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
        let with_earlier = |(i, later)| rules[..i].iter().map(move |earlier: &&Rule| (*earlier, later));
        rules.iter().copied().enumerate().flat_map(with_earlier)
    });
    let (mut contradicting, mut idling) = (Vec::new(), Vec::new());
    for (earlier, later) in pairs.filter(|(earlier, later)| same_records(earlier, later)) {
        if let Some(error) = precedes(later, earlier).or_else(|| precedes(earlier, later)) {
            contradicting.push(error);
        } else if idling.len() < MOST {
            idling.extend(idle(later, earlier).or_else(|| idle(earlier, later)));
        }
        // Warnings are never a reason to stop: an error may come behind them.
        if contradicting.len() == MOST {
            break;
        }
    }
    contradicting.append(&mut idling);
    contradicting
}

/// Only rules of one table share a row, and a name is the same in any case; any two patterns may share a name.
fn table(dataset: &Dataset) -> Option<String> {
    match dataset {
        Dataset::Table { table, .. } => Some(table.as_str().to_ascii_lowercase()),
        Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_) => None,
    }
}

fn same_records(a: &Rule, b: &Rule) -> bool {
    same_event(&a.trigger.place, &b.trigger.place)
        && same_dataset(&a.dataset, &b.dataset)
        && overlap(&a.only, &b.only)
}

/// Whether two triggers are read in one place. How it is read, and what is normal there, makes no other event of it; names are the same
/// in any case.
fn same_event(a: &TriggerPlace, b: &TriggerPlace) -> bool {
    match (a, b) {
        (TriggerPlace::Column(a), TriggerPlace::Column(b)) => a.as_str().eq_ignore_ascii_case(b.as_str()),
        (
            TriggerPlace::Rows { table: a, column: of_a, pick: one, matches: by_a },
            TriggerPlace::Rows { table: b, column: of_b, pick: other, matches: by_b },
        ) => {
            a.as_str().eq_ignore_ascii_case(b.as_str())
                && of_a.as_str().eq_ignore_ascii_case(of_b.as_str())
                && one == other
                && pairs(by_a) == pairs(by_b)
        }
        (a, b) => a == b,
    }
}

/// What equals what, in no order.
fn pairs(matches: &[Match]) -> BTreeSet<[String; 2]> {
    matches
        .iter()
        .map(|pair| [&pair.theirs, &pair.ours].map(|name| name.as_str().to_ascii_lowercase()))
        .collect()
}

/// Whether `first` deletes all that both are about before `second` may do anything with it.
fn idle(second: &Rule, first: &Rule) -> Option<Diagnostic> {
    let in_one_zone = first.calendar.zone() == second.calendar.zone();
    let earlier = || second.calendar.first_earlier_due(&second.retain, &first.retain);
    if first.mode == Mode::Observe || first.action != Action::Delete || !in_one_zone || earlier().is_some() {
        return None;
    }
    let message = format!(
        "rule `{}` finds nothing where it overlaps with `{}`, which deletes the same records of `{}` after {} already",
        second.id,
        first.id,
        second.dataset.name(),
        first.retain
    );
    Some(Diagnostic::warning(Code::Idle, second.places.of("retain"), message, FILTERS))
}

const FILTERS: &str = "narrow one of them with `only`, or correct a bound";
const PATTERNS: &str = "narrow one of the patterns, or correct a bound";

/// What is pseudonymized is there to be deleted, and has its other columns.
fn leaves(first: &Rule, second: &Rule) -> bool {
    match (&first.action, &second.action) {
        (Action::Delete, _) => false,
        (Action::Pseudonymize { .. }, Action::Delete) => true,
        (Action::Pseudonymize { columns: one, .. }, Action::Pseudonymize { columns: other, .. }) => {
            let same = |a: &ColumnName, b: &ColumnName| a.as_str().eq_ignore_ascii_case(b.as_str());
            !one.iter().any(|(a, _)| other.iter().any(|(b, _)| same(a, b)))
        }
    }
}

/// Whether `first` demands that is gone what `second` still keeps, in either's time zone.
fn precedes(first: &Rule, second: &Rule) -> Option<Diagnostic> {
    if leaves(first, second) {
        return None;
    }
    let windows = [first, second].map(|rule| rule.calendar.shortest_window(&second.retain, &first.delete_by));
    let window = windows.into_iter().find(|window| window.length <= TimeDelta::zero())?;
    let (names, help) = match (&first.dataset, &second.dataset) {
        (Dataset::Table { .. }, _) => (format!("`{}`", first.dataset.name()), FILTERS),
        (a @ (Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_)), b) if a != b => {
            (format!("`{}` and `{}`", a.name(), b.name()), PATTERNS)
        }
        (a @ (Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_)), _) => {
            (format!("`{}`", a.name()), PATTERNS)
        }
    };
    let message = format!(
        "rules `{}` and `{}` contradict each other over {names}: gone by {}, kept for {} (trigger on {})",
        first.id, second.id, first.delete_by, second.retain, window.on
    );
    Some(Diagnostic::error(Code::Contradiction, first.places.of("delete_by"), message, help))
}

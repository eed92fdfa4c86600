//! Which rules are about the same records.

use super::rule::{Dataset, DependentDataset, Rule, RuleSet};
use crate::model::name::{DatastoreName, RuleId};

/// Every other rule of the set over records that this one disposes of as well, itself or as dependents. Their filters may keep
/// them apart; a hold goes by what might meet.
pub fn shared(set: &RuleSet, rule: &Rule) -> Vec<RuleId> {
    let others = set.rules().map(|(_, other)| other).filter(|other| other.id != rule.id);
    others.filter(|other| reaches(rule, other)).map(|other| other.id.clone()).collect()
}

fn reaches(rule: &Rule, other: &Rule) -> bool {
    let own = rule.datastore == other.datastore && same_dataset(&rule.dataset, &other.dataset);
    own || rule.dependents.iter().any(|d| same_records(&d.datastore, &d.dataset, other))
}

fn same_records(datastore: &DatastoreName, dependents: &DependentDataset, other: &Rule) -> bool {
    let same = match (dependents, &other.dataset) {
        (DependentDataset::Rows { table, .. }, Dataset::Table { table: theirs, .. }) => {
            table.as_str().eq_ignore_ascii_case(theirs.as_str())
        }
        (DependentDataset::Files { pattern, .. }, Dataset::Files(theirs)) => {
            pattern.open().meets(&theirs.open())
        }
        (DependentDataset::Rows { .. }, Dataset::Files(_))
        | (DependentDataset::Files { .. }, Dataset::Table { .. }) => false,
    };
    same && *datastore == other.datastore
}

/// Whether two rules of one datastore may be about one record. Files have no filters: their patterns say whether two rules meet;
/// names of tables are the same in any case.
pub(super) fn same_dataset(a: &Dataset, b: &Dataset) -> bool {
    match (a, b) {
        (Dataset::Files(a), Dataset::Files(b)) => a.open().meets(&b.open()),
        (Dataset::Table { .. }, Dataset::Table { .. }) => a.name().eq_ignore_ascii_case(b.name()),
        (Dataset::Files(_), Dataset::Table { .. }) | (Dataset::Table { .. }, Dataset::Files(_)) => false,
    }
}

//! Two rules that would take each other's mark for their own.

use std::collections::BTreeMap;

use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::name::{ColumnName, DatastoreName};
use crate::rules::rule::{Action, RuleSet, Strategy};

/// A column of a table in a datastore, names without regard to case.
type Mark<'r> = (&'r DatastoreName, String, String);

/// A pseudonymization, in whichever rule it stands.
struct Replacing<'r> {
    /// The rule, by its number among all.
    rule: usize,
    /// As people are told.
    whose: String,
    columns: BTreeMap<&'r ColumnName, &'r Strategy>,
    places: &'r Places,
}

/// What the one has marked as done, the other leaves as it is: where they replace other columns, for good.
pub fn shared(set: &RuleSet) -> Vec<Diagnostic> {
    let mut marked: BTreeMap<Mark<'_>, Vec<Replacing<'_>>> = BTreeMap::new();
    for (number, (_, rule)) in set.rules().enumerate() {
        let own =
            (&rule.datastore, rule.dataset.name(), &rule.action, &rule.places, format!("rule `{}`", rule.id));
        let dependents = rule.dependents.iter().map(|d| {
            let whose = format!("dependent `{}` of rule `{}`", d.id, rule.id);
            (&d.datastore, d.dataset.name(), &d.action, &d.places, whose)
        });
        for (datastore, table, action, places, whose) in std::iter::once(own).chain(dependents) {
            let Action::Pseudonymize { columns, mark } = action else { continue };
            let at = (datastore, table.to_ascii_lowercase(), mark.as_str().to_ascii_lowercase());
            let columns = columns.iter().map(|(column, strategy)| (column, strategy)).collect();
            marked.entry(at).or_default().push(Replacing { rule: number, whose, columns, places });
        }
    }
    let other = |((_, table, mark), all): (&Mark<'_>, &Vec<Replacing<'_>>)| {
        let (first, rest) = all.split_first()?;
        // Those of one rule are refused when it is bound, whatever they replace.
        let other = rest.iter().find(|other| other.rule != first.rule && other.columns != first.columns)?;
        let message = format!(
            "{} and {} mark in `{mark}` of `{table}` what they have done, and replace different columns: what the one has done the \
             other leaves undone",
            other.whose, first.whose
        );
        let help = "give each pseudonymization of a table a mark of its own";
        Some(Diagnostic::error(Code::Contradiction, other.places.of("mark"), message, help))
    };
    marked.iter().filter_map(other).collect()
}

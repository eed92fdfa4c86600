//! Two rules that would take each other's mark for their own.

use std::collections::BTreeMap;

use super::filters::overlap;
use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::name::DatastoreName;
use crate::rules::rule::{Action, Condition, Mode, RuleSet, Strategy};

/// A column of a table in a datastore, names without regard to case.
type Mark<'r> = (&'r DatastoreName, String, String);

/// A pseudonymization, in whichever rule it stands.
struct Replacing<'r> {
    /// The rule, by its number among all.
    rule: usize,
    /// As people are told.
    whose: String,
    /// Which records; of what hangs on others, any.
    only: &'r [Condition],
    columns: BTreeMap<String, &'r Strategy>,
    places: &'r Places,
}

impl Replacing<'_> {
    /// What the one has marked as done, the other leaves as it is. Those of one rule are refused when it is bound.
    fn leaves_undone(&self, other: &Self) -> bool {
        self.rule != other.rule && self.columns != other.columns && overlap(self.only, other.only)
    }
}

/// Pseudonymizations of one table with one mark that replace other columns, each with the first that stands against it. One that only
/// observes marks nothing.
pub fn shared(set: &RuleSet) -> Vec<Diagnostic> {
    let mut marked: BTreeMap<Mark<'_>, Vec<Replacing<'_>>> = BTreeMap::new();
    let enforced = set.rules().map(|(_, rule)| rule).filter(|rule| rule.mode == Mode::Enforce);
    for (number, rule) in enforced.enumerate() {
        let whose = format!("rule `{}`", rule.id);
        let own = (&rule.datastore, rule.dataset.name(), &rule.action, &rule.places, &rule.only[..], whose);
        let dependents = rule.dependents.iter().map(|d| {
            let whose = format!("dependent `{}` of rule `{}`", d.id, rule.id);
            (&d.datastore, d.dataset.name(), &d.action, &d.places, &[][..], whose)
        });
        for (datastore, table, action, places, only, whose) in std::iter::once(own).chain(dependents) {
            let Action::Pseudonymize { columns, mark } = action else { continue };
            let at = (datastore, table.to_ascii_lowercase(), mark.as_str().to_ascii_lowercase());
            let columns =
                columns.iter().map(|(column, s)| (column.as_str().to_ascii_lowercase(), s)).collect();
            marked.entry(at).or_default().push(Replacing { rule: number, whose, only, columns, places });
        }
    }
    let found = marked.iter().flat_map(|((_, table, mark), all)| {
        all.iter().enumerate().filter_map(move |(at, later)| {
            let earlier = all[..at].iter().find(|earlier| later.leaves_undone(earlier))?;
            let message = format!(
                "{} and {} mark in `{mark}` of `{table}` what they have done, and replace different columns: what the one has done \
                 the other leaves undone",
                later.whose, earlier.whose
            );
            let help = "give each pseudonymization of a table a mark of its own";
            Some(Diagnostic::error(Code::Contradiction, later.places.of("mark"), message, help))
        })
    });
    found.collect()
}

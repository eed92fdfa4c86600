//! Two rules of a service that find their data subjects by ids of different things.
//!
//! An order names a service and an id. Where a row's key is the data subject, the table says what has that id, and two tables may each have
//! their own: account 21 is not workspace 21, and a request for the one would dispose of the other.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::catalogue::{Catalogues, Table};
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::rules::rule::{Dataset, DependentDataset, Match, Rule, RuleSet, Service};

/// Rules that may take one thing's id for another's, as far as these catalogues say; none where there is nothing to say.
pub fn mistaken(set: &RuleSet, catalogues: &Catalogues) -> Vec<Diagnostic> {
    set.services.iter().flat_map(|service| of_service(service, catalogues)).collect()
}

/// Each kind of thing but the first is held against the first.
fn of_service(service: &Service, catalogues: &Catalogues) -> Vec<Diagnostic> {
    let mut kinds: Vec<Vec<Named<'_>>> = Vec::new();
    for one in service.rules.iter().filter_map(Named::by) {
        let same = |kind: &Vec<Named<'_>>| kind.iter().any(|other| one.is(*other, catalogues));
        let at = kinds.iter().position(same).unwrap_or(kinds.len());
        // What is the same as two kinds makes one of them.
        let (joined, others): (Vec<_>, Vec<_>) = kinds.split_off(at).into_iter().partition(same);
        kinds.push(joined.into_iter().flatten().chain([one]).collect());
        kinds.extend(others);
    }
    // In the order of the file.
    let mut firsts = kinds.iter().filter_map(|kind| kind.first());
    let Some(first) = firsts.next() else { return Vec::new() };
    firsts.map(|other| other.mistaken_for(*first)).collect()
}

/// A rule whose records are its data subjects: their key is the id.
#[derive(Clone, Copy)]
struct Named<'r> {
    rule: &'r Rule,
    table: &'r TableName,
    id: &'r ColumnName,
}

impl<'r> Named<'r> {
    fn by(rule: &'r Rule) -> Option<Self> {
        let Dataset::Table { table, key } = &rule.dataset else { return None };
        let id = &rule.subject.as_ref()?.column;
        matches!(key.as_slice(), [only] if same(only.as_str(), id.as_str())).then_some(Self {
            rule,
            table,
            id,
        })
    }

    /// Whether both rules, or their schema, say that what has an id in the one has it in the other.
    fn is(self, other: Self, catalogues: &Catalogues) -> bool {
        self.stands_in(&other.rule.datastore, other.table) && same(self.id.as_str(), other.id.as_str())
            || self.matches(other)
            || other.matches(self)
            || self.refers_to(other, catalogues)
            || other.refers_to(self, catalogues)
    }

    fn stands_in(self, datastore: &DatastoreName, table: &TableName) -> bool {
        self.rule.datastore == *datastore && same(self.table.as_str(), table.as_str())
    }

    /// Whether something that the rule names in the other's table has the other's id for its own.
    fn matches(self, other: Self) -> bool {
        let Rule { datastore, trigger, unless, dependents, .. } = self.rule;
        let led = |matches: &[Match]| {
            matches.iter().any(|pair| {
                same(pair.ours.as_str(), self.id.as_str()) && same(pair.theirs.as_str(), other.id.as_str())
            })
        };
        let by_trigger = trigger
            .place
            .rows()
            .is_some_and(|(table, matches, _)| other.stands_in(datastore, table) && led(matches));
        let mut own = dependents.iter().filter(|dependent| dependent.of.is_none());
        by_trigger
            || unless.iter().any(|row| other.stands_in(datastore, &row.table) && led(&row.matches))
            || own.any(|dependent| match &dependent.dataset {
                DependentDataset::Rows { table, matches, .. } => {
                    other.stands_in(&dependent.datastore, table) && led(matches)
                }
                DependentDataset::Files { .. } | DependentDataset::Keys(_) => false,
            })
    }

    /// Whether a foreign key leads from this id to the other.
    fn refers_to(self, other: Self, catalogues: &Catalogues) -> bool {
        let target: Option<&Table> = catalogues
            .get(&other.rule.datastore)
            .filter(|_| self.rule.datastore == other.rule.datastore)
            .and_then(|catalogue| catalogue.tables.get(other.table));
        target.is_some_and(|target| {
            target.referenced_by.iter().any(|reference| {
                let ids = matches!(reference.columns.as_slice(), [(theirs, ours)] if theirs == self.id && ours == other.id);
                reference.from == *self.table && ids
            })
        })
    }

    fn mistaken_for(self, first: Self) -> Diagnostic {
        let place = |of: Self| format!("`{}` of `{}`", of.id, of.table);
        let message = format!(
            "rules `{}` and `{}` find data subjects by {} and by {}: an order for the one with an id reaches what has the same id there",
            first.rule.id,
            self.rule.id,
            place(first),
            place(self)
        );
        let help = format!(
            "leave `subject` out where no person is meant, or give the other kind a service of its own; where both are one person's, let \
             a foreign key between them say so, which `check --connect` looks for, or a `match` of {} with {}",
            place(first),
            place(self)
        );
        Diagnostic::warning(Code::AmbiguousSubject, self.rule.places.of("subject"), message, help)
    }
}

/// Names are the same in any case.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

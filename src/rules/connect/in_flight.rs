//! Rows of other tables that keep a record or start its clock, and that nobody sees before they are committed.
//!
//! Where the engine locks rows, a foreign key to the record is what their writer and the sweep meet at: who adds such a row holds the
//! record until the commit, and a sweep passes over what somebody holds.

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::catalogue::{Catalogue, Catalogues, Reference};
use crate::model::name::TableName;
use crate::rules::rule::{Dataset, Match, Mode, Rule, TriggerPlace};

/// What a rule would not see in time. Tables that are not there are somebody else's to report.
pub fn unmet(rule: &Rule, catalogues: &Catalogues) -> Vec<Diagnostic> {
    let (Dataset::Table { table: own, .. }, Mode::Enforce) = (&rule.dataset, rule.mode) else {
        return Vec::new();
    };
    let Some(catalogue) = catalogues.get(&rule.datastore) else { return Vec::new() };
    let mut found = Vec::new();
    if let TriggerPlace::Rows { table, matches, .. } = &rule.trigger.place {
        let deciding = Deciding { table, matches, what: "starts a record's clock anew" };
        found.extend(deciding.unmet(own, catalogue, rule.places.of("trigger.match")));
    }
    for (number, unless) in rule.unless.iter().enumerate() {
        let deciding = Deciding { table: &unless.table, matches: &unless.matches, what: "keeps a record" };
        let place = rule.places.of(&format!("{}.match", rule.unless_at(number)));
        found.extend(deciding.unmet(own, catalogue, place));
    }
    found
}

/// Rows that decide about a record.
struct Deciding<'r> {
    table: &'r TableName,
    matches: &'r [Match],
    what: &'static str,
}

impl Deciding<'_> {
    fn unmet(&self, own: &TableName, catalogue: &Catalogue, place: Place) -> Option<Diagnostic> {
        let target = catalogue.tables.get(own).filter(|_| catalogue.tables.contains_key(self.table))?;
        if target.referenced_by.iter().any(|reference| self.meets(reference)) {
            return None;
        }
        let Self { table, matches, what } = self;
        let listed = |column: fn(&Match) -> String| matches.iter().map(column).collect::<Vec<_>>().join(", ");
        let message = format!(
            "no foreign key leads from `{table}` to `{own}`: a row of `{table}` that {what}, and is not committed yet when the \
             sweep decides, is not seen, and the record goes"
        );
        let help = format!(
            "let {} of `{table}` reference {} of `{own}`: whoever adds a row then holds the record until the commit, and the sweep \
             passes it over; a row that is there keeps its record until it has gone itself, as a dependent",
            listed(|m| format!("`{}`", m.theirs)),
            listed(|m| format!("`{}`", m.ours))
        );
        Some(Diagnostic::warning(Code::NoForeignKey, place, message, help))
    }

    /// Whether every row that decides about a record holds that very record. A foreign key over fewer columns does so too, and one over
    /// others may lead elsewhere, or nowhere.
    fn meets(&self, reference: &Reference) -> bool {
        let mut columns = reference.columns.iter();
        reference.from == *self.table
            && columns
                .all(|(theirs, ours)| self.matches.iter().any(|m| m.theirs == *theirs && m.ours == *ours))
    }
}

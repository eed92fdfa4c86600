//! CHECK constraints on columns that a pseudonymization replaces: what they admit, only the engine knows, and only when it runs.

use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::catalogue::{Catalogues, Check, Table};
use crate::model::name::{DatastoreName, TableName};
use crate::rules::rule::{Action, Dataset, DependentDataset, Rule};

/// The constraints that may refuse what a rule writes. One that is about several columns is said once.
pub fn checked(rule: &Rule, catalogues: &Catalogues) -> Vec<Diagnostic> {
    let table = |datastore: &DatastoreName, name: &TableName| -> Option<&Table> {
        catalogues.get(datastore)?.tables.get(name)
    };
    let mut found = Vec::new();
    if let Dataset::Table { table: name, .. } = &rule.dataset
        && let Some(table) = table(&rule.datastore, name)
    {
        found.extend(of(&rule.places, &rule.action, (name, table)));
    }
    for dependent in &rule.dependents {
        if let DependentDataset::Rows { table: name, .. } = &dependent.dataset
            && let Some(table) = table(&dependent.datastore, name)
        {
            found.extend(of(&dependent.places, &dependent.action, (name, table)));
        }
    }
    found
}

fn of(places: &Places, action: &Action, (name, table): (&TableName, &Table)) -> Vec<Diagnostic> {
    let Action::Pseudonymize { columns, .. } = action else { return Vec::new() };
    let warning = |check: &Check| {
        let (column, _) = columns.iter().find(|(column, _)| check.columns.contains(column))?;
        let message = format!(
            "CHECK constraint `{}` of `{name}` is about column `{column}`, which is replaced: a record stays where it refuses what is \
             written",
            check.name
        );
        let help = "see that it admits what the strategies make; what it refuses is set aside, and said";
        let place = places.of(&format!("columns.{column}"));
        Some(Diagnostic::warning(Code::Catalogue, place, message, help))
    };
    table.checks.iter().filter_map(warning).collect()
}

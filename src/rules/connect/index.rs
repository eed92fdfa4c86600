//! What a sweep searches for without an index, and what that costs each time.

use std::collections::BTreeSet;

use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic, Place, counted};
use crate::model::catalogue::{Catalogues, Table, TableSize};
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::rules::rule::{Action, Dataset, DependentDataset, Match, Rule, TriggerPlace};

/// A search that no index serves.
#[derive(Debug)]
pub struct Scan {
    /// Where the table is.
    pub datastore: DatastoreName,
    /// The table that is read whole.
    pub table: TableName,
    place: Place,
    columns: Vec<ColumnName>,
    often: Often,
}

/// How often the table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Often {
    /// Once a sweep, for the records that are due.
    Sweep,
    /// Once a batch, for what hangs on its records.
    Batch,
    /// For each record that a sweep looks at.
    Record,
    /// For each record that goes, by the engine, which keeps a foreign key to this table.
    Deletion(TableName),
}

/// The searches of a rule that no index serves. Tables and columns that are not there are somebody else's to report.
pub fn scans(rule: &Rule, catalogues: &Catalogues) -> Vec<Scan> {
    let mut found = Scans { catalogues, found: Vec::new() };
    found.triggers(rule);
    for (number, unless) in rule.unless.iter().enumerate() {
        let place = rule.places.of(&format!("{}.match", rule.unless_at(number)));
        found.search(place, &rule.datastore, &unless.table, theirs(&unless.matches), Often::Record);
    }
    for dependent in &rule.dependents {
        if let DependentDataset::Rows { table, matches, .. } = &dependent.dataset {
            let place = dependent.places.of("match");
            found.search(place, &dependent.datastore, table, theirs(matches), Often::Batch);
        }
    }
    // Last: what a dependent searches as well has been found as that.
    if let Dataset::Table { table, .. } = &rule.dataset {
        found.foreign_keys(&rule.places, &rule.datastore, table, &rule.action);
    }
    for dependent in &rule.dependents {
        if let DependentDataset::Rows { table, .. } = &dependent.dataset {
            found.foreign_keys(&dependent.places, &dependent.datastore, table, &dependent.action);
        }
    }
    found.found
}

struct Scans<'c> {
    catalogues: &'c Catalogues,
    found: Vec<Scan>,
}

impl Scans<'_> {
    fn table(&self, datastore: &DatastoreName, name: &TableName) -> Option<&Table> {
        self.catalogues.get(datastore)?.tables.get(name)
    }

    fn triggers(&mut self, rule: &Rule) {
        if let (Dataset::Table { table, .. }, TriggerPlace::Column(column)) =
            (&rule.dataset, &rule.trigger.place)
        {
            let place = rule.places.of("trigger.column");
            self.search(place, &rule.datastore, table, vec![column.clone()], Often::Sweep);
        }
        if let Some((table, matches, _)) = rule.trigger.place.rows() {
            let place = rule.places.of("trigger.match");
            self.search(place, &rule.datastore, table, theirs(matches), Often::Record);
        }
    }

    /// The engine looks for rows that point to a record before it lets the record go.
    fn foreign_keys(
        &mut self,
        places: &Places,
        datastore: &DatastoreName,
        name: &TableName,
        action: &Action,
    ) {
        if *action != Action::Delete {
            return;
        }
        let references = self.table(datastore, name).map(|t| t.referenced_by.clone()).unwrap_or_default();
        for reference in references {
            let columns: Vec<ColumnName> = reference.columns.into_iter().map(|(theirs, _)| theirs).collect();
            let often = Often::Deletion(name.clone());
            self.search(places.of("table"), datastore, &reference.from, columns, often);
        }
    }

    fn search(
        &mut self,
        place: Place,
        datastore: &DatastoreName,
        name: &TableName,
        columns: Vec<ColumnName>,
        often: Often,
    ) {
        let Some(table) = self.table(datastore, name) else { return };
        let there = columns.iter().all(|c| table.column(c).is_some());
        let served = columns.iter().any(|c| table.indexed.contains(c));
        let wanted: BTreeSet<&ColumnName> = columns.iter().collect();
        let known = |scan: &Scan| {
            scan.datastore == *datastore
                && scan.table == *name
                && scan.columns.iter().collect::<BTreeSet<_>>() == wanted
        };
        if there && !served && !self.found.iter().any(known) {
            let (datastore, table) = (datastore.clone(), name.clone());
            self.found.push(Scan { datastore, table, place, columns, often });
        }
    }
}

fn theirs(matches: &[Match]) -> Vec<ColumnName> {
    matches.iter().map(|m| m.theirs.clone()).collect()
}

impl Scan {
    /// The search, and what it costs in a table of this size.
    pub fn warning(&self, size: Option<TableSize>) -> Diagnostic {
        let columns = self.columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or ");
        let table = &self.table;
        let often = match &self.often {
            Often::Sweep => "each sweep reads the whole table".to_owned(),
            Often::Batch => "each batch reads the whole table".to_owned(),
            Often::Record => "a sweep may read the whole table for each record that it looks at".to_owned(),
            Often::Deletion(target) => {
                format!(
                    "a foreign key to `{target}` makes the engine read the whole table for each record that goes"
                )
            }
        };
        let cost = match size {
            Some(TableSize { rows, pages, bytes }) => format!(
                "by estimate {} in {}, {}",
                counted(rows, "row"),
                counted(pages, "page"),
                in_bytes(bytes)
            ),
            None => "its size could not be estimated".to_owned(),
        };
        let message = format!("no index of `{table}` begins with {columns}: {often} ({cost})");
        let help = format!("give `{table}` an index that begins with {columns}");
        Diagnostic::warning(Code::MissingIndex, self.place.clone(), message, help)
    }
}

fn in_bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    // Ends with the last unit.
    while tenths >= 10_240 && unit + 1 < units.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        assert_eq!(in_bytes(512), "0.5 KiB");
        assert_eq!(in_bytes(4096), "4.0 KiB");
        assert_eq!(in_bytes(5 << 20), "5.0 MiB");
        assert_eq!(in_bytes(3 << 50), "3072.0 TiB");
    }
}

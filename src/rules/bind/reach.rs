//! What a deletion reaches by itself: through foreign keys and triggers, beyond what the rule declares.

use std::collections::BTreeSet;

use super::{Binder, BoundDependent, BoundDependents, Side, list};
use crate::model::catalogue::OnDelete;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::rules::rule::{Action, Match, Strategy};

impl<'r, 'c> Binder<'r, 'c> {
    /// Refuses what a deletion would take along, or change, without a dependent that declares it.
    pub(super) fn reach(&mut self, own: Side<'r, 'c>, dependents: &[BoundDependent<'r>]) {
        self.reach_of(own, &self.rule.action, None, dependents);
        for (at, bound) in dependents.iter().enumerate() {
            let BoundDependents::Rows { table: name, .. } = bound.dataset else { continue };
            let datastore = &bound.dependent.datastore;
            if let Some(table) = self.catalogues.get(datastore).and_then(|c| c.tables.get(name)) {
                self.places = &bound.dependent.places;
                self.reach_of(Side { datastore, name, table }, &bound.dependent.action, Some(at), dependents);
            }
        }
    }

    fn reach_of(
        &mut self,
        of: Side<'r, 'c>,
        action: &Action,
        at: Option<usize>,
        dependents: &[BoundDependent<'r>],
    ) {
        let Side { datastore, name, table } = of;
        let deletes = *action == Action::Delete;
        let here: Vec<&BoundDependent<'r>> =
            dependents.iter().filter(|d| &d.dependent.datastore == datastore).collect();
        let mut explained: BTreeSet<TableName> =
            here.iter().filter_map(|d| rows_of(d)).map(|(table, _)| table.clone()).collect();
        explained.insert(name.clone());
        for reference in table.referenced_by.iter().filter(|r| deletes && r.on_delete != OnDelete::Refuse) {
            explained.extend(self.cascade_closure(datastore, &reference.from));
            let declared = here.iter().any(|d| {
                d.of == at
                    && rows_of(d).is_some_and(|(table, matches)| {
                        table == &reference.from && empties(&d.dependent.action, matches, &reference.columns)
                    })
            });
            if !declared {
                let does = if reference.on_delete == OnDelete::Cascade { "delete" } else { "change" };
                self.problem("table", format!("dataset `{datastore}.{name}` cannot be swept: a foreign key of `{}` would {does} its rows along with the records",
                        reference.from
                    ),
                    format!(
                        "declare `{}` as a dependent with match {{ {} }}",
                        reference.from,
                        reference.columns.iter().map(|(t, o)| format!("{t} = \"{o}\"")).collect::<Vec<_>>().join(", ")
                    ),
                );
            }
        }
        let writes = if deletes { &table.delete_writes } else { &table.update_writes };
        let surprise: Vec<&TableName> = writes.iter().filter(|t| !explained.contains(*t)).collect();
        // A trigger may also write a table that a dependent declares, beyond what the dependent names.
        if !surprise.is_empty() {
            let by = match table.triggers.as_slice() {
                [] => "a trigger or a foreign key behind it would".to_owned(),
                triggers => format!("its triggers ({}) would", list(triggers.iter())),
            };
            self.problem(
                "table",
                format!(
                    "dataset `{datastore}.{name}` cannot be swept: {by} write {}, which no dependent declares",
                    list(surprise.into_iter())
                ),
                "drop the trigger, or let it skip the rows that are disposed of",
            );
        }
    }

    fn cascade_closure(&self, datastore: &DatastoreName, from: &TableName) -> BTreeSet<TableName> {
        let mut seen = BTreeSet::from([from.clone()]);
        let mut open = vec![from.clone()];
        let tables = self.catalogues.get(datastore).map(|c| &c.tables);
        // Ends because each table is entered once.
        while let Some(name) = open.pop() {
            for reference in tables.and_then(|t| t.get(&name)).into_iter().flat_map(|t| &t.referenced_by) {
                if reference.on_delete != OnDelete::Refuse && seen.insert(reference.from.clone()) {
                    open.push(reference.from.clone());
                }
            }
        }
        seen
    }
}

fn rows_of<'b>(bound: &'b BoundDependent<'_>) -> Option<(&'b TableName, &'b [Match])> {
    match &bound.dataset {
        BoundDependents::Rows { table, matches, .. } => Some((table, matches)),
        BoundDependents::Files(_) => None,
    }
}

/// Whether a dependent leaves nothing for the foreign key to act on: it has the same columns, and its rows are
/// gone, or no longer point here, before the record goes.
fn empties(action: &Action, matches: &[Match], columns: &[(ColumnName, ColumnName)]) -> bool {
    let same = matches.len() == columns.len()
        && columns
            .iter()
            .all(|(theirs, ours)| matches.iter().any(|m| &m.theirs == theirs && &m.ours == ours));
    same && match action {
        Action::Delete => true,
        Action::Pseudonymize { columns: replaced, .. } => columns
            .iter()
            .any(|(theirs, _)| replaced.iter().any(|(c, s)| c == theirs && *s == Strategy::Null)),
    }
}

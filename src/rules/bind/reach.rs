//! What a deletion reaches by itself: through foreign keys and triggers, beyond what the rule declares.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Binder, BoundDependent, BoundDependents, Side, list};
use crate::diagnostic::Code;
use crate::model::catalogue::{OnDelete, Reference, Table, VIRTUAL};
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::rules::rule::{Action, Match, Strategy};

/// A schema may lead to one table on more ways than anyone reads.
const MOST_PATHS: usize = 8;

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
        self.places = &self.rule.places;
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
        if let Some(broken) = if deletes { &table.delete_broken } else { &table.update_broken } {
            let what = format!("rows of `{name}` cannot be disposed of: {}", broken.why);
            self.problem("table", what, broken.help.clone());
        }
        if !table.heirs.is_empty() {
            let what = format!(
                "rows of `{name}` cannot be disposed of: {} inherit from it, and a statement on it has their rows, too",
                list(table.heirs.iter())
            );
            let help =
                "let none inherit from it: a table that is partitioned (`PARTITION BY`) is swept as one";
            self.problem("table", what, help);
        }
        let here: Vec<&BoundDependent<'r>> =
            dependents.iter().filter(|d| &d.dependent.datastore == datastore).collect();
        let mut explained: BTreeSet<TableName> =
            here.iter().filter_map(|d| rows_of(d)).map(|(table, _)| table.clone()).collect();
        explained.insert(name.clone());
        explained.extend(table.heirs.iter().cloned());
        for reference in table.referenced_by.iter().filter(|r| deletes && r.on_delete != OnDelete::Refuse) {
            let paths = self.paths(datastore, name, reference);
            explained.extend(paths.iter().flatten().map(|step| step.from.clone()));
            let declared = here.iter().any(|d| {
                d.of == at
                    && rows_of(d).is_some_and(|(table, matches)| {
                        table == &reference.from && empties(&d.dependent.action, matches, &reference.columns)
                    })
            });
            if !declared {
                self.undeclared_key(of, reference, &paths);
            }
        }
        let writes = if deletes { &table.delete_writes } else { &table.update_writes };
        let surprise: Vec<&TableName> = writes.iter().filter(|t| !explained.contains(*t)).collect();
        // A trigger may also write a table that a dependent declares, beyond what the dependent names.
        if !surprise.is_empty() {
            self.undeclared_trigger(of, &surprise);
        }
    }

    fn undeclared_key(&mut self, of: Side<'r, 'c>, reference: &Reference, paths: &[Vec<&Reference>]) {
        let Side { datastore, name, .. } = of;
        let shown: Vec<String> = paths.iter().take(MOST_PATHS).map(|path| shown(name, path)).collect();
        let more = paths.len().saturating_sub(MOST_PATHS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what = format!(
            "dataset `{datastore}.{name}` cannot be swept: its deletions reach rows that no dependent declares: {}{more}",
            shown.join(", ")
        );
        let pairs: Vec<String> = reference.columns.iter().map(|(t, o)| format!("{t} = \"{o}\"")).collect();
        let behind =
            if paths.iter().any(|path| path.len() > 1) { ", and what hangs on it below that" } else { "" };
        let help = format!(
            "declare `{}` as a dependent with match {{ {} }}{behind}",
            reference.from,
            pairs.join(", ")
        );
        self.found(Code::UndeclaredReach, "table", what, help);
    }

    fn undeclared_trigger(&mut self, of: Side<'r, 'c>, surprise: &[&TableName]) {
        let Side { datastore, name, table } = of;
        let by = match table.triggers.as_slice() {
            [] => "a trigger or a foreign key behind it would".to_owned(),
            triggers => format!("its triggers ({}) would", list(triggers.iter())),
        };
        let what = format!(
            "dataset `{datastore}.{name}` cannot be swept: {by} write {}, which no dependent declares",
            list(surprise.iter())
        );
        let help = if surprise.iter().any(|table| table.as_str() == VIRTUAL) {
            "no sweep can tell what goes from a virtual table: let the application delete these rows, or rebuild the index without a trigger"
        } else {
            "drop the trigger, or let it skip the rows that are disposed of"
        };
        self.found(Code::UndeclaredReach, "table", what, help);
    }

    /// Every way on which a deletion goes on from this foreign key, each to its end. A table is passed once a way; what is
    /// changed and not deleted is an end.
    fn paths(
        &self,
        datastore: &DatastoreName,
        start: &'c TableName,
        first: &'c Reference,
    ) -> Vec<Vec<&'c Reference>> {
        let tables = self.catalogues.get(datastore).map(|c| &c.tables);
        let table = |name: &TableName| -> Option<&'c Table> { tables.and_then(|t| t.get(name)) };
        let mut open = vec![vec![first]];
        let mut ended = Vec::new();
        // Ends: a way holds each table at most once; and a schema in which everything leads everywhere is cut off.
        while let Some(path) = open.pop() {
            let last = path[path.len() - 1];
            let passed = |name: &TableName| name == start || path.iter().any(|step| &step.from == name);
            let deletes = last.on_delete == OnDelete::Cascade;
            let on = table(&last.from).into_iter().flat_map(|t| &t.referenced_by);
            let next: Vec<Vec<&'c Reference>> = on
                .filter(|r| deletes && r.on_delete != OnDelete::Refuse && !passed(&r.from))
                .map(|r| path.iter().copied().chain([r]).collect())
                .collect();
            if next.is_empty() || open.len() + ended.len() > 1000 {
                ended.push(path);
            } else {
                open.extend(next.into_iter().rev());
            }
        }
        ended
    }
}

/// `account ← order ← order_line (ON DELETE CASCADE)`; where the actions differ, each behind its table.
fn shown(start: &TableName, path: &[&Reference]) -> String {
    let mut text = format!("`{start}`");
    for (i, step) in path.iter().enumerate() {
        let _ = write!(text, " ← `{}`", step.from);
        if path.get(i + 1).is_none_or(|next| next.on_delete != step.on_delete) {
            let _ = write!(text, " (ON DELETE {})", step.on_delete.as_str());
        }
    }
    text
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
    by_these(matches, columns)
        && match action {
            Action::Delete => true,
            Action::Pseudonymize { columns: replaced, .. } => columns
                .iter()
                .any(|(theirs, _)| replaced.iter().any(|(c, s)| c == theirs && *s == Strategy::Null)),
        }
}

/// Whether a match is by a foreign key's columns.
fn by_these(matches: &[Match], columns: &[(ColumnName, ColumnName)]) -> bool {
    let is_matched = |(theirs, ours): &(ColumnName, ColumnName)| {
        matches.iter().any(|m| &m.theirs == theirs && &m.ours == ours)
    };
    matches.len() == columns.len() && columns.iter().all(is_matched)
}

/// Whether a foreign key by these columns acts on rows of the dependent's table when rows of this one are deleted.
pub(super) fn acts(of: &Table, theirs: &TableName, matches: &[Match]) -> bool {
    let acts = |r: &Reference| r.on_delete != OnDelete::Refuse && &r.from == theirs;
    of.referenced_by.iter().any(|r| acts(r) && by_these(matches, &r.columns))
}

//! `[[rule.dependent]]`: records that go with the one a rule selects, before it.

use std::collections::BTreeSet;

use super::{action, word};
use crate::diagnostic::Code;
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::{Cursor, Entry, Places};
use crate::model::name::{ClassName, ColumnName, DatastoreName, LocalId};
use crate::model::pattern::{KeyPattern, Pattern};
use crate::rules::rule::{Action, Dependent, DependentDataset, Orphans};

/// Every dependent of one rule, each after the one it hangs on. `datastore` is the rule's.
pub fn dependents(mut tables: Vec<Cursor<'_>>, datastore: Option<&DatastoreName>) -> Vec<Dependent> {
    let mut ofs: Vec<(String, Entry<'_>)> = Vec::new();
    let mut known = BTreeSet::new();
    for table in &mut tables {
        let id = table.optional("id").and_then(|e| e.value().as_str());
        known.extend(id);
        if let (Some(id), Some(of)) = (id, table.optional("of")) {
            ofs.push((id.to_owned(), of));
        }
    }
    for (_, of) in &ofs {
        if let Some(name) = of.value().as_str().filter(|name| !known.contains(name)) {
            let message =
                format!("`of` names {}, which is no dependent of this rule", crate::diagnostic::quoted(name));
            let help = did_you_mean(
                name,
                &known.iter().copied().collect::<Vec<_>>(),
                "name a dependent, or remove `of` for the rule's own record",
            );
            of.refuse(Code::UnknownName, message, help);
        }
    }
    let written = super::all(tables, dependent, |w| w.id.as_str().to_owned());
    let read: BTreeSet<String> = written.iter().map(|d| d.id.to_string()).collect();
    located(ordered(written, &read, &ofs), datastore)
}

/// A dependent that may leave out its datastore.
struct Written {
    id: LocalId,
    class: ClassName,
    of: Option<LocalId>,
    datastore: Option<DatastoreName>,
    dataset: DependentDataset,
    action: Action,
    places: Places,
}

/// Where nothing else is said, a dependent is in the datastore of what it hangs on.
fn located(written: Vec<Written>, own: Option<&DatastoreName>) -> Vec<Dependent> {
    let mut located: Vec<Dependent> = Vec::new();
    for Written { id, class, of, datastore, dataset, action, places } in written {
        let parent = match &of {
            Some(of) => located.iter().find(|d| d.id == *of).map(|d| &d.datastore),
            None => own,
        };
        // Without a parent's datastore, what is wrong with that one has been reported.
        let Some(datastore) = datastore.or_else(|| parent.cloned()) else { continue };
        located.push(Dependent { id, class, of, datastore, dataset, action, places });
    }
    located.shrink_to_fit();
    located
}

fn dependent(mut table: Cursor<'_>) -> Option<Written> {
    let id = table.required("id").and_then(|e| word::name(&e, LocalId::new));
    let class = table.required("class").and_then(|e| word::name(&e, ClassName::new));
    let of = table.optional("of").and_then(|e| word::name(&e, LocalId::new));
    let datastore = table.optional("datastore").and_then(|e| word::name(&e, DatastoreName::new));
    let dataset = if table.has("pattern") { files(&mut table) } else { rows(&mut table) };
    let action = action::action(&mut table);
    refuse_replaced_key(&table, dataset.as_ref(), action.as_ref());
    let places = table.places();
    table.finish();
    Some(Written { id: id?, class: class?, of, datastore, dataset: dataset?, action: action?, places })
}

fn rows(table: &mut Cursor<'_>) -> Option<DependentDataset> {
    let name = table.required("table").and_then(|e| word::table(&e));
    let key = table.optional("key").and_then(|e| word::some_names(&e, ColumnName::new));
    let matches = table.required("match").and_then(|e| word::matches(&e));
    if let Some(entry) = table.optional("orphans") {
        let message = "`orphans` belongs to files: a foreign key keeps rows from losing their record";
        entry.refuse(Code::Conflict, message, "remove it");
    }
    Some(DependentDataset::Rows { table: name?, key, matches: matches? })
}

fn files(table: &mut Cursor<'_>) -> Option<DependentDataset> {
    for key in ["table", "key", "match"] {
        if let Some(entry) = table.optional(key) {
            let message = format!("`{key}` and `pattern` exclude each other");
            entry.refuse(
                Code::Conflict,
                message,
                "files belong to a record through `{column}` in their pattern",
            );
        }
    }
    let entry = table.required("pattern")?;
    let orphans = table.optional("orphans").map_or(Some(false), |e| e.boolean())?;
    let orphans = if orphans { Orphans::Listed } else { Orphans::Ignored };
    let dataset = match keys(&entry) {
        Some(keys) => DependentDataset::Keys(keys),
        None => DependentDataset::Files { pattern: word::pattern(&entry)?, orphans },
    };
    let leads = match &dataset {
        DependentDataset::Files { pattern, .. } => pattern.columns().next().is_some(),
        DependentDataset::Keys(keys) => keys.columns().next().is_some(),
        DependentDataset::Rows { .. } => true,
    };
    if !leads {
        let message = "the pattern names no column, so what it matches would go with the first record";
        entry.refuse(Code::Conflict, message, "write `{column}` where the name tells whose it is");
    }
    for key in ["columns", "mark"] {
        if table.has(key) {
            table.refuse(Code::Conflict, "files cannot be pseudonymized", "write `action = \"delete\"`");
        }
    }
    Some(dataset)
}

/// What cannot be a path, and can be keys: `session:{id}:*`. A path may hold `:` as well, and stays one.
fn keys(entry: &Entry<'_>) -> Option<KeyPattern> {
    let text = entry.value().as_str()?;
    if Pattern::parse(text).is_ok() || text.contains('/') { None } else { KeyPattern::parse(text).ok() }
}

fn refuse_replaced_key(table: &Cursor<'_>, dataset: Option<&DependentDataset>, action: Option<&Action>) {
    if let (Some(DependentDataset::Rows { key: Some(key), .. }), Some(Action::Pseudonymize { columns, .. })) =
        (dataset, action)
        && let Some((column, _)) = columns.iter().find(|(column, _)| key.contains(column))
    {
        let message = format!("`{column}` is the record's key and cannot be replaced");
        table.refuse(Code::Conflict, message, "replace the other columns, or delete the record");
    }
}

/// Each after the one it names in `of`, otherwise as written. What never gets its turn stands in a circle.
/// What hangs on one that could not be read is placed: what is wrong with that one has been said.
fn ordered(mut waiting: Vec<Written>, read: &BTreeSet<String>, ofs: &[(String, Entry<'_>)]) -> Vec<Written> {
    let mut placed: Vec<Written> = Vec::new();
    // Ends: each turn places at least one of them, or is the last.
    loop {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|d| match &d.of {
            Some(of) => !read.contains(of.as_str()) || placed.iter().any(|p| p.id == *of),
            None => true,
        });
        if ready.is_empty() {
            waiting = rest;
            break;
        }
        placed.extend(ready);
        waiting = rest;
    }
    for dependent in &waiting {
        if let Some((_, entry)) = ofs.iter().find(|(id, _)| id == dependent.id.as_str()) {
            let message = format!("dependent `{}` hangs on itself, through `of`", dependent.id);
            entry.refuse(Code::Conflict, message, "one of them must hang on the rule's own record");
        }
    }
    placed
}

//! `[[rule.dependent]]`: records that go with the one a rule selects, before it.

use std::collections::BTreeSet;

use super::{action, word};
use crate::diagnostic::Code;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::model::name::{ClassName, ColumnName, LocalId};
use crate::rules::rule::{Action, Dependent};

/// Every dependent of one rule, each after the one it hangs on.
pub fn dependents(mut tables: Vec<Cursor<'_>>) -> Vec<Dependent> {
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
            of.refuse(
                Code::UnknownName,
                message,
                "name a dependent, or remove `of` for the rule's own record",
            );
        }
    }
    ordered(super::all(tables, dependent, |d| d.id.as_str().to_owned()), &known, &ofs)
}

fn dependent(mut table: Cursor<'_>) -> Option<Dependent> {
    let id = table.required("id").and_then(|e| word::name(&e, LocalId::new));
    let class = table.required("class").and_then(|e| word::name(&e, ClassName::new));
    let of = table.optional("of").and_then(|e| word::name(&e, LocalId::new));
    let name = if ["datastore", "pattern"].iter().any(|key| table.has(key)) {
        table.later(&["datastore", "pattern"]);
        table.optional("table").and_then(|e| word::table(&e))
    } else {
        table.required("table").and_then(|e| word::table(&e))
    };
    let key = table.optional("key").and_then(|e| word::some_names(&e, ColumnName::new));
    let matches = table.required("match").and_then(|e| word::matches(&e));
    let action = action::action(&mut table);
    if let (Some(key), Some(Action::Pseudonymize { columns, .. })) = (&key, &action)
        && let Some((column, _)) = columns.iter().find(|(column, _)| key.contains(column))
    {
        let message = format!("`{column}` is the record's key and cannot be replaced");
        table.refuse(Code::Conflict, message, "replace the other columns, or delete the record");
    }
    table.later(&["orphans", "then"]);
    let places = table.places();
    table.finish();
    Some(Dependent {
        id: id?,
        class: class?,
        of,
        table: name?,
        key,
        matches: matches?,
        action: action?,
        places,
    })
}

/// Each after the one it names in `of`, otherwise as written. What never gets its turn stands in a circle.
fn ordered(
    mut waiting: Vec<Dependent>,
    known: &BTreeSet<&str>,
    ofs: &[(String, Entry<'_>)],
) -> Vec<Dependent> {
    let mut placed: Vec<Dependent> = Vec::new();
    // Ends: each turn places at least one of them, or is the last.
    loop {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|d| match &d.of {
            Some(of) => !known.contains(of.as_str()) || placed.iter().any(|p| p.id == *of),
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

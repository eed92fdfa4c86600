//! Tables that no rule covers and no waiver names. A rule that only reads a table covers none of its rows.

use std::collections::BTreeSet;

use super::{NamedAt, are, waiver};
use crate::diagnostic::{Code, Diagnostic, Place, counted};
use crate::model::catalogue::Catalogue;
use crate::model::name::{DatastoreName, TableName};
use crate::rules::rule::{Dataset, DependentDataset, Rule, RuleSet, TriggerPlace, WaivedDataset};

/// The tables of a datastore that nothing covers, each as an error; of a datastore that no rule file names, one for all of it.
pub fn tables(
    set: &RuleSet,
    datastore: &DatastoreName,
    catalogue: &Catalogue,
    at: &NamedAt,
) -> Vec<Diagnostic> {
    let (covered, waived) = (covered(set, datastore), waived(set, datastore));
    let open: Vec<&TableName> =
        all(catalogue).filter(|name| !covered.contains(name) && !waived.contains(name)).collect();
    let place = match at {
        NamedAt::Rules(place) => place,
        NamedAt::Configuration(place) => {
            return unnamed(datastore, &open, catalogue, place).into_iter().collect();
        }
    };
    let mut found: Vec<Diagnostic> =
        open.into_iter().map(|name| uncovered(set, datastore, name, place.clone())).collect();
    if catalogue.beside.nameless > 0 {
        let what = format!(
            "{} of datastore `{datastore}` cannot be covered: the name is longer than 128 bytes, or holds control characters",
            counted(catalogue.beside.nameless, "table")
        );
        let help = "rename it: no rule and no waiver can write its name";
        found.push(Diagnostic::error(Code::NotCovered, place.clone(), what, help));
    }
    found
}

/// Every table that holds data of its own.
pub(super) fn all(catalogue: &Catalogue) -> impl Iterator<Item = &TableName> {
    let own = catalogue.tables.keys().filter(|name| !catalogue.beside.shadow_tables.contains(*name));
    own.chain(&catalogue.beside.virtual_tables)
}

fn uncovered(set: &RuleSet, datastore: &DatastoreName, name: &TableName, place: Place) -> Diagnostic {
    let reading =
        set.rules().map(|(_, rule)| rule).find(|rule| rule.datastore == *datastore && reads(rule, name));
    let reading = reading.map_or(String::new(), |rule| format!(", and rule `{}` only reads it", rule.id));
    let what =
        format!("table `{name}` of datastore `{datastore}` is covered by no rule and no waiver{reading}");
    let help = "write the rule or the dependent that disposes of its rows; where nothing of it ever has to go, say why in a waiver:";
    Diagnostic::error(Code::NotCovered, place, what, help).pasting(&waiver(datastore, "table", name.as_str()))
}

fn unnamed(
    datastore: &DatastoreName,
    open: &[&TableName],
    catalogue: &Catalogue,
    place: &Place,
) -> Option<Diagnostic> {
    const SHOWN: usize = 5;
    let count = open.len() as u64 + catalogue.beside.nameless;
    let shown = open.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if count > SHOWN as u64 { ", …" } else { "" };
    let shown = if open.is_empty() { String::new() } else { format!(" ({shown}{more})") };
    let what = format!(
        "no rule file names datastore `{datastore}`: {} of it {} covered by no rule and no waiver{shown}",
        counted(count, "table"),
        are(count)
    );
    let help = "write rules about it, waive in a rule file what never has to go, or take the datastore out of the configuration";
    (count > 0).then(|| Diagnostic::error(Code::NotCovered, place.clone(), what, help))
}

/// The tables whose rows a rule or a dependent disposes of, or will.
pub(super) fn covered<'s>(set: &'s RuleSet, datastore: &DatastoreName) -> BTreeSet<&'s TableName> {
    let mut names = BTreeSet::new();
    for (_, rule) in set.rules() {
        if let Dataset::Table { table, .. } = &rule.dataset
            && rule.datastore == *datastore
        {
            names.insert(table);
        }
        for dependent in rule.dependents.iter().filter(|d| d.datastore == *datastore) {
            if let DependentDataset::Rows { table, .. } = &dependent.dataset {
                names.insert(table);
            }
        }
    }
    names
}

fn waived<'s>(set: &'s RuleSet, datastore: &DatastoreName) -> BTreeSet<&'s TableName> {
    let waivers = set.services.iter().flat_map(|s| &s.waivers).filter(|w| w.datastore == *datastore);
    waivers
        .filter_map(|waiver| match &waiver.dataset {
            WaivedDataset::Table(table) => Some(table),
            WaivedDataset::Pattern(_) => None,
        })
        .collect()
}

/// Whether the rule looks into the table for its trigger or for what keeps a record.
fn reads(rule: &Rule, name: &TableName) -> bool {
    let by_trigger = matches!(&rule.trigger.place, TriggerPlace::Rows { table, .. } if table == name);
    by_trigger || rule.unless.iter().any(|unless| unless.table == *name)
}

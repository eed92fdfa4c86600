//! Waivers of what is not there, or of what a rule covers all the same.

use super::coverage;
use super::prefixes::Prefixes;
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::catalogue::Catalogue;
use crate::model::name::{DatastoreName, TableName};
use crate::rules::rule::{RuleSet, WaivedDataset, Waiver};

/// The waivers of tables. One of a table that is not there is an error: it would waive the next table of that name unseen.
pub fn of_tables(set: &RuleSet, datastore: &DatastoreName, catalogue: &Catalogue) -> Vec<Diagnostic> {
    let covered = coverage::covered(set, datastore);
    let known: Vec<&str> = coverage::all(catalogue).map(TableName::as_str).collect();
    let mut found = Vec::new();
    for waiver in of(set, datastore) {
        let WaivedDataset::Table(table) = &waiver.dataset else { continue };
        let place = waiver.places.of("table");
        if !known.contains(&table.as_str()) {
            let what =
                format!("the waiver names table `{table}`, which does not exist in datastore `{datastore}`");
            let help = did_you_mean(table.as_str(), &known, "remove the waiver");
            found.push(Diagnostic::error(Code::IdleWaiver, place, what, help));
        } else if covered.contains(table) {
            let what = format!("the waiver names table `{table}`, which a rule covers already");
            found.push(Diagnostic::warning(Code::IdleWaiver, place, what, "remove the waiver, or the rule"));
        }
    }
    found
}

/// The waivers of files. Files come and go: one that names none today is a warning.
pub fn of_files(set: &RuleSet, datastore: &DatastoreName, prefixes: &Prefixes) -> Vec<Diagnostic> {
    let patterns = of(set, datastore).filter(|waiver| matches!(waiver.dataset, WaivedDataset::Pattern(_)));
    let mut found = Vec::new();
    for (waiver, (met, alone)) in patterns.zip(prefixes.waived()) {
        let pattern = waiver.dataset.name();
        let what = match (met, alone) {
            (0, _) => {
                format!("the waiver of `{pattern}` names no file that is in datastore `{datastore}` now")
            }
            (_, 0) => format!("the waiver of `{pattern}` names only files that a rule covers already"),
            (_, _) => continue,
        };
        let help = "correct the pattern, or remove the waiver";
        found.push(Diagnostic::warning(Code::IdleWaiver, waiver.places.of("pattern"), what, help));
    }
    found
}

fn of<'s>(set: &'s RuleSet, datastore: &DatastoreName) -> impl Iterator<Item = &'s Waiver> {
    let here: Vec<&Waiver> =
        set.services.iter().flat_map(|s| &s.waivers).filter(|w| w.datastore == *datastore).collect();
    here.into_iter()
}

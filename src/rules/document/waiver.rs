//! `[[waiver]]`: records that no rule needs to cover.

use super::word;
use crate::diagnostic::Code;
use crate::diagnostic::reader::Cursor;
use crate::model::name::DatastoreName;
use crate::rules::rule::{WaivedDataset, Waiver};

pub fn waiver(mut table: Cursor<'_>) -> Option<Waiver> {
    let datastore = table.required("datastore").and_then(|e| word::name(&e, DatastoreName::new));
    let dataset = dataset(&mut table);
    let reason = table.required("reason").and_then(|e| e.sentence());
    let places = table.places();
    table.finish();
    Some(Waiver { datastore: datastore?, dataset: dataset?, reason: reason?, places })
}

fn dataset(table: &mut Cursor<'_>) -> Option<WaivedDataset> {
    let (name, pattern) = (table.optional("table"), table.optional("pattern"));
    match (name, pattern) {
        (Some(name), None) => word::table(&name).map(WaivedDataset::Table),
        (None, Some(entry)) => {
            let pattern = word::pattern(&entry)?;
            if let Some(column) = pattern.columns().next() {
                let message = format!("`{{{column}}}` has no record whose column it could be");
                entry.refuse(
                    Code::Conflict,
                    message,
                    "write `*`, or a `/**` at the end for everything beneath",
                );
                return None;
            }
            Some(WaivedDataset::Pattern(pattern))
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "a waiver names exactly one of `table` and `pattern`";
            table.refuse(Code::Conflict, message, "write one waiver for each");
            None
        }
    }
}

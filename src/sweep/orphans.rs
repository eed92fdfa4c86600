//! Files whose record no longer exists: looked for, listed, never disposed of. Nobody knows whose they were, so nobody can know
//! that their time has come.

use std::collections::BTreeMap;

use super::SweepError;
use crate::datastore::DatastoreError;
use crate::datastore::files::{self, Found, Pages, path_value};
use crate::datastore::sql::Reader;
use crate::model::catalogue::{Catalogues, ColumnKind};
use crate::model::datastore::Datastore;
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::pattern::Pattern;
use crate::model::value::{Value, Values};
use crate::rules::bind::{BoundDependents, BoundRule};
use crate::rules::rule::{DependentDataset, Orphans};

/// A file that leads to no record.
#[derive(Debug, Clone)]
pub struct Orphan {
    /// Where it is.
    pub datastore: DatastoreName,
    /// The dependent's pattern.
    pub dataset: String,
    /// Its path, as the value of a key.
    pub path: Value,
}

/// So many files are looked up at once.
const PAGE: u32 = 5_000;

/// Every file that a dependent with `orphans = true` names and whose record is not there; the record's own filters do not count.
pub async fn orphans(
    bound: &BoundRule<'_>,
    catalogues: &Catalogues,
    datastores: &BTreeMap<DatastoreName, Datastore>,
) -> Result<Vec<Orphan>, SweepError> {
    let mut found = Vec::new();
    for dependent in bound.dependents() {
        let DependentDataset::Files { pattern, orphans: Orphans::Listed } = &dependent.dependent.dataset
        else {
            continue;
        };
        let Some(parent) = parent(bound, dependent.of) else { continue };
        let locate = |name: &DatastoreName| {
            datastores.get(name).ok_or_else(|| SweepError::NoDatastore { datastore: name.clone() })
        };
        let datastore = &dependent.dependent.datastore;
        let mut pages = Pages::of(files::root_of(locate(datastore)?)?, vec![pattern.open()], PAGE)?;
        let mut records = Records {
            reader: Reader::open(locate(parent.0)?).await?,
            table: parent.1,
            columns: columns(pattern, parent, catalogues),
        };
        while let Some(page) = pages.next().await? {
            for lost in records.lost(pattern, page.files).await? {
                let path = path_value(&lost.listed.path);
                found.push(Orphan {
                    datastore: datastore.clone(),
                    dataset: pattern.as_str().to_owned(),
                    path,
                });
            }
        }
    }
    Ok(found)
}

/// The table that the pattern's columns are of.
fn parent<'b>(bound: &'b BoundRule<'_>, of: Option<usize>) -> Option<(&'b DatastoreName, &'b TableName)> {
    match of {
        None => bound.rows().map(|rows| (&rows.rule().datastore, rows.table().name)),
        Some(at) => match &bound.dependents()[at].dataset {
            BoundDependents::Rows { table, .. } => Some((&bound.dependents()[at].dependent.datastore, table)),
            BoundDependents::Files(_) => None,
        },
    }
}

/// The pattern's columns, each once, with their kinds.
fn columns(
    pattern: &Pattern,
    (datastore, table): (&DatastoreName, &TableName),
    catalogues: &Catalogues,
) -> Vec<(ColumnName, ColumnKind)> {
    let table = catalogues.get(datastore).and_then(|catalogue| catalogue.tables.get(table));
    let mut columns: Vec<(ColumnName, ColumnKind)> = Vec::new();
    for name in pattern.columns() {
        if let (Some(column), false) =
            (table.and_then(|t| t.column(name)), columns.iter().any(|(known, _)| known == name))
        {
            columns.push((name.clone(), column.kind));
        }
    }
    columns
}

/// Where records are looked up.
struct Records<'b> {
    reader: Reader,
    table: &'b TableName,
    columns: Vec<(ColumnName, ColumnKind)>,
}

impl Records<'_> {
    async fn lost(&mut self, pattern: &Pattern, files: Vec<Found>) -> Result<Vec<Found>, DatastoreError> {
        let (mut lost, mut asked, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for file in files {
            match self.leads_to(pattern, &file.listed.path) {
                Some(row) => {
                    asked.push(file);
                    rows.push(row);
                }
                None => lost.push(file),
            }
        }
        let names: Vec<ColumnName> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let missing = self.reader.missing(self.table, &names, &rows).await?;
        let mut missing = missing.into_iter().peekable();
        let missed = asked.into_iter().enumerate().filter(|(at, _)| missing.next_if_eq(at).is_some());
        lost.extend(missed.map(|(_, file)| file));
        Ok(lost)
    }

    /// The values its record would have; none: no record can have them.
    fn leads_to(&self, pattern: &Pattern, path: &[u8]) -> Option<Values> {
        let captures = pattern.captures(path)?;
        let value = |(name, kind): &(ColumnName, ColumnKind)| {
            let bytes = &captures.iter().find(|(captured, _)| captured == name)?.1;
            let text = std::str::from_utf8(bytes).ok()?;
            match kind {
                // As the pattern writes it: `007` names nobody.
                ColumnKind::Integer => Value::whole(text).filter(|number| number.is_written(text)),
                ColumnKind::Instant
                | ColumnKind::Naive
                | ColumnKind::Date
                | ColumnKind::Text
                | ColumnKind::Other => Some(Value::Text(text.to_owned())),
            }
        };
        self.columns.iter().map(value).collect()
    }
}

//! The datastores: where records are, how they are read, how they go.
//!
//! **Contract.** A datastore selects candidates and hands them to the judge; it disposes only of records that come
//! back as [`Due`](crate::rules::decide::Due), and of what hangs on them; it makes nothing irreversible before it is
//! shown the committed intent; and it can say afterwards, from evidence of its own, what became of a batch.

pub mod error;
pub mod files;
pub mod grants;
pub mod inspection;
mod prepared;
mod server;
pub mod sql;
mod writer;

pub use error::DatastoreError;
pub use prepared::{Committed, Prepared, PreparedPart};
pub use writer::Writer;

use std::collections::BTreeMap;

use crate::model::catalogue::Catalogues;
use crate::model::datastore::Datastore;
use crate::model::name::DatastoreName;
use crate::rules::connect::privilege::needed;
use crate::rules::decide::Record;
use crate::rules::rule::Rule;

/// What is known of one record beside its verdict.
#[derive(Debug)]
pub struct Explained {
    /// The record, for the judge.
    pub record: Record,
    /// Whether `only`, `unless` and the mark leave it to the rule; a file: whether the pattern names it.
    pub selected: bool,
}

/// More that hangs on one batch of records in one other datastore is refused: its transaction would keep the records locked for
/// too long. A batch that exceeds it is halved, until one record stands alone.
pub const MOST_DEPENDENTS: u64 = 100_000;

/// Why such a record is kept.
pub const TOO_MANY_DEPENDENTS: &str = "more than 100,000 dependents hang on it in another datastore";

/// Connections that can only read, one a datastore.
pub type Readers = BTreeMap<DatastoreName, sql::Reader>;

/// Reads the schemas of the SQL datastores that a rule speaks of. `locate` gives a datastore by its name.
pub async fn catalogues<'d>(
    rule: &Rule,
    locate: &(dyn Fn(&DatastoreName) -> Option<&'d Datastore> + Sync),
) -> Result<Catalogues, DatastoreError> {
    Ok(surveyed(rule, locate).await?.0)
}

/// The same, and the connections that they were read over.
pub async fn surveyed<'d>(
    rule: &Rule,
    locate: &(dyn Fn(&DatastoreName) -> Option<&'d Datastore> + Sync),
) -> Result<(Catalogues, Readers), DatastoreError> {
    let (mut catalogues, mut readers) = (Catalogues::new(), Readers::new());
    for name in rule.datastores() {
        let Some(datastore) = locate(name).filter(|d| d.kind().has_rows()) else { continue };
        if !catalogues.contains_key(name) {
            let mut reader = sql::Reader::open(datastore).await?;
            catalogues.insert(name.clone(), reader.catalogue().await?);
            readers.insert(name.clone(), reader);
        }
    }
    Ok((catalogues, readers))
}

/// Makes sure, before anything goes, that the accounts of the datastores may do all that a sweep of the rule does.
pub async fn entitled<'d>(
    rule: &Rule,
    catalogues: &Catalogues,
    readers: &mut Readers,
    locate: &(dyn Fn(&DatastoreName) -> Option<&'d Datastore> + Sync),
) -> Result<(), DatastoreError> {
    for (name, reader) in readers {
        let (Some(_), Some(catalogue)) =
            (locate(name).filter(|d| d.kind().has_accounts()), catalogues.get(name))
        else {
            continue;
        };
        let needed = needed([rule], name).into_iter().map(|needed| needed.knowing(catalogue));
        let lacking = reader.lacking(&needed.collect::<Vec<_>>()).await?;
        if !lacking.is_empty() {
            let (datastore, lacking, rule) = (name.clone(), lacking.join(", "), rule.id.clone());
            return Err(DatastoreError::Rights { datastore, lacking, rule });
        }
    }
    Ok(())
}

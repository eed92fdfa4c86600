//! What one datastore says of itself, for `check --connect`: read, never written. One arm a kind of datastore; what a kind
//! has to say beyond this has no other way out.

use std::path::Path;

use super::error::DatastoreError;
use super::{files, sql};
use crate::model::catalogue::Catalogue;
use crate::model::datastore::{Datastore, Location};
use crate::model::name::DatastoreName;
use crate::rules::connect::prefixes::Prefixes;
use crate::rules::connect::privilege::{Needed, PrivilegeFinding, needed};
use crate::rules::rule::RuleSet;

/// What a datastore holds, and what may be done there.
pub struct Inspection {
    /// What it holds.
    pub holds: Holds,
    /// What about its privileges should be otherwise.
    pub privileges: Vec<PrivilegeFinding>,
}

/// What a datastore holds.
pub enum Holds {
    /// Tables; the connection can be asked for their sizes.
    Tables(Catalogue, sql::Reader),
    /// Files.
    Files(Prefixes),
    /// It was not looked at: what it lets others do comes first.
    Unseen,
}

/// Looks at a datastore, for these rules.
pub async fn inspect(
    name: &DatastoreName,
    datastore: &Datastore,
    rules: &RuleSet,
) -> Result<Inspection, DatastoreError> {
    match &datastore.location {
        Location::Sqlite(path) => {
            let mut reader = sql::Reader::open(datastore).await?;
            let catalogue = reader.catalogue().await?;
            let privileges = sql::file_privileges(name, path);
            Ok(Inspection { holds: Holds::Tables(catalogue, reader), privileges })
        }
        Location::Postgres(_) | Location::MariaDb(_) => {
            let mut reader = sql::Reader::open(datastore).await?;
            let catalogue = reader.catalogue().await?;
            let needed = needed(rules.rules().map(|(_, rule)| rule), name);
            let needed: Vec<Needed> = needed.into_iter().map(|needed| needed.knowing(&catalogue)).collect();
            let privileges = reader.privileges(name, &needed).await?;
            Ok(Inspection { holds: Holds::Tables(catalogue, reader), privileges })
        }
        Location::Files(root) => files_of(name, root, Prefixes::new(rules, name)),
    }
}

fn files_of(name: &DatastoreName, root: &Path, prefixes: Prefixes) -> Result<Inspection, DatastoreError> {
    match files::survey(root, prefixes) {
        Ok(survey) => {
            let privileges = files::privileges(name, root, &survey);
            Ok(Inspection { holds: Holds::Files(survey.prefixes), privileges })
        }
        Err(error) => match files::refused(name, &error) {
            Some(finding) => Ok(Inspection { holds: Holds::Unseen, privileges: vec![finding] }),
            None => Err(error),
        },
    }
}

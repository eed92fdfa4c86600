//! A datastore open for a sweep, whichever engine it is.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::error::DatastoreError;
use super::{Prepared, files, sql};
use crate::model::datastore::{Datastore, Location};
use crate::model::value::Values;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::RowRule;

/// A datastore that may dispose of what hangs on a record elsewhere. One a sweep.
pub enum Writer {
    /// A database.
    Rows(Box<sql::Writer>),
    /// A tree of files.
    Files(Arc<files::Tree>),
}

impl Writer {
    /// Opens the datastore.
    pub async fn open(datastore: &Datastore) -> Result<Self, DatastoreError> {
        Ok(match &datastore.location {
            Location::Sqlite(_) | Location::Postgres(_) | Location::MariaDb(_) => {
                Self::Rows(Box::new(sql::Writer::open(datastore).await?))
            }
            Location::Files(root) => Self::Files(Arc::new(files::Tree::open(root)?)),
        })
    }

    /// Prepares what hangs on the records of a batch: `links` are the values that lead to each dependent of the share
    /// whose parent is elsewhere, by the dependent's position in the rule.
    pub async fn prepare<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        share: usize,
        links: &[(usize, Vec<Values>)],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        match self {
            Self::Rows(writer) => {
                let prepared = writer.dispose_linked(rule, share, links, at, pseudonyms).await?;
                Ok(Prepared::Rows(Box::new(prepared)))
            }
            Self::Files(tree) => Ok(Prepared::Files(files::Prepared::linked(tree, rule, links).await?)),
        }
    }

    /// Says that a batch's outcome is in the ledger.
    pub fn sealed(&mut self, batch: &str) {
        match self {
            Self::Rows(writer) => writer.sealed(batch),
            Self::Files(_) => {}
        }
    }

    /// Closes it. A failure leaves a marker that says nothing wrong.
    pub async fn close(self) -> Result<(), DatastoreError> {
        match self {
            Self::Rows(writer) => writer.close().await,
            Self::Files(_) => Ok(()),
        }
    }
}

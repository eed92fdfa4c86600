//! The connection that looks at the rule's own datastore before anything goes, and once more afterwards.

use std::time::Duration;

use super::count::{Backlog, Sought, left};
use crate::clock::Stopwatch;
use crate::datastore::DatastoreError;
use crate::datastore::sql::{Layout, Reader};
use crate::model::datastore::Datastore;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;

/// What lies between may forget a connection that nobody has used for longer.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// Whoever looks at the records and takes no part in what becomes of them.
pub(super) struct Onlooker<'a> {
    datastore: &'a Datastore,
    /// What the tables looked like at first; none: it has none.
    layout: Option<Layout>,
    /// Open still, unused since.
    reader: Option<(Reader, Stopwatch)>,
}

impl<'a> Onlooker<'a> {
    /// `reader`: on the rule's own datastore; none: it has no tables.
    pub(super) fn new(datastore: &'a Datastore, reader: Option<Reader>) -> Self {
        let layout = reader.as_ref().map(Reader::layout);
        // A file is opened at once, and behind its name there may be another by then.
        let stays = reader.filter(|_| datastore.kind().has_accounts());
        Self { datastore, layout, reader: stays.map(|reader| (reader, Stopwatch::start())) }
    }

    pub(super) fn datastore(&self) -> &'a Datastore {
        self.datastore
    }

    pub(super) fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// Counts what the sweep has left.
    pub(super) async fn left(
        self,
        rows: RowRule<'_>,
        cutoffs: &Cutoffs,
        (orders, now): (&Orders, Now),
        sought: &Sought,
    ) -> Result<Backlog, DatastoreError> {
        let fresh = |reader: (Reader, Stopwatch)| (reader.1.elapsed() < LONGEST_IDLE).then_some(reader.0);
        if let Some(mut reader) = self.reader.and_then(fresh) {
            match left(&mut reader, rows, cutoffs, (orders, now), sought).await {
                Ok(left) => return Ok(left),
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the connection that was open could not count; a new one does"
                ),
            }
        }
        let mut reader = Reader::open_again(self.datastore, self.layout.as_ref()).await?;
        left(&mut reader, rows, cutoffs, (orders, now), sought).await
    }
}

//! What is read ahead of the batch that goes, and when that is left alone.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::datastore::sql::{Cursor, Scout, Seen, Watermark};
use crate::model::orders::Orders;

use super::Reading;

/// So many batches are not read ahead after one where that did not pay.
const REST: u32 = 4;

/// The next batch, as far as it has been read.
#[derive(Default)]
pub(super) struct Lookahead {
    /// Under which orders.
    seen: Option<(Arc<Orders>, Seen)>,
    resting: u32,
}

/// Where the next batch begins, how many records it may hold, and under which lock it is read.
pub(super) struct Next {
    pub(super) from: Cursor,
    pub(super) limit: u32,
    pub(super) watermark: Watermark,
}

impl Lookahead {
    /// What was read for the batch that goes on from here, if it was under these orders.
    pub(super) fn take(&mut self, orders: &Arc<Orders>, cursor: &Cursor) -> Option<Seen> {
        let seen = self.seen.take().filter(|(under, _)| Arc::ptr_eq(under, orders));
        seen.map(|(_, seen)| seen).filter(|seen| seen.is_from(cursor))
    }

    /// It did not pay, since others write between the batches, or since reading takes longer than what it is done beside: a log that is always
    /// being read from never becomes empty.
    pub(super) fn rest(&mut self) {
        self.resting = REST;
    }

    /// Reads the next batch; how long it took, if it did.
    pub(super) async fn look(
        &mut self,
        scout: Option<&mut Scout>,
        reading: Reading<'_>,
        orders: &Arc<Orders>,
        next: Option<Next>,
    ) -> Option<Duration> {
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        let (scout, Next { from, limit, watermark }) = (scout?, next?);
        let since = Stopwatch::start();
        let Reading { rows, cutoffs, phase } = reading;
        match scout.look(rows, cutoffs, phase, (from, limit), watermark).await {
            Ok(seen) => self.seen = Some((Arc::clone(orders), seen)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a batch could not be read ahead");
                // What fails once in a while is tried again; what always fails is not said at every batch.
                self.resting = u32::MAX;
            }
        }
        Some(since.elapsed())
    }
}

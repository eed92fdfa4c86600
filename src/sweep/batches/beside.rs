//! The connections of a sweep beside its first.

use crate::datastore::sql::{Layout, Scout, Way, Writer};
use crate::model::datastore::Datastore;
use crate::sweep::close;

/// Below this, further connections take more of the processors than they save of the time (docs/measurements.md). A test's world is small, and
/// has to show what a large one does.
pub(super) const WORTH_CONNECTIONS: u64 = if cfg!(feature = "test-hooks") { 1 } else { 100_000 };

/// The connections of a sweep beside its first.
pub(super) enum Beside {
    /// Where batches are snapshots, the server disposes of the next within their transactions while this one is intended and committed.
    Lanes(Box<[Writer; 2]>),
    /// Where a batch locks everybody else out of the file, the next is read while this one goes.
    Scout(Box<Scout>),
}

/// These, where the way has a use for them and the datastore has them to give: without them the sweep is slower, and nothing else.
pub(super) async fn beside(own: &Datastore, layout: &Layout, way: Way) -> Option<Beside> {
    let opened = match way {
        way if way.is_snapshot() => {
            // Neither is dropped half-way.
            let open = || Writer::open_again(own, Some(layout));
            match tokio::join!(open(), open()) {
                (Ok(second), Ok(third)) => Ok(Some(Beside::Lanes(Box::new([second, third])))),
                (Err(error), _) | (_, Err(error)) => Err(error),
            }
        }
        Way::Stretches => Scout::open(own).await.map(|scout| scout.map(Box::new).map(Beside::Scout)),
        Way::Listed | Way::Index | Way::Keys | Way::Measured(_) => Ok(None),
    };
    opened.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no further connections: the batches of this sweep go one after another"
        );
        None
    })
}

impl Beside {
    pub(super) async fn close(self) {
        match self {
            Self::Lanes(lanes) => {
                for lane in *lanes {
                    close(lane).await;
                }
            }
            Self::Scout(scout) => {
                if let Err(error) = scout.close().await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not closed");
                }
            }
        }
    }
}

//! What PostgreSQL remembers of a transaction.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::failed;
use crate::datastore::sql::marker::{Evidence, IN_FLIGHT, TransactionId};

/// How often a transaction in flight is asked for.
const POLL: Duration = Duration::from_millis(50);

/// The number of the present transaction, by which the server will know what became of it.
pub(in crate::datastore::sql) async fn present(
    connection: &mut PgConnection,
) -> Result<String, DatastoreError> {
    let operation = "ask for the transaction's number";
    let row = sqlx::query("SELECT pg_current_xact_id()::text").fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(failed(operation))
}

/// Which cluster this is, on which of its time lines, and since when it has not crashed: a number means a transaction only there. A number that a crash
/// took along with its transaction is another's afterwards; a crash takes the server's statistics along, too.
pub(in crate::datastore::sql) async fn cluster(
    connection: &mut PgConnection,
) -> Result<String, DatastoreError> {
    let asked = "SELECT s.system_identifier::text || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || \
                   coalesce((extract(epoch FROM w.stats_reset) * 1000000)::int8::text, '-') \
                 FROM pg_control_system() AS s, pg_stat_bgwriter AS w";
    let row = sqlx::query(asked).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(failed("ask which cluster this is"))
}

/// The part of what [`cluster`] says that a crash leaves as it was: of a batch that is known to be committed, the number stays its own.
pub(super) fn lineage(cluster: &str) -> &str {
    cluster.match_indices('.').nth(1).map_or(cluster, |(at, _)| &cluster[..at])
}

/// Whether the transaction was committed. One in flight is waited for, up to half a minute.
pub(in crate::datastore::sql) async fn of(
    connection: &mut PgConnection,
    transaction: &TransactionId,
) -> Result<Evidence, DatastoreError> {
    let operation = "ask what became of a batch's transaction";
    if cluster(connection).await? != transaction.cluster {
        return Ok(Evidence::Lost);
    }
    let mut left = IN_FLIGHT;
    // Ends with the transaction, or with the time.
    loop {
        let asked = sqlx::query("SELECT pg_xact_status($1::text::xid8)").bind(&transaction.number);
        let row = asked.fetch_one(&mut *connection).await.map_err(failed(operation))?;
        let status: Option<String> = row.try_get(0).map_err(failed(operation))?;
        match status.as_deref() {
            Some("committed") => return Ok(Evidence::Committed),
            Some("aborted") => return Ok(Evidence::RolledBack),
            Some(_) if left.is_zero() => {
                let source = EngineError::Busy;
                return Err(DatastoreError::Statement { operation, source });
            }
            Some(_) => {
                tokio::time::sleep(POLL).await;
                left = left.saturating_sub(POLL);
            }
            // So long ago that the server has forgotten it.
            None => return Ok(Evidence::Lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_changes_nothing_of_a_batch_that_is_known() {
        assert_eq!(lineage("7612.00000001.1764572400000000"), lineage("7612.00000001.-"));
        // As it was recorded before crashes were told.
        assert_eq!(lineage("7612.00000001"), lineage("7612.00000001.-"));
        assert_ne!(lineage("7612.00000001.-"), lineage("7612.00000002.-"));
    }
}

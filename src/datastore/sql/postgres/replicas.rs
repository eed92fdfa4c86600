//! What a primary knows of its replicas.

use chrono::TimeDelta;
use sqlx::{PgConnection, Row as _};

use crate::datastore::error::{DatastoreError, ReplicaError};
use crate::datastore::sql::connection::failed;
use crate::datastore::sql::replicas::{Behind, Distance};
use crate::model::datastore::Server;

/// Who receives the log and replays it: what only stores it (a backup, an archive) reports no place up to which it has replayed.
/// Whoever may not read the statistics sees each row with nothing in it.
const REPLICAS: &str = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'), r.state, \
         coalesce(nullif(r.application_name, ''), 'unnamed') || coalesce(' at ' || pg_catalog.host(r.client_addr), ''), \
         (extract(epoch FROM r.replay_lag) * 1000000)::int8 \
     FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_stat_replication AS r \
     ON r.state IN ('startup', 'catchup') OR (r.state = 'streaming' AND r.replay_lsn IS NOT NULL)";

/// How far each connected replica is behind; an error where there is none, or where the account would not see it.
pub(in crate::datastore::sql) async fn behind(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<Vec<Behind>, DatastoreError> {
    let operation = "read how far replicas are behind";
    let mut all = Vec::new();
    for row in sqlx::query(REPLICAS).fetch_all(connection).await.map_err(failed(operation))? {
        if !row.try_get::<bool, _>(0).map_err(failed(operation))? {
            return Err(ReplicaError::Hidden("grant it `pg_monitor`").at(server));
        }
        let state: Option<String> = row.try_get(1).map_err(failed(operation))?;
        let name: Option<String> = row.try_get(2).map_err(failed(operation))?;
        let lag: Option<i64> = row.try_get(3).map_err(failed(operation))?;
        let (Some(state), Some(replica)) = (state, name) else { continue };
        let by = match (state.as_str(), lag) {
            // None: it has replayed everything, and nothing has come since.
            ("streaming", lag) => Distance::By(TimeDelta::microseconds(lag.unwrap_or(0))),
            (_, _) => Distance::CatchingUp,
        };
        all.push(Behind { replica, by });
    }
    if all.is_empty() { Err(ReplicaError::NoReplica.at(server)) } else { Ok(all) }
}

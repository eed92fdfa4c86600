//! What a replica knows of itself: MariaDB's primary does not know how far its replicas are.

use chrono::TimeDelta;
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use crate::datastore::error::{DatastoreError, EngineError, ReplicaError};
use crate::datastore::sql::connection::failed;
use crate::datastore::sql::replicas::{Behind, Distance};
use crate::datastore::sql::rows::lossy;
use crate::model::datastore::Server;

/// Of every source it replicates: a replica may give its sources names.
const STATUS: &str = "SHOW ALL REPLICAS STATUS";

/// How far it is behind the source it is furthest behind of; an error where its replication does not run.
pub(in crate::datastore::sql) async fn behind(
    connection: &mut MySqlConnection,
    server: &Server,
) -> Result<Behind, DatastoreError> {
    let operation = "read how far a replica is behind";
    let rows =
        sqlx::raw_sql(STATUS).fetch_all(connection).await.map_err(|error| {
            match EngineError::from(&error) {
                EngineError::Denied(_) => ReplicaError::Hidden("grant it `REPLICA MONITOR`").at(server),
                _ => failed(operation)(error),
            }
        })?;
    let mut furthest = None;
    for row in &rows {
        // NULL: one of its threads does not run, or it has lost its source.
        let seconds = seconds(row, operation)?.ok_or_else(|| ReplicaError::Stopped.at(server))?;
        furthest = furthest.max(Some(seconds));
    }
    let seconds = furthest.ok_or_else(|| ReplicaError::NoSource.at(server))?;
    Ok(Behind { replica: server.address.to_string(), by: Distance::By(TimeDelta::seconds(seconds)) })
}

fn seconds(row: &MySqlRow, operation: &'static str) -> Result<Option<i64>, DatastoreError> {
    let text: Option<Vec<u8>> = row.try_get_unchecked("Seconds_Behind_Master").map_err(failed(operation))?;
    let Some(text) = text.map(|bytes| lossy(&bytes)) else { return Ok(None) };
    match text.parse() {
        // A clock that runs ahead of its source's.
        Ok(seconds) => Ok(Some(i64::max(seconds, 0))),
        Err(_) => Err(DatastoreError::Unexpected {
            operation,
            expected: "a number of seconds".to_owned(),
            observed: "none".to_owned(),
        }),
    }
}

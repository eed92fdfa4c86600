//! A row of ours that a batch writes in its own transaction: there afterwards exactly when the batch was committed.
//!
//! Without it, a restart would have to infer from the records, and a rowid that is used again, or an account that was
//! un-deleted at the wrong moment, would mislead it.

use sqlx::{Row as _, SqliteConnection};

use super::connect::{failed, one, run, text};
use super::sql::Sql;
use crate::datastore::error::DatastoreError;
use crate::hook;
use crate::model::value::Value;
use crate::secret;

/// The marker's table in the datastore.
pub(super) const TABLE: &str = "expunged_marker";

/// Which marker this is: a random name given when its table was made. A table that was dropped, or came back from an older
/// copy of the file under another name, cannot vouch for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation(String);

impl Incarnation {
    /// As it was recorded with an intent.
    pub fn recorded(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text to record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the marker says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It was committed.
    Committed,
    /// It was rolled back: everything is as it was before.
    RolledBack,
    /// The marker is not the one the batch was prepared beside.
    Lost,
}

pub(super) async fn ensure(connection: &mut SqliteConnection) -> Result<Incarnation, DatastoreError> {
    let operation = "set up the marker table `expunged_marker`";
    let exists = Sql {
        text: "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = ?1".to_owned(),
        args: vec![Value::Text(TABLE.to_owned())],
    };
    let found: i64 = one(connection, &exists, operation).await?.try_get(0).map_err(failed(operation))?;
    if found == 0 {
        let create =
            "CREATE TABLE IF NOT EXISTS main.expunged_marker (name TEXT PRIMARY KEY, value TEXT NOT NULL)";
        hook::reach("marker-table.before");
        run(connection, &Sql::new(create), operation).await?;
        hook::reach("marker-table.after");
    }
    let read =
        Sql::new("SELECT coalesce(max(value), '') FROM main.expunged_marker WHERE name = 'incarnation'");
    let named = text(connection, &read, operation).await?;
    if !named.is_empty() {
        return Ok(Incarnation(named));
    }
    let mut name = [0; 16];
    secret::fill(&mut name).map_err(crate::pseudonym::PseudonymError::Random)?;
    let insert = Sql {
        text: "INSERT INTO main.expunged_marker (name, value) VALUES ('incarnation', lower(hex(?1))) ON CONFLICT DO NOTHING"
            .to_owned(),
        args: vec![Value::Blob(name.to_vec())],
    };
    hook::reach("incarnation.before");
    run(connection, &insert, operation).await?;
    hook::reach("incarnation.after");
    Ok(Incarnation(text(connection, &read, operation).await?))
}

/// Marks a batch; part of the batch's own transaction.
pub(super) async fn set(connection: &mut SqliteConnection, batch: &str) -> Result<(), DatastoreError> {
    let sql = Sql {
        text: "INSERT INTO main.expunged_marker (name, value) VALUES ('batch:' || ?1, '')".to_owned(),
        args: vec![Value::Text(batch.to_owned())],
    };
    hook::reach("marker.before");
    run(connection, &sql, "write the batch's marker").await?;
    hook::reach("marker.after");
    Ok(())
}

/// Forgets a batch whose outcome is in the ledger.
pub(super) async fn forget(connection: &mut SqliteConnection, batch: &str) -> Result<(), DatastoreError> {
    let sql = Sql {
        text: "DELETE FROM main.expunged_marker WHERE name = 'batch:' || ?1".to_owned(),
        args: vec![Value::Text(batch.to_owned())],
    };
    hook::reach("forget.before");
    run(connection, &sql, "forget a sealed batch's marker").await?;
    hook::reach("forget.after");
    Ok(())
}

pub(super) async fn evidence(
    connection: &mut SqliteConnection,
    incarnation: &Incarnation,
    batch: &str,
) -> Result<Evidence, DatastoreError> {
    let operation = "read the batch's marker";
    // A batch in flight holds the write lock from its selection on: once we have had the lock, it is over, whoever ran it.
    run(connection, &Sql::new("BEGIN IMMEDIATE"), operation).await?;
    run(connection, &Sql::new("ROLLBACK"), operation).await?;
    if &ensure(connection).await? != incarnation {
        return Ok(Evidence::Lost);
    }
    let read = Sql {
        text: "SELECT count(*) FROM main.expunged_marker WHERE name = 'batch:' || ?1".to_owned(),
        args: vec![Value::Text(batch.to_owned())],
    };
    let found: i64 = one(connection, &read, operation).await?.try_get(0).map_err(failed(operation))?;
    Ok(if found == 0 { Evidence::RolledBack } else { Evidence::Committed })
}

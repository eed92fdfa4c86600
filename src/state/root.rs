//! Which directory the root of a files datastore is known to be.

use sqlx::Row as _;

use super::error::StateError;
use super::{State, failed};

impl State {
    /// By what identity a datastore's root is known; none: nobody has vouched for one yet.
    pub async fn known_root(&mut self, datastore: &str) -> Result<Option<String>, StateError> {
        let operation = "read which root is known";
        let row = sqlx::query("SELECT identity FROM root WHERE datastore = ?1")
            .bind(datastore)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        row.map(|row| row.try_get(0).map_err(|e| failed(&self.path, operation, e))).transpose()
    }

    /// Knows a datastore's root by this identity from here on.
    pub async fn know_root(&mut self, datastore: &str, identity: &str) -> Result<(), StateError> {
        let mut writing = self.write().await?;
        let upsert = sqlx::query(
            "INSERT INTO root (datastore, identity) VALUES (?1, ?2) \
             ON CONFLICT (datastore) DO UPDATE SET identity = excluded.identity",
        );
        writing.run("record which root is known", upsert.bind(datastore).bind(identity)).await?;
        writing.commit().await
    }
}

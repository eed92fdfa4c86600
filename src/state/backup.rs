//! How far the backups that a rule keeps reach back, as the ledger has it.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::error::StateError;
use super::sweep::Sweep;
use super::{State, failed, signed};
use crate::ledger::entry::{BackupExpired, Body, DatastoreName};

impl State {
    /// Records that every remaining backup of the datastores `of` was begun after `until`. Appends an entry only where that
    /// moved forward since the rule's last one; the ledger has microseconds, and what is finer is cut off.
    ///
    /// Dying before this returns loses nothing: the next sweep looks again.
    pub async fn backup_expired(
        &mut self,
        sweep: &Sweep,
        of: &[&str],
        until: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let last = self.backups_until(sweep.rule.as_str()).await?;
        if last.is_some_and(|last| until.timestamp_micros() <= last.timestamp_micros()) {
            return Ok(());
        }
        let mut of = of.iter().map(|name| DatastoreName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        of.sort();
        of.dedup();
        let body = Body::BackupExpired(BackupExpired {
            rule: sweep.rule.clone(),
            sweep: sweep.id.clone(),
            of,
            until,
        });
        crate::hook::reach("backup-expired.before");
        let mut writing = self.write().await?;
        let entry = writing.append(&body)?;
        let update = sqlx::query(
            "INSERT INTO backup (rule, entry, until) VALUES (?1, ?2, ?3) \
             ON CONFLICT (rule) DO UPDATE SET entry = excluded.entry, until = excluded.until",
        );
        let update = update
            .bind(sweep.rule.as_str().to_owned())
            .bind(signed(entry.get()))
            .bind(until.timestamp_micros());
        writing.run("record how far backups reach back", update).await?;
        writing.commit().await?;
        crate::hook::reach("backup-expired.after");
        Ok(())
    }

    /// What was disposed of before this instant is in none of the backups that the rule keeps; none: not known yet.
    pub async fn backups_until(&mut self, rule: &str) -> Result<Option<DateTime<Utc>>, StateError> {
        let operation = "read how far backups reach back";
        let row = sqlx::query("SELECT until FROM backup WHERE rule = ?1")
            .bind(rule)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let Some(row) = row else { return Ok(None) };
        let micros: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
        Ok(DateTime::from_timestamp_micros(micros))
    }
}

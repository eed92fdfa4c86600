//! What `status` shows of a rule.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::error::StateError;
use super::{State, failed};

/// What the state knows of a rule, whatever its version.
#[derive(Debug, Clone, Default)]
pub struct RuleOverview {
    /// Its last sweep by its schedule, if there was one.
    pub last: Option<LastSweep>,
    /// When its last sweep by its schedule ended that was completed, or only observed, in UTC.
    pub last_success: Option<DateTime<Utc>>,
    /// The rule's own records disposed of since the ledger began.
    pub disposed: u64,
    /// The dependents' records that went with them.
    pub dependents: u64,
    /// Intents without an outcome.
    pub open_intents: u64,
    /// When the last of what it disposed of is gone from every backup that a rule covers; none where no rule says.
    pub gone_everywhere_by: Option<DateTime<Utc>>,
}

/// The last sweep of a rule.
#[derive(Debug, Clone)]
pub struct LastSweep {
    /// When it started, in UTC.
    pub started_at: DateTime<Utc>,
    /// How it ended; none: it has not.
    pub result: Option<String>,
}

impl State {
    /// What the state knows of a rule.
    pub async fn overview(&mut self, rule: &str) -> Result<RuleOverview, StateError> {
        let operation = "read a rule's sweeps";
        let last =
            sqlx::query("SELECT started_at, result FROM sweep WHERE rule = ?1 AND cause = 'schedule' ORDER BY started DESC LIMIT 1")
                .bind(rule)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(|e| failed(&self.path, operation, e))?;
        let totals = sqlx::query(
            "SELECT coalesce(sum(b.own) FILTER (WHERE b.committed), 0), \
             coalesce(sum(b.records - b.own) FILTER (WHERE b.committed), 0), count(*) FILTER (WHERE b.outcome IS NULL), \
             max(b.gone_by) FILTER (WHERE b.committed), \
             (SELECT max(finished_at) FROM sweep WHERE rule = ?1 AND cause = 'schedule' AND result IN ('completed', 'observed')) FROM batch AS b JOIN sweep AS s ON s.id = b.sweep WHERE s.rule = ?1",
        )
        .bind(rule)
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let count = |at: usize| {
            totals.try_get::<i64, _>(at).map(i64::unsigned_abs).map_err(|e| failed(&self.path, operation, e))
        };
        let instant = |at: usize| {
            let micros = totals.try_get::<Option<i64>, _>(at).map_err(|e| failed(&self.path, operation, e));
            micros.map(|micros| micros.and_then(DateTime::from_timestamp_micros))
        };
        let mut overview = RuleOverview {
            last: None,
            disposed: count(0)?,
            dependents: count(1)?,
            open_intents: count(2)?,
            gone_everywhere_by: instant(3)?,
            last_success: instant(4)?,
        };
        if let Some(row) = last {
            let micros: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            overview.last = Some(LastSweep {
                started_at: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
                result: row.try_get(1).map_err(|e| failed(&self.path, operation, e))?,
            });
        }
        Ok(overview)
    }
}

//! Sweeps and the versions of the rules they apply, as the ledger has them.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::error::StateError;
use super::level::{self, asked};
use super::{State, failed, signed};
use crate::clock;
use crate::ledger::canonical::{RuleDigest, RuleDocument};
use crate::ledger::entry::{
    Approval, Body, Bound, Cause, Outcomes, Residue, RoleName, RuleId, RuleVersion, SweepFinished, SweepId,
    SweepResult, SweepStarted, TzdbVersion, Why,
};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;
use crate::model::now::Now;
use crate::secret;

/// One run of one rule, started in the ledger.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub(super) id: SweepId,
    pub(super) rule: RuleId,
    pub(super) rule_entry: EntryIndex,
    pub(super) rule_sha256: RuleDigest,
    pub(super) cause: Cause,
    pub(super) started: EntryIndex,
    pub(super) cutoff: DateTime<Utc>,
    /// The level that the rule's version asks for.
    pub(super) asked: Level,
}

impl Sweep {
    /// Its name in the ledger.
    pub fn id(&self) -> &SweepId {
        &self.id
    }

    /// The rule it applies.
    pub fn rule(&self) -> &RuleId {
        &self.rule
    }
}

/// What a sweep starts from.
pub struct SweepStart<'a> {
    /// `service/rule`.
    pub rule: &'a str,
    /// The rule's canonical form.
    pub document: &'a RuleDocument,
    /// The time-zone database its calendar uses.
    pub tzdb: &'a str,
    /// Why it runs.
    pub cause: Cause,
    /// Frozen for the whole sweep.
    pub now: Now,
    /// Records whose trigger lies before this are due.
    pub cutoff: DateTime<Utc>,
}

/// How a sweep ended, and what a separate count found afterwards.
#[derive(Debug, Clone)]
pub struct SweepEnd {
    /// The word for it.
    pub result: SweepResult,
    /// Past the cut-off and still there; none: could not be counted.
    pub remaining: Option<u64>,
    /// Of these, refused by the datastore.
    pub refused: Option<u64>,
    /// Of these, under a hold.
    pub held: Option<u64>,
    /// Of these, locked by somebody else when the sweep came to them.
    pub locked: Option<u64>,
    /// Without a plausible trigger.
    pub undated: Option<u64>,
    /// Of these, changed between judgement and disposal, and left alone.
    pub changed: u64,
    /// Records kept although their dependents in another datastore are gone.
    pub stranded: u64,
    /// How what remains, without a hold, stands to the rule's bounds; empty: could not be counted.
    pub bounds: Vec<Bound>,
    /// Why something is left, by reason.
    pub why: Vec<Why>,
}

/// What the ledger knows of one version of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VersionStanding {
    /// Whether a completed sweep has shown what exactly this version does, since the rule last only observed: one that disposed
    /// of something, or that a person had approved. One that found nothing to dispose of has shown nothing.
    pub tried: bool,
    /// What is left of the last approval, unless such a sweep has ended it: the rule's own records that went under it are taken
    /// off, so that a crash does not renew it.
    pub approved: Option<u64>,
    /// What the rule usually does; none before its first completed sweep.
    pub usual: Option<Usual>,
}

/// What a rule usually disposes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// Of the days (UTC) with a completed sweep, the median of its own records disposed of.
    pub median_day: u64,
    /// When its last sweep completed.
    pub last_success: DateTime<Utc>,
}

impl State {
    /// Writes `rule.version` if this version is new, and `sweep.started`.
    pub async fn start_sweep(&mut self, start: &SweepStart<'_>) -> Result<Sweep, StateError> {
        let rule = RuleId::parse(start.rule)?;
        let digest = start.document.digest();
        let known = self.version_entry(&rule, &digest).await?;
        let id = name_sweep()?;
        let asked = asked(start.document);
        crate::hook::reach("sweep-started.before");
        let mut writing = self.write().await?;
        let rule_entry = if let Some(entry) = known {
            entry
        } else {
            let body = Body::RuleVersion(RuleVersion {
                rule: rule.clone(),
                rule_sha256: digest,
                rule_json: start.document.clone(),
                tzdb: TzdbVersion::parse(start.tzdb)?,
            });
            let entry = writing.append(&body)?;
            let insert = sqlx::query("INSERT INTO rule_version (rule, sha256, entry) VALUES (?1, ?2, ?3)");
            let insert =
                insert.bind(rule.as_str().to_owned()).bind(digest.to_string()).bind(signed(entry.get()));
            writing.run("record a rule's version", insert).await?;
            entry
        };
        let at = writing.now();
        let body = Body::SweepStarted(SweepStarted {
            sweep: id.clone(),
            rule: rule.clone(),
            rule_entry,
            rule_sha256: digest,
            cause: start.cause,
            eligible: start.now.eligible,
            late: start.now.late,
            cutoff: start.cutoff,
        });
        let started = writing.append_at(at, &body)?;
        let insert = sqlx::query(
            "INSERT INTO sweep (id, rule, rule_entry, sha256, cause, started, started_at, cutoff, asked) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        );
        let insert = insert
            .bind(id.as_str().to_owned())
            .bind(rule.as_str().to_owned())
            .bind(signed(rule_entry.get()))
            .bind(digest.to_string())
            .bind(cause_text(start.cause))
            .bind(signed(started.get()))
            .bind(at.timestamp_micros())
            .bind(start.cutoff.timestamp_micros())
            .bind(level::number(asked));
        writing.run("record a sweep", insert).await?;
        writing.commit().await?;
        crate::hook::reach("sweep-started.after");
        Ok(Sweep {
            id,
            rule,
            rule_entry,
            rule_sha256: digest,
            cause: start.cause,
            started,
            cutoff: start.cutoff,
            asked,
        })
    }

    /// Writes `residue` and `sweep.finished` with the totals of its batches, unless one of its intents is still open. Whether
    /// it did: such a sweep stays unfinished until recovery has settled all of it, because what its end says (what it
    /// disposed of, which records it left without their dependents) is not known before.
    pub async fn finish_sweep(&mut self, sweep: &Sweep, end: &SweepEnd) -> Result<bool, StateError> {
        let operation = "add up a sweep";
        if self.staged.is_some() {
            self.forget_staged().await?;
        }
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE committed), count(*) FILTER (WHERE outcome IS NOT NULL AND NOT committed), \
             count(*) FILTER (WHERE outcome IS NULL), coalesce(sum(records) FILTER (WHERE committed), 0), \
             coalesce(sum(already_gone), 0), coalesce(sum(changed), 0), coalesce(sum(refused), 0), \
             coalesce(sum(untouched), 0) FROM batch WHERE sweep = ?1",
        )
        .bind(sweep.id.as_str())
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let count = |at: usize| {
            row.try_get::<i64, _>(at).map(i64::unsigned_abs).map_err(|e| failed(&self.path, operation, e))
        };
        let (batches, aborted, open) = (count(0)?, count(1)?, count(2)?);
        if open > 0 {
            return Ok(false);
        }
        // No batch with an unknown outcome was ever sealed.
        let totals = Outcomes {
            disposed: count(3)?,
            already_gone: count(4)?,
            changed: count(5)?,
            refused: count(6)?,
            unknown: 0,
            untouched: count(7)?,
        };
        let finished = Body::SweepFinished(SweepFinished {
            sweep: sweep.id.clone(),
            started: sweep.started,
            result: end.result,
            batches,
            aborted,
            open,
            totals,
        });
        let residue = Body::Residue(Residue {
            sweep: sweep.id.clone(),
            rule: sweep.rule.clone(),
            remaining: end.remaining,
            held: end.held,
            locked: end.locked,
            refused: end.refused,
            changed: end.remaining.map(|_| end.changed),
            undated: end.undated,
            stranded: end.stranded,
            bounds: end.bounds.clone(),
            why: end.why.clone(),
        });
        crate::hook::reach("sweep-finished.before");
        let mut writing = self.write().await?;
        writing.append(&residue)?;
        let at = writing.now();
        let entry = writing.append_at(at, &finished)?;
        let update = sqlx::query(
            "UPDATE sweep SET finished = ?2, finished_at = ?3, result = ?4, undated = ?5, remaining = ?6 WHERE id = ?1",
        );
        let update = update
            .bind(sweep.id.as_str().to_owned())
            .bind(signed(entry.get()))
            .bind(at.timestamp_micros())
            .bind(end.result.as_str())
            .bind(end.undated.map(signed))
            .bind(end.remaining.map(signed));
        writing.run("record the end of a sweep", update).await?;
        writing.commit().await?;
        crate::hook::reach("sweep-finished.after");
        Ok(true)
    }

    /// Of a sweep that a crash cut off, all of it settled: at most how many records stayed in a batch of their own that was
    /// rolled back, while dependents of theirs in another datastore went. Counted is every record of such a batch: which of
    /// them had dependents there, and which a later batch took, nobody knows any more.
    pub async fn stranded(&mut self, sweep: &Sweep) -> Result<u64, StateError> {
        let operation = "look for records without their dependents";
        let row = sqlx::query(
            "SELECT coalesce(sum(own), 0) FROM batch AS b WHERE sweep = ?1 AND outcome IS NOT NULL AND NOT committed \
             AND EXISTS (SELECT 1 FROM batch AS s WHERE s.unit = b.id AND s.committed AND s.records > 0)",
        )
        .bind(sweep.id.as_str())
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        row.try_get::<i64, _>(0).map(i64::unsigned_abs).map_err(|e| failed(&self.path, operation, e))
    }

    /// Sweeps that a crash cut off, oldest first.
    pub async fn unfinished_sweeps(&mut self) -> Result<Vec<Sweep>, StateError> {
        let operation = "read the unfinished sweeps";
        let rows = sqlx::query("SELECT id FROM sweep WHERE finished IS NULL ORDER BY started")
            .fetch_all(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let mut sweeps = Vec::new();
        for row in rows {
            let id: String = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            sweeps.push(self.sweep(&id).await?);
        }
        Ok(sweeps)
    }

    /// What the ledger knows of this version of a rule, for a sweep for this cause: what people demanded of it says nothing about what
    /// its trigger will do. An approval is for both, each to its full number. It ends with the first completed sweep of the
    /// schedule; for what people demand, which goes after that in the same turn, it is read before.
    pub async fn standing(
        &mut self,
        rule: &str,
        document: &RuleDocument,
        cause: Cause,
    ) -> Result<VersionStanding, StateError> {
        let operation = "look a rule's version up";
        let row = sqlx::query(
            "WITH watched AS (SELECT coalesce(max(finished), -1) AS entry FROM sweep WHERE rule = ?1 AND result = 'observed'), \
             last AS (SELECT coalesce((SELECT finished FROM sweep AS s \
             WHERE s.rule = ?1 AND s.sha256 = ?2 AND s.result = 'completed' AND (s.cause = ?3 OR ?3 = 'request') \
             AND (EXISTS (SELECT 1 FROM batch AS b WHERE b.sweep = s.id AND b.committed AND b.own > 0) \
             OR EXISTS (SELECT 1 FROM approval AS a WHERE a.rule = ?1 AND a.sha256 = ?2 AND a.entry < s.started \
             AND NOT EXISTS (SELECT 1 FROM sweep AS o WHERE o.rule = ?1 AND o.result = 'observed' \
             AND o.finished > a.entry AND o.finished < s.finished))) \
             ORDER BY s.started DESC LIMIT 1), -1) AS entry), \
             given AS (SELECT max(approval.entry) AS entry FROM approval, last \
             WHERE rule = ?1 AND sha256 = ?2 AND approval.entry > last.entry) \
             SELECT last.entry > watched.entry, (SELECT up_to FROM approval WHERE entry = given.entry), \
             (SELECT coalesce(sum(b.own), 0) FROM batch AS b JOIN sweep AS s ON s.id = b.sweep \
             WHERE s.rule = ?1 AND s.sha256 = ?2 AND s.cause = ?3 AND b.committed AND b.intent > given.entry) FROM watched, last, given",
        )
        .bind(rule)
        .bind(document.digest().to_string())
        .bind(cause_text(cause))
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let tried: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
        let approved: Option<i64> = row.try_get(1).map_err(|e| failed(&self.path, operation, e))?;
        let used: i64 = row.try_get(2).map_err(|e| failed(&self.path, operation, e))?;
        let left = approved.map(|n| n.unsigned_abs().saturating_sub(used.unsigned_abs()));
        Ok(VersionStanding { tried: tried != 0, approved: left, usual: self.usual(rule).await? })
    }

    /// What the rule has disposed of on an ordinary day, in all its versions.
    async fn usual(&mut self, rule: &str) -> Result<Option<Usual>, StateError> {
        let operation = "look a rule's days up";
        let rows = sqlx::query(
            "SELECT sum(coalesce(own, 0)), max(finished_at) FROM sweep AS s LEFT JOIN batch AS b ON b.sweep = s.id AND b.committed \
             WHERE s.rule = ?1 AND s.result = 'completed' AND s.cause = 'schedule' GROUP BY s.finished_at / 86400000000",
        )
        .bind(rule)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let mut days = Vec::with_capacity(rows.len());
        let mut last = 0;
        for row in rows {
            let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| failed(&self.path, operation, e));
            days.push(number(0)?.unsigned_abs());
            last = last.max(number(1)?);
        }
        days.sort_unstable();
        let last_success = DateTime::from_timestamp_micros(last).unwrap_or_default();
        Ok(days.get(days.len() / 2).map(|median| Usual { median_day: *median, last_success }))
    }

    /// Records that a version of a rule may dispose of up to `up_to` records until its next completed sweep.
    pub async fn approve(
        &mut self,
        rule: &str,
        document: &RuleDocument,
        up_to: u64,
        by: &str,
    ) -> Result<EntryIndex, StateError> {
        let rule = RuleId::parse(rule)?;
        let digest = document.digest();
        let body = Body::Approval(Approval {
            rule: rule.clone(),
            rule_sha256: digest,
            up_to,
            by: RoleName::parse(by)?,
        });
        crate::hook::reach("approval.before");
        let mut writing = self.write().await?;
        let entry = writing.append(&body)?;
        let insert = sqlx::query("INSERT INTO approval (entry, rule, sha256, up_to) VALUES (?1, ?2, ?3, ?4)");
        let insert = insert
            .bind(signed(entry.get()))
            .bind(rule.as_str().to_owned())
            .bind(digest.to_string())
            .bind(signed(up_to));
        writing.run("record an approval", insert).await?;
        writing.commit().await?;
        crate::hook::reach("approval.after");
        self.publish_order(entry).await?;
        Ok(entry)
    }

    async fn version_entry(
        &mut self,
        rule: &RuleId,
        digest: &RuleDigest,
    ) -> Result<Option<EntryIndex>, StateError> {
        let operation = "look a rule's version up";
        let row = sqlx::query("SELECT entry FROM rule_version WHERE rule = ?1 AND sha256 = ?2")
            .bind(rule.as_str())
            .bind(digest.to_string())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let Some(row) = row else { return Ok(None) };
        let entry: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
        Ok(Some(EntryIndex::new(entry.unsigned_abs())))
    }

    pub(super) async fn sweep(&mut self, id: &str) -> Result<Sweep, StateError> {
        let operation = "read a sweep";
        let row = sqlx::query(
            "SELECT id, rule, rule_entry, sha256, cause, started, cutoff, asked FROM sweep WHERE id = ?1",
        )
        .bind(id)
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let text = |at: usize| row.try_get::<String, _>(at).map_err(|e| failed(&self.path, operation, e));
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| failed(&self.path, operation, e));
        let damaged = |what: &str| StateError::Damaged {
            path: self.path.clone(),
            what: format!("{what} of sweep {id}"),
        };
        Ok(Sweep {
            id: SweepId::parse(&text(0)?)?,
            rule: RuleId::parse(&text(1)?)?,
            rule_entry: EntryIndex::new(number(2)?.unsigned_abs()),
            rule_sha256: RuleDigest::parse(&text(3)?).map_err(|_| damaged("the rule digest"))?,
            cause: cause_of(&text(4)?).ok_or_else(|| damaged("the cause"))?,
            started: EntryIndex::new(number(5)?.unsigned_abs()),
            cutoff: DateTime::from_timestamp_micros(number(6)?).ok_or_else(|| damaged("the cut-off"))?,
            asked: level::of_number(number(7)?),
        })
    }
}

fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Schedule => "schedule",
        Cause::Request => "request",
        Cause::Replay => "replay",
    }
}

fn cause_of(text: &str) -> Option<Cause> {
    [Cause::Schedule, Cause::Request, Cause::Replay].into_iter().find(|c| cause_text(*c) == text)
}

fn name_sweep() -> Result<SweepId, StateError> {
    let mut random = [0; 8];
    secret::fill(&mut random)?;
    let time = clock::now().format("%Y%m%dT%H%M%SZ");
    Ok(SweepId::parse(&format!("{time}-{:016x}", u64::from_be_bytes(random)))?)
}

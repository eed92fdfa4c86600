//! Beyond logical erasure: which batches their rule asked more for, and what was reached of it.
//!
//! What is owed stands beside a batch from its intent on, so that a crash anywhere forgets nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::error::StateError;
use super::writing::Writing;
use super::{State, failed, signed};
use crate::ledger::canonical::RuleDocument;
use crate::ledger::entry::{Body, DatastoreName, Entry, ErasureLevel, ReasonText, Remains, RuleId};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;

/// One entry claims for no more batches: a proof carries it whole.
const MOST_BATCHES: usize = 1_000;

/// What is owed to the batches of a rule.
#[derive(Debug, Default)]
pub struct Owed {
    /// Those in the datastore that the rule names now, oldest first.
    pub batches: Vec<OwedBatch>,
    /// The datasets that held their records, of dependents too: perhaps others than the rule names now.
    pub datasets: BTreeSet<String>,
    /// How many are in another, where an earlier version of the rule disposed of them: nobody asks there any more.
    pub elsewhere: u64,
}

/// A batch that is gone, and less thoroughly than its rule asked.
#[derive(Debug, Clone)]
pub struct OwedBatch {
    entry: EntryIndex,
    datastore: DatastoreName,
    /// By which evidence its datastore knows it.
    pub incarnation: String,
}

/// What an engine has done, to be claimed.
#[derive(Debug, Clone, Copy)]
pub struct Reached<'a> {
    /// How thoroughly the batches are gone now.
    pub level: Level,
    /// What it was asked for.
    pub means: &'a str,
    /// Where bytes of their records may be all the same; ascending.
    pub remains: &'a [Remains],
}

/// The level that a version of a rule asks for.
pub(super) fn asked(document: &RuleDocument) -> Level {
    let then = document.field("then").and_then(|then| then.as_str());
    then.and_then(Level::asked).unwrap_or_default()
}

/// As the tables have it.
pub(super) fn number(level: Level) -> i64 {
    match level {
        Level::Logical => 0,
        Level::Vacuumed => 1,
        Level::Rewritten => 2,
    }
}

pub(super) fn of_number(number: i64) -> Level {
    match number {
        2 => Level::Rewritten,
        1 => Level::Vacuumed,
        _ => Level::Logical,
    }
}

impl State {
    /// What this version of a rule would have its engine do for batches of its own, and of earlier versions that asked for it too.
    pub async fn owed(&mut self, rule: &str, document: &RuleDocument) -> Result<Owed, StateError> {
        let operation = "look for the batches that a level is owed to";
        let rows = sqlx::query(
            "SELECT b.outcome, b.datastore, b.incarnation, s.rule_entry, b.id FROM batch AS b JOIN sweep AS s ON s.id = b.sweep \
             WHERE s.rule = ?1 AND b.committed AND b.records > 0 AND b.reached < b.asked AND b.reached < ?2 ORDER BY b.outcome",
        )
        .bind(rule)
        .bind(number(asked(document)))
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let mut owed = Owed::default();
        let mut same: BTreeMap<i64, bool> = BTreeMap::new();
        for row in rows {
            let text = |at: usize| row.try_get::<String, _>(at).map_err(|e| failed(&self.path, operation, e));
            let index = |at: usize| row.try_get::<i64, _>(at).map_err(|e| failed(&self.path, operation, e));
            let (entry, version) = (EntryIndex::new(index(0)?.unsigned_abs()), index(3)?);
            let (datastore, incarnation) = (DatastoreName::parse(&text(1)?)?, text(2)?);
            let batch = text(4)?;
            let here = match same.get(&version) {
                Some(here) => *here,
                None => self.is_same_datastore(EntryIndex::new(version.unsigned_abs()), document).await?,
            };
            same.insert(version, here);
            if here {
                owed.datasets.extend(self.datasets_of(&batch).await?);
                owed.batches.push(OwedBatch { entry, datastore, incarnation });
            } else {
                owed.elsewhere += 1;
            }
        }
        Ok(owed)
    }

    async fn datasets_of(&mut self, batch: &str) -> Result<Vec<String>, StateError> {
        let operation = "read the datasets of a batch";
        let rows = sqlx::query("SELECT dataset FROM part WHERE batch = ?1")
            .bind(batch)
            .fetch_all(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        rows.iter().map(|row| row.try_get(0).map_err(|e| failed(&self.path, operation, e))).collect()
    }

    /// Whether a version of the rule disposed of records where this one does.
    async fn is_same_datastore(
        &mut self,
        version: EntryIndex,
        document: &RuleDocument,
    ) -> Result<bool, StateError> {
        let then = match self.entry(version).await?.body() {
            Body::RuleVersion(then) => then.rule_json.field("datastore").cloned(),
            _ => None,
        };
        Ok(then.as_ref() == document.field("datastore"))
    }

    /// Claims for these batches what was reached, in entries that name them.
    ///
    /// Dying before this returns leaves it owed: the engine is asked once more, and has less to do.
    pub async fn claim_level(
        &mut self,
        rule: &str,
        batches: &[OwedBatch],
        reached: Reached<'_>,
    ) -> Result<(), StateError> {
        let rule = RuleId::parse(rule)?;
        let means = ReasonText::parse(reached.means)?;
        let names: BTreeSet<&DatastoreName> = batches.iter().map(|batch| &batch.datastore).collect();
        crate::hook::reach("claim.before");
        let mut writing = self.write().await?;
        for datastore in names {
            let of_it = batches.iter().filter(|batch| batch.datastore == *datastore);
            let entries: Vec<EntryIndex> = of_it.map(|batch| batch.entry).collect();
            for batches in entries.chunks(MOST_BATCHES) {
                let body = ErasureLevel {
                    rule: rule.clone(),
                    datastore: datastore.clone(),
                    level: reached.level,
                    means: means.clone(),
                    remains: reached.remains.to_vec(),
                    batches: batches.to_vec(),
                };
                writing.claim(body).await?;
            }
        }
        writing.commit().await?;
        crate::hook::reach("claim.after");
        Ok(())
    }

    /// The entry that claims the highest level of a batch; none: it is gone logically.
    pub(super) async fn claim_of(
        &mut self,
        batch: EntryIndex,
    ) -> Result<Option<(EntryIndex, Entry)>, StateError> {
        let operation = "look for a batch's level";
        let row = sqlx::query("SELECT claim FROM batch WHERE outcome = ?1")
            .bind(signed(batch.get()))
            .fetch_one(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let claim: Option<i64> = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
        let Some(claim) = claim else { return Ok(None) };
        let index = EntryIndex::new(claim.unsigned_abs());
        Ok(Some((index, self.entry(index).await?)))
    }
}

impl Writing<'_> {
    async fn claim(&mut self, body: ErasureLevel) -> Result<(), StateError> {
        let (level, batches) = (number(body.level), body.batches.clone());
        let claim = self.append(&Body::ErasureLevel(body))?;
        for batch in batches {
            let update = sqlx::query(
                "UPDATE batch SET reached = ?2, claim = ?3 WHERE outcome = ?1 AND committed AND reached < ?2",
            );
            let update = update.bind(signed(batch.get())).bind(level).bind(signed(claim.get()));
            if self.run("record a level", update).await? != 1 {
                let what = format!("the batch of entry {batch} has no level to raise");
                return Err(StateError::Damaged { path: self.path.clone(), what });
            }
        }
        Ok(())
    }
}

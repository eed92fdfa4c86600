//! The ledger, read once from its first entry.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::orders::Orders;
use super::period::{Period, Place};
use super::tally::{Left, Tally};
use crate::ledger::commitment::BatchId;
use crate::ledger::entry::{
    BatchCommitted, BatchIntent, Body, Cause, Entry, ErasureLevel, Residue, RuleId, RuleVersion,
    SweepFinished, SweepId, SweepResult, SweepStarted,
};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;

/// What the entries read so far say.
///
/// An entry belongs to the period in which it was written. Memory grows with the rules, their versions and the orders, with what is
/// open, and with the batches of the period whose rules ask for more than logical erasure; not with the entries.
#[derive(Debug)]
pub struct Reading {
    pub(super) period: Period,
    /// When the first entry was written.
    pub(super) begins: Option<DateTime<Utc>>,
    pub(super) rules: BTreeMap<RuleId, Tally>,
    pub(super) versions: BTreeMap<EntryIndex, RuleVersion>,
    pub(super) intents: BTreeMap<BatchId, Intended>,
    pub(super) orders: Orders,
    /// How thoroughly each batch is gone whose rule asked for more than logical erasure.
    levels: BTreeMap<EntryIndex, Gone>,
    running: BTreeMap<SweepId, Running>,
}

/// An intent without an outcome.
#[derive(Debug)]
pub(super) struct Intended {
    pub(super) entry: EntryIndex,
    pub(super) at: DateTime<Utc>,
    pub(super) intent: BatchIntent,
}

/// A batch of the period, and how thoroughly it is gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    records: u64,
    level: Level,
}

/// A sweep without an end.
#[derive(Debug)]
struct Running {
    rule: RuleId,
    cause: Cause,
    late: DateTime<Utc>,
}

impl Running {
    /// Whether it was about the whole rule. What people demand has sweeps of its own, which leave nothing but what was demanded:
    /// they say nothing of what the rule's trigger has made due.
    fn by_trigger(&self) -> bool {
        match self.cause {
            Cause::Schedule | Cause::Replay => true,
            Cause::Request => false,
        }
    }
}

impl Reading {
    /// Of nothing yet.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            begins: None,
            rules: BTreeMap::new(),
            versions: BTreeMap::new(),
            intents: BTreeMap::new(),
            orders: Orders::default(),
            levels: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Reads the next entry. One that contradicts those before it is the audit's finding, and counted as far as it can be.
    pub fn push(&mut self, index: EntryIndex, entry: &Entry) {
        let at = entry.at();
        self.begins = self.begins.or(Some(at));
        let place = self.period.place(at);
        if place == Place::After {
            return;
        }
        match entry.body() {
            Body::RuleVersion(version) => {
                self.versions.insert(index, version.clone());
            }
            Body::SweepStarted(sweep) => self.start(at, place, sweep),
            Body::SweepFinished(sweep) => self.finish(at, place, sweep),
            Body::BatchIntent(intent) => {
                let intended = Intended { entry: index, at, intent: intent.clone() };
                self.intents.insert(intent.batch.clone(), intended);
            }
            Body::BatchCommitted(committed) => self.commit(index, place, committed),
            Body::BatchAborted(aborted) => {
                if let Some(pending) = self.intents.remove(&aborted.batch)
                    && place == Place::Within
                {
                    self.rule(&pending.intent.rule).aborted += 1;
                }
            }
            Body::Residue(residue) => self.residue(index, at, place, residue),
            Body::ErasureLevel(claimed) => self.raise(claimed),
            Body::HoldPlaced(_)
            | Body::HoldReleased(_)
            | Body::ErasureRequested(_)
            | Body::ErasureAnswered(_)
            | Body::ErasureWithdrawn(_)
            | Body::Pause(_)
            | Body::Resume(_)
            | Body::Approval(_) => self.orders.read(index, at, place, entry.body()),
            Body::Genesis(_) | Body::Open(_) | Body::KeyEpoch(_) | Body::BackupExpired(_) => {}
        }
    }

    /// The services of its rules and orders, each once or more.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let holds = self.orders.holds.values().map(|hold| hold.given.service.as_str());
        let requests = self.orders.requests.values().map(|request| request.given.service.as_str());
        self.rules.keys().map(RuleId::service).chain(holds).chain(requests)
    }

    fn rule(&mut self, id: &RuleId) -> &mut Tally {
        self.rules.entry(id.clone()).or_default()
    }

    fn start(&mut self, at: DateTime<Utc>, place: Place, sweep: &SweepStarted) {
        let running = Running { rule: sweep.rule.clone(), cause: sweep.cause, late: sweep.late };
        self.running.insert(sweep.sweep.clone(), running);
        self.rule(&sweep.rule).apply(sweep.rule_entry, at, place);
    }

    fn finish(&mut self, at: DateTime<Utc>, place: Place, sweep: &SweepFinished) {
        let Some(running) = self.running.remove(&sweep.sweep) else { return };
        let rule = self.rule(&running.rule);
        if place == Place::Within {
            rule.sweeps.end(sweep.result);
        }
        if !running.by_trigger() {
            return;
        }
        if place == Place::Within {
            rule.last_result = Some(sweep.result);
        }
        if sweep.result == SweepResult::Completed {
            rule.last_completed = Some(at);
        }
    }

    fn commit(&mut self, index: EntryIndex, place: Place, committed: &BatchCommitted) {
        let pending = self.intents.remove(&committed.batch);
        if place != Place::Within {
            return;
        }
        let asks =
            self.versions.get(&committed.rule_entry).is_some_and(|v| v.rule_json.field("then").is_some());
        let rule = self.rule(&committed.rule);
        rule.commit(pending.as_ref().map(|p| &p.intent), committed);
        let records = committed.totals().disposed;
        // A share elsewhere is another engine's, which nobody asks.
        if let Some(part) =
            committed.parts.first().filter(|_| asks && committed.unit.is_none() && records > 0)
        {
            rule.levels.entry(part.datastore.clone()).or_default().raise(None, Level::Logical, records);
            self.levels.insert(index, Gone { records, level: Level::Logical });
        }
    }

    /// Of batches before the period, nothing is counted.
    fn raise(&mut self, claimed: &ErasureLevel) {
        for batch in &claimed.batches {
            let Some(gone) = self.levels.get_mut(batch).filter(|gone| gone.level < claimed.level) else {
                continue;
            };
            let before = std::mem::replace(&mut gone.level, claimed.level);
            let records = gone.records;
            let levels = &mut self.rule(&claimed.rule).levels;
            let tally = levels.entry(claimed.datastore.clone()).or_default();
            tally.raise(Some(before), claimed.level, records);
            tally.remains.clone_from(&claimed.remains);
        }
    }

    fn residue(&mut self, entry: EntryIndex, at: DateTime<Utc>, place: Place, residue: &Residue) {
        let running = self.running.get(&residue.sweep);
        if running.is_some_and(|running| !running.by_trigger()) {
            return;
        }
        let late = running.map_or(at, |running| running.late);
        let left = Some(Left { entry, at, late, residue: residue.clone() });
        let rule = self.rule(&residue.rule);
        match place {
            Place::Before => rule.before = left,
            Place::Within | Place::After => rule.last = left,
        }
    }
}

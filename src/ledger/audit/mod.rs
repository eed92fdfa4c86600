//! The audit: reads a whole ledger from its first entry, in one pass, and finds every broken promise that can be
//! seen from the entries alone.
//!
//! Memory grows with what is open, with the versions of rules, by 16 bytes for each batch and sweep, since their names must be
//! unique, and by as much for each committed batch, since a later entry may say how thoroughly it is gone; not with the entries. Of the shares of a unit that went, only the index is kept, and only
//! until the unit's own batch has its outcome: whatever comes later can be named by nobody.

mod finding;
mod levels;
mod orders;

use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map};

use chrono::{DateTime, Utc};

use super::commitment::{BatchId, EpochId, KeyCheck};
use super::entry::{
    BackupExpired, BatchAborted, BatchCommitted, BatchIntent, Body, Cause, Entry, KeyEpoch, Outcomes,
    Residue, RuleDigest, RuleId, SweepFinished, SweepId, SweepResult, SweepStarted,
};
use super::hash::{leaf_hash, sha256};
use super::tree::{EntryIndex, Frontier};

pub use finding::{AuditReport, Finding, OpenIntent, OpenIntents, Violation};
use levels::Levels;
pub use orders::Orders;

/// Enough to see what is wrong; a ledger full of it should not exhaust the auditor.
const MAX_FINDINGS: usize = 1_000;

/// Audits a whole ledger. For entries that arrive one by one, see [`Audit`].
pub fn audit<B: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = (EntryIndex, B)>,
    open_intents: OpenIntents,
) -> AuditReport {
    let mut audit = Audit::default();
    for (index, bytes) in entries {
        audit.push(index, bytes.as_ref());
    }
    audit.finish(open_intents)
}

/// An audit under way: what the entries read so far leave open.
#[derive(Default)]
pub struct Audit {
    tree: Frontier,
    last_at: Option<DateTime<Utc>>,
    rules: BTreeMap<EntryIndex, (RuleId, RuleDigest)>,
    epochs: BTreeMap<EpochId, KeyCheck>,
    names: HashSet<[u8; 16]>,
    intents: BTreeMap<BatchId, PendingIntent>,
    /// Of units whose own batch is open: the entries of the shares that went.
    shares: BTreeMap<BatchId, BTreeSet<EntryIndex>>,
    sweeps: BTreeMap<SweepId, PendingSweep>,
    levels: Levels,
    orders: Orders,
    findings: Vec<Finding>,
    suppressed: u64,
}

struct PendingIntent {
    index: EntryIndex,
    at: DateTime<Utc>,
    intent: BatchIntent,
}

struct PendingSweep {
    index: EntryIndex,
    started: SweepStarted,
    progress: Progress,
    open: u64,
    batches: u64,
    aborted: u64,
    totals: Outcomes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Running,
    /// Only its open intents may still be settled, by recovery.
    Finished,
}

impl Audit {
    /// Reads the next entry. Goes on after a finding, so that one broken entry does not hide another.
    pub fn push(&mut self, index: EntryIndex, bytes: &[u8]) {
        let before = self.tree.clone();
        let expected = before.size().next_index();
        self.tree.push(leaf_hash(bytes));
        if index != expected {
            self.find(index, Violation::Gap { expected });
        }
        let entry = match Entry::parse(bytes) {
            Ok(entry) => entry,
            Err(source) => return self.find(index, Violation::Unreadable { source }),
        };
        if self.last_at.is_some_and(|last| entry.at() < last) {
            self.find(index, Violation::TimeRunsBack);
        }
        self.last_at = self.last_at.max(Some(entry.at()));
        let is_genesis = matches!(entry.body(), Body::Genesis(_));
        if is_genesis != (before.size().get() == 0) {
            self.find(index, Violation::Genesis);
        }
        self.read(index, &entry, &before);
    }

    /// The tree over the entries read so far.
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// What was found. An intent without an outcome is a finding where the caller says so: a ledger at rest has
    /// none, a daemon at work does.
    pub fn finish(mut self, open_intents: OpenIntents) -> AuditReport {
        let open: Vec<OpenIntent> = self
            .intents
            .iter()
            .map(|(batch, pending)| OpenIntent { entry: pending.index, batch: batch.clone() })
            .collect();
        match open_intents {
            OpenIntents::Allowed => {}
            OpenIntents::Refused => {
                for intent in &open {
                    self.find(intent.entry, Violation::NoOutcome { batch: intent.batch.clone() });
                }
            }
        }
        if self.tree.size().get() == 0 {
            self.find(EntryIndex::new(0), Violation::Genesis);
        }
        AuditReport {
            size: self.tree.size(),
            root: self.tree.root(),
            findings: self.findings,
            suppressed: self.suppressed,
            open_intents: open,
            open_sweeps: self.sweeps.into_keys().collect(),
            orders: self.orders,
            epochs: self.epochs.into_iter().map(|(epoch, check)| KeyEpoch { epoch, check }).collect(),
        }
    }

    fn read(&mut self, index: EntryIndex, entry: &Entry, before: &Frontier) {
        match entry.body() {
            Body::Open(open) => {
                if open.size != before.size() || open.root != before.root() {
                    self.find(index, Violation::OpenedAnotherTree);
                }
            }
            Body::KeyEpoch(key) => {
                // The first of that name is the one that the intents after it mean.
                match self.epochs.entry(key.epoch.clone()) {
                    btree_map::Entry::Vacant(new) => drop(new.insert(key.check)),
                    btree_map::Entry::Occupied(_) => {
                        self.find(index, Violation::RepeatedEpoch { epoch: key.epoch.clone() });
                    }
                }
            }
            Body::RuleVersion(version) => {
                self.rules.insert(index, (version.rule.clone(), version.rule_sha256));
            }
            Body::SweepStarted(sweep) => self.start(index, sweep),
            Body::SweepFinished(sweep) => self.end(index, sweep),
            Body::BatchIntent(intent) => self.intend(index, entry.at(), intent),
            Body::BatchCommitted(committed) => self.commit(index, entry.at(), committed),
            Body::BatchAborted(aborted) => self.abort(index, aborted),
            Body::Residue(Residue { sweep, rule, .. })
            | Body::BackupExpired(BackupExpired { sweep, rule, .. }) => {
                let started = self.sweeps.get(sweep).map(|pending| &pending.started.rule);
                if started != Some(rule) {
                    self.find(index, Violation::UnknownSweep { sweep: sweep.clone() });
                }
            }
            Body::ErasureLevel(claimed) => {
                let violations = self.levels.raise(claimed);
                self.find_all(index, violations);
            }
            Body::HoldPlaced(_)
            | Body::HoldReleased(_)
            | Body::ErasureRequested(_)
            | Body::ErasureAnswered(_)
            | Body::ErasureWithdrawn(_)
            | Body::Pause(_)
            | Body::Resume(_) => {
                let violation = self.order(index, entry.body());
                self.find_all(index, violation.into_iter().collect());
            }
            Body::Genesis(_) | Body::Approval(_) => {}
        }
    }

    fn start(&mut self, index: EntryIndex, sweep: &SweepStarted) {
        if !self.names.insert(name(b"sweep", sweep.sweep.as_str())) {
            // Overwriting the first of that name would turn one finding into many.
            return self.find(index, Violation::RepeatedSweep { sweep: sweep.sweep.clone() });
        }
        self.check_rule(index, sweep.rule_entry, &sweep.rule, sweep.rule_sha256);
        let pending = PendingSweep {
            index,
            started: sweep.clone(),
            progress: Progress::Running,
            open: 0,
            batches: 0,
            aborted: 0,
            totals: Outcomes::default(),
        };
        self.sweeps.insert(sweep.sweep.clone(), pending);
    }

    fn end(&mut self, index: EntryIndex, finished: &SweepFinished) {
        let Some(sweep) = self.sweeps.get_mut(&finished.sweep) else {
            return self.find(index, Violation::UnknownSweep { sweep: finished.sweep.clone() });
        };
        let mut violations = Vec::new();
        if sweep.progress == Progress::Finished {
            violations.push(Violation::SweepIsOver { sweep: finished.sweep.clone() });
        }
        if sweep.index != finished.started {
            violations.push(Violation::Disagrees { field: "started" });
        }
        let counted = (sweep.batches, sweep.aborted, sweep.open, sweep.totals);
        if counted != (finished.batches, finished.aborted, finished.open, finished.totals) {
            violations.push(Violation::Totals { sweep: finished.sweep.clone() });
        }
        let disposed = sweep.batches + sweep.aborted + sweep.open > 0;
        if disposed && finished.result == SweepResult::Observed {
            violations.push(Violation::ObserverDisposed { sweep: finished.sweep.clone() });
        }
        sweep.progress = Progress::Finished;
        self.forget_if_settled(&finished.sweep);
        self.find_all(index, violations);
    }

    fn intend(&mut self, index: EntryIndex, at: DateTime<Utc>, intent: &BatchIntent) {
        if !self.names.insert(name(b"batch", intent.batch.as_str())) {
            return self.find(index, Violation::RepeatedBatch { batch: intent.batch.clone() });
        }
        self.check_rule(index, intent.rule_entry, &intent.rule, intent.rule_sha256);
        if !self.epochs.contains_key(&intent.epoch) {
            self.find(index, Violation::UnknownEpoch { epoch: intent.epoch.clone() });
        }
        let mut violations = self.orders.forbid(intent);
        match self.sweeps.get_mut(&intent.sweep) {
            None => violations.push(Violation::UnknownSweep { sweep: intent.sweep.clone() }),
            Some(sweep) => {
                sweep.open += 1;
                if sweep.progress == Progress::Finished {
                    violations.push(Violation::SweepIsOver { sweep: intent.sweep.clone() });
                }
                if sweep.started.rule_entry != intent.rule_entry {
                    violations.push(Violation::Disagrees { field: "rule_entry" });
                }
                // Its start says nothing yet: the last request may be withdrawn before the first batch.
                if sweep.started.cause == Cause::Request && !self.orders.demand(intent.rule.service()) {
                    violations.push(Violation::NotDemanded { batch: intent.batch.clone() });
                }
            }
        }
        self.find_all(index, violations);
        self.intents.insert(intent.batch.clone(), PendingIntent { index, at, intent: intent.clone() });
    }

    fn commit(&mut self, index: EntryIndex, at: DateTime<Utc>, committed: &BatchCommitted) {
        self.levels.begin(index, committed);
        let Some(pending) = self.intents.remove(&committed.batch) else {
            return self.find(index, Violation::NoIntent { batch: committed.batch.clone() });
        };
        let mut fields = disagreements(&pending, committed);
        if at < committed.t1 {
            fields.push("t1");
        }
        let mut violations: Vec<_> = fields.into_iter().map(|field| Violation::Disagrees { field }).collect();
        violations.extend(self.link(index, committed));
        if let Some(sweep) = self.sweeps.get_mut(&pending.intent.sweep) {
            // Saturating: an intent that named its sweep before it was started was not counted.
            sweep.open = sweep.open.saturating_sub(1);
            sweep.batches += 1;
            sweep.totals = sweep.totals.plus(&committed.totals());
            if sweep.started.cause != committed.cause {
                violations.push(Violation::Disagrees { field: "cause" });
            }
            if sweep.started.cutoff != committed.cutoff {
                violations.push(Violation::Disagrees { field: "cutoff" });
            }
            if sweep.progress == Progress::Finished && !committed.recovered {
                violations.push(Violation::SweepIsOver { sweep: committed.sweep.clone() });
            }
        }
        self.forget_if_settled(&pending.intent.sweep);
        self.find_all(index, violations);
    }

    /// Holds the links between the shares of a unit against each other.
    fn link(&mut self, index: EntryIndex, committed: &BatchCommitted) -> Vec<Violation> {
        let mut violations = Vec::new();
        let went = self.shares.remove(&committed.batch).unwrap_or_default();
        if !went.iter().eq(&committed.dependents) {
            violations.push(Violation::Disagrees { field: "dependents" });
        }
        let Some(unit) = &committed.unit else { return violations };
        match self.intents.get(unit) {
            Some(records) if records.intent.sweep == committed.sweep && records.intent.unit.is_none() => {
                self.shares.entry(unit.clone()).or_default().insert(index);
            }
            // Recovery may have settled the records while the share's datastore could not be asked.
            None if committed.recovered && self.is_batch(unit) => {}
            Some(_) | None => violations.push(Violation::UnknownUnit { unit: unit.clone() }),
        }
        violations
    }

    fn abort(&mut self, index: EntryIndex, aborted: &BatchAborted) {
        let Some(pending) = self.intents.remove(&aborted.batch) else {
            return self.find(index, Violation::NoIntent { batch: aborted.batch.clone() });
        };
        self.shares.remove(&aborted.batch);
        if let Some(unit) = pending.intent.unit.as_ref().filter(|unit| !self.is_batch(unit)) {
            self.find(index, Violation::UnknownUnit { unit: unit.clone() });
        }
        if let Some(sweep) = self.sweeps.get_mut(&pending.intent.sweep) {
            sweep.open = sweep.open.saturating_sub(1);
            sweep.aborted += 1;
        }
        self.forget_if_settled(&pending.intent.sweep);
        if pending.index != aborted.intent {
            self.find(index, Violation::Disagrees { field: "intent" });
        }
    }

    /// Whether a batch of that name was intended so far.
    fn is_batch(&self, batch: &BatchId) -> bool {
        self.names.contains(&name(b"batch", batch.as_str()))
    }

    fn check_rule(&mut self, index: EntryIndex, entry: EntryIndex, rule: &RuleId, digest: RuleDigest) {
        let known = self.rules.get(&entry).is_some_and(|version| *version == (rule.clone(), digest));
        if !known {
            self.find(index, Violation::UnknownRule { rule: rule.clone(), entry });
        }
    }

    /// Keeps the memory bounded: of a sweep that is over and settled, only its name is still needed.
    fn forget_if_settled(&mut self, sweep: &SweepId) {
        let settled = |pending: &PendingSweep| pending.progress == Progress::Finished && pending.open == 0;
        if self.sweeps.get(sweep).is_some_and(settled) {
            self.sweeps.remove(sweep);
        }
    }

    fn find_all(&mut self, entry: EntryIndex, violations: Vec<Violation>) {
        for violation in violations {
            self.find(entry, violation);
        }
    }

    fn find(&mut self, entry: EntryIndex, violation: Violation) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { entry, violation });
        } else {
            self.suppressed += 1;
        }
    }
}

/// The fields of a seal that are not as its intent has them.
fn disagreements(pending: &PendingIntent, committed: &BatchCommitted) -> Vec<&'static str> {
    let intent = &pending.intent;
    let same_parts = intent.parts.len() == committed.parts.len()
        && intent.parts.iter().zip(&committed.parts).all(|(intent, committed)| {
            let same_dataset = (&intent.datastore, &intent.dataset, intent.action)
                == (&committed.datastore, &committed.dataset, committed.action);
            // Where all of them went, the commitments are the same ones; else the root is over fewer.
            let same_root = (intent.n == committed.n) == (intent.root == committed.root);
            same_dataset && intent.n == committed.outcomes.total() && same_root
        });
    let checks = [
        ("intent", pending.index == committed.intent),
        ("sweep", intent.sweep == committed.sweep),
        ("rule", intent.rule == committed.rule),
        ("rule_entry", intent.rule_entry == committed.rule_entry),
        ("rule_sha256", intent.rule_sha256 == committed.rule_sha256),
        ("epoch", intent.epoch == committed.epoch),
        ("unit", intent.unit == committed.unit),
        ("parts", same_parts),
        ("t0", pending.at <= committed.t0),
    ];
    checks.into_iter().filter(|(_, agrees)| !agrees).map(|(field, _)| field).collect()
}

/// 128 bits of a hash stand for a name: a collision is beyond reach, and a ledger has millions of batches.
fn name(kind: &[u8], name: &str) -> [u8; 16] {
    let hash = sha256(&[kind, b"\0", name.as_bytes()]);
    let mut head = [0; 16];
    head.copy_from_slice(&hash.as_bytes()[..16]);
    head
}

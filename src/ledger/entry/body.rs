//! The types of entries and their fields.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::canonical::{RuleDigest, RuleDocument};
use super::super::commitment::KeyCheck;
use super::super::error::EntryError;
use super::super::hash::Hash;
use super::super::instant;
use super::super::key::VerifierKey;
use super::super::name::{
    DatastoreName, EpochId, Origin, ReasonText, RoleName, RuleId, SweepId, TzdbVersion,
};
use super::super::tree::{EntryIndex, TreeSize};
use super::batch::{BatchAborted, BatchCommitted, BatchIntent, Outcomes, is_zero};
use super::level::ErasureLevel;
use super::orders::{
    ErasureAnswered, ErasureRequested, ErasureWithdrawn, HoldPlaced, HoldReleased, Pause, Resume,
};
use super::timing::{Bound, check_bounds, check_late};

/// What an entry says; its type is the field `t`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Body {
    /// Entry 0, and no other.
    #[serde(rename = "log.genesis")]
    Genesis(Genesis),
    /// A daemon opened the ledger.
    #[serde(rename = "log.open")]
    Open(Open),
    /// A commitment key came into use.
    #[serde(rename = "key.epoch")]
    KeyEpoch(KeyEpoch),
    /// A rule came into force, or changed.
    #[serde(rename = "rule.version")]
    RuleVersion(RuleVersion),
    /// A sweep froze its now and its cut-off.
    #[serde(rename = "sweep.started")]
    SweepStarted(SweepStarted),
    /// A sweep ended.
    #[serde(rename = "sweep.finished")]
    SweepFinished(SweepFinished),
    /// A batch is about to become irreversible.
    #[serde(rename = "batch.intent")]
    BatchIntent(BatchIntent),
    /// What happened to the records of an intent.
    #[serde(rename = "batch.committed")]
    BatchCommitted(BatchCommitted),
    /// Nothing of an intent was carried out.
    #[serde(rename = "batch.aborted")]
    BatchAborted(BatchAborted),
    /// An operator let a parked rule go on.
    #[serde(rename = "approval")]
    Approval(Approval),
    /// What a sweep left behind.
    #[serde(rename = "residue")]
    Residue(Residue),
    /// The backups that a rule keeps no longer reach back to an instant.
    #[serde(rename = "backup.expired")]
    BackupExpired(BackupExpired),
    /// The engine has removed more of what earlier batches disposed of.
    #[serde(rename = "erasure.level")]
    ErasureLevel(ErasureLevel),
    /// A legal hold came into force.
    #[serde(rename = "hold.placed")]
    HoldPlaced(HoldPlaced),
    /// A legal hold ended.
    #[serde(rename = "hold.released")]
    HoldReleased(HoldReleased),
    /// A data subject demanded erasure.
    #[serde(rename = "erasure.requested")]
    ErasureRequested(ErasureRequested),
    /// The demand was met, as far as it could be.
    #[serde(rename = "erasure.answered")]
    ErasureAnswered(ErasureAnswered),
    /// The demand was taken back, or should never have been recorded.
    #[serde(rename = "erasure.withdrawn")]
    ErasureWithdrawn(ErasureWithdrawn),
    /// An operator stopped all disposal.
    #[serde(rename = "pause")]
    Pause(Pause),
    /// An operator let disposal go on.
    #[serde(rename = "resume")]
    Resume(Resume),
}

/// `log.genesis`: whose ledger this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The ledger's identity.
    pub origin: Origin,
    /// Its first key.
    pub vkey: VerifierKey,
}

/// `log.open`: what the daemon found when it opened the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The number of entries before this one, so its own index.
    pub size: TreeSize,
    /// The root over them.
    pub root: Hash,
}

/// `key.epoch`: commitments from here on may depend on this key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEpoch {
    /// The epoch; unique in the ledger.
    pub epoch: EpochId,
    /// Tells whether a key file is the right one.
    pub check: KeyCheck,
}

/// `rule.version`: a rule as it is applied from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleVersion {
    /// The rule.
    pub rule: RuleId,
    /// The digest of `rule_json`.
    pub rule_sha256: RuleDigest,
    /// The rule itself.
    pub rule_json: RuleDocument,
    /// The time-zone database its calendar is computed with.
    pub tzdb: TzdbVersion,
}

/// `sweep.started`: one run of one rule, its now and its cut-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepStarted {
    /// Unique in the ledger.
    pub sweep: SweepId,
    /// The rule.
    pub rule: RuleId,
    /// The `rule.version` entry of the rule as it is applied.
    pub rule_entry: EntryIndex,
    /// The digest in that entry.
    pub rule_sha256: RuleDigest,
    /// Why it runs.
    pub cause: Cause,
    /// The instant that decides what is due.
    #[serde(with = "instant")]
    pub eligible: DateTime<Utc>,
    /// The instant that decides what is overdue.
    #[serde(with = "instant")]
    pub late: DateTime<Utc>,
    /// Records whose trigger lies strictly before this are due. Of triggers without an offset, and of dates, this is
    /// the later instant their bound can mean: within a fold it may lie after `eligible`, so the two are not compared.
    #[serde(with = "instant")]
    pub cutoff: DateTime<Utc>,
}

/// `sweep.finished`: the totals over the batches that were settled up to here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFinished {
    /// The sweep.
    pub sweep: SweepId,
    /// Its `sweep.started` entry.
    pub started: EntryIndex,
    /// How it ended.
    pub result: SweepResult,
    /// How many of its batches were committed.
    pub batches: u64,
    /// How many were aborted.
    pub aborted: u64,
    /// How many intents are still open; only recovery settles them, and outside these totals.
    pub open: u64,
    /// The outcomes of the committed batches.
    pub totals: Outcomes,
}

/// `approval`: a parked rule may dispose of more than its guard allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The rule.
    pub rule: RuleId,
    /// The version approved: a changed rule needs another approval.
    pub rule_sha256: RuleDigest,
    /// The number of records the sweep may dispose of.
    pub up_to: u64,
    /// What the operator acted as.
    pub by: RoleName,
}

/// `residue`: what a separate count found still there at the sweep's cut-off. A count that could not be made is
/// `None` (`null`) and never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residue {
    /// The sweep.
    pub sweep: SweepId,
    /// Its rule.
    pub rule: RuleId,
    /// Past the cut-off and still there, for whatever reason; of a rule that only observes, also what is demanded before its time.
    pub remaining: Option<u64>,
    /// Under a legal hold.
    pub held: Option<u64>,
    /// Locked by someone else when the sweep came to them, or with dependents that were.
    pub locked: Option<u64>,
    /// The datastore would not let them go.
    pub refused: Option<u64>,
    /// Changed between judgement and disposal.
    pub changed: Option<u64>,
    /// Without a plausible trigger; not among `remaining`, unless demanded of a rule that only observes.
    pub undated: Option<u64>,
    /// Records that were kept although their dependents in another datastore are gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stranded: u64,
    /// How those of `remaining` that no hold covers stand to the rule's bound and to its promises'; empty: could not be
    /// counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bound>,
    /// The reasons, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
}

/// So many records are still there for this reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// What they are counted among.
    pub of: Left,
    /// The reason, in words that no record chose.
    pub reason: ReasonText,
    /// How many, at least one.
    pub n: u64,
}

/// What is still there after a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Without a plausible trigger.
    Undated,
    /// The datastore would not let it go.
    Refused,
    /// In the way of a walk through files: no record, such as a symbolic link, or what may hide some, such as a mount point.
    Obstacle,
}

impl Residue {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let contradiction = |what| Err(EntryError::Contradiction { what });
        let held = self.held.unwrap_or(0);
        match self.remaining {
            Some(remaining) if remaining < held => return contradiction("more are held than remain"),
            None if !self.bounds.is_empty() => return contradiction("`bounds` of what was not counted"),
            Some(remaining) if !self.bounds.is_empty() => {
                check_bounds(&self.bounds)?;
                check_late(&self.bounds, remaining - held)?;
            }
            Some(_) | None => {}
        }
        let ascending = self.why.is_sorted_by(|a, b| (a.of, &a.reason) < (b.of, &b.reason));
        if !ascending || self.why.iter().any(|why| why.n == 0) {
            return contradiction("`why` is not ascending, or empty in a place");
        }
        let told = |of| {
            self.why.iter().filter(|why| why.of == of).fold(0, |sum: u64, why| sum.saturating_add(why.n))
        };
        let all = [(Left::Undated, self.undated), (Left::Refused, self.refused)];
        if self.why.is_empty() || all.into_iter().all(|(of, counted)| told(of) == counted.unwrap_or(0)) {
            return Ok(());
        }
        contradiction("the reasons in `why` do not add up to `undated` or `refused`")
    }
}

/// `backup.expired`: every remaining backup was begun after `until`, so none holds what was disposed of before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupExpired {
    /// The rule over the backups.
    pub rule: RuleId,
    /// The run that looked.
    pub sweep: SweepId,
    /// The datastores that are backed up, ascending, at least one.
    pub of: Vec<DatastoreName>,
    /// Nothing disposed of in them before this instant is in a backup.
    #[serde(with = "instant")]
    pub until: DateTime<Utc>,
}

/// Why a sweep runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The rule's schedule, or `expunged sweep`.
    Schedule,
    /// An erasure request.
    Request,
    /// A restore brought records back.
    Replay,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepResult {
    /// Nothing that could be disposed of was left.
    Completed,
    /// Stopped before that: run cap, window, pause or shutdown.
    Stopped,
    /// A guard asks for an approval.
    Parked,
    /// A precondition was not met: clocks, grants, foreign keys.
    Refused,
    /// An error ended it, or a crash.
    Failed,
    /// Nothing was disposed of: the rule only observes.
    Observed,
}

impl SweepResult {
    /// The word for it, in tables, metrics and the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Parked => "parked",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Observed => "observed",
        }
    }
}

impl Body {
    /// The type, as in the field `t`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "log.genesis",
            Self::Open(_) => "log.open",
            Self::KeyEpoch(_) => "key.epoch",
            Self::RuleVersion(_) => "rule.version",
            Self::SweepStarted(_) => "sweep.started",
            Self::SweepFinished(_) => "sweep.finished",
            Self::BatchIntent(_) => "batch.intent",
            Self::BatchCommitted(_) => "batch.committed",
            Self::BatchAborted(_) => "batch.aborted",
            Self::Approval(_) => "approval",
            Self::Residue(_) => "residue",
            Self::BackupExpired(_) => "backup.expired",
            Self::ErasureLevel(_) => "erasure.level",
            Self::HoldPlaced(_) => "hold.placed",
            Self::HoldReleased(_) => "hold.released",
            Self::ErasureRequested(_) => "erasure.requested",
            Self::ErasureAnswered(_) => "erasure.answered",
            Self::ErasureWithdrawn(_) => "erasure.withdrawn",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
        }
    }

    /// What can be seen to be wrong without any other entry.
    /// `at`: when the entry was written.
    pub(super) fn check(&self, at: DateTime<Utc>) -> Result<(), EntryError> {
        let contradiction = |what| Err(EntryError::Contradiction { what });
        match self {
            Self::Genesis(genesis) if genesis.vkey.origin() != &genesis.origin => {
                contradiction("the key is of another origin")
            }
            Self::RuleVersion(version) if version.rule_json.digest() != version.rule_sha256 => {
                contradiction("`rule_sha256` is not the digest of `rule_json`")
            }
            Self::SweepStarted(sweep) if sweep.eligible > sweep.late => {
                contradiction("`eligible` is after `late`")
            }
            Self::BackupExpired(expired) if expired.of.is_empty() => contradiction("no datastores in `of`"),
            Self::BackupExpired(expired) if !expired.of.is_sorted_by(|a, b| a < b) => {
                contradiction("`of` is not ascending")
            }
            Self::BatchIntent(intent) => intent.check(at),
            Self::BatchCommitted(committed) => committed.check(),
            Self::Residue(residue) => residue.check(),
            Self::ErasureLevel(level) => level.check(),
            Self::HoldPlaced(placed) => placed.check(),
            Self::ErasureRequested(requested) => requested.check(),
            Self::ErasureAnswered(answered) => answered.check(),
            Self::Genesis(_)
            | Self::Open(_)
            | Self::KeyEpoch(_)
            | Self::RuleVersion(_)
            | Self::SweepStarted(_)
            | Self::SweepFinished(_)
            | Self::BatchAborted(_)
            | Self::Approval(_)
            | Self::BackupExpired(_)
            | Self::HoldReleased(_)
            | Self::ErasureWithdrawn(_)
            | Self::Pause(_)
            | Self::Resume(_) => Ok(()),
        }
    }
}

//! What people order: legal holds, erasure requests, pauses. Whom they are about appears only as a commitment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::commitment::Commitment;
use super::super::error::EntryError;
use super::super::instant;
use super::super::name::{CaseReference, HoldId, ReasonText, RequestId, RoleName, RuleId, ServiceName};
use super::super::tree::EntryIndex;

/// `hold.placed`: nothing in its scope is disposed of under any intent after this entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldPlaced {
    /// Unique in the ledger.
    pub hold: HoldId,
    /// The service whose records it covers.
    pub service: ServiceName,
    /// Of its rules, the only one it is about; none: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// The data subject whose records it covers; none: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Commitment>,
    /// Under which reference the order is filed elsewhere.
    pub reference: CaseReference,
    /// What the operator acted as.
    pub by: RoleName,
}

/// `hold.released`: the hold suspends nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldReleased {
    /// The hold.
    pub hold: HoldId,
    /// Its `hold.placed`.
    pub placed: EntryIndex,
    /// What the operator acted as.
    pub by: RoleName,
}

/// `erasure.requested`: a data subject demands erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequested {
    /// Unique in the ledger.
    pub request: RequestId,
    /// The service that is asked.
    pub service: ServiceName,
    /// Who demands it.
    pub subject: Commitment,
    /// When the demand was received, not after the entry.
    #[serde(with = "instant")]
    pub received: DateTime<Utc>,
    /// By when it has to be answered at the latest; single records may be due before that.
    #[serde(with = "instant")]
    pub deadline: DateTime<Utc>,
    /// What the operator acted as.
    pub by: RoleName,
}

/// `erasure.answered`: nothing is left that the request could dispose of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureAnswered {
    /// The request.
    pub request: RequestId,
    /// Its `erasure.requested`.
    pub requested: EntryIndex,
    /// One for each rule of the service that knows whose records they are, ascending, at least one.
    pub answers: Vec<Answer>,
}

/// `erasure.withdrawn`: nothing more is disposed of on this request; what went before is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureWithdrawn {
    /// The request.
    pub request: RequestId,
    /// Its `erasure.requested`.
    pub requested: EntryIndex,
    /// What the operator acted as.
    pub by: RoleName,
}

/// What became of the data subject's records under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The rule.
    pub rule: RuleId,
    /// How many records a look afterwards found.
    pub left: u64,
    /// The legal reason for which the rule keeps them; none: it keeps none, and none is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<ReasonText>,
}

/// `pause`: from here on no intent is written, until the `resume` that names this entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// What the operator acted as.
    pub by: RoleName,
}

/// `resume`: disposal goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The `pause` that ends.
    pub pause: EntryIndex,
    /// What the operator acted as.
    pub by: RoleName,
}

impl HoldPlaced {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        match &self.rule {
            Some(rule) if rule.service() != self.service.as_str() => {
                Err(EntryError::Contradiction { what: "`rule` is of another service" })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl ErasureRequested {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        if self.received <= self.deadline {
            return Ok(());
        }
        Err(EntryError::Contradiction { what: "`deadline` is before `received`" })
    }
}

impl ErasureAnswered {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let contradiction = |what| Err(EntryError::Contradiction { what });
        if self.answers.is_empty() || !self.answers.is_sorted_by(|a, b| a.rule < b.rule) {
            return contradiction("`answers` is empty, or not ascending");
        }
        if self.answers.iter().any(|answer| answer.kept.is_none() && answer.left > 0) {
            return contradiction("records are left that no reason keeps");
        }
        Ok(())
    }
}

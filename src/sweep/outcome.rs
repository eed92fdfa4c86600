//! A commit and what it came to: from the datastore's answer, or from its evidence where there was none.

use super::Target;
use super::error::SweepError;
use crate::datastore::error::EngineError;
use crate::datastore::files::Outcome;
use crate::datastore::sql::{self, Evidence, Incarnation};
use crate::datastore::{Committed, DatastoreError, Prepared};
use crate::hook;
use crate::ledger::entry::Outcomes;
use crate::model::key::Key;
use crate::model::name::DatastoreName;
use crate::state::{CommittedIntent, Disposed, PartOutcomes, Settled};

/// Whose commit it is.
pub(super) struct Share<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) datastore: &'a DatastoreName,
    /// Of its records, part by part.
    pub(super) keys: Vec<Vec<Key>>,
}

/// What a commit came to.
pub(super) struct Settlement {
    pub(super) settled: Settled,
    /// How many records went.
    pub(super) went: u64,
    /// Why something is left, if something is.
    pub(super) left: Option<Left>,
    /// Where each record has an outcome of its own: part by part, in the order of the keys.
    pub(super) each: Vec<Vec<Outcome>>,
}

/// Why something is left.
#[derive(Clone, Copy)]
pub(super) enum Left {
    /// A record cannot go; others could.
    Refused(&'static str),
    /// What stood in the way may be gone by the next try.
    Hindered(Hindrance),
    /// The datastore did nothing, whatever it was asked.
    RolledBack(&'static str),
}

/// What stood in the way of records, and may be gone by the next try.
#[derive(Clone, Copy)]
pub(super) enum Hindrance {
    /// Somebody else has what is needed, or waits for it as well.
    Lock,
    /// Something else, in these words.
    Other(&'static str),
}

impl Hindrance {
    /// None: another try would come to the same.
    pub(super) fn of(error: &DatastoreError) -> Option<Self> {
        if error.locked() { Some(Self::Lock) } else { error.conflict().map(Self::Other) }
    }

    /// The same where something that hangs on the records is gone: whoever has the whole database is waited for as well.
    pub(super) fn midway(error: &DatastoreError) -> Option<Self> {
        match error {
            DatastoreError::Statement { source: EngineError::Busy, .. } => Some(Self::Lock),
            error => Self::of(error),
        }
    }
}

/// Commits, and finds out what became of it.
pub(super) async fn settle(
    share: &Share<'_>,
    prepared: Prepared<'_>,
    intent: &CommittedIntent,
) -> Result<Settlement, SweepError> {
    hook::reach("commit.before");
    let incarnation = prepared.incarnation();
    let committed = prepared.commit(intent).await?;
    hook::reach("commit.after");
    match committed {
        Committed::Yes => Ok(whole(Settled::Acknowledged, intent)),
        Committed::NotAttempted => {
            let left = Some(Left::RolledBack("it was replaced during the sweep"));
            Ok(Settlement { settled: Settled::NotAttempted, went: 0, left, each: Vec::new() })
        }
        Committed::Unknown(source) => {
            let left = match &source {
                EngineError::Refused(why) | EngineError::Conflict(why) => Left::Refused(why),
                _ => Left::RolledBack("its commit failed"),
            };
            let error = SweepError::Commit { rule: share.target.rule.id.clone(), source };
            by_evidence(share, &incarnation, intent, (left, error)).await
        }
        Committed::Each(outcomes) => each(share, intent, outcomes),
    }
}

fn whole(settled: Settled, intent: &CommittedIntent) -> Settlement {
    Settlement { settled, went: intent.records(), left: None, each: Vec::new() }
}

/// Settles a batch by its marker. `left`: why it is still there if it was rolled back. Where the marker is lost, nothing is settled: the intent
/// stays open and the next start looks at the records; `error` says so.
async fn by_evidence(
    share: &Share<'_>,
    incarnation: &str,
    intent: &CommittedIntent,
    (left, error): (Left, SweepError),
) -> Result<Settlement, SweepError> {
    tracing::warn!(
        batch = intent.batch(),
        error = &error as &dyn std::error::Error,
        "commit in doubt: looking at the marker"
    );
    let mut fresh = sql::Writer::open(share.target.locate(share.datastore)?).await?;
    let incarnation = Incarnation::recorded(incarnation);
    match fresh.evidence(&incarnation, intent.batch()).await? {
        Evidence::Marked => Ok(whole(Settled::MarkerFound, intent)),
        Evidence::Committed => Ok(whole(Settled::Remembered, intent)),
        Evidence::RolledBack => {
            Ok(Settlement { settled: Settled::RolledBack, went: 0, left: Some(left), each: Vec::new() })
        }
        Evidence::Lost => Err(error),
    }
}

fn each(
    share: &Share<'_>,
    intent: &CommittedIntent,
    each: Vec<Vec<Outcome>>,
) -> Result<Settlement, SweepError> {
    let mut parts = Vec::new();
    let mut why = None;
    for (keys, outcomes) in share.keys.iter().zip(&each) {
        let mut counts = Outcomes::default();
        let mut gone = Vec::new();
        for (key, outcome) in keys.iter().zip(outcomes) {
            match outcome {
                Outcome::Disposed => {
                    counts.disposed += 1;
                    gone.push(key.clone());
                }
                Outcome::AlreadyGone => counts.already_gone += 1,
                Outcome::Changed => {
                    counts.changed += 1;
                    why = why.or(Some("a file changed before it could go"));
                }
                Outcome::Refused(refusal) => {
                    counts.refused += 1;
                    why = why.or(Some(*refusal));
                }
                // The intent stays open: the next start looks at each of its files.
                Outcome::Unknown(doubt) => {
                    let (rule, batch) = (share.target.rule.id.clone(), intent.batch().to_owned());
                    return Err(SweepError::InDoubt { rule, batch, why: doubt });
                }
            }
        }
        let disposed = if gone.len() == keys.len() { Disposed::All } else { Disposed::These(gone) };
        parts.push(PartOutcomes { counts, disposed });
    }
    let went = parts.iter().map(|part| part.counts.disposed).sum();
    Ok(Settlement { settled: Settled::Each(parts), went, left: why.map(Left::Refused), each })
}

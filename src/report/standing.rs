//! Whether a rule kept a promise in the period.
//!
//! 1. **Broken**: a record went after the deadline, or the last sweep of the period found one past it.
//! 2. **Unknown**: it could not be counted, so nobody can say.
//! 3. **At risk**: no deadline is known to have passed, but two further sweeps may come too late for what is left, sweeps have
//!    stayed away, or there are records that nobody can vouch for.
//! 4. **Kept**: every record that went, went in time, and nothing is left of the above.
//!
//! The first that holds counts. A promise stands as the worst of the rules that keep it.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::lateness::Lateness;
use super::unit::{Moment, Seconds};
use crate::ledger::entry::{Bound, Residue, SweepResult};

/// How a promise stands; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It names no deadline, and deadlines are all that is judged here.
    NoDeadline,
    /// Kept.
    Kept,
    /// Kept so far.
    AtRisk,
    /// Could not be counted.
    Unknown,
    /// Not kept.
    Broken,
}

impl Standing {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoDeadline => "no deadline",
            Self::Kept => "kept",
            Self::AtRisk => "at risk",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
        }
    }
}

/// Why a promise does not stand as kept; or what else one should know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Records went after the deadline.
    Late(Lateness),
    /// Records are still there after the deadline.
    Overdue(u64),
    /// The ledger does not verify.
    Unsound,
    /// No sweep of the rule ended in the period.
    NoSweep,
    /// The last sweep could not count what is left.
    NotCounted,
    /// The version of the rule that was swept last did not keep this promise.
    NoBound,
    /// The version of the rule that was swept last promised another deadline.
    OtherBound,
    /// Records cannot be shown to have gone in time.
    MaybeLate(u64),
    /// Records that were left may have passed the deadline since.
    MaybeOverdue(u64),
    /// Less time is left than two further sweeps need.
    Margin {
        /// What is left at least.
        left: Seconds,
        /// What they need.
        needed: Seconds,
    },
    /// No sweep has completed for longer than twice the longest gap of its schedule.
    Stale {
        /// The end of the last completed one, if there was one.
        since: Option<Moment>,
        /// Twice the gap.
        allowed: Seconds,
    },
    /// The last sweep did not complete.
    LastSweep(SweepResult),
    /// Disposal was paused when the period ended.
    Paused(Moment),
    /// Intents without an outcome.
    OpenIntents(u64),
    /// Records without a plausible trigger.
    Undated(u64),
    /// Records that the datastore would not let go.
    Refused(u64),
    /// Records that changed between judgement and disposal.
    Changed(u64),
    /// Records that somebody else held locked.
    Locked(u64),
    /// Records whose dependents in another datastore are gone.
    Stranded(u64),
    /// Records under a legal hold, which suspends the promise for them.
    Held(u64),
    /// Another version of the rule than the rule files hold now was swept last.
    OtherVersion,
}

/// What is known of a rule and a promise that it keeps.
pub(super) struct Facts<'a> {
    pub(super) sound: Soundness,
    pub(super) until: DateTime<Utc>,
    pub(super) late: Lateness,
    /// The last residue of the period, and by which clock its bounds were told.
    pub(super) last: Option<(&'a Residue, DateTime<Utc>)>,
    /// Of that residue, the bound of this promise.
    pub(super) bound: Option<&'a Bound>,
    pub(super) last_result: Option<SweepResult>,
    pub(super) last_completed: Option<DateTime<Utc>>,
    pub(super) two_gaps: Seconds,
    pub(super) two_sweeps: Seconds,
    pub(super) paused: Option<DateTime<Utc>>,
    pub(super) open_intents: u64,
    pub(super) version: VersionNow,
    /// Whether the version that was swept last promised the deadline that the rule files promise now.
    pub(super) promised: VersionNow,
}

/// Whether the audit found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Soundness {
    Sound,
    Unsound,
}

/// Whether the rule files hold what was swept last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionNow {
    Same,
    Other,
    Unknown,
}

/// Every reason there is, the gravest first.
pub(super) fn reasons(facts: &Facts<'_>) -> Vec<Reason> {
    let Lateness { at_least, at_most } = facts.late;
    let mut all = Vec::new();
    if at_least > 0 {
        all.push(Reason::Late(facts.late));
    } else if at_most > 0 {
        all.push(Reason::MaybeLate(at_most));
    }
    if facts.sound == Soundness::Unsound {
        all.push(Reason::Unsound);
    }
    if facts.promised == VersionNow::Other {
        all.push(Reason::OtherBound);
    }
    match facts.last {
        None => all.push(Reason::NoSweep),
        Some((residue, _)) if not_counted(residue) => all.push(Reason::NotCounted),
        Some((residue, told)) => all.extend(of_residue(facts, residue, told)),
    }
    all.extend(of_sweeps(facts));
    all.sort_by_key(|reason| std::cmp::Reverse(reason.standing()));
    all
}

/// A sweep that counted nothing says so in every field; one that is missing is enough.
fn not_counted(residue: &Residue) -> bool {
    let Residue { remaining, held, locked, refused, changed, undated, .. } = residue;
    [remaining, held, locked, refused, changed, undated].into_iter().any(Option::is_none)
}

fn of_residue(facts: &Facts<'_>, residue: &Residue, told: DateTime<Utc>) -> Vec<Reason> {
    let some = |n: Option<u64>, reason: fn(u64) -> Reason| n.filter(|n| *n > 0).map(reason);
    let counts = [
        some(residue.undated, Reason::Undated),
        some(residue.refused, Reason::Refused),
        some(residue.changed, Reason::Changed),
        some(residue.locked, Reason::Locked),
        some(Some(residue.stranded), Reason::Stranded),
        some(residue.held, Reason::Held),
    ];
    let Some(bound) = facts.bound else {
        return [Reason::NoBound].into_iter().chain(counts.into_iter().flatten()).collect();
    };
    let overdue = some(Some(bound.late), Reason::Overdue);
    // Those that no hold covers, and that are not late already.
    let free = residue.remaining.unwrap_or(0).saturating_sub(residue.held.unwrap_or(0));
    let in_time = free.saturating_sub(bound.late).max(1);
    let margin = bound.margin.and_then(|margin| {
        if ended(facts.until, told, margin) {
            return Some(Reason::MaybeOverdue(in_time));
        }
        let needed = facts.two_sweeps;
        (margin < needed.0).then_some(Reason::Margin { left: Seconds(margin), needed })
    });
    overdue.into_iter().chain(margin).chain(counts.into_iter().flatten()).collect()
}

/// Whether a margin that was told at an instant may be over by the end of the period. It was rounded down, so it may also not.
fn ended(until: DateTime<Utc>, told: DateTime<Utc>, margin: u64) -> bool {
    u64::try_from((until - told).num_seconds()).is_ok_and(|passed| passed >= margin)
}

fn of_sweeps(facts: &Facts<'_>) -> Vec<Reason> {
    let allowed = facts.two_gaps;
    let longest = i64::try_from(allowed.0).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX);
    // Without any sweep in the period there is more to say than that.
    let stale = facts.last.is_some() && facts.last_completed.is_none_or(|at| facts.until - at > longest);
    let stale = stale.then(|| Reason::Stale { since: facts.last_completed.map(Moment), allowed });
    let last = facts.last_result.filter(|result| *result != SweepResult::Completed).map(Reason::LastSweep);
    let open = (facts.open_intents > 0).then_some(Reason::OpenIntents(facts.open_intents));
    let paused = facts.paused.map(|at| Reason::Paused(Moment(at)));
    let other = (facts.version == VersionNow::Other).then_some(Reason::OtherVersion);
    [stale, last, open, paused, other].into_iter().flatten().collect()
}

impl Reason {
    /// How a promise stands for this reason alone.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Late(_) | Self::Overdue(_) => Standing::Broken,
            Self::Unsound
            | Self::NoSweep
            | Self::NotCounted
            | Self::NoBound
            | Self::OtherBound
            | Self::MaybeLate(_)
            | Self::MaybeOverdue(_) => Standing::Unknown,
            Self::Margin { .. }
            | Self::Stale { .. }
            | Self::LastSweep(_)
            | Self::Paused(_)
            | Self::OpenIntents(_)
            | Self::Undated(_)
            | Self::Refused(_)
            | Self::Changed(_)
            | Self::Locked(_)
            | Self::Stranded(_) => Standing::AtRisk,
            Self::Held(_) | Self::OtherVersion => Standing::Kept,
        }
    }

    /// Its word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::Overdue(_) => "overdue",
            Self::Unsound => "unsound",
            Self::NoSweep => "no_sweep",
            Self::NotCounted => "not_counted",
            Self::NoBound => "no_bound",
            Self::OtherBound => "other_bound",
            Self::MaybeLate(_) => "maybe_late",
            Self::MaybeOverdue(_) => "maybe_overdue",
            Self::Margin { .. } => "margin",
            Self::Stale { .. } => "stale",
            Self::LastSweep(_) => "last_sweep",
            Self::Paused(_) => "paused",
            Self::OpenIntents(_) => "open_intents",
            Self::Undated(_) => "undated",
            Self::Refused(_) => "refused",
            Self::Changed(_) => "changed",
            Self::Locked(_) => "locked",
            Self::Stranded(_) => "stranded",
            Self::Held(_) => "held",
            Self::OtherVersion => "other_version",
        }
    }

    /// How many records or intents it is about; none: it does not count any. Of a range, the least.
    pub fn n(&self) -> Option<u64> {
        match self {
            Self::Late(late) => Some(late.at_least),
            Self::Overdue(n)
            | Self::MaybeLate(n)
            | Self::MaybeOverdue(n)
            | Self::OpenIntents(n)
            | Self::Undated(n)
            | Self::Refused(n)
            | Self::Changed(n)
            | Self::Locked(n)
            | Self::Stranded(n)
            | Self::Held(n) => Some(*n),
            Self::Unsound
            | Self::NoSweep
            | Self::NotCounted
            | Self::NoBound
            | Self::OtherBound
            | Self::Margin { .. }
            | Self::Stale { .. }
            | Self::LastSweep(_)
            | Self::Paused(_)
            | Self::OtherVersion => None,
        }
    }
}

/// `3 records are`, `1 record is`.
struct Records(u64, &'static str, &'static str);

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n, one, many) = self;
        if *n == 1 { write!(f, "1 record {one}") } else { write!(f, "{n} records {many}") }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(Lateness { at_least, at_most }) if at_least == at_most => {
                write!(f, "{} after the deadline", Records(*at_least, "went", "went"))
            }
            Self::Late(Lateness { at_least, at_most }) => {
                write!(f, "{at_least} to {at_most} records went after the deadline")
            }
            Self::Overdue(n) => {
                write!(f, "{} still there after the deadline", Records(*n, "was", "were"))
            }
            Self::Unsound => f.write_str("the ledger does not verify"),
            Self::NoSweep => f.write_str("no sweep of the rule ended in the period"),
            Self::NotCounted => f.write_str("the last sweep could not count what is left"),
            Self::NoBound => {
                f.write_str("the version of the rule that was swept last did not keep this promise")
            }
            Self::OtherBound => f.write_str(
                "what was swept last promised another deadline than the rule files do now: report with those of that time",
            ),
            Self::MaybeLate(n) => {
                write!(f, "{} be shown to have gone in time", Records(*n, "cannot", "cannot"))
            }
            Self::MaybeOverdue(n) => write!(
                f,
                "{} left, and may have passed the deadline since: no sweep has looked",
                Records(*n, "was", "were")
            ),
            Self::Margin { left, needed } => {
                write!(f, "{left} are left to the next deadline; two further sweeps need {needed}")
            }
            Self::Stale { since: Some(since), allowed } => {
                write!(f, "no sweep has completed since {since}; twice its longest gap is {allowed}")
            }
            Self::Stale { since: None, .. } => f.write_str("no sweep has ever completed"),
            Self::LastSweep(result) => write!(f, "the last sweep {}", ended_how(*result)),
            Self::Paused(since) => write!(f, "all disposal has been paused since {since}"),
            Self::OpenIntents(1) => f.write_str("1 batch has no outcome yet"),
            Self::OpenIntents(n) => write!(f, "{n} batches have no outcome yet"),
            Self::Undated(n) => write!(f, "{} no plausible time", Records(*n, "has", "have")),
            Self::Refused(n) => write!(f, "{} refused by the datastore", Records(*n, "was", "were")),
            Self::Changed(n) => {
                write!(f, "{} under the sweep and left alone", Records(*n, "changed", "changed"))
            }
            Self::Locked(n) => write!(f, "{} locked by somebody else", Records(*n, "was", "were")),
            Self::Stranded(n) => {
                write!(f, "{} without dependents that are gone", Records(*n, "was kept", "were kept"))
            }
            Self::Held(n) => {
                write!(f, "{} under a legal hold, and not counted here", Records(*n, "is", "are"))
            }
            Self::OtherVersion => f.write_str("the rule files now hold another version than was swept last"),
        }
    }
}

fn ended_how(result: SweepResult) -> &'static str {
    match result {
        SweepResult::Completed => "completed",
        SweepResult::Stopped => "was stopped before its end",
        SweepResult::Parked => "was parked: it waits for an approval",
        SweepResult::Refused => "was refused",
        SweepResult::Failed => "failed",
        SweepResult::Observed => "disposed of nothing: the rule only observed",
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("standing", &self.standing())?;
        map.serialize_entry("reason", self.code())?;
        map.serialize_entry("n", &self.n())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}

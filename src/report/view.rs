//! The view: what every form of the report is written from.

use serde::Serialize;

use super::lateness::Lateness;
use super::standing::{Reason, Standing};
use super::tally::{Of, SweepCounts};
use super::unit::{Moment, Seconds};
use crate::ledger::entry::{Action, Left, Remains, SweepResult};

/// A report. As JSON it is documented in `docs/commands.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `expunged-report/1`.
    pub format: &'static str,
    /// The first instant that counts.
    pub from: Moment,
    /// The first that no longer does.
    pub to: Moment,
    /// The same, or when the report was made, where that was earlier.
    pub until: Moment,
    /// The only service it is about; none: all.
    pub service: Option<String>,
    /// When the ledger's first entry was written: nothing is known before.
    pub ledger_begins: Option<Moment>,
    /// The sums.
    pub summary: Summary,
    /// The services of the rule files.
    pub services: Vec<Service>,
    /// Every promise of theirs.
    pub promises: Vec<Promise>,
    /// What was done, by rule, dataset and action.
    pub disposals: Vec<Disposal>,
    /// How thoroughly it is gone, of rules that ask for more than logical erasure.
    pub levels: Vec<Thoroughness>,
    /// How long records had waited, by rule.
    pub waits: Vec<Wait>,
    /// What the last sweep of each rule in the period left.
    pub remaining: Vec<Remaining>,
    /// How sweeps and batches ended, by rule.
    pub sweeps: Vec<Sweeps>,
    /// Intents without an outcome at the end of the period.
    pub open_intents: Vec<OpenIntent>,
    /// Versions of rules in force.
    pub versions: Vec<Version>,
    /// Legal holds in force.
    pub holds: Vec<Hold>,
    /// Erasure requests that were open, or ended.
    pub requests: Vec<Request>,
    /// Pauses in force.
    pub pauses: Vec<Pause>,
    /// Approvals given.
    pub approvals: Vec<Approval>,
    /// What the figures rest on.
    pub evidence: Evidence,
}

/// The sums over the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Promises that stand as broken.
    pub broken: u64,
    /// As unknown.
    pub unknown: u64,
    /// As at risk.
    pub at_risk: u64,
    /// As kept.
    pub kept: u64,
    /// Without a deadline.
    pub no_deadline: u64,
    /// Records of rules disposed of.
    pub disposed: u64,
    /// Records of dependents disposed of with them.
    pub dependents: u64,
    /// Erasure requests answered late, or still open after their deadlines.
    pub requests_late: u64,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its id.
    pub service: String,
    /// What people call it.
    pub name: String,
}

/// A promise, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Whose.
    pub service: String,
    /// Its id there.
    pub promise: String,
    /// In the operator's words.
    pub text: String,
    /// The policy, its date and section.
    pub source: String,
    /// The event that starts its clock.
    pub trigger: String,
    /// No later than so long after; none: it names none.
    pub deadline: Option<String>,
    /// What it leaves out.
    pub except: Option<String>,
    /// Who decided the figure, where the policy gives none.
    pub decision: Option<String>,
    /// The worst of its keepers'.
    pub standing: Standing,
    /// The least time that was left, to a record that went or to one that is left; none: there were none.
    pub margin_seconds: Option<Seconds>,
    /// The rules that keep it.
    pub keepers: Vec<Keeper>,
}

/// A rule, and how it kept the promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keeper {
    /// The rule.
    pub rule: String,
    /// The promise's classes that it reaches.
    pub classes: Vec<String>,
    /// By its reasons.
    pub standing: Standing,
    /// Records that went after the promise's deadline.
    pub late: Lateness,
    /// Records that the last sweep found past it; none: could not be counted.
    pub overdue: Option<u64>,
    /// The least that was left to a record that went in time.
    pub margin_disposed_seconds: Option<Seconds>,
    /// The least that is left to a record that is still there, by the last sweep.
    pub margin_remaining_seconds: Option<Seconds>,
    /// What two further sweeps need: twice the longest gap of the schedule, and one run.
    pub two_sweeps_seconds: Seconds,
    /// Twice the longest gap alone.
    pub two_gaps_seconds: Seconds,
    /// Why, the gravest first.
    pub reasons: Vec<Reason>,
}

/// Records of one kind in one place, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disposal {
    /// The rule.
    pub rule: String,
    /// Whose records.
    pub of: Of,
    /// Their class, by the rule files; none: the rule is no longer there, or has no such dataset any more.
    pub class: Option<String>,
    /// The connection.
    pub datastore: String,
    /// The dataset on it.
    pub dataset: String,
    /// What was done.
    pub action: Action,
    /// How many had which outcome.
    pub outcomes: Outcomes,
}

/// How many records had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Gone, or pseudonymized.
    pub disposed: u64,
    /// Gone before the batch reached them.
    pub already_gone: u64,
    /// Changed since they were judged, and left alone.
    pub changed: u64,
    /// Not let go by the datastore.
    pub refused: u64,
    /// Could not be found out.
    pub unknown: u64,
    /// There, unchanged: a crash came before their turn.
    pub untouched: u64,
}

/// How thoroughly the records are gone that a rule disposed of in its own datastore, dependents there included: each counts once, with
/// what was claimed of it by the end of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thoroughness {
    /// The rule.
    pub rule: String,
    /// The datastore.
    pub datastore: String,
    /// Gone logically: more is owed to them.
    pub logical: u64,
    /// The engine keeps no version of them.
    pub vacuumed: u64,
    /// What held them was written anew.
    pub rewritten: u64,
    /// Where bytes of them may be all the same, by the last claim; empty: nothing is claimed.
    pub remains: Vec<Remains>,
}

/// How long a rule's records had waited since their triggers when they went: no longer than that, in two digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The rule.
    pub rule: String,
    /// How many were measured.
    pub records: u64,
    /// Of these, how many then stayed.
    pub stayed: u64,
    /// Half of them waited no longer.
    pub median_seconds: Seconds,
    /// 99 of 100.
    pub p99_seconds: Seconds,
    /// All of them.
    pub worst_seconds: Seconds,
    /// The rule's own deadlines in the period.
    pub deadlines: Vec<String>,
    /// Records that went after the rule's own deadline.
    pub late: Lateness,
    /// The least that was left to it.
    pub margin_seconds: Option<Seconds>,
    /// By then the last of them is due to be gone from the backups that a rule covers.
    pub gone_everywhere_by: Option<Moment>,
}

/// What a sweep left. A count that could not be made is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// The rule.
    pub rule: String,
    /// The `residue` entry.
    pub entry: u64,
    /// When it was written.
    pub at: Moment,
    /// Past the rule's own deadline and under no hold.
    pub overdue: Option<u64>,
    /// The least that is left of it to the others.
    pub margin_seconds: Option<Seconds>,
    /// Due and still there, for whatever reason.
    pub remaining: Option<u64>,
    /// Under a legal hold.
    pub held: Option<u64>,
    /// Without a plausible trigger.
    pub undated: Option<u64>,
    /// Not let go by the datastore.
    pub refused: Option<u64>,
    /// Changed and left alone.
    pub changed: Option<u64>,
    /// Locked by somebody else.
    pub locked: Option<u64>,
    /// Kept without dependents that are gone.
    pub stranded: u64,
    /// The reasons.
    pub why: Vec<Why>,
    /// The last before the period.
    pub before: Option<Box<Self>>,
}

/// So many for this reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// What they are counted among.
    pub of: Left,
    /// The reason.
    pub reason: String,
    /// How many.
    pub n: u64,
}

/// How a rule's sweeps and batches ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sweeps {
    /// The rule.
    pub rule: String,
    /// How its sweeps ended.
    #[serde(flatten)]
    pub ended: SweepCounts,
    /// How the last of them did.
    pub last_result: Option<SweepResult>,
    /// When the last completed, also before the period.
    pub last_completed: Option<Moment>,
    /// Batches that were committed.
    pub committed: u64,
    /// Batches of which nothing went.
    pub aborted: u64,
    /// Committed batches whose outcome was found after a crash.
    pub recovered: u64,
    /// Records that are gone without anything that says by whom.
    pub unattributed: u64,
}

/// A batch that may or may not be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIntent {
    /// The intent.
    pub entry: u64,
    /// When it was written.
    pub at: Moment,
    /// Its rule.
    pub rule: String,
    /// How many records, of all its datasets.
    pub records: u64,
}

/// A version of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The rule.
    pub rule: String,
    /// The entry that holds it.
    pub entry: u64,
    /// Its digest.
    pub sha256: String,
    /// When a sweep first applied it.
    pub first_used: Moment,
    /// How many sweeps of the period did.
    pub sweeps: u64,
    /// Not before so long after the trigger, as it says.
    pub retain: Option<String>,
    /// No later than.
    pub delete_by: Option<String>,
    /// In whose civil days.
    pub time_zone: Option<String>,
    /// By which database of time zones.
    pub tzdb: String,
    /// Whether the rule files hold it now; none: it could not be worked out.
    pub current: Option<bool>,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Its name.
    pub hold: String,
    /// The service it covers.
    pub service: String,
    /// The only rule of it.
    pub rule: Option<String>,
    /// Whether it covers one data subject alone.
    pub one_subject: bool,
    /// Under which it is filed.
    pub reference: String,
    /// Who placed it.
    pub by: String,
    /// The entry.
    pub entry: u64,
    /// When.
    pub placed: Moment,
    /// When it was released; none: it is in force.
    pub released: Option<Moment>,
    /// Who released it.
    pub released_by: Option<String>,
    /// In which entry.
    pub released_entry: Option<u64>,
}

/// A data subject's demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Its name.
    pub request: String,
    /// The service that is asked.
    pub service: String,
    /// The entry.
    pub entry: u64,
    /// When it was received.
    pub received: Moment,
    /// Late from then on.
    pub deadline: Moment,
    /// Who entered it.
    pub by: String,
    /// When it was answered.
    pub answered: Option<Moment>,
    /// In which entry.
    pub answered_entry: Option<u64>,
    /// When it was withdrawn.
    pub withdrawn: Option<Moment>,
    /// By whom.
    pub withdrawn_by: Option<String>,
    /// In which entry.
    pub withdrawn_entry: Option<u64>,
    /// Whether in time.
    pub standing: RequestStanding,
    /// What each rule answered.
    pub answers: Vec<Answer>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStanding {
    /// Answered before its deadline.
    InTime,
    /// Answered, and not before.
    Late,
    /// Taken back before it was answered.
    Withdrawn,
    /// Not answered; its deadline is ahead.
    Open,
    /// Not answered; its deadline has passed.
    Overdue,
}

impl RequestStanding {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in time",
            Self::Late => "late",
            Self::Withdrawn => "withdrawn",
            Self::Open => "open",
            Self::Overdue => "overdue",
        }
    }
}

/// What a rule answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The rule.
    pub rule: String,
    /// Records of the data subject that are left.
    pub left: u64,
    /// The legal reason for which it keeps them.
    pub kept: Option<String>,
}

/// A time in which nothing was disposed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// The entry.
    pub entry: u64,
    /// Since when.
    pub from: Moment,
    /// Who ordered it.
    pub by: String,
    /// Until when; none: it is in force.
    pub to: Option<Moment>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// In which entry.
    pub ended_entry: Option<u64>,
}

/// A parked rule that was let go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The entry.
    pub entry: u64,
    /// When.
    pub at: Moment,
    /// The rule.
    pub rule: String,
    /// The version.
    pub sha256: String,
    /// How many records it may dispose of.
    pub up_to: u64,
    /// Who approved.
    pub by: String,
}

/// What the figures rest on, and what an outsider needs to verify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Whose ledger.
    pub origin: String,
    /// The key that verifies it.
    pub vkey: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: String,
    /// The signed head of the ledger at this size.
    pub checkpoint: String,
    /// Whether the audit of every entry found nothing, and the root is the one that was signed.
    pub sound: bool,
    /// The entries in which the audit found something.
    pub findings: Vec<u64>,
}

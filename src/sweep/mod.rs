//! The sweep: the only code that disposes of anything. A crash, a schedule and a person's command enter the same loop.
//!
//! freeze → pace → prepare → judge → commit intent → commit → seal, until nothing is left → residue.
//!
//! **Invariant:** a batch is committed only with an intent that is already in the ledger: the datastore asks for the
//! [`CommittedIntent`](crate::state::CommittedIntent), which only the state can make.
//!
//! **Invariant:** whatever line a sweep dies on, the next start finds for each open intent exactly one outcome, and no
//! batch without an intent.

mod backups;
mod batches;
mod brake;
mod count;
mod erasure;
mod error;
mod files;
mod finding;
mod gate;
mod guard;
mod idle;
mod judge;
mod level;
mod orphans;
mod outcome;
mod pace;
mod recover;
mod roots;
mod run;
mod shares;
mod timing;
pub mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock;
use crate::datastore::sql::{Backlogged, Census, Layout, Reader, Writer};
use crate::datastore::{entitled, surveyed};
use crate::hook;
use crate::ledger::canonical::RuleDocument;
use crate::ledger::entry::{Cause, Left, SweepResult, Why};
use crate::ledger::name::ReasonText;
use crate::model::calendar::tzdb_version;
use crate::model::datastore::{Datastore, Pace};
use crate::model::horizon::Horizon;
use crate::model::name::{DatastoreName, TableName};
use crate::model::now::Now;
use crate::model::orders::{Halt, Orders};
use crate::rules::bind::{BoundRule, bind};
use crate::rules::connect::privilege::needed;
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::{Mode, Rule, RuleSet};
use crate::rules::shared::shared;
use crate::state::{State, StateError, Sweep, SweepEnd, SweepStart, VersionStanding};

pub use backups::BackupFindings;
pub use brake::{Brake, Lever};
pub use count::{Backlog, Counts, backlog, count, kinds};
pub use erasure::{Reached, answer, erase, left, reached, standing_of_requests};
pub use error::SweepError;
pub use finding::Finding;
pub use gate::Closed;
pub use guard::{Guard, Parked};
pub use level::{Patience, Raised, raise};
pub use orphans::{Orphan, orphans};
pub use recover::{Places, Recovered, recover};
pub use roots::same_root;

use run::Run;

/// One rule, where its records are, and in which version.
pub struct Target<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The rule's canonical form.
    pub document: &'a RuleDocument,
    /// The datastores of the configuration.
    pub datastores: &'a BTreeMap<DatastoreName, Datastore>,
    /// The backups that cover them.
    pub horizons: &'a Horizons,
    /// All rules: a hold on another over the same records holds this one, and one that names none of them keeps everything.
    pub rules: &'a RuleSet,
    /// How fast it may go.
    pub pace: Pace,
    /// What a version that has shown nothing yet may dispose of by itself.
    pub guard: Guard,
    /// How many records a batch starts with.
    pub batch: u32,
    /// How long the sweep may run.
    pub run_cap: Duration,
}

/// The backups that cover each datastore.
pub type Horizons = BTreeMap<DatastoreName, Horizon>;

impl<'a> Target<'a> {
    /// A datastore of the rule.
    fn locate(&self, name: &DatastoreName) -> Result<&'a Datastore, SweepError> {
        let missing = || SweepError::NoDatastore { datastore: name.clone() };
        self.datastores.get(name).ok_or_else(missing)
    }

    /// The backups of a datastore; none where no backup rule covers it.
    fn horizon(&self, name: &DatastoreName) -> Horizon {
        self.horizons.get(name).cloned().unwrap_or_default()
    }

    fn own(&self) -> Result<&'a Datastore, SweepError> {
        self.locate(&self.rule.datastore)
    }
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Why the sweep runs: a rule's turn may have one for its schedule and one for what people demand.
    pub cause: Cause,
    /// How many of the rule's own records there were to dispose of at the start.
    pub total: u64,
    /// What it has done up to now; what remains is counted at its end.
    pub report: &'a Report,
}

/// What a sweep did, and what it left.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it ended.
    pub result: SweepResult,
    /// Why it was parked, if it was.
    pub parked: Option<Parked>,
    /// Who stopped all disposal meanwhile, if someone did.
    pub halted: Option<Halt>,
    /// Why it went no further, where its datastores or their replicas were the reason.
    pub closed: Option<Closed>,
    /// The rule's own records disposed of.
    pub disposed: u64,
    /// Records of dependents disposed of with them.
    pub dependents: u64,
    /// Of `disposed`, those whose deadline had passed before the sweep.
    pub overdue: u64,
    /// Of `overdue`, how many were late by so many seconds at the most, rounded up to two digits.
    pub lateness: BTreeMap<u64, u64>,
    /// Of the rest, the longest time between due and disposal.
    pub worst_wait: Option<TimeDelta>,
    /// Of the rest, the shortest time between disposal and deadline.
    pub least_margin: Option<TimeDelta>,
    /// Records the datastore would not let go, by its reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Records that somebody else had locked, or dependents of theirs; of these, as many as remain.
    pub locked: u64,
    /// Files that changed between judgement and disposal, and were left alone.
    pub changed: u64,
    /// Records still there while dependents of theirs in other datastores are gone.
    pub stranded: u64,
    /// What stands among the files and is no record, by kind.
    pub obstacles: BTreeMap<&'static str, u64>,
    /// What nobody can look behind, by kind: there may be records, and what remains is not known.
    pub hidden: BTreeMap<&'static str, u64>,
    /// What a backup rule found beside its records; none: it is no backup rule.
    pub backups: Option<BackupFindings>,
    /// What a separate connection counted afterwards (files: what the walk saw); none: it could not.
    pub residue: Option<Backlog>,
    /// How long it took.
    pub took: Duration,
    /// Of `took`, how long the datastore stood still for the ledger.
    pub ledger_wait: Duration,
    /// The longest that a batch of rows which went may have kept the application waiting.
    pub longest_batch: Duration,
}

impl Report {
    fn parked(parked: Parked) -> Self {
        Self { result: SweepResult::Parked, parked: Some(parked), ..Self::new() }
    }

    fn new() -> Self {
        Self {
            result: SweepResult::Completed,
            parked: None,
            halted: None,
            closed: None,
            disposed: 0,
            dependents: 0,
            overdue: 0,
            lateness: BTreeMap::new(),
            worst_wait: None,
            least_margin: None,
            refused: Vec::new(),
            locked: 0,
            changed: 0,
            stranded: 0,
            obstacles: BTreeMap::new(),
            hidden: BTreeMap::new(),
            backups: None,
            residue: None,
            took: Duration::ZERO,
            ledger_wait: Duration::ZERO,
            longest_batch: Duration::ZERO,
        }
    }

    /// How many records are past the cut-off, or demanded of a rule that only observes, and still there; none: could not be counted.
    pub fn remaining(&self) -> Option<u64> {
        self.residue.as_ref().map(|counts| counts.past_due() + counts.demanded)
    }

    /// How many were past their deadline when they were found: of what went, or, where the rule only observes, of what is there; none:
    /// could not be counted.
    pub fn found_overdue(&self) -> Option<u64> {
        match self.result {
            SweepResult::Observed => self.residue.as_ref().map(Backlog::past_deadline),
            SweepResult::Completed
            | SweepResult::Parked
            | SweepResult::Stopped
            | SweepResult::Refused
            | SweepResult::Failed => Some(self.overdue),
        }
    }

    /// How many records the datastore refused.
    pub fn refusals(&self) -> u64 {
        self.refused.iter().map(|(_, n)| n).sum()
    }
}

/// The present as the host's clock has it; refused when it has been set back behind the ledger.
pub fn freeze(state: &State) -> Result<Now, SweepError> {
    let host = clock::now();
    check_clock(state, host)?;
    Ok(Now::from_clocks(host, None))
}

/// How far a clock may stand behind the newest entry before nothing is disposed of by it.
const SET_BACK: TimeDelta = TimeDelta::seconds(5);

fn check_clock(state: &State, host: DateTime<Utc>) -> Result<(), SweepError> {
    let mark = state.high_water_mark();
    if mark - host > SET_BACK {
        return Err(SweepError::Clock { host, mark });
    }
    Ok(())
}

/// Sweeps one rule once, for one frozen now.
///
/// Open intents must have been settled before: [`recover()`]. `progress` is told after every batch; a pulled `brake` ends the
/// sweep before the next one. The orders in force are read from the state, and again whenever one is given meanwhile.
pub async fn run(
    state: &mut State,
    target: &Target<'_>,
    now: Now,
    brake: &Brake,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Report, SweepError> {
    let orders = orders(state, target, Cause::Schedule).await?;
    let standing = standing(state, target, Cause::Schedule).await?;
    sweep(state, target, Mandate { cause: Cause::Schedule, orders, standing, now, brake }, progress).await
}

/// What the guard goes by.
async fn standing(
    state: &mut State,
    target: &Target<'_>,
    cause: Cause,
) -> Result<VersionStanding, SweepError> {
    Ok(state.standing(&target.rule.id.to_string(), target.document, cause).await?)
}

/// The orders in force for a rule, as far as a sweep for this cause goes by them ([`batches::phases`]). One that only observes
/// disposes of nothing, and counts what is due by either.
async fn orders(state: &mut State, target: &Target<'_>, cause: Cause) -> Result<Orders, SweepError> {
    let orders = given(state, target, cause).await?;
    // A hold does not lapse because somebody renamed what it is on. After the others: one that comes between is newer than they are.
    match state.holds().await?.into_iter().find(|hold| hold.is_lost(target.rules)) {
        None => Ok(orders),
        Some(hold) => Err(SweepError::LostHold { hold: hold.id.to_string(), on: hold.on().to_owned() }),
    }
}

/// The same, whether or not a hold has lost what it is on.
async fn given(state: &mut State, target: &Target<'_>, cause: Cause) -> Result<Orders, StateError> {
    let shared = shared(target.rules, target.rule);
    match (cause, target.rule.mode) {
        (Cause::Schedule | Cause::Replay, Mode::Enforce) => state.holds_over(target.rule, &shared).await,
        (Cause::Request, _) | (_, Mode::Observe) => state.orders(target.rule, &shared).await,
    }
}

/// Why the guard would not let a sweep for this cause start now, by the look that the sweep itself takes; none: it would. Changes
/// nothing, and writes nothing down.
///
/// `state`: none before the first sweep, when nothing is known of any rule.
pub async fn parked(
    state: Option<&mut State>,
    target: &Target<'_>,
    cause: Cause,
    now: Now,
) -> Result<Option<Parked>, SweepError> {
    let (orders, standing) = match state {
        Some(state) => (given(state, target, cause).await?, standing(state, target, cause).await?),
        None => (Orders::default(), VersionStanding::default()),
    };
    let (catalogues, mut readers) = surveyed(target.rule, &|name| target.datastores.get(name)).await?;
    let bound = bind(target.rule, &catalogues).map_err(SweepError::Bind)?;
    let cutoffs = Cutoffs::of(&bound, now);
    let mut reader = readers.remove(&target.rule.datastore);
    let mandate = Mandate { cause, orders, standing, now, brake: &Brake::none() };
    let (_, allowed) = permitted(target, &bound, &cutoffs, &mandate, reader.as_mut()).await?;
    Ok(allowed.err())
}

/// By what a sweep goes.
struct Mandate<'a> {
    cause: Cause,
    orders: Orders,
    standing: VersionStanding,
    now: Now,
    brake: &'a Brake,
}

async fn sweep(
    state: &mut State,
    target: &Target<'_>,
    mandate: Mandate<'_>,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Report, SweepError> {
    let watch = clock::Stopwatch::start();
    check_clock(state, clock::now())?;
    if let Some(halt) = state.halt().await? {
        return Err(SweepError::Halted(halt));
    }
    // A count comes before the trees are opened that the sweep goes through.
    for name in target.rule.datastores() {
        same_root(state, name, target.locate(name)?).await?;
    }
    let own = target.own()?;
    let locate = |name: &DatastoreName| target.datastores.get(name);
    let (catalogues, mut readers) = surveyed(target.rule, &locate).await?;
    let bound = bind(target.rule, &catalogues).map_err(SweepError::Bind)?;
    entitled(target.rule, &catalogues, &mut readers, &locate).await?;
    let skewed = Now { eligible: mandate.now.eligible + hook::skew(), ..mandate.now };
    let cutoffs = Cutoffs::of(&bound, skewed);
    let rule = target.rule.id.to_string();
    let mut reader = readers.remove(&target.rule.datastore);
    drop(readers);
    let (due, allowed) = permitted(target, &bound, &cutoffs, &mandate, reader.as_mut()).await?;
    let Mandate { cause, orders, standing, now, brake } = mandate;
    let allowance = match allowed {
        Ok(allowance) => allowance,
        Err(parked) => return Ok(Report::parked(parked)),
    };
    let start = SweepStart {
        rule: &rule,
        document: target.document,
        tzdb: tzdb_version(),
        cause,
        now,
        cutoff: cutoffs.instant,
    };
    let sweep = state.start_sweep(&start).await?;
    tracing::info!(rule, sweep = %sweep.id(), due, "sweep started");
    let mut run = Run {
        target,
        bound: &bound,
        cutoffs: &cutoffs,
        orders: Arc::new(orders),
        now,
        brake,
        layout: reader.as_ref().map(Reader::layout),
        cause,
        sweep: &sweep,
        allowance,
        unapproved: target.guard.along(&standing),
        along: None,
        total: due,
        watch,
        idle: idle::Idle::default(),
        census: None,
        spared: 0,
        report: Report::new(),
        stranded: BTreeSet::new(),
    };
    let outcome = match target.rule.mode {
        Mode::Enforce => dispose(&mut run, state, (own, reader), progress).await,
        Mode::Observe => {
            drop(reader);
            run.report.result = SweepResult::Observed;
            Ok(())
        }
    };
    // Also what went in a turn that then failed.
    run.tell(progress);
    if outcome.is_err() {
        run.report.result = SweepResult::Failed;
    }
    // To look for the due among what has just been deleted would cost more than to delete it did, where an engine leaves the dead where
    // they were.
    let of = if run.has_accounted(own) { Backlogged::NotDue } else { Backlogged::All };
    let (orders, layout, along, mut report) = (Arc::clone(&run.orders), run.layout, run.along, run.report);
    report.ledger_wait = run.idle.total();
    report.stranded = run.stranded.len() as u64;
    // The walk through files has counted them, unless there was none.
    if bound.rows().is_some() || report.result == SweepResult::Observed {
        report.residue =
            residue((own, layout.as_ref()), &bound, &cutoffs, (cause, &orders), now, (of, run.census)).await;
    }
    if let Some(counts) = &report.residue {
        // Whoever had locked a record may have un-deleted it, or deleted it; and of those that only the judge can compare, one that was
        // locked need not have been due.
        let not_refused = (counts.due + counts.overdue).saturating_sub(report.refusals());
        report.locked = report.locked.min(not_refused);
    }
    if report.stranded > 0 {
        tracing::error!(rule, records = report.stranded, "dependents gone, record kept");
    }
    if report.result == SweepResult::Parked {
        let due = report.remaining().map_or(due, |left| report.disposed + left);
        // Whatever went in this sweep before counts as well.
        let dependents = along.map(|along| report.dependents + along);
        let allowed = target.guard.along(&standing).filter(|_| along.is_some()).unwrap_or(allowance);
        let (approved, known) = (standing.approved, standing.tried);
        report.parked = Some(Parked { due, dependents, allowed, approved, known });
    }
    let finished = finish(state, &sweep, &mut report).await;
    outcome?;
    finished?;
    report.took = watch.elapsed();
    tell(&rule, &sweep, &report);
    Ok(report)
}

fn tell(rule: &str, sweep: &Sweep, report: &Report) {
    tracing::info!(
        rule,
        sweep = %sweep.id(),
        result = report.result.as_str(),
        disposed = report.disposed,
        dependents = report.dependents,
        overdue = report.found_overdue(),
        remaining = report.remaining(),
        locked = report.locked,
        took_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        "sweep finished"
    );
}

/// Disposes of what is due, in the way of the rule's own datastore.
async fn dispose(
    run: &mut Run<'_>,
    state: &mut State,
    (own, reader): (&Datastore, Option<Reader>),
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), SweepError> {
    let bound = run.bound;
    let Some(rows) = bound.rows() else { return files::run(run, state, own, progress).await };
    let rule = run.target.rule;
    let tables: Vec<TableName> =
        needed([rule], &rule.datastore).into_iter().map(|needed| needed.table).collect();
    let mut writer = match reader {
        Some(reader) => Writer::succeeding(reader, own, &tables).await?,
        None => Writer::open(own).await?,
    };
    recover::forget(state, &mut writer).await?;
    let outcome = Box::pin(batches::run(run, rows, state, &mut writer, progress)).await;
    // After an error a batch may be committed and not sealed: its marker has to stay, and what stays says nothing wrong.
    if outcome.is_ok() {
        close(writer).await;
    }
    outcome
}

async fn close(writer: Writer) {
    if let Err(error) = writer.close().await {
        // A marker that stays says nothing wrong: its batch is sealed.
        tracing::warn!(error = &error as &dyn std::error::Error, "the last marker was not forgotten");
    }
}

/// How many records will be put before the judge, and how many may go, or why the sweep may not start.
async fn permitted(
    target: &Target<'_>,
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    mandate: &Mandate<'_>,
    reader: Option<&mut Reader>,
) -> Result<(u64, Result<u64, Parked>), SweepError> {
    let Mandate { cause, orders, standing, now, .. } = mandate;
    match cause {
        // Nothing goes that a guard would have to stop.
        _ if target.rule.mode == Mode::Observe => Ok((0, Ok(0))),
        Cause::Schedule | Cause::Replay => {
            guard(target, bound, cutoffs, (orders, *now), standing, reader).await
        }
        Cause::Request => erasure::guard(target, bound, orders, *now, standing, reader).await,
    }
}

/// The same of what the schedule asks for.
async fn guard(
    target: &Target<'_>,
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    (orders, now): (&Orders, Now),
    standing: &VersionStanding,
    reader: Option<&mut Reader>,
) -> Result<(u64, Result<u64, Parked>), SweepError> {
    let allowance = |due, all| target.guard.allowance(standing, due, all, now.eligible);
    let (Some(rows), Some(reader)) = (bound.rows(), reader) else {
        let counts = count(target.own()?, bound, cutoffs, orders, now).await?;
        let due = counts.backlog.due + counts.backlog.overdue;
        return Ok((due, allowance(due, Some(counts.all()))));
    };
    let mut due = reader.count_selected(rows, cutoffs).await?;
    let doubtful = reader.leaves_to_the_judge(rows);
    let counted = doubtful || target.guard.depends_on_size(standing, due);
    let all = if counted { Some(reader.count_all(rows).await?) } else { None };
    let mut allowed = allowance(due, all);
    // What SQL cannot compare is as good as due until the judge has seen it: a look through the table, and only where it could
    // make a difference. A known version that is surprised by it is stopped by its allowance.
    if doubtful && !standing.tried && matches!((&allowed, all), (Ok(allowed), Some(all)) if *allowed < all) {
        due += count::candidates_due(reader, rows, cutoffs, orders, now).await?;
        allowed = allowance(due, all);
    }
    if allowed.is_err() {
        // A range also holds what has the shape of a time and is none. Whoever approves what `plan` shows has approved enough.
        let judged = count::counted(reader, rows, cutoffs, orders, now).await?;
        due = judged.backlog.due + judged.backlog.overdue;
        allowed = allowance(due, all);
    }
    Ok((due, allowed))
}

/// Counts on a connection of its own what is still there of what the cause is about; a count that cannot be made is none, never
/// zero.
async fn residue(
    own: (&Datastore, Option<&Layout>),
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    (cause, orders): (Cause, &Orders),
    now: Now,
    (of, known): (Backlogged, Option<Census>),
) -> Option<Backlog> {
    let counted = match cause {
        Cause::Schedule | Cause::Replay => backlog(own, bound, cutoffs, (orders, now), of, known).await,
        Cause::Request => count::demanded(own, bound, cutoffs, orders, now).await,
    };
    counted
        .inspect_err(|error| {
            tracing::error!(error = error as &dyn std::error::Error, "residue could not be counted");
        })
        .ok()
}

/// Every reason for which something is left, with its count.
fn why(report: &Report) -> Result<Vec<Why>, StateError> {
    let undated = report.residue.iter().flat_map(|counts| &counts.undated);
    let undated = undated.map(|(reason, n)| (Left::Undated, *reason, *n));
    let refused = report.refused.iter().map(|(reason, n)| (Left::Refused, *reason, *n));
    let obstacles =
        report.obstacles.iter().chain(&report.hidden).map(|(reason, n)| (Left::Obstacle, *reason, *n));
    let all = undated.chain(refused).chain(obstacles).filter(|(_, _, n)| *n > 0);
    let mut why = all
        .map(|(of, reason, n)| Ok(Why { of, reason: ReasonText::parse(reason)?, n }))
        .collect::<Result<Vec<_>, StateError>>()?;
    why.sort();
    Ok(why)
}

async fn finish(state: &mut State, sweep: &Sweep, report: &mut Report) -> Result<(), SweepError> {
    let bounds = report.residue.as_ref().map(|counts| counts.standing.bounds());
    let bounds = bounds.transpose().map_err(StateError::from)?.unwrap_or_default();
    let end = SweepEnd {
        result: report.result,
        remaining: report.remaining(),
        refused: Some(report.refusals()),
        held: report.residue.as_ref().map(|r| r.held),
        locked: report.residue.as_ref().map(|_| report.locked),
        undated: report.residue.as_ref().map(Backlog::undated_total),
        changed: report.changed,
        stranded: report.stranded,
        bounds,
        why: why(report)?,
    };
    if let (SweepResult::Completed, Some(backups)) = (report.result, &report.backups)
        && let Some(until) = backups.until
    {
        let of: Vec<&str> = backups.of.iter().map(String::as_str).collect();
        state.backup_expired(sweep, &of, until).await?;
    }
    state.finish_sweep(sweep, &end).await?;
    state.publish_checkpoint().await?;
    Ok(())
}

//! What a dataset holds, by verdict: for plans, for the residue, for the demo's table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::datastore::DatastoreError;
use crate::datastore::files;
use crate::datastore::sql::{Backlogged, CANDIDATE, Census, Cursor, Layout, Phase, Reader};
use crate::model::datastore::Datastore;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::{BoundDataset, BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Judge, Record, Times, Verdict, decide};
use crate::rules::rule::Rule;

use super::files::add;
use super::timing::Standing;

/// How many records a page holds: a few hundred kilobytes of JSON.
const PAGE: u32 = 5_000;

/// The records of one rule's dataset by verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Their period runs, or ends beyond the calendar.
    pub kept: u64,
    /// The rest.
    pub backlog: Backlog,
    /// What nobody can look behind, by kind: there may be more of all these.
    pub hidden: BTreeMap<&'static str, u64>,
}

/// The same without those that are kept: to count these may mean to read all of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Their trigger has not happened, in a way the rule calls normal.
    pub not_started: u64,
    /// May go.
    pub due: u64,
    /// Should have gone.
    pub overdue: u64,
    /// Would be due, but for a hold.
    pub held: u64,
    /// Beside due and overdue, those that only a demand for erasure makes so: by their triggers they are among the others.
    pub demanded: u64,
    /// Of `demanded`, those whose deadline has passed.
    pub demanded_late: u64,
    /// By reason.
    pub undated: BTreeMap<&'static str, u64>,
    /// When the first of them became due, in UTC: never the stored value, which the application chose.
    pub oldest_due: Option<DateTime<Utc>>,
    /// The first deadline among them, in UTC; where it has passed, the longest broken.
    pub first_deadline: Option<DateTime<Utc>>,
    /// How the due and overdue among them stand to the rule's bounds.
    pub(super) standing: Standing,
}

impl Backlog {
    /// Of no records yet; `late`: the clock that decides what is overdue.
    pub(super) fn new(rule: &Rule, late: DateTime<Utc>) -> Self {
        Self {
            not_started: 0,
            due: 0,
            overdue: 0,
            held: 0,
            demanded: 0,
            demanded_late: 0,
            undated: BTreeMap::new(),
            oldest_due: None,
            first_deadline: None,
            standing: Standing::new(rule, late),
        }
    }

    /// Past the cut-off, whatever keeps them.
    pub fn past_due(&self) -> u64 {
        self.due + self.overdue + self.held
    }

    /// Past their deadline, the rule's or that of a demand.
    pub fn past_deadline(&self) -> u64 {
        self.overdue + self.demanded_late
    }

    /// Takes in a record that has been counted by its trigger, where only a demand makes it due. What is held is not.
    fn demand(&mut self, verdict: &Verdict) {
        let (times, late) = match verdict {
            Verdict::Due(due) => (due.times(), false),
            Verdict::Overdue(due) => (due.times(), true),
            Verdict::Kept(_) | Verdict::Held(_) | Verdict::Undated(_) => return,
        };
        if times.demanded.is_some() {
            self.times(&times);
            self.demanded += 1;
            self.demanded_late += u64::from(late);
        }
    }

    /// Takes in when one of them became due, and its deadline.
    fn times(&mut self, times: &Times) {
        self.standing.add(times);
        let first = |own: Option<DateTime<Utc>>, other| Some(own.map_or(other, |own| own.min(other)));
        self.oldest_due = first(self.oldest_due, times.due);
        self.first_deadline = first(self.first_deadline, times.deadline);
    }

    /// Every record whose trigger gives no plausible instant.
    pub fn undated_total(&self) -> u64 {
        self.undated.values().sum()
    }

    /// Takes in a record; whether it is kept, and none of these.
    fn add(&mut self, verdict: &Verdict) -> bool {
        if let Verdict::Due(due) | Verdict::Overdue(due) = verdict {
            self.times(&due.times());
        }
        match verdict {
            Verdict::Kept(crate::rules::decide::Kept::NotStarted(_)) => self.not_started += 1,
            Verdict::Kept(_) => return true,
            Verdict::Due(_) => self.due += 1,
            Verdict::Overdue(_) => self.overdue += 1,
            Verdict::Held(_) => self.held += 1,
            Verdict::Undated(why) => *self.undated.entry(why.as_str()).or_default() += 1,
        }
        false
    }
}

impl Counts {
    /// Of no records yet; `late`: the clock that decides what is overdue.
    pub(super) fn new(rule: &Rule, late: DateTime<Utc>) -> Self {
        Self { kept: 0, backlog: Backlog::new(rule, late), hidden: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, verdict: &Verdict) {
        self.kept += u64::from(self.backlog.add(verdict));
    }

    /// The same, where nothing is hidden: a count of what could be seen is none.
    pub fn whole(self) -> Result<Self, DatastoreError> {
        if self.hidden.is_empty() {
            Ok(self)
        } else {
            Err(DatastoreError::Hidden { behind: kinds(&self.hidden) })
        }
    }

    /// Every record there is, as far as it can be seen.
    pub fn all(&self) -> u64 {
        self.backlog.past_due() + self.backlog.undated_total() + self.staying()
    }

    /// Every record that stays, whether its clock runs or not.
    pub fn staying(&self) -> u64 {
        self.kept + self.backlog.not_started
    }
}

/// How many of which kind, for people.
pub fn kinds(counts: &BTreeMap<&'static str, u64>) -> String {
    counts.iter().map(|(kind, n)| format!("{n} of kind `{kind}`")).collect::<Vec<_>>().join(", ")
}

/// Counts a dataset, on a connection of its own.
pub async fn count(
    datastore: &Datastore,
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
) -> Result<Counts, DatastoreError> {
    if let Some(rows) = bound.rows() {
        return counted(&mut Reader::open(datastore).await?, rows, cutoffs, orders, now).await;
    }
    let mut counts = Counts::new(bound.rule(), now.late);
    let BoundDataset::Files(pattern) = bound.dataset() else { return Ok(counts) };
    let mut pages = files::Pages::open(files::root_of(datastore)?, pattern, PAGE)?;
    while let Some(page) = pages.next().await? {
        add(&mut counts.hidden, &page.hidden);
        for found in &page.files {
            counts.add(&decide(bound, files::record(bound, found, 0)?, orders, now));
        }
    }
    Ok(counts)
}

/// The same over a connection that reads.
pub(super) async fn counted(
    reader: &mut Reader,
    rows: RowRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
) -> Result<Counts, DatastoreError> {
    let census = reader.census(rows, cutoffs).await?;
    let mut counts = told_apart(reader, rows, cutoffs, (orders, now), &census).await?;
    counts.kept += census.of("kept");
    Ok(counts)
}

/// The same of what is not kept. `layout`: of a datastore that was opened in this sweep before. `known`: SQL has told it apart already.
pub async fn backlog(
    (datastore, layout): (&Datastore, Option<&Layout>),
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    (orders, now): (&Orders, Now),
    of: Backlogged,
    known: Option<Census>,
) -> Result<Backlog, DatastoreError> {
    let Some(rows) = bound.rows() else {
        return Ok(count(datastore, bound, cutoffs, orders, now).await?.whole()?.backlog);
    };
    let mut reader = Reader::open_again(datastore, layout).await?;
    let census = match known {
        Some(census) => census,
        None => reader.backlog(rows, cutoffs, of).await?,
    };
    Ok(told_apart(&mut reader, rows, cutoffs, (orders, now), &census).await?.backlog)
}

/// SQL tells apart what nobody doubts; everything due, and everything SQL cannot read, is put before the judge.
async fn told_apart(
    reader: &mut Reader,
    bound: RowRule<'_>,
    cutoffs: &Cutoffs,
    (orders, now): (&Orders, Now),
    census: &Census,
) -> Result<Counts, DatastoreError> {
    let bound = bound.heeding(orders);
    let pending = bound.rule().trigger.pending;
    let mut counts = Counts::new(bound.rule(), now.late);
    let backlog = &mut counts.backlog;
    for (class, normal) in [
        ("null", pending.null),
        ("no_row", pending.no_row),
        ("future", pending.future),
        ("before_1970", false),
    ] {
        let n = census.of(class);
        if normal {
            backlog.not_started += n;
        } else if n > 0 {
            backlog.undated.insert(class, n);
        }
    }
    let judged = [
        (Phase::Regular, census.of("due") + census.of("overdue")),
        (Phase::Candidates, census.of(CANDIDATE)),
    ];
    let by_trigger = orders.without_requests();
    let mut judge = Judge::new(bound.bound(), &by_trigger, now);
    for (phase, expected) in judged {
        if expected > 0 {
            let count = |record: Record| {
                // Whoever demands what is due by itself may have it gone sooner.
                let asked = orders.demanded(&record.whose).map(|_| record.clone());
                let verdict = judge.decide(record);
                counts.add(&match (asked, verdict) {
                    (Some(record), Verdict::Due(_)) => decide(bound.bound(), record, orders, now),
                    (Some(_) | None, verdict) => verdict,
                });
            };
            each(reader, bound, cutoffs, phase, count).await?;
        }
    }
    if !orders.asked.is_empty() {
        let judge = |record| counts.backlog.demand(&decide(bound.bound(), record, orders, now));
        each(reader, bound, cutoffs, Phase::Demanded, judge).await?;
    }
    Ok(counts)
}

/// Counts the records of those who demand erasure, and no others.
pub(super) async fn demanded(
    (datastore, layout): (&Datastore, Option<&Layout>),
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
) -> Result<Backlog, DatastoreError> {
    let mut counts = Counts::new(bound.rule(), now.late);
    if let Some(rows) = bound.rows() {
        let mut reader = Reader::open_again(datastore, layout).await?;
        let judge = |record| counts.add(&decide(bound, record, orders, now));
        each(&mut reader, rows.heeding(orders), cutoffs, Phase::Demanded, judge).await?;
    }
    Ok(counts.backlog)
}

/// How many of the records that SQL cannot compare would go.
pub(super) async fn candidates_due(
    reader: &mut Reader,
    bound: RowRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
) -> Result<u64, DatastoreError> {
    let mut counts = Counts::new(bound.rule(), now.late);
    let judge = |record| counts.add(&decide(bound.bound(), record, orders, now));
    each(reader, bound.heeding(orders), cutoffs, Phase::Candidates, judge).await?;
    Ok(counts.backlog.due + counts.backlog.overdue)
}

/// Hands over every record that a phase is after.
async fn each(
    reader: &mut Reader,
    rows: RowRule<'_>,
    cutoffs: &Cutoffs,
    phase: Phase,
    mut judge: impl FnMut(Record),
) -> Result<(), DatastoreError> {
    let mut cursor = Cursor::default();
    // Ends because the cursor moves with every page.
    loop {
        let page = reader.page(rows, cutoffs, phase, &cursor, PAGE).await?;
        page.records.into_iter().for_each(&mut judge);
        if page.last {
            return Ok(());
        }
        cursor = page.next;
    }
}

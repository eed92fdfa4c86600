//! A sweep on its way through its records, whatever holds them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::brake::Brake;
use super::error::SweepError;
use super::idle::Idle;
use super::judge::Grounds;
use super::outcome::{Hindrance, Share};
use super::timing::Waits;
use super::{Progress, Report, Target, orders};
use crate::clock::Stopwatch;
use crate::datastore::sql::{Backlogged, CANDIDATE, Census, Layout, Reader, Writer};
use crate::ledger::entry::{Cause, SweepResult};
use crate::model::datastore::Datastore;
use crate::model::horizon::Horizon;
use crate::model::key::Key;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::state::{State, Sweep};

/// Everything that stands still while batches go by, and the report that grows.
pub(super) struct Run<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) bound: &'a BoundRule<'a>,
    pub(super) cutoffs: &'a Cutoffs,
    /// In force when they were last read.
    pub(super) orders: Arc<Orders>,
    pub(super) now: Now,
    pub(super) brake: &'a Brake,
    /// Of the rule's own datastore, as who surveyed it saw it; none: it has no tables.
    pub(super) layout: Option<Layout>,
    pub(super) cause: Cause,
    pub(super) sweep: &'a Sweep,
    /// The rule's own records that may still go in this sweep.
    pub(super) allowance: u64,
    /// For a version that nobody has approved: the records of all datasets that may still go.
    pub(super) unapproved: Option<u64>,
    /// The dependents of the batch at which it stopped, where more would have gone with them than may; none: they are not why.
    pub(super) along: Option<u64>,
    pub(super) total: u64,
    pub(super) watch: Stopwatch,
    pub(super) idle: Idle,
    /// What a connection of its own has counted since the last batch.
    pub(super) census: Option<Census>,
    /// Records that a query took for due, and the judge did not.
    pub(super) spared: u64,
    pub(super) report: Report,
    /// Records some of whose dependents are gone while they themselves are still there.
    pub(super) stranded: BTreeSet<Key>,
}

/// What became of the records of a batch.
pub(super) struct Sums {
    /// Records that went, dependents included.
    pub(super) went: u64,
    /// Records that somebody else had locked.
    pub(super) passed_over: u64,
    /// Records that a query took for due, and the judge did not.
    pub(super) spared: u64,
    /// Records that were looked at.
    pub(super) selected: u64,
}

/// What a look at the orders comes to.
#[derive(PartialEq, Eq)]
pub(super) enum Heeded {
    /// They are as before.
    Same,
    /// There are others: what was judged by the old ones is judged again.
    Changed,
    /// Nothing may be disposed of any more.
    Halted,
}

impl<'a> Run<'a> {
    /// What the records of the next batch are judged by.
    pub(super) fn grounds(&self) -> Grounds<'a> {
        let Self { target, bound, cutoffs, now, .. } = *self;
        Grounds { target, bound, cutoffs, orders: Arc::clone(&self.orders), now }
    }

    /// Whether SQL left records to the judge: a look at everything, which is the residue's too where it finds none.
    pub(super) async fn has_candidates(
        &mut self,
        rows: RowRule<'_>,
        writer: &Writer,
    ) -> Result<bool, SweepError> {
        if !writer.leaves_to_the_judge(rows) {
            return Ok(false);
        }
        let own = self.target.own()?;
        let (orders, cutoffs, layout) = (Arc::clone(&self.orders), self.cutoffs, self.layout.as_ref());
        let counted = async {
            Reader::open_again(own, layout)
                .await?
                .backlog(rows.heeding(&orders), cutoffs, Backlogged::All)
                .await
        };
        match counted.await {
            Ok(census) if census.of(CANDIDATE) == 0 => {
                self.census = Some(census);
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "nobody knows whether records are left to the judge: all of them are looked at"
                );
                Ok(true)
            }
        }
    }

    /// Reads the orders again where one was given since; says whether the sweep may go on. Before every batch that is not made ahead:
    /// the intent of one that is asks for them.
    pub(super) async fn heed(&mut self, state: &mut State) -> Result<Heeded, SweepError> {
        let known = self.orders.generation;
        let changed = state.generation().await? != known;
        if changed {
            self.orders = Arc::new(orders(state, self.target, self.cause).await?);
        }
        // After the orders: a pause that comes between is newer than they are, and no intent is written under them.
        self.report.halted = state.halt().await?;
        Ok(match (&self.report.halted, changed) {
            (Some(_), _) => Heeded::Halted,
            (None, true) => Heeded::Changed,
            (None, false) => Heeded::Same,
        })
    }

    /// Whether no further batch may begin: the run cap is reached, or the brake was pulled.
    pub(super) fn has_to_stop(&self) -> bool {
        self.watch.elapsed() >= self.target.run_cap || self.brake.pulled()
    }

    /// Says how far it has come.
    pub(super) fn tell(&self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) {
        progress(Progress { cause: self.cause, total: self.total, report: &self.report });
    }

    /// Adds what became of a batch to the rest; how many records went.
    pub(super) fn add(&mut self, Sums { went, passed_over, spared, .. }: &Sums) -> u64 {
        self.report.locked += passed_over;
        self.spared += spared;
        *went
    }

    /// Whether the records that were counted before the sweep are all gone, and nothing that a query took for due is left: what is due still
    /// has come to be meanwhile. `before`: as [`Reader::count_selected`] counted them, at the same cut-off.
    pub(super) fn has_accounted(&self, own: &Datastore) -> bool {
        let Self { report, orders, .. } = self;
        self.bound.rows().is_some_and(|rows| Reader::counts_exactly(own, rows))
            && report.result == SweepResult::Completed
            && report.disposed == self.total
            && (report.locked, report.refusals(), report.changed, self.spared) == (0, 0, 0, 0)
            && !orders.all_held
            && orders.held.is_empty()
    }

    /// Remembers the records of a batch that stays, where something that hung on them went.
    pub(super) fn strand(&mut self, due: &[Due], went: u64) {
        self.unapproved = self.unapproved.map(|left| left.saturating_sub(went));
        if went > 0 {
            self.stranded.extend(due.iter().map(|due| due.key().clone()));
        }
    }

    /// Whether something that hung on any of these went in an earlier try.
    pub(super) fn has_stranded(&self, due: &[Due]) -> bool {
        !self.stranded.is_empty() && due.iter().any(|due| self.stranded.contains(due.key()))
    }

    /// One of the rule's datastores, by its number among the shares, for a commit there.
    pub(super) fn share(&self, number: usize, keys: Vec<Vec<Key>>) -> Share<'_> {
        Share { target: self.target, datastore: self.bound.shares()[number].datastore, keys }
    }

    /// When what goes from the rule's own datastore is gone from its backups too.
    pub(super) fn horizon(&self) -> Horizon {
        self.target.horizon(&self.target.rule.datastore)
    }
}

/// Sets a record aside that something still stands in the way of.
pub(super) fn out_of_the_way(report: &mut Report, by: Hindrance) {
    match by {
        Hindrance::Lock => report.locked += 1,
        Hindrance::Other(why) => set_aside(report, why),
    }
}

pub(super) fn set_aside(report: &mut Report, why: &'static str) {
    match report.refused.iter_mut().find(|(known, _)| *known == why) {
        Some((_, n)) => *n += 1,
        None => report.refused.push((why, 1)),
    }
}

/// `went`: records of all datasets.
pub(super) fn tally(run: &mut Run<'_>, due: &[Due], waits: &Waits, went: u64) {
    let report = &mut run.report;
    let own = due.len() as u64;
    report.disposed += own;
    run.allowance = run.allowance.saturating_sub(own);
    run.unapproved = run.unapproved.map(|left| left.saturating_sub(went));
    report.add(waits);
    if !run.stranded.is_empty() {
        for record in due {
            run.stranded.remove(record.key());
        }
    }
}

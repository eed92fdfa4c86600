//! The demo's world: a list of cases, each with the fate that its construction gives it.
//!
//! Nothing here asks the judge. Around one frozen [`Now`], each service works out by its own arithmetic, spelled out
//! beside the cases, which triggers are due and which overdue; a sweep must come to the same set of survivors.

mod build;
mod motorsport;
mod office365;
mod people;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::model::now::Now;

pub use build::build;

/// What a sweep at the world's now makes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays: its period runs, or has not begun.
    Kept,
    /// It goes, in time.
    Due,
    /// It goes, too late: the backlog that the world begins with.
    Overdue,
    /// It stays, and somebody has to look: its trigger is no time.
    Undated,
}

impl Fate {
    /// Whether the record is gone after the sweep.
    pub fn gone(self) -> bool {
        matches!(self, Self::Due | Self::Overdue)
    }
}

/// One record of a rule's table; its id is its position, from 1.
#[derive(Debug)]
pub struct Case {
    /// Why it is there.
    pub what: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// What its trigger reads, as stored: one value, or one a licence; `None` is NULL.
    pub triggers: Vec<Option<String>>,
}

impl Case {
    fn new(what: &'static str, fate: Fate, trigger: Option<String>) -> Self {
        Self { what, fate, triggers: vec![trigger] }
    }

    fn at(what: &'static str, fate: Fate, trigger: DateTime<Utc>) -> Self {
        Self::new(what, fate, Some(stamp(trigger)))
    }
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is not there any more.
    Gone,
    /// It is there, untouched.
    Kept,
    /// It is there, and does not say any more whose it was.
    Pseudonymized,
}

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    /// Its primary key, and its first value.
    pub id: i64,
    /// What becomes of it.
    pub after: After,
    /// One a column.
    pub values: Json,
}

/// A table of a service.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns; `id` is the first.
    pub columns: &'static [&'static str],
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    fn new(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, columns, rows: Vec::new() }
    }

    /// The id of the row that is added next.
    fn next(&self) -> i64 {
        i64::try_from(self.rows.len()).unwrap_or(i64::MAX) + 1
    }

    fn add(&mut self, after: After, values: Json) {
        self.rows.push(Row { id: self.next(), after, values });
    }

    /// The ids of the rows that are there after a sweep.
    pub fn survivors(&self) -> BTreeSet<i64> {
        self.rows.iter().filter(|row| row.after != After::Gone).map(|row| row.id).collect()
    }

    /// The ids of the rows that have been pseudonymized after a sweep.
    pub fn pseudonymized(&self) -> BTreeSet<i64> {
        self.rows.iter().filter(|row| row.after == After::Pseudonymized).map(|row| row.id).collect()
    }
}

/// A service: one datastore, one rule.
#[derive(Debug)]
pub struct Service {
    /// The service's id, and its datastore's.
    pub name: &'static str,
    /// The rule within the service.
    pub rule: &'static str,
    schema: &'static str,
    /// The records of the rule's table.
    pub cases: Vec<Case>,
    /// Every table, each after those it refers to.
    pub tables: Vec<Table>,
}

impl Service {
    /// `service/rule`.
    pub fn rule_id(&self) -> String {
        format!("{}/{}", self.name, self.rule)
    }

    /// How many of the rule's records share a fate.
    pub fn count(&self, fate: Fate) -> u64 {
        self.cases.iter().filter(|case| case.fate == fate).map(|_| 1).sum()
    }

    /// The id of the first record with this fate.
    pub fn example(&self, fate: Fate) -> Option<usize> {
        self.cases.iter().position(|case| case.fate == fate).map(|position| position + 1)
    }
}

/// Every service of the demo, around one now.
#[derive(Debug)]
pub struct World {
    /// The one now that all of it is built around, and that its sweeps use.
    pub now: Now,
    /// In the order of their rule files.
    pub services: Vec<Service>,
}

impl World {
    /// The world around a now: the same now gives the same world.
    pub fn around(now: Now) -> Self {
        Self { now, services: vec![motorsport::service(now), office365::service(now)] }
    }
}

/// Fixed width, UTC, microseconds: what a `timestamptz` column holds.
fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

//! The demo's world: a list of cases, each with the fate that its construction gives it.
//!
//! Nothing here asks the judge. Around one frozen [`Now`], each service works out by plain arithmetic (`bounds`) which triggers
//! are due; a sweep must come to the same set of survivors. The world begins without a backlog: whatever has to go is in time.

mod bounds;
mod build;
mod business_hub;
mod cases;
mod company_account;
mod console;
mod endpoint;
mod gsi_parser;
mod motorsport;
mod my_kaspersky;
mod office365;
mod partner_portal;
mod people;
mod statistics;
mod web_forms;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::model::now::Now;

pub use build::build;

/// What a sweep at the world's now makes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays: its period runs, or has not begun.
    Kept,
    /// It goes, in time.
    Due,
    /// It stays, and somebody has to look: its trigger is no time.
    Undated,
}

impl Fate {
    /// What becomes of the record, and of what hangs on it.
    fn after(self) -> After {
        match self {
            Self::Due => After::Gone,
            Self::Kept | Self::Undated => After::Kept,
        }
    }
}

/// One record of a rule.
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

    /// The only value.
    fn own(&self) -> Option<&str> {
        self.triggers.first().and_then(Option::as_deref)
    }
}

/// What becomes of a row or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is not there any more.
    Gone,
    /// It is there, untouched.
    Kept,
    /// It is there, and does not say any more whose it was.
    Pseudonymized,
}

/// The records that one rule selects.
#[derive(Debug)]
pub struct Selected {
    /// The rule within the service.
    pub rule: &'static str,
    /// Each with its key, as a person types it.
    pub cases: Vec<(String, Case)>,
    /// Other records of its dataset, all of which stay.
    pub besides: u64,
    /// How many records of dependents go, or are pseudonymized, with them.
    pub dependents: u64,
}

impl Selected {
    fn by(rule: &'static str) -> Self {
        Self { rule, cases: Vec::new(), besides: 0, dependents: 0 }
    }

    fn case(&mut self, key: &impl ToString, case: Case) {
        self.cases.push((key.to_string(), case));
    }

    /// Counts a record of a dependent.
    fn hang(&mut self, after: After) -> After {
        self.dependents += u64::from(after != After::Kept);
        after
    }

    /// How many of the rule's records share a fate.
    pub fn count(&self, fate: Fate) -> u64 {
        let cases: u64 = self.cases.iter().filter(|(_, case)| case.fate == fate).map(|_| 1).sum();
        cases + if fate == Fate::Kept { self.besides } else { 0 }
    }
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

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns beside `id`, each with its type and constraints.
    pub columns: &'static [&'static str],
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    fn ids(&self, wanted: impl Fn(After) -> bool) -> BTreeSet<i64> {
        self.rows.iter().filter(|row| wanted(row.after)).map(|row| row.id).collect()
    }

    /// The ids of the rows that are there after a sweep.
    pub fn survivors(&self) -> BTreeSet<i64> {
        self.ids(|after| after != After::Gone)
    }

    /// The ids of the rows that have been pseudonymized after a sweep.
    pub fn pseudonymized(&self) -> BTreeSet<i64> {
        self.ids(|after| after == After::Pseudonymized)
    }
}

/// A database.
#[derive(Debug)]
pub struct Database {
    /// The datastore's name.
    pub name: &'static str,
    /// Its tables, each after those it refers to.
    pub tables: Vec<Table>,
}

impl Database {
    fn new(name: &'static str, tables: &[(&'static str, &'static [&'static str])]) -> Self {
        let table = |(name, columns): &(&'static str, &'static [&'static str])| Table {
            name,
            columns,
            rows: Vec::new(),
        };
        Self { name, tables: tables.iter().map(table).collect() }
    }

    /// Adds a row of these values, one a column beside `id`, and says its id.
    fn add(&mut self, table: &'static str, after: After, values: Json) -> i64 {
        let Some(table) = self.tables.iter_mut().find(|known| known.name == table) else { return 0 };
        let id = i64::try_from(table.rows.len()).unwrap_or(i64::MAX - 1) + 1;
        let mut all = vec![json!(id)];
        if let Json::Array(values) = values {
            all.extend(values);
        }
        table.rows.push(Row { id, after, values: Json::Array(all) });
        id
    }
}

/// A file of a tree.
#[derive(Debug)]
pub struct File {
    /// Relative to the root.
    pub path: String,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// What becomes of it.
    pub after: After,
}

/// A tree of files.
#[derive(Debug)]
pub struct Tree {
    /// The datastore's name.
    pub name: &'static str,
    /// Its files.
    pub files: Vec<File>,
}

impl Tree {
    fn new(name: &'static str) -> Self {
        Self { name, files: Vec::new() }
    }

    fn add(&mut self, after: After, path: impl Into<String>, modified: DateTime<Utc>) {
        self.files.push(File { path: path.into(), modified, after });
    }

    /// Backups, each as old as its name says.
    fn of_backups(name: &'static str, backups: Vec<Case>, now: Now) -> (Self, Selected) {
        let (mut tree, mut selected) = (Self::new(name), Selected::by("backups"));
        for case in backups {
            let path = case.own().unwrap_or_default().to_owned();
            tree.add(case.fate.after(), path.clone(), now.eligible);
            selected.case(&path, case);
        }
        (tree, selected)
    }

    /// What is there after a sweep: the paths of files, and those of the directories that hold one, with a `/` behind.
    pub fn survivors(&self) -> BTreeSet<&str> {
        let files = self.files.iter().filter(|file| file.after != After::Gone);
        files.flat_map(|file| directories(&file.path).chain([file.path.as_str()])).collect()
    }
}

/// The directories on the way to a file, each with a `/` behind.
fn directories(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// A service: one rule file.
#[derive(Debug)]
pub struct Service {
    /// The service's id.
    pub name: &'static str,
    /// Its databases.
    pub databases: Vec<Database>,
    /// Its trees.
    pub trees: Vec<Tree>,
    /// Its rules, in the order of the file.
    pub rules: Vec<Selected>,
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
        let services = [
            business_hub::service,
            company_account::service,
            endpoint::service,
            gsi_parser::service,
            motorsport::service,
            my_kaspersky::service,
            partner_portal::service,
            console::service,
            office365::service,
            web_forms::service,
            statistics::service,
        ];
        Self { now, services: services.iter().map(|service| service(now)).collect() }
    }

    /// What the world says of a rule's records.
    pub fn rule(&self, service: &str, rule: &str) -> Option<&Selected> {
        let service = self.services.iter().find(|known| known.name == service)?;
        service.rules.iter().find(|known| known.rule == rule)
    }
}

/// Fixed width, UTC, microseconds: what a `timestamptz` column holds.
fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

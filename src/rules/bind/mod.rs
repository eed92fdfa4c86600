//! A rule proved against its datastores' catalogues. Only a bound rule can be planned or swept.

mod action;
mod bound;
mod literal;
mod reach;

pub use bound::{
    BoundDataset, BoundDependent, BoundDependents, BoundRule, BoundTable, MarkKind, People, Reads, RowRule,
    Share, TriggerKind, Written,
};

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Clock, clock};
use super::rule::{Action, Condition, Dataset, Dependent, DependentDataset, Match, Rule, TriggerPlace, Unit};
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::calendar::{MomentKind, Zone};
use crate::model::catalogue::{Catalogues, Column, ColumnKind, Shown, Table};
use crate::model::name::{ColumnName, DatastoreName, LocalId, TableName};
use crate::model::pattern::Pattern;
use crate::model::period::Period;

/// Proves a rule against the catalogues of its datastores, or says everything that is wrong with it. Files have none.
pub fn bind<'r>(rule: &'r Rule, catalogues: &Catalogues) -> Result<BoundRule<'r>, Diagnostics> {
    let mut binder = Binder { rule, catalogues, places: &rule.places, problems: Vec::new() };
    let bound = binder.bind();
    match bound {
        Some(bound) if binder.problems.is_empty() => Ok(bound),
        _ => Err(Diagnostics::new(binder.problems)),
    }
}

const TRIGGER: &str = "trigger.column";

/// A table of a datastore under its name.
#[derive(Clone, Copy)]
struct Side<'n, 'c> {
    datastore: &'n DatastoreName,
    name: &'n TableName,
    table: &'c Table,
}

struct Binder<'r, 'c> {
    rule: &'r Rule,
    catalogues: &'c Catalogues,
    /// Of the rule, or of the dependent under examination.
    places: &'r Places,
    problems: Vec<Diagnostic>,
}

impl<'r, 'c> Binder<'r, 'c> {
    fn bind(&mut self) -> Option<BoundRule<'r>> {
        let rule = self.rule;
        match &rule.dataset {
            Dataset::Table { table, key } => self.bind_rows(table, key),
            Dataset::Files(pattern) => {
                let trigger = self.trigger_of_file()?;
                let shares = vec![Share { datastore: &rule.datastore, dependents: Vec::new() }];
                let dataset = BoundDataset::Files(pattern);
                Some(BoundRule { rule, trigger, dataset, dependents: Vec::new(), shares })
            }
            Dataset::Objects(_) | Dataset::Keys(_) => {
                self.not_swept_yet("pattern");
                None
            }
        }
    }

    fn bind_rows(&mut self, name: &'r TableName, key: &'r [ColumnName]) -> Option<BoundRule<'r>> {
        let rule = self.rule;
        let own =
            Side { datastore: &rule.datastore, name, table: self.table("table", &rule.datastore, name)? };
        self.key(own, key);
        if let Some(subject) = &rule.subject {
            self.subject(own, &subject.column);
        }
        self.conditions("only", own, &rule.only);
        for (number, unless) in rule.unless.iter().enumerate() {
            let at = rule.unless_at(number);
            if let Some(table) = self.table(&format!("{at}.table"), &rule.datastore, &unless.table) {
                let other = Side { datastore: &rule.datastore, name: &unless.table, table };
                self.matches(&format!("{at}.match"), (other, own), &unless.matches);
                self.conditions(&format!("{at}.only"), other, &unless.only);
            }
        }
        let trigger = self.trigger(own);
        let mark = self.action(own, key, &rule.action);
        let dependents = self.dependents(own);
        self.reach(own, &dependents);
        let shares = self.shares(&dependents);
        let (reads, trigger) = trigger?;
        let table = BoundTable {
            name,
            key,
            reads,
            mark,
            trigger_indexed: matches!(reads, Reads::Own(c) if own.table.indexed.contains(c)),
            integer_key: matches!(key, [only] if own.table.column(only).is_some_and(is_integer_key)),
        };
        Some(BoundRule { rule, trigger, dataset: BoundDataset::Table(table), dependents, shares: shares? })
    }

    /// The language knows objects and keys; no datastore of this version holds any.
    fn not_swept_yet(&mut self, at: &str) {
        let help =
            "this version sweeps rows of SQLite tables and files: `check --rules` proves the rule offline";
        self.problems.push(Diagnostic::error(
            Code::NotSupported,
            self.places.of(at),
            "objects and keys cannot be swept yet",
            help,
        ));
    }

    /// Two numbers may share one printed form: such a column names nobody.
    fn subject(&mut self, own: Side<'_, 'c>, name: &ColumnName) {
        let Some(column) = self.column("subject", own, name) else { return };
        let declared = column.declared.to_ascii_lowercase();
        if ["real", "floa", "doub"].iter().any(|kind| declared.contains(kind)) {
            let message =
                format!("`{name}` of `{}` holds floating-point numbers, which identify nobody", own.name);
            self.problem("subject", message, "name the column of an integer, a text or bytes".to_owned());
        }
    }

    /// What the rule disposes of in each datastore, in an order in which whatever hangs on something comes after it. A circle
    /// would leave behind what hangs on the part that goes first.
    fn shares(&mut self, dependents: &[BoundDependent<'r>]) -> Option<Vec<Share<'r>>> {
        let rule = self.rule;
        let mut leads: BTreeMap<&DatastoreName, BTreeSet<&DatastoreName>> = BTreeMap::new();
        leads.entry(&rule.datastore).or_default();
        for bound in dependents {
            let own = &bound.dependent.datastore;
            let parent = bound.of.map_or(&rule.datastore, |of| &dependents[of].dependent.datastore);
            let before = leads.entry(own).or_default();
            if parent != own {
                before.insert(parent);
            }
        }
        let mut shares: Vec<Share<'r>> = Vec::new();
        // Ends: each turn places a datastore, or none is left that can be placed.
        while let Some(datastore) = leads
            .iter()
            .find(|(_, before)| before.iter().all(|b| shares.iter().any(|s| s.datastore == *b)))
            .map(|(datastore, _)| *datastore)
        {
            leads.remove(datastore);
            let here = |(_, bound): &(usize, &BoundDependent<'r>)| &bound.dependent.datastore == datastore;
            let of_it = dependents.iter().enumerate().filter(here).map(|(at, _)| at).collect();
            shares.push(Share { datastore, dependents: of_it });
        }
        if leads.is_empty() {
            return Some(shares);
        }
        let what = format!(
            "dependents lead from {} back to a datastore they came from, and no order disposes of all of them safely",
            list(leads.keys())
        );
        self.problem(
            "dependent",
            what,
            "let what hangs on a dependent stay in its datastore, or go on to a new one",
        );
        None
    }

    fn problem(&mut self, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.found(Code::Catalogue, at, what, help);
    }

    fn found(&mut self, code: Code, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(code, self.places.of(at), what, help));
    }

    fn table(&mut self, at: &str, datastore: &DatastoreName, name: &TableName) -> Option<&'c Table> {
        let Some(catalogue) = self.catalogues.get(datastore) else {
            self.problem(at, format!("datastore `{datastore}` has no tables"), "name a SQL datastore");
            return None;
        };
        let found = catalogue.tables.get(name);
        if let (None, Some(other)) = (found, catalogue.no_tables.get(name)) {
            let what = format!("`{name}` of datastore `{datastore}` is {other}, and no rule can be about it");
            self.problem(at, what, other.instead());
        } else if found.is_none() {
            let known: Vec<&str> = catalogue.tables.keys().map(TableName::as_str).collect();
            let what = format!("table `{name}` does not exist in datastore `{datastore}`");
            let otherwise = match known.as_slice() {
                [] => format!("the datastore has no tables{}", as_far_as(catalogue.shown)),
                known => format!("its tables are {}{}", list(known.iter()), as_far_as(catalogue.shown)),
            };
            let help = did_you_mean(name.as_str(), &known, otherwise);
            self.problem(at, what, help);
        }
        found
    }

    fn column(&mut self, at: &str, of: Side<'_, 'c>, name: &ColumnName) -> Option<&'c Column> {
        let found = of.table.column(name);
        if of.table.generated.contains(name) {
            let what = format!(
                "column `{name}` of `{}` is generated: the engine fills it in from others, and nothing is written there",
                of.name
            );
            self.problem(
                at,
                what,
                "name the columns that it is made of, or a copy that the application writes",
            );
        } else if found.is_none() {
            let known: Vec<&str> = of.table.columns.iter().map(|c| c.name.as_str()).collect();
            let shown = self.catalogues.get(of.datastore).map_or(Shown::Everything, |c| c.shown);
            let otherwise = format!("its columns are {}{}", list(known.iter()), as_far_as(shown));
            let help = did_you_mean(name.as_str(), &known, otherwise);
            self.problem(at, format!("column `{name}` does not exist in `{}`", of.name), help);
        }
        found
    }

    fn conditions(&mut self, at: &str, of: Side<'_, 'c>, conditions: &[Condition]) {
        for condition in conditions {
            let at = format!("{at}.{}", condition.column);
            if let Some(column) = self.column(&at, of, &condition.column) {
                self.literals(&at, (of, column), &condition.test);
            }
        }
    }

    fn matches(&mut self, at: &str, (theirs, ours): (Side<'_, 'c>, Side<'_, 'c>), matches: &[Match]) {
        for m in matches {
            let at = format!("{at}.{}", m.theirs);
            let one = self.column(&at, theirs, &m.theirs);
            let other = self.column(&at, ours, &m.ours);
            let (Some(one), Some(other)) = (one, other) else { continue };
            if matches!(
                (one.kind, other.kind),
                (ColumnKind::Integer, ColumnKind::Text) | (ColumnKind::Text, ColumnKind::Integer)
            ) {
                let what = format!(
                    "`{}` of `{}` is declared `{}`, `{}` of `{}` is declared `{}`: a number and a text never match",
                    m.theirs, theirs.name, one.declared, m.ours, ours.name, other.declared
                );
                self.problem(&at, what, "match columns of one type");
            }
        }
    }

    /// The columns of a pattern must single out what the files hang on: else they would go with the first of several that
    /// share them.
    fn pattern(&mut self, pattern: &Pattern, of: Side<'_, 'c>) {
        let columns: Vec<&ColumnName> =
            pattern.columns().filter(|name| self.column("pattern", of, name).is_some()).collect();
        if let Some(name) =
            columns.iter().find(|name| of.table.column(name).is_some_and(Column::tells_types_apart))
        {
            let what = format!(
                "`{name}` of `{}` may hold a number and the text of it, two records that would share the files of `{pattern}`",
                of.name
            );
            self.problem("pattern", what, "name a column that is declared to hold text or numbers");
        }
        let named: BTreeSet<ColumnName> = columns.into_iter().cloned().collect();
        if named.len() == pattern.columns().count()
            && !of.table.unique.iter().any(|unique| unique.is_subset(&named))
        {
            let what = format!(
                "several records of `{}` could share the files of `{pattern}`, which would go with the first of them",
                of.name
            );
            let help = match of.table.primary_key.as_slice() {
                [] => "name columns that are unique and NOT NULL in the pattern".to_owned(),
                key => {
                    format!("name {} in the pattern, or a unique column that is NOT NULL", list(key.iter()))
                }
            };
            self.problem("pattern", what, help);
        }
    }

    /// A key must single out one record: the engine has to enforce it, or a proof could speak of two.
    fn key(&mut self, of: Side<'_, 'c>, key: &[ColumnName]) {
        let found = key.iter().filter_map(|name| self.column("key", of, name)).collect::<Vec<_>>();
        if found.len() < key.len() {
            return;
        }
        let named: BTreeSet<ColumnName> = key.iter().cloned().collect();
        if !of.table.unique.iter().any(|unique| unique.is_subset(&named)) {
            let primary = &of.table.primary_key;
            let help = if primary.is_empty() {
                "give the table a primary key, or a unique index over columns that are NOT NULL".to_owned()
            } else if primary == key {
                format!("{} admits NULL: declare it NOT NULL", list(primary.iter()))
            } else {
                format!("its primary key is {}", list(primary.iter()))
            };
            let what = if key.is_empty() {
                format!(
                    "`{}` has no primary key, and nothing says what identifies one of its records",
                    of.name
                )
            } else {
                format!("key {} of `{}` does not identify one record", list(key.iter()), of.name)
            };
            self.problem("key", what, help);
        }
    }

    fn trigger(&mut self, own: Side<'r, 'c>) -> Option<(Reads<'r>, TriggerKind)> {
        let rule = self.rule;
        let (of, name, reads) = match &rule.trigger.place {
            TriggerPlace::Column(name) => (own, name, Reads::Own(name)),
            TriggerPlace::Rows { table: name, matches, column, pick } => {
                let table = self.table("trigger.table", own.datastore, name)?;
                let other = Side { datastore: own.datastore, name, table };
                self.matches("trigger.match", (other, own), matches);
                (other, column, Reads::Others { table: name, matches, column, pick: *pick })
            }
            TriggerPlace::Request => return Some((Reads::Nothing, TriggerKind::Instant)),
            // The document refuses these on rows.
            TriggerPlace::Modified
            | TriggerPlace::Name
            | TriggerPlace::ObjectModified
            | TriggerPlace::Field(_)
            | TriggerPlace::Idle => return None,
        };
        let column = self.column(TRIGGER, of, name)?;
        let kind = self.trigger_kind(of.name, column)?;
        if kind.moment() == MomentKind::Date {
            self.refuse_hours(TRIGGER, &format!("trigger column `{}` of `{}`", column.name, of.name));
        }
        Some((reads, kind))
    }

    fn trigger_of_file(&mut self) -> Option<TriggerKind> {
        let reading = &self.rule.trigger.reading;
        match &reading.format {
            None => Some(TriggerKind::Integer(Unit::Microseconds)),
            Some(format) => {
                let written = match (clock(format), reading.time_zone) {
                    (Clock::None, _) => Written::Date,
                    (Clock::Offset, _) => Written::WithOffset,
                    (Clock::Utc | Clock::Local, zone) => Written::Local(zone?),
                };
                if written == Written::Date {
                    self.refuse_hours("trigger.name", "the time in the file's name");
                }
                Some(TriggerKind::Text(format.clone(), written))
            }
        }
    }

    fn refuse_hours(&mut self, at: &str, what: &str) {
        let periods = [self.rule.retain.period(), self.rule.delete_by.period()];
        if periods.into_iter().any(|p| matches!(p, Period::Elapsed(_))) {
            self.problem(
                at,
                format!("{what} is a DATE, on which hours cannot be counted"),
                "write `retain` and `delete_by` in days, weeks, months or years, or use a trigger with a time of day",
            );
        }
    }

    fn trigger_kind(&mut self, of: &TableName, column: &Column) -> Option<TriggerKind> {
        let reading = &self.rule.trigger.reading;
        let what = format!("trigger column `{}` of `{of}` is declared `{}`", column.name, column.declared);
        let (unit, format, zone) = (reading.unit, reading.format.clone(), reading.time_zone);
        match (column.kind, unit, format, zone) {
            (ColumnKind::Instant, None, None, None) => Some(TriggerKind::Instant),
            (ColumnKind::Date, None, None, None) => Some(TriggerKind::Date),
            (ColumnKind::Naive, None, None, Some(zone)) => Some(TriggerKind::Naive(zone)),
            (ColumnKind::Integer, Some(unit), None, None) => Some(TriggerKind::Integer(unit)),
            (ColumnKind::Text | ColumnKind::Other, None, Some(format), zone) => {
                self.text_trigger(what, format, zone)
            }
            (ColumnKind::Integer, ..) => {
                self.problem(
                    TRIGGER,
                    what,
                    "an integer trigger needs `unit = \"s\" | \"ms\" | \"us\"` and nothing else",
                );
                None
            }
            (ColumnKind::Naive, ..) => {
                self.problem(
                    TRIGGER,
                    what,
                    "a date-time without an offset needs `time_zone` and nothing else",
                );
                None
            }
            (ColumnKind::Instant | ColumnKind::Date, ..) => {
                self.problem(
                    TRIGGER,
                    what,
                    "this type says it all: leave out `unit`, `format` and `time_zone`",
                );
                None
            }
            (ColumnKind::Text | ColumnKind::Other, ..) => {
                self.problem(
                    TRIGGER,
                    what,
                    "a text trigger needs `format`, and `time_zone` where the text has no offset",
                );
                None
            }
        }
    }

    fn text_trigger(&mut self, what: String, format: String, zone: Option<Zone>) -> Option<TriggerKind> {
        let written = match (clock(&format), zone) {
            (Clock::None, None) => Written::Date,
            (Clock::Offset, None) => Written::WithOffset,
            (Clock::Utc, None) => Written::Local(Zone::utc()),
            (Clock::Utc | Clock::Local, Some(zone)) => Written::Local(zone),
            (Clock::Local, None) => {
                let help = "add `time_zone`: the format has a time of day and does not say in which zone";
                self.problem(TRIGGER, what, help);
                return None;
            }
            (Clock::None | Clock::Offset, Some(_)) => {
                self.problem(TRIGGER, what, "remove `time_zone`: the format says it, or needs none");
                return None;
            }
        };
        Some(TriggerKind::Text(format, written))
    }

    fn dependents(&mut self, own: Side<'r, 'c>) -> Vec<BoundDependent<'r>> {
        let mut bound: Vec<BoundDependent<'r>> = Vec::new();
        let mut tables: BTreeMap<&'r LocalId, (usize, Side<'r, 'c>)> = BTreeMap::new();
        for dependent in &self.rule.dependents {
            let parent = dependent.of.as_ref().map(|of| tables.get(of).copied());
            let (of, ours) = match parent {
                None => (None, own),
                Some(Some((at, side))) => (Some(at), side),
                Some(None) => {
                    self.refuse_hanging_on_files(dependent, &bound);
                    continue;
                }
            };
            self.places = &dependent.places;
            let dataset = match &dependent.dataset {
                DependentDataset::Files { pattern, .. } => {
                    self.pattern(pattern, ours);
                    BoundDependents::Files(pattern)
                }
                DependentDataset::Keys(_) => {
                    self.not_swept_yet("pattern");
                    continue;
                }
                DependentDataset::Rows { table: name, key, matches } => {
                    let Some(table) = self.table("table", &dependent.datastore, name) else { continue };
                    let theirs = Side { datastore: &dependent.datastore, name, table };
                    self.matches("match", (theirs, ours), matches);
                    let key = key.clone().unwrap_or_else(|| table.primary_key.clone());
                    self.key(theirs, &key);
                    let mark = self.action(theirs, &key, &dependent.action);
                    self.mark_of_its_own(dependent, name, &bound);
                    tables.insert(&dependent.id, (bound.len(), theirs));
                    let goes =
                        of.map_or(&self.rule.action, |at| &bound[at].dependent.action) == &Action::Delete;
                    let followed =
                        goes && ours.datastore == theirs.datastore && reach::acts(ours.table, name, matches);
                    BoundDependents::Rows { table: name, key, matches, mark, followed }
                }
            };
            bound.push(BoundDependent { dependent, of, dataset });
        }
        self.places = &self.rule.places;
        bound
    }

    /// What hangs on a dependent that was refused itself has been reported with it.
    fn refuse_hanging_on_files(&mut self, dependent: &'r Dependent, bound: &[BoundDependent<'r>]) {
        let of_files = bound.iter().any(|b| {
            Some(&b.dependent.id) == dependent.of.as_ref() && matches!(b.dataset, BoundDependents::Files(_))
        });
        if of_files {
            self.places = &dependent.places;
            self.problem(
                "of",
                "a file has no columns that could lead further",
                "let it hang on the row that names the file",
            );
        }
    }

    /// A row that two of them lead to would count as done after the first, with the columns of the second untouched.
    fn mark_of_its_own(
        &mut self,
        dependent: &'r Dependent,
        table: &TableName,
        before: &[BoundDependent<'r>],
    ) {
        let Action::Pseudonymize { mark, .. } = &dependent.action else { return };
        let rule = self.rule;
        let own = (&rule.datastore, rule.dataset.name(), &rule.action);
        let mut others = before
            .iter()
            .map(|b| (&b.dependent.datastore, b.dependent.dataset.name(), &b.dependent.action))
            .chain([own])
            .filter(|(datastore, name, _)| *datastore == &dependent.datastore && *name == table.as_str());
        let taken =
            others.any(|(_, _, action)| matches!(action, Action::Pseudonymize { mark: m, .. } if m == mark));
        if taken {
            self.problem(
                "mark",
                format!("mark `{mark}` of `{table}` is another's too, so what the one has done the other would leave undone"),
                "give each pseudonymization of a table a mark of its own",
            );
        }
    }
}

/// Behind what is there.
fn as_far_as(shown: Shown) -> &'static str {
    match shown {
        Shown::Everything => "",
        Shown::ByRights => {
            "; what the account has no right on is not shown to it: `expunged grants` prints what it needs"
        }
    }
}

fn list<T: std::fmt::Display>(names: impl Iterator<Item = T>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// The type `INTEGER` of a primary key is the one that holds nothing else.
fn is_integer_key(column: &Column) -> bool {
    column.not_null && column.declared.eq_ignore_ascii_case("integer")
}

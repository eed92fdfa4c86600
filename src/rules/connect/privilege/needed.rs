//! Which rights rules need on the tables of one datastore: the least with which a sweep, `plan` and every order run.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::catalogue::Catalogue;
use crate::model::level::Level;
use crate::model::name::{ColumnName, DatastoreName, RuleId, TableName};
use crate::rules::rule::{
    Action, Dataset, Dependent, DependentDataset, Match, Mode, Rule, TriggerPlace, Unless,
};

/// What rules need on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The table.
    pub table: TableName,
    /// Each right, with what it is for.
    pub rights: BTreeMap<Right, Use>,
}

/// A right on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To read these columns.
    Select,
    /// To add rows: to the marker's table alone.
    Insert,
    /// To delete rows.
    Delete,
    /// To change these columns.
    Update,
    /// To lock rows, where `Update` is not needed anyway. PostgreSQL wants the right to change one column for it, MariaDB nothing.
    Lock,
    /// To have the engine remove what it keeps of rows, and to see that it did. On MariaDB it does by itself, and to see it is a right
    /// on the whole server.
    Vacuum,
    /// To have the table written anew, besides: on PostgreSQL the same right.
    Rewrite,
}

/// What a right is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// On which columns; to insert, to delete and to maintain is a matter of whole rows.
    pub columns: Columns,
    /// For which rules; none: for every batch's marker.
    pub rules: BTreeSet<RuleId>,
}

/// Columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// These.
    Named(BTreeSet<ColumnName>),
    /// These and the primary key's, which no rule names and the datastore knows.
    WithPrimaryKey(BTreeSet<ColumnName>),
}

impl Right {
    /// As GRANT writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Delete => "DELETE",
            Self::Update | Self::Lock => "UPDATE",
            Self::Vacuum => "MAINTAIN",
            Self::Rewrite => "SELECT, INSERT",
        }
    }
}

impl Columns {
    /// As far as they are known.
    pub fn known(&self) -> &BTreeSet<ColumnName> {
        match self {
            Self::Named(columns) | Self::WithPrimaryKey(columns) => columns,
        }
    }

    fn add<'n>(&mut self, names: impl IntoIterator<Item = &'n ColumnName>) {
        match self {
            Self::Named(columns) | Self::WithPrimaryKey(columns) => {
                columns.extend(names.into_iter().cloned());
            }
        }
    }

    fn with_primary_key(&mut self) {
        if let Self::Named(columns) = self {
            *self = Self::WithPrimaryKey(std::mem::take(columns));
        }
    }
}

impl Needed {
    /// Nothing yet.
    pub fn on(table: TableName) -> Self {
        Self { table, rights: BTreeMap::new() }
    }

    /// Whether rows of the table are disposed of.
    pub fn disposes(&self) -> bool {
        self.rights.contains_key(&Right::Delete) || self.rights.contains_key(&Right::Update)
    }

    /// The same with the primary keys that the datastore knows.
    pub fn knowing(mut self, catalogue: &Catalogue) -> Self {
        let Some(table) = catalogue.tables.get(&self.table) else { return self };
        for used in self.rights.values_mut() {
            if let Columns::WithPrimaryKey(columns) = &mut used.columns {
                columns.extend(table.primary_key.iter().cloned());
                used.columns = Columns::Named(std::mem::take(columns));
            }
        }
        self
    }

    fn add<'n>(&mut self, right: Right, rule: &RuleId, columns: impl IntoIterator<Item = &'n ColumnName>) {
        let none = || Use { columns: Columns::Named(BTreeSet::new()), rules: BTreeSet::new() };
        let used = self.rights.entry(right).or_insert_with(none);
        used.columns.add(columns);
        used.rules.insert(rule.clone());
    }
}

/// What these rules need in a datastore, by table. One that only observes reads, and needs no more.
pub fn needed<'r>(rules: impl IntoIterator<Item = &'r Rule>, datastore: &DatastoreName) -> Vec<Needed> {
    let mut tables = Tables { datastore, needed: BTreeMap::new() };
    for rule in rules {
        tables.rule(rule);
    }
    let mut needed: Vec<Needed> = tables.needed.into_values().collect();
    for Needed { rights, .. } in &mut needed {
        // Who may change a column may lock.
        if rights.contains_key(&Right::Update) {
            rights.remove(&Right::Lock);
        }
    }
    needed
}

/// The tables of one datastore.
struct Tables<'d> {
    datastore: &'d DatastoreName,
    needed: BTreeMap<TableName, Needed>,
}

impl Tables<'_> {
    /// The table, if it is in this datastore.
    fn on(&mut self, datastore: &DatastoreName, table: &TableName) -> Option<&mut Needed> {
        let here = datastore == self.datastore;
        here.then(|| self.needed.entry(table.clone()).or_insert_with(|| Needed::on(table.clone())))
    }

    fn reads<'n>(
        &mut self,
        (datastore, table): (&DatastoreName, &TableName),
        rule: &RuleId,
        columns: impl IntoIterator<Item = &'n ColumnName>,
    ) {
        if let Some(needed) = self.on(datastore, table) {
            needed.add(Right::Select, rule, columns);
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let Dataset::Table { table, key } = &rule.dataset else { return };
        let own = (&rule.datastore, table);
        self.reads(own, &rule.id, key);
        self.reads(own, &rule.id, rule.subject.iter().map(|subject| &subject.column));
        self.reads(own, &rule.id, rule.only.iter().map(|condition| &condition.column));
        match &rule.trigger.place {
            TriggerPlace::Column(column) => self.reads(own, &rule.id, [column]),
            TriggerPlace::Rows { table, matches, column, .. } => {
                self.reads(own, &rule.id, ours(matches));
                self.reads((&rule.datastore, table), &rule.id, theirs(matches).chain([column]));
            }
            TriggerPlace::Modified
            | TriggerPlace::Name
            | TriggerPlace::ObjectModified
            | TriggerPlace::Field(_)
            | TriggerPlace::Idle
            | TriggerPlace::Request => {}
        }
        for Unless { table, matches, only } in &rule.unless {
            self.reads(own, &rule.id, ours(matches));
            let columns = theirs(matches).chain(only.iter().map(|condition| &condition.column));
            self.reads((&rule.datastore, table), &rule.id, columns);
        }
        if let Action::Pseudonymize { mark, .. } = &rule.action {
            self.reads(own, &rule.id, [mark]);
        }
        self.disposes(own, rule, &rule.action, key.first());
        self.maintains(own, rule);
        for dependent in &rule.dependents {
            self.dependent(rule, own, dependent);
        }
    }

    fn dependent(&mut self, rule: &Rule, own: (&DatastoreName, &TableName), dependent: &Dependent) {
        let parent = match &dependent.of {
            None => Some(own),
            Some(of) => rule.dependents.iter().find(|d| d.id == *of).and_then(rows_of),
        };
        // What leads to it is read also where a rule observes: files without a record are looked for.
        if let Some(parent) = parent {
            match &dependent.dataset {
                DependentDataset::Rows { matches, .. } => self.reads(parent, &rule.id, ours(matches)),
                DependentDataset::Files { pattern, .. } => self.reads(parent, &rule.id, pattern.columns()),
                DependentDataset::Keys(pattern) => self.reads(parent, &rule.id, pattern.columns()),
            }
        }
        let DependentDataset::Rows { table, key, matches } = &dependent.dataset else { return };
        if rule.mode == Mode::Observe {
            return;
        }
        let place = (&dependent.datastore, table);
        self.reads(place, &rule.id, theirs(matches));
        self.reads(place, &rule.id, key.iter().flatten());
        if let (None, Some(needed)) = (key, self.on(place.0, place.1))
            && let Some(used) = needed.rights.get_mut(&Right::Select)
        {
            used.columns.with_primary_key();
        }
        if let Action::Pseudonymize { mark, .. } = &dependent.action {
            self.reads(place, &rule.id, [mark]);
        }
        let column = key.as_ref().and_then(|key| key.first()).or(matches.first().map(|m| &m.theirs));
        self.disposes(place, rule, &dependent.action, column);
        if dependent.datastore == rule.datastore {
            self.maintains(place, rule);
        }
    }

    /// What a level beyond logical erasure takes.
    fn maintains(&mut self, (datastore, table): (&DatastoreName, &TableName), rule: &Rule) {
        if rule.mode == Mode::Observe {
            return;
        }
        let rights: &[Right] = match rule.then {
            Level::Logical => return,
            Level::Vacuumed => &[Right::Vacuum],
            Level::Rewritten => &[Right::Vacuum, Right::Rewrite],
        };
        let Some(needed) = self.on(datastore, table) else { return };
        for right in rights {
            needed.add(*right, &rule.id, []);
        }
    }

    /// `lock`: the column by which rows are locked.
    fn disposes(
        &mut self,
        (datastore, table): (&DatastoreName, &TableName),
        rule: &Rule,
        action: &Action,
        lock: Option<&ColumnName>,
    ) {
        if rule.mode == Mode::Observe {
            return;
        }
        let Some(needed) = self.on(datastore, table) else { return };
        match action {
            Action::Delete => {
                needed.add(Right::Delete, &rule.id, []);
                // One column is enough, whichever it is.
                let known =
                    needed.rights.get(&Right::Lock).is_some_and(|used| !used.columns.known().is_empty());
                needed.add(Right::Lock, &rule.id, lock.filter(|_| !known));
            }
            Action::Pseudonymize { columns, mark } => {
                let replaced = columns.iter().map(|(name, _)| name);
                needed.add(Right::Select, &rule.id, replaced.clone());
                needed.add(Right::Update, &rule.id, replaced.chain([mark]));
            }
        }
    }
}

fn rows_of(dependent: &Dependent) -> Option<(&DatastoreName, &TableName)> {
    match &dependent.dataset {
        DependentDataset::Rows { table, .. } => Some((&dependent.datastore, table)),
        DependentDataset::Files { .. } | DependentDataset::Keys(_) => None,
    }
}

fn ours(matches: &[Match]) -> impl Iterator<Item = &ColumnName> {
    matches.iter().map(|m| &m.ours)
}

fn theirs(matches: &[Match]) -> impl Iterator<Item = &ColumnName> {
    matches.iter().map(|m| &m.theirs)
}

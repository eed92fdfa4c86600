//! A rule proved against its datastore's catalogue. Only a bound rule can be planned or swept.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::{Action, Condition, Dependent, Match, Rule, Strategy, TriggerPlace, Unit};
use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::calendar::{MomentKind, Zone};
use crate::model::catalogue::{Catalogue, Column, ColumnKind, OnDelete, Table};
use crate::model::name::{ColumnName, LocalId, TableName};
use crate::model::period::Period;

/// A rule that the catalogue bears out: its tables, columns, keys and types exist, and its deletions reach
/// nothing that it does not declare. Built only by [`bind`].
#[derive(Debug)]
pub struct BoundRule<'r> {
    rule: &'r Rule,
    trigger: TriggerKind,
    mark: Option<MarkKind>,
    trigger_indexed: bool,
    integer_key: bool,
    dependents: Vec<BoundDependent<'r>>,
}

impl<'r> BoundRule<'r> {
    /// The rule itself.
    pub fn rule(&self) -> &'r Rule {
        self.rule
    }

    /// How the trigger's values are read.
    pub fn trigger(&self) -> &TriggerKind {
        &self.trigger
    }

    /// How the mark of a pseudonymizing rule is written.
    pub fn mark(&self) -> Option<MarkKind> {
        self.mark
    }

    /// Whether an index leads with the trigger column of the rule's own table.
    pub fn trigger_indexed(&self) -> bool {
        self.trigger_indexed
    }

    /// Whether the key is one integer column, which every comparison orders alike.
    pub fn integer_key(&self) -> bool {
        self.integer_key
    }

    /// Its dependents, each after the one it hangs on.
    pub fn dependents(&self) -> &[BoundDependent<'r>] {
        &self.dependents
    }
}

/// A dependent whose table the catalogue bears out.
#[derive(Debug)]
pub struct BoundDependent<'r> {
    /// As the rule declares it.
    pub dependent: &'r Dependent,
    /// The position in [`BoundRule::dependents`] of the one it hangs on; none: the rule's record.
    pub of: Option<usize>,
    /// What identifies one of its records.
    pub key: Vec<ColumnName>,
    /// How its mark is written, where it is pseudonymized.
    pub mark: Option<MarkKind>,
}

/// How the values of a trigger column stand for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerKind {
    /// An instant as RFC 3339 text.
    Instant,
    /// A local date and time in this zone.
    Naive(Zone),
    /// A civil date.
    Date,
    /// An integer since 1970-01-01T00:00:00Z.
    Integer(Unit),
    /// Text in this `strftime` format; with a zone, without an offset.
    Text(String, Option<Zone>),
}

impl TriggerKind {
    /// What kind of moment its values become.
    pub fn moment(&self) -> MomentKind {
        match self {
            Self::Instant | Self::Integer(_) | Self::Text(_, None) => MomentKind::Instant,
            Self::Naive(zone) | Self::Text(_, Some(zone)) => MomentKind::Local(*zone),
            Self::Date => MomentKind::Date,
        }
    }
}

/// How the instant of a pseudonymization is written into the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// RFC 3339 in UTC with microseconds.
    Instant,
    /// The UTC date.
    Date,
    /// Seconds since 1970.
    Integer,
}

/// Proves a rule against the catalogue of its datastore, or says everything that is wrong with it.
pub fn bind<'r>(rule: &'r Rule, catalogue: &Catalogue) -> Result<BoundRule<'r>, Diagnostics> {
    let mut binder = Binder { rule, catalogue, places: &rule.places, problems: Vec::new() };
    let bound = binder.bind();
    match bound {
        Some(bound) if binder.problems.is_empty() => Ok(bound),
        _ => Err(Diagnostics::new(binder.problems)),
    }
}

const TRIGGER: &str = "trigger.column";

/// A table under its name.
type Side<'n, 'c> = (&'n TableName, &'c Table);

struct Binder<'r, 'c> {
    rule: &'r Rule,
    catalogue: &'c Catalogue,
    /// Of the rule, or of the dependent under examination.
    places: &'r Places,
    problems: Vec<Diagnostic>,
}

impl<'r, 'c> Binder<'r, 'c> {
    fn bind(&mut self) -> Option<BoundRule<'r>> {
        let rule = self.rule;
        let table = self.table("table", &rule.table)?;
        self.key(&rule.table, table, &rule.key);
        if let Some(subject) = &rule.subject {
            self.column("subject", &rule.table, table, &subject.column);
        }
        self.conditions("only", &rule.table, table, &rule.only);
        for (number, unless) in rule.unless.iter().enumerate() {
            // Written as a table, or as one of an array of them.
            let numbered = format!("unless.{number}");
            let at = if rule.places.has(&numbered) { numbered } else { "unless".to_owned() };
            if let Some(other) = self.table(&format!("{at}.table"), &unless.table) {
                let pair = ((&unless.table, other), (&rule.table, table));
                self.matches(&format!("{at}.match"), pair, &unless.matches);
                self.conditions(&format!("{at}.only"), &unless.table, other, &unless.only);
            }
        }
        let trigger = self.trigger(table);
        let mark = self.action(&rule.table, table, &rule.key, &rule.action);
        let dependents = self.dependents(table);
        self.reach(table, &dependents);
        Some(BoundRule {
            rule,
            trigger: trigger?,
            mark,
            trigger_indexed: matches!(&rule.trigger.place, TriggerPlace::Column(c) if table.indexed.contains(c)),
            integer_key: matches!(rule.key.as_slice(), [only] if table.column(only).is_some_and(is_integer_key)),
            dependents,
        })
    }

    fn problem(&mut self, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(Code::Catalogue, self.places.of(at), what, help));
    }

    fn table(&mut self, at: &str, name: &TableName) -> Option<&'c Table> {
        let found = self.catalogue.tables.get(name);
        if found.is_none() {
            let tables = list(self.catalogue.tables.keys());
            self.problem(
                at,
                format!("table `{name}` does not exist in datastore `{}`", self.rule.datastore),
                if tables.is_empty() {
                    "the datastore has no tables".into()
                } else {
                    format!("its tables are {tables}")
                },
            );
        }
        found
    }

    fn column(
        &mut self,
        at: &str,
        of: &TableName,
        table: &'c Table,
        name: &ColumnName,
    ) -> Option<&'c Column> {
        let found = table.column(name);
        if found.is_none() {
            let columns = list(table.columns.iter().map(|c| &c.name));
            self.problem(
                at,
                format!("column `{name}` does not exist in `{of}`"),
                format!("its columns are {columns}"),
            );
        }
        found
    }

    fn conditions(&mut self, at: &str, of: &TableName, table: &'c Table, conditions: &[Condition]) {
        for condition in conditions {
            self.column(&format!("{at}.{}", condition.column), of, table, &condition.column);
        }
    }

    fn matches(&mut self, at: &str, (theirs, ours): (Side<'_, 'c>, Side<'_, 'c>), matches: &[Match]) {
        for m in matches {
            let at = format!("{at}.{}", m.theirs);
            let one = self.column(&at, theirs.0, theirs.1, &m.theirs);
            let other = self.column(&at, ours.0, ours.1, &m.ours);
            let (Some(one), Some(other)) = (one, other) else { continue };
            if matches!(
                (one.kind, other.kind),
                (ColumnKind::Integer, ColumnKind::Text) | (ColumnKind::Text, ColumnKind::Integer)
            ) {
                let what = format!(
                    "`{}` of `{}` is declared `{}`, `{}` of `{}` is declared `{}`: a number and a text never match",
                    m.theirs, theirs.0, one.declared, m.ours, ours.0, other.declared
                );
                self.problem(&at, what, "match columns of one type");
            }
        }
    }

    /// A key must single out one record: the engine has to enforce it, or a proof could speak of two.
    fn key(&mut self, of: &TableName, table: &'c Table, key: &[ColumnName]) {
        let found = key.iter().filter_map(|name| self.column("key", of, table, name)).collect::<Vec<_>>();
        if found.len() < key.len() {
            return;
        }
        let named: BTreeSet<ColumnName> = key.iter().cloned().collect();
        if !table.unique.iter().any(|unique| unique.is_subset(&named)) {
            let help = if table.primary_key.is_empty() {
                "give the table a primary key, or a unique index over columns that are NOT NULL".to_owned()
            } else {
                format!("its primary key is {}", list(table.primary_key.iter()))
            };
            self.problem(
                "key",
                format!("key {} of `{of}` does not identify one record", list(key.iter())),
                help,
            );
        }
    }

    fn trigger(&mut self, own: &'c Table) -> Option<TriggerKind> {
        let rule = self.rule;
        let (of, table) = match &rule.trigger.place {
            TriggerPlace::Column(_) => (&rule.table, own),
            TriggerPlace::Rows { table, matches, .. } => {
                let other = self.table("trigger.table", table)?;
                self.matches("trigger.match", ((table, other), (&rule.table, own)), matches);
                (table, other)
            }
        };
        let column = self.column(TRIGGER, of, table, rule.trigger.place.column())?;
        let kind = self.trigger_kind(of, column)?;
        let hours = [rule.retain.period(), rule.delete_by.period()]
            .into_iter()
            .any(|p| matches!(p, Period::Elapsed(_)));
        if kind == TriggerKind::Date && hours {
            self.problem(
                TRIGGER,
                format!("trigger column `{}` of `{of}` is a DATE, on which hours cannot be counted", column.name),
                "write `retain` and `delete_by` in days, weeks, months or years, or use a column with a time of day",
            );
        }
        Some(kind)
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
                Some(TriggerKind::Text(format, zone))
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

    fn action(
        &mut self,
        of: &TableName,
        table: &'c Table,
        key: &[ColumnName],
        action: &Action,
    ) -> Option<MarkKind> {
        let Action::Pseudonymize { columns, mark } = action else { return None };
        for (name, strategy) in columns {
            let at = format!("columns.{name}");
            let Some(column) = self.column(&at, of, table, name) else { continue };
            if key.contains(name) {
                self.problem(
                    &at,
                    format!("column `{name}` of `{of}` is part of the key and cannot be pseudonymized"),
                    "delete the record instead, or choose a key that says nothing of the person",
                );
            }
            if *strategy == Strategy::Null && column.not_null {
                self.problem(
                    &at,
                    format!("column `{name}` of `{of}` is NOT NULL and cannot be set to NULL"),
                    "use `random` or `{ fixed = \"...\" }`",
                );
            }
        }
        let column = self.column("mark", of, table, mark)?;
        match column.kind {
            _ if column.not_null => {
                self.problem(
                    "mark",
                    format!("mark `{mark}` of `{of}` is NOT NULL, so every record would count as done"),
                    "let the column be NULL until the record has been pseudonymized",
                );
                None
            }
            ColumnKind::Instant | ColumnKind::Text | ColumnKind::Other | ColumnKind::Naive => {
                Some(MarkKind::Instant)
            }
            ColumnKind::Date => Some(MarkKind::Date),
            ColumnKind::Integer => Some(MarkKind::Integer),
        }
    }

    fn dependents(&mut self, own: &'c Table) -> Vec<BoundDependent<'r>> {
        let mut bound: Vec<BoundDependent<'r>> = Vec::new();
        let mut tables: BTreeMap<&'r LocalId, (usize, &'r TableName, &'c Table)> = BTreeMap::new();
        for dependent in &self.rule.dependents {
            let parent = dependent.of.as_ref().and_then(|of| tables.get(of).copied());
            if dependent.of.is_some() && parent.is_none() {
                continue; // the one it hangs on has been reported
            }
            self.places = &dependent.places;
            let Some(table) = self.table("table", &dependent.table) else { continue };
            let ours = parent.map_or((&self.rule.table, own), |(_, name, table)| (name, table));
            self.matches("match", ((&dependent.table, table), ours), &dependent.matches);
            let key = dependent.key.clone().unwrap_or_else(|| table.primary_key.clone());
            self.key(&dependent.table, table, &key);
            let mark = self.action(&dependent.table, table, &key, &dependent.action);
            self.mark_of_its_own(dependent, &bound);
            tables.insert(&dependent.id, (bound.len(), &dependent.table, table));
            bound.push(BoundDependent { dependent, of: parent.map(|p| p.0), key, mark });
        }
        self.places = &self.rule.places;
        bound
    }

    /// A row that two of them lead to would count as done after the first, with the columns of the second untouched.
    fn mark_of_its_own(&mut self, dependent: &'r Dependent, before: &[BoundDependent<'r>]) {
        let Action::Pseudonymize { mark, .. } = &dependent.action else { return };
        let rule = self.rule;
        let mut others = before
            .iter()
            .map(|b| (&b.dependent.table, &b.dependent.action))
            .chain([(&rule.table, &rule.action)])
            .filter(|(table, _)| *table == &dependent.table);
        let taken =
            others.any(|(_, action)| matches!(action, Action::Pseudonymize { mark: m, .. } if m == mark));
        if taken {
            self.problem(
                "mark",
                format!("mark `{mark}` of `{}` is another's too, so what the one has done the other would leave undone", dependent.table),
                "give each pseudonymization of a table a mark of its own",
            );
        }
    }

    /// Refuses what a deletion would take along, or change, without a dependent that declares it.
    fn reach(&mut self, own: &'c Table, dependents: &[BoundDependent<'r>]) {
        self.reach_of(&self.rule.table, own, &self.rule.action, None, dependents);
        for (at, bound) in dependents.iter().enumerate() {
            if let Some(table) = self.catalogue.tables.get(&bound.dependent.table) {
                self.places = &bound.dependent.places;
                self.reach_of(&bound.dependent.table, table, &bound.dependent.action, Some(at), dependents);
            }
        }
    }

    fn reach_of(
        &mut self,
        name: &TableName,
        table: &'c Table,
        action: &Action,
        at: Option<usize>,
        dependents: &[BoundDependent<'r>],
    ) {
        let deletes = *action == Action::Delete;
        let mut explained: BTreeSet<TableName> =
            dependents.iter().map(|d| d.dependent.table.clone()).collect();
        explained.insert(name.clone());
        for reference in table.referenced_by.iter().filter(|r| deletes && r.on_delete != OnDelete::Refuse) {
            explained.extend(self.cascade_closure(&reference.from));
            let declared = dependents.iter().any(|d| {
                d.of == at
                    && d.dependent.table == reference.from
                    && empties(&d.dependent.action, &d.dependent.matches, &reference.columns)
            });
            if !declared {
                let does = if reference.on_delete == OnDelete::Cascade { "delete" } else { "change" };
                self.problem("table", format!("dataset `{}.{name}` cannot be swept: a foreign key of `{}` would {does} its rows along with the records",
                        self.rule.datastore, reference.from
                    ),
                    format!(
                        "declare `{}` as a dependent with match {{ {} }}",
                        reference.from,
                        reference.columns.iter().map(|(t, o)| format!("{t} = \"{o}\"")).collect::<Vec<_>>().join(", ")
                    ),
                );
            }
        }
        let writes = if deletes { &table.delete_writes } else { &table.update_writes };
        let surprise: Vec<&TableName> = writes.iter().filter(|t| !explained.contains(*t)).collect();
        // A trigger may also write a table that a dependent declares, beyond what the dependent names.
        if !surprise.is_empty() {
            let by = match table.triggers.as_slice() {
                [] => "a trigger or a foreign key behind it would".to_owned(),
                triggers => format!("its triggers ({}) would", list(triggers.iter())),
            };
            self.problem(
                "table",
                format!(
                    "dataset `{}.{name}` cannot be swept: {by} write {}, which no dependent declares",
                    self.rule.datastore,
                    list(surprise.into_iter())
                ),
                "drop the trigger, or let it skip the rows that are disposed of",
            );
        }
    }

    fn cascade_closure(&self, from: &TableName) -> BTreeSet<TableName> {
        let mut seen = BTreeSet::from([from.clone()]);
        let mut open = vec![from.clone()];
        // Ends because each table is entered once.
        while let Some(name) = open.pop() {
            for reference in self.catalogue.tables.get(&name).into_iter().flat_map(|t| &t.referenced_by) {
                if reference.on_delete != OnDelete::Refuse && seen.insert(reference.from.clone()) {
                    open.push(reference.from.clone());
                }
            }
        }
        seen
    }
}

/// Whether a dependent leaves nothing for the foreign key to act on: it has the same columns, and its rows are
/// gone, or no longer point here, before the record goes.
fn empties(action: &Action, matches: &[Match], columns: &[(ColumnName, ColumnName)]) -> bool {
    let same = matches.len() == columns.len()
        && columns
            .iter()
            .all(|(theirs, ours)| matches.iter().any(|m| &m.theirs == theirs && &m.ours == ours));
    same && match action {
        Action::Delete => true,
        Action::Pseudonymize { columns: replaced, .. } => columns
            .iter()
            .any(|(theirs, _)| replaced.iter().any(|(c, s)| c == theirs && *s == Strategy::Null)),
    }
}

fn list<T: std::fmt::Display>(names: impl Iterator<Item = T>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// The type `INTEGER` of a primary key is the one that holds nothing else.
fn is_integer_key(column: &Column) -> bool {
    column.not_null && column.declared.eq_ignore_ascii_case("integer")
}

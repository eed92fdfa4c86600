//! A bound rule: what a datastore and the judge need of a rule that its catalogues bear out.

use crate::model::calendar::{MomentKind, Zone};
use crate::model::name::{ColumnName, DatastoreName, TableName};
use crate::model::orders::Orders;
use crate::model::pattern::Pattern;
use crate::rules::rule::{Dependent, Match, Pick, Rule, Unit};

/// A rule that the catalogues bear out: its tables, columns, keys and types exist, and its deletions reach
/// nothing that it does not declare. Built only by [`bind`](super::bind).
#[derive(Debug)]
pub struct BoundRule<'r> {
    pub(super) rule: &'r Rule,
    pub(super) trigger: TriggerKind,
    pub(super) dataset: BoundDataset<'r>,
    pub(super) dependents: Vec<BoundDependent<'r>>,
    pub(super) shares: Vec<Share<'r>>,
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

    /// The records it selects.
    pub fn dataset(&self) -> &BoundDataset<'r> {
        &self.dataset
    }

    /// The rule as one whose records are rows; none: they are files.
    pub fn rows(&self) -> Option<RowRule<'_>> {
        match &self.dataset {
            BoundDataset::Table(table) => Some(RowRule { bound: self, table, people: None }),
            BoundDataset::Files(_) => None,
        }
    }

    /// Its dependents, each after the one it hangs on.
    pub fn dependents(&self) -> &[BoundDependent<'r>] {
        &self.dependents
    }

    /// What it disposes of in each datastore: the rule's own first, each after those that its dependents hang on.
    pub fn shares(&self) -> &[Share<'r>] {
        &self.shares
    }
}

/// A rule whose records are rows, for a SQL datastore.
#[derive(Debug, Clone, Copy)]
pub struct RowRule<'b> {
    bound: &'b BoundRule<'b>,
    table: &'b BoundTable<'b>,
    people: Option<People<'b>>,
}

/// Whose records they are, where an order asks for it.
#[derive(Debug, Clone, Copy)]
pub struct People<'b> {
    /// The column that holds the data subject's id.
    pub column: &'b ColumnName,
    /// The orders.
    pub orders: &'b Orders,
}

impl<'b> RowRule<'b> {
    /// The rule itself.
    pub fn rule(self) -> &'b Rule {
        self.bound.rule
    }

    /// The same rule, whatever its records are.
    pub fn bound(self) -> &'b BoundRule<'b> {
        self.bound
    }

    /// The rows it selects.
    pub fn table(self) -> &'b BoundTable<'b> {
        self.table
    }

    /// How the trigger's values are read.
    pub fn trigger(self) -> &'b TriggerKind {
        &self.bound.trigger
    }

    /// The same, reading with every record whose it is, where one of these orders is about somebody.
    pub fn heeding(self, orders: &'b Orders) -> RowRule<'b> {
        let subject = self.bound.rule.subject.as_ref().filter(|_| orders.name_people());
        let people = subject.map(|subject| People { column: &subject.column, orders });
        RowRule { people, ..self }
    }

    /// Whose records they are; none: no order asks for it.
    pub fn people(self) -> Option<People<'b>> {
        self.people
    }

    /// Its dependents, wherever they are.
    pub fn dependents(self) -> &'b [BoundDependent<'b>] {
        &self.bound.dependents
    }
}

/// The records of a bound rule.
#[derive(Debug)]
pub enum BoundDataset<'r> {
    /// Rows.
    Table(BoundTable<'r>),
    /// Files.
    Files(&'r Pattern),
}

/// A rule's own table.
#[derive(Debug)]
pub struct BoundTable<'r> {
    /// Its name.
    pub name: &'r TableName,
    /// What identifies one of its records.
    pub key: &'r [ColumnName],
    /// Where the trigger is read.
    pub reads: Reads<'r>,
    /// How the mark of a pseudonymizing rule is written.
    pub mark: Option<MarkKind>,
    /// Whether an index leads with the trigger's column.
    pub trigger_indexed: bool,
    /// Whether the key is one integer column, which every comparison orders alike.
    pub integer_key: bool,
}

/// Where the trigger of a row is read.
#[derive(Debug, Clone, Copy)]
pub enum Reads<'r> {
    /// In the row.
    Own(&'r ColumnName),
    /// In other rows.
    Others {
        /// Their table.
        table: &'r TableName,
        /// How they belong to the record.
        matches: &'r [Match],
        /// The column that holds the time.
        column: &'r ColumnName,
        /// Which of them counts.
        pick: Pick,
    },
    /// Nowhere: only a demand makes a record due.
    Nothing,
}

/// A dependent that the catalogues bear out.
#[derive(Debug)]
pub struct BoundDependent<'r> {
    /// As the rule declares it.
    pub dependent: &'r Dependent,
    /// The position in [`BoundRule::dependents`] of the one it hangs on; none: the rule's record.
    pub of: Option<usize>,
    /// Its records.
    pub dataset: BoundDependents<'r>,
}

impl<'r> BoundDependent<'r> {
    /// The columns of what it hangs on that lead to its records.
    pub fn links(&self) -> Vec<&'r ColumnName> {
        match &self.dataset {
            BoundDependents::Rows { matches, .. } => matches.iter().map(|m| &m.ours).collect(),
            BoundDependents::Files(pattern) => pattern.columns().collect(),
        }
    }
}

/// The records of a dependent.
#[derive(Debug)]
pub enum BoundDependents<'r> {
    /// Rows.
    Rows {
        /// Their table.
        table: &'r TableName,
        /// What identifies one of them.
        key: Vec<ColumnName>,
        /// How they belong to what they hang on.
        matches: &'r [Match],
        /// How their mark is written, where they are pseudonymized.
        mark: Option<MarkKind>,
        /// Whether a foreign key by the same columns acts on them when what they hang on is deleted: on all that the engine takes for a match.
        followed: bool,
    },
    /// Files.
    Files(&'r Pattern),
}

/// What a rule disposes of in one datastore.
#[derive(Debug)]
pub struct Share<'r> {
    /// The datastore.
    pub datastore: &'r DatastoreName,
    /// The positions in [`BoundRule::dependents`] of its dependents, ascending.
    pub dependents: Vec<usize>,
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
    /// Text in this `strftime` format.
    Text(String, Written),
}

/// What a text says of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All of it, with its offset.
    WithOffset,
    /// The date and the time of day in this zone.
    Local(Zone),
    /// The date.
    Date,
}

impl TriggerKind {
    /// What kind of moment its values become.
    pub fn moment(&self) -> MomentKind {
        match self {
            Self::Instant | Self::Integer(_) | Self::Text(_, Written::WithOffset) => MomentKind::Instant,
            Self::Naive(zone) | Self::Text(_, Written::Local(zone)) => MomentKind::Local(*zone),
            Self::Date | Self::Text(_, Written::Date) => MomentKind::Date,
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

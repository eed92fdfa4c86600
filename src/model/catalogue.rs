//! What a datastore says of itself: tables, columns, keys, and what a deletion would take along.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::name::{ColumnName, DatastoreName, TableName};

/// The schemas of the SQL datastores that a rule speaks of.
pub type Catalogues = BTreeMap<DatastoreName, Catalogue>;

/// A datastore's schema, as read from its own catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Every table the datastore's account can reach, and a rule can be about.
    pub tables: BTreeMap<TableName, Table>,
    /// What has a name as a table has, and is none that a rule can be about.
    pub no_tables: BTreeMap<TableName, NoTable>,
    /// How much of it the datastore's account is shown.
    pub shown: Shown,
    /// What holds data beside them.
    pub beside: Beside,
}

/// What stands under the name of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTable {
    /// A query under a name.
    View,
    /// A query with a copy of what it found.
    MaterializedView,
    /// Its rows are on another server.
    Foreign,
    /// A part of this table.
    PartitionOf(String),
    /// An extension of the engine answers for it.
    Virtual,
}

impl NoTable {
    /// What a rule can be about instead.
    pub fn instead(&self) -> String {
        match self {
            Self::View => "name the table whose rows it shows".to_owned(),
            Self::MaterializedView => {
                "name the tables that it copies, and let the application refresh it".to_owned()
            }
            Self::Foreign => "sweep the server that holds its rows, as a datastore of its own".to_owned(),
            Self::PartitionOf(table) => format!("name `{table}`: a partitioned table is swept as one"),
            Self::Virtual => {
                "name a table of the engine's own: no sweep can tell what goes from a virtual one".to_owned()
            }
        }
    }
}

impl fmt::Display for NoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View => f.write_str("a view"),
            Self::MaterializedView => f.write_str("a materialized view"),
            Self::Foreign => f.write_str("a foreign table"),
            Self::PartitionOf(table) => write!(f, "a partition of `{table}`"),
            Self::Virtual => f.write_str("a virtual table"),
        }
    }
}

/// How much of a schema an account is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// All of it, whatever its rights.
    #[default]
    Everything,
    /// What it has a right on, to the column.
    ByRights,
}

/// What holds data and that no rule can be about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Tables that an extension of the engine answers for, such as a full-text index.
    pub virtual_tables: BTreeSet<TableName>,
    /// Of [`Catalogue::tables`], those in which a virtual table keeps its data: they go with it.
    pub shadow_tables: BTreeSet<TableName>,
    /// How many tables have a name that no rule can write.
    pub nameless: u64,
}

/// Stands in [`Table::delete_writes`] for a table that an extension of the engine answers for: which one, the engine does not say.
pub const VIRTUAL: &str = "(a virtual table)";

/// How large a table is, by figures that cost the engine little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Rows.
    pub rows: u64,
    /// Pages, of the table itself and without its indexes.
    pub pages: u64,
    /// What these pages hold.
    pub bytes: u64,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Columns in their order.
    pub columns: Vec<Column>,
    /// The primary key's columns in key order; empty where there is none.
    pub primary_key: Vec<ColumnName>,
    /// Sets of columns that the engine keeps unique, the primary key among them, each without NULLs.
    pub unique: Vec<BTreeSet<ColumnName>>,
    /// Columns in which no value may stand twice, whatever the others hold; NULL may.
    pub distinct: BTreeSet<ColumnName>,
    /// The first column of every index.
    pub indexed: BTreeSet<ColumnName>,
    /// Columns that the engine fills in by itself, beside [`Self::columns`]: nothing can be written there.
    pub generated: BTreeSet<ColumnName>,
    /// CHECK constraints, those of a column's domain among them, as far as the engine says what they are about.
    pub checks: Vec<Check>,
    /// Why its rows cannot be deleted, such as a trigger that names a table which is gone.
    pub delete_broken: Option<Broken>,
    /// The same for an `UPDATE` of all columns outside the primary key.
    pub update_broken: Option<Broken>,
    /// Foreign keys that other tables hold on this one.
    pub referenced_by: Vec<Reference>,
    /// Tables that inherit from it and are no partitions: a statement on it has their rows, too.
    pub heirs: BTreeSet<TableName>,
    /// Names of the triggers on this table.
    pub triggers: Vec<String>,
    /// Tables that a `DELETE` of one row writes, this one included, as the engine itself plans it: through
    /// foreign keys and triggers, transitively.
    pub delete_writes: BTreeSet<TableName>,
    /// The same for an `UPDATE` of all columns outside the primary key.
    pub update_writes: BTreeSet<TableName>,
}

/// Why the rows of a table cannot be disposed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// As a sentence goes on behind a colon.
    pub why: String,
    /// What to do.
    pub help: String,
}

impl Broken {
    /// With this remedy.
    pub fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: help.into() }
    }
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name; of a domain, the domain's too.
    pub name: String,
    /// The columns that it looks at.
    pub columns: BTreeSet<ColumnName>,
}

impl Table {
    /// Takes in why none of its rows can be disposed of, unless there is a reason already.
    pub fn breaks(&mut self, broken: &Broken) {
        for known in [&mut self.delete_broken, &mut self.update_broken] {
            known.get_or_insert_with(|| broken.clone());
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &ColumnName) -> Option<&Column> {
        self.columns.iter().find(|c| &c.name == name)
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the catalogue spells it.
    pub name: ColumnName,
    /// What its declared type says of how a time stands in it, and whether it is the row's own number.
    pub kind: ColumnKind,
    /// The declared type, for messages.
    pub declared: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Which texts may be written into it.
    pub takes: Takes,
}

/// Which texts a column takes, by its type alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// Any, up to so many characters; none: as long as it likes.
    Text(Option<u32>),
    /// Dates, perhaps with a time of day.
    Moments,
    /// IP addresses.
    Addresses,
    /// UUIDs.
    Uuids,
    /// JSON.
    Json,
    /// These.
    OneOf(BTreeSet<String>),
    /// Some, and the engine knows which.
    Some,
    /// None: numbers, bytes.
    Nothing,
    /// Nobody can tell without a try.
    Unknown,
}

impl Column {
    /// Whether a number and the text of that number are two values here: where no type says that they are one.
    pub fn tells_types_apart(&self) -> bool {
        let declared = self.declared.to_ascii_lowercase();
        self.kind == ColumnKind::Other
            && (declared.is_empty() || declared == "any" || declared.contains("blob"))
    }

    /// Whether it is declared to hold numbers and no text: by the whole words of the type, since `enumeration` has a `num` too.
    pub fn is_number(&self) -> bool {
        let declared = self.declared.to_ascii_lowercase();
        let mut words = declared.split(|c: char| !c.is_ascii_alphabetic());
        let numbers = [
            "real",
            "float",
            "double",
            "numeric",
            "decimal",
            "serial",
            "bigserial",
            "smallserial",
            "money",
            "bool",
            "boolean",
        ];
        match self.kind {
            ColumnKind::Integer => true,
            ColumnKind::Other => words.any(|word| numbers.contains(&word)),
            ColumnKind::Instant | ColumnKind::Naive | ColumnKind::Date | ColumnKind::Text => false,
        }
    }
}

/// What a declared type means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// An instant: UTC RFC 3339 text of fixed width on `SQLite`.
    Instant,
    /// A local date and time without a zone.
    Naive,
    /// A civil date.
    Date,
    /// An integer.
    Integer,
    /// Text.
    Text,
    /// Anything else.
    Other,
}

/// A foreign key, seen from the table it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The table that holds the key.
    pub from: TableName,
    /// Its columns, and the columns of this table they equal.
    pub columns: Vec<(ColumnName, ColumnName)>,
    /// What happens to its rows when the row they point to is deleted.
    pub on_delete: OnDelete,
}

/// What a foreign key does when its target goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Refuse,
    /// The referencing rows go too.
    Cascade,
    /// The referencing rows no longer point anywhere.
    SetNull,
    /// The referencing rows point to their default.
    SetDefault,
}

impl OnDelete {
    /// As the schema writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

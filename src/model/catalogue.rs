//! What a datastore says of itself: tables, columns, keys, and what a deletion would take along.

use std::collections::{BTreeMap, BTreeSet};

use super::name::{ColumnName, DatastoreName, TableName};

/// The schemas of the SQL datastores that a rule speaks of.
pub type Catalogues = BTreeMap<DatastoreName, Catalogue>;

/// A datastore's schema, as read from its own catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Every table the datastore's account can reach, and a rule can be about.
    pub tables: BTreeMap<TableName, Table>,
    /// What holds data beside them.
    pub beside: Beside,
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
    /// Why the engine cannot delete its rows, such as a trigger that names a table which is gone.
    pub delete_broken: Option<String>,
    /// The same for an `UPDATE` of all columns outside the primary key.
    pub update_broken: Option<String>,
    /// Foreign keys that other tables hold on this one.
    pub referenced_by: Vec<Reference>,
    /// Names of the triggers on this table.
    pub triggers: Vec<String>,
    /// Tables that a `DELETE` of one row writes, this one included, as the engine itself plans it: through
    /// foreign keys and triggers, transitively.
    pub delete_writes: BTreeSet<TableName>,
    /// The same for an `UPDATE` of all columns outside the primary key.
    pub update_writes: BTreeSet<TableName>,
}

impl Table {
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

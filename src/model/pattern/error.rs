//! What is wrong with a pattern as written, or with a value that should stand in one.

use super::super::name::ColumnName;

/// A pattern that cannot be used as it is written.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing is written.
    #[error("the pattern is empty: expected a path below the datastore's root, such as `uploads/*.zip`")]
    Empty,
    /// It does not start at the root of the datastore.
    #[error("the pattern starts with `/`: expected a path relative to the datastore's root")]
    Absolute,
    /// NUL ends a path for the system; the others cannot be read in a report.
    #[error("the pattern holds a control character: expected printable text")]
    Control,
    /// Two slashes in a row.
    #[error("component {position} of the pattern is empty: expected a name between two `/`")]
    EmptyComponent {
        /// Counted from 1.
        position: usize,
    },
    /// `.` or `..`.
    #[error("component {position} of the pattern is `{observed}`: expected a name below the root")]
    Dots {
        /// Counted from 1.
        position: usize,
        /// As written.
        observed: String,
    },
    /// `**` somewhere else than alone at the end.
    #[error("`**` stands in component {position} (`{observed}`): expected it alone, as the last component")]
    DoubleStar {
        /// Counted from 1.
        position: usize,
        /// As written.
        observed: String,
    },
    /// A brace without its other half, or inside another pair.
    #[error("component `{observed}` of the pattern has a brace without its pair: expected `{{column}}`")]
    Brace {
        /// As written.
        observed: String,
    },
    /// What stands between the braces cannot be a column.
    #[error("`{{{observed}}}` in the pattern names no column: expected {expected}")]
    Column {
        /// As written.
        observed: String,
        /// What a column's name is.
        expected: &'static str,
    },
    /// Where one value ends and the next begins could not be told.
    #[error(
        "component `{observed}` of the pattern holds {count} columns: expected at most one in a component"
    )]
    Columns {
        /// As written.
        observed: String,
        /// How many.
        count: usize,
    },
    /// `{id}*` would reach the files of 12 for 1.
    #[error(
        "component `{observed}` of the pattern holds a column and `*`: expected them in components of their own"
    )]
    ColumnAndStar {
        /// As written.
        observed: String,
    },
    /// No file system has such a name.
    #[error("component {position} of the pattern holds {observed} bytes: expected at most 255")]
    Long {
        /// Counted from 1.
        position: usize,
        /// Its length, without wildcards and columns.
        observed: usize,
    },
}

/// A column whose value cannot stand in a path. The message never holds the value: it may be personal data.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("column `{column}` holds {observed}, which cannot stand in a path: expected {expected}")]
pub struct UnusableValue {
    column: ColumnName,
    observed: &'static str,
    expected: &'static str,
}

impl UnusableValue {
    pub(super) fn new(column: &ColumnName, observed: &'static str) -> Self {
        let expected = "an integer, or text that is one file name of 1 to 255 bytes";
        Self { column: column.clone(), observed, expected }
    }

    /// Which column it is.
    pub fn column(&self) -> &ColumnName {
        &self.column
    }

    /// What it holds, in words that say nothing of the value.
    pub fn observed(&self) -> &'static str {
        self.observed
    }
}

//! What can go wrong at a datastore. No variant carries a value, a key or the engine's free text about a row.

use std::path::PathBuf;

use super::files::RootError;

/// A call to a datastore that failed.
#[derive(Debug, thiserror::Error)]
pub enum DatastoreError {
    /// It could not be opened.
    #[error("datastore at `{}` cannot be opened: check its `url`, and who may read it", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// What the driver says.
        #[source]
        source: EngineError,
    },
    /// The root of a files datastore is refused.
    #[error("files below `{}` are not swept: its `root` is refused", path.display())]
    Root {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RootError,
    },
    /// The configuration names another kind of datastore than the rule was checked against.
    #[error("a datastore of kind `{found}` was found where one of {expected} belongs: check the rules again")]
    WrongKind {
        /// What is needed.
        expected: &'static str,
        /// What is configured.
        found: &'static str,
    },
    /// A statement failed.
    #[error("cannot {operation}")]
    Statement {
        /// What it was for.
        operation: &'static str,
        /// What the engine says.
        #[source]
        source: EngineError,
    },
    /// The engine returned something that the statement cannot return.
    #[error("cannot {operation}: expected {expected}, observed {observed}; the transaction was rolled back")]
    Unexpected {
        /// What it was for.
        operation: &'static str,
        /// What should have come.
        expected: String,
        /// What came.
        observed: String,
    },
    /// A key cannot identify a record.
    #[error("a record of the batch cannot be identified")]
    Key(#[from] crate::model::key::KeyError),
    /// A pseudonym could not be made.
    #[error("a value cannot be pseudonymized")]
    Pseudonym(#[from] crate::pseudonym::PseudonymError),
}

/// What the engine says, reduced to what cannot hold personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A constraint or a trigger refuses one of the rows. The engine's own text is left out: a trigger may put the row into it.
    #[error("the engine refuses a row: {0}")]
    Refused(&'static str),
    /// Another connection holds the lock.
    #[error(
        "another connection has kept the datastore locked for more than 5 s: nothing went with this batch; sweep again"
    )]
    Busy,
    /// Permission, read-only file or medium.
    #[error("permission denied: {0}")]
    Denied(String),
    /// The path leads to another file than the one that was opened.
    #[error("the datastore's file was replaced during the sweep")]
    Moved,
    /// No room.
    #[error("no space left on the datastore's disk")]
    Full,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl DatastoreError {
    /// Whether the engine refused a row, so that a smaller batch may pass, and how it calls the refusal.
    pub fn refused(&self) -> Option<&'static str> {
        match self {
            Self::Statement { source: EngineError::Refused(what), .. } => Some(what),
            _ => None,
        }
    }

    /// Whether permission is what is missing.
    pub fn denied(&self) -> bool {
        matches!(
            self,
            Self::Statement { source: EngineError::Denied(_), .. }
                | Self::Open { source: EngineError::Denied(_), .. }
                | Self::Root { source: RootError::Unreachable(EngineError::Denied(_)), .. }
        )
    }
}

const FOREIGN_KEY: &str = "a foreign key of another table points to it";

impl From<&sqlx::Error> for EngineError {
    fn from(error: &sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = error else { return Self::Other(safe(error)) };
        let code: i32 = database.code().and_then(|c| c.parse().ok()).unwrap_or(0);
        // https://www.sqlite.org/rescode.html; the low byte is the primary code.
        match code & 0xff {
            5 | 6 => Self::Busy,
            3 | 8 | 23 => Self::Denied("the file or its directory is read-only for this user".to_owned()),
            13 => Self::Full,
            // RESTRICT is a trigger inside the engine, known by the engine's own words.
            19 => Self::Refused(match code >> 8 {
                7 if database.message() == "FOREIGN KEY constraint failed" => FOREIGN_KEY,
                3 => FOREIGN_KEY,
                7 => "a trigger refuses it",
                5 => "a column is NOT NULL",
                6 | 8 => "a value must be unique",
                1 => "a CHECK constraint fails",
                _ => "a constraint fails",
            }),
            14 => Self::Other("unable to open the database file".to_owned()),
            _ => Self::Other(spoken(database.message(), code)),
        }
    }
}

/// The driver's own errors name types and states, never values, except where a decoder quotes its input.
fn safe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} cannot be decoded"),
        sqlx::Error::Decode(_) => "a value cannot be decoded".to_owned(),
        other => other.to_string(),
    }
}

/// The engine's words where they can only name what the rule names; some of its messages quote a value.
fn spoken(message: &str, code: i32) -> String {
    let harmless =
        ["no such ", "file is not a database", "database disk image is malformed", "disk I/O error"];
    if harmless.iter().any(|h| message.starts_with(h)) {
        message.to_owned()
    } else {
        format!("the engine reports error {code}")
    }
}

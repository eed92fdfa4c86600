//! What can go wrong at a datastore. No variant carries a value, a key or the engine's free text about a row.

use std::path::PathBuf;

use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::files::RootError;
use super::sql::Cursor;
use crate::model::datastore::Server;
use crate::model::name::{DatastoreName, RuleId};

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
    /// The server could not be reached, or let nobody in.
    #[error(
        "the server of `{server}` cannot be used: check its `url`, `password` and `tls`, and whether it runs"
    )]
    Unreachable {
        /// Address and database.
        server: String,
        /// What the driver says.
        #[source]
        source: EngineError,
    },
    /// More records share a trigger than a batch takes: they are gone through one by one, and nothing else is.
    #[error("more records share a trigger than a batch takes")]
    Crowded {
        /// Where they are.
        within: Cursor,
    },
    /// The account's password cannot be read.
    #[error("the password in `{}` cannot be read", path.display())]
    Password {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Nobody vouches for the server as the configuration says.
    #[error("the certificates of `tls_ca` in `{}` cannot be used", path.display())]
    Authority {
        /// Where they should be.
        path: PathBuf,
        /// What the system says, or what is wrong with them.
        #[source]
        source: std::io::Error,
    },
    /// The account's password is a credential, and there are none.
    #[error("the password cannot be read")]
    Credential(#[from] crate::config::CredentialError),
    /// The root of a files datastore is refused.
    #[error("files below `{}` are not swept: its `root` is refused", path.display())]
    Root {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RootError,
    },
    /// What a walk cannot look behind, with no path.
    #[error(
        "the files cannot be counted: {behind} cannot be looked into, and there may be more; give the account the right to read there, or \
         make it a datastore of its own"
    )]
    Hidden {
        /// How many of which kind.
        behind: String,
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
    /// The account may not do all that a rule does.
    #[error(
        "permission denied: the account of datastore `{datastore}` lacks {lacking}; nothing goes with rule `{rule}`: \
         `expunged grants {rule}` prints what the account needs"
    )]
    Rights {
        /// Where.
        datastore: DatastoreName,
        /// Which rights, and on what.
        lacking: String,
        /// What for.
        rule: RuleId,
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
    /// Nobody can tell how far replicas are behind.
    #[error("cannot tell at `{server}` how far replication is behind")]
    Replicas {
        /// Address and database.
        server: String,
        /// Why.
        #[source]
        source: ReplicaError,
    },
    /// A key cannot identify a record.
    #[error("a record of the batch cannot be identified")]
    Key(#[from] crate::model::key::KeyError),
    /// A pseudonym could not be made.
    #[error("a value cannot be pseudonymized")]
    Pseudonym(#[from] crate::pseudonym::PseudonymError),
}

/// Why it cannot be told how far a replica is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The account may not read it; what it lacks.
    #[error("the account may not ask: {0}")]
    Hidden(&'static str),
    /// The primary has none. One that is not connected is further behind with every second.
    #[error("no replica is connected: bring them back, or remove `pause_on_replica_lag`")]
    NoReplica,
    /// The server is no replica.
    #[error("it replicates nothing: correct `replicas`")]
    NoSource,
    /// It gets no further.
    #[error("its replication does not run: see `SHOW REPLICA STATUS`")]
    Stopped,
    /// No answer came.
    #[error("it has not answered for 10 s")]
    Silent,
}

impl ReplicaError {
    pub(super) fn at(self, server: &Server) -> DatastoreError {
        DatastoreError::Replicas { server: server.to_string(), source: self }
    }
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
    /// Another transaction stood in the way: a lock that was not given, a deadlock, or a statement that took too long. A smaller batch,
    /// or a second try, may pass.
    #[error("another transaction stood in the way: {0}")]
    Conflict(&'static str),
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

impl EngineError {
    /// Whether it is a right of the account's that is missing, and not a file system's or a server's that writes to nobody.
    pub fn is_about_rights(&self) -> bool {
        matches!(self, Self::Denied(what) if what == ACCOUNT)
    }
}

impl DatastoreError {
    /// Whether the engine refused a row, so that a smaller batch may pass, and how it calls the refusal.
    pub fn refused(&self) -> Option<&'static str> {
        match self {
            Self::Statement { source: EngineError::Refused(what), .. } => Some(what),
            _ => None,
        }
    }

    /// What stood in the way, where a second try may pass.
    pub fn conflict(&self) -> Option<&'static str> {
        match self {
            Self::Statement { source: EngineError::Conflict(what), .. } => Some(what),
            _ => None,
        }
    }

    /// Whether somebody else has what was needed, or waits for it as well.
    pub fn locked(&self) -> bool {
        self.conflict().is_some_and(|what| what == LOCKED || what == DEADLOCK)
    }

    /// Whether permission is what is missing.
    pub fn denied(&self) -> bool {
        matches!(
            self,
            Self::Rights { .. }
                | Self::Statement { source: EngineError::Denied(_), .. }
                | Self::Open { source: EngineError::Denied(_), .. }
                | Self::Unreachable { source: EngineError::Denied(_), .. }
                | Self::Root { source: RootError::Unreachable(EngineError::Denied(_)), .. }
                | Self::Replicas { source: ReplicaError::Hidden(_), .. }
        )
    }
}

const FOREIGN_KEY: &str = "a foreign key of another table points to it";

impl EngineError {
    /// Whether a row with this key is there already, and nothing else.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused(UNIQUE))
    }
}

impl From<&sqlx::Error> for EngineError {
    fn from(error: &sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = error else { return Self::Other(safe(error)) };
        if let Some(server) = database.try_downcast_ref::<PgDatabaseError>() {
            return of_postgres(server.code());
        }
        if let Some(server) = database.try_downcast_ref::<MySqlDatabaseError>() {
            return of_mariadb(server.number(), server.code().unwrap_or_default());
        }
        let code: i32 = database.code().and_then(|c| c.parse().ok()).unwrap_or(0);
        of_sqlite(code, database.message())
    }
}

/// <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn of_sqlite(code: i32, message: &str) -> EngineError {
    match code & 0xff {
        5 | 6 => EngineError::Busy,
        3 | 8 | 23 => EngineError::Denied("the file or its directory is read-only for this user".to_owned()),
        13 => EngineError::Full,
        // RESTRICT is a trigger inside the engine, known by the engine's own words.
        19 => EngineError::Refused(match code >> 8 {
            7 if message == "FOREIGN KEY constraint failed" => FOREIGN_KEY,
            3 => FOREIGN_KEY,
            7 => TRIGGER,
            5 => NOT_NULL,
            6 | 8 => UNIQUE,
            1 => CHECK,
            _ => "a constraint fails",
        }),
        14 => EngineError::Other("unable to open the database file".to_owned()),
        _ => EngineError::Other(spoken(message, code)),
    }
}

const TRIGGER: &str = "a trigger refuses it";
const NOT_NULL: &str = "a column is NOT NULL";
const UNIQUE: &str = "a value must be unique";
const CHECK: &str = "a CHECK constraint fails";
const TOO_LONG: &str = "a value is too long for its column";
const UNFIT: &str = "a value does not fit its column";
const LOCKED: &str = "it has locked what the batch needs";
const DEADLOCK: &str = "each waited for the other";
const SLOW: &str = "the statement took longer than its limit";
const ACCOUNT: &str = "the account may not do this";

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn of_postgres(code: &str) -> EngineError {
    match code {
        "23001" | "23503" => EngineError::Refused(FOREIGN_KEY),
        "23502" => EngineError::Refused(NOT_NULL),
        "23505" | "23P01" => EngineError::Refused(UNIQUE),
        "23514" | "44000" => EngineError::Refused(CHECK),
        "22001" => EngineError::Refused(TOO_LONG),
        "40001" | "40P01" => EngineError::Conflict(DEADLOCK),
        "55P03" => EngineError::Conflict(LOCKED),
        "57014" => EngineError::Conflict(SLOW),
        "42501" => EngineError::Denied(ACCOUNT.to_owned()),
        "25006" => EngineError::Denied("the server, or the session, is read-only".to_owned()),
        "28000" | "28P01" => EngineError::Denied("the server does not let the account in".to_owned()),
        "53100" => EngineError::Full,
        // A table, a column, a function or an operator for the types, a type, a schema.
        "42P01" | "42703" | "42883" | "42804" | "3F000" => {
            EngineError::Other(format!("the schema has changed meanwhile (SQLSTATE {code})"))
        }
        // What a function of a trigger raises.
        _ if code.starts_with("P0") => EngineError::Refused(TRIGGER),
        _ if code.starts_with("22") => EngineError::Refused(UNFIT),
        // Such a function may raise any code: those of the classes that no server has for itself, and "a query returned more than one row".
        _ if !OF_THE_SERVER.iter().any(|class| code.starts_with(class)) => EngineError::Refused(TRIGGER),
        _ => EngineError::Other(format!("the server reports SQLSTATE {code}")),
    }
}

/// Classes of codes by which the server tells of itself, of the connection, the session or the schema, and never of one row.
const OF_THE_SERVER: [&str; 30] = [
    "00", "01", "02", "03", "08", "0A", "0B", "0F", "0L", "0P", "25", "26", "28", "2B", "2D", "34", "3B",
    "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "72", "F0", "HV", "XX",
];

/// <https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference>. `state`: the SQLSTATE.
fn of_mariadb(number: u16, state: &str) -> EngineError {
    match number {
        // The server has no errors of this class for itself: a trigger has signalled it, and may have given it any number.
        _ if state.starts_with("45") => EngineError::Refused(TRIGGER),
        1216 | 1217 | 1451 | 1452 => EngineError::Refused(FOREIGN_KEY),
        1048 | 1364 => EngineError::Refused(NOT_NULL),
        1062 | 1586 => EngineError::Refused(UNIQUE),
        4025 => EngineError::Refused(CHECK),
        1406 => EngineError::Refused(TOO_LONG),
        1264 | 1265 | 1292 | 1366 => EngineError::Refused(UNFIT),
        // The server numbers its own errors below 5,000.
        1644 | 5000.. => EngineError::Refused(TRIGGER),
        1205 | 1222 => EngineError::Conflict(LOCKED),
        // Of a snapshot, what somebody else has changed since.
        1020 | 1213 => EngineError::Conflict(DEADLOCK),
        1969 | 3024 => EngineError::Conflict(SLOW),
        1044 | 1142 | 1143 | 1227 | 1370 => EngineError::Denied(ACCOUNT.to_owned()),
        1045 | 1698 | 1130 => EngineError::Denied("the server does not let the account in".to_owned()),
        1290 | 1792 | 1836 => EngineError::Denied("the server, or the session, is read-only".to_owned()),
        1021 | 1114 => EngineError::Full,
        _ => EngineError::Other(format!("the server reports error {number}")),
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

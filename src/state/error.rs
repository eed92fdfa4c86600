//! What can go wrong at the state database and the key files.

use std::path::PathBuf;

use crate::ledger::error::{CheckpointError, DuplicateRecord, EntryError, NameError, TreeError};
use crate::ledger::tree::EntryIndex;
use crate::model::orders::Halt;
use crate::secret::RandomError;

/// A call to the state that failed. Where an intent was to be written, nothing of its batch has become irreversible; where an outcome was, the
/// batch is what its datastore made of it, and its intent stays open.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process disposes of records with this state.
    #[error("another process holds the state `{}`: wait for it, or stop it", path.display())]
    Locked {
        /// The state.
        path: PathBuf,
    },
    /// The file could not be opened or created.
    #[error("state `{}` cannot be opened: check that its directory exists, is writable and has room", path.display())]
    Open {
        /// The state.
        path: PathBuf,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// There is no state yet.
    #[error("state `{}` does not exist: the first sweep, or the first order, creates it", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}` is not a state of expunged, but another database: give `state` a file of its own", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another version wrote it.
    #[error("state `{}` has version {observed}, expected {expected}: use the program that wrote it, or a newer one", path.display())]
    Version {
        /// The state.
        path: PathBuf,
        /// Its version.
        observed: i64,
        /// Ours.
        expected: i64,
    },
    /// It cannot be read as what it was.
    #[error("state `{}` is damaged: {what}; nothing more is disposed of; a batch in flight may be gone, and its intent is in this file alone: keep the file before anything is restored", path.display())]
    Damaged {
        /// The state.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The ledger is another's.
    #[error(
        "the ledger belongs to `{observed}`, the configuration says `{expected}`: put that right, or give the other ledger a state of its own"
    )]
    Origin {
        /// In the ledger.
        observed: String,
        /// In the configuration.
        expected: String,
    },
    /// The ledger is shorter than, or different from, what was published.
    #[error("the ledger does not contain the published checkpoint `{}`: {what}; it will not be signed, and nothing is disposed of; restore the newest copy of the state", path.display())]
    Regressed {
        /// The published checkpoint.
        path: PathBuf,
        /// Observed against expected.
        what: String,
    },
    /// The published checkpoint cannot be read or is not ours.
    #[error("the published checkpoint `{}` does not verify: nothing is disposed of; restore it, or the key that signed it", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// The host's clock is far ahead of the ledger, and no other clock confirms it.
    #[error(
        "the host's clock says {host}, more than 7 days past the ledger's newest entry of {mark}: nothing is disposed of; if the clock is right, `expunged approve --clock DATASTORE`"
    )]
    ClockAhead {
        /// The host's clock.
        host: chrono::DateTime<chrono::Utc>,
        /// The newest entry.
        mark: chrono::DateTime<chrono::Utc>,
    },
    /// The disk is full.
    #[error("no space left for the state `{}`: nothing was disposed of without an entry; make room and sweep again", path.display())]
    Full {
        /// The state.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("the state cannot {operation}")]
    Statement {
        /// What it was for.
        operation: &'static str,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// A file beside the state could not be read or written.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What it was for.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A key file holds something else than its key.
    #[error("key file `{}` is not the key that the ledger announced for it: restore the right one", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
    /// A key that the ledger announced is gone.
    #[error("key file `{}` is missing, but the ledger announced its key: restore it; without it nothing can be proved", path.display())]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// The key of keyed pseudonyms is gone.
    #[error("key file `{}` is missing, and pseudonyms were made with its key: restore it, since under another the same value gets another pseudonym; if it was destroyed on purpose, put 32 random bytes there", path.display())]
    PseudonymKeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// The sealed identities of an open intent cannot be opened.
    #[error("the sealed identities of batch `{batch}` cannot be opened with the key of its epoch")]
    Sealed {
        /// The batch.
        batch: String,
    },
    /// It cannot be read whom an order is about.
    #[error(
        "whom order `{order}` is about cannot be read with the key `orders.key` of the key directory: nothing it may cover is disposed of; restore the key"
    )]
    Subject {
        /// The hold or the request.
        order: String,
    },
    /// An order is recorded, but the checkpoint that contains it could not be published.
    #[error(
        "the order is recorded and in force (entry {entry}): do not give it again; the checkpoint that contains it is not published, which the next sweep or order tries again"
    )]
    Unpublished {
        /// The order's entry.
        entry: EntryIndex,
        /// Why.
        #[source]
        source: Box<StateError>,
    },
    /// An order was given after the batch was judged; nothing of it was intended.
    #[error("an order was given after the batch was judged: it is judged again")]
    OrdersMoved,
    /// Nothing may be disposed of now; nothing of the batch was intended.
    #[error("{0}")]
    Halted(Halt),
    /// What is said of a batch contradicts its intent, which stays open.
    #[error("the outcome of batch `{batch}` cannot be sealed: {what}")]
    Outcome {
        /// The batch.
        batch: String,
        /// What contradicts.
        what: &'static str,
    },
    /// A name cannot stand in the ledger.
    #[error("a name cannot stand in the ledger")]
    Name(#[from] NameError),
    /// An entry was refused.
    #[error("an entry cannot be written")]
    Entry(#[from] EntryError),
    /// The tree and its parts disagree.
    #[error("the tree cannot be computed")]
    Tree(#[from] TreeError),
    /// A record is twice in a batch.
    #[error("a batch names one record twice")]
    Duplicate(#[from] DuplicateRecord),
    /// A checkpoint could not be signed.
    #[error("the checkpoint cannot be signed")]
    Sign(#[source] CheckpointError),
    /// No randomness.
    #[error("a key or a name needs randomness")]
    Random(#[from] RandomError),
}

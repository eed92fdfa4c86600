//! Rows of a database: one way through a batch, in the SQL of whichever engine holds them.
//!
//! A batch is one transaction. What it selects is locked, or stands still in its snapshot, and is handed to the judge; what the judge calls
//! due goes by its key, or as the same stretch, with the rule's predicate repeated or implied; a marker in the same transaction says
//! afterwards whether it was committed.

mod batch;
mod connection;
mod cursor;
mod dialect;
mod filter;
mod grants;
mod identity;
mod layer;
mod level;
mod mariadb;
mod marker;
mod postgres;
mod prepared;
mod read;
mod replicas;
mod rights;
mod rows;
mod scout;
mod selection;
mod share;
mod sqlite;
mod statement;
mod trigger;
mod way;

pub use batch::{Judged, Selected, Writer};
pub use connection::Layout;
pub use cursor::Cursor;
pub use grants::steps as grants;
pub use identity::{Identities, Identity};
pub use level::{Aim, Asked, Came, Eraser, GoOn};
pub use marker::{Evidence, Incarnation};
pub use prepared::Prepared;
pub use read::{Backlogged, CANDIDATE, Census, Reader};
pub use replicas::{Behind, Distance, Replicas};
pub use scout::{Scout, Seen, Watermark};
pub use selection::Page;
pub use sqlite::privileges::privileges as file_privileges;
pub use sqlite::trial::{Filling, TrialTable};
pub use way::{Ahead, Way};

use crate::rules::rule::Rule;

/// Which records a selection is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Those that a plain range finds: what SQL can compare with the cut-off, and what happens to sort there.
    Exact,
    /// Those that SQL by itself knows to be due: for counting, where none may count twice.
    Regular,
    /// Those whose trigger only the judge can read.
    Candidates,
    /// Those of people who demand their erasure, whatever their trigger says.
    Demanded,
}

impl Phase {
    /// The one whose statement shows which records a rule is after.
    pub fn shown(rule: &Rule) -> Self {
        if rule.trigger.is_request() { Self::Demanded } else { Self::Exact }
    }
}

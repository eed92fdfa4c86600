//! Rows of a database: one way through a batch, in the SQL of whichever engine holds them.
//!
//! A batch is one transaction. What it selects is locked, or stands still in its snapshot, and is handed to the judge; what the judge calls
//! due goes by its key, or as the same stretch, with the rule's predicate repeated or implied; a marker in the same transaction says
//! afterwards whether it was committed.

mod batch;
mod connection;
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
mod share;
mod sqlite;
mod statement;
mod trigger;
mod way;

pub use batch::{Judged, Selected, Writer};
pub use connection::Layout;
pub use grants::steps as grants;
pub use identity::{Identities, Identity};
pub use level::{Aim, Asked, Came, Eraser, GoOn};
pub use marker::{Evidence, Incarnation};
pub use prepared::Prepared;
pub use read::{Backlogged, CANDIDATE, Census, Page, Reader};
pub use replicas::{Behind, Distance, Replicas};
pub use scout::{Scout, Seen, Watermark};
pub use sqlite::privileges::privileges as file_privileges;
pub use sqlite::trial::{Filling, TrialTable};
pub use way::{Ahead, Way};

use crate::model::value::Value;
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

/// Where a walk through a dataset goes on.
#[derive(Clone, Default, PartialEq)]
pub struct Cursor(Place);

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a record's key or trigger reads may be personal data.
        f.write_str("<cursor>")
    }
}

/// Where that is.
#[derive(Clone, Default, PartialEq)]
enum Place {
    #[default]
    Start,
    /// At the start of a walk in this order.
    StartOf(read::Order),
    /// Behind this record, by the values of the walk's own order.
    Behind(read::Order, Vec<Value>),
    /// On a line, from here; up to the second and without it, where somebody else takes what is there.
    On(way::Axis, i64, Option<i64>),
    /// Within this stretch of a line, behind the record with these values of the walk's own order.
    Within(way::Span, Option<Vec<Value>>),
}

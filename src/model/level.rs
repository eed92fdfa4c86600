//! How thoroughly records are gone from the datastore that held them.

use serde::{Deserialize, Serialize};

/// Each has what the one before it has. None reaches backups, replicas or what the file system keeps of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// No query finds them in their dataset any more.
    #[default]
    Logical,
    /// The engine keeps no version of them either: what held them is free, and may hold their bytes until it is used again.
    Vacuumed,
    /// Whatever held them was written anew without them.
    Rewritten,
}

impl Level {
    /// The word for it in the ledger, in proofs and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logical => "logical",
            Self::Vacuumed => "vacuumed",
            Self::Rewritten => "rewritten",
        }
    }

    /// What a rule writes to ask for it, as `then`; none: it asks for nothing.
    pub const fn then(self) -> Option<&'static str> {
        match self {
            Self::Logical => None,
            Self::Vacuumed => Some("vacuum"),
            Self::Rewritten => Some("rewrite"),
        }
    }

    /// What asks for it.
    pub fn asked(then: &str) -> Option<Self> {
        [Self::Vacuumed, Self::Rewritten].into_iter().find(|level| level.then() == Some(then))
    }
}

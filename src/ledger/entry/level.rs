//! More than logical erasure: claimed afterwards, of batches that are in the ledger.

use serde::{Deserialize, Serialize};

use super::super::error::EntryError;
use super::super::name::{DatastoreName, ReasonText, RuleId};
use super::super::tree::EntryIndex;
use crate::model::level::Level;

/// `erasure.level`: what the engine has removed of the records of earlier batches, and what is known to remain of them all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureLevel {
    /// The rule.
    pub rule: RuleId,
    /// The datastore whose engine was asked: that of the batches.
    pub datastore: DatastoreName,
    /// What was reached; never [`Level::Logical`], which a batch has by itself.
    pub level: Level,
    /// What the engine was asked for.
    pub means: ReasonText,
    /// Where bytes of the records may still be, as far as is known: ascending, never empty.
    pub remains: Vec<Remains>,
    /// The `batch.committed` of the batches, ascending, at least one.
    pub batches: Vec<EntryIndex>,
}

/// Where bytes of a record may be that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remains {
    /// In copies that somebody made of the datastore.
    Backups,
    /// In blocks that the file system has taken back and not used again.
    FileSystem,
    /// In the datastore's own files, where nothing is stored at present.
    FreeSpace,
    /// In indexes that keep words, or the bounds of their pages, apart from the rows that those came from.
    Indexes,
    /// In other servers that follow this one.
    Replicas,
    /// In samples of values that the engine keeps to plan its queries by.
    Statistics,
    /// In the logs from which the engine recovers, or that others read.
    WriteAheadLog,
}

impl Remains {
    /// In words, as "known to remain" goes on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::FileSystem => "freed blocks of the file system",
            Self::FreeSpace => "free space in the datastore's files",
            Self::Indexes => "words and bounds in indexes",
            Self::Replicas => "replicas",
            Self::Statistics => "the engine's statistics",
            Self::WriteAheadLog => "write-ahead logs",
        }
    }
}

impl ErasureLevel {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let contradiction = |what| Err(EntryError::Contradiction { what });
        if self.level == Level::Logical {
            return contradiction("`level` is logical, which a batch has by itself");
        }
        if self.remains.is_empty() || !self.remains.is_sorted_by(|a, b| a < b) {
            return contradiction("`remains` is empty, or not ascending");
        }
        if self.batches.is_empty() || !self.batches.is_sorted_by(|a, b| a < b) {
            return contradiction("`batches` is empty, or not ascending");
        }
        Ok(())
    }
}

//! The leaf hashes of the ledger: read a page at a time, since a ledger grows for as long as it is kept.

use std::path::Path;

use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection};

use super::error::StateError;
use super::{State, failed, signed};
use crate::ledger::entry::Entry;
use crate::ledger::hash::Hash;
use crate::ledger::tree::{Frontier, TreeSize};

/// So many hashes are held at once, as the driver has them.
const PAGE: i64 = 4096;

const READ: &str = "read its entries";

impl State {
    /// The leaf hashes of the first `size` entries, to find paths among them: 32 bytes each.
    pub(super) async fn leaves(&mut self, size: TreeSize) -> Result<Vec<Hash>, StateError> {
        let mut leaves = Vec::new();
        each(&mut self.connection, &self.path, 0, size.get(), |leaf| leaves.push(leaf)).await?;
        Ok(leaves)
    }

    /// The frontier of the first `size` entries, or of all where there are fewer.
    pub(super) async fn frontier_at(&mut self, size: TreeSize) -> Result<Frontier, StateError> {
        let mut frontier = Frontier::default();
        follow(&mut self.connection, &self.path, &mut frontier, size).await?;
        Ok(frontier)
    }
}

/// Brings the frontier up to this many entries, or to as many as there are on the disk.
pub(super) async fn follow(
    connection: &mut SqliteConnection,
    path: &Path,
    frontier: &mut Frontier,
    size: TreeSize,
) -> Result<(), StateError> {
    let from = frontier.size().get();
    each(connection, path, from, size.get(), |leaf| frontier.push(leaf)).await
}

/// Brings the frontier up to the entries on the disk; the newest entry's instant, where there are any that it did not have.
pub(super) async fn catch_up(
    connection: &mut SqliteConnection,
    path: &Path,
    frontier: &mut Frontier,
    last_at: DateTime<Utc>,
) -> Result<DateTime<Utc>, StateError> {
    let before = frontier.size();
    follow(connection, path, frontier, TreeSize::new(u64::MAX)).await?;
    if frontier.size() == before {
        return Ok(last_at);
    }
    Ok(last_at.max(newest_at(connection, path).await?))
}

/// The instant of the newest entry; the epoch where there is none.
pub(super) async fn newest_at(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<DateTime<Utc>, StateError> {
    let newest = sqlx::query("SELECT bytes FROM entry ORDER BY idx DESC LIMIT 1").fetch_optional(connection);
    let Some(newest) = newest.await.map_err(|e| failed(path, READ, e))? else {
        return Ok(DateTime::UNIX_EPOCH);
    };
    let newest: Vec<u8> = newest.try_get(0).map_err(|e| failed(path, READ, e))?;
    let entry = Entry::parse(&newest).map_err(|e| StateError::Damaged {
        path: path.to_owned(),
        what: format!("its last entry cannot be read: {e}"),
    })?;
    Ok(entry.at())
}

/// The leaf hashes from one index on and below another, in order.
async fn each(
    connection: &mut SqliteConnection,
    path: &Path,
    from: u64,
    below: u64,
    mut take: impl FnMut(Hash),
) -> Result<(), StateError> {
    let damaged = |what: String| StateError::Damaged { path: path.to_owned(), what };
    let mut next = from;
    // Ends because each page starts after the last row of the one before.
    loop {
        let page = "SELECT idx, leaf FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx LIMIT ?3";
        let page = sqlx::query(page).bind(signed(next)).bind(signed(below)).bind(PAGE);
        let page = page.fetch_all(&mut *connection).await.map_err(|e| failed(path, READ, e))?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            let index: i64 = row.try_get(0).map_err(|e| failed(path, READ, e))?;
            let leaf: Vec<u8> = row.try_get(1).map_err(|e| failed(path, READ, e))?;
            if index.unsigned_abs() != next {
                return Err(damaged(format!("entry {next} is missing")));
            }
            let leaf = leaf.try_into().map_err(|_| damaged(format!("entry {next} has no leaf hash")))?;
            take(Hash::from_bytes(leaf));
            next += 1;
        }
    }
}

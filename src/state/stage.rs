//! What a batch keeps, written ahead of its intent while the datastore is still at work: little of the intent is left to write then.
//!
//! No commit here waits for the disk, but where the engine folds its log, and nothing depends on it: the commit of the intent, which waits,
//! brings both there. What no intent comes for is forgotten with the next that is staged, at the end of the sweep, or at the next start.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection};

use super::draft::{Draft, DraftPart, Sealed};
use super::error::StateError;
use super::writing::Queue;
use super::{State, failed};

/// What no intent has come for. A row of `batch` is the intent.
const FORGET: &str = "DELETE FROM part WHERE batch IN \
     (SELECT i.batch FROM identity AS i WHERE NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.id = i.batch)); \
     DELETE FROM identity WHERE NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.id = identity.batch)";

impl State {
    /// Writes the commitments to the rule's own records of a batch, and their sealed identities, ahead of its intent. One batch at a
    /// time is staged: another, whose intent has not come, is forgotten.
    ///
    /// Dying here, or before the intent, leaves nothing that counts.
    pub async fn stage(
        &mut self,
        draft: &Draft,
        part: &mut DraftPart,
        sealed: &mut Sealed,
    ) -> Result<(), StateError> {
        const OPERATION: &str = "stage a batch";
        crate::hook::reach("stage.before");
        let mut queue = Queue::default();
        part.keep(&mut queue, &draft.batch, 0);
        sealed.keep(&mut queue, &draft.batch);
        let begun = self.connection.begin_with("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|e| failed(&self.path, OPERATION, e))?;
        if self.staged.replace(draft.batch.clone()).is_some() {
            forget(&mut transaction, &self.path).await?;
        }
        queue.send(&mut transaction, OPERATION, &self.path).await?;
        transaction.commit().await.map_err(|e| failed(&self.path, OPERATION, e))?;
        crate::hook::reach("stage.after");
        Ok(())
    }

    /// Forgets what was staged and not intended, by whoever disposed before too.
    pub(super) async fn forget_staged(&mut self) -> Result<(), StateError> {
        forget(&mut self.connection, &self.path).await?;
        self.staged = None;
        Ok(())
    }
}

async fn forget(connection: &mut SqliteConnection, path: &Path) -> Result<(), StateError> {
    let forgotten = sqlx::raw_sql(FORGET).execute(connection).await;
    forgotten.map(drop).map_err(|e| failed(path, "forget a batch that was not intended", e))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::ledger::canonical::RuleDigest;
    use crate::ledger::entry::{Action, Cause, RuleId, SweepId};
    use crate::ledger::key::SigningKey;
    use crate::ledger::name::Origin;
    use crate::ledger::tree::EntryIndex;
    use crate::model::key::Key;
    use crate::model::level::Level;
    use crate::model::value::Value;
    use crate::state::{Role, Settings, Sweep};

    /// What a commit on the connection waits for: 1 is nothing, 2 is the disk.
    async fn synchronous(connection: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.unwrap()
    }

    async fn staged(state: &mut State) {
        let sweep = Sweep {
            id: SweepId::parse("20261130T000000Z-0000000000000001").unwrap(),
            rule: RuleId::parse("site/account").unwrap(),
            rule_entry: EntryIndex::new(1),
            rule_sha256: RuleDigest::parse(&format!("{}=", "A".repeat(43))).unwrap(),
            cause: Cause::Schedule,
            started: EntryIndex::new(2),
            cutoff: DateTime::UNIX_EPOCH,
            asked: Level::Logical,
        };
        let draft = state.draft(&sweep).await.unwrap();
        let keys = [Key::from_values(&[Value::Integer(1)]).unwrap()];
        let mut part = draft.part("account", Action::Delete, &[], keys.iter()).unwrap();
        let mut sealed = draft.seal("accounts").unwrap();
        state.stage(&draft, &mut part, &mut sealed).await.unwrap();
    }

    #[test]
    fn what_is_staged_waits_for_no_disk_and_every_entry_does() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            path: directory.path().join("state.db"),
            keys: directory.path().join("keys"),
            signing_key: SigningKey::generate(&Origin::parse("example.com/ledger").unwrap(), [7; 32]),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut state = State::open(settings, Role::Disposer).await.unwrap();
            assert_eq!(synchronous(&mut state.connection).await, 2);
            staged(&mut state).await;
            assert_eq!(synchronous(&mut state.connection).await, 1);
            let mut writing = state.write().await.unwrap();
            assert_eq!(synchronous(&mut writing.transaction).await, 2);
            writing.commit().await.unwrap();
            assert_eq!(synchronous(&mut state.connection).await, 2);
        });
    }
}

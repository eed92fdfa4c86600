//! The application, which goes on writing while its records are disposed of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::model::{Model, is_due};
use super::random::Random;

/// A writer in a thread of its own, with a connection of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    wanted: Arc<AtomicU64>,
    thread: JoinHandle<(Model, Writes)>,
}

/// What the writer did, so that a test can see that it did all of it.
#[derive(Debug, Default)]
pub struct Writes {
    pub inserted: u64,
    pub keys_used_again: u64,
    pub undeleted: u64,
    /// Un-deletions that came too late.
    pub too_late: u64,
    pub deleted: u64,
    pub hung_on: u64,
    pub renamed: u64,
}

impl Writer {
    pub fn start(datastore: PathBuf, model: Model, seed: u64) -> Self {
        let (stop, wanted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, feed) = (Arc::clone(&stop), Arc::clone(&wanted));
        let thread = std::thread::spawn(move || {
            super::world::block_on(async {
                let options = SqliteConnectOptions::new()
                    .filename(datastore)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_mins(1))
                    .pragma("synchronous", "normal")
                    .disable_statement_logging();
                let mut application = Application::new(options.connect().await.unwrap(), model, seed);
                while !stopped.load(Ordering::Relaxed) {
                    let more = feed.swap(0, Ordering::Relaxed);
                    if more > 0 {
                        application.insert_due(more).await;
                    }
                    application.write().await;
                    // An application does not write without a pause; this one's share of the lock is large all the same.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (application.model, application.writes)
            })
        });
        Self { stop, wanted, thread }
    }

    /// Asks for more accounts that are due, so that there is work for the next sweep.
    pub fn make_due(&self, accounts: u64) {
        self.wanted.fetch_add(accounts, Ordering::Relaxed);
    }

    /// What must be there now, as far as the application knows.
    pub fn stop(self) -> (Model, Writes) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the application found something that must not be")
    }
}

struct Application {
    connection: SqliteConnection,
    model: Model,
    random: Random,
    /// Keys to choose from; what has become of each says the model.
    keys: Vec<i64>,
    next_dependent: i64,
    writes: Writes,
}

impl Application {
    fn new(connection: SqliteConnection, model: Model, seed: u64) -> Self {
        let keys: Vec<i64> = model.accounts.keys().copied().collect();
        let next_dependent = keys.last().copied().unwrap_or(0) + 10_000_000;
        Self { connection, model, random: Random::new(seed), keys, next_dependent, writes: Writes::default() }
    }

    /// One small transaction. What it reports is known for certain: the application does not die.
    async fn write(&mut self) {
        let key = self.keys[self.random.below(self.keys.len())];
        let trigger = self.model.accounts.get(&key).cloned();
        match trigger {
            None => self.insert(Some(key)).await,
            Some(Some(trigger)) if is_due(Some(&trigger)) => match self.random.below(8) {
                0 => self.insert(Some(key)).await,
                1 | 2 => self.hang_on(key).await,
                _ => self.undelete(key).await,
            },
            Some(Some(_)) => self.rename(key).await,
            Some(None) => match self.random.below(8) {
                0..4 => self.delete(key).await,
                4 => self.insert(None).await,
                5 => self.rename(key).await,
                _ => self.hang_on(key).await,
            },
        }
    }

    /// Inserts a living account; with a key, only where that is free.
    async fn insert(&mut self, key: Option<i64>) {
        let insert =
            sqlx::query("INSERT OR IGNORE INTO account (id, name, deleted_at) VALUES (?1, 'new', NULL)");
        let done = insert.bind(key).execute(&mut self.connection).await.unwrap();
        if done.rows_affected() == 0 {
            let there = key.is_some_and(|key| self.model.accounts.contains_key(&key));
            assert!(there, "account {key:?} is there again");
            return;
        }
        self.inserted(key.unwrap_or_else(|| done.last_insert_rowid()), None);
    }

    /// The engine gave the key of a record that is gone, or a new one.
    fn inserted(&mut self, key: i64, trigger: Option<String>) {
        if self.model.accounts.contains_key(&key) {
            self.model.gone(key);
        }
        if self.model.life(key) > 0 {
            self.writes.keys_used_again += 1;
        } else {
            self.keys.push(key);
        }
        self.writes.inserted += 1;
        self.model.accounts.insert(key, trigger);
    }

    async fn undelete(&mut self, key: i64) {
        let update = sqlx::query("UPDATE account SET deleted_at = NULL WHERE id = ?1");
        if update.bind(key).execute(&mut self.connection).await.unwrap().rows_affected() == 1 {
            self.model.accounts.insert(key, None);
            self.writes.undeleted += 1;
        } else {
            self.model.gone(key);
            self.writes.too_late += 1;
        }
    }

    fn old_trigger(&mut self) -> String {
        let (month, day, second) =
            (1 + self.random.below(12), 1 + self.random.below(28), self.random.below(60));
        let zone = if self.random.below(16) == 0 { "+02:00" } else { "Z" };
        format!("2020-{month:02}-{day:02}T12:00:{second:02}{zone}")
    }

    /// A living account is deleted, years ago: it joins the due set.
    async fn delete(&mut self, key: i64) {
        let trigger = self.old_trigger();
        let update = sqlx::query("UPDATE account SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL");
        let done = update.bind(key).bind(trigger.clone()).execute(&mut self.connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "living account {key} is not there as it was left");
        self.model.accounts.insert(key, Some(trigger));
        self.writes.deleted += 1;
    }

    /// A session with a device, and a comment.
    async fn hang_on(&mut self, key: i64) {
        let id = self.next_dependent;
        self.next_dependent += 1;
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let session =
            sqlx::query("INSERT INTO session (id, account_id) SELECT ?1, id FROM account WHERE id = ?2");
        let done = session.bind(id).bind(key).execute(&mut *transaction).await.unwrap();
        if done.rows_affected() == 0 {
            transaction.rollback().await.unwrap();
            self.model.gone(key);
            return;
        }
        let device = sqlx::query("INSERT INTO device (id, session_id) VALUES (?1, ?1)");
        device.bind(id).execute(&mut *transaction).await.unwrap();
        let comment = sqlx::query(
            "INSERT INTO comment VALUES (?1, ?2, 'name ' || ?1, 'a' || ?1 || '@example.com', '203.0.113.77', 'body', NULL)",
        );
        comment.bind(id).bind(key).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let on = (key, self.model.life(key));
        self.model.sessions.insert(id, on);
        self.model.devices.insert(id, id);
        self.model.comments.insert(id, on);
        self.writes.hung_on += 1;
    }

    async fn rename(&mut self, key: i64) {
        let update = sqlx::query("UPDATE account SET name = 'renamed' WHERE id = ?1");
        let done = update.bind(key).execute(&mut self.connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "account {key} is not due and is not there");
        self.writes.renamed += 1;
    }

    /// Accounts at the end of the table that are due at once: the engine uses their keys again when they are gone.
    async fn insert_due(&mut self, accounts: u64) {
        let mut inserted = Vec::new();
        let triggers: Vec<String> = (0..accounts).map(|_| self.old_trigger()).collect();
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for trigger in triggers {
            let insert = sqlx::query("INSERT INTO account (name, deleted_at) VALUES ('new', ?1)");
            let done = insert.bind(trigger.clone()).execute(&mut *transaction).await.unwrap();
            inserted.push((done.last_insert_rowid(), trigger));
        }
        transaction.commit().await.unwrap();
        for (key, trigger) in inserted {
            self.inserted(key, Some(trigger));
        }
    }
}

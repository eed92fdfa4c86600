//! The state database: the durable ledger, open intents, sweeps, approvals; key files beside it.
//!
//! **Invariant:** a [`CommittedIntent`] exists only after its entry, its commitments and the sealed identities of its
//! records are on the disk.
//!
//! **Invariant:** an entry is appended in the same transaction as the rows derived from it, but for what was staged ahead of
//! it, under the next index of the ledger as the disk has it, whoever else appends.

mod aead;
mod backup;
mod checkpoint;
mod coverage;
mod draft;
mod epochs;
mod error;
mod intent;
mod key_file;
mod leaves;
mod level;
mod obeyed;
mod orders;
mod outcome;
mod overview;
mod prove;
mod root;
mod seal;
mod stage;
mod sweep;
mod writing;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::clock;
use crate::ledger::commitment::{BatchId, EpochId, EpochKey};
use crate::ledger::entry::{Body, Cause, Entry, Genesis, KeyEpoch, NodeName, Open, RuleVersion};
use crate::ledger::key::SigningKey;
use crate::ledger::tree::{EntryIndex, Frontier, TreeSize};
use crate::model::key::Key;
use crate::pseudonym::PseudonymKey;
use crate::rules::digest;
use key_file::{KeyDirectory, give_to_owner};

pub use coverage::{Covered, coverage};
pub use draft::{Draft, DraftPart, Sealed};
pub use epochs::{AbsentKey, Instead};
pub use error::StateError;
pub use intent::{CommittedIntent, NewBatch, OpenIntent};
pub use key_file::write_key_pair;
pub use level::{Owed, OwedBatch, Reached};
pub use obeyed::{Contradiction, Obeyed};
pub use orders::{Hold, NewHold, NewRequest, Request, RequestEnd, StandingOrders};
pub use outcome::{Disposed, PartOutcomes, Settled};
pub use overview::{LastSweep, RuleOverview};
pub use seal::Unsealed;
pub use sweep::{Sweep, SweepEnd, SweepStart, Usual, VersionStanding};

/// `expu` in ASCII: what `file` and this program know the database by.
const APPLICATION_ID: i64 = 0x6578_7075;
const VERSION: i64 = 8;

/// How long nothing may have been written before the host's clock has to be confirmed.
const LONGEST_IDLE: TimeDelta = TimeDelta::days(7);

/// Where the state and its keys are, and whose ledger it is.
pub struct Settings {
    /// The database.
    pub path: PathBuf,
    /// Epoch and pseudonymization keys.
    pub keys: PathBuf,
    /// Signs the ledger, and names its origin.
    pub signing_key: SigningKey,
}

/// What the caller is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Dispose of records: one process at a time; creates the state if there is none.
    Disposer,
    /// Give orders: beside a disposer; creates the state if there is none, since a hold may come before the first sweep.
    Orderer,
    /// Anything else: beside a disposer.
    Beside,
}

/// The open state.
pub struct State {
    connection: SqliteConnection,
    path: PathBuf,
    keys: KeyDirectory,
    signing_key: SigningKey,
    node: NodeName,
    frontier: Frontier,
    last_at: DateTime<Utc>,
    epoch: Option<(EpochId, Arc<EpochKey>)>,
    /// The batch that is staged and has no intent.
    staged: Option<BatchId>,
    /// Held until the state is dropped; the system releases it when the process dies.
    _lock: Option<File>,
}

impl State {
    /// Opens the state, checks that it is whole and that it contains what was published.
    pub async fn open(settings: Settings, role: Role) -> Result<Self, StateError> {
        let Settings { path, keys, signing_key } = settings;
        if role == Role::Beside && !path.exists() {
            return Err(StateError::Missing { path });
        }
        // Two spellings of one file must not have two locks, two checkpoints or two stop files.
        let path = resolved(path);
        let lock = if role == Role::Disposer { Some(lock(&path)?) } else { None };
        let mut connection = connect(&path).await?;
        prepare(&mut connection, &path).await?;
        let node = NodeName::parse("expunged")?;
        let mut state = Self {
            connection,
            path,
            keys: KeyDirectory::new(&keys),
            signing_key,
            node,
            frontier: Frontier::default(),
            last_at: DateTime::UNIX_EPOCH,
            epoch: None,
            staged: None,
            _lock: lock,
        };
        state.check_published().await?;
        if state.frontier.size().get() == 0 {
            state.begin().await?;
        }
        state.check_genesis().await?;
        if role == Role::Disposer {
            state.check_ahead().await?;
            // Whoever died may have left one; nobody else disposes.
            state.forget_staged().await?;
            crate::hook::reach("log-open.before");
            state.log_open().await?;
        }
        Ok(state)
    }

    /// Writes entry 0, unless somebody else has done so meanwhile.
    async fn begin(&mut self) -> Result<(), StateError> {
        let genesis =
            Genesis { origin: self.signing_key.origin().clone(), vkey: self.signing_key.verifier() };
        let mut writing = self.write().await?;
        if writing.frontier.size().get() == 0 {
            writing.append(&Body::Genesis(genesis))?;
        }
        writing.commit().await
    }

    /// Refuses a host clock that stands far past the newest entry that vouches for one: where nobody else knows the time, a clock
    /// set ahead would dispose of everything early. Comes before anything of this run is appended, or the refused start would move
    /// the mark.
    async fn check_ahead(&mut self) -> Result<(), StateError> {
        let host = clock::now();
        if let Some(mark) = self.vouched_at().await?
            && host - mark > LONGEST_IDLE
        {
            return Err(StateError::ClockAhead { host, mark });
        }
        Ok(())
    }

    /// The instant of the newest entry that was written right after somebody had looked at the clock. Orders are no such entries:
    /// they are taken by whatever clock there is, since a hold cannot wait. Nor is what a sweep writes later: the clock may jump
    /// meanwhile.
    async fn vouched_at(&mut self) -> Result<Option<DateTime<Utc>>, StateError> {
        let operation = "look for the newest entry that vouches for the clock";
        let mut before = i64::MAX;
        loop {
            let newest = "SELECT idx, bytes FROM entry WHERE idx > 0 AND idx < ?1 ORDER BY idx DESC LIMIT 1";
            let row = sqlx::query(newest).bind(before).fetch_optional(&mut self.connection).await;
            let Some(row) = row.map_err(|e| failed(&self.path, operation, e))? else { return Ok(None) };
            before = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            let bytes: Vec<u8> = row.try_get(1).map_err(|e| failed(&self.path, operation, e))?;
            let entry = Entry::parse(&bytes).map_err(|e| StateError::Damaged {
                path: self.path.clone(),
                what: format!("entry {before} cannot be read: {e}"),
            })?;
            let vouches = match entry.body() {
                Body::Open(_) => true,
                Body::SweepStarted(started) => started.cause == Cause::Schedule,
                _ => false,
            };
            if vouches {
                return Ok(Some(entry.at()));
            }
        }
    }

    /// Records that a person has looked at the host's clock: the mark moves to it.
    pub async fn accept_clock(&mut self) -> Result<EntryIndex, StateError> {
        let entry = self.log_open().await?;
        self.publish_order(entry).await?;
        Ok(entry)
    }

    /// The newest instant in the ledger: a clock far behind it has been set back.
    pub fn high_water_mark(&self) -> DateTime<Utc> {
        self.last_at
    }

    /// How many entries the ledger has, as far as this process has looked.
    pub fn ledger_size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// The database's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down which tree was opened: the one that is there when the entry is appended, since orders may come until then.
    async fn log_open(&mut self) -> Result<EntryIndex, StateError> {
        let mut writing = self.write().await?;
        let open = Open { size: writing.frontier.size(), root: writing.frontier.root() };
        let index = writing.append(&Body::Open(open))?;
        writing.commit().await?;
        Ok(index)
    }

    async fn check_genesis(&mut self) -> Result<(), StateError> {
        let damaged = |what: &str| StateError::Damaged { path: self.path.clone(), what: what.to_owned() };
        let row = sqlx::query("SELECT bytes FROM entry WHERE idx = 0").fetch_one(&mut self.connection).await;
        let bytes: Vec<u8> =
            row.and_then(|r| r.try_get(0)).map_err(|e| failed(&self.path, "read entry 0", e))?;
        let entry = Entry::parse(&bytes).map_err(|e| damaged(&e.to_string()))?;
        let Body::Genesis(genesis) = entry.body() else {
            return Err(damaged("entry 0 is not `log.genesis`"));
        };
        let (observed, expected) = (&genesis.origin, self.signing_key.origin());
        if observed != expected {
            return Err(StateError::Origin {
                observed: observed.to_string(),
                expected: expected.to_string(),
            });
        }
        if genesis.vkey != self.signing_key.verifier() {
            return Err(StateError::Origin {
                observed: genesis.vkey.to_text(),
                expected: self.signing_key.verifier().to_text(),
            });
        }
        Ok(())
    }

    /// The commitment key of the month, made and announced on first use.
    async fn current_epoch(&mut self) -> Result<(EpochId, Arc<EpochKey>), StateError> {
        let epoch = EpochId::parse(&clock::now().format("%Y-%m").to_string())?;
        if let Some((_, key)) = self.epoch.as_ref().filter(|(current, _)| current == &epoch) {
            return Ok((epoch, Arc::clone(key)));
        }
        let name = epoch_file(&epoch);
        crate::hook::reach("epoch-key.before");
        let announced = self.announced(&epoch).await?;
        let key = match (self.keys.read(&name)?, &announced) {
            (Some(key), _) => key,
            (None, Some(_)) => return Err(StateError::KeyMissing { path: self.keys.path(&name) }),
            (None, None) => self.keys.create(&name)?,
        };
        crate::hook::reach("epoch-key.after");
        let key = EpochKey::from_bytes(*key);
        match announced {
            // Died between the file and its entry: the file is as good as new, nothing depends on it yet.
            None => {
                let body = Body::KeyEpoch(KeyEpoch { epoch: epoch.clone(), check: key.check(&epoch) });
                let mut writing = self.write().await?;
                let entry = writing.append(&body)?;
                let insert = sqlx::query("INSERT INTO epoch (id, entry) VALUES (?1, ?2)");
                writing
                    .run("record an epoch", insert.bind(epoch.as_str().to_owned()).bind(signed(entry.get())))
                    .await?;
                writing.commit().await?;
            }
            Some(announced) if announced.check == key.check(&epoch) => {}
            Some(_) => return Err(StateError::WrongKey { path: self.keys.path(&name) }),
        }
        let key = Arc::new(key);
        self.epoch = Some((epoch.clone(), Arc::clone(&key)));
        Ok((epoch, key))
    }

    async fn announced(&mut self, epoch: &EpochId) -> Result<Option<KeyEpoch>, StateError> {
        let row = sqlx::query(
            "SELECT e.bytes FROM epoch JOIN entry AS e ON e.idx = epoch.entry WHERE epoch.id = ?1",
        )
        .bind(epoch.as_str())
        .fetch_optional(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, "look for an epoch key", e))?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get(0).map_err(|e| failed(&self.path, "look for an epoch key", e))?;
        match Entry::parse(&bytes)?.body() {
            Body::KeyEpoch(found) => Ok(Some(found.clone())),
            _ => Err(StateError::Damaged {
                path: self.path.clone(),
                what: format!("epoch {epoch} has no entry"),
            }),
        }
    }

    /// The commitment key of an epoch, if its file is still there and holds what the ledger announced.
    async fn epoch_key(&mut self, epoch: &EpochId) -> Result<EpochKey, StateError> {
        let name = epoch_file(epoch);
        let Some(bytes) = self.keys.read(&name)? else {
            return Err(StateError::KeyMissing { path: self.keys.path(&name) });
        };
        let key = EpochKey::from_bytes(*bytes);
        match self.announced(epoch).await? {
            Some(announced) if announced.check == key.check(epoch) => Ok(key),
            Some(_) | None => Err(StateError::WrongKey { path: self.keys.path(&name) }),
        }
    }

    /// What a record is called where its key must not be shown: by the key of the current month, if there is one.
    pub fn keyed_id(&self, dataset: &str, key: &Key) -> Result<Option<String>, StateError> {
        let epoch = EpochId::parse(&clock::now().format("%Y-%m").to_string())?;
        let bytes = self.keys.read(&epoch_file(&epoch))?;
        Ok(bytes.map(|bytes| EpochKey::from_bytes(*bytes).tag(dataset, key.as_str()).to_string()))
    }

    /// The key of keyed pseudonyms, made on first use. Where some were made already, a missing key is lost and not new.
    pub async fn pseudonym_key(&mut self) -> Result<PseudonymKey, StateError> {
        let key = match self.keys.read("pseudonyms")? {
            Some(key) => key,
            None if self.has_keyed_pseudonyms().await? => {
                return Err(StateError::PseudonymKeyMissing { path: self.keys.path("pseudonyms") });
            }
            None => self.keys.create("pseudonyms")?,
        };
        Ok(PseudonymKey::from_bytes(key))
    }

    /// Whether a version of a rule that needs the key disposed of something.
    async fn has_keyed_pseudonyms(&mut self) -> Result<bool, StateError> {
        let operation = "look for keyed pseudonyms";
        let rows = sqlx::query(
            "SELECT DISTINCT rule_entry FROM sweep \
             WHERE EXISTS (SELECT 1 FROM batch WHERE batch.sweep = sweep.id AND committed)",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        for row in rows {
            let entry: i64 = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
            let entry = self.entry(EntryIndex::new(entry.unsigned_abs())).await?;
            let Body::RuleVersion(RuleVersion { rule_json, .. }) = entry.body() else { continue };
            if ["action", "dependents"]
                .iter()
                .filter_map(|field| rule_json.field(field))
                .any(digest::uses_key)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn epoch_file(epoch: &EpochId) -> String {
    format!("epoch-{epoch}")
}

/// The file itself, where the path is a link to it.
fn resolved(path: PathBuf) -> PathBuf {
    let Ok(target) = path.read_link() else { return path };
    // The file may not be there yet.
    path.canonicalize()
        .unwrap_or_else(|_| path.parent().map_or(target.clone(), |directory| directory.join(target)))
}

fn lock(state: &Path) -> Result<File, StateError> {
    let path = state.with_added_extension("lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|source| StateError::File {
        operation: "open the lock file",
        path: path.clone(),
        source,
    })?;
    give_to_owner(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StateError::Locked { path: state.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => {
            Err(StateError::File { operation: "lock", path, source })
        }
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StateError> {
    if !path.exists() {
        // Commitments and sealed identities are nobody else's business; the engine would make the file readable to all.
        let made = File::options().create_new(true).write(true).mode(0o600).open(path);
        match made {
            Ok(_) => give_to_owner(path)?,
            // Whoever opened it at the same time was first.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(StateError::File {
                    operation: "create the state",
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    let opened = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        // A sealed identity that was dropped must not stay in a free page.
        .pragma("secure_delete", "on")
        .disable_statement_logging()
        .connect()
        .await;
    opened.map_err(|source| match failed(path, "open", source) {
        StateError::Statement { source, .. } => StateError::Open { path: path.to_owned(), source },
        other => other,
    })
}

/// Creates the tables, or checks that they are ours.
async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<(), StateError> {
    let number = async |connection: &mut SqliteConnection, sql: &'static str| -> Result<i64, StateError> {
        let row = sqlx::query(sql).fetch_one(connection).await;
        row.and_then(|r| r.try_get(0)).map_err(|e| failed(path, "read its version", e))
    };
    let application = number(connection, "PRAGMA application_id").await?;
    let version = number(connection, "PRAGMA user_version").await?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema").await?;
    if tables > 0 {
        if application != APPLICATION_ID {
            return Err(StateError::Foreign { path: path.to_owned() });
        }
        if version != VERSION {
            return Err(StateError::Version { path: path.to_owned(), observed: version, expected: VERSION });
        }
        return Ok(());
    }
    let schema = concat!(
        include_str!("schema.sql"),
        "\nPRAGMA application_id = 1702391925;\nPRAGMA user_version = 8;"
    );
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(|e| failed(path, "create its tables", e))?;
    let made = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await;
    let made: i64 = made.and_then(|r| r.try_get(0)).map_err(|e| failed(path, "create its tables", e))?;
    if made > 0 {
        // Whoever opened it at the same time was first.
        return Ok(());
    }
    sqlx::raw_sql(schema)
        .execute(&mut *transaction)
        .await
        .map_err(|e| failed(path, "create its tables", e))?;
    crate::hook::reach("state-tables.before");
    transaction.commit().await.map_err(|e| failed(path, "create its tables", e))?;
    crate::hook::reach("state-tables.after");
    Ok(())
}

/// The index of the write-ahead log is mapped into memory: where it cannot grow, the disk is full.
const SHMSIZE: i32 = 4874;

/// Sorts out what the operator has to know apart.
fn failed(path: &Path, operation: &'static str, source: sqlx::Error) -> StateError {
    let code = match &source {
        sqlx::Error::Database(e) => e.code().and_then(|c| c.parse::<i32>().ok()),
        _ => None,
    };
    match code.map(|c| if c == SHMSIZE { 13 } else { c & 0xff }) {
        Some(13) => StateError::Full { path: path.to_owned() },
        Some(11 | 26) => {
            StateError::Damaged { path: path.to_owned(), what: "the file is not a whole database".to_owned() }
        }
        _ => StateError::Statement { operation, source },
    }
}

/// Counts and indexes stay far below 2^63.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

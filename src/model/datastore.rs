//! What the configuration says of a datastore, and the pace that rules inherit.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use super::calendar::Hours;
use super::credential::SecretSource;
use super::name::DatastoreName;
use super::opening::OpeningHours;
use super::period::Elapsed;
use super::schedule::Schedule;

/// A datastore as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datastore {
    /// Which engine, and where.
    pub location: Location,
    /// How fast it may be swept.
    pub pace: Pace,
    /// When it may be swept; none: at any time.
    pub window: Option<Hours>,
    /// How far its replicas may be behind; none: nobody asks them.
    pub lag: Option<LagLimit>,
}

impl Datastore {
    /// Which engine.
    pub fn kind(&self) -> DatastoreKind {
        match self.location {
            Location::Sqlite(_) => DatastoreKind::Sqlite,
            Location::Postgres(_) => DatastoreKind::Postgres,
            Location::MariaDb(_) => DatastoreKind::MariaDb,
            Location::Files(_) => DatastoreKind::Files,
        }
    }
}

/// Where a datastore is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A database in this file.
    Sqlite(PathBuf),
    /// A database on a PostgreSQL server.
    Postgres(Server),
    /// A database on a MariaDB server.
    MariaDb(Server),
    /// A tree of files below this root.
    Files(PathBuf),
}

impl Location {
    /// The file or the root; none: it is on a server.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) | Self::Files(path) => Some(path),
            Self::Postgres(_) | Self::MariaDb(_) => None,
        }
    }
}

impl fmt::Display for Location {
    /// As an operator knows it, without secrets: a path, or `host:port/database`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) | Self::Files(path) => path.display().fmt(f),
            Self::Postgres(server) | Self::MariaDb(server) => server.fmt(f),
        }
    }
}

/// A database on a server, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the server answers.
    pub address: Address,
    /// The account.
    pub user: String,
    /// The database.
    pub database: String,
    /// The schema within it that holds the tables; MariaDB has none beside the database.
    pub schema: String,
    /// Where the account's password is; none: the server asks for none.
    pub password: Option<SecretSource>,
    /// How the connection is protected.
    pub tls: Tls,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.database)
    }
}

/// Where a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// A Unix socket: for PostgreSQL the directory that holds it and the port that names it there, for MariaDB the socket itself.
    Socket(PathBuf, Option<u16>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            // Several clusters may share a directory, and each is a datastore of its own.
            Self::Socket(directory, Some(port)) => write!(f, "{}:{port}", directory.display()),
            Self::Socket(path, None) => path.display().fmt(f),
        }
    }
}

/// How a connection to a server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, whoever answers: against listeners, not against impostors.
    Unverified,
    /// Encrypted, and the server proves that it is the one that the address names.
    Verified {
        /// The authority that vouches for it; none: those that the system trusts.
        authority: Option<PathBuf>,
    },
}

/// How far replicas may be behind: beyond it, a sweep waits for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagLimit {
    /// So long at the most.
    pub longest: Elapsed,
    /// Where MariaDB's replicas answer. PostgreSQL's primary knows its own, and none is named.
    pub replicas: Vec<Server>,
}

/// Which engine holds a datastore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatastoreKind {
    /// A database in a file.
    Sqlite,
    /// A database on a PostgreSQL server.
    Postgres,
    /// A database on a MariaDB server.
    MariaDb,
    /// A tree of files.
    Files,
}

impl DatastoreKind {
    /// The word for it in the configuration and in a rule's digest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
            Self::Files => "files",
        }
    }

    /// Whether it is a server's account that may do something there, and not one of the system's.
    pub fn has_accounts(self) -> bool {
        match self {
            Self::Postgres | Self::MariaDb => true,
            Self::Sqlite | Self::Files => false,
        }
    }

    /// Whether it locks rows one by one, so that others write beside a sweep.
    pub fn locks_rows(self) -> bool {
        match self {
            Self::Postgres | Self::MariaDb => true,
            Self::Sqlite | Self::Files => false,
        }
    }

    /// Whether its records are rows.
    pub fn has_rows(self) -> bool {
        match self {
            Self::Sqlite | Self::Postgres | Self::MariaDb => true,
            Self::Files => false,
        }
    }
}

/// Which datastore a rule was bound to, as far as its digest cares: not what the configuration calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatastoreIdentity {
    /// Which engine.
    pub kind: DatastoreKind,
    /// Where: the absolute path of the file or the root, or the server with the database and the schema; without account and secrets.
    pub location: String,
}

/// Rows a second, dependents included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most so many.
    RowsPerSecond(NonZeroU32),
    /// As fast as it goes.
    Unlimited,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowsPerSecond(rows) => write!(f, "{rows} rows a second"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// What holds where a rule or a datastore says nothing of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// When a rule is swept.
    pub schedule: Schedule,
    /// Records under one intent, at most.
    pub batch: NonZeroU32,
    /// How fast a datastore may be swept.
    pub pace: Pace,
    /// How long one sweep may take; what is left waits for the next.
    pub run_cap: TimeDelta,
    /// When each datastore may be swept that has a window.
    pub windows: BTreeMap<DatastoreName, Hours>,
}

impl Defaults {
    /// When a rule over these datastores may be swept.
    pub fn opening<'n>(&self, datastores: impl IntoIterator<Item = &'n DatastoreName>) -> OpeningHours {
        OpeningHours::of(datastores, |name| self.windows.get(name).copied())
    }

    /// The longest time between two sweeps of such a rule that have room for a whole run: from start to start, or, where that is longer, as
    /// long as a start waits for the run before it; none: none has room.
    pub fn longest_gap<'n>(
        &self,
        datastores: impl IntoIterator<Item = &'n DatastoreName>,
        schedule: &Schedule,
    ) -> Option<TimeDelta> {
        let gap = schedule.longest_gap_within(&self.opening(datastores), self.run_cap);
        gap.map(|gap| gap.max(self.run_cap))
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            schedule: "0 0 * * * *".parse().expect("a constant, parsed by a test"),
            batch: NonZeroU32::MIN.saturating_add(1999),
            pace: Pace::RowsPerSecond(NonZeroU32::MIN.saturating_add(19_999)),
            run_cap: TimeDelta::minutes(30),
            windows: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_in_one_directory_of_sockets_are_told_apart() {
        let shown = |port| Address::Socket("/run/postgresql".into(), port).to_string();
        assert_eq!(shown(Some(5432)), "/run/postgresql:5432");
        assert_ne!(shown(Some(5432)), shown(Some(5433)));
        assert_eq!(shown(None), "/run/postgresql");
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let defaults = Defaults::default();
        assert_eq!(defaults.schedule.longest_gap(), TimeDelta::hours(1));
        assert_eq!(defaults.batch.get(), 2000);
        assert_eq!(defaults.pace.to_string(), "20000 rows a second");
    }
}

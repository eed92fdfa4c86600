//! How far the replicas of a database are behind: asked on connections of its own, never in a batch's transaction.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;

use super::connection::{Access, Connection};
use super::{mariadb, postgres};
use crate::clock::Stopwatch;
use crate::datastore::error::{DatastoreError, ReplicaError};
use crate::model::datastore::{Datastore, LagLimit, Location, Server};
use crate::model::period::Elapsed;

/// Whoever has not answered by then cannot say how far replication is.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that was idle for longer is opened anew: the server may have closed it.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// The replicas that a datastore is held to wait for.
pub struct Replicas<'d> {
    limit: &'d LagLimit,
    engine: Engine,
    /// PostgreSQL: the primary; MariaDB: each replica.
    asked: Vec<Asked<'d>>,
}

#[derive(Clone, Copy)]
enum Engine {
    Postgres,
    MariaDb,
}

struct Asked<'d> {
    server: &'d Server,
    /// None: not yet, or its last answer did not come.
    open: Option<(Connection, Stopwatch)>,
}

/// A replica that is too far behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// As its server knows it, or where it answers.
    pub replica: String,
    /// How far.
    pub by: Distance,
}

/// How far a replica is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// So long ago was written what it shows now.
    By(TimeDelta),
    /// It fetches what it has missed, and nobody can say how old that is.
    CatchingUp,
}

impl<'d> Replicas<'d> {
    /// Those of a datastore; none: nobody asks them. Connects to nothing yet.
    pub fn of(datastore: &'d Datastore) -> Option<Self> {
        let limit = datastore.lag.as_ref()?;
        let (engine, servers): (_, Vec<&Server>) = match &datastore.location {
            Location::Postgres(primary) => (Engine::Postgres, vec![primary]),
            Location::MariaDb(_) => (Engine::MariaDb, limit.replicas.iter().collect()),
            Location::Sqlite(_) | Location::Files(_) => return None,
        };
        let asked = servers.into_iter().map(|server| Asked { server, open: None });
        Some(Self { limit, engine, asked: asked.collect() })
    }

    /// How far they may be behind.
    pub fn longest(&self) -> Elapsed {
        self.limit.longest
    }

    /// The replica that is furthest behind, if it is too far; none: all keep up. What cannot be told is an error, never none.
    pub async fn behind(&mut self) -> Result<Option<Behind>, DatastoreError> {
        let mut all = Vec::new();
        for asked in &mut self.asked {
            let server = asked.server;
            let answer = tokio::time::timeout(PATIENCE, asked.ask(self.engine)).await;
            all.extend(answer.map_err(|_| ReplicaError::Silent.at(server))??);
        }
        let furthest = all.into_iter().max_by_key(|behind| behind.by);
        Ok(furthest.filter(|behind| behind.by > Distance::By(self.limit.longest.length())))
    }
}

impl Asked<'_> {
    async fn ask(&mut self, engine: Engine) -> Result<Vec<Behind>, DatastoreError> {
        // Taken out: what an answer that does not come leaves behind is not asked again.
        let open = self.open.take().filter(|(_, since)| since.elapsed() < LONGEST_IDLE);
        let mut connection = match (open, engine) {
            (Some((connection, _)), _) => connection,
            (None, Engine::Postgres) => {
                let session = postgres::connect::session(self.server, Access::Read).await?;
                Connection::Postgres(Box::new(session))
            }
            (None, Engine::MariaDb) => {
                let session = mariadb::connect::session(self.server, Access::Read).await?;
                Connection::MariaDb(Box::new(session))
            }
        };
        let answer = match &mut connection {
            Connection::Postgres(primary) => postgres::replicas::behind(primary, self.server).await?,
            Connection::MariaDb(replica) => vec![mariadb::replicas::behind(replica, self.server).await?],
            Connection::Sqlite(_) => Vec::new(),
        };
        self.open = Some((connection, Stopwatch::start()));
        Ok(answer)
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            Distance::By(length) => {
                write!(f, "replica `{}` is {} s behind", self.replica, length.num_seconds())
            }
            Distance::CatchingUp => write!(f, "replica `{}` is still catching up", self.replica),
        }
    }
}

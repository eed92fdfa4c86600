//! Databases for tests at the standing server.

use std::cell::OnceCell;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

pub(in super::super) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A database, and an account where one is asked for; both are dropped, also when the test fails.
pub(in super::super) struct Database {
    name: String,
    account: OnceCell<String>,
}

impl Database {
    pub(in super::super) fn new(statements: &str) -> Self {
        let database = Self { name: random(), account: OnceCell::new() };
        block(async {
            run(&mut open("postgres").await, &format!("CREATE DATABASE {}", database.name)).await;
        });
        database.run(statements);
        database
    }

    pub(in super::super) fn run(&self, statements: &str) {
        block(async { run(&mut self.connect().await, statements).await });
    }

    pub(in super::super) async fn connect(&self) -> PgConnection {
        open(&self.name).await
    }

    /// An account without any rights.
    pub(in super::super) fn account(&self) -> &str {
        self.account.get_or_init(|| {
            let name = random();
            self.run(&format!("CREATE ROLE {name}"));
            name
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        block(async {
            let mut server = open("postgres").await;
            run(&mut server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
            if let Some(account) = self.account.get() {
                run(&mut server, &format!("DROP ROLE {account}")).await;
            }
        });
    }
}

fn random() -> String {
    let mut bytes = [0; 8];
    crate::secret::fill(&mut bytes).unwrap();
    format!("expunged_test_{:016x}", u64::from_ne_bytes(bytes))
}

async fn open(database: &str) -> PgConnection {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port())
        .username("postgres")
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
    options.connect().await.expect("PostgreSQL at 127.0.0.1")
}

/// Of the standing server, or of another version's.
fn port() -> u16 {
    std::env::var("PGPORT").map_or(5432, |port| port.parse().unwrap())
}

async fn run(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

//! A database of a test's own, and its accounts.

use std::fmt::Write as _;
use std::future::Future;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection};

/// Databases and accounts whose names begin with one that no other test has; gone when this is dropped.
pub(in super::super) struct Scratch {
    pub(in super::super) name: String,
    drops: Vec<String>,
}

impl Scratch {
    /// The database itself is there.
    pub(in super::super) fn new() -> Self {
        let mut bytes = [0; 6];
        crate::secret::fill(&mut bytes).unwrap();
        let mut name = "expunged_test_".to_owned();
        for byte in bytes {
            write!(name, "{byte:02x}").unwrap();
        }
        let mut scratch = Self { name, drops: Vec::new() };
        scratch.database("");
        scratch
    }

    /// One more database; its name.
    pub(in super::super) fn database(&mut self, end: &str) -> String {
        let name = format!("{}{end}", self.name);
        self.drops.push(format!("DROP DATABASE IF EXISTS `{name}`"));
        self.run(&format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4"));
        name
    }

    /// An account with that password; its name.
    pub(in super::super) fn account(&mut self, password: &str) -> String {
        self.drops.push(format!("DROP USER IF EXISTS `{}`@`%`", self.name));
        self.run(&format!("CREATE USER `{}`@`%` IDENTIFIED BY '{password}'", self.name));
        self.name.clone()
    }

    /// A role; its name.
    pub(in super::super) fn role(&mut self) -> String {
        let name = format!("{}_role", self.name);
        self.drops.push(format!("DROP ROLE IF EXISTS `{name}`"));
        self.run(&format!("CREATE ROLE `{name}`"));
        name
    }

    /// Runs statements as root, with the database in use.
    pub(in super::super) fn run(&self, statements: &str) {
        block(async {
            let mut connection = root().await;
            let exists = !statements.starts_with("CREATE DATABASE");
            let using =
                if exists { format!("USE `{}`; {statements}", self.name) } else { statements.to_owned() };
            sqlx::raw_sql(AssertSqlSafe(using)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Tables of one database may point to another.
        let drops = format!("SET foreign_key_checks = 0; {}", self.drops.join("; "));
        let dropped = block(async {
            let mut connection = options("root", "").connect().await?;
            sqlx::raw_sql(AssertSqlSafe(drops)).execute(&mut connection).await
        });
        assert!(std::thread::panicking() || dropped.is_ok(), "{dropped:?}");
    }
}

pub(in super::super) async fn root() -> MySqlConnection {
    connect("root", "").await
}

pub(in super::super) async fn connect(user: &str, password: &str) -> MySqlConnection {
    options(user, password).connect().await.unwrap()
}

fn options(user: &str, password: &str) -> MySqlConnectOptions {
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(3306).username(user);
    // An empty password is one, to the driver.
    let options = if password.is_empty() { options } else { options.password(password) };
    options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging()
}

pub(in super::super) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

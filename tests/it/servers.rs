//! Real servers: databases of a test's own on the standing ones, private servers that a test may kill, and a proxy that cuts a
//! connection at COMMIT.
//!
//! A server that is missing fails the test that wants it. `tests/run` installs and starts what there has to be; the standing
//! servers are named by `EXPUNGED_TEST_POSTGRES` and `EXPUNGED_TEST_MARIADB` (`user@host:port`) where they are elsewhere than usual.

pub mod database;
mod itself;
pub mod mariadb;
pub mod postgres;
mod private;
mod process;
pub mod proxy;
mod wire;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Command;

pub use database::{Database, Session};
use private::Programs;
pub use private::{Private, accessible};
pub use process::poll;
use wire::Wire;

/// Where a server answers, and its administrator, who needs no password.
#[derive(Debug, Clone)]
pub struct Address {
    pub user: String,
    pub host: String,
    pub port: u16,
}

impl Address {
    /// The standing server that the variable names, or the usual one.
    fn standing(variable: &str, usual: &str) -> Self {
        let text = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
        let parts = text.split_once('@').and_then(|(user, rest)| Some((user, rest.rsplit_once(':')?)));
        let (user, (host, port)) =
            parts.unwrap_or_else(|| panic!("{variable} is no user@host:port: `{text}`"));
        let port = port.parse().unwrap_or_else(|e| panic!("{variable}: `{text}`: {e}"));
        Self { user: user.to_owned(), host: host.to_owned(), port }
    }

    fn own<E: Engine>(port: u16) -> Self {
        Self { user: E::ADMINISTRATOR.to_owned(), host: "127.0.0.1".to_owned(), port }
    }

    /// As the configuration names a database.
    fn url<E: Engine>(&self, database: &str) -> String {
        format!("{}://{}@{}:{}/{database}", E::SCHEME, self.user, self.host, self.port)
    }
}

/// What differs between the servers.
pub trait Engine: Sized {
    type Connection: sqlx::Connection;

    const NAME: &str;
    /// How a URL of the configuration begins.
    const SCHEME: &str;
    /// Who may do everything.
    const ADMINISTRATOR: &str;
    /// A database that is there from the start.
    const FIRST_DATABASE: &str;
    /// What makes a session give up at once, or nearly, where another holds a lock.
    const IMPATIENT: &str;
    const WIRE: Wire;

    fn standing() -> Address;
    /// Connects without TLS.
    async fn connect(url: &str) -> Result<Self::Connection, sqlx::Error>;
    async fn execute(connection: &mut Self::Connection, statements: &str) -> Result<(), sqlx::Error>;
    /// The first column of every row, as the server writes it; NULL is `NULL`.
    async fn texts(connection: &mut Self::Connection, query: &str) -> Result<Vec<String>, sqlx::Error>;

    fn create_database(name: &str) -> String;
    fn drop_database(name: &str) -> String;
    fn create_role(name: &str) -> String;
    fn drop_role(name: &str) -> String;
    /// The role as GRANT names it.
    fn grantee(role: &str) -> String;

    /// The account of the machine that the server runs as.
    const OWNER: &str;
    /// The signal that ends it in order.
    const STOP: &str;
    /// The signal that ends it fast, where its data are not wanted any more.
    const DISCARD: &str;

    fn programs() -> Programs;
    /// Makes a server's data in a directory that is there, empty and its own.
    fn initialise(programs: &Programs, data: &Path) -> Command;
    fn serve(programs: &Programs, data: &Path, port: u16) -> Command;
}

/// A name that nobody else has.
fn unique() -> String {
    format!("expunged_test_{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// A program as another account; it goes when the thread that started it does, however that ends.
fn as_account(account: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={account}"), format!("--regid={account}")]);
    command.args(["--init-groups", "--pdeathsig", "KILL"]).arg(program);
    command
}

/// Each of these is a test on either of the standing servers.
#[macro_export]
macro_rules! on_servers {
    ($($case:ident),* $(,)?) => {
        mod on_postgres {
            $(#[test] fn $case() { super::$case::<$crate::servers::postgres::Postgres>(); })*
        }
        mod on_mariadb {
            $(#[test] fn $case() { super::$case::<$crate::servers::mariadb::MariaDb>(); })*
        }
    };
}

/// Runs a program to its end, which is a good one.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let told = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, told.concat());
}

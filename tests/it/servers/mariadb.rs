//! `MariaDB`.

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::private::Programs;
use super::wire::Wire;
use super::{Address, Engine, as_account};

pub enum MariaDb {}
pub type Database = super::database::Database<MariaDb>;
pub type Private = super::private::Private<MariaDb>;

impl Engine for MariaDb {
    type Connection = MySqlConnection;

    const NAME: &str = "MariaDB";
    const SCHEME: &str = "mariadb";
    const ADMINISTRATOR: &str = "root";
    const FIRST_DATABASE: &str = "mysql";
    /// Zero: not at all.
    const IMPATIENT: &str = "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 0";
    const WIRE: Wire = Wire::MariaDb;
    const OWNER: &str = "mysql";
    const STOP: &str = "-TERM";
    const DISCARD: &str = "-KILL";

    fn standing() -> Address {
        Address::standing("EXPUNGED_TEST_MARIADB", "root@127.0.0.1:3306")
    }

    async fn connect(url: &str) -> Result<MySqlConnection, sqlx::Error> {
        let options: MySqlConnectOptions = url.parse()?;
        options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await
    }

    async fn execute(connection: &mut MySqlConnection, statements: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.map(drop)
    }

    async fn texts(connection: &mut MySqlConnection, query: &str) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(connection).await?;
        let text = |row| sqlx::mysql::MySqlRow::try_get_unchecked::<Option<String>, _>(row, 0);
        rows.iter().map(|row| Ok(text(row)?.unwrap_or_else(|| "NULL".to_owned()))).collect()
    }

    fn create_database(name: &str) -> String {
        format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")
    }

    fn drop_database(name: &str) -> String {
        format!("DROP DATABASE IF EXISTS {name}")
    }

    fn create_role(name: &str) -> String {
        format!("CREATE USER {}", Self::grantee(name))
    }

    fn drop_role(name: &str) -> String {
        format!("DROP USER IF EXISTS {}", Self::grantee(name))
    }

    fn grantee(role: &str) -> String {
        format!("'{role}'@'%'")
    }

    fn programs() -> Programs {
        let bin = PathBuf::from("/usr/sbin");
        let told = Command::new(bin.join("mariadbd")).args(["--no-defaults", "--version"]).output();
        let told = told.expect("no /usr/sbin/mariadbd: `tests/run` installs mariadb-server").stdout;
        let told = String::from_utf8(told).unwrap();
        let version = told.split_once("Ver ").and_then(|(_, rest)| rest.split_whitespace().next());
        Programs { name: format!("mariadb-{}", version.unwrap()), bin, copy: None }
    }

    fn initialise(_: &Programs, data: &Path) -> Command {
        let mut install = as_account(Self::OWNER, Path::new("mariadb-install-db"));
        install.arg("--no-defaults").args(own(data)).arg(LOG_SIZE).current_dir("/");
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        install
    }

    fn serve(programs: &Programs, data: &Path, port: u16) -> Command {
        let mut mariadbd = as_account(Self::OWNER, &programs.bin.join("mariadbd"));
        mariadbd.arg("--no-defaults").args(own(data)).arg(LOG_SIZE).current_dir("/");
        mariadbd.arg(setting("socket", &data.join("socket"))).arg(setting("pid-file", &data.join("pid")));
        mariadbd.arg(format!("--port={port}")).args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
        mariadbd.args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=1"]);
        mariadbd
    }
}

/// So that a copy is small.
const LOG_SIZE: &str = "--innodb-log-file-size=8M";

/// A server that starts removes every temporary table that it finds, one of another server's in use included: that one then dies.
fn own(data: &Path) -> [String; 2] {
    ["datadir", "tmpdir"].map(|name| setting(name, data))
}

fn setting(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

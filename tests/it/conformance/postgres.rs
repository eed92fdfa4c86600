//! Rows of a `PostgreSQL` database, by a key of text.

use super::served::Spoken;
use super::tls::Authority;
use super::{Key, keys};
use crate::servers::postgres::Postgres;
use crate::world::DELETED_AT;

impl Spoken for Postgres {
    const TRIGGER: &str = DELETED_AT;
    const LONGEST: usize = 1_000;
    const SESSION: &str = "";
    const KEYS: &str = "SELECT encode(convert_to(id, 'UTF8'), 'hex') FROM account";
    const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
    const UNDATED: &str = "infinity";
    const WAITS: &str = "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    /// The number of a transaction means nothing where nobody says which cluster this is.
    const FORGET: &str = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC";
    const INSIST: &str = "";

    fn schema() -> String {
        "CREATE TABLE account (id text PRIMARY KEY, deleted_at timestamptz); \
         CREATE INDEX ON account (deleted_at); \
         CREATE TABLE refused (id text PRIMARY KEY REFERENCES account ON DELETE RESTRICT)"
            .to_owned()
    }

    /// A row is locked by who may change it.
    fn grants(_: &str) -> String {
        "GRANT SELECT, UPDATE, DELETE ON account TO {role}; GRANT SELECT ON refused TO {role}".to_owned()
    }

    /// The table is the program's own.
    fn marker(_: &str) -> String {
        "GRANT CREATE ON SCHEMA public TO {role}".to_owned()
    }

    fn literal(key: &Key) -> String {
        keys::literal(key)
    }

    fn only_read(role: &str, whether: &str) -> String {
        format!("ALTER ROLE {role} SET default_transaction_read_only = {whether}")
    }

    fn protected(authority: &Authority) -> Vec<String> {
        let access = "host all postgres samehost trust\nhostssl all all samehost trust\n";
        std::fs::write(authority.path("access"), access).unwrap();
        let file = |name: &str, file: &str| format!("{name}={}", authority.path(file).display());
        let settings = [
            "ssl=on".to_owned(),
            file("ssl_cert_file", "server.pem"),
            file("ssl_key_file", "server.key"),
            file("hba_file", "access"),
        ];
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
    }
}

//! Rows of a `MariaDB` database, by a key of text.

use std::fmt::Write as _;

use super::Key;
use super::served::Spoken;
use super::tls::Authority;
use crate::servers::mariadb::MariaDb;

impl Spoken for MariaDb {
    /// `timestamp` ends in 2038: what lasts is a local time.
    const TRIGGER: &str = r#"{ column = "deleted_at", time_zone = "Etc/UTC", pending = ["null"] }"#;
    /// As long as a key of four-byte characters may be.
    const LONGEST: usize = 768;
    /// An application without strict mode.
    const SESSION: &str = "SET sql_mode = ''; ";
    const KEYS: &str = "SELECT hex(id) FROM account";
    const MOMENT: &str = "%Y-%m-%d %H:%M:%S%.6f";
    const UNDATED: &str = "0000-00-00 00:00:00";
    /// Who waits as an index is asked for a key; the table of its transactions is not renewed while somebody keeps asking for it.
    const WAITS: &str = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() \
         AND ID <> CONNECTION_ID() AND TIME_MS > 100 \
         AND (INFO LIKE 'INSERT INTO%expunged_marker%' OR INFO LIKE '%LOCK IN SHARE MODE%')";
    /// There is nothing else.
    const FORGET: &str = "DO 0";
    const INSIST: &str = "; ALTER USER {role} REQUIRE SSL";

    fn schema() -> String {
        // Every character counts, spaces at the end too.
        let id = format!(
            "id varchar({}) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY",
            Self::LONGEST
        );
        format!(
            "CREATE TABLE account ({id}, deleted_at datetime(6) DEFAULT NULL, KEY (deleted_at)); \
             CREATE TABLE refused ({id}, FOREIGN KEY (id) REFERENCES account (id) ON DELETE RESTRICT)"
        )
    }

    fn grants(name: &str) -> String {
        format!(
            "GRANT SELECT, UPDATE, DELETE ON {name}.account TO {{role}}; \
             GRANT SELECT ON {name}.refused TO {{role}}; \
             GRANT REFERENCES ON *.* TO {{role}}"
        )
    }

    fn marker(name: &str) -> String {
        format!("GRANT CREATE, SELECT, INSERT, DELETE ON {name}.expunged_marker TO {{role}}")
    }

    /// As hexadecimal text: a backslash is what it is.
    fn literal(key: &Key) -> String {
        let mut digits = String::new();
        for byte in key {
            let _ = write!(digits, "{byte:02x}");
        }
        format!("_utf8mb4 x'{digits}'")
    }

    fn only_read(_: &str, whether: &str) -> String {
        format!("SET GLOBAL tx_read_only = {whether}")
    }

    fn protected(authority: &Authority) -> Vec<String> {
        let file = |name: &str, file: &str| format!("--ssl-{name}={}", authority.path(file).display());
        vec![file("cert", "server.pem"), file("key", "server.key")]
    }
}

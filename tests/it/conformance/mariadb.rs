//! Rows of a `MariaDB` database, by a key of text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::keys::{self, text};
use super::{Change, Key, Kind, Trigger};
use crate::servers::Engine as _;
use crate::servers::mariadb::{self, Database};
use crate::world::{World, rules};

pub struct MariaDb {
    world: World,
    database: Database,
    /// The program's account, as GRANT names it.
    grantee: String,
}

/// `timestamp` ends in 2038: what lasts is a local time.
const TRIGGER: &str = r#"{ column = "deleted_at", time_zone = "Etc/UTC", pending = ["null"] }"#;

/// As long as a key of four-byte characters may be.
const LONGEST: usize = 768;

/// As hexadecimal text: a backslash is what it is.
fn literal(key: &Key) -> String {
    let mut digits = String::new();
    for byte in key {
        let _ = write!(digits, "{byte:02x}");
    }
    format!("_utf8mb4 x'{digits}'")
}

impl Kind for MariaDb {
    const DENIED: i32 = 77;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (0, 0, 2);

    fn new() -> Self {
        let database = Database::new();
        // Every character counts, spaces at the end too.
        let id = format!("id varchar({LONGEST}) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY");
        database.sql(&format!(
            "CREATE TABLE account ({id}, deleted_at datetime(6) DEFAULT NULL, KEY (deleted_at)); \
             CREATE TABLE refused ({id}, FOREIGN KEY (id) REFERENCES account (id) ON DELETE RESTRICT)"
        ));
        let name = database.name();
        let role = database.role(&format!(
            "GRANT SELECT, UPDATE, DELETE ON {name}.account TO {{role}}; \
             GRANT SELECT ON {name}.refused TO {{role}}; \
             GRANT CREATE, SELECT, INSERT, DELETE ON {name}.expunged_marker TO {{role}}; \
             GRANT REFERENCES ON *.* TO {{role}}"
        ));
        let datastore = format!("kind = \"mariadb\"\nurl = \"{}\"\n", database.url(&role));
        let grantee = mariadb::MariaDb::grantee(&role);
        Self { world: World::on(&datastore, &rules(TRIGGER, "")), database, grantee }
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let at = match trigger {
            Trigger::At(at) => at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            // What an application without strict mode leaves.
            Trigger::Undated => "0000-00-00 00:00:00".to_owned(),
        };
        let insert = format!("INSERT INTO account VALUES ({}, '{at}')", literal(key));
        self.database.sql(&format!("SET sql_mode = ''; {insert}"));
    }

    fn left(&self) -> BTreeSet<Key> {
        let ids = self.database.texts("SELECT hex(id) FROM account");
        ids.iter().map(|id| keys::from_hex(id)).collect()
    }

    /// A table is no place of its records' own.
    fn hollow(&self) -> BTreeSet<Key> {
        BTreeSet::new()
    }

    fn typed(key: &Key) -> String {
        text(key)
    }

    fn renew(&self, key: &Key) -> Change {
        let update = format!("UPDATE account SET deleted_at = NULL WHERE id = {}", literal(key));
        if self.database.try_sql(&update) { Change::Done } else { Change::Locked }
    }

    fn poison(&self, key: &Key) {
        self.database.sql(&format!("INSERT INTO refused VALUES ({})", literal(key)));
    }

    fn cure(&self, key: &Key) {
        self.database.sql(&format!("DELETE FROM refused WHERE id = {}", literal(key)));
    }

    fn deny(&self) {
        self.database.sql(&format!("REVOKE DELETE ON account FROM {}", self.grantee));
    }

    fn allow(&self) {
        self.database.sql(&format!("GRANT DELETE ON account TO {}", self.grantee));
    }

    fn from_hell() -> Vec<Key> {
        keys::from_hell(LONGEST)
    }

    fn points() -> BTreeSet<String> {
        ["marker.before", "marker.after", "commit.before", "commit.after"].map(str::to_owned).into()
    }
}

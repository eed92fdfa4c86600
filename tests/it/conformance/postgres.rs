//! Rows of a `PostgreSQL` database, by a key of text.

use std::collections::BTreeSet;

use super::keys::{self, literal, text};
use super::{Change, Key, Kind, Trigger};
use crate::servers::postgres::Database;
use crate::world::{DELETED_AT, World, rules};

pub struct Postgres {
    world: World,
    database: Database,
    role: String,
}

impl Kind for Postgres {
    const DENIED: i32 = 77;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (0, 0, 2);

    fn new() -> Self {
        let database = Database::new();
        database.sql(
            "CREATE TABLE account (id text PRIMARY KEY, deleted_at timestamptz); \
             CREATE INDEX ON account (deleted_at); \
             CREATE TABLE refused (id text PRIMARY KEY REFERENCES account ON DELETE RESTRICT)",
        );
        // A row is locked by who may change it; the marker's table is the program's own.
        let role = database.role(
            "GRANT SELECT, UPDATE, DELETE ON account TO {role}; GRANT SELECT ON refused TO {role}; \
             GRANT CREATE ON SCHEMA public TO {role}",
        );
        let datastore = format!("kind = \"postgres\"\nurl = \"{}\"\n", database.url(&role));
        Self { world: World::on(&datastore, &rules(DELETED_AT, "")), database, role }
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let at = match trigger {
            Trigger::At(at) => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            Trigger::Undated => "infinity".to_owned(),
        };
        self.database.sql(&format!("INSERT INTO account VALUES ({}, '{at}')", literal(key)));
    }

    fn left(&self) -> BTreeSet<Key> {
        let ids = self.database.texts("SELECT encode(convert_to(id, 'UTF8'), 'hex') FROM account");
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
        self.database.sql(&format!("REVOKE DELETE ON account FROM {}", self.role));
    }

    fn allow(&self) {
        self.database.sql(&format!("GRANT DELETE ON account TO {}", self.role));
    }

    fn from_hell() -> Vec<Key> {
        keys::from_hell(1_000)
    }

    fn points() -> BTreeSet<String> {
        ["marker.before", "marker.after", "commit.before", "commit.after"].map(str::to_owned).into()
    }
}

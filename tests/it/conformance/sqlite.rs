//! Rows of a `SQLite` database, by a key of text.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use super::keys::{self, literal, text};
use super::{Change, Key, Kind, Trigger};
use crate::world::{DELETED_AT, World, rules};

pub struct Sqlite {
    world: World,
}

impl Sqlite {
    fn mode(&self, mode: u32) {
        std::fs::set_permissions(self.world.path("site.db"), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Kind for Sqlite {
    const DENIED: i32 = 77;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (0, 0, 2);

    fn new() -> Self {
        let schema = "CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, deleted_at timestamptz);\
                      CREATE INDEX account_deleted_at ON account (deleted_at);\
                      CREATE TABLE refused (id TEXT PRIMARY KEY);\
                      CREATE TRIGGER refuse BEFORE DELETE ON account \
                      WHEN old.id IN (SELECT id FROM refused) BEGIN SELECT RAISE(ABORT, 'no'); END;";
        Self { world: World::new(&rules(DELETED_AT, ""), schema) }
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let at = match trigger {
            Trigger::At(at) => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            Trigger::Undated => "yesterday".to_owned(),
        };
        self.world.sql(&format!("INSERT INTO account VALUES ({}, '{at}')", literal(key)));
    }

    fn left(&self) -> BTreeSet<Key> {
        let rows = self.world.list_on("site.db", "SELECT hex(id) FROM account");
        rows.iter().map(|row| keys::from_hex(row.trim_matches('\''))).collect()
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
        if self.world.try_sql(&update) { Change::Done } else { Change::Locked }
    }

    fn poison(&self, key: &Key) {
        self.world.sql(&format!("INSERT INTO refused VALUES ({})", literal(key)));
    }

    fn cure(&self, key: &Key) {
        self.world.sql(&format!("DELETE FROM refused WHERE id = {}", literal(key)));
    }

    fn deny(&self) {
        self.mode(0o444);
    }

    fn allow(&self) {
        self.mode(0o644);
    }

    fn from_hell() -> Vec<Key> {
        keys::from_hell(1_000)
    }

    fn points() -> BTreeSet<String> {
        ["marker.before", "marker.after", "commit.before", "commit.after", "forget.before"]
            .map(str::to_owned)
            .into()
    }
}

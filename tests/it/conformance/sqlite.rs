//! Rows of a `SQLite` database, by a key of text.

use std::os::unix::fs::PermissionsExt as _;

use super::Key;
use super::keys;
use super::rows::Rows;
use crate::world::{Application, DELETED_AT, World, rules};

pub struct Sqlite {
    world: World,
}

impl Sqlite {
    fn mode(&self, mode: u32) {
        std::fs::set_permissions(self.world.path("site.db"), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Rows for Sqlite {
    const LONGEST: usize = 1_000;
    const SESSION: &str = "";
    const KEYS: &str = "SELECT hex(id) FROM account";
    const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
    const UNDATED: &str = "yesterday";
    const POINTS: &[&str] = &["forget.before"];

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

    fn application(&self) -> &dyn Application {
        &self.world
    }

    fn literal(key: &Key) -> String {
        keys::literal(key)
    }

    fn deny(&self) {
        self.mode(0o444);
    }

    fn allow(&self) {
        self.mode(0o644);
    }
}

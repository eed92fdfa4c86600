//! Rows on a server, by a key of text: what its kinds have in common.

use std::collections::BTreeSet;

use super::keys;
use super::{Change, Key, Kind, Trigger};
use crate::servers::{Database, Engine};
use crate::world::{World, rules};

/// What differs between the servers.
pub trait Spoken: Engine {
    /// The rule's trigger over the column `deleted_at`.
    const TRIGGER: &str;
    /// So many characters a key may have.
    const LONGEST: usize;
    /// What an application's session sets before it writes.
    const SESSION: &str;
    /// The bytes of every key, as hexadecimal text.
    const KEYS: &str;

    /// `account`, and `refused`, whose rows keep those of `account`.
    fn schema() -> String;
    /// What the program's account may do, in a database of this name.
    fn grants(name: &str) -> String;
    /// A key as SQL.
    fn literal(key: &Key) -> String;
    /// A trigger as the column holds it.
    fn moment(trigger: Trigger) -> String;
}

pub struct Served<E: Spoken> {
    world: World,
    database: Database<E>,
    /// The program's account, as GRANT names it.
    grantee: String,
}

impl<E: Spoken> Kind for Served<E> {
    const DENIED: i32 = 77;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (0, 0, 2);

    fn new() -> Self {
        let database = Database::<E>::new();
        database.sql(&E::schema());
        let role = database.role(&E::grants(database.name()));
        let world = World::on(&database.datastore(&role), &rules(E::TRIGGER, ""));
        Self { world, database, grantee: E::grantee(&role) }
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let (key, at) = (E::literal(key), E::moment(trigger));
        self.database.sql(&format!("{}INSERT INTO account VALUES ({key}, '{at}')", E::SESSION));
    }

    fn left(&self) -> BTreeSet<Key> {
        self.database.texts(E::KEYS).iter().map(|id| keys::from_hex(id)).collect()
    }

    /// A table is no place of its records' own.
    fn hollow(&self) -> BTreeSet<Key> {
        BTreeSet::new()
    }

    fn typed(key: &Key) -> String {
        keys::text(key)
    }

    fn renew(&self, key: &Key) -> Change {
        let update = format!("UPDATE account SET deleted_at = NULL WHERE id = {}", E::literal(key));
        if self.database.try_sql(&update) { Change::Done } else { Change::Locked }
    }

    fn poison(&self, key: &Key) {
        self.database.sql(&format!("INSERT INTO refused VALUES ({})", E::literal(key)));
    }

    fn cure(&self, key: &Key) {
        self.database.sql(&format!("DELETE FROM refused WHERE id = {}", E::literal(key)));
    }

    fn deny(&self) {
        self.database.sql(&format!("REVOKE DELETE ON account FROM {}", self.grantee));
    }

    fn allow(&self) {
        self.database.sql(&format!("GRANT DELETE ON account TO {}", self.grantee));
    }

    fn from_hell() -> Vec<Key> {
        keys::from_hell(E::LONGEST)
    }

    fn points() -> BTreeSet<String> {
        ["marker.before", "marker.after", "commit.before", "commit.after"].map(str::to_owned).into()
    }
}

//! Rows of a database, by a key of text: what all engines have in common.

use std::collections::BTreeSet;

use super::keys;
use super::{Change, Key, Kind, Trigger};
use crate::world::{Application, World};

/// What differs between the engines.
pub trait Rows: Sized {
    /// So many characters a key may have.
    const LONGEST: usize;
    /// What an application's session sets before it writes.
    const SESSION: &str;
    /// The bytes of every key, as hexadecimal text.
    const KEYS: &str;
    /// An instant as the column holds it.
    const MOMENT: &str;
    /// What the column holds where no time is plausible.
    const UNDATED: &str;
    /// Points that a sweep of this engine passes beside those of every engine.
    const POINTS: &[&str];

    fn new() -> Self;
    fn world(&self) -> &World;
    fn application(&self) -> &dyn Application;
    /// A key as SQL.
    fn literal(key: &Key) -> String;
    fn deny(&self);
    fn allow(&self);
}

impl<R: Rows> Kind for R {
    const DENIED: i32 = 77;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (0, 0, 2);

    fn new() -> Self {
        R::new()
    }

    fn world(&self) -> &World {
        Rows::world(self)
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let at = match trigger {
            Trigger::At(at) => at.format(R::MOMENT).to_string(),
            Trigger::Undated => R::UNDATED.to_owned(),
        };
        self.application().sql(&format!(
            "{}INSERT INTO account VALUES ({}, '{at}')",
            R::SESSION,
            R::literal(key)
        ));
    }

    fn left(&self) -> BTreeSet<Key> {
        self.application().texts(R::KEYS).iter().map(|id| keys::from_hex(id)).collect()
    }

    /// A table is no place of its records' own.
    fn hollow(&self) -> BTreeSet<Key> {
        BTreeSet::new()
    }

    fn typed(key: &Key) -> String {
        keys::text(key)
    }

    fn renew(&self, key: &Key) -> Change {
        let update = format!("UPDATE account SET deleted_at = NULL WHERE id = {}", R::literal(key));
        if self.application().try_sql(&update) { Change::Done } else { Change::Locked }
    }

    fn poison(&self, key: &Key) {
        self.application().sql(&format!("INSERT INTO refused VALUES ({})", R::literal(key)));
    }

    fn cure(&self, key: &Key) {
        self.application().sql(&format!("DELETE FROM refused WHERE id = {}", R::literal(key)));
    }

    fn deny(&self) {
        Rows::deny(self);
    }

    fn allow(&self) {
        Rows::allow(self);
    }

    fn from_hell() -> Vec<Key> {
        keys::from_hell(R::LONGEST)
    }

    fn points() -> BTreeSet<String> {
        let of_every_engine = ["marker.before", "marker.after", "commit.before", "commit.after"];
        of_every_engine.iter().chain(R::POINTS).map(|point| (*point).to_owned()).collect()
    }
}

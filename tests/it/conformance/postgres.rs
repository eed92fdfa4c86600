//! Rows of a `PostgreSQL` database, by a key of text.

use super::served::Spoken;
use super::{Key, Trigger, keys};
use crate::servers::postgres::Postgres;
use crate::world::DELETED_AT;

impl Spoken for Postgres {
    const TRIGGER: &str = DELETED_AT;
    const LONGEST: usize = 1_000;
    const SESSION: &str = "";
    const KEYS: &str = "SELECT encode(convert_to(id, 'UTF8'), 'hex') FROM account";

    fn schema() -> String {
        "CREATE TABLE account (id text PRIMARY KEY, deleted_at timestamptz); \
         CREATE INDEX ON account (deleted_at); \
         CREATE TABLE refused (id text PRIMARY KEY REFERENCES account ON DELETE RESTRICT)"
            .to_owned()
    }

    /// A row is locked by who may change it; the marker's table is the program's own.
    fn grants(_: &str) -> String {
        "GRANT SELECT, UPDATE, DELETE ON account TO {role}; GRANT SELECT ON refused TO {role}; \
         GRANT CREATE ON SCHEMA public TO {role}"
            .to_owned()
    }

    fn literal(key: &Key) -> String {
        keys::literal(key)
    }

    fn moment(trigger: Trigger) -> String {
        match trigger {
            Trigger::At(at) => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            Trigger::Undated => "infinity".to_owned(),
        }
    }
}

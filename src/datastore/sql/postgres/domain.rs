//! Domains: types that a schema makes of others, perhaps of domains again.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::failed;

/// What the engine's catalogue numbers a type by.
pub(super) type TypeNumber = i64;

/// The domains that columns are of.
#[derive(Default)]
pub(super) struct Domains(BTreeMap<TypeNumber, Domain>);

/// What a domain is made of, however many others lie between.
pub(super) struct Domain {
    /// The last type below it, which is no domain.
    pub(super) base: Base,
    /// Of that type, where it is an enum.
    pub(super) labels: Vec<String>,
    /// That type with its modifier, as the engine writes it.
    pub(super) declared: String,
    /// The modifier, of that type.
    pub(super) modifier: i32,
    /// Whether it, or one that lies between, refuses NULL.
    pub(super) filled: bool,
    /// Its CHECK constraints and those of every domain below it, by the domain's name and their own.
    pub(super) checks: Vec<String>,
}

/// How the engine's catalogue describes a type.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// As the engine names it within itself.
    pub(super) name: String,
    /// Whether it is one of the engine's own.
    pub(super) native: bool,
    /// As the engine writes it in a cast.
    pub(super) cast: String,
    /// Its kind and its category, as the engine's catalogue has them.
    pub(super) family: String,
}

/// What the catalogue says of a type `t`, in [`Base`]'s order: so many columns.
pub(super) const BASE: &str = "t.typname::text, t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace, pg_catalog.format_type(t.oid, -1), \
     t.typtype::text || t.typcategory::text";

/// The labels of a type `t` that is an enum.
pub(super) const LABELS: &str = "CASE t.typtype WHEN 'e' THEN ARRAY (SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) ELSE '{}' END";

impl Base {
    /// Reads what [`BASE`] selects, from this column on.
    pub(super) fn of(row: &PgRow, at: usize) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get(at)?,
            native: row.try_get(at + 1)?,
            cast: row.try_get(at + 2)?,
            family: row.try_get(at + 3)?,
        })
    }

    pub(super) fn is_domain(&self) -> bool {
        self.family.starts_with('d')
    }
}

impl Domains {
    /// Asks the engine about those of these types that are domains; most schemas use none.
    pub(super) async fn of(
        connection: &mut PgConnection,
        types: impl Iterator<Item = (TypeNumber, &Base)>,
        operation: &'static str,
    ) -> Result<Self, DatastoreError> {
        let used: BTreeSet<TypeNumber> =
            types.filter(|(_, base)| base.is_domain()).map(|(number, _)| number).collect();
        if used.is_empty() {
            return Ok(Self::default());
        }
        // Each comes with every step below it, and the last step is what it is made of.
        let domains = format!(
            "WITH RECURSIVE step AS ( \
               SELECT d.oid AS domain, d.oid AS own, d.typbasetype AS base, d.typtypmod AS modifier, d.typnotnull AS filled \
               FROM pg_catalog.pg_type d WHERE d.oid = ANY ($1::int8[]::oid[]) \
               UNION ALL \
               SELECT s.domain, d.oid, d.typbasetype, d.typtypmod, s.filled OR d.typnotnull \
               FROM step s JOIN pg_catalog.pg_type d ON d.oid = s.base WHERE d.typtype = 'd' \
             ) \
             SELECT s.domain::int8, s.modifier, s.filled, pg_catalog.format_type(s.base, s.modifier), \
               ARRAY (SELECT pg_catalog.format_type(c.own, NULL) || '.' || k.conname \
                 FROM step c JOIN pg_catalog.pg_constraint k ON k.contypid = c.own AND k.contype = 'c' WHERE c.domain = s.domain), \
               {LABELS}, {BASE} \
             FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.base WHERE t.typtype <> 'd'"
        );
        let read = |row: PgRow| {
            let domain = Domain {
                modifier: row.try_get(1)?,
                filled: row.try_get(2)?,
                declared: row.try_get(3)?,
                checks: row.try_get(4)?,
                labels: row.try_get(5)?,
                base: Base::of(&row, 6)?,
            };
            Ok((row.try_get(0)?, domain))
        };
        let used: Vec<TypeNumber> = used.into_iter().collect();
        let asked = sqlx::query(AssertSqlSafe(domains)).bind(used).try_map(read);
        let all = asked.fetch_all(connection).await.map_err(failed(operation))?;
        Ok(Self(all.into_iter().collect()))
    }

    pub(super) fn get(&self, number: TypeNumber) -> Option<&Domain> {
        self.0.get(&number)
    }
}

//! The schema, as `PostgreSQL`'s own catalogue has it.
//!
//! A handful of queries, each about the whole schema and none about one table: there may be thousands. They see the same
//! schema only where the caller has begun a REPEATABLE READ transaction; else a table made in between is not there yet, or bare.

mod index;
mod reach;
#[cfg(test)]
pub(super) mod scratch;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use self::reach::{Change, Graph};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::{Beside, Catalogue, Column, ColumnKind, Table};
use crate::model::name::{ColumnName, TableName};

const OPERATION: &str = "read the catalogue";

/// Our own table in the schema.
const MARKER: &str = "expunged_marker";

/// What the engine's catalogue numbers a table by.
type Number = i64;

/// A table while it is read. Names stand here as the engine has them: some no rule can write, and yet a foreign key can use them.
struct Draft {
    name: TableName,
    table: Table,
    columns: Vec<Raw>,
    primary_key: BTreeSet<String>,
}

struct Raw {
    name: String,
    generated: bool,
}

/// The tables of a schema. A partitioned table stands for its partitions, whatever is declared on one of them alone.
pub(in crate::datastore) async fn read(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Catalogue, DatastoreError> {
    let mut beside = Beside::default();
    let mut drafts = tables(connection, schema, &mut beside).await?;
    columns(connection, schema, &mut drafts).await?;
    index::read(connection, schema, &mut drafts).await?;
    triggers(connection, &mut drafts).await?;
    published(connection, &mut drafts).await?;
    let graph = Graph::read(connection, schema).await?;
    let mut catalogue = Catalogue { tables: BTreeMap::new(), beside };
    for (number, mut draft) in drafts {
        let own = |mut writes: BTreeSet<TableName>| {
            writes.insert(draft.name.clone());
            writes
        };
        draft.table.delete_writes = own(graph.writes(number, &[Change::Deleted]));
        let set = |raw: &&Raw| !draft.primary_key.contains(&raw.name);
        if draft.columns.iter().filter(set).any(|raw| !raw.generated) {
            // A generated column follows those that are set, even as part of the key.
            let changed = draft.columns.iter().filter(|raw| raw.generated || set(raw));
            let changed: Vec<Change<'_>> = changed.map(|raw| Change::Set(&raw.name)).collect();
            draft.table.update_writes = own(graph.writes(number, &changed));
        }
        draft.table.referenced_by = graph.references(number);
        catalogue.tables.insert(draft.name, draft.table);
    }
    Ok(catalogue)
}

async fn tables(
    connection: &mut PgConnection,
    schema: &str,
    beside: &mut Beside,
) -> Result<BTreeMap<Number, Draft>, DatastoreError> {
    const TABLES: &str = "SELECT c.oid::int8, c.relname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> $2";
    let rows: Vec<(Number, String)> =
        sqlx::query_as(TABLES).bind(schema).bind(MARKER).fetch_all(connection).await.map_err(failed)?;
    let mut drafts = BTreeMap::new();
    for (number, name) in rows {
        let Ok(name) = TableName::new(&name) else {
            beside.nameless += 1;
            continue;
        };
        let (table, columns, primary_key) = (Table::default(), Vec::new(), BTreeSet::new());
        drafts.insert(number, Draft { name, table, columns, primary_key });
    }
    Ok(drafts)
}

async fn columns(
    connection: &mut PgConnection,
    schema: &str,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    // A domain may be one of a domain: each comes with every step below it, and the last step is what it is made of.
    const COLUMNS: &str = "WITH RECURSIVE step AS ( \
           SELECT d.oid AS domain, d.typbasetype AS base, d.typtypmod AS modifier, d.typnotnull AS filled \
           FROM pg_catalog.pg_type d WHERE d.typtype = 'd' \
           UNION ALL \
           SELECT s.domain, d.typbasetype, d.typtypmod, s.filled OR d.typnotnull \
           FROM step s JOIN pg_catalog.pg_type d ON d.oid = s.base WHERE d.typtype = 'd' \
         ), made AS ( \
           SELECT s.* FROM step s JOIN pg_catalog.pg_type b ON b.oid = s.base WHERE b.typtype <> 'd' \
         ) \
         SELECT a.attrelid::int8, a.attname::text, a.attgenerated <> '', \
           pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.format_type(m.base, m.modifier), \
           CASE WHEN b.typnamespace = 'pg_catalog'::pg_catalog.regnamespace OR b.typname = 'citext' \
             THEN b.typname::text ELSE '' END, \
           a.attnotnull OR coalesce(m.filled, false) \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN made m ON m.domain = a.atttypid \
         JOIN pg_catalog.pg_type b ON b.oid = coalesce(m.base, a.atttypid) \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
         ORDER BY a.attrelid, a.attnum";
    type Found = (Number, String, bool, String, Option<String>, String, bool);
    let rows: Vec<Found> =
        sqlx::query_as(COLUMNS).bind(schema).fetch_all(connection).await.map_err(failed)?;
    for (number, name, generated, declared, made_of, base, not_null) in rows {
        let Some(draft) = drafts.get_mut(&number) else { continue };
        // A domain's own name does not say what it holds.
        let declared = made_of.map_or(declared.clone(), |base| format!("{declared} ({base})"));
        // Generated columns cannot be written. An identity column can be a key; that it refuses to be set, the engine says.
        if let (Ok(name), false) = (ColumnName::new(&name), generated) {
            draft.table.columns.push(Column { name, kind: kind(&base), declared, not_null });
        }
        draft.columns.push(Raw { name, generated });
    }
    Ok(())
}

/// What a type means, by its name in the engine's own schema.
fn kind(base: &str) -> ColumnKind {
    match base {
        "timestamptz" => ColumnKind::Instant,
        "timestamp" => ColumnKind::Naive,
        "date" => ColumnKind::Date,
        "int2" | "int4" | "int8" => ColumnKind::Integer,
        "text" | "varchar" | "bpchar" | "citext" | "name" => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

/// Triggers and rules. What a trigger's function writes, only the engine knows, and only when it runs.
async fn triggers(
    connection: &mut PgConnection,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    // A partition's triggers fire when its parent is addressed; its rules do not. The event of a rule: 2 is UPDATE, 4 is DELETE.
    const TRIGGERS: &str = "SELECT coalesce(CASE WHEN c.relispartition \
             THEN pg_catalog.pg_partition_root(c.oid)::oid END, c.oid)::int8 AS of, t.tgname::text AS name, '' AS replaced \
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
         WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' \
         UNION \
         SELECT r.ev_class::int8, r.rulename::text, CASE WHEN r.is_instead THEN r.ev_type::text ELSE '' END \
         FROM pg_catalog.pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D' \
         ORDER BY of, name";
    let rows: Vec<(Number, String, String)> =
        sqlx::query_as(TRIGGERS).fetch_all(connection).await.map_err(failed)?;
    for (number, name, replaced) in rows {
        let Some(Draft { table, .. }) = drafts.get_mut(&number) else { continue };
        match replaced.as_str() {
            "4" => table.delete_broken = Some("a rule replaces DELETE".to_owned()),
            "2" => table.update_broken = Some("a rule replaces UPDATE".to_owned()),
            _ => {}
        }
        table.triggers.push(name);
    }
    Ok(())
}

/// Tables in a publication that say by nothing which of their rows changed: the engine refuses the statement, with or without
/// a subscriber. Of a partitioned table, one such partition is enough.
async fn published(
    connection: &mut PgConnection,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    const PUBLISHED: &str = "SELECT coalesce(CASE WHEN c.relispartition \
             THEN pg_catalog.pg_partition_root(c.oid)::oid END, c.oid)::int8, p.pubdelete, p.pubupdate \
         FROM pg_catalog.pg_publication p \
         JOIN pg_catalog.pg_publication_tables t ON t.pubname = p.pubname \
         JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname \
         JOIN pg_catalog.pg_class l ON l.relnamespace = n.oid AND l.relname = t.tablename \
         CROSS JOIN LATERAL (SELECT l.oid UNION SELECT b.relid::oid FROM pg_catalog.pg_partition_tree(l.oid) b) AS part (oid) \
         JOIN pg_catalog.pg_class c ON c.oid = part.oid AND c.relkind = 'r' \
         WHERE (p.pubdelete OR p.pubupdate) AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i \
           WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate \
             AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)";
    let rows: Vec<(Number, bool, bool)> =
        sqlx::query_as(PUBLISHED).fetch_all(connection).await.map_err(failed)?;
    for (number, deletes, updates) in rows {
        let Some(Draft { table, .. }) = drafts.get_mut(&number) else { continue };
        let why = || "it is in a publication, and has no replica identity".to_owned();
        if deletes {
            table.delete_broken.get_or_insert_with(why);
        }
        if updates {
            table.update_broken.get_or_insert_with(why);
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of `map_err`")]
fn failed(error: sqlx::Error) -> DatastoreError {
    DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) }
}

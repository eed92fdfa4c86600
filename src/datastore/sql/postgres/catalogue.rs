//! The schema, as `PostgreSQL`'s own catalogue has it.
//!
//! A handful of queries, each about the whole schema and none about one table: there may be thousands. They see the same
//! schema only where the caller has begun a REPEATABLE READ transaction; else a table made in between is not there yet, or bare.

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
    indexes(connection, schema, &mut drafts).await?;
    triggers(connection, &mut drafts).await?;
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

/// An index while it is read.
struct Index {
    of: Number,
    is: Is,
    columns: Vec<IndexColumn>,
}

/// What the catalogue says of an index.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of `pg_index`")]
struct Is {
    primary: bool,
    unique: bool,
    /// Without a WHERE clause.
    whole: bool,
    /// A B-tree: the only kind that serves a range, a point and an order alike.
    ordered: bool,
    /// Not deferrable.
    immediate: bool,
}

struct IndexColumn {
    /// None: an expression.
    name: Option<String>,
    /// Whether it never holds NULL, and what the index holds for two values is what `=` holds for two.
    tells_apart: bool,
}

async fn indexes(
    connection: &mut PgConnection,
    schema: &str,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    // Where a collation takes two texts for one, only an index of that collation keeps `=` from finding two rows. Since
    // version 18 a column may be NOT NULL for new rows alone.
    const INDEXES: &str = "SELECT i.indrelid::int8, i.indexrelid::int8, a.attname::text, \
           i.indisprimary, i.indisunique, i.indpred IS NULL, m.amname = 'btree', i.indimmediate, \
           coalesce(a.attnotnull AND o.opcdefault \
             AND (l.collisdeterministic IS NOT FALSE OR i.indcollation[k.at::int4 - 1] = a.attcollation) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint v WHERE v.conrelid = a.attrelid \
               AND v.contype = 'n' AND NOT v.convalidated AND a.attnum = ANY (v.conkey)), false) \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_index i ON i.indrelid = c.oid \
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         JOIN pg_catalog.pg_am m ON m.oid = x.relam \
         CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, at) \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
         LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation \
         LEFT JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k.at::int4 - 1] \
         WHERE n.nspname = $1 AND NOT c.relispartition AND i.indisvalid AND k.at <= i.indnkeyatts \
         ORDER BY 1, 2, k.at";
    type Found = (Number, Number, Option<String>, bool, bool, bool, bool, bool, bool);
    let rows: Vec<Found> =
        sqlx::query_as(INDEXES).bind(schema).fetch_all(connection).await.map_err(failed)?;
    let mut found: BTreeMap<Number, Index> = BTreeMap::new();
    for (of, index, name, primary, unique, whole, ordered, immediate, tells_apart) in rows {
        let is = Is { primary, unique, whole, ordered, immediate };
        let index = found.entry(index).or_insert_with(|| Index { of, is, columns: Vec::new() });
        index.columns.push(IndexColumn { name, tells_apart });
    }
    for index in found.into_values() {
        if let Some(draft) = drafts.get_mut(&index.of) {
            draft.index(&index);
        }
    }
    Ok(())
}

impl Draft {
    fn index(&mut self, Index { is, columns, .. }: &Index) {
        let raw = || columns.iter().filter_map(|c| c.name.clone());
        let named = |c: &IndexColumn| c.name.as_deref().and_then(|name| ColumnName::new(name).ok());
        if is.primary {
            self.primary_key = raw().collect();
            self.table.primary_key = columns.iter().map(named).collect::<Option<_>>().unwrap_or_default();
        }
        let first = columns.first().and_then(named);
        if is.unique && columns.len() == 1 {
            // Within its rows, a partial index refuses a second value as any other does; a deferred one does so at the end.
            self.table.distinct.extend(first.clone());
        }
        if !is.whole {
            return;
        }
        self.table.indexed.extend(first.filter(|_| is.ordered));
        if !is.unique || !is.immediate || !columns.iter().all(|c| c.tells_apart) {
            return;
        }
        let written: Option<BTreeSet<ColumnName>> = columns.iter().map(named).collect();
        let written = written.filter(|set| set.iter().all(|c| self.table.column(c).is_some()));
        self.table.unique.extend(written);
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

#[expect(clippy::needless_pass_by_value, reason = "an argument of `map_err`")]
fn failed(error: sqlx::Error) -> DatastoreError {
    DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) }
}

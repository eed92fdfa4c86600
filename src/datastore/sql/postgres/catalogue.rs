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

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use self::reach::{Change, Graph};
use super::domain::{BASE, Base, Domains, LABELS, TypeNumber};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::{
    Beside, Broken, Catalogue, Check, Column, ColumnKind, NoTable, Shown, Table, Takes,
};
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
    /// Its place, as indexes name it.
    number: i16,
    name: String,
    generated: bool,
    /// Whether no row holds NULL in it. Since version 18 a column may be NOT NULL for new rows alone.
    is_filled: bool,
    collation: i64,
    /// Whether two texts that its collation takes for one are the same bytes.
    is_deterministic: bool,
}

/// A column as the engine's catalogue has it, and the type it is declared with.
struct Declared {
    of: Number,
    raw: Raw,
    /// The type as the engine writes it.
    text: String,
    not_null: bool,
    modifier: i32,
    ty: TypeNumber,
    labels: Vec<String>,
    base: Base,
}

impl Declared {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            of: row.try_get(0)?,
            raw: Raw {
                number: row.try_get(1)?,
                name: row.try_get(2)?,
                generated: row.try_get(3)?,
                is_filled: row.try_get(4)?,
                collation: row.try_get(5)?,
                is_deterministic: row.try_get(6)?,
            },
            text: row.try_get(7)?,
            not_null: row.try_get(8)?,
            modifier: row.try_get(9)?,
            ty: row.try_get(10)?,
            labels: row.try_get(11)?,
            base: Base::of(row, 12)?,
        })
    }
}

/// The tables of a schema. A partitioned table stands for its partitions, whatever is declared on one of them alone.
pub(in crate::datastore) async fn read(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Catalogue, DatastoreError> {
    let (mut beside, mut no_tables) = (Beside::default(), BTreeMap::new());
    let mut drafts = tables(connection, schema, &mut beside, &mut no_tables).await?;
    columns(connection, schema, &mut drafts).await?;
    checks(connection, schema, &mut drafts).await?;
    index::read(connection, schema, &mut drafts).await?;
    triggers(connection, &mut drafts).await?;
    published(connection, &mut drafts).await?;
    let graph = Graph::read(connection, schema).await?;
    let mut catalogue = Catalogue { tables: BTreeMap::new(), no_tables, shown: Shown::Everything, beside };
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
        draft.table.heirs = graph.heirs(number);
        catalogue.tables.insert(draft.name, draft.table);
    }
    Ok(catalogue)
}

async fn tables(
    connection: &mut PgConnection,
    schema: &str,
    beside: &mut Beside,
    no_tables: &mut BTreeMap<TableName, NoTable>,
) -> Result<BTreeMap<Number, Draft>, DatastoreError> {
    const TABLES: &str = "SELECT c.oid::int8, c.relname::text, c.relkind::text, r.oid::int8, r.relname::text \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_class r ON c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid) \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> $2 \
         ORDER BY c.relispartition, c.relname";
    type Found = (Number, String, String, Option<Number>, Option<String>);
    let rows: Vec<Found> =
        sqlx::query_as(TABLES).bind(schema).bind(MARKER).fetch_all(connection).await.map_err(failed)?;
    let mut drafts: BTreeMap<Number, Draft> = BTreeMap::new();
    for (number, name, kind, root, root_name) in rows {
        let no_table = match (kind.as_str(), root_name) {
            (_, Some(root)) => Some(NoTable::PartitionOf(root)),
            ("v", None) => Some(NoTable::View),
            ("m", None) => Some(NoTable::MaterializedView),
            ("f", None) => Some(NoTable::Foreign),
            (_, None) => None,
        };
        // The roots come first.
        if let (Some(root), "f") = (root.and_then(|root| drafts.get_mut(&root)), kind.as_str()) {
            root.table.breaks(&Broken::new(
                "one of its partitions is a foreign table, whose server may keep what is rolled back here",
                "detach that partition, and sweep the server that holds it as a datastore of its own",
            ));
        }
        match (TableName::new(&name), no_table) {
            (Ok(name), Some(no_table)) => drop(no_tables.insert(name, no_table)),
            (Ok(name), None) => {
                let (table, columns, primary_key) = (Table::default(), Vec::new(), BTreeSet::new());
                drafts.insert(number, Draft { name, table, columns, primary_key });
            }
            (Err(_), Some(_)) => {}
            (Err(_), None) => beside.nameless += 1,
        }
    }
    Ok(drafts)
}

async fn columns(
    connection: &mut PgConnection,
    schema: &str,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    // What is asked of every column is looked up once for all of them: there may be tens of thousands.
    let columns = format!(
        "SELECT a.attrelid::int8, a.attnum, a.attname::text, a.attgenerated <> '', \
           a.attnotnull AND (a.attrelid, a.attnum) NOT IN (SELECT v.conrelid, pg_catalog.unnest(v.conkey) \
             FROM pg_catalog.pg_constraint v WHERE v.contype = 'n' AND NOT v.convalidated), a.attcollation::int8, \
           a.attcollation NOT IN (SELECT l.oid FROM pg_catalog.pg_collation l WHERE NOT l.collisdeterministic), \
           pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atttypmod, a.atttypid::int8, {LABELS}, {BASE} \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) \
           AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
         ORDER BY a.attrelid, a.attnum"
    );
    let asked = sqlx::query(AssertSqlSafe(columns)).bind(schema).try_map(|row| Declared::of(&row));
    let found = asked.fetch_all(&mut *connection).await.map_err(failed)?;
    let types = found.iter().map(|column| (column.ty, &column.base));
    let domains = Domains::of(connection, types, OPERATION).await?;
    for Declared { of, raw, text: mut declared, mut not_null, mut modifier, ty, mut labels, mut base } in
        found
    {
        let Some(draft) = drafts.get_mut(&of) else { continue };
        let name = ColumnName::new(&raw.name);
        if let Some(domain) = domains.get(ty) {
            // A domain's own name does not say what it holds.
            declared = format!("{declared} ({})", domain.declared);
            not_null |= domain.filled;
            (modifier, labels, base) = (domain.modifier, domain.labels.clone(), domain.base.clone());
            let columns = || name.iter().cloned().collect();
            let checks = domain.checks.iter().map(|check| Check { name: check.clone(), columns: columns() });
            draft.table.checks.extend(checks);
        }
        // A name says what a type is where it is the engine's own, and of one extension.
        let is = if base.native || base.name == "citext" { base.name.as_str() } else { "" };
        // Generated columns cannot be written. An identity column can be a key; that it refuses to be set, the engine says.
        match (name, raw.generated) {
            (Ok(name), true) => drop(draft.table.generated.insert(name)),
            (Ok(name), false) => {
                let takes = takes(is, &base.family, modifier, labels);
                draft.table.columns.push(Column { name, kind: kind(is), declared, not_null, takes });
            }
            (Err(_), _) => {}
        }
        draft.columns.push(raw);
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

/// Which texts a type takes. `family`: its kind and its category, as the engine's catalogue has them.
fn takes(base: &str, family: &str, modifier: i32, labels: Vec<String>) -> Takes {
    match base {
        "text" | "citext" => Takes::Text(None),
        // The modifier counts itself: four bytes.
        "varchar" | "bpchar" => {
            Takes::Text(modifier.checked_sub(4).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0))
        }
        "name" => Takes::Text(Some(63)),
        "timestamptz" | "timestamp" | "date" => Takes::Moments,
        "inet" => Takes::Addresses,
        "uuid" => Takes::Uuids,
        "json" | "jsonb" => Takes::Json,
        "bytea" | "int2" | "int4" | "int8" | "oid" | "numeric" | "float4" | "float8" | "money" | "bool"
        | "bit" | "varbit" => Takes::Nothing,
        _ if family.starts_with('e') => Takes::OneOf(labels.into_iter().collect()),
        // Composites, ranges and arrays, whoever made them, and the rest of the engine's own.
        _ if family.starts_with(['c', 'r', 'm']) || family.ends_with('A') || !base.is_empty() => Takes::Some,
        _ => Takes::Unknown,
    }
}

/// CHECK constraints of tables; those of the domains that columns are of came with the columns.
async fn checks(
    connection: &mut PgConnection,
    schema: &str,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    const CHECKS: &str = "SELECT c.oid::int8, k.conname::text, ARRAY (SELECT a.attname::text FROM pg_catalog.pg_attribute a \
           WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'c' \
         WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)";
    let rows: Vec<(Number, String, Vec<String>)> =
        sqlx::query_as(CHECKS).bind(schema).fetch_all(connection).await.map_err(failed)?;
    for (number, name, columns) in rows {
        // A partition bears what its parent does.
        let Some(Draft { table, .. }) = drafts.get_mut(&number) else { continue };
        let columns = columns.iter().filter_map(|name| ColumnName::new(name).ok()).collect();
        table.checks.push(Check { name, columns });
    }
    for Draft { table, .. } in drafts.values_mut() {
        table.checks.sort_by(|one, other| (&one.name, &one.columns).cmp(&(&other.name, &other.columns)));
    }
    Ok(())
}

/// A rule of the engine's, none of ours.
const DROP_RULE: &str = "drop it (`DROP RULE`), or let a trigger do what it does";

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
            "4" => table.delete_broken = Some(Broken::new("a rule replaces DELETE", DROP_RULE)),
            "2" => table.update_broken = Some(Broken::new("a rule replaces UPDATE", DROP_RULE)),
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
    // Most databases publish nothing.
    let any = "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication)";
    if !sqlx::query_scalar(any).fetch_one(&mut *connection).await.map_err(failed)? {
        return Ok(());
    }
    let rows: Vec<(Number, bool, bool)> =
        sqlx::query_as(PUBLISHED).fetch_all(connection).await.map_err(failed)?;
    for (number, deletes, updates) in rows {
        let Some(Draft { table, .. }) = drafts.get_mut(&number) else { continue };
        let broken = || {
            Broken::new(
                "it is in a publication, and has no replica identity",
                "give it a primary key, or one of its unique indexes as REPLICA IDENTITY",
            )
        };
        if deletes {
            table.delete_broken.get_or_insert_with(broken);
        }
        if updates {
            table.update_broken.get_or_insert_with(broken);
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of `map_err`")]
fn failed(error: sqlx::Error) -> DatastoreError {
    DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) }
}

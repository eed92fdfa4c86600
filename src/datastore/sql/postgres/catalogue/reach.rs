//! What a statement writes beyond its own table: through foreign keys, and through inheritance.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{Number, failed};
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::{OnDelete, Reference};
use crate::model::name::{ColumnName, TableName};

/// A table whose name holds control characters. No rule can name it, but a statement may reach it.
const NAMELESS: &str = "(a table whose name no rule can write)";

/// The foreign keys of the database: a way through another schema may lead back.
#[derive(Default)]
pub(super) struct Graph {
    /// Of the tables that hold a key, or inherit. None: no rule can write it.
    names: BTreeMap<Number, Option<TableName>>,
    /// By the table they point to.
    keys: BTreeMap<Number, Vec<ForeignKey>>,
    /// Tables that inherit from one, and are no partitions of it: a statement on it has their rows, too.
    heirs: BTreeMap<Number, Vec<Number>>,
}

struct ForeignKey {
    from: Number,
    /// Its columns, and those they equal.
    columns: Vec<(String, String)>,
    on_delete: OnDelete,
    on_update: OnDelete,
}

/// What becomes of rows of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change<'g> {
    /// They go.
    Deleted,
    /// This column changes.
    Set(&'g str),
}

impl Graph {
    pub(super) async fn read(connection: &mut PgConnection, schema: &str) -> Result<Self, DatastoreError> {
        let mut graph = Self::default();
        graph.read_keys(connection, schema).await?;
        graph.read_heirs(connection, schema).await?;
        Ok(graph)
    }

    async fn read_keys(&mut self, connection: &mut PgConnection, schema: &str) -> Result<(), DatastoreError> {
        // `conparentid`: the engine's own copy for a partition. One that was put on a partition alone is a key of the parent's rows.
        const KEYS: &str = "WITH key AS ( \
               SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey, \
                 k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update, \
                 coalesce(CASE WHEN h.relispartition THEN pg_catalog.pg_partition_root(h.oid)::oid END, h.oid) AS holder, \
                 coalesce(CASE WHEN t.relispartition THEN pg_catalog.pg_partition_root(t.oid)::oid END, t.oid) AS target \
               FROM pg_catalog.pg_constraint k \
               JOIN pg_catalog.pg_class h ON h.oid = k.conrelid \
               JOIN pg_catalog.pg_class t ON t.oid = k.confrelid \
               WHERE k.contype = 'f' AND k.conparentid = 0 \
             ) \
             SELECT k.target::int8, k.holder::int8, CASE WHEN n.nspname = $1 THEN h.relname::text \
                 ELSE n.nspname::text || '.' || h.relname::text END, \
               ARRAY (SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS c (number, at) \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.at), \
               ARRAY (SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS c (number, at) \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.at), \
               k.on_delete, k.on_update \
             FROM key k \
             JOIN pg_catalog.pg_class h ON h.oid = k.holder \
             JOIN pg_catalog.pg_namespace n ON n.oid = h.relnamespace \
             ORDER BY n.nspname <> $1, n.nspname, h.relname, k.conname, k.oid";
        type Found = (Number, Number, String, Vec<String>, Vec<String>, String, String);
        // Some databases have none.
        const ANY: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f')";
        if !sqlx::query_scalar(ANY).fetch_one(&mut *connection).await.map_err(failed)? {
            return Ok(());
        }
        let rows: Vec<Found> =
            sqlx::query_as(KEYS).bind(schema).fetch_all(connection).await.map_err(failed)?;
        for (target, from, name, theirs, ours, on_delete, on_update) in rows {
            self.names.insert(from, TableName::new(&name).ok());
            let columns = theirs.into_iter().zip(ours).collect();
            let (on_delete, on_update) = (action(&on_delete), action(&on_update));
            let key = ForeignKey { from, columns, on_delete, on_update };
            self.keys.entry(target).or_default().push(key);
        }
        Ok(())
    }

    async fn read_heirs(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), DatastoreError> {
        const HEIRS: &str = "SELECT i.inhparent::int8, c.oid::int8, CASE WHEN n.nspname = $1 THEN c.relname::text \
               ELSE n.nspname::text || '.' || c.relname::text END \
             FROM pg_catalog.pg_inherits i \
             JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT c.relispartition AND c.relkind IN ('r', 'f')";
        let rows: Vec<(Number, Number, String)> =
            sqlx::query_as(HEIRS).bind(schema).fetch_all(connection).await.map_err(failed)?;
        for (parent, heir, name) in rows {
            self.names.insert(heir, TableName::new(&name).ok());
            self.heirs.entry(parent).or_default().push(heir);
        }
        Ok(())
    }

    /// The foreign keys that point to a table, each once, however many of its partitions hold a copy.
    pub(super) fn references(&self, to: Number) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        for key in self.keys.get(&to).into_iter().flatten() {
            let Some(Some(from)) = self.names.get(&key.from) else { continue };
            let pair = |(theirs, ours): &(String, String)| {
                Some((ColumnName::new(theirs).ok()?, ColumnName::new(ours).ok()?))
            };
            let Some(columns) = key.columns.iter().map(pair).collect() else { continue };
            let reference = Reference { from: from.clone(), columns, on_delete: key.on_delete };
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
        found
    }

    /// The tables that a statement on one writes beside it. Of a key that is set to NULL or to its default, every column counts.
    pub(super) fn writes<'g>(&'g self, of: Number, changes: &[Change<'g>]) -> BTreeSet<TableName> {
        let mut open: Vec<(Number, Change<'g>)> = Vec::new();
        for table in self.line(of) {
            open.extend(changes.iter().map(|change| (table, *change)));
        }
        let mut seen: BTreeSet<(Number, Change<'g>)> = open.iter().copied().collect();
        // Ends: each change of a table enters once.
        while let Some((table, change)) = open.pop() {
            for key in self.keys.get(&table).into_iter().flatten() {
                for next in key.passes_on(change) {
                    if seen.insert((key.from, next)) {
                        open.push((key.from, next));
                    }
                }
            }
        }
        let tables: BTreeSet<Number> = seen.into_iter().map(|(table, _)| table).collect();
        tables.into_iter().filter(|table| *table != of).filter_map(|table| self.name(table)).collect()
    }

    /// A table and all that inherit from it.
    fn line(&self, of: Number) -> Vec<Number> {
        let mut line = vec![of];
        let mut at = 0;
        // Ends: the engine admits no circle, and a table that comes in twice is taken once.
        while let Some(table) = line.get(at) {
            let heirs = self.heirs.get(table).into_iter().flatten();
            let heirs: Vec<Number> = heirs.copied().filter(|heir| !line.contains(heir)).collect();
            line.extend(heirs);
            at += 1;
        }
        line
    }

    /// Those that inherit from a table, and are no partitions of it.
    pub(super) fn heirs(&self, of: Number) -> BTreeSet<TableName> {
        self.line(of).into_iter().filter(|table| *table != of).filter_map(|table| self.name(table)).collect()
    }

    fn name(&self, table: Number) -> Option<TableName> {
        let name = self.names.get(&table).cloned().flatten();
        name.or_else(|| TableName::new(NAMELESS).ok())
    }
}

impl ForeignKey {
    /// What happens to its own rows.
    fn passes_on(&self, change: Change<'_>) -> Vec<Change<'_>> {
        let action = match change {
            Change::Deleted => self.on_delete,
            Change::Set(column) if self.columns.iter().any(|(_, ours)| ours == column) => self.on_update,
            Change::Set(_) => OnDelete::Refuse,
        };
        let columns = || self.columns.iter().map(|(theirs, _)| Change::Set(theirs)).collect();
        match (action, change) {
            (OnDelete::Refuse, _) => Vec::new(),
            (OnDelete::Cascade, Change::Deleted) => vec![Change::Deleted],
            (OnDelete::Cascade, Change::Set(_)) | (OnDelete::SetNull | OnDelete::SetDefault, _) => columns(),
        }
    }
}

/// As the engine's catalogue writes it: `a` is NO ACTION, `r` is RESTRICT.
fn action(letter: &str) -> OnDelete {
    match letter {
        "c" => OnDelete::Cascade,
        "n" => OnDelete::SetNull,
        "d" => OnDelete::SetDefault,
        _ => OnDelete::Refuse,
    }
}

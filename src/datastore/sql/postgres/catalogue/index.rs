//! Indexes: what identifies a row, what may not stand twice, and what is found without reading the table.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{Draft, Number, failed};
use crate::datastore::error::DatastoreError;
use crate::model::name::ColumnName;

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

pub(super) async fn read(
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

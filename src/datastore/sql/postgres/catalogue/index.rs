//! Indexes: what identifies a row, what may not stand twice, and what is found without reading the table.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{Draft, Number, Raw, failed};
use crate::datastore::error::DatastoreError;
use crate::model::name::ColumnName;

/// An index while it is read.
struct Index {
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
    /// By the operators that a type has unless somebody asks for others: its `=` is that of statements.
    usual: bool,
}

struct IndexColumn {
    /// None: an expression.
    name: Option<String>,
    /// Whether it never holds NULL, and its collation is none that takes for one what the index takes for two.
    tells_apart: bool,
}

pub(super) async fn read(
    connection: &mut PgConnection,
    schema: &str,
    drafts: &mut BTreeMap<Number, Draft>,
) -> Result<(), DatastoreError> {
    // Vectors come as text: they begin at zero, which no array of the driver's does.
    const INDEXES: &str = "SELECT i.indrelid::int8, i.indisprimary, i.indisunique, i.indpred IS NULL, \
           x.relam = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree'), i.indimmediate, \
           NOT i.indclass::oid[] && ARRAY (SELECT o.oid FROM pg_catalog.pg_opclass o WHERE NOT o.opcdefault), \
           i.indnkeyatts, i.indkey::text, i.indcollation::text \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_index i ON i.indrelid = c.oid \
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) \
           AND NOT c.relispartition AND i.indisvalid \
         ORDER BY 1, i.indexrelid";
    type Found = (Number, bool, bool, bool, bool, bool, bool, i16, String, String);
    let rows: Vec<Found> =
        sqlx::query_as(INDEXES).bind(schema).fetch_all(connection).await.map_err(failed)?;
    for (of, primary, unique, whole, ordered, immediate, usual, own, numbers, collations) in rows {
        let Some(draft) = drafts.get_mut(&of) else { continue };
        let is = Is { primary, unique, whole, ordered, immediate, usual };
        let (numbers, collations) = (numbers.split(' '), collations.split(' '));
        // Behind its own stand those that it only includes.
        let columns = numbers.zip(collations).take(usize::from(own.unsigned_abs()));
        let columns = columns.map(|(number, collation)| {
            // Zero is an expression.
            let column = draft.columns.iter().find(|raw| number.parse() == Ok(raw.number));
            // Where a collation takes two texts for one, only an index of that collation keeps `=` from finding two rows.
            let alike = |raw: &Raw| raw.is_deterministic || collation.parse() == Ok(raw.collation);
            IndexColumn {
                name: column.map(|raw| raw.name.clone()),
                tells_apart: column.is_some_and(|raw| raw.is_filled && alike(raw)),
            }
        });
        let columns = columns.collect();
        draft.index(&Index { is, columns });
    }
    Ok(())
}

impl Draft {
    fn index(&mut self, Index { is, columns }: &Index) {
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
        if !is.unique || !is.immediate || !is.usual || !columns.iter().all(|c| c.tells_apart) {
            return;
        }
        let written: Option<BTreeSet<ColumnName>> = columns.iter().map(named).collect();
        let written = written.filter(|set| set.iter().all(|c| self.table.column(c).is_some()));
        self.table.unique.extend(written);
    }
}

//! The schema, and what a deletion would write, as the engine itself plans it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Row as _, SqliteConnection};

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::{failed, told};
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::marker;
use crate::datastore::sql::statement::{Arg, Sql};
use crate::model::catalogue::{
    Beside, Broken, Catalogue, Column, ColumnKind, NoTable, OnDelete, Reference, Shown, Table, Takes, VIRTUAL,
};
use crate::model::name::{ColumnName, TableName};

const OPERATION: &str = "read the catalogue";

pub(in crate::datastore::sql) async fn read(
    connection: &mut SqliteConnection,
) -> Result<Catalogue, DatastoreError> {
    let names = Dialect::Sqlite.sql(
        "SELECT name, rootpage FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    );
    let mut tables: BTreeMap<TableName, Table> = BTreeMap::new();
    let mut pages: BTreeMap<i64, TableName> = BTreeMap::new();
    let mut beside = beside(connection).await?;
    for row in told(connection, &names, OPERATION).await? {
        let name: String = get(&row, 0)?;
        if name == marker::TABLE {
            continue;
        }
        if let Ok(name) = TableName::new(&name) {
            pages.insert(get(&row, 1)?, name.clone());
            tables.insert(name, Table::default());
        } else if let Ok(nameless) = TableName::new(NAMELESS) {
            // No rule can name it, but a deletion may reach it.
            beside.nameless += 1;
            pages.insert(get(&row, 1)?, nameless);
        }
    }
    let every: Vec<TableName> = tables.keys().cloned().collect();
    let mut references: Vec<(TableName, Reference)> = Vec::new();
    for name in &every {
        let mut table = table(connection, name).await?;
        references.extend(foreign_keys(connection, name).await?);
        let delete = format!("DELETE FROM main.{}", Dialect::Sqlite.quote(name.as_str()));
        table.delete_writes = planned(writes(connection, &delete, &pages).await, &mut table.delete_broken)?;
        let set = table.columns.iter().filter(|c| !table.primary_key.contains(&c.name));
        let set: Vec<String> =
            set.map(|c| format!("{0} = {0}", Dialect::Sqlite.quote(c.name.as_str()))).collect();
        if !set.is_empty() {
            let update = format!(
                "UPDATE OR ABORT main.{} SET {}",
                Dialect::Sqlite.quote(name.as_str()),
                set.join(", ")
            );
            table.update_writes =
                planned(writes(connection, &update, &pages).await, &mut table.update_broken)?;
        }
        tables.insert(name.clone(), table);
    }
    for (to, mut reference) in references {
        // The engine finds the target whatever the case it is written in.
        let found = tables.iter_mut().find(|(name, _)| name.as_str().eq_ignore_ascii_case(to.as_str()));
        if let Some((_, table)) = found {
            name_target(table, &mut reference);
            table.referenced_by.push(reference);
        }
    }
    let no_tables = no_tables(connection, &beside).await?;
    Ok(Catalogue { tables, no_tables, shown: Shown::Everything, beside })
}

/// What the engine says of a statement that it cannot plan, in words that quote nothing.
const NO_PLAN: &str = "the engine reports error 1";

/// What a statement writes. One that the engine cannot plan concerns its own table alone, and not the others of the datastore.
fn planned(
    writes: Result<BTreeSet<TableName>, DatastoreError>,
    broken: &mut Option<Broken>,
) -> Result<BTreeSet<TableName>, DatastoreError> {
    match writes {
        // Not what a failing disk says.
        Err(DatastoreError::Statement { source: EngineError::Other(why), .. })
            if why.starts_with("no such ") || why == NO_PLAN =>
        {
            *broken = Some(Broken::new(why, "mend or drop the trigger or foreign key that it stumbles over"));
            Ok(BTreeSet::new())
        }
        writes => writes,
    }
}

/// Views, and virtual tables once more: by the name that a rule may have used.
async fn no_tables(
    connection: &mut SqliteConnection,
    beside: &Beside,
) -> Result<BTreeMap<TableName, NoTable>, DatastoreError> {
    let mut found: BTreeMap<TableName, NoTable> =
        beside.virtual_tables.iter().map(|name| (name.clone(), NoTable::Virtual)).collect();
    let listed = Dialect::Sqlite.sql("SELECT name FROM main.sqlite_schema WHERE type = 'view'");
    for row in told(connection, &listed, OPERATION).await? {
        found.extend(TableName::new(&get::<String>(&row, 0)?).ok().map(|name| (name, NoTable::View)));
    }
    Ok(found)
}

/// Virtual tables, and those in which they keep their data.
async fn beside(connection: &mut SqliteConnection) -> Result<Beside, DatastoreError> {
    let listed = Dialect::Sqlite.sql(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow')",
    );
    let made = Dialect::Sqlite.sql("SELECT sql FROM main.sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'");
    let mut words: BTreeSet<String> = BTreeSet::new();
    for row in told(connection, &made, OPERATION).await? {
        let made = get::<String>(&row, 0)?.to_lowercase();
        let word = |c: char| !c.is_alphanumeric() && c != '_';
        words.extend(made.split(word).map(str::to_owned));
    }
    let mut beside = Beside::default();
    for row in told(connection, &listed, OPERATION).await? {
        let is_virtual = get::<String>(&row, 1)? == "virtual";
        let name: String = get(&row, 0)?;
        // The engine goes by the name. One that a virtual table was told of is the application's own, whatever it is called.
        let is_shadow = || !words.contains(&name.to_lowercase());
        match TableName::new(&name) {
            Ok(name) if is_virtual => drop(beside.virtual_tables.insert(name)),
            Ok(shadow) if is_shadow() => drop(beside.shadow_tables.insert(shadow)),
            Ok(_) => {}
            Err(_) => beside.nameless += u64::from(is_virtual),
        }
    }
    Ok(beside)
}

/// `REFERENCES t` without columns means t's primary key; named ones are spelled as `t` spells them.
fn name_target(table: &Table, reference: &mut Reference) {
    for (i, (_, to)) in reference.columns.iter_mut().enumerate() {
        if to.as_str() == IMPLICIT {
            *to = table.primary_key.get(i).unwrap_or(to).clone();
        } else if let Some(column) =
            table.columns.iter().find(|c| c.name.as_str().eq_ignore_ascii_case(to.as_str()))
        {
            *to = column.name.clone();
        }
    }
}

/// A table whose name is too long, or holds control characters.
const NAMELESS: &str = "(a table whose name no rule can write)";

const IMPLICIT: &str = "(primary key)";

async fn table(connection: &mut SqliteConnection, name: &TableName) -> Result<Table, DatastoreError> {
    let mut table = Table::default();
    let mut key: Vec<(i64, ColumnName)> = Vec::new();
    let strict = pragma("SELECT strict FROM pragma_table_list(?1) WHERE schema = 'main'", name);
    let strict: i64 = told(connection, &strict, OPERATION).await?.first().map_or(Ok(0), |row| get(row, 0))?;
    // hidden is 0 for an ordinary column, 2 and 3 for a generated one, in which nothing can be written.
    let columns = pragma(
        "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
        name,
    );
    for row in told(connection, &columns, OPERATION).await? {
        let declared: String = get(&row, 1)?;
        let (not_null, pk): (i64, i64) = (get(&row, 2)?, get(&row, 3)?);
        let Ok(name) = ColumnName::new(&get::<String>(&row, 0)?) else { continue };
        if get::<i64>(&row, 4)? != 0 {
            table.generated.insert(name);
            continue;
        }
        if pk > 0 {
            key.push((pk, name.clone()));
        }
        let (kind, not_null) = (kind(&declared), not_null != 0);
        let mut column = Column { kind, name, declared, not_null, takes: Takes::Unknown };
        column.takes = takes(&column, strict != 0);
        table.columns.push(column);
    }
    key.sort();
    table.primary_key = key.into_iter().map(|(_, name)| name).collect();
    // The rowid under its own name is never NULL, whatever the catalogue says. A key with an index of its own is none.
    let of_key = pragma("SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", name);
    let indexed: i64 =
        told(connection, &of_key, OPERATION).await?.first().map_or(Ok(0), |row| get(row, 0))?;
    if let ([only], 0) = (table.primary_key.as_slice(), indexed) {
        for column in
            table.columns.iter_mut().filter(|c| &c.name == only && c.declared.eq_ignore_ascii_case("integer"))
        {
            column.not_null = true;
            table.unique.push(BTreeSet::from([only.clone()]));
            table.distinct.insert(only.clone());
            table.indexed.insert(only.clone());
        }
    }
    indexes(connection, name, &mut table).await?;
    let triggers = pragma(
        "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name",
        name,
    );
    for row in told(connection, &triggers, OPERATION).await? {
        table.triggers.push(get(&row, 0)?);
    }
    Ok(table)
}

async fn indexes(
    connection: &mut SqliteConnection,
    name: &TableName,
    table: &mut Table,
) -> Result<(), DatastoreError> {
    let indexes = pragma(
        "SELECT i.name, i.\"unique\", i.partial, x.name FROM pragma_index_list(?1) AS i, pragma_index_info(i.name) AS x \
         ORDER BY i.name, x.seqno",
        name,
    );
    let mut found: BTreeMap<String, (bool, bool, Vec<Option<ColumnName>>)> = BTreeMap::new();
    for row in told(connection, &indexes, OPERATION).await? {
        let (unique, partial): (i64, i64) = (get(&row, 1)?, get(&row, 2)?);
        let column = get::<Option<String>>(&row, 3)?.and_then(|c| ColumnName::new(&c).ok());
        found.entry(get(&row, 0)?).or_insert((unique != 0, partial != 0, Vec::new())).2.push(column);
    }
    for (unique, partial, columns) in found.into_values() {
        if let ([Some(only)], true) = (columns.as_slice(), unique) {
            // Within its rows, a partial index refuses a second value as any other does.
            table.distinct.insert(only.clone());
        }
        if partial {
            continue;
        }
        table.indexed.extend(columns.first().cloned().flatten());
        let named: Option<BTreeSet<ColumnName>> = columns.into_iter().collect();
        let Some(named) = named.filter(|_| unique) else { continue };
        // UNIQUE admits any number of NULLs.
        if named.iter().all(|c| table.column(c).is_some_and(|c| c.not_null)) {
            table.unique.push(named);
        }
    }
    Ok(())
}

async fn foreign_keys(
    connection: &mut SqliteConnection,
    from: &TableName,
) -> Result<Vec<(TableName, Reference)>, DatastoreError> {
    let keys = pragma(
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
        from,
    );
    let mut found: BTreeMap<i64, (TableName, Reference)> = BTreeMap::new();
    for row in told(connection, &keys, OPERATION).await? {
        let to = get::<Option<String>>(&row, 3)?.unwrap_or_else(|| IMPLICIT.to_owned());
        let names = (
            TableName::new(&get::<String>(&row, 1)?),
            ColumnName::new(&get::<String>(&row, 2)?),
            ColumnName::new(&to),
        );
        let (Ok(table), Ok(theirs), Ok(ours)) = names else { continue };
        let on_delete = match get::<String>(&row, 4)?.as_str() {
            "CASCADE" => OnDelete::Cascade,
            "SET NULL" => OnDelete::SetNull,
            "SET DEFAULT" => OnDelete::SetDefault,
            _ => OnDelete::Refuse,
        };
        let reference = Reference { from: from.clone(), columns: Vec::new(), on_delete };
        found.entry(get(&row, 0)?).or_insert((table, reference)).1.columns.push((theirs, ours));
    }
    Ok(found.into_values().collect())
}

/// The tables a statement writes: the engine's own program for it, with the programs of its triggers and foreign-key
/// actions, lists every table it opens for writing. Nothing is executed.
async fn writes(
    connection: &mut SqliteConnection,
    statement: &str,
    pages: &BTreeMap<i64, TableName>,
) -> Result<BTreeSet<TableName>, DatastoreError> {
    // A WHERE clause keeps the engine from planning a truncation, which fires no trigger.
    let explain = Dialect::Sqlite.sql(format!("EXPLAIN {statement} WHERE random() = 0"));
    let mut written = BTreeSet::new();
    for row in told(connection, &explain, OPERATION).await? {
        match get::<String>(&row, 1)?.as_str() {
            "OpenWrite" => written.extend(pages.get(&get(&row, 3)?).cloned()),
            // A trigger's DELETE of everything.
            "Clear" => written.extend(pages.get(&get(&row, 2)?).cloned()),
            // Which one, the program does not say.
            "VUpdate" => written.extend(TableName::new(VIRTUAL)),
            _ => {}
        }
    }
    Ok(written)
}

/// What a declared type means. `SQLite` itself would call most of these NUMERIC.
fn kind(declared: &str) -> ColumnKind {
    let declared = declared.trim().to_ascii_lowercase();
    match declared.as_str() {
        "timestamptz" | "timestamp with time zone" => ColumnKind::Instant,
        "timestamp" | "datetime" | "timestamp without time zone" => ColumnKind::Naive,
        "date" => ColumnKind::Date,
        other if other.contains("int") => ColumnKind::Integer,
        other if other.contains("char") || other.contains("text") || other.contains("clob") => {
            ColumnKind::Text
        }
        _ => ColumnKind::Other,
    }
}

/// Which texts a column takes. The engine itself keeps a type in a strict table only; elsewhere it is what the application reads there.
fn takes(column: &Column, strict: bool) -> Takes {
    match column.kind {
        ColumnKind::Instant | ColumnKind::Naive | ColumnKind::Date => Takes::Moments,
        _ if column.is_number() => Takes::Nothing,
        ColumnKind::Other if strict && column.declared.eq_ignore_ascii_case("blob") => Takes::Nothing,
        ColumnKind::Text | ColumnKind::Other | ColumnKind::Integer => Takes::Text(None),
    }
}

fn pragma(text: &str, name: &TableName) -> Sql {
    Sql { args: vec![Arg::Text(name.as_str().to_owned())], ..Dialect::Sqlite.sql(text) }
}

fn get<'r, T>(row: &'r sqlx::sqlite::SqliteRow, at: usize) -> Result<T, DatastoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(at).map_err(failed(OPERATION))
}

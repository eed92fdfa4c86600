//! The schema, and what a deletion would write, from the server's `information_schema`: one query a kind of object, however many tables.

mod keys;
#[cfg(test)]
pub(super) mod scratch;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};

use self::keys::Keys;
use super::privileges::{Grants, quote};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::model::catalogue::{
    Beside, Broken, Catalogue, Check, Column, ColumnKind, NoTable, Shown, Table, Takes,
};
use crate::model::name::{ColumnName, TableName};

const OPERATION: &str = "read the catalogue";

/// Where the marks of batches are kept: no rule is about it.
pub(super) const MARKER: &str = "expunged_marker";

/// Engines that can roll a batch back.
const TRANSACTIONAL: [&str; 2] = ["InnoDB", "ROCKSDB"];

/// Everything that the account can see of a database. Where foreign keys of other tables may be hidden from it, no table can be
/// disposed of, and each says so: the engine would cascade through them all the same.
///
/// Not one look at one moment: `information_schema` knows no transactions.
pub(in crate::datastore) async fn read(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<Catalogue, DatastoreError> {
    let server = Server::ask(connection).await?;
    let hidden = Grants::read(connection).await?.hides_keys();
    let mut catalogue = tables(connection, &server, database).await?;
    let tables = &mut catalogue.tables;
    columns(connection, &server, database, tables).await?;
    indexes(connection, &server, database, tables).await?;
    checks(connection, &server, database, tables).await?;
    triggers(connection, &server, database, tables).await?;
    let keys = Keys::read(connection, &server, database, tables.keys()).await?;
    for (name, table) in tables {
        table.referenced_by = keys.references(name);
        table.delete_writes = keys.writes_of_delete(name);
        table.update_writes = keys.writes_of_update(name, &table.primary_key);
        if let Some(hidden) = &hidden {
            table.breaks(hidden);
        }
    }
    Ok(catalogue)
}

/// What the server is, as far as its catalogue depends on it.
pub(super) struct Server {
    /// How an index is kept from serving a search.
    unused_index: &'static str,
    /// Where it lists CHECK constraints by table; `MySQL` does not say whose they are.
    checks: Option<&'static str>,
    names: Names,
}

/// How the server compares the names of databases and tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    AsWritten,
    /// `lower_case_table_names` is 1 or 2.
    InLowerCase,
}

impl Server {
    pub(super) async fn ask(connection: &mut MySqlConnection) -> Result<Self, DatastoreError> {
        let rows = sqlx::query("SELECT VERSION(), CAST(@@lower_case_table_names AS CHAR)")
            .fetch_all(connection)
            .await
            .map_err(failed(OPERATION))?;
        let asked = |at| rows.first().map_or(Ok(String::new()), |row| text(row, at));
        let (unused_index, checks) = if asked(0)?.contains("MariaDB") {
            ("IGNORED = 'YES'", Some("information_schema.CHECK_CONSTRAINTS"))
        } else {
            ("IS_VISIBLE = 'NO'", None)
        };
        let names = if asked(1)? == "0" { Names::AsWritten } else { Names::InLowerCase };
        Ok(Self { unused_index, checks, names })
    }

    /// A name, as the server compares it. `information_schema` itself takes `E`, `e` and `é` for one.
    pub(super) fn fold(&self, name: &str) -> String {
        match self.names {
            Names::AsWritten => name.to_owned(),
            Names::InLowerCase => name.to_lowercase(),
        }
    }
}

/// The base tables, still without their columns.
pub(super) async fn tables(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
) -> Result<Catalogue, DatastoreError> {
    let listed = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')";
    let (mut tables, mut no_tables) = (BTreeMap::new(), BTreeMap::new());
    let mut beside = Beside::default();
    for row in rows(connection, server, listed, database).await? {
        let name: String = text(&row, 1)?;
        if server.fold(&name) == MARKER {
            continue;
        }
        let kind = text(&row, 2)?;
        if kind == "VIEW" {
            no_tables.extend(TableName::new(&name).ok().map(|name| (name, NoTable::View)));
            continue;
        }
        let broken = match (kind.as_str(), optional(&row, 3)?) {
            (_, None) => Some(Broken::new(
                "the server cannot open it",
                "see what `CHECK TABLE` says of it, or drop it where nothing is left of it",
            )),
            (_, Some(engine)) if !TRANSACTIONAL.iter().any(|e| e.eq_ignore_ascii_case(&engine)) => {
                Some(Broken::new(
                    format!(
                        "its engine `{engine}` has no transactions, so that a batch could not be rolled back"
                    ),
                    "run `ALTER TABLE … ENGINE = InnoDB`",
                ))
            }
            ("SYSTEM VERSIONED", _) => Some(Broken::new(
                "it keeps the history of its rows, and with it what would be gone",
                "run `ALTER TABLE … DROP SYSTEM VERSIONING`",
            )),
            _ => None,
        };
        let Ok(name) = TableName::new(&name) else {
            beside.nameless += 1;
            continue;
        };
        let table = Table { delete_broken: broken.clone(), update_broken: broken, ..Table::default() };
        tables.insert(name, table);
    }
    Ok(Catalogue { tables, no_tables, shown: Shown::ByRights, beside })
}

async fn columns(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
    tables: &mut BTreeMap<TableName, Table>,
) -> Result<(), DatastoreError> {
    let listed = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, \
                  CAST(CHARACTER_MAXIMUM_LENGTH AS CHAR), \
                  IF(EXTRA LIKE '%VIRTUAL GENERATED%' OR EXTRA LIKE '%STORED GENERATED%', 'YES', 'NO') \
                  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY ORDINAL_POSITION";
    for row in rows(connection, server, listed, database).await? {
        let Some(table) = table_of(&row, tables)? else { continue };
        let Ok(name) = ColumnName::new(&text(&row, 2)?) else { continue };
        if text(&row, 7)? == "YES" {
            // Nothing can be written there, the row's period of a versioned table included.
            table.generated.insert(name);
            continue;
        }
        let data_type = text(&row, 3)?.to_ascii_lowercase();
        let length = optional(&row, 6)?.and_then(|length| length.parse().ok());
        let takes = takes(&data_type, &text(&row, 4)?, length);
        let declared = match data_type.as_str() {
            // Its values are words of the application, in which a type's name may stand.
            "enum" | "set" => data_type.clone(),
            _ => text(&row, 4)?,
        };
        let not_null = text(&row, 5)? == "NO";
        table.columns.push(Column { name, kind: kind(&data_type), declared, not_null, takes });
    }
    Ok(())
}

fn kind(data_type: &str) -> ColumnKind {
    match data_type {
        "timestamp" => ColumnKind::Instant,
        "datetime" => ColumnKind::Naive,
        "date" => ColumnKind::Date,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => ColumnKind::Integer,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

/// Which texts a type takes. `length`: in characters, where the type has one that the engine counts.
fn takes(data_type: &str, column_type: &str, length: Option<u64>) -> Takes {
    match data_type {
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            Takes::Text(length.and_then(|length| u32::try_from(length).ok()))
        }
        "timestamp" | "datetime" | "date" => Takes::Moments,
        "inet4" | "inet6" => Takes::Addresses,
        "uuid" => Takes::Uuids,
        "json" => Takes::Json,
        "enum" => Takes::OneOf(words(column_type)),
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double" | "bit"
        | "year" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Takes::Nothing,
        _ => Takes::Some,
    }
}

/// The words of an enumeration, from `enum('a','it''s')`.
fn words(column_type: &str) -> BTreeSet<String> {
    let listed = column_type.split_once('(').map_or("", |(_, rest)| rest);
    let listed = listed.strip_suffix(')').unwrap_or(listed);
    let mut words = BTreeSet::new();
    let mut word: Option<String> = None;
    let mut characters = listed.chars().peekable();
    while let Some(c) = characters.next() {
        match (&mut word, c) {
            (None, '\'') => word = Some(String::new()),
            (None, _) => {}
            (Some(text), '\'') if characters.peek() == Some(&'\'') => {
                characters.next();
                text.push('\'');
            }
            (Some(_), '\'') => words.extend(word.take()),
            (Some(text), c) => text.push(c),
        }
    }
    words
}

/// CHECK constraints; of a column that is declared as JSON, that is all there is of it.
async fn checks(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
    tables: &mut BTreeMap<TableName, Table>,
) -> Result<(), DatastoreError> {
    let Some(there) = server.checks else { return Ok(()) };
    let listed = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM {there} \
         WHERE CONSTRAINT_SCHEMA = ? ORDER BY CONSTRAINT_NAME"
    );
    for row in rows(connection, server, &listed, database).await? {
        let Some(table) = table_of(&row, tables)? else { continue };
        let (name, clause) = (text(&row, 2)?, text(&row, 3)?);
        let is_about = |column: &Column| clause.contains(&quote(column.name.as_str()));
        let json = |column: &Column| clause == format!("json_valid({})", quote(column.name.as_str()));
        if let Some(column) = table.columns.iter_mut().find(|column| json(column)) {
            column.takes = Takes::Json;
            continue;
        }
        let columns = table.columns.iter().filter(|column| is_about(column));
        let columns = columns.map(|column| column.name.clone()).collect();
        table.checks.push(Check { name, columns });
    }
    Ok(())
}

/// An index, as far as it is read.
#[derive(Default)]
struct Index {
    is_unique: bool,
    /// Whether a search may go through it.
    serves: bool,
    /// Whether it looks at the beginning of a value only.
    has_prefix: bool,
    /// None: an expression, or a name that no rule can write.
    columns: Vec<Option<ColumnName>>,
}

async fn indexes(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
    tables: &mut BTreeMap<TableName, Table>,
) -> Result<(), DatastoreError> {
    let listed = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, IF(NON_UNIQUE = 0, 'YES', 'NO'), \
         IF(INDEX_TYPE <> 'BTREE' OR {}, 'NO', 'YES'), IF(SUB_PART IS NULL, 'NO', 'YES') \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY SEQ_IN_INDEX",
        server.unused_index
    );
    let mut found: BTreeMap<(String, String), Index> = BTreeMap::new();
    for row in rows(connection, server, &listed, database).await? {
        let index = found.entry((text(&row, 1)?, text(&row, 2)?)).or_default();
        index.is_unique = text(&row, 4)? == "YES";
        index.serves = text(&row, 5)? == "YES";
        index.has_prefix |= text(&row, 6)? == "YES";
        index.columns.push(optional(&row, 3)?.and_then(|name| ColumnName::new(&name).ok()));
    }
    for ((table, name), index) in found {
        if let Some(table) = TableName::new(&table).ok().and_then(|name| tables.get_mut(&name)) {
            add(table, &name, index);
        }
    }
    Ok(())
}

fn add(table: &mut Table, name: &str, index: Index) {
    if index.serves {
        table.indexed.extend(index.columns.first().cloned().flatten());
    }
    // One that looks at beginnings refuses equal values as any other does, and more.
    if let ([Some(only)], true) = (index.columns.as_slice(), index.is_unique) {
        table.distinct.insert(only.clone());
    }
    let Some(columns) = index.columns.into_iter().collect::<Option<Vec<_>>>() else { return };
    if !index.is_unique || index.has_prefix {
        return;
    }
    // UNIQUE admits any number of NULLs. A generated column is none of the table's, and a key without it is none.
    if columns.iter().all(|c| table.column(c).is_some_and(|c| c.not_null)) {
        table.unique.push(columns.iter().cloned().collect());
        if name == "PRIMARY" {
            table.primary_key = columns;
        }
    }
}

async fn triggers(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
    tables: &mut BTreeMap<TableName, Table>,
) -> Result<(), DatastoreError> {
    let listed = "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
                  WHERE EVENT_OBJECT_SCHEMA = ? ORDER BY TRIGGER_NAME";
    for row in rows(connection, server, listed, database).await? {
        if let Some(table) = table_of(&row, tables)? {
            table.triggers.push(text(&row, 2)?);
        }
    }
    Ok(())
}

/// The table that the second column names.
fn table_of<'t>(
    row: &MySqlRow,
    tables: &'t mut BTreeMap<TableName, Table>,
) -> Result<Option<&'t mut Table>, DatastoreError> {
    Ok(TableName::new(&text(row, 1)?).ok().and_then(|name| tables.get_mut(&name)))
}

/// What a query finds of one database, which its first column names.
async fn rows(
    connection: &mut MySqlConnection,
    server: &Server,
    query: &str,
    database: &str,
) -> Result<Vec<MySqlRow>, DatastoreError> {
    let query = sqlx::query(AssertSqlSafe(query.to_owned())).bind(database.to_owned());
    let database = server.fold(database);
    let mut own = Vec::new();
    for row in query.fetch_all(connection).await.map_err(failed(OPERATION))? {
        if server.fold(&text(&row, 0)?) == database {
            own.push(row);
        }
    }
    Ok(own)
}

pub(super) fn text(row: &MySqlRow, at: usize) -> Result<String, DatastoreError> {
    optional(row, at).map(Option::unwrap_or_default)
}

/// A text, of which the server may say that it is bytes.
fn optional(row: &MySqlRow, at: usize) -> Result<Option<String>, DatastoreError> {
    let bytes: Option<Vec<u8>> = row.try_get_unchecked(at).map_err(failed(OPERATION))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

pub(super) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> DatastoreError {
    move |error| DatastoreError::Statement { operation, source: EngineError::from(&error) }
}

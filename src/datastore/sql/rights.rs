//! Whether the account may do what the rules need: the engine is asked how it would execute a statement that takes just one right. It
//! checks what it would check for the statement, roles and columns and all, and nothing runs.

use sqlx::{Connection as _, PgConnection};

use super::connection::{Handle, explained, failed};
use super::dialect::Dialect;
use super::statement::Sql;
use super::{mariadb, marker, postgres};
use crate::datastore::error::DatastoreError;
use crate::diagnostic::Severity;
use crate::model::name::{ColumnName, TableName};
use crate::rules::connect::privilege::{Columns, Needed, PrivilegeFinding, Right, Standing, Use};

const OPERATION: &str = "ask for the account's rights";

/// On a whole server of MariaDB's, its status included.
pub(super) const PROCESS: &str = "PROCESS";

/// A right that the account has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lacking {
    table: TableName,
    right: Right,
    lacks: Use,
}

impl Lacking {
    /// As a sentence goes on: ``DELETE on table `x` ``.
    pub(super) fn what(&self, dialect: &Dialect) -> String {
        let (right, table) = (self.right.as_str(), &self.table);
        let columns: Vec<String> =
            self.lacks.columns.known().iter().map(|name| format!("`{name}`")).collect();
        match (self.right, columns.as_slice()) {
            (Right::Vacuum, _) if matches!(dialect, Dialect::MariaDb(_)) => {
                format!(
                    "{PROCESS}, and needs it to see whether the engine has purged what went from table `{table}`"
                )
            }
            (Right::Vacuum, _) => {
                format!("{right} on table `{table}`, which before version 17 only the role that owns it has")
            }
            (Right::Rewrite, _) => {
                format!("{right} on all of table `{table}`, and needs both to have it written anew")
            }
            (Right::Lock, _) => {
                format!("{right} on every column of table `{table}`, and needs one to lock rows")
            }
            (Right::Insert | Right::Delete, _) | (_, []) => format!("{right} on table `{table}`"),
            (Right::Select | Right::Update, [only]) => format!("{right} on column {only} of table `{table}`"),
            (Right::Select | Right::Update, several) => {
                format!("{right} on columns {} of table `{table}`", several.join(", "))
            }
        }
    }

    /// The statement that gives it to an account, as the engine names it.
    pub(super) fn grant(&self, dialect: &Dialect, account: &str) -> String {
        grant(dialect, account, &self.table, (self.right, &self.lacks.columns))
    }

    /// As a finding about this account of a datastore.
    pub(super) fn finding(&self, dialect: &Dialect, who: &str, account: &str) -> PrivilegeFinding {
        PrivilegeFinding {
            standing: Standing::Insufficient,
            severity: Severity::Error,
            message: format!("{who} lacks {}", self.what(dialect)),
            help: format!("run: {}", self.grant(dialect, account)),
        }
    }
}

/// The statement that gives an account a right. Where the columns are not all known, on all of the table.
pub(super) fn grant(
    dialect: &Dialect,
    account: &str,
    table: &TableName,
    (right, columns): (Right, &Columns),
) -> String {
    if let (Right::Vacuum, Dialect::MariaDb(_)) = (right, dialect) {
        return format!("GRANT {PROCESS} ON *.* TO {account}");
    }
    let listed = match (right, columns) {
        (Right::Insert | Right::Delete | Right::Vacuum | Right::Rewrite, _)
        | (_, Columns::WithPrimaryKey(_)) => String::new(),
        (Right::Select | Right::Update | Right::Lock, Columns::Named(columns)) => {
            let quoted: Vec<String> = columns.iter().map(|name| dialect.quote(name.as_str())).collect();
            format!(" ({})", quoted.join(", "))
        }
    };
    format!("GRANT {}{listed} ON {} TO {account}", right.as_str(), dialect.table(table))
}

/// What is missing of what is needed: nothing of a table that is not there, which the binding of the rule reports.
pub(super) async fn lacking(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    needed: &[Needed],
) -> Result<Vec<Lacking>, DatastoreError> {
    match handle {
        Handle::Sqlite(_) => Ok(Vec::new()),
        Handle::Postgres(connection) => {
            // Else the engine refuses for the rows that it would hide, whatever the rights: those are asked for by themselves. No
            // transaction: the first right that is missing would end it.
            set(connection, "SET row_security = on").await?;
            let found = found(&mut Handle::Postgres(connection), dialect, needed).await;
            set(connection, "SET row_security = off").await?;
            found
        }
        Handle::MariaDb(connection) => {
            // In a session that only reads, the engine refuses before it has looked at the columns.
            if let Ok(mut transaction) = connection.begin_with("START TRANSACTION READ WRITE").await {
                let found = found(&mut Handle::MariaDb(&mut transaction), dialect, needed).await;
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return found;
            }
            // A server that takes no changes begins none. What it then says of tables is right, and of columns all it will say.
            found(&mut Handle::MariaDb(connection), dialect, needed).await
        }
    }
}

async fn set(connection: &mut PgConnection, setting: &'static str) -> Result<(), DatastoreError> {
    sqlx::raw_sql(setting).execute(connection).await.map(drop).map_err(failed(OPERATION))
}

async fn found(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    needed: &[Needed],
) -> Result<Vec<Lacking>, DatastoreError> {
    let mut found = Vec::new();
    for of in needed {
        let mut reads = true;
        for (right, used) in &of.rights {
            // To lock is to read as well: where that is missing, it is what is said.
            if *right == Right::Lock && !reads {
                continue;
            }
            let columns: Vec<&ColumnName> = used.columns.known().iter().collect();
            if may(handle, dialect, (of, *right), &columns).await? {
                continue;
            }
            reads &= *right != Right::Select;
            let mut missing = Vec::new();
            if matches!(right, Right::Select | Right::Update) && columns.len() > 1 {
                for column in &columns {
                    if !may(handle, dialect, (of, *right), &[column]).await? {
                        missing.push(*column);
                    }
                }
            }
            // One that is missing only beside the others is none that could be named.
            let named = if missing.is_empty() { columns } else { missing };
            let columns = Columns::Named(named.into_iter().cloned().collect());
            let lacks = Use { columns, rules: used.rules.clone() };
            found.push(Lacking { table: of.table.clone(), right: *right, lacks });
        }
    }
    Ok(found)
}

/// What is needed of the marker's table, once it is there. Where nothing is disposed of, nothing.
pub(super) async fn with_marker(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    needed: &[Needed],
) -> Result<Vec<Needed>, DatastoreError> {
    let mut all = needed.to_vec();
    if needed.iter().any(Needed::disposes) && marker::is_there(handle, dialect).await? {
        all.push(marker::needed());
    }
    Ok(all)
}

/// Whether the engine would let the account. Whatever else it says of the statement is no matter of rights.
async fn may(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    (of, right): (&Needed, Right),
    columns: &[&ColumnName],
) -> Result<bool, DatastoreError> {
    if let (Right::Vacuum, Handle::Postgres(connection)) = (right, &mut *handle) {
        return postgres::privileges::maintains(connection, dialect.schema_name(), &of.table).await;
    }
    if let (Right::Vacuum, Handle::MariaDb(_)) = (right, &*handle) {
        return mariadb::level::shows_purge(handle).await;
    }
    let Some(sql) = taking(dialect, (of, right), columns) else { return Ok(true) };
    match explained(handle, &sql, OPERATION).await {
        Err(DatastoreError::Statement { source, .. }) => Ok(!source.is_about_rights()),
        asked => asked.map(|_| true),
    }
}

/// A statement that takes this right and no other, and would find no row; none: the engine asks for no right.
fn taking(dialect: &Dialect, (of, right): (&Needed, Right), columns: &[&ColumnName]) -> Option<Sql> {
    let table = dialect.table(&of.table);
    let quoted: Vec<String> = columns.iter().map(|name| dialect.quote(name.as_str())).collect();
    let text = match (right, dialect) {
        // What vacuums is asked for otherwise, and whoever may vacuum a table of PostgreSQL's may have it written anew.
        (_, Dialect::Sqlite)
        | (Right::Lock, Dialect::MariaDb(_))
        | (Right::Vacuum, _)
        | (Right::Rewrite, Dialect::Postgres(_)) => return None,
        (Right::Rewrite, Dialect::MariaDb(_)) => {
            format!("INSERT INTO {table} SELECT * FROM {table} WHERE FALSE")
        }
        (Right::Select | Right::Update, _) if quoted.is_empty() => return None,
        (Right::Select, _) => format!("SELECT {} FROM {table} WHERE FALSE", quoted.join(", ")),
        (Right::Insert, _) => {
            let values = vec!["''"; quoted.len()].join(", ");
            format!("INSERT INTO {table} ({}) VALUES ({values})", quoted.join(", "))
        }
        (Right::Delete, _) => format!("DELETE FROM {table} WHERE FALSE"),
        (Right::Update, _) => {
            let set: Vec<String> = quoted.iter().map(|name| format!("{name} = NULL")).collect();
            format!("UPDATE {table} SET {} WHERE FALSE", set.join(", "))
        }
        (Right::Lock, Dialect::Postgres(_)) => format!("SELECT 1 FROM {table} WHERE FALSE FOR UPDATE"),
    };
    Some(dialect.sql(text))
}

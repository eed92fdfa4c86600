//! What the account may do, against what a sweep has to do. Nothing is written to find out.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::connection::Handle;
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::{marker, rights};
use crate::diagnostic::{Severity, counted};
use crate::model::name::{DatastoreName, TableName};
use crate::rules::connect::privilege::{Needed, PrivilegeFinding, Right, Standing};

const OPERATION: &str = "read the account's privileges";

/// So many tables are named in one finding.
const SHOWN: usize = 8;

/// The account a connection acts as.
struct Account {
    name: String,
    /// The name as SQL writes it.
    quoted: String,
    is_superuser: bool,
    /// Whether row-level security never applies to it.
    bypasses: bool,
}

/// A table, as the account stands to it.
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of the engine")]
struct Held {
    name: String,
    /// Whether the account may change, delete or drop any of its rows.
    changes: bool,
    owns: bool,
    /// Whether it has row-level security, for whomever.
    secured: bool,
    /// Whether that applies to the account.
    filtered: bool,
}

/// What the account of a connection may do in the dialect's schema, against what the rules need there. A table that is not there is
/// left to the binding of the rule.
pub(in crate::datastore::sql) async fn privileges(
    connection: &mut PgConnection,
    datastore: &DatastoreName,
    (dialect, schema): (&Dialect, &str),
    tables: &[Needed],
) -> Result<Vec<PrivilegeFinding>, DatastoreError> {
    let account = account(connection).await?;
    let who = format!("account `{}` of datastore `{datastore}`", account.name);
    let seen = schema_as_seen(connection, schema).await?;
    if let Some(finding) = closed(seen, &account, &who, schema) {
        return Ok(vec![finding]);
    }
    if account.is_superuser {
        let message = format!("{who} is a superuser: it may do anything in every database of the server");
        let help =
            "give the datastore an account of its own, with the rights that the rules need and no more";
        return Ok(vec![excessive(message, help.to_owned())]);
    }
    let held = held(connection, schema).await?;
    let needed: BTreeMap<&str, &Needed> = tables.iter().map(|n| (n.table.as_str(), n)).collect();
    let mut handle = Handle::Postgres(connection);
    let all = rights::with_marker(&mut handle, dialect, tables).await?;
    let lacking = rights::lacking(&mut handle, dialect, &all).await?;
    let mut found: Vec<PrivilegeFinding> =
        lacking.iter().map(|lacking| lacking.finding(dialect, &who, &account.quoted)).collect();
    let has_marker = all.len() > tables.len();
    found.extend(makes(connection, &account, &who, schema, (tables, has_marker)).await?);
    found.extend(
        held.iter()
            .filter(|t| needed.contains_key(t.name.as_str()))
            .filter_map(|t| filtered(&account, &who, t)),
    );
    let serves = |t: &Held| t.secured && needed.contains_key(t.name.as_str());
    if account.bypasses && !held.iter().any(serves) {
        let message = format!(
            "{who} has BYPASSRLS, and no table that the rules need there has row-level security: it may see what other tables hide"
        );
        found.push(excessive(message, format!("run `ALTER ROLE {} NOBYPASSRLS`", account.quoted)));
    }
    let version: (i32,) = sqlx::query_as("SELECT pg_catalog.current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    // Before it was, only an owner could: what a rule asks for is not too much.
    let vacuumed = |t: &&Held| {
        let of_rules = needed.get(t.name.as_str()).is_some_and(|n| n.rights.contains_key(&Right::Vacuum));
        of_rules && version.0 < GRANTS_MAINTAIN
    };
    found.extend(owned(&who, &held.iter().filter(|t| t.owns && !vacuumed(t)).collect::<Vec<_>>()));
    found.extend(unneeded(&account, &who, &held, &needed));
    Ok(found)
}

async fn account(connection: &mut PgConnection) -> Result<Account, DatastoreError> {
    const ACCOUNT: &str = "SELECT r.rolname::text, pg_catalog.quote_ident(r.rolname), r.rolsuper, r.rolbypassrls \
         FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let (name, quoted, is_superuser, bypasses) =
        sqlx::query_as(ACCOUNT).fetch_one(connection).await.map_err(failed)?;
    Ok(Account { name, quoted, is_superuser, bypasses })
}

/// Whether the account may reach the tables of a schema; one that is not there is open to everyone.
pub(in crate::datastore::sql) async fn opens(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<bool, DatastoreError> {
    Ok(schema_as_seen(connection, schema).await?.is_none_or(|(_, opens)| opens))
}

/// A schema's name as SQL writes it, and whether its tables can be reached; none: it is not there.
async fn schema_as_seen(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Option<(String, bool)>, DatastoreError> {
    const SCHEMA: &str = "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
         FROM pg_catalog.pg_namespace n WHERE n.nspname = $1";
    sqlx::query_as(SCHEMA).bind(schema).fetch_optional(connection).await.map_err(failed)
}

/// Why nothing in the schema can be reached.
fn closed(
    seen: Option<(String, bool)>,
    account: &Account,
    who: &str,
    schema: &str,
) -> Option<PrivilegeFinding> {
    let (message, help) = match seen {
        Some((_, true)) => return None,
        Some((quoted, false)) => (
            format!("{who} lacks USAGE on schema `{schema}`: it can reach no table there"),
            format!("run `GRANT USAGE ON SCHEMA {quoted} TO {}`", account.quoted),
        ),
        None => (
            format!("the database that {who} connects to has no schema `{schema}`"),
            "name the schema that holds the tables in the configuration".to_owned(),
        ),
    };
    Some(insufficient(message, help))
}

/// Whether the account may make tables: for the marker's alone, and only until that is there.
async fn makes(
    connection: &mut PgConnection,
    account: &Account,
    who: &str,
    schema: &str,
    (tables, has_marker): (&[Needed], bool),
) -> Result<Option<PrivilegeFinding>, DatastoreError> {
    const MAKES: &str = "SELECT pg_catalog.quote_ident($1), pg_catalog.has_schema_privilege($1, 'CREATE')";
    let (quoted, makes): (String, bool) =
        sqlx::query_as(MAKES).bind(schema).fetch_one(connection).await.map_err(failed)?;
    if makes {
        let message = format!(
            "{who} may make tables in schema `{schema}`, which a sweep needs for `expunged_marker` alone, and only until that is there"
        );
        let help = format!(
            "make it with what `expunged grants` prints, and run `REVOKE CREATE ON SCHEMA {quoted} FROM {}`; a right that stays comes from \
             PUBLIC, or from a role that it is a member of",
            account.quoted
        );
        return Ok(Some(excessive(message, help)));
    }
    let disposes = tables.iter().any(Needed::disposes);
    Ok((disposes && !has_marker).then(|| marker::missing(who)))
}

/// The tables of the schema but our own, and without the partitions, which a statement on their parent reaches by the parent's rights.
async fn held(connection: &mut PgConnection, schema: &str) -> Result<Vec<Held>, DatastoreError> {
    const TABLES: &str = "SELECT c.relname::text, \
           ARRAY[pg_catalog.has_table_privilege(c.oid, 'DELETE') OR pg_catalog.has_table_privilege(c.oid, 'TRUNCATE') \
             OR pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'), \
             pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relrowsecurity, pg_catalog.row_security_active(c.oid)] \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND c.relname <> 'expunged_marker' \
         ORDER BY c.relname";
    let rows: Vec<(String, Vec<Option<bool>>)> =
        sqlx::query_as(TABLES).bind(schema).fetch_all(connection).await.map_err(failed)?;
    let table = |(name, answers): (String, Vec<Option<bool>>)| {
        // NULL: the table was dropped while the engine answered.
        let yes = |at: usize| answers.get(at).copied().flatten().unwrap_or(false);
        Held { name, changes: yes(0), owns: yes(1), secured: yes(2), filtered: yes(3) }
    };
    Ok(rows.into_iter().map(table).collect())
}

/// What an account needs where row-level security hides rows from it: what it cannot see would be called gone, and would keep nothing.
pub(in crate::datastore::sql) async fn hides(
    connection: &mut PgConnection,
    schema: &str,
    needed: &[Needed],
) -> Result<Vec<String>, DatastoreError> {
    let held = held(connection, schema).await?;
    let hidden = held.iter().filter(|t| t.filtered && needed.iter().any(|n| n.table.as_str() == t.name));
    Ok(hidden
        .map(|t| format!("BYPASSRLS, since row-level security of table `{}` hides rows from it", t.name))
        .collect())
}

/// Whether the account may vacuum a table: its owner, the database's, or, since version 17, whoever was granted just that. VACUUM itself
/// passes over what it may not, and calls that success.
pub(in crate::datastore::sql) async fn maintains(
    connection: &mut PgConnection,
    schema: &str,
    table: &TableName,
) -> Result<bool, DatastoreError> {
    const MAINTAINS: &str = "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
             OR pg_catalog.pg_has_role((SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), 'USAGE') \
             OR CASE WHEN pg_catalog.current_setting('server_version_num')::int >= $3 \
                 THEN pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') ELSE false END \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2";
    let query = sqlx::query_as(MAINTAINS).bind(schema).bind(table.as_str()).bind(GRANTS_MAINTAIN);
    let found: Option<(Option<bool>,)> = query.fetch_optional(connection).await.map_err(failed)?;
    // What is not there is left to the binding of the rule.
    Ok(found.is_none_or(|(may,)| may.unwrap_or(false)))
}

/// The first version in which to vacuum is a right of its own.
const GRANTS_MAINTAIN: i32 = 170_000;

/// Row-level security that hides rows from the account.
fn filtered(account: &Account, who: &str, table: &Held) -> Option<PrivilegeFinding> {
    let message = format!(
        "row-level security of table `{}` applies to {who}: rows that it cannot see would be called gone",
        table.name
    );
    let help = format!("run `ALTER ROLE {} BYPASSRLS`", account.quoted);
    table.filtered.then(|| insufficient(message, help))
}

fn owned(who: &str, owned: &[&Held]) -> Option<PrivilegeFinding> {
    let message = format!(
        "{who} owns {} of the schema ({}): it may alter and drop them, and lift their row-level security",
        counted(owned.len() as u64, "table"),
        named(owned)
    );
    let help = "let another account own them, and grant this one the rights that the rules need";
    (!owned.is_empty()).then(|| excessive(message, help.to_owned()))
}

/// What the account may change or delete though no rule disposes of it. What it owns is said already.
fn unneeded(
    account: &Account,
    who: &str,
    all: &[Held],
    needed: &BTreeMap<&str, &Needed>,
) -> Option<PrivilegeFinding> {
    let disposes = |t: &Held| needed.get(t.name.as_str()).is_some_and(|needed| needed.disposes());
    let open: Vec<&Held> = all.iter().filter(|t| !t.owns && !disposes(t) && t.changes).collect();
    let message = format!(
        "{who} may DELETE, UPDATE or TRUNCATE in {} that no rule disposes of: {}",
        counted(open.len() as u64, "table"),
        named(&open)
    );
    let help = format!(
        "run `REVOKE DELETE, UPDATE, TRUNCATE ON TABLE … FROM {}`; a right that stays comes from PUBLIC, or from a role that it is a member of",
        account.quoted
    );
    (!open.is_empty()).then(|| excessive(message, help))
}

/// The first of them, and how many more there are.
fn named(tables: &[&Held]) -> String {
    let shown: Vec<String> = tables.iter().take(SHOWN).map(|t| format!("`{}`", t.name)).collect();
    let more = tables.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn insufficient(message: String, help: String) -> PrivilegeFinding {
    PrivilegeFinding { standing: Standing::Insufficient, severity: Severity::Error, message, help }
}

fn excessive(message: String, help: String) -> PrivilegeFinding {
    PrivilegeFinding { standing: Standing::Excessive, severity: Severity::Warning, message, help }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of `map_err`")]
fn failed(error: sqlx::Error) -> DatastoreError {
    DatastoreError::Statement { operation: OPERATION, source: EngineError::from(&error) }
}

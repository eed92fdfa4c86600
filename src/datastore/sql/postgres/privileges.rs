//! What the account may do, against what a sweep has to do. Nothing is written to find out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use crate::datastore::error::{DatastoreError, EngineError};
use crate::diagnostic::{Severity, counted};
use crate::model::name::{DatastoreName, TableName};
use crate::rules::connect::privilege::{PrivilegeFinding, Standing};

const OPERATION: &str = "read the account's privileges";

/// So many tables are named in one finding.
const SHOWN: usize = 8;

/// What the rules do with one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::datastore) struct Needed {
    /// The table.
    pub table: TableName,
    /// Rights on it.
    pub rights: BTreeSet<Right>,
}

/// A right on a table. To lock a row (`SELECT … FOR UPDATE`) takes `Select`, and `Update` on at least one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::datastore) enum Right {
    /// To read its rows.
    Select,
    /// To delete rows.
    Delete,
    /// To change rows, or to lock them.
    Update,
}

impl Right {
    /// As GRANT writes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
        }
    }
}

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
    /// With its schema, as SQL writes them.
    quoted: String,
    whole: BTreeSet<Right>,
    /// On one column or more.
    some: BTreeSet<Right>,
    truncates: bool,
    owns: bool,
    /// Whether it has row-level security, for whomever.
    secured: bool,
    /// Whether that applies to the account.
    filtered: bool,
}

/// What the account of a connection may do in a schema, against what the rules need there. A table that is not there is
/// left to the binding of the rule.
pub(in crate::datastore) async fn privileges(
    connection: &mut PgConnection,
    datastore: &DatastoreName,
    schema: &str,
    tables: &[Needed],
) -> Result<Vec<PrivilegeFinding>, DatastoreError> {
    let account = account(connection).await?;
    let who = format!("account `{}` of datastore `{datastore}`", account.name);
    if let Some(finding) = closed(connection, &account, &who, schema).await? {
        return Ok(vec![finding]);
    }
    if account.is_superuser {
        let message = format!("{who} is a superuser: it may do anything in every database of the server");
        let help =
            "give the datastore an account of its own, with the rights that the rules need and no more";
        return Ok(vec![excessive(message, help.to_owned())]);
    }
    let held = held(connection, schema).await?;
    let mut needed: BTreeMap<&str, BTreeSet<Right>> = BTreeMap::new();
    for Needed { table, rights } in tables {
        needed.entry(table.as_str()).or_default().extend(rights);
    }
    let mut found = Vec::new();
    for table in &held {
        if let Some(rights) = needed.get(table.name.as_str()) {
            found.extend(missing(&account, &who, table, rights));
            found.extend(filtered(&account, &who, table));
        }
    }
    let serves = |t: &Held| t.secured && needed.contains_key(t.name.as_str());
    if account.bypasses && !held.iter().any(serves) {
        let message = format!(
            "{who} has BYPASSRLS, and no table that the rules need there has row-level security: it may see what other tables hide"
        );
        found.push(excessive(message, format!("run `ALTER ROLE {} NOBYPASSRLS`", account.quoted)));
    }
    found.extend(owned(&who, &held));
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

/// Why nothing in the schema can be reached.
async fn closed(
    connection: &mut PgConnection,
    account: &Account,
    who: &str,
    schema: &str,
) -> Result<Option<PrivilegeFinding>, DatastoreError> {
    const SCHEMA: &str = "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
         FROM pg_catalog.pg_namespace n WHERE n.nspname = $1";
    let row: Option<(String, bool)> =
        sqlx::query_as(SCHEMA).bind(schema).fetch_optional(connection).await.map_err(failed)?;
    let (message, help) = match row {
        Some((_, true)) => return Ok(None),
        Some((quoted, false)) => (
            format!("{who} lacks USAGE on schema `{schema}`: it can reach no table there"),
            format!("run `GRANT USAGE ON SCHEMA {quoted} TO {}`", account.quoted),
        ),
        None => (
            format!("the database that {who} connects to has no schema `{schema}`"),
            "name the schema that holds the tables in the configuration".to_owned(),
        ),
    };
    Ok(Some(insufficient(message, help)))
}

/// The tables of the schema but our own, and without the partitions, which a statement on their parent reaches by the parent's rights.
async fn held(connection: &mut PgConnection, schema: &str) -> Result<Vec<Held>, DatastoreError> {
    const TABLES: &str = "SELECT c.relname::text, \
           pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), \
           ARRAY[pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.has_table_privilege(c.oid, 'DELETE'), \
             pg_catalog.has_table_privilege(c.oid, 'UPDATE'), pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), \
             pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'), pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'), \
             pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relrowsecurity, pg_catalog.row_security_active(c.oid)] \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND c.relname <> 'expunged_marker' \
         ORDER BY c.relname";
    let rows: Vec<(String, String, Vec<Option<bool>>)> =
        sqlx::query_as(TABLES).bind(schema).fetch_all(connection).await.map_err(failed)?;
    let table = |(name, quoted, answers): (String, String, Vec<Option<bool>>)| {
        // NULL: the table was dropped while the engine answered.
        let yes = |at: usize| answers.get(at).copied().flatten().unwrap_or(false);
        let rights = |pairs: &[(usize, Right)]| -> BTreeSet<Right> {
            pairs.iter().filter(|(at, _)| yes(*at)).map(|(_, right)| *right).collect()
        };
        Held {
            name,
            quoted,
            whole: rights(&[(0, Right::Select), (1, Right::Delete), (2, Right::Update)]),
            some: rights(&[(3, Right::Select), (4, Right::Update)]),
            truncates: yes(5),
            owns: yes(6),
            secured: yes(7),
            filtered: yes(8),
        }
    };
    Ok(rows.into_iter().map(table).collect())
}

/// Rights that the rules need and the account has not, or has on some columns only: which columns a statement names, nobody says here.
fn missing(account: &Account, who: &str, table: &Held, rights: &BTreeSet<Right>) -> Vec<PrivilegeFinding> {
    let words = |rights: &[Right]| rights.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
    let grant = |rights: &[Right]| {
        format!("`GRANT {} ON TABLE {} TO {}`", words(rights), table.quoted, account.quoted)
    };
    let lacking = rights.difference(&table.whole).copied();
    let (some, none): (Vec<Right>, Vec<Right>) = lacking.partition(|right| table.some.contains(right));
    let mut found = Vec::new();
    if !none.is_empty() {
        let message = format!("{who} lacks {} on table `{}`, which the rules need", words(&none), table.name);
        found.push(insufficient(message, format!("run {}", grant(&none))));
    }
    if !some.is_empty() {
        let message = format!(
            "{who} has {} on some columns of table `{}` only, and may lack it on one that the rules name",
            words(&some),
            table.name
        );
        let help = format!("see that those columns are enough, or run {}", grant(&some));
        found.push(PrivilegeFinding { severity: Severity::Warning, ..insufficient(message, help) });
    }
    found
}

/// Row-level security that hides rows from the account.
fn filtered(account: &Account, who: &str, table: &Held) -> Option<PrivilegeFinding> {
    let message = format!(
        "row-level security of table `{}` applies to {who}: rows that it cannot see would be called gone",
        table.name
    );
    let help = format!("run `ALTER ROLE {} BYPASSRLS`", account.quoted);
    table.filtered.then(|| insufficient(message, help))
}

fn owned(who: &str, all: &[Held]) -> Option<PrivilegeFinding> {
    let owned: Vec<&Held> = all.iter().filter(|t| t.owns).collect();
    let message = format!(
        "{who} owns {} of the schema ({}): it may alter and drop them, and lift their row-level security",
        counted(owned.len() as u64, "table"),
        named(&owned)
    );
    let help = "let another account own them, and grant this one the rights that the rules need";
    (!owned.is_empty()).then(|| excessive(message, help.to_owned()))
}

/// What the account may change or delete though no rule disposes of it. What it owns is said already.
fn unneeded(
    account: &Account,
    who: &str,
    all: &[Held],
    needed: &BTreeMap<&str, BTreeSet<Right>>,
) -> Option<PrivilegeFinding> {
    let disposes = |t: &Held| {
        needed.get(t.name.as_str()).is_some_and(|rights| rights.iter().any(|r| *r != Right::Select))
    };
    let changes =
        |t: &Held| t.truncates || t.whole.contains(&Right::Delete) || t.some.contains(&Right::Update);
    let open: Vec<&Held> = all.iter().filter(|t| !t.owns && !disposes(t) && changes(t)).collect();
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

//! What the account may do in a database, against what a sweep has to do.

mod grants;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::MySqlConnection;

pub(super) use self::grants::quote;
use self::grants::{Grant, Object, exactness, is_like};
use super::catalogue::{MARKER, Server, failed, tables, text};
use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::Handle;
use crate::datastore::sql::dialect::Dialect;
use crate::datastore::sql::{marker, rights};
use crate::diagnostic::Severity;
use crate::model::catalogue::Broken;
use crate::model::name::{DatastoreName, TableName};
use crate::rules::connect::privilege::{Needed, PrivilegeFinding, Standing};

const OPERATION: &str = "read the account's privileges";

/// How many names a finding shows.
const SHOWN: usize = 8;

/// Rights that show the keys of a table to an account: any but `SELECT`, which shows them without what they do.
const SHOW_KEYS: [&str; 11] = [
    "REFERENCES",
    "INSERT",
    "UPDATE",
    "DELETE",
    "INDEX",
    "ALTER",
    "CREATE",
    "DROP",
    "TRIGGER",
    "CREATE VIEW",
    "SHOW VIEW",
];

/// What the account's rights say, with those of its enabled roles and of everybody, against what the rules need in a database.
pub(in crate::datastore::sql) async fn privileges(
    connection: &mut MySqlConnection,
    datastore: &DatastoreName,
    (dialect, database): (&Dialect, &str),
    needed: &[Needed],
) -> Result<Vec<PrivilegeFinding>, DatastoreError> {
    let server = Server::ask(connection).await?;
    let grants = Grants::read(connection).await?;
    let there = tables(connection, &server, database).await?;
    let about = About { datastore, database, server: &server, grants: &grants };
    let mut handle = Handle::MariaDb(connection);
    let all = rights::with_marker(&mut handle, dialect, needed).await?;
    let lacking = rights::lacking(&mut handle, dialect, &all).await?;
    let mut found: Vec<PrivilegeFinding> =
        lacking.iter().map(|lacking| lacking.finding(dialect, &about.account(), &grants.account)).collect();
    let makes = grants.of(&server, database, MARKER).iter().any(|grant| grant.has("CREATE"));
    if needed.iter().any(Needed::disposes) && all.len() == needed.len() && !makes {
        found.push(marker::missing(&about.account()));
    }
    found.extend(grants.hides_keys().map(|why| PrivilegeFinding {
        standing: Standing::Insufficient,
        severity: Severity::Error,
        message: format!("nothing of datastore `{datastore}` can be deleted: {}", why.why),
        help: why.help,
    }));
    found.extend(about.all());
    found.extend(about.administers());
    found.extend(about.hands_on());
    let disposed = |name: &TableName| {
        needed.iter().any(|n| n.disposes() && server.fold(n.table.as_str()) == server.fold(name.as_str()))
    };
    let others: Vec<&TableName> = there.tables.keys().filter(|name| !disposed(name)).collect();
    found.extend(about.beyond(&others));
    Ok(found)
}

/// What an account holds.
pub(super) struct Grants {
    /// As SQL writes it.
    account: String,
    held: Vec<Grant>,
}

impl Grants {
    pub(super) async fn read(connection: &mut MySqlConnection) -> Result<Self, DatastoreError> {
        let who = sqlx::query("SELECT CURRENT_USER()").fetch_one(&mut *connection).await;
        let who = text(&who.map_err(failed(OPERATION))?, 0)?;
        // The name may hold an `@`, the host none.
        let account = match who.rsplit_once('@') {
            Some((user, host)) => format!("{}@{}", quote(user), quote(host)),
            None => quote(&who),
        };
        let mut held = Vec::new();
        // Not `information_schema`: it shows nothing of what a role gives.
        for row in sqlx::query("SHOW GRANTS").fetch_all(connection).await.map_err(failed(OPERATION))? {
            held.extend(Grant::parse(&text(&row, 0)?));
        }
        Ok(Self { account, held })
    }

    /// Where the account may not see every foreign key of the server: a deletion takes along what it cannot see, too.
    pub(super) fn hides_keys(&self) -> Option<Broken> {
        let mut everywhere = self.held.iter().filter(|grant| grant.on == Object::Everything);
        let shows = everywhere.any(|grant| SHOW_KEYS.iter().any(|right| grant.has(right)));
        (!shows).then(|| Broken {
            why: format!(
                "account {} may not see the foreign keys of every table, and the engine would follow those that it cannot see",
                self.account
            ),
            help: format!(
                "run: GRANT REFERENCES ON *.* TO {}; it shows foreign keys and no data",
                self.account
            ),
        })
    }

    /// Those that hold for a table: of several patterns that a database is like, a grantee has the rights of the most exact one.
    fn of(&self, server: &Server, database: &str, table: &str) -> Vec<&Grant> {
        let (database, table) = (server.fold(database), server.fold(table));
        let mut patterns: BTreeMap<&str, &Grant> = BTreeMap::new();
        let mut found = Vec::new();
        for grant in &self.held {
            match &grant.on {
                Object::Everything => found.push(grant),
                Object::Table(d, t) if server.fold(d) == database && server.fold(t) == table => {
                    found.push(grant);
                }
                Object::Databases(pattern) if is_like(&database, &server.fold(pattern)) => {
                    let best = patterns.entry(&grant.grantee).or_insert(grant);
                    if let Object::Databases(known) = &best.on
                        && exactness(pattern) > exactness(known)
                    {
                        *best = grant;
                    }
                }
                Object::Table(..) | Object::Databases(_) => {}
            }
        }
        found.extend(patterns.into_values());
        found
    }
}

/// An account's rights in one database.
struct About<'a> {
    datastore: &'a DatastoreName,
    database: &'a str,
    server: &'a Server,
    grants: &'a Grants,
}

impl About<'_> {
    fn account(&self) -> String {
        format!("account {} of datastore `{}`", self.grants.account, self.datastore)
    }

    fn all(&self) -> Option<PrivilegeFinding> {
        let all = self.grants.held.iter().find(|grant| grant.on == Object::Everything && grant.is_all())?;
        let message = format!("{} has every right on every database of the server", self.account());
        let help = format!(
            "run: REVOKE ALL PRIVILEGES, GRANT OPTION FROM {}, and grant what is then said to be missing",
            all.grantee
        );
        Some(excessive(message, help))
    }

    /// Rights that reach beyond every database.
    fn administers(&self) -> Option<PrivilegeFinding> {
        let mut rights: BTreeSet<&str> = BTreeSet::new();
        let mut revoke = Vec::new();
        for grant in self.grants.held.iter().filter(|grant| !grant.is_all()) {
            let own: Vec<&str> = ["SUPER", "FILE"].into_iter().filter(|right| grant.has(right)).collect();
            if !own.is_empty() {
                revoke.push(format!("REVOKE {} ON *.* FROM {}", own.join(", "), grant.grantee));
                rights.extend(own);
            }
        }
        let rights: Vec<&str> = rights.into_iter().collect();
        let message = format!("{} has {}, which no sweep needs", self.account(), rights.join(" and "));
        (!rights.is_empty()).then(|| excessive(message, format!("run: {}", revoke.join("; "))))
    }

    /// Rights that it may give to others.
    fn hands_on(&self) -> Option<PrivilegeFinding> {
        let held: Vec<&Grant> = self.grants.held.iter().filter(|grant| grant.option.is_some()).collect();
        let objects: Vec<String> = held.iter().map(|grant| grant.on.quoted()).collect();
        let revoke = held.iter().take(SHOWN);
        let revoke: Vec<String> = revoke
            .map(|grant| format!("REVOKE GRANT OPTION ON {} FROM {}", grant.on.quoted(), grant.grantee))
            .collect();
        let message =
            format!("{} may give to others what it may do itself on {}", self.account(), shown(&objects));
        (!held.is_empty()).then(|| excessive(message, format!("run: {}", revoke.join("; "))))
    }

    /// Rights to make rows go where no rule disposes of any. Who may do everything has been told so.
    fn beyond(&self, others: &[&TableName]) -> Option<PrivilegeFinding> {
        let mut names = Vec::new();
        let mut rights: BTreeSet<&str> = BTreeSet::new();
        let mut sources: BTreeSet<String> = BTreeSet::new();
        for name in others {
            let held = self.grants.of(self.server, self.database, name.as_str());
            let mut is_beyond = false;
            for grant in held.iter().filter(|grant| !(grant.on == Object::Everything && grant.is_all())) {
                let own: Vec<&str> =
                    ["DELETE", "UPDATE", "DROP"].into_iter().filter(|right| grant.has(right)).collect();
                if !own.is_empty() {
                    is_beyond = true;
                    sources.insert(format!(
                        "{} ON {} FROM {}",
                        own.join(", "),
                        grant.on.quoted(),
                        grant.grantee
                    ));
                    rights.extend(own);
                }
            }
            if is_beyond {
                names.push(format!("`{name}`"));
            }
        }
        let rights: Vec<&str> = rights.into_iter().collect();
        let message = format!(
            "{} has {} on tables that no rule disposes of: {}",
            self.account(),
            rights.join(" and "),
            shown(&names)
        );
        let revoke: Vec<String> = sources.iter().take(SHOWN).map(|from| format!("REVOKE {from}")).collect();
        let help =
            format!("run: {}; then grant them on the tables alone that rules dispose of", revoke.join("; "));
        (!names.is_empty()).then(|| excessive(message, help))
    }
}

/// The first of them, and how many there are beside.
fn shown(names: &[String]) -> String {
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn excessive(message: String, help: String) -> PrivilegeFinding {
    PrivilegeFinding { standing: Standing::Excessive, severity: Severity::Warning, message, help }
}

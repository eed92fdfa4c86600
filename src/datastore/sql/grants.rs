//! The statements with which an administrator gives an account what the rules need in a database, and nothing else.

use super::dialect::Dialect;
use super::{marker, rights};
use crate::datastore::grants::{Run, Step};
use crate::model::datastore::{Location, Server};
use crate::rules::connect::privilege::{Columns, Needed, Right, Use};

/// Of a server; none: a file's permissions are the system's.
pub fn steps(location: &Location, needed: &[Needed]) -> Option<Vec<Step>> {
    let dialect = Dialect::unseen(location)?;
    let (server, account) = match location {
        Location::Postgres(server) => (server, dialect.quote(&server.user)),
        // From whichever host: what the server sees of it, only the server knows.
        Location::MariaDb(server) => (server, format!("{}@`%`", dialect.quote(&server.user))),
        Location::Sqlite(_) | Location::Files(_) => return None,
    };
    let mut steps = entrance(&dialect, server, &account);
    if needed.iter().any(Needed::disposes) {
        let why =
            "one row a batch, in the batch's own transaction: whether it was committed, whatever crashes";
        steps.push(Step::run(why, format!("{};", marker::create(&dialect))));
        steps.extend(of_table(&dialect, &account, &marker::needed()));
    }
    for needed in needed {
        steps.extend(of_table(&dialect, &account, needed));
    }
    let purged = needed.iter().find_map(|needed| Some((needed, needed.rights.get(&Right::Vacuum)?)));
    if let (Dialect::MariaDb(_), Some((needed, used))) = (&dialect, purged) {
        let grant = rights::grant(&dialect, &account, &needed.table, (Right::Vacuum, &used.columns));
        let why = "to see how far the engine's purge is; it also shows what other sessions do";
        steps.push(Step::run(why, format!("{grant};")));
    }
    Some(steps)
}

/// What lets the account in, and shows it what is there.
fn entrance(dialect: &Dialect, server: &Server, account: &str) -> Vec<Step> {
    let adapted =
        |sql: String| Step { why: "the account, unless it is there".to_owned(), run: Run::Adapt(sql) };
    match dialect {
        Dialect::Postgres(schema) => vec![
            adapted(format!("CREATE ROLE {account} LOGIN PASSWORD '…';")),
            Step::run(
                "to connect",
                format!("GRANT CONNECT ON DATABASE {} TO {account};", dialect.quote(&server.database)),
            ),
            Step::run(
                "to reach the tables",
                format!("GRANT USAGE ON SCHEMA {} TO {account};", dialect.quote(&schema.name)),
            ),
        ],
        Dialect::MariaDb(_) => vec![
            adapted(format!("CREATE USER {account} IDENTIFIED BY '…';")),
            Step::run(
                "to see the foreign keys of every table, which the engine would follow unseen: it shows no data",
                format!("GRANT REFERENCES ON *.* TO {account};"),
            ),
        ],
        Dialect::Sqlite => Vec::new(),
    }
}

fn of_table(dialect: &Dialect, account: &str, needed: &Needed) -> Vec<Step> {
    let mut steps = Vec::new();
    for (right, used) in &needed.rights {
        // The one takes no right there, the other one for all tables, and what writes a table anew may be had with what vacuums it.
        if let (Right::Lock | Right::Vacuum, Dialect::MariaDb(_)) | (Right::Rewrite, Dialect::Postgres(_)) =
            (right, dialect)
        {
            continue;
        }
        let grant = rights::grant(dialect, account, &needed.table, (*right, &used.columns));
        if let Right::Vacuum = right {
            let before = format!(
                "{}; from PostgreSQL 17 on; before, only the table's owner may, and who is a member of that role: GRANT … TO {account}",
                why(*right, used)
            );
            steps.push(Step { why: before, run: Run::Adapt(format!("{grant};")) });
            continue;
        }
        steps.push(Step::run(why(*right, used), format!("{grant};")));
    }
    steps
}

fn why(right: Right, used: &Use) -> String {
    let does = match right {
        Right::Select => "read by",
        Right::Insert => "written by",
        Right::Delete => "deleted by",
        Right::Update => "pseudonymized by",
        Right::Lock => "locked by",
        Right::Vacuum => "vacuumed for",
        Right::Rewrite => "written anew for",
    };
    let rules: Vec<String> = used.rules.iter().map(ToString::to_string).collect();
    let rules = if rules.is_empty() { "every batch".to_owned() } else { rules.join(", ") };
    let besides = match (right, &used.columns) {
        (Right::Select, Columns::WithPrimaryKey(_)) => {
            "; on all columns, since the table's primary key is not known here: write `key` into the dependent to need less"
        }
        (Right::Lock, _) => "; it takes the right to change a column, whichever that is",
        (
            Right::Select | Right::Insert | Right::Delete | Right::Update | Right::Vacuum | Right::Rewrite,
            _,
        ) => "",
    };
    format!("{does} {rules}{besides}")
}

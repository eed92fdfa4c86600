use std::sync::Arc;

use super::super::catalogue::scratch::{Scratch, block, connect, root};
use super::*;
use crate::datastore::sql::dialect::Schema;
use crate::model::name::ColumnName;
use crate::rules::connect::privilege::{Columns, Right, Use};

const TABLES: &str = "CREATE TABLE account (id int PRIMARY KEY, name text); CREATE TABLE comment (id int PRIMARY KEY); \
                      CREATE TABLE `we``ird` (id int PRIMARY KEY); CREATE TABLE expunged_marker (name int PRIMARY KEY, value int)";

/// Rights that are on columns are on these.
fn on(table: &str, columns: &[&str], rights: &[Right]) -> Needed {
    let columns = Columns::Named(columns.iter().map(|name| ColumnName::new(name).unwrap()).collect());
    let used = Use { columns, rules: BTreeSet::new() };
    let rights = rights.iter().map(|right| (*right, used.clone())).collect();
    Needed { table: TableName::new(table).unwrap(), rights }
}

fn needed(table: &str, rights: &[Right]) -> Needed {
    on(table, &["id"], rights)
}

async fn seen(connection: &mut MySqlConnection, database: &str, needed: &[Needed]) -> Vec<PrivilegeFinding> {
    let shop = DatastoreName::new("shop").unwrap();
    let dialect = Dialect::MariaDb(Arc::new(Schema { name: database.to_owned(), ..Schema::default() }));
    // As the session of a check is.
    sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut *connection).await.unwrap();
    privileges(connection, &shop, (&dialect, database), needed).await.unwrap()
}

/// A database with an account that has these rights, where `{db}` and `{user}` stand for the two; what is found.
fn found(grants: &[&str], needed: &[Needed]) -> (Vec<PrivilegeFinding>, String) {
    let mut scratch = Scratch::new();
    scratch.run(TABLES);
    let account = scratch.account("x");
    scratch.role();
    for grant in grants {
        let user = format!("`{account}`@`%`");
        scratch.run(
            &grant
                .replace("{user}", &user)
                .replace("{db}", &format!("`{account}`"))
                .replace("{role}", &format!("`{account}_role`")),
        );
    }
    let found = block(async { seen(&mut connect(&account, "x").await, &scratch.name, needed).await });
    // As it reads whatever the account is called.
    let plain = |text: &str| text.replace(&account, "x");
    let found =
        found.into_iter().map(|f| PrivilegeFinding { message: plain(&f.message), help: plain(&f.help), ..f });
    (found.collect(), account)
}

fn messages(found: &[PrivilegeFinding]) -> Vec<(Standing, &str, &str)> {
    found.iter().map(|f| (f.standing, f.message.as_str(), f.help.as_str())).collect()
}

const SHOWS: &str = "GRANT REFERENCES ON *.* TO {user}";
const MARKS: &str = "GRANT SELECT, INSERT, DELETE ON expunged_marker TO {user}";

#[test]
fn of_an_account_with_just_what_its_rules_need_nothing_is_said() {
    let rules = [
        on("account", &["name"], &[Right::Select, Right::Update]),
        needed("we`ird", &[Right::Select, Right::Delete, Right::Lock]),
        needed("comment", &[Right::Select]),
    ];
    let direct = [
        SHOWS,
        "GRANT SELECT (name) ON account TO {user}",
        "GRANT UPDATE (name) ON account TO {user}",
        "GRANT SELECT, DELETE ON `we``ird` TO {user}",
        "GRANT SELECT ON comment TO {user}",
        "GRANT SELECT, INSERT, DELETE ON expunged_marker TO {user}",
    ];
    assert_eq!(found(&direct, &rules).0, []);
    let by_role = [
        "GRANT REFERENCES ON *.* TO {role}",
        "GRANT SELECT ON {db}.* TO {role}",
        "GRANT DELETE ON `we``ird` TO {role}",
        "GRANT UPDATE ON account TO {role}",
        "GRANT INSERT, DELETE ON expunged_marker TO {role}",
        "GRANT {role} TO {user}",
        "SET DEFAULT ROLE {role} FOR {user}",
    ];
    assert_eq!(found(&by_role, &rules).0, []);
    // A role that is not enabled gives nothing.
    assert_eq!(found(&by_role[..6], &rules[..1]).0.len(), 4);
}

#[test]
fn what_is_missing_is_named_with_the_statement_that_grants_it() {
    let rules = [
        on("account", &["id", "name"], &[Right::Select, Right::Delete, Right::Update]),
        needed("we`ird", &[Right::Select, Right::Delete]),
    ];
    let grants = [
        SHOWS,
        "GRANT SELECT (id) ON account TO {user}",
        "GRANT UPDATE (id) ON account TO {user}",
        "GRANT SELECT ON `we``ird` TO {user}",
        MARKS,
    ];
    let (found, _) = found(&grants, &rules);
    let expected = [
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` lacks SELECT on column `name` of table `account`",
            "run: GRANT SELECT (`name`) ON `x`.`account` TO `x`@`%`",
        ),
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` lacks DELETE on table `account`",
            "run: GRANT DELETE ON `x`.`account` TO `x`@`%`",
        ),
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` lacks UPDATE on column `name` of table `account`",
            "run: GRANT UPDATE (`name`) ON `x`.`account` TO `x`@`%`",
        ),
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` lacks DELETE on table `we`ird`",
            "run: GRANT DELETE ON `x`.`we``ird` TO `x`@`%`",
        ),
    ];
    assert_eq!(messages(&found), expected);
    assert!(found.iter().all(|f| f.severity == Severity::Error));
}

#[test]
fn the_statement_that_is_said_to_help_helps() {
    let mut scratch = Scratch::new();
    scratch.run(TABLES);
    let account = scratch.account("x");
    let rules = [needed("we`ird", &[Right::Select, Right::Delete, Right::Update])];
    scratch.run("DROP TABLE expunged_marker");
    let found = || block(async { seen(&mut connect(&account, "x").await, &scratch.name, &rules).await });
    let warned = 1;
    for errors in [4, 3, 2, 1] {
        let found = found();
        assert_eq!(found.len(), errors + warned, "{found:?}");
        let help = &found.iter().find(|f| f.severity == Severity::Error).unwrap().help;
        scratch.run(help.strip_prefix("run: ").unwrap().split(';').next().unwrap());
    }
    let left = found();
    assert_eq!(left.len(), warned, "{left:?}");
    assert!(left[0].message.starts_with("there is no table `expunged_marker`"), "{left:?}");
}

#[test]
fn rights_beyond_the_rules_are_one_finding_however_many_tables_they_are_on() {
    let more: Vec<String> = (0..9).map(|at| format!("CREATE TABLE more{at} (id int PRIMARY KEY)")).collect();
    let mut grants: Vec<&str> = more.iter().map(String::as_str).collect();
    grants.extend([SHOWS, MARKS, "GRANT SELECT, DELETE, DROP ON {db}.* TO {user}"]);
    let rules = [needed("account", &[Right::Select, Right::Delete]), needed("comment", &[Right::Select])];
    let (found, _) = found(&grants, &rules);
    let expected = (
        Standing::Excessive,
        "account `x`@`%` of datastore `shop` has DELETE and DROP on tables that no rule disposes of: \
         `comment`, `more0`, `more1`, `more2`, `more3`, `more4`, `more5`, `more6` and 3 more",
        "run: REVOKE DELETE, DROP ON `x`.* FROM `x`@`%`; then grant them on the tables alone that rules dispose of",
    );
    assert_eq!(messages(&found), [expected]);
    assert_eq!(found[0].severity, Severity::Warning);
}

#[test]
fn a_schema_wide_right_is_not_excessive_where_rules_dispose_of_every_table() {
    let grants = [SHOWS, MARKS, "GRANT SELECT, DELETE ON {db}.* TO {user}"];
    let both = [Right::Select, Right::Delete];
    let rules = [needed("account", &both), needed("comment", &both), needed("we`ird", &both)];
    assert_eq!(found(&grants, &rules).0, []);
}

#[test]
fn rights_over_the_server_are_excessive() {
    let grants =
        [SHOWS, "GRANT SUPER, FILE ON *.* TO {user}", "GRANT SELECT ON {db}.* TO {user} WITH GRANT OPTION"];
    let (found, _) = found(&grants, &[]);
    let expected = [
        (
            Standing::Excessive,
            "account `x`@`%` of datastore `shop` has FILE and SUPER, which no sweep needs",
            "run: REVOKE SUPER, FILE ON *.* FROM `x`@`%`",
        ),
        (
            Standing::Excessive,
            "account `x`@`%` of datastore `shop` may give to others what it may do itself on `x`.*",
            "run: REVOKE GRANT OPTION ON `x`.* FROM `x`@`%`",
        ),
    ];
    assert_eq!(messages(&found), expected);
}

#[test]
fn of_root_it_is_said_that_it_may_do_everything() {
    let scratch = Scratch::new();
    scratch.run(TABLES);
    let rules = [needed("account", &[Right::Select, Right::Delete])];
    let found = block(async { seen(&mut root().await, &scratch.name, &rules).await });
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with("has every right on every database of the server"), "{said:?}");
    assert!(said[1].ends_with("may give to others what it may do itself on *.*"), "{said:?}");
}

#[test]
fn of_two_patterns_the_more_exact_one_counts() {
    // The server denies what the other pattern would give.
    let grants =
        [SHOWS, MARKS, "GRANT SELECT, DELETE ON `expung%`.* TO {user}", "GRANT SELECT ON {db}.* TO {user}"];
    let (found, _) = found(&grants, &[needed("account", &[Right::Select, Right::Delete])]);
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(said, ["account `x`@`%` of datastore `shop` lacks DELETE on table `account`"]);
}

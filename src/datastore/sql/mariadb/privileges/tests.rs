use super::super::catalogue::scratch::{Scratch, block, connect, root};
use super::*;

const TABLES: &str = "CREATE TABLE account (id int PRIMARY KEY, name text); CREATE TABLE comment (id int PRIMARY KEY); \
                      CREATE TABLE `we``ird` (id int PRIMARY KEY); CREATE TABLE expunged_marker (id int PRIMARY KEY)";

fn needed(table: &str, rights: &[Right]) -> Needed {
    Needed { table: TableName::new(table).unwrap(), rights: rights.iter().copied().collect() }
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
    let shop = DatastoreName::new("shop").unwrap();
    let found = block(async {
        privileges(&mut connect(&account, "x").await, &shop, &scratch.name, needed).await.unwrap()
    });
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

#[test]
fn of_an_account_with_just_what_its_rules_need_nothing_is_said() {
    let rules = [
        needed("account", &[Right::Select, Right::Update]),
        needed("we`ird", &[Right::Select, Right::Delete]),
        needed("comment", &[Right::Select]),
    ];
    let direct = [
        SHOWS,
        "GRANT SELECT ON account TO {user}",
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
        "GRANT {role} TO {user}",
        "SET DEFAULT ROLE {role} FOR {user}",
    ];
    assert_eq!(found(&by_role, &rules).0, []);
    // A role that is not enabled gives nothing.
    assert_eq!(found(&by_role[..5], &rules[..1]).0.len(), 2);
}

#[test]
fn what_is_missing_is_named_with_the_statement_that_grants_it() {
    let rules = [
        needed("account", &[Right::Select, Right::Delete, Right::Update]),
        needed("we`ird", &[Right::Select, Right::Delete]),
    ];
    let grants = [SHOWS, "GRANT SELECT ON account TO {user}", "GRANT SELECT ON `we``ird` TO {user}"];
    let (found, _) = found(&grants, &rules);
    let expected = [
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` has no DELETE and no UPDATE on table `account`",
            "run: GRANT DELETE, UPDATE ON `x`.`account` TO `x`@`%`",
        ),
        (
            Standing::Insufficient,
            "account `x`@`%` of datastore `shop` has no DELETE on table `we`ird`",
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
    let shop = DatastoreName::new("shop").unwrap();
    let rules = [needed("we`ird", &[Right::Select, Right::Delete, Right::Update])];
    let seen = || {
        block(async {
            privileges(&mut connect(&account, "x").await, &shop, &scratch.name, &rules).await.unwrap()
        })
    };
    for (before, finding) in [(2, 0), (1, 0)] {
        let found = seen();
        assert_eq!(found.len(), before, "{found:?}");
        let help = found[finding].help.strip_prefix("run: ").unwrap();
        scratch.run(help.split(';').next().unwrap());
    }
    assert_eq!(seen(), []);
}

#[test]
fn rights_beyond_the_rules_are_one_finding_however_many_tables_they_are_on() {
    let more: Vec<String> = (0..9).map(|at| format!("CREATE TABLE more{at} (id int PRIMARY KEY)")).collect();
    let mut grants: Vec<&str> = more.iter().map(String::as_str).collect();
    grants.extend([SHOWS, "GRANT SELECT, DELETE, DROP ON {db}.* TO {user}"]);
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
    let grants = [SHOWS, "GRANT SELECT, DELETE ON {db}.* TO {user}"];
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
    let shop = DatastoreName::new("shop").unwrap();
    let rules = [needed("account", &[Right::Select, Right::Delete])];
    let found = block(async { privileges(&mut root().await, &shop, &scratch.name, &rules).await.unwrap() });
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with("has every right on every database of the server"), "{said:?}");
    assert!(said[1].ends_with("may give to others what it may do itself on *.*"), "{said:?}");
}

#[test]
fn of_two_patterns_the_more_exact_one_counts() {
    // The server denies what the other pattern would give.
    let grants = [SHOWS, "GRANT SELECT, DELETE ON `expung%`.* TO {user}", "GRANT SELECT ON {db}.* TO {user}"];
    let (found, _) = found(&grants, &[needed("account", &[Right::Select, Right::Delete])]);
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(said, ["account `x`@`%` of datastore `shop` has no DELETE on table `account`"]);
}

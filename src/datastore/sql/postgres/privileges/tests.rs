//! Against the standing server, each as an account of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::catalogue::scratch::{Database, block};
use super::*;
use crate::datastore::sql::dialect::Schema;
use crate::model::name::{ColumnName, TableName};
use crate::rules::connect::privilege::{Columns, Right, Use};

const MADE: &str = "CREATE TABLE person (id int PRIMARY KEY, \"Name\" text); \
     CREATE TABLE \"Odd \"\"one\"\"\" (id int); CREATE TABLE expunged_marker (name text, value text); \
     CREATE TABLE p (id int) PARTITION BY RANGE (id); \
     CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);";

/// Every right that a rule may need, on these columns where it is on columns.
fn right(right: Right, columns: &[&str]) -> (Right, Use) {
    let columns = Columns::Named(columns.iter().map(|name| ColumnName::new(name).unwrap()).collect());
    (right, Use { columns, rules: BTreeSet::new() })
}

/// What the findings say of a fresh account that has these grants beside the marker's. `{me}` stands for its name.
fn found(grants: &str, needed: &[(&str, &[(Right, Use)])]) -> Vec<String> {
    found_of(&format!("GRANT SELECT, INSERT, DELETE ON expunged_marker TO {{me}}; {grants}"), needed)
}

fn found_of(grants: &str, needed: &[(&str, &[(Right, Use)])]) -> Vec<String> {
    let database = Database::new(MADE);
    let me = database.account();
    let needed: Vec<Needed> = needed
        .iter()
        .map(|(table, rights)| Needed {
            table: TableName::new(table).unwrap(),
            rights: rights.iter().cloned().collect(),
        })
        .collect();
    let found = block(async {
        let mut connection = database.connect().await;
        let text =
            format!("{}; SET ROLE {me}; SET default_transaction_read_only = on", grants.replace("{me}", me));
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        let datastore = DatastoreName::new("shop").unwrap();
        let schema = Schema { name: "public".to_owned(), ..Schema::default() };
        let dialect = Dialect::Postgres(Arc::new(schema));
        privileges(&mut connection, &datastore, (&dialect, "public"), &needed).await.unwrap()
    });
    let line = |f: PrivilegeFinding| {
        let text = format!("{:?} {:?}: {} | {}", f.standing, f.severity, f.message, f.help);
        text.replace(me, "me")
    };
    found.into_iter().map(line).collect()
}

#[test]
fn an_account_with_what_the_rules_need_and_no_more_is_not_mentioned() {
    let grants = "GRANT SELECT (id), DELETE, UPDATE (\"Name\") ON person TO {me}; GRANT SELECT ON p TO {me}";
    let needed: &[(&str, &[(Right, Use)])] = &[
        ("person", &[right(Right::Select, &["id"]), right(Right::Delete, &[]), right(Right::Lock, &["id"])]),
        ("p", &[right(Right::Select, &["id"])]),
        ("nowhere", &[right(Right::Update, &["id"])]),
    ];
    assert_eq!(found(grants, needed), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_said_with_the_grant_that_gives_it() {
    let grants = "GRANT SELECT (id) ON person TO {me}; GRANT UPDATE (\"Name\") ON person TO {me}; GRANT SELECT ON \"Odd \"\"one\"\"\" TO {me}";
    let needed: &[(&str, &[(Right, Use)])] = &[
        (
            "person",
            &[
                right(Right::Select, &["id", "Name"]),
                right(Right::Delete, &[]),
                right(Right::Update, &["id", "Name"]),
            ],
        ),
        (
            "Odd \"one\"",
            &[right(Right::Select, &["id"]), right(Right::Delete, &[]), right(Right::Lock, &["id"])],
        ),
        ("p", &[right(Right::Select, &["id"]), right(Right::Lock, &["id"])]),
    ];
    assert_eq!(
        found(grants, needed),
        [
            "Insufficient Error: account `me` of datastore `shop` lacks SELECT on column `Name` of table `person` \
             | run: GRANT SELECT (\"Name\") ON \"public\".\"person\" TO me",
            "Insufficient Error: account `me` of datastore `shop` lacks DELETE on table `person` \
             | run: GRANT DELETE ON \"public\".\"person\" TO me",
            "Insufficient Error: account `me` of datastore `shop` lacks UPDATE on column `id` of table `person` \
             | run: GRANT UPDATE (\"id\") ON \"public\".\"person\" TO me",
            "Insufficient Error: account `me` of datastore `shop` lacks DELETE on table `Odd \"one\"` \
             | run: GRANT DELETE ON \"public\".\"Odd \"\"one\"\"\" TO me",
            "Insufficient Error: account `me` of datastore `shop` lacks UPDATE on every column of table `Odd \"one\"`, and needs one to \
             lock rows | run: GRANT UPDATE (\"id\") ON \"public\".\"Odd \"\"one\"\"\" TO me",
            "Insufficient Error: account `me` of datastore `shop` lacks SELECT on column `id` of table `p` \
             | run: GRANT SELECT (\"id\") ON \"public\".\"p\" TO me",
        ]
    );
}

#[test]
fn the_marker_is_there_with_its_rights_or_may_be_made_or_a_crash_costs_more() {
    let delete: &[(&str, &[(Right, Use)])] = &[("person", &[right(Right::Delete, &[])])];
    let grants = "GRANT DELETE ON person TO {me};";
    let lacks = found_of(&format!("{grants} GRANT SELECT ON expunged_marker TO {{me}}"), delete);
    assert_eq!(lacks.len(), 2, "{lacks:?}");
    assert!(lacks[0].contains("lacks INSERT on table `expunged_marker` | run: GRANT INSERT ON"), "{lacks:?}");
    assert!(lacks[1].contains("lacks DELETE on table `expunged_marker` | run: GRANT DELETE ON"), "{lacks:?}");
    let gone = "DROP TABLE expunged_marker;";
    let none = found_of(&format!("{grants} {gone}"), delete);
    assert_eq!(
        none,
        [
            "Insufficient Warning: there is no table `expunged_marker`, and account `me` of datastore `shop` may not make it: after a \
             crash, records are looked at one by one | make it with what `expunged grants` prints"
        ]
    );
    let makes = found_of(&format!("{grants} {gone} GRANT CREATE ON SCHEMA public TO {{me}}"), delete);
    assert_eq!(makes.len(), 1, "{makes:?}");
    assert!(
        makes[0].starts_with(
            "Excessive Warning: account `me` of datastore `shop` may make tables in schema `public`"
        ),
        "{makes:?}"
    );
    // Who only reads needs none.
    let reads: &[(&str, &[(Right, Use)])] = &[("person", &[right(Right::Select, &["id"])])];
    assert_eq!(found_of("GRANT SELECT ON person TO {me}", reads), [""; 0]);
}

#[test]
fn a_schema_that_is_closed_or_is_not_there_is_all_that_is_said() {
    let shut =
        found("REVOKE USAGE ON SCHEMA public FROM PUBLIC", &[("person", &[right(Right::Delete, &[])])]);
    assert_eq!(
        shut,
        [
            "Insufficient Error: account `me` of datastore `shop` lacks USAGE on schema `public`: it can reach no table there \
          | run `GRANT USAGE ON SCHEMA public TO me`"
        ]
    );
    let gone = found("DROP SCHEMA public CASCADE", &[]);
    assert_eq!(gone.len(), 1);
    assert!(gone[0].contains("has no schema `public`"), "{gone:?}");
}

#[test]
fn rights_that_no_rule_uses_are_one_finding() {
    let more: Vec<String> = (0..10).map(|n| format!("CREATE TABLE t{n} (id int);")).collect();
    let grants = format!(
        "{} GRANT ALL ON ALL TABLES IN SCHEMA public TO {{me}}; REVOKE DELETE, UPDATE, TRUNCATE ON t0 FROM {{me}}; \
         GRANT UPDATE (id) ON t0 TO PUBLIC",
        more.concat()
    );
    let found =
        found(&grants, &[("person", &[right(Right::Delete, &[])]), ("p", &[right(Right::Select, &["id"])])]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with(
            "Excessive Warning: account `me` of datastore `shop` may DELETE, UPDATE or TRUNCATE in 12 tables that no rule \
             disposes of: `Odd \"one\"`, `p`, `t0`, `t1`, `t2`, `t3`, `t4`, `t5` and 4 more | "
        ),
        "{found:?}"
    );
}

#[test]
fn row_level_security_that_would_hide_rows_is_an_error_and_bypassing_it_is_excessive_only_where_none_is() {
    let needed: &[(&str, &[(Right, Use)])] = &[("person", &[right(Right::Delete, &[])])];
    let grants = "GRANT SELECT, DELETE ON person TO {me};";
    let secure = "ALTER TABLE person ENABLE ROW LEVEL SECURITY;";
    let hidden = found(&format!("{grants} {secure}"), needed);
    assert_eq!(
        hidden,
        [
            "Insufficient Error: row-level security of table `person` applies to account `me` of datastore `shop`: rows that it \
          cannot see would be called gone | run `ALTER ROLE me BYPASSRLS`"
        ]
    );
    let bypass = "ALTER ROLE {me} BYPASSRLS;";
    assert_eq!(found(&format!("{grants} {secure} {bypass}"), needed), Vec::<String>::new());
    let idle = found(&format!("{grants} {bypass}"), needed);
    assert_eq!(idle.len(), 1);
    assert!(
        idle[0].starts_with("Excessive Warning") && idle[0].ends_with("`ALTER ROLE me NOBYPASSRLS`"),
        "{idle:?}"
    );
    // An owner is exempt, unless it binds itself.
    let own = "ALTER TABLE person OWNER TO {me};";
    let owned = found(&format!("{secure} {own}"), needed);
    assert_eq!(owned.len(), 1);
    assert!(owned[0].contains("owns 1 table of the schema (`person`)"), "{owned:?}");
    let forced = found(&format!("{secure} {own} ALTER TABLE person FORCE ROW LEVEL SECURITY;"), needed);
    assert_eq!(forced.len(), 2);
    assert!(forced[0].starts_with("Insufficient Error: row-level security"), "{forced:?}");
}

#[test]
fn a_superuser_is_told_that_it_is_one_and_nothing_else() {
    let found = found("ALTER ROLE {me} SUPERUSER; ALTER TABLE person FORCE ROW LEVEL SECURITY", &[]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("Excessive Warning: account `me` of datastore `shop` is a superuser"),
        "{found:?}"
    );
}

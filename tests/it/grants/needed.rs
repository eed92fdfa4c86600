//! Which rights a rule needs on which table, whatever engine holds it.

use expunged::diagnostic::{Source, SourceKind};
use expunged::model::catalogue::Catalogue;
use expunged::model::datastore::Defaults;
use expunged::model::name::{ColumnName, DatastoreName, LocalId, TableName};
use expunged::rules::connect::privilege::{Columns, Needed, Right, Use, needed};
use expunged::rules::document::parse;
use expunged::rules::rule::Service;

/// A service with one rule on `account`, whose other keys these are.
fn service(trigger: &str, action: &str, rest: &str) -> Service {
    let text = crate::world::rules(trigger, rest)
        .replace("key = [\"id\"]\ntrigger", "key = [\"id\", \"part\"]\ntrigger")
        .replacen(DELETE, action, 1);
    let source = Source::new(SourceKind::Rules, "site.toml", &text);
    parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}"))
}

const DELETED_AT: &str = r#"{ column = "deleted_at" }"#;
const DELETE: &str = r#"action = "delete""#;
const PSEUDONYMIZE: &str = r#"action = "pseudonymize"
columns = { name = "random" }
mark = "done""#;

/// `table: RIGHT (columns), …`, a line a table.
fn of(service: &Service, datastore: &str) -> Vec<String> {
    lines(needed(&service.rules, &DatastoreName::new(datastore).unwrap()))
}

fn lines(needed: Vec<Needed>) -> Vec<String> {
    let right = |(right, used): (&Right, &Use)| {
        let columns: Vec<&str> = used.columns.known().iter().map(ColumnName::as_str).collect();
        let key = if let Columns::WithPrimaryKey(_) = used.columns { " + key" } else { "" };
        format!("{right:?}({}{key})", columns.join(" "))
    };
    let line =
        |n: Needed| format!("{}: {}", n.table, n.rights.iter().map(right).collect::<Vec<_>>().join(" "));
    needed.into_iter().map(line).collect()
}

#[test]
fn a_rule_that_deletes_reads_what_it_names_and_locks_by_one_column_of_the_key() {
    let subject = "subject = \"person\"\non_erasure = \"dispose\"\nonly = { state = [\"closed\"] }\n";
    assert_eq!(
        of(&service(DELETED_AT, DELETE, subject), "site"),
        ["account: Select(deleted_at id part person state) Delete() Lock(id)"]
    );
    assert_eq!(of(&service(DELETED_AT, DELETE, subject), "elsewhere"), [""; 0]);
}

#[test]
fn a_rule_that_pseudonymizes_changes_its_columns_and_its_mark_and_locks_by_that() {
    assert_eq!(
        of(&service(DELETED_AT, PSEUDONYMIZE, ""), "site"),
        ["account: Select(deleted_at done id name part) Update(done name)"]
    );
}

#[test]
fn a_rule_that_observes_only_reads() {
    let dependent = "[[rule.dependent]]\nid = \"c\"\nclass = \"c\"\ntable = \"c\"\nmatch = { a = \"number\" }\naction = \"delete\"\n";
    assert_eq!(
        of(&service(DELETED_AT, PSEUDONYMIZE, &format!("mode = \"observe\"\n{dependent}")), "site"),
        ["account: Select(deleted_at done id number part)"]
    );
}

#[test]
fn other_tables_that_start_a_clock_or_keep_a_record_are_read_where_they_are_named() {
    let trigger = r#"{ table = "visit", match = { account = "id" }, column = "at", pick = "latest" }"#;
    let unless =
        r#"unless = { table = "invoice", match = { payer = "person" }, only = { paid = { null = true } } }"#;
    assert_eq!(
        of(&service(trigger, DELETE, unless), "site"),
        [
            "account: Select(id part person) Delete() Lock(id)",
            "invoice: Select(paid payer)",
            "visit: Select(account at)",
        ]
    );
}

const DEPENDENTS: &str = r#"
[[rule.dependent]]
id = "posts"
class = "post"
table = "post"
key = ["number"]
match = { author = "id" }
action = "delete"

[[rule.dependent]]
id = "replies"
class = "reply"
of = "posts"
table = "reply"
match = { post = "slug" }
action = "pseudonymize"
columns = { body = "null" }
mark = "done"

[[rule.dependent]]
id = "uploads"
class = "upload"
of = "posts"
datastore = "files"
pattern = "{folder}/**"
action = "delete"

[[rule.dependent]]
id = "mails"
class = "mail"
datastore = "post-office"
table = "mail"
match = { to = "address" }
action = "delete"
"#;

#[test]
fn dependents_need_their_rights_where_they_are_and_what_leads_to_them_is_read() {
    let service = service(DELETED_AT, DELETE, DEPENDENTS);
    assert_eq!(
        of(&service, "site"),
        [
            "account: Select(address deleted_at id part) Delete() Lock(id)",
            "post: Select(author folder number slug) Delete() Lock(number)",
            "reply: Select(body done post + key) Update(body done)",
        ]
    );
    // Whoever names no key is locked by what leads there.
    assert_eq!(of(&service, "post-office"), ["mail: Select(to + key) Delete() Lock(to)"]);
    assert_eq!(of(&service, "files"), [""; 0]);
}

#[test]
fn more_than_logical_erasure_takes_more_where_the_rule_s_own_records_are() {
    let of_level =
        |then: &str| of(&service(DELETED_AT, DELETE, &format!("then = \"{then}\"\n{DEPENDENTS}")), "site");
    let expected = |more: &str| {
        [
            format!("account: Select(address deleted_at id part) Delete() Lock(id){more}"),
            format!("post: Select(author folder number slug) Delete() Lock(number){more}"),
            format!("reply: Select(body done post + key) Update(body done){more}"),
        ]
    };
    assert_eq!(of_level("vacuum"), expected(" Vacuum()"));
    assert_eq!(of_level("rewrite"), expected(" Vacuum() Rewrite()"));
    let elsewhere = service(DELETED_AT, DELETE, &format!("then = \"rewrite\"\n{DEPENDENTS}"));
    assert_eq!(of(&elsewhere, "post-office"), ["mail: Select(to + key) Delete() Lock(to)"]);
}

#[test]
fn the_primary_key_is_known_where_the_datastore_was_asked() {
    let mut catalogue = Catalogue::default();
    let table = catalogue.tables.entry(TableName::new("mail").unwrap()).or_default();
    table.primary_key = vec![ColumnName::new("id").unwrap()];
    let needed =
        needed(&service(DELETED_AT, DELETE, DEPENDENTS).rules, &DatastoreName::new("post-office").unwrap());
    let known = needed.into_iter().map(|needed| needed.knowing(&catalogue)).collect();
    assert_eq!(lines(known), ["mail: Select(id to) Delete() Lock(to)"]);
}

#[test]
fn what_two_rules_need_of_one_table_is_one_right_for_both() {
    let mut service = service(DELETED_AT, DELETE, "");
    let mut second = self::service(r#"{ column = "closed_at" }"#, PSEUDONYMIZE, "").rules.remove(0);
    second.id.local = LocalId::new("second").unwrap();
    service.rules.push(second);
    let needed = needed(&service.rules, &DatastoreName::new("site").unwrap());
    let rules: Vec<String> = needed[0].rights[&Right::Select].rules.iter().map(ToString::to_string).collect();
    assert_eq!(rules, ["site/account", "site/second"]);
    assert_eq!(
        lines(needed),
        ["account: Select(closed_at deleted_at done id name part) Delete() Update(done name)"]
    );
}

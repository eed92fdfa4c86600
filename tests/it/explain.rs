//! `expunged explain`: the arithmetic that is shown, at the ends of months and where clocks change, and what a rule says of
//! itself.

use std::fmt::Write as _;

use crate::world::World;

/// A rule on `account` with these bounds, in this zone.
fn rule(zone: &str, trigger: &str, retain: &str, delete_by: &str, rest: &str) -> String {
    format!(
        r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "{zone}"

[[promise]]
id = "account"
text = "Gone within a month of the account being deleted."
source = "Policy, 2020-04-28"
trigger = "account deleted"
no_later_than = "1 month"
covers = ["account"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
trigger = {trigger}
retain = "{retain}"
delete_by = "{delete_by}"
schedule = "0 0 * * * *"
action = "delete"
{rest}"#
    )
}

/// What is said of account 1, at an instant.
fn explained(rules: &str, schema: &str, at: &str) -> String {
    let world = World::new(rules, schema);
    world.ran(&["explain", "site/account", "1", "--at", at], 0).stdout
}

fn account(kind: &str, value: &str) -> String {
    format!(
        "CREATE TABLE account (id integer PRIMARY KEY, at {kind}); INSERT INTO account VALUES (1, {value});"
    )
}

#[test]
fn every_kind_of_column_is_explained_at_the_end_of_a_month() {
    let column = r#"{ column = "at" }"#;
    let mut all = String::new();
    for (trigger, kind, value) in [
        (column, "timestamptz", "'2026-01-31T20:59:59Z'"),
        (column, "date", "'2026-01-31'"),
        (r#"{ column = "at", time_zone = "Europe/Berlin" }"#, "timestamp", "'2026-01-31 21:00:00'"),
        (r#"{ column = "at", unit = "ms" }"#, "integer", "1769893199000"),
        (r#"{ column = "at", format = "%d.%m.%Y" }"#, "text", "'31.01.2026'"),
    ] {
        let rules = rule("Europe/Moscow", trigger, "7 days", "1 month", "");
        let said = explained(&rules, &account(kind, value), "2026-02-27T21:00:00Z");
        let _ = write!(all, "{kind} {value}\n{said}\n");
    }
    insta::assert_snapshot!(all);
}

/// 2026-10-25 02:30 comes twice in Berlin, 2026-03-29 02:30 never.
#[test]
fn times_that_come_twice_or_never_are_explained() {
    let trigger = r#"{ column = "at", time_zone = "Europe/Berlin" }"#;
    let mut all = String::new();
    for (value, retain) in [
        ("2026-10-25 02:30:00", "24 hours"),
        ("2026-03-29 02:30:00", "24 hours"),
        ("2026-03-29 02:30:00", "0 days"),
        ("2026-10-24 12:00:00", "1 day"),
    ] {
        let rules = rule("Europe/Berlin", trigger, retain, "1 month", "");
        let said = explained(&rules, &account("timestamp", &format!("'{value}'")), "2026-12-31T00:00:00Z");
        let arithmetic = said.split("  now ").next().unwrap();
        let _ = write!(all, "{value}, {retain}\n{arithmetic}\n");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn elapsed_hours_run_through_a_change_of_the_clocks() {
    let rules = rule("Europe/Berlin", r#"{ column = "at" }"#, "12 hours", "25 hours", "");
    let said = explained(&rules, &account("timestamptz", "'2026-03-28T23:30:00Z'"), "2026-03-29T12:00:00Z");
    assert!(
        said.contains(
            "2026-03-29T00:30:00+01:00 + 12 hours = 2026-03-29T13:30:00+02:00 = 2026-03-29T11:30:00Z"
        ),
        "{said}"
    );
    assert!(said.contains("2026-03-29T00:30:00+01:00 + 25 hours = 2026-03-30T02:30:00+02:00"), "{said}");
}

const OTHER_ROWS: &str = r#"{ table = "licence", match = { owner = "id" }, column = "until", pick = "latest", pending = ["no_row"] }"#;

#[test]
fn a_trigger_in_other_rows_says_which_of_how_many_counts() {
    let rules = rule("Europe/Moscow", OTHER_ROWS, "7 days", "1 month", "");
    let schema = "CREATE TABLE account (id integer PRIMARY KEY);
        CREATE TABLE licence (id integer PRIMARY KEY, owner integer, until timestamptz);
        INSERT INTO account VALUES (1), (2);
        INSERT INTO licence VALUES (1, 1, '2025-01-31T10:00:00Z'), (2, 1, '2026-01-31T10:00:00Z');";
    let world = World::new(&rules, schema);
    let mut all = String::new();
    for key in ["1", "2"] {
        all += &world.ran(&["explain", "site/account", key, "--at", "2026-02-10T00:00:00Z"], 0).stdout;
    }
    insta::assert_snapshot!(all);
}

#[test]
fn files_are_explained_by_their_time_and_by_their_name() {
    let config = "[datastore.disk]\nkind = \"files\"\nroot = \"disk\"\n";
    let mut all = String::new();
    for trigger in [r#"{ file = "modified" }"#, r#"{ name = "b-%Y%m%dT%H%M%SZ.tar" }"#] {
        let rules = rule("Europe/Moscow", trigger, "7 days", "1 month", "").replace(
            "datastore = \"site\"\ntable = \"account\"\nkey = [\"id\"]",
            "datastore = \"disk\"\npattern = \"*.tar\"",
        );
        let world = World::new(&rules, "CREATE TABLE unused (id integer PRIMARY KEY)");
        let before = std::fs::read_to_string(world.path("expunged.toml")).unwrap();
        world.write("expunged.toml", &(before + config));
        std::fs::create_dir(world.path("disk")).unwrap();
        let name = "b-20260131T205959Z.tar";
        let file = std::fs::File::create(world.path("disk").join(name)).unwrap();
        let modified: chrono::DateTime<chrono::Utc> = "2026-01-31T20:59:59Z".parse().unwrap();
        file.set_modified(modified.into()).unwrap();
        all += &world.ran(&["explain", "site/account", name, "--at", "2026-02-08T00:00:00Z"], 0).stdout;
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_hold_and_a_demand_are_said_where_they_decide() {
    let rules = rule("Europe/Moscow", r#"{ column = "at" }"#, "7 days", "1 month", "")
        .replace("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"\non_erasure = \"dispose\"");
    let world = World::new(&rules, &account("timestamptz", "'2026-01-31T20:59:59Z'"));
    world.ran(&["erase", "request", "site", "1", "--received", "2026-02-01T10:00:00Z"], 0);
    let asked = world.ran(&["explain", "site/account", "1", "--at", "2026-02-02T00:00:00Z"], 0).stdout;
    for said in [
        "site/account: due",
        "its erasure was demanded at 2026-02-01T10:00:00Z: due from then",
        "D + 1 month = 2026-03-01",
    ] {
        assert!(asked.contains(said), "{said}\n{asked}");
    }
    world.ran(&["hold", "place", "site", "--reference", "case-1"], 0);
    let held = world.ran(&["explain", "site/account", "1", "--at", "2026-02-02T00:00:00Z"], 0).stdout;
    assert!(held.contains("site/account: held") && held.contains("a hold covers it"), "{held}");
}

#[test]
fn a_record_is_explained_to_programs_too() {
    let rules = rule("Europe/Moscow", r#"{ column = "at" }"#, "7 days", "1 month", "");
    let world = World::new(&rules, &account("timestamptz", "'2026-01-31T20:59:59Z'"));
    let ran =
        world.ran(&["explain", "site/account", "1", "--at", "2026-02-08T00:00:00Z", "--format", "json"], 0);
    insta::assert_snapshot!(pretty(&ran.stdout));
}

const DEPENDENTS: &str = r#"
only = { status = ["closed", "void"], note = { null = true } }
unless = { table = "invoice", match = { owner = "id" }, only = { paid = false } }
except = "unpaid invoices"

[[rule.dependent]]
id = "posts"
class = "posts"
table = "post"
match = { author = "id" }
action = "delete"

[[rule.dependent]]
id = "likes"
class = "posts"
of = "posts"
table = "likes"
match = { post = "id" }
action = "delete"
"#;

const SCHEMA: &str = "CREATE TABLE account (id integer PRIMARY KEY, at timestamptz, status text, note text);
    CREATE TABLE invoice (id integer PRIMARY KEY, owner integer, paid boolean);
    CREATE TABLE post (id integer PRIMARY KEY, author integer);
    CREATE TABLE likes (id integer PRIMARY KEY, post integer);";

fn whole_rule() -> World {
    let rules =
        rule("Europe/Moscow", r#"{ column = "at", pending = ["null"] }"#, "7 days", "1 month", DEPENDENTS);
    World::new(&rules.replace("covers =", "except = \"unpaid invoices\"\ncovers ="), SCHEMA)
}

#[test]
fn a_rule_says_what_it_does() {
    let world = whole_rule();
    let ran = world.ran(&["explain", "site/account", "--at", "2026-01-31T20:59:59Z"], 0);
    insta::assert_snapshot!(ran.text());
    let ran = world.ran(&["explain", "site/account", "--at", "2026-01-31T20:59:59Z", "--format", "json"], 0);
    insta::assert_snapshot!("a_rule_says_what_it_does_to_programs", pretty(&ran.stdout));
}

#[test]
fn a_rule_that_waits_for_requests_and_one_that_only_observes_say_so() {
    let trigger = "{ request = true }";
    let rest = "subject = \"who\"\non_erasure = \"dispose\"\nmode = \"observe\"\n";
    let rules = rule("Europe/Moscow", trigger, "0 hours", "1 month", rest)
        .replace("no_later_than = \"1 month\"", "on_request = true");
    let schema =
        "CREATE TABLE account (id integer PRIMARY KEY, who text); INSERT INTO account VALUES (1, 'anna');";
    let world = World::new(&rules, schema);
    let at = ["--at", "2026-01-31T20:59:59Z"];
    let of_rule = world.ran(&[&["explain", "site/account"][..], &at].concat(), 0);
    let before = world.ran(&[&["explain", "site/account", "1"][..], &at].concat(), 0);
    world.ran(&["erase", "request", "site", "anna", "--received", "2026-01-31T20:59:59Z"], 0);
    let after = world.ran(&[&["explain", "site/account", "1"][..], &at].concat(), 0);
    insta::assert_snapshot!([of_rule.stdout, before.stdout, after.stdout].join("\n"));
}

#[test]
fn a_record_with_a_key_of_several_columns_is_explained() {
    let rules = rule("Etc/UTC", r#"{ column = "at" }"#, "7 days", "1 month", "")
        .replace("key = [\"id\"]", "key = [\"site\", \"number\"]");
    let schema = "CREATE TABLE account (site text NOT NULL, number integer NOT NULL, at timestamptz, PRIMARY KEY (site, number));\
                  INSERT INTO account VALUES ('a', 1, '2026-01-01T00:00:00Z'), ('a', 2, '2026-03-01T00:00:00Z'), ('1', 1, NULL);";
    let world = World::new(&rules, schema);
    let first = |key: [&str; 2], code| {
        let arguments = ["explain", "site/account", key[0], key[1], "--at", "2026-01-20T00:00:00Z"];
        let said = world.ran(&arguments, code);
        said.stdout.lines().next().unwrap_or_default().to_owned()
            + said.stderr.lines().next().unwrap_or_default()
    };
    assert_eq!(first(["a", "1"], 0), "site/account: due");
    assert_eq!(first(["a", "2"], 0), "site/account: undated");
    assert_eq!(first(["1", "1"], 0), "site/account: undated");
    assert!(first(["1", "a"], 2).contains("`number` of the key of `account` is an integer"));
    let ran = world.ran(&["explain", "site/account", "a"], 2);
    assert!(ran.stderr.contains("has 2 parts (site, number), 1 were given"), "{}", ran.stderr);
}

/// What is shown selects what a sweep then disposes of.
#[test]
fn the_statement_that_is_shown_selects_what_a_sweep_takes() {
    let schema = "CREATE TABLE account (id integer PRIMARY KEY, who text, at timestamptz, plan text); CREATE INDEX account_at ON account (at);\
                  CREATE TABLE dispute (account_id integer); INSERT INTO dispute VALUES (3);\
                  INSERT INTO account VALUES (1, 'anna', '2024-01-01T00:00:00Z', 'free'), (2, 'boris', '2024-01-01T00:00:00Z', 'paid'),\
                  (3, 'anna', '2024-01-01T00:00:00Z', 'free'), (4, 'carla', '2100-01-01T00:00:00Z', 'free'), (5, 'dora', NULL, 'free'),\
                  (6, 'boris', '2024-06-01T00:00:00Z', 'free');";
    let filters = "only = { plan = \"free\" }\nunless = { table = \"dispute\", match = { account_id = \"id\" } }\n\
                   except = \"paid plans\"\n";
    let rules =
        rule("Etc/UTC", r#"{ column = "at", pending = ["null", "future"] }"#, "7 days", "1 month", filters)
            .replace("covers =", "except = \"paid plans\"\ncovers =");
    let world = World::new(&rules, schema);
    let said = world.ran(&["explain", "site/account", "--format", "json"], 0).stdout;
    let statement =
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["statement"].as_str().unwrap().to_owned();
    // Its values in their order: what `only` lists, the cut-off, and how many at a time.
    let bound = ["'free'", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-8 days')", "100"];
    let statement = bound
        .iter()
        .enumerate()
        .rev()
        .fold(statement, |text, (at, value)| text.replace(&format!("?{}", at + 1), value));
    assert!(!statement.contains('?'), "{statement}");
    let shown = world.ids(&format!("SELECT id FROM ({statement})"));
    let before = world.ids("SELECT id FROM account");
    world.ran(&["sweep"], 0);
    let gone = &before - &world.ids("SELECT id FROM account");
    assert_eq!(shown, gone);
    assert_eq!(gone, crate::world::set(&["1", "6"]));
}

#[test]
fn a_rule_is_explained_without_its_datastore_and_without_a_configuration() {
    let world = whole_rule();
    let at = ["explain", "site/account", "--at", "2026-01-31T20:59:59Z"];
    let reached = world.ran(&at, 0);
    let offline = |said: &str| said.split("  statement ").next().unwrap().to_owned();
    std::fs::rename(world.path("site.db"), world.path("away.db")).unwrap();
    let away = world.ran(&at, 69);
    assert!(away.stdout.contains("not known: the datastore could not be asked"), "{}", away.text());
    assert!(away.stderr.contains("site/account: error: "), "{}", away.text());
    std::fs::rename(world.path("expunged.toml"), world.path("away.toml")).unwrap();
    let alone = world.ran(&[&at[..], &["--rules", "rules"]].concat(), 0);
    assert!(alone.stdout.contains("not known: there is no configuration"), "{}", alone.text());
    assert_eq!(offline(&away.stdout), offline(&reached.stdout));
    assert_eq!(offline(&alone.stdout), offline(&reached.stdout));
    let slip = world.ran(&["explain", "site/acount", "--rules", "rules"], 2);
    assert!(slip.stderr.contains("did you mean `site/account`?"), "{}", slip.text());
}

/// The program's JSON with a field a line.
fn pretty(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&json).unwrap()
}

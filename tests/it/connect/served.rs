//! `check --connect` on PostgreSQL and MariaDB: what only a server can say, and that a sweep refuses what the check calls an error.

use std::fmt::Write as _;

use super::problems;
use crate::on_servers;
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::servers::{Database, Engine};
use crate::world::{DELETED_AT, World, rules};

/// What the rules are held against is another test's: the account, and tables that no rule covers.
const ELSEWHERE: [&str; 2] = ["[R034]", "[R035]"];

/// The first line of each problem of a rule with these other keys.
#[track_caller]
fn found<E: Engine>(database: &Database<E>, rules: &str, code: i32) -> Vec<String> {
    let ran = World::on(&database.datastore(E::ADMINISTRATOR), rules).run(&["check", "--connect"]);
    let told = |line: &&str| !ELSEWHERE.iter().any(|code| line.contains(code));
    let found: Vec<String> = problems(&ran).into_iter().filter(told).map(str::to_owned).collect();
    assert_eq!(found.iter().any(|line| line.contains(": error[")), code != 0, "{}", ran.text());
    found
}

/// A database with these tables; `ACCOUNT` stands for what most rules want.
fn made<E: Engine>(schema: &str) -> Database<E> {
    let database = Database::<E>::new();
    database.sql(&schema.replace(
        "ACCOUNT",
        "CREATE TABLE account (id int NOT NULL PRIMARY KEY, deleted_at timestamp NULL); \
         CREATE INDEX account_deleted_at ON account (deleted_at);",
    ));
    database
}

/// A rule on `account`, whose trigger is of the engine's kind of a `timestamp`.
fn on_account<E: Engine>(rest: &str) -> String {
    let trigger = if E::SCHEME == "mariadb" {
        DELETED_AT
    } else {
        r#"{ column = "deleted_at", time_zone = "Etc/UTC", pending = ["null"] }"#
    };
    rules(trigger, rest)
}

on_servers!(
    a_row_that_keeps_a_record_or_starts_its_clock_meets_the_sweep_at_a_foreign_key,
    what_hangs_on_a_record_without_an_index_is_said_with_its_cost,
    a_constraint_on_what_is_replaced_is_named,
    a_view_and_a_generated_column_are_called_what_they_are,
    a_mark_that_can_hold_no_time_is_refused,
);

const UNLESS: &str = "unless = { table = \"invoice\", match = { account_id = \"id\" } }\n";

fn a_row_that_keeps_a_record_or_starts_its_clock_meets_the_sweep_at_a_foreign_key<E: Engine>() {
    let database = made::<E>(
        "ACCOUNT CREATE TABLE invoice (id int NOT NULL PRIMARY KEY, account_id int, payer int, until timestamp NULL); \
         CREATE INDEX invoice_account ON invoice (account_id); CREATE INDEX invoice_payer ON invoice (payer)",
    );
    let unless = on_account::<E>(UNLESS);
    let trigger = unless.replace(UNLESS, "").replace(
        "{ column = \"deleted_at\"",
        "{ table = \"invoice\", match = { account_id = \"id\" }, column = \"until\", pick = \"latest\"",
    );
    let unseen = |does: &str| {
        format!(
            "warning[R037]: no foreign key leads from `invoice` to `account`: a row of `invoice` that {does}, and is not committed yet \
             when the sweep decides, is not seen, and the record goes"
        )
    };
    let one = |rules: &str, line: &str| {
        let found = found(&database, rules, 0);
        assert!(found.len() == 1 && found[0].ends_with(line), "{found:?}");
    };
    one(&unless, &unseen("keeps a record"));
    one(&trigger, &unseen("starts a record's clock anew"));
    // Who only looks takes nothing away.
    assert_eq!(found(&database, &unless.replace("retain =", "mode = \"observe\"\nretain ="), 0), [""; 0]);
    // One by another column holds another record.
    database.sql("ALTER TABLE invoice ADD FOREIGN KEY (payer) REFERENCES account (id)");
    one(&unless, &unseen("keeps a record"));
    database.sql("ALTER TABLE invoice ADD FOREIGN KEY (account_id) REFERENCES account (id)");
    assert_eq!(found(&database, &unless, 0), [""; 0]);
    assert_eq!(found(&database, &trigger, 0), [""; 0]);
    // One over fewer columns than are matched holds the record all the same.
    let twice = on_account::<E>(
        &UNLESS.replace("{ account_id = \"id\" }", "{ account_id = \"id\", payer = \"id\" }"),
    );
    assert_eq!(found(&database, &twice, 0), [""; 0]);
}

fn what_hangs_on_a_record_without_an_index_is_said_with_its_cost<E: Engine>() {
    let dependent = "[[rule.dependent]]\nid = \"posts\"\nclass = \"post\"\ntable = \"post\"\nmatch = { author = \"id\" }\naction = \"delete\"\n";
    let database = made::<E>("ACCOUNT CREATE TABLE post (id int NOT NULL PRIMARY KEY, author int)");
    let rules = on_account::<E>(dependent);
    let says = "warning[R032]: no index of `post` begins with `author`: each batch reads the whole table (by estimate ";
    let found = |code| found(&database, &rules, code);
    assert!(matches!(&found(0)[..], [only] if only.contains(says)), "{:?}", found(0));
    database.sql("ALTER TABLE post ADD FOREIGN KEY (author) REFERENCES account (id)");
    if E::SCHEME == "mariadb" {
        // It makes the index that its foreign keys want.
        assert_eq!(found(0), [""; 0]);
    } else {
        assert!(matches!(&found(0)[..], [only] if only.contains(says)), "{:?}", found(0));
        database.sql("CREATE INDEX post_author ON post (author)");
        assert_eq!(found(0), [""; 0]);
    }
}

/// The rule, pseudonymizing with these strategies.
fn pseudonymizing<E: Engine>(columns: &str) -> String {
    let action = format!("action = \"pseudonymize\"\ncolumns = {{ {columns} }}\nmark = \"done_at\"");
    on_account::<E>("").replace("action = \"delete\"", &action)
}

fn a_constraint_on_what_is_replaced_is_named<E: Engine>() {
    let database = made::<E>(
        "ACCOUNT ALTER TABLE account ADD done_at timestamp NULL; ALTER TABLE account ADD name varchar(40); \
         ALTER TABLE account ADD email varchar(40); ALTER TABLE account ADD CONSTRAINT reachable CHECK (name IS NOT NULL OR email <> ''); \
         ALTER TABLE account ADD CONSTRAINT positive CHECK (id > 0)",
    );
    let found = found(&database, &pseudonymizing::<E>("name = \"null\", email = \"random\""), 0);
    assert_eq!(
        found,
        [
            "rules/site.toml:17:36: warning[R014]: CHECK constraint `reachable` of `account` is about column `email`, which is replaced: \
             a record stays where it refuses what is written"
        ]
    );
}

fn a_view_and_a_generated_column_are_called_what_they_are<E: Engine>() {
    let database = made::<E>(
        "ACCOUNT ALTER TABLE account ADD done_at timestamp NULL; ALTER TABLE account ADD name varchar(40); \
         ALTER TABLE account ADD shown varchar(40) GENERATED ALWAYS AS (name) STORED; \
         CREATE VIEW living AS SELECT * FROM account WHERE deleted_at IS NULL",
    );
    let only = |rules: &str| {
        let mut found = found(&database, rules, 65);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    assert_eq!(
        only(&on_account::<E>("").replace("table = \"account\"", "table = \"living\"")),
        "rules/site.toml:11:9: error[R014]: `living` of datastore `site` is a view, and no rule can be about it"
    );
    let generated = only(&pseudonymizing::<E>("shown = \"null\""));
    assert!(
        generated.ends_with(
            "error[R014]: column `shown` of `account` is generated: the engine fills it in from others, and nothing is written there"
        ),
        "{generated}"
    );
}

fn a_mark_that_can_hold_no_time_is_refused<E: Engine>() {
    for (declared, shown) in [("varchar(26)", "26)"), ("uuid", "uuid")] {
        let database = made::<E>(&format!(
            "ACCOUNT ALTER TABLE account ADD done_at {declared} NULL; ALTER TABLE account ADD name varchar(40)"
        ));
        let found = found(&database, &pseudonymizing::<E>("name = \"null\""), 65);
        let says = |line: &String| {
            line.starts_with("rules/site.toml:18:8: error[R014]: mark `done_at` of `account` is declared `")
                && line.ends_with(&format!("{shown}`, which holds no time"))
        };
        assert!(found.len() == 1 && found.iter().all(says), "{found:?}");
    }
}

/// What a sweep refuses of a strategy for a column of a type, in words that the message ends with; empty: it takes it.
type Case = (&'static str, &'static str, &'static str);

const TEXT: &str = "makes text";
const SHORT: &str = "makes 24";
const VALUE: &str = "does not take the text of `fixed`";

/// Each strategy on columns that every engine calls the same.
const EVERYWHERE: &[Case] = &[
    ("\"random\"", "varchar(24)", ""),
    ("\"random\"", "varchar(23)", SHORT),
    ("\"keyed\"", "char(10)", SHORT),
    ("\"keyed\"", "text", ""),
    ("\"random\"", "int", TEXT),
    ("\"keyed\"", "date", TEXT),
    ("\"random\"", "uuid", TEXT),
    ("\"null\"", "varchar(9) NOT NULL", "is NOT NULL and cannot be set to NULL"),
    ("\"null\"", "uuid", ""),
    ("{ fixed = \"gone\" }", "varchar(4)", ""),
    ("{ fixed = \"gone\" }", "varchar(3)", "takes 3 characters, and `fixed` makes 4"),
    ("{ fixed = \"жили\" }", "varchar(4)", ""),
    ("{ fixed = \"gone\" }", "date", VALUE),
    ("{ fixed = \"1970-01-01\" }", "date", ""),
    ("{ fixed = \"gone\" }", "uuid", VALUE),
    ("{ fixed = \"00000000-0000-0000-0000-000000000000\" }", "uuid", ""),
    ("{ fixed = \"7\" }", "int", TEXT),
    ("{ fixed = \"gone\" }", "json", VALUE),
    ("{ fixed = \"{}\" }", "json", ""),
    ("{ fixed = \"gone\" }", "varchar(9) UNIQUE", "makes the same value for several records"),
    ("\"truncate-ip\"", "varchar(45)", ""),
    ("\"truncate-ip\"", "date", "makes the text of an IP address"),
    ("\"truncate-ip\"", "int", "makes the text of an IP address"),
    ("\"truncate-date\"", "date", ""),
    ("\"truncate-date\"", "varchar(30)", ""),
    ("\"truncate-date\"", "varchar(9)", "takes 9 characters, and `truncate-date` makes 10"),
    ("\"truncate-date\"", "uuid", "makes the text of a date"),
];

const POSTGRES: &[Case] = &[
    ("\"random\"", "bytea", TEXT),
    ("\"random\"", "mood", TEXT),
    ("\"random\"", "nick", SHORT),
    ("\"null\"", "filled", "is NOT NULL and cannot be set to NULL"),
    ("{ fixed = \"gone\" }", "mood", VALUE),
    ("{ fixed = \"good\" }", "mood", ""),
    ("\"truncate-ip\"", "inet", ""),
    ("\"truncate-ip\"", "cidr", "makes the text of an IP address"),
    ("{ fixed = \"0.0.0.0\" }", "inet", ""),
    ("{ fixed = \"nowhere\" }", "inet", VALUE),
    ("\"truncate-date\"", "timestamptz", ""),
    ("\"truncate-date\"", "timestamp", ""),
    ("{ fixed = \"1970-01-01T00:00:00Z\" }", "timestamptz", ""),
    ("\"random\"", "text[]", TEXT),
    ("\"truncate-date\"", "time", "makes the text of a date"),
    ("{ fixed = \"12:00\" }", "time", ""),
];

const MARIADB: &[Case] = &[
    ("\"random\"", "varbinary(30)", TEXT),
    ("\"random\"", "enum('good')", TEXT),
    ("\"keyed\"", "tinytext", ""),
    ("{ fixed = \"gone\" }", "enum('good','bad')", VALUE),
    ("{ fixed = \"good\" }", "enum('good','bad')", ""),
    ("\"truncate-ip\"", "inet4", ""),
    ("\"truncate-ip\"", "inet6", ""),
    ("{ fixed = \"0.0.0.0\" }", "inet4", ""),
    ("\"truncate-date\"", "datetime(6)", ""),
    ("{ fixed = \"1970-01-02 00:00:00\" }", "datetime", ""),
    ("\"random\"", "json", TEXT),
    ("\"truncate-date\"", "year", "makes the text of a date"),
    ("{ fixed = \"12:00\" }", "time", ""),
];

/// What stands in a column before, by its type.
fn before(declared: &str) -> &'static str {
    match declared.split(['(', ' ', '[']).next().unwrap() {
        "int" | "year" => "2001",
        "date" => "2001-05-17",
        "timestamptz" | "timestamp" | "datetime" => "2001-05-17 10:00:00",
        "time" => "10:00:00",
        "uuid" => "11111111-1111-1111-1111-111111111111",
        "json" => "[1]",
        "mood" | "enum" => "good",
        "inet" | "inet4" => "203.0.113.77",
        "inet6" => "2001:db8:1:2::3",
        "cidr" => "203.0.113.0/24",
        _ => "x",
    }
}

/// Every case is refused in its words by the check and by a sweep, or the sweep writes what the strategy says.
fn strategies_fit_columns<E: Engine>(prelude: &str, cases: &[Case]) {
    let all: Vec<&Case> = EVERYWHERE.iter().chain(cases).collect();
    let mut schema = "ACCOUNT ALTER TABLE account ADD done_at timestamp NULL;".to_owned();
    let (mut names, mut values, mut strategies) = (String::new(), String::new(), [Vec::new(), Vec::new()]);
    for (at, (strategy, declared, refused)) in all.iter().enumerate() {
        write!(schema, "ALTER TABLE account ADD c{at} {declared};").unwrap();
        write!(names, ", c{at}").unwrap();
        let value = if declared.contains("[]") { "{x}" } else { before(declared) };
        write!(values, ", '{value}'").unwrap();
        strategies[usize::from(!refused.is_empty())].push(format!("c{at} = {strategy}"));
    }
    let database = made::<E>(&format!("{prelude} {schema}"));
    database.sql(&format!(
        "INSERT INTO account (id, deleted_at{names}) VALUES (1, '1971-01-01 00:00:00'{values})"
    ));
    let [fitting, wrong] = strategies.map(|listed| listed.join(", "));
    let refused = found(&database, &pseudonymizing::<E>(&wrong), 65);
    for (at, (strategy, declared, words)) in all.iter().enumerate().filter(|(_, case)| !case.2.is_empty()) {
        let about = format!("error[R014]: column `c{at}` of `account` ");
        let said: Vec<&String> = refused.iter().filter(|line| line.contains(&about)).collect();
        assert!(
            matches!(&said[..], [only] if only.ends_with(words)),
            "{strategy} into {declared}: {said:?} of {refused:#?}"
        );
    }
    let world = World::on(&database.datastore(E::ADMINISTRATOR), &pseudonymizing::<E>(&wrong));
    let swept = world.run(&["sweep"]);
    assert_eq!(swept.code, 65, "{}", swept.text());
    assert_eq!(problems(&swept), refused);
    assert_eq!(database.texts("SELECT count(*) FROM account WHERE done_at IS NULL"), ["1"]);

    let world = World::on(&database.datastore(E::ADMINISTRATOR), &pseudonymizing::<E>(&fitting));
    assert_eq!(world.ran(&["sweep", "--format", "json"], 0).rule()["disposed"], 1);
    for (at, (strategy, declared, _)) in all.iter().enumerate().filter(|(_, case)| case.2.is_empty()) {
        let shown = if E::SCHEME == "mariadb" { "CHAR" } else { "text" };
        let now = database.texts(&format!("SELECT CAST(c{at} AS {shown}) FROM account")).remove(0);
        let made = match *strategy {
            "\"random\"" | "\"keyed\"" => now.len() == 24 && now.bytes().all(|b| b.is_ascii_alphanumeric()),
            "\"truncate-ip\"" if declared.starts_with("inet6") => now == "2001:db8:1::",
            "\"truncate-ip\"" if declared.starts_with("inet") => now.starts_with("203.0.113.0"),
            "\"truncate-date\"" if !declared.starts_with("varchar") => now.starts_with("2001-05-01"),
            // A text that is neither an address nor a date.
            "\"null\"" | "\"truncate-ip\"" | "\"truncate-date\"" => now == "NULL",
            fixed => {
                let text = fixed.split('"').nth(1).unwrap();
                let plain = |text: &str| text.replace('T', " ").replace('Z', "");
                now == text || plain(&now).starts_with(&plain(text))
            }
        };
        assert!(made, "{strategy} into {declared} made {now}");
    }
}

#[test]
fn a_strategy_that_fits_its_column_on_postgres_holds_and_any_other_is_refused() {
    let prelude = "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN nick AS varchar(9); CREATE DOMAIN filled AS text NOT NULL;";
    strategies_fit_columns::<Postgres>(prelude, POSTGRES);
}

#[test]
fn a_strategy_that_fits_its_column_on_mariadb_holds_and_any_other_is_refused() {
    strategies_fit_columns::<MariaDb>("", MARIADB);
}

#[test]
fn a_table_that_cannot_be_rolled_back_is_refused_before_anything_goes() {
    let dependent = "[[rule.dependent]]\nid = \"posts\"\nclass = \"post\"\ntable = \"post\"\nmatch = { author = \"id\" }\naction = \"delete\"\n";
    for engine in ["MyISAM", "Aria", "MEMORY"] {
        let database = made::<MariaDb>(&format!(
            "ACCOUNT CREATE TABLE post (id int NOT NULL PRIMARY KEY, author int, KEY (author) USING BTREE) ENGINE={engine}; \
             INSERT INTO account VALUES (1, '1971-01-01 00:00:00'); INSERT INTO post VALUES (1, 1)"
        ));
        let rules = on_account::<MariaDb>(dependent);
        let line = format!(
            "rules/site.toml:20:9: error[R014]: rows of `post` cannot be disposed of: its engine `{engine}` has no transactions, so \
             that a batch could not be rolled back"
        );
        assert_eq!(found(&database, &rules, 65), std::slice::from_ref(&line));
        let world = World::on(&database.datastore(MariaDb::ADMINISTRATOR), &rules);
        let swept = world.ran(&["sweep"], 65);
        assert_eq!(problems(&swept), [line]);
        assert!(swept.stderr.contains("help: run `ALTER TABLE … ENGINE = InnoDB`"), "{}", swept.text());
        assert_eq!(database.texts("SELECT count(*) FROM post"), ["1"]);
        assert_eq!(world.entries("sweep.started").len(), 0);
    }
}

#[test]
fn a_table_that_others_inherit_from_or_of_which_a_part_is_elsewhere_is_refused_in_words_that_help() {
    let database = made::<Postgres>(
        "ACCOUNT CREATE TABLE archived (at date) INHERITS (account); \
         CREATE EXTENSION postgres_fdw; CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw; \
         CREATE TABLE visit (id int NOT NULL, deleted_at timestamp) PARTITION BY RANGE (id); \
         CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (9); \
         CREATE FOREIGN TABLE visit_2 PARTITION OF visit FOR VALUES FROM (9) TO (99) SERVER other; \
         CREATE FOREIGN TABLE far (id int) SERVER other",
    );
    let one = |table: &str, message: &str| {
        let rules =
            on_account::<Postgres>("").replace("table = \"account\"", &format!("table = \"{table}\""));
        let found = found(&database, &rules, 65);
        assert!(found.iter().any(|line| line.ends_with(message)), "{found:?}");
        found.len()
    };
    let inherited = "rows of `account` cannot be disposed of: `archived` inherit from it, and a statement on it has their rows, too";
    assert_eq!(one("account", inherited), 1);
    one(
        "visit",
        "rows of `visit` cannot be disposed of: one of its partitions is a foreign table, whose server may keep what is rolled back here",
    );
    let alone = |table: &str, what: &str| {
        let line =
            format!("error[R014]: `{table}` of datastore `site` is {what}, and no rule can be about it");
        assert_eq!(one(table, &line), 1);
    };
    alone("visit_1", "a partition of `visit`");
    alone("far", "a foreign table");
}

#[test]
fn rows_that_row_level_security_hides_are_never_called_gone() {
    let database = made::<Postgres>(
        "ACCOUNT INSERT INTO account VALUES (1, '1971-01-01 00:00:00'), (2, '1971-01-01 00:00:00'); \
         ALTER TABLE account ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON account USING (id = 1)",
    );
    let role = database.role(
        "GRANT USAGE, CREATE ON SCHEMA public TO {role}; GRANT SELECT, UPDATE, DELETE ON account TO {role}",
    );
    let world = World::on(&database.datastore(&role), &on_account::<Postgres>(""));
    let swept = world.ran(&["sweep"], 77);
    let lacks = "lacks BYPASSRLS, since row-level security of table `account` hides rows from it";
    assert!(swept.stderr.contains(lacks), "{}", swept.text());
    let checked = world.ran(&["check", "--connect"], 65);
    let insufficient: Vec<&str> =
        problems(&checked).into_iter().filter(|line| line.contains("[R033]")).collect();
    assert!(
        matches!(insufficient[..], [only] if only.contains("row-level security of table `account` applies to account")),
        "{insufficient:?}"
    );
    // Nor is it counted by what it sees.
    let planned = world.run(&["plan"]);
    assert_eq!(planned.code, 77, "{}", planned.text());
    assert_eq!(database.texts("SELECT count(*) FROM account"), ["2"]);
    database.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
    world.ran(&["sweep"], 0);
    assert_eq!(database.texts("SELECT count(*) FROM account"), ["0"]);
}

#[test]
fn what_is_missing_may_be_what_an_account_is_not_shown() {
    let database = made::<MariaDb>("ACCOUNT");
    let role = database.role("GRANT SELECT (deleted_at) ON account TO {role}");
    let world = World::on(&database.datastore(&role), &on_account::<MariaDb>(""));
    let ran = world.ran(&["check", "--connect"], 65);
    assert!(ran.stderr.contains("error[R014]: column `id` does not exist in `account`"), "{}", ran.text());
    let help = "help: its columns are `deleted_at`; what the account has no right on is not shown to it: `expunged grants` prints what it needs";
    assert!(ran.stderr.contains(help), "{}", ran.text());
}

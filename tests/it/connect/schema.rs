//! What the catalogue does not have, has as another type, or would take along; and what it searches without an index.

use super::{ACCOUNT, check, found, problems};
use crate::world::{DELETED_AT, World, rules};

const CALLS: &str = "
[[rule.dependent]]
id = \"calls\"
class = \"account\"
table = \"call\"
match = { account = \"id\" }
action = \"delete\"
";

/// One problem, and no other.
#[track_caller]
fn one(rest: &str, schema: &str, code: i32) -> String {
    let mut found = found(rest, schema, code);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_whole_path_of_an_undeclared_cascade_is_named() {
    let schema = "CREATE TABLE \"order\" (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account ON DELETE CASCADE);
        CREATE TABLE order_line (id INTEGER PRIMARY KEY, \"order\" INTEGER REFERENCES \"order\" ON DELETE CASCADE);
        CREATE TABLE note (id INTEGER PRIMARY KEY, line INTEGER REFERENCES order_line ON DELETE SET NULL);
        CREATE INDEX a ON \"order\" (account); CREATE INDEX b ON order_line (\"order\"); CREATE INDEX c ON note (line);";
    let rest = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"order\"\nreason = \"a test\"\n\n[[waiver]]\ndatastore = \"site\"\ntable = \"order_line\"\nreason = \"a test\"\n\n[[waiver]]\ndatastore = \"site\"\ntable = \"note\"\nreason = \"a test\"\n";
    assert_eq!(
        one(rest, schema, 65),
        "rules/site.toml:11:9: error[R031]: dataset `site.account` cannot be swept: its deletions reach rows that no dependent \
         declares: `account` ← `order` ← `order_line` (ON DELETE CASCADE) ← `note` (ON DELETE SET NULL)"
    );
    // What a row that is only changed leads to is not reached.
    let changed = schema.replace("account ON DELETE CASCADE", "account ON DELETE SET DEFAULT");
    assert!(one(rest, &changed, 65).ends_with(": `account` ← `order` (ON DELETE SET DEFAULT)"));
}

#[test]
fn what_a_trigger_writes_is_an_undeclared_reach() {
    let schema = "CREATE TABLE audit (id INTEGER PRIMARY KEY, who TEXT);
         CREATE TRIGGER copies AFTER DELETE ON account BEGIN INSERT INTO audit (who) VALUES (old.name); END;";
    let rest = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"audit\"\nreason = \"a test\"\n";
    assert!(one(rest, schema, 65).contains(
        "error[R031]: dataset `site.account` cannot be swept: its triggers (`copies`) would write `audit`"
    ));
}

#[test]
fn a_trigger_column_without_an_index_is_said_with_the_cost_of_a_sweep() {
    // 20,000 rows of 300 bytes: more than the pages that are looked at one by one.
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO account SELECT i, NULL, hex(zeroblob(150)) FROM n;",
    );
    let ran = check(&world, 0);
    let [warning] = problems(&ran)[..] else { panic!("{}", ran.text()) };
    let (what, cost) = warning.split_once(" (by estimate ").unwrap();
    assert_eq!(
        what,
        "rules/site.toml:13:22: warning[R032]: no index of `account` begins with `deleted_at`: each sweep reads the whole table"
    );
    let figures: Vec<&str> = cost.trim_end_matches(')').split([' ', ',']).collect();
    let [rows, "rows", "in", pages, "pages", "", size, "MiB"] = figures[..] else { panic!("{figures:?}") };
    assert_eq!(rows, "20000");
    let length = std::fs::metadata(world.path("site.db")).unwrap().len();
    let (pages, size): (f64, f64) = (pages.parse().unwrap(), size.parse().unwrap());
    #[expect(clippy::cast_precision_loss, reason = "a file of megabytes")]
    let length = length as f64;
    assert!((pages * 4096.0 / length - 1.0).abs() < 0.02, "{pages} pages of {length} bytes");
    assert!((size * 1_048_576.0 / length - 1.0).abs() < 0.03, "{size} MiB of {length} bytes");
    assert!(
        ran.stderr.contains("help: give `account` an index that begins with `deleted_at`"),
        "{}",
        ran.stderr
    );
}

/// Two tables may hold what belongs to one person under one id, and only the schema can say so.
#[test]
fn a_foreign_key_says_that_two_ids_are_one_persons() {
    let known = "subject = \"id\"\non_erasure = \"dispose\"\n";
    let other = "\n[[rule]]\nid = \"profile\"\nclass = \"profile\"\nkeeps = []\ndatastore = \"site\"\ntable = \"profile\"\n\
                 key = [\"account_id\"]\nsubject = \"account_id\"\non_erasure = \"dispose\"\n\
                 trigger = { column = \"deleted_at\", pending = [\"null\"] }\nretain = \"50 years\"\ndelete_by = \"200 years\"\n\
                 action = \"delete\"\n";
    let said = |key: &str, code: i32| {
        let schema = format!(
            "CREATE TABLE profile (account_id INTEGER PRIMARY KEY{key}, other_id INTEGER REFERENCES account (id), deleted_at timestamptz); \
             CREATE INDEX profile_deleted_at ON profile (deleted_at); CREATE INDEX profile_other_id ON profile (other_id)"
        );
        found(&format!("{known}{other}"), &schema, code)
    };
    assert_eq!(
        said("", 0),
        [
            "rules/site.toml:27:11: warning[R028]: rules `site/account` and `site/profile` find data subjects by `id` of `account` and by \
             `account_id` of `profile`: an order for the one with an id reaches what has the same id there"
        ]
    );
    assert_eq!(said(" REFERENCES account (id)", 0), [""; 0]);
}

#[test]
fn a_small_table_is_counted_exactly() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz) WITHOUT ROWID;
         INSERT INTO account VALUES (7, NULL), (900000, NULL);",
    );
    assert!(problems(&check(&world, 0))[0].ends_with("(by estimate 2 rows in 1 page, 4.0 KiB)"));
}

#[test]
fn a_large_table_without_row_numbers_and_one_with_overflowing_rows_are_estimated() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
         INSERT INTO account SELECT i, NULL, hex(zeroblob(5000)) FROM n;",
    );
    let ran = check(&world, 0);
    let text = problems(&ran)[0];
    assert!(text.contains("(by estimate 900 rows in "), "{text}");
    let pages: u64 = text.split(" rows in ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let length = std::fs::metadata(world.path("site.db")).unwrap().len() / 4096;
    assert!(pages.abs_diff(length) * 20 < length, "{pages} of {length} pages");
}

#[test]
fn what_hangs_on_a_record_without_an_index_is_said_once() {
    let call = "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account);";
    assert_eq!(
        one(CALLS, call, 0),
        "rules/site.toml:22:9: warning[R032]: no index of `call` begins with `account`: each batch reads the whole table \
         (by estimate 0 rows in 1 page, 4.0 KiB)"
    );
    let indexed = format!("{call} CREATE INDEX call_account ON call (account);");
    assert_eq!(found(CALLS, &indexed, 0), [""; 0]);
    // An index of some of the rows, or one that begins with another column, serves nothing.
    let partial = format!(
        "{call} CREATE INDEX some ON call (account) WHERE id > 5; CREATE INDEX other ON call (id, account);"
    );
    assert!(one(CALLS, &partial, 0).contains("warning[R032]"));
}

#[test]
fn a_foreign_key_without_an_index_makes_the_engine_look_for_each_record() {
    let schema =
        "CREATE TABLE call (id INTEGER PRIMARY KEY, account INTEGER, agent INTEGER REFERENCES account);
        CREATE INDEX call_account ON call (account);";
    assert!(one(CALLS, schema, 0).starts_with(
        "rules/site.toml:11:9: warning[R032]: no index of `call` begins with `agent`: a foreign key to `account` makes the engine read \
         the whole table for each record that goes (by estimate"
    ));
}

#[test]
fn what_keeps_a_record_or_starts_its_clock_in_other_rows_wants_an_index() {
    let invoice = "CREATE TABLE invoice (id INTEGER PRIMARY KEY, account INTEGER, paid_at timestamptz);";
    let waiver = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"invoice\"\nreason = \"a test\"\n";
    let unless = "unless = { table = \"invoice\", match = { account = \"id\" } }\n";
    assert!(one(&format!("{unless}{waiver}"), invoice, 0).starts_with(
        "rules/site.toml:17:39: warning[R032]: no index of `invoice` begins with `account`: a sweep may read the whole table for each record that it looks at"
    ));
    let trigger =
        "{ table = \"invoice\", match = { account = \"id\" }, column = \"paid_at\", pick = \"latest\" }";
    let world = World::new(&rules(trigger, waiver), &format!("{ACCOUNT}{invoice}"));
    let ran = check(&world, 0);
    assert!(
        problems(&ran)[0].starts_with(
            "rules/site.toml:13:40: warning[R032]: no index of `invoice` begins with `account`: a sweep may"
        ),
        "{}",
        ran.text()
    );
}

#[test]
fn names_are_suggested_and_letters_that_only_look_alike_pointed_out() {
    let world = World::new(
        &rules(DELETED_AT, "").replace("table = \"account\"", "table = \"\u{430}ccount\""),
        ACCOUNT,
    );
    let ran = check(&world, 65);
    assert!(
        problems(&ran)[0].ends_with("error[R014]: table `\u{430}ccount` does not exist in datastore `site`"),
        "{}",
        ran.text()
    );
    assert!(
        ran.stderr.contains(
            "help: did you mean `account`? It differs in `\u{430}` (U+0430), which this name holds"
        ),
        "{}",
        ran.stderr
    );
    let world = World::new(&rules("{ column = \"delete_at\" }", ""), ACCOUNT);
    let ran = check(&world, 65);
    assert!(ran.stderr.contains("help: did you mean `deleted_at`?"), "{}", ran.stderr);
}

#[test]
fn names_with_quotes_and_backticks_are_names_like_any_other() {
    let name = "a\"b`c'd\\e";
    let toml = name.replace('\\', "\\\\").replace('"', "\\\"");
    let sql = name.replace('"', "\"\"");
    let text = rules(DELETED_AT, "")
        .replace("table = \"account\"", &format!("table = \"{toml}\""))
        .replace("deleted_at", &toml);
    let world =
        World::new(&text, &format!("CREATE TABLE \"{sql}\" (id INTEGER PRIMARY KEY, \"{sql}\" timestamptz)"));
    let ran = check(&world, 0);
    assert!(
        problems(&ran)[0].contains(&format!("warning[R032]: no index of `{name}` begins with `{name}`: ")),
        "{}",
        ran.text()
    );
    assert!(problems(&ran)[0].ends_with("(by estimate 0 rows in 1 page, 4.0 KiB)"), "{}", ran.text());
    world.rules(&rules(DELETED_AT, "").replace("table = \"account\"", &format!("table = \"{toml}x\"")));
    let ran = check(&world, 65);
    assert!(ran.stderr.contains(&format!("help: did you mean `{name}`?")), "{}", ran.stderr);
}

#[test]
fn a_filter_is_of_the_type_of_its_column() {
    let columns = "ALTER TABLE account ADD level INTEGER; ALTER TABLE account ADD price REAL; ALTER TABLE account ADD day DATE;
        ALTER TABLE account ADD free; ALTER TABLE account ADD kind ENUM; ALTER TABLE account ADD flag BOOLEAN;";
    let wrong = |only: &str| one(&format!("only = {{ {only} }}\n"), columns, 65);
    assert_eq!(
        wrong("level = [\"high\"]"),
        "rules/site.toml:17:18: error[R014]: `level` of `account` is declared `INTEGER` and compared with text, which it never holds: expected an integer"
    );
    assert!(wrong("price = { not = [\"cheap\"] }").ends_with("expected a number"));
    // Under `not` they would leave out nothing.
    assert!(wrong("name = { not = [5] }").ends_with("expected a text"));
    assert!(wrong("name = { not = [true] }").ends_with("expected a text"));
    // The engine compares a number with the text of one, and an enumeration is no number.
    let lenient = "only = { level = [\"1\"], price = \"10.50\", kind = \"closed\", flag = \"true\" }\n";
    assert_eq!(found(lenient, columns, 0), [""; 0]);
    let right = "only = { level = [1], name = \"x\", price = 5, day = \"2020-01-01\", free = [1, \"x\"], flag = true, deleted_at = { null = false } }\n";
    assert_eq!(
        found("only = { day = 0 }\n", columns, 0),
        [""; 0],
        "a date may be a number that stands for none"
    );
    assert_eq!(found(right, columns, 0), [""; 0]);
}

/// A rule that pseudonymizes, with this for its columns.
#[track_caller]
fn pseudonymized(columns: &str, schema: &str, code: i32) -> Vec<String> {
    let text = rules(DELETED_AT, "").replace(
        "action = \"delete\"",
        &format!("action = \"pseudonymize\"\ncolumns = {{ {columns} }}\nmark = \"done\""),
    );
    let world = World::new(&text, schema);
    problems(&check(&world, code)).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_strategy_fits_its_column() {
    let table = |column: &str| {
        format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, done timestamptz, {column});
             CREATE INDEX a ON account (deleted_at);"
        )
    };
    let refused = |strategy: &str, column: &str, message: &str| {
        let found = pseudonymized(&format!("x = {strategy}"), &table(column), 65);
        assert_eq!(found, [format!("rules/site.toml:17:17: error[R014]: column `x` of `account` {message}")]);
    };
    refused("\"null\"", "x TEXT NOT NULL", "is NOT NULL and cannot be set to NULL");
    refused("\"random\"", "x INTEGER", "is declared `INTEGER`, and `random` makes text");
    refused("\"keyed\"", "x REAL", "is declared `REAL`, and `keyed` makes text");
    refused("{ fixed = \"0\" }", "x BIGINT", "is declared `BIGINT`, and `fixed` makes text");
    refused("\"random\"", "x DATE", "is declared `DATE`, and `random` makes text");
    refused(
        "\"truncate-ip\"",
        "x INTEGER",
        "is declared `INTEGER`, and `truncate-ip` makes the text of an IP address",
    );
    refused(
        "\"truncate-date\"",
        "x INTEGER",
        "is declared `INTEGER`, and `truncate-date` makes the text of a date",
    );
    refused("{ fixed = \"gone\" }", "x DATE", "is declared `DATE`, which does not take the text of `fixed`");
    refused(
        "\"random\"",
        "y TEXT, x TEXT AS (lower(y)) STORED",
        "is generated: the engine fills it in from others, and nothing is written there",
    );
    let several = "is UNIQUE, and `fixed` makes the same value for several records";
    refused("{ fixed = \"gone\" }", "x TEXT UNIQUE", several);
    refused("{ fixed = \"gone\" }", "x TEXT NOT NULL UNIQUE", several);
    refused("\"truncate-ip\"", "x TEXT UNIQUE", &several.replace("fixed", "truncate-ip"));
    for (strategy, column) in [
        ("\"null\"", "x TEXT UNIQUE"),
        ("\"random\"", "x TEXT NOT NULL UNIQUE"),
        ("\"keyed\"", "x VARCHAR(64)"),
        ("{ fixed = \"1970-01-01\" }", "x DATE"),
        ("\"truncate-ip\"", "x inet"),
        ("\"truncate-date\"", "x DATE"),
        ("\"null\"", "x INTEGER"),
    ] {
        let found = pseudonymized(&format!("x = {strategy}"), &table(column), 0);
        assert_eq!(found, [""; 0], "{strategy} {column}");
    }
}

#[test]
fn a_strict_table_takes_no_text_among_its_bytes() {
    let table = |options: &str| {
        format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at INTEGER, done INTEGER, x BLOB, y TEXT) {options};
             CREATE INDEX a ON account (deleted_at);"
        )
    };
    let world = |options: &str| {
        let text = rules("{ column = \"deleted_at\", unit = \"s\" }", "").replace(
            "action = \"delete\"",
            "action = \"pseudonymize\"\ncolumns = { x = \"random\", y = \"random\" }\nmark = \"done\"",
        );
        World::new(&text, &table(options))
    };
    let refused = check(&world("STRICT"), 65);
    assert_eq!(
        problems(&refused),
        [
            "rules/site.toml:17:17: error[R014]: column `x` of `account` is declared `BLOB`, and `random` makes text"
        ]
    );
    assert_eq!(check(&world(""), 0).stderr, "");
}

#[test]
fn a_view_and_a_virtual_table_are_called_what_they_are() {
    let schema = "CREATE VIEW living AS SELECT * FROM account; CREATE VIRTUAL TABLE words USING fts5(word);";
    for (name, what) in [("living", "a view"), ("words", "a virtual table")] {
        let text = rules(DELETED_AT, "").replace("table = \"account\"", &format!("table = \"{name}\""));
        let ran = check(&World::new(&text, &format!("{ACCOUNT}{schema}")), 65);
        let line = format!(
            "rules/site.toml:11:9: error[R014]: `{name}` of datastore `site` is {what}, and no rule can be about it"
        );
        assert_eq!(problems(&ran)[0], line);
    }
}

#[test]
fn a_pseudonym_breaks_no_foreign_key() {
    let schema = "CREATE TABLE place (name TEXT PRIMARY KEY NOT NULL);
        CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, done timestamptz, nick TEXT NOT NULL UNIQUE, x TEXT REFERENCES place);
        CREATE TABLE post (id INTEGER PRIMARY KEY, nick TEXT REFERENCES account (nick));
        CREATE INDEX a ON account (deleted_at);";
    let refused = pseudonymized("x = \"random\"", schema, 65);
    assert_eq!(
        refused[0],
        "rules/site.toml:17:17: error[R014]: column `x` of `account` is a foreign key to `place`, and `random` makes a value that leads to no row there"
    );
    assert!(pseudonymized("x = \"null\"", schema, 65).iter().all(|problem| problem.contains("R035")));
    assert!(
        pseudonymized("x = { fixed = \"nowhere\" }", schema, 65)
            .iter()
            .all(|problem| problem.contains("R035"))
    );
    assert_eq!(
        pseudonymized("nick = \"random\"", schema, 65)[0],
        "rules/site.toml:17:20: error[R014]: column `nick` of `account` is what a foreign key of `post` points to, and cannot be replaced"
    );
}

#[test]
fn a_mark_can_be_null_and_a_time() {
    let refused = |done: &str, message: &str| {
        let schema = format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT, done {done});
             CREATE INDEX a ON account (deleted_at);"
        );
        let found = pseudonymized("name = \"random\"", &schema, 65);
        assert_eq!(found, [format!("rules/site.toml:18:8: error[R014]: mark `done` of `account` {message}")]);
    };
    refused("TEXT NOT NULL", "is NOT NULL, so every record would count as done");
    refused("timestamptz UNIQUE", "is UNIQUE, and a batch has one mark");
    refused("BOOLEAN", "is declared `BOOLEAN`, which holds no time");
}

#[test]
fn a_key_that_is_not_unique_and_a_match_of_another_type_are_refused() {
    let text = rules(DELETED_AT, "").replace("key = [\"id\"]", "key = [\"name\"]");
    let world = World::new(&text, ACCOUNT);
    assert!(
        problems(&check(&world, 65))[0]
            .contains("error[R014]: key `name` of `account` does not identify one record")
    );
    let call = "CREATE TABLE call (id INTEGER PRIMARY KEY, account TEXT); CREATE INDEX c ON call (account);";
    assert!(one(CALLS, call, 65).contains("a number and a text never match"));
    let subject = "subject = \"weight\"\non_erasure = \"dispose\"\n";
    assert!(
        one(subject, "ALTER TABLE account ADD weight REAL;", 65)
            .contains("holds floating-point numbers, which identify nobody")
    );
}

/// A column without a type holds 1 and the text of it, two records; their files would have one name.
#[test]
fn files_are_named_by_columns_of_one_type() {
    let uploads = "\n[[rule.dependent]]\nid = \"uploads\"\nclass = \"account\"\ndatastore = \"files\"\npattern = \"{id}/**\"\naction = \"delete\"\n";
    for (declared, refused) in
        [("", true), ("ANY", true), ("BLOB", true), ("INTEGER", false), ("TEXT", false), ("uuid", false)]
    {
        let schema = format!(
            "CREATE TABLE account (id {declared} NOT NULL PRIMARY KEY, deleted_at timestamptz); CREATE INDEX a ON account (deleted_at);"
        );
        let world = World::new(&rules(DELETED_AT, uploads), &schema);
        world.configure(
            "[datastore.site]\n",
            "[datastore.files]\nkind = \"files\"\nroot = \"tree\"\n\n[datastore.site]\n",
        );
        std::fs::create_dir(world.path("tree")).unwrap();
        let said = world.run(&["plan"]).stderr;
        assert_eq!(said.contains("may hold a number and the text of it"), refused, "{declared}: {said}");
    }
}

/// A trigger may empty a table without a condition, or write an index for full text: neither opens the table as others do.
#[test]
fn whatever_a_trigger_writes_is_seen() {
    for (body, written) in
        [("DELETE FROM ord", "`ord`"), ("INSERT INTO search VALUES (old.deleted_at)", "`(a virtual table)`")]
    {
        let schema = format!(
            "CREATE TABLE ord (id INTEGER PRIMARY KEY, x INTEGER); CREATE VIRTUAL TABLE search USING fts5(words);
             CREATE TRIGGER t AFTER DELETE ON account BEGIN {body}; END;"
        );
        let waived = super::coverage::waiver("table", "ord") + &super::coverage::waiver("table", "search");
        let said = one(&waived, &schema, 65);
        assert!(said.contains("error[R031]") && said.contains(&format!("would write {written}")), "{said}");
    }
}

/// One table that the engine stumbles over is nothing against the others.
#[test]
fn a_broken_table_concerns_whoever_names_it() {
    let broken = "CREATE TABLE gone (id INTEGER PRIMARY KEY); CREATE TABLE ord (id INTEGER PRIMARY KEY);
                  CREATE TRIGGER t AFTER DELETE ON ord BEGIN DELETE FROM gone; END; DROP TABLE gone;";
    let world = World::new(
        &rules(DELETED_AT, &super::coverage::waiver("table", "ord")),
        &format!("{}{broken}", super::ACCOUNT),
    );
    assert_eq!(check(&world, 0).stderr, "");
    world.ran(&["sweep"], 0);
    // Whoever only reads it disposes of nothing there.
    let reads = "unless = { table = \"ord\", match = { id = \"id\" } }\n".to_owned()
        + &super::coverage::waiver("table", "ord");
    world.rules(&rules(DELETED_AT, &reads));
    check(&world, 0);
    let orders = "\n[[rule.dependent]]\nid = \"orders\"\nclass = \"account\"\ntable = \"ord\"\nmatch = { id = \"id\" }\naction = \"delete\"\n";
    world.rules(&rules(DELETED_AT, orders));
    let said = check(&world, 65).stderr;
    assert!(said.contains("rows of `ord` cannot be disposed of: no such table: main.gone"), "{said}");
}

/// A primary key of whole numbers that has an index of its own is no row number, and admits NULL.
#[test]
fn a_key_that_admits_null_says_so() {
    for (key, said) in [
        ("id INTEGER PRIMARY KEY DESC", Some("`id` admits NULL: declare it NOT NULL")),
        ("id TEXT PRIMARY KEY", Some("`id` admits NULL: declare it NOT NULL")),
        ("id INTEGER PRIMARY KEY", None),
        ("id INTEGER NOT NULL PRIMARY KEY DESC", None),
    ] {
        let schema = format!(
            "CREATE TABLE account ({key}, deleted_at timestamptz); CREATE INDEX a ON account (deleted_at);"
        );
        let world = World::new(&rules(DELETED_AT, ""), &schema);
        let ran = check(&world, if said.is_some() { 65 } else { 0 });
        assert!(said.is_none_or(|said| ran.stderr.contains(said)), "{key}: {}", ran.stderr);
    }
    let child = "\n[[rule.dependent]]\nid = \"c\"\nclass = \"account\"\ntable = \"c\"\nmatch = { a = \"id\" }\naction = \"delete\"\n";
    let said = one(child, "CREATE TABLE c (a INTEGER); CREATE INDEX c_a ON c (a);", 65);
    assert!(
        said.contains("`c` has no primary key, and nothing says what identifies one of its records"),
        "{said}"
    );
}

/// Row numbers far apart are no size.
#[test]
fn a_table_is_no_larger_than_its_file() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, x TEXT);
                  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                  INSERT INTO account SELECT i * 1000000000, NULL, hex(zeroblob(2000)) FROM n;";
    let world = World::new(&rules(DELETED_AT, ""), schema);
    let said = world.run(&["check", "--connect"]).text();
    assert!(said.contains("MiB") && !said.contains("TiB"), "{said}");
}

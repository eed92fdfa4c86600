//! Keys and triggers of every type that a server has: exactly what is due goes, each of it can be proved by its key as a person types
//! it, and what is no time never goes and never stops a sweep.

use serde_json::Value as Json;

use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::servers::{Database, Engine};
use crate::world::{World, rules};

fn world<E: Engine>(database: &Database<E>, rules: &str) -> World {
    World::on(&database.datastore(E::ADMINISTRATOR), rules)
}

/// The columns of a key, a key that is due and one that is not, as SQL, and the first as a person types it.
type KeyCase = (&'static [(&'static str, &'static str)], &'static str, &'static str, &'static [&'static str]);

/// A table by each of these keys, swept and proved.
fn keys<E: Engine>(trigger_type: &str, trigger: &str, cases: &[KeyCase]) {
    for (columns, due, kept, typed) in cases {
        let database = Database::<E>::new();
        let defined: Vec<String> = columns.iter().map(|(name, ty)| format!("{name} {ty} NOT NULL")).collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        database.sql(&format!(
            "CREATE TABLE account ({}, deleted_at {trigger_type} NULL, PRIMARY KEY ({})); \
             INSERT INTO account VALUES ({due}, '1971-01-01 00:00:00'), ({kept}, '2020-01-01 00:00:00')",
            defined.join(", "),
            names.join(", ")
        ));
        let key: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let rules = rules(trigger, "").replace("key = [\"id\"]", &format!("key = [{}]", key.join(", ")));
        let world = world(&database, &rules);
        let ran = world.run(&["sweep", "--format", "json"]);
        assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(1)), "{columns:?}: {}", ran.text());
        let out = world.path("one.tlog-proof");
        let prove = ["prove", "site/account", "--out", out.to_str().unwrap(), "--"];
        world.ran(&[&prove[..], typed].concat(), 0);
        world.ran(
            &["verify", "--key", world.path("ledger.key.vkey").to_str().unwrap(), out.to_str().unwrap()],
            0,
        );
        assert_eq!(database.texts("SELECT count(*) FROM account"), ["1"], "{columns:?}");
    }
}

#[test]
fn records_of_postgresql_are_told_apart_by_keys_of_any_type() {
    let cases: [KeyCase; 14] = [
        (&[("id", "smallint")], "-7", "7", &["-7"]),
        (&[("id", "bigint")], "9223372036854775807", "9223372036854775806", &["9223372036854775807"]),
        (
            &[("id", "uuid")],
            "'00112233-4455-6677-8899-aabbccddeeff'",
            "'00112233-4455-6677-8899-aabbccddeefe'",
            &["00112233-4455-6677-8899-aabbccddeeff"],
        ),
        (&[("id", "text")], "'Straße'", "'strasse'", &["Straße"]),
        (&[("id", "char(8)")], "'ab'", "'AB'", &["ab"]),
        (&[("id", "bytea")], "'\\x00ff10'", "'\\x00ff11'", &["hex:00ff10"]),
        (&[("id", "numeric")], "1.50", "1.5000001", &["1.5"]),
        (&[("id", "date")], "'2020-02-29'", "'2020-03-01'", &["2020-02-29"]),
        (
            &[("id", "timestamptz")],
            "'2020-02-29 12:00:00.000001+00'",
            "'2020-02-29 12:00:00+00'",
            &["2020-02-29T12:00:00.000001Z"],
        ),
        (
            &[("id", "timestamp")],
            "'2020-02-29 12:00:00.5'",
            "'2020-02-29 12:00:00.500001'",
            &["2020-02-29T12:00:00.500000"],
        ),
        (
            &[("tenant", "uuid"), ("day", "date"), ("number", "smallint")],
            "'00112233-4455-6677-8899-aabbccddeeff', '1999-12-31', -1",
            "'00112233-4455-6677-8899-aabbccddeeff', '2000-01-01', -1",
            &["00112233-4455-6677-8899-aabbccddeeff", "1999-12-31", "-1"],
        ),
        (&[("id", "inet")], "'10.0.0.1'", "'10.0.0.1/24'", &["10.0.0.1"]),
        (&[("tenant", "text"), ("number", "int")], "'a', 1", "'a', 2", &["a", "1"]),
        (&[("id", "boolean")], "true", "false", &["1"]),
    ];
    keys::<Postgres>("timestamptz", r#"{ column = "deleted_at", pending = ["null"] }"#, &cases);
}

#[test]
fn records_of_mariadb_are_told_apart_by_keys_of_any_type() {
    const EXACT: &str = "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
    const GENERAL: &str = "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
    let cases: [KeyCase; 12] = [
        (&[("id", "int")], "-7", "7", &["-7"]),
        (
            &[("id", "bigint unsigned")],
            "18446744073709551615",
            "18446744073709551614",
            &["18446744073709551615"],
        ),
        (&[("id", "bigint")], "9223372036854775807", "9223372036854775806", &["9223372036854775807"]),
        (&[("id", EXACT)], "'Straße'", "'strasse'", &["Straße"]),
        (&[("id", GENERAL)], "'Anna'", "'Bert'", &["Anna"]),
        (&[("id", "varbinary(20)")], "x'00ff10'", "x'00ff11'", &["hex:00ff10"]),
        (&[("id", "decimal(20,4)")], "1.50", "1.5001", &["1.5"]),
        (&[("id", "date")], "'2020-02-29'", "'2020-03-01'", &["2020-02-29"]),
        (
            &[("id", "uuid")],
            "'00112233-4455-6677-8899-aabbccddeeff'",
            "'00112233-4455-6677-8899-aabbccddeefe'",
            &["00112233-4455-6677-8899-aabbccddeeff"],
        ),
        (&[("id", "bit(8)")], "b'00110101'", "b'00000101'", &["53"]),
        (&[("id", "enum('z', 'm', 'a')")], "'z'", "'a'", &["z"]),
        (&[("tenant", EXACT), ("number", "int")], "'a', 1", "'a', 2", &["a", "1"]),
    ];
    let trigger = r#"{ column = "deleted_at", time_zone = "Etc/UTC", pending = ["null"] }"#;
    keys::<MariaDb>("datetime(6)", trigger, &cases);
}

/// A column of a type, how it is read, and values: which are due, and which are no time of anything, whatever the engine makes of them.
struct TriggerCase {
    ty: &'static str,
    reading: &'static str,
    due: &'static [&'static str],
    stays: &'static [&'static str],
    undated: u64,
}

fn triggers<E: Engine>(cases: &[TriggerCase]) {
    for TriggerCase { ty, reading, due, stays, undated } in cases {
        let database = Database::<E>::new();
        database.sql(&format!("CREATE TABLE account (id int NOT NULL PRIMARY KEY, deleted_at {ty} NULL)"));
        let lax = if E::SCHEME == "mariadb" { "SET sql_mode = ''; " } else { "" };
        for (number, value) in due.iter().chain(*stays).enumerate() {
            database.sql(&format!("{lax}INSERT INTO account VALUES ({number}, {value})"));
        }
        // What the engine's statistics know, it asks for.
        database.sql(if E::SCHEME == "mariadb" { "ANALYZE TABLE account" } else { "ANALYZE account" });
        let trigger = format!("{{ column = \"deleted_at\"{reading} }}");
        let retain = if ty.starts_with("date") && !ty.contains('(') { "18262 days" } else { "50 years" };
        let world = world(
            &database,
            &rules(&trigger, "").replace("retain = \"50 years\"", &format!("retain = \"{retain}\"")),
        );
        let ran = world.run(&["sweep", "--format", "json"]);
        let said = ran.rule();
        let expected = (0, Some(due.len() as u64), Some(0));
        assert_eq!(
            (ran.code, said["disposed"].as_u64(), said["remaining"].as_u64()),
            expected,
            "{ty}: {}",
            ran.text()
        );
        let counted: u64 = said["undated"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(counted, *undated, "{ty}: {said}");
        let left = stays.len().to_string();
        assert_eq!(database.texts("SELECT count(*) FROM account"), [left], "{ty}");
    }
}

#[test]
fn triggers_of_postgresql_of_any_type_take_what_is_due_and_nothing_that_is_no_time() {
    triggers::<Postgres>(&[
        TriggerCase {
            ty: "timestamptz",
            reading: "",
            due: &["'1971-01-01 00:00:00+00'"],
            stays: &[
                "NULL",
                "'1970-01-01 00:00:00+00'",
                "'1969-12-31'",
                "'infinity'",
                "'-infinity'",
                "'9999-12-31'",
                "'12026-01-01'",
                "'294276-12-31 23:59:59.999999+00'",
                "'0044-03-15 BC'",
                "'2020-01-01'",
            ],
            undated: 9,
        },
        TriggerCase {
            ty: "timestamp",
            reading: ", time_zone = \"Europe/Berlin\"",
            due: &["'1971-01-01 00:00:00'"],
            stays: &[
                "NULL",
                "'infinity'",
                "'-infinity'",
                "'9999-12-31'",
                "'294276-12-31 23:59:59.999999'",
                "'2020-01-01'",
            ],
            undated: 5,
        },
        TriggerCase {
            ty: "date",
            reading: "",
            due: &["'1971-01-01'"],
            stays: &["NULL", "'infinity'", "'1970-01-01'", "'9999-12-31'", "'2020-01-01'"],
            undated: 4,
        },
        TriggerCase {
            ty: "int",
            reading: ", unit = \"s\"",
            due: &["31536000"],
            stays: &["NULL", "0", "-1", "2147483647", "1577836800"],
            undated: 4,
        },
        TriggerCase {
            ty: "bigint",
            reading: ", unit = \"ms\"",
            due: &["31536000000"],
            stays: &["NULL", "0", "9223372036854775807", "-9223372036854775808", "1577836800000"],
            undated: 4,
        },
        TriggerCase {
            ty: "bigint",
            reading: ", unit = \"us\"",
            due: &["31536000000000"],
            stays: &["9223372036854775807", "1577836800000000"],
            undated: 1,
        },
        TriggerCase {
            ty: "text",
            reading: ", format = \"%d.%m.%Y\"",
            due: &["'01.01.1971'"],
            stays: &["NULL", "''", "'31.02.1971'", "'yesterday'", "'01.01.2020'"],
            undated: 4,
        },
    ]);
}

/// When a sweep has bound its rule and counted, before it makes its session one that may dispose; and before its first batch.
const MEANWHILE: [&str; 2] = ["sweep-started.after:1", "prepare.before:1"];

/// The rule, with a period that a trigger of this type can have: a day is past due after days.
fn rules_of(ty: &str, trigger: &str) -> String {
    let retain = if ty == "date" { "18262 days" } else { "50 years" };
    rules(trigger, "").replace("retain = \"50 years\"", &format!("retain = \"{retain}\""))
}

/// A sweep in the midst of which this is done lets nothing go, and says why.
fn lets_nothing_go<E: Engine>(database: &Database<E>, rules: &str, point: &str, alter: &str) {
    let world = world(database, rules);
    let ran = world.run_paused(point, &["sweep", "--format", "json"], || {
        database.sql(alter);
    });
    let case = format!("{point}, {alter}: {}", ran.text());
    assert_eq!(database.texts("SELECT count(*) FROM account"), ["2"], "{case}");
    assert_eq!((&ran.rule()["result"], world.records("batch.committed")), (&"failed".into(), 0), "{case}");
    let said = ran.text();
    assert!(
        said.contains("schema has changed meanwhile") || said.contains("been altered meanwhile"),
        "{case}"
    );
    world.ran(&["ledger", "verify"], 0);
}

/// What was one day, or one instant, may be another by then: the rule was bound to what the column was.
#[test]
fn a_trigger_of_postgresql_whose_type_changes_during_a_sweep_lets_nothing_go() {
    let zoned = r#"{ column = "deleted_at", time_zone = "Europe/Berlin" }"#;
    let cases = [
        ("date", r#"{ column = "deleted_at" }"#, "timestamptz"),
        ("timestamptz", r#"{ column = "deleted_at" }"#, "date"),
        ("timestamptz", r#"{ column = "deleted_at" }"#, "timestamp"),
        ("timestamp", zoned, "date"),
        ("timestamp", zoned, "timestamptz"),
        ("timestamptz", r#"{ column = "deleted_at" }"#, "of_no_zone"),
        ("timestamp", zoned, "of_a_zone"),
    ];
    for (ty, trigger, becomes) in cases {
        // Rows with a text in them are read in another way.
        for (key, point) in ["int", "text"].into_iter().flat_map(|key| MEANWHILE.map(|point| (key, point))) {
            let database = Database::<Postgres>::new();
            database.sql(&format!(
                "CREATE DOMAIN of_no_zone AS timestamp; CREATE DOMAIN of_a_zone AS timestamptz; \
                 CREATE TABLE account (id {key} NOT NULL PRIMARY KEY, deleted_at {ty}); \
                 INSERT INTO account VALUES ('1', '1971-01-01'), ('2', '2020-01-01'); \
                 CREATE INDEX ON account (deleted_at); ANALYZE account"
            ));
            let alter = format!("ALTER TABLE account ALTER deleted_at TYPE {becomes}");
            lets_nothing_go(&database, &rules_of(ty, trigger), point, &alter);
        }
    }
}

/// The same where the times are another table's.
#[test]
fn a_trigger_in_other_rows_of_postgresql_whose_type_changes_during_a_sweep_lets_nothing_go() {
    for (ty, zone, becomes) in [
        ("timestamp", ", time_zone = \"Asia/Tokyo\"", "timestamptz USING until AT TIME ZONE 'Asia/Tokyo'"),
        ("timestamptz", "", "timestamp"),
        ("date", "", "timestamptz"),
    ] {
        for point in MEANWHILE {
            let database = Database::<Postgres>::new();
            database.sql(&format!(
                "CREATE TABLE account (id int PRIMARY KEY); INSERT INTO account VALUES (1), (2); \
                 CREATE TABLE licence (owner int, until {ty}); \
                 INSERT INTO licence VALUES (1, '1971-01-01'), (1, '1970-06-01'), (2, '2020-01-01')"
            ));
            let trigger = format!(
                "{{ table = \"licence\", match = {{ owner = \"id\" }}, column = \"until\", pick = \"latest\"{zone} }}"
            );
            let alter = format!("ALTER TABLE licence ALTER until TYPE {becomes}");
            lets_nothing_go(&database, &rules_of(ty, &trigger), point, &alter);
        }
    }
}

/// Another key would be proved than the one that went.
#[test]
fn a_key_of_postgresql_whose_type_changes_during_a_sweep_lets_nothing_go() {
    for (columns, key, alter) in [
        ("id text, name text", r#"["id"]"#, "id TYPE bigint USING id::bigint"),
        ("id bigint, name text", r#"["id"]"#, "id TYPE text"),
        ("id bigint, name text", r#"["id", "name"]"#, "id TYPE text"),
        ("id bigint, name text", r#"["id", "name"]"#, "name TYPE bytea USING name::bytea"),
    ] {
        for point in MEANWHILE {
            let database = Database::<Postgres>::new();
            database.sql(&format!(
                "CREATE TABLE account ({columns}, deleted_at timestamptz, PRIMARY KEY (id, name), UNIQUE (id)); \
                 INSERT INTO account VALUES ('10', 'a', '1971-01-01'), ('20', 'b', '2020-01-01'); \
                 CREATE INDEX ON account (deleted_at); ANALYZE account"
            ));
            let rules =
                rules(r#"{ column = "deleted_at" }"#, "").replace("key = [\"id\"]", &format!("key = {key}"));
            lets_nothing_go(&database, &rules, point, &format!("ALTER TABLE account ALTER {alter}"));
        }
    }
}

/// Milliseconds would be read as seconds, or the reverse.
#[test]
fn whole_numbers_of_postgresql_that_become_others_during_a_sweep_let_nothing_go() {
    // Rows with a text in them are read in another way.
    for (key, point) in ["int", "text"].into_iter().flat_map(|key| MEANWHILE.map(|point| (key, point))) {
        let database = Database::<Postgres>::new();
        database.sql(&format!(
            "CREATE TABLE account (id {key} NOT NULL PRIMARY KEY, deleted_at bigint); \
             INSERT INTO account VALUES ('1', 31536000000), ('2', 1577836800000); \
             CREATE INDEX ON account (deleted_at); ANALYZE account"
        ));
        let alter = "ALTER TABLE account ALTER deleted_at TYPE int USING deleted_at / 1000";
        lets_nothing_go(&database, &rules(r#"{ column = "deleted_at", unit = "ms" }"#, ""), point, alter);
    }
}

#[test]
fn what_only_narrows_a_rule_and_changes_its_type_before_the_first_batch_lets_nothing_go() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz, day date); \
         INSERT INTO account VALUES (1, '1971-01-01', '2020-01-01'), (2, '2020-01-01', '2020-01-01')",
    );
    let rules = rules(r#"{ column = "deleted_at" }"#, "only = { day = [\"2020-01-01\"] }");
    lets_nothing_go(&database, &rules, MEANWHILE[0], "ALTER TABLE account ALTER day TYPE timestamptz");
}

/// A domain has a type of its own, and is read as what it is made of.
#[test]
fn keys_and_triggers_of_domains_are_those_of_what_they_are_made_of() {
    let dependents = "[[rule.dependent]]\nid = \"comments\"\nclass = \"comment\"\ntable = \"comment\"\nkey = [\"id\"]\nmatch = { account = \"name\" }\naction = \"delete\"\n";
    for (key, typed) in
        [(r#"["name"]"#, &["a"][..]), (r#"["number"]"#, &["1"]), (r#"["name", "number"]"#, &["a", "1"])]
    {
        for (dependents, comments) in [("", "3"), (dependents, "1")] {
            let database = Database::<Postgres>::new();
            database.sql(
                "CREATE DOMAIN word AS text; CREATE DOMAIN whole AS bigint; CREATE DOMAIN moment AS timestamptz; \
                 CREATE TABLE account (name word NOT NULL UNIQUE, number whole NOT NULL UNIQUE, deleted_at moment); \
                 CREATE UNIQUE INDEX ON account (name, number); \
                 INSERT INTO account VALUES ('a', 1, '1971-01-01'), ('b', 2, '2020-01-01'); \
                 CREATE TABLE comment (id whole PRIMARY KEY, account word); CREATE INDEX ON comment (account); \
                 INSERT INTO comment VALUES (10, 'a'), (11, 'a'), (20, 'b')",
            );
            let rules = rules(r#"{ column = "deleted_at" }"#, dependents).replacen(
                "key = [\"id\"]",
                &format!("key = {key}"),
                1,
            );
            let world = world(&database, &rules);
            let ran = world.run(&["sweep", "--format", "json"]);
            assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(1)), "{key}: {}", ran.text());
            assert_eq!(database.texts("SELECT count(*) FROM comment"), [comments], "{key}");
            let out = world.path("one.tlog-proof");
            let prove = ["prove", "site/account", "--out", out.to_str().unwrap(), "--"];
            world.ran(&[&prove[..], typed].concat(), 0);
        }
    }
}

#[test]
fn a_table_of_postgresql_that_becomes_a_view_during_a_sweep_lets_nothing_go() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); \
         INSERT INTO account VALUES (1, '1971-01-01'), (2, '2020-01-01')",
    );
    let alter =
        "ALTER TABLE account RENAME TO account_of_old; CREATE VIEW account AS SELECT * FROM account_of_old";
    lets_nothing_go(&database, &rules(r#"{ column = "deleted_at" }"#, ""), MEANWHILE[0], alter);
}

#[test]
fn what_changes_its_type_in_mariadb_during_a_sweep_lets_nothing_go() {
    let own = r#"{ column = "deleted_at" }"#;
    let zoned = r#"{ column = "deleted_at", time_zone = "Asia/Tokyo" }"#;
    let elsewhere = r#"{ table = "licence", match = { owner = "id" }, column = "until", pick = "latest", time_zone = "Asia/Tokyo" }"#;
    let written = r#"{ table = "licence", match = { owner = "id" }, column = "written", pick = "latest", format = "%Y-%m-%d %H:%M:%S", time_zone = "Asia/Tokyo" }"#;
    for (ty, trigger, alter) in [
        ("datetime", zoned, "account MODIFY deleted_at timestamp NULL"),
        ("timestamp NULL", own, "account MODIFY deleted_at datetime"),
        ("date", own, "account MODIFY deleted_at datetime"),
        ("timestamp NULL", own, "account MODIFY id int NOT NULL"),
        ("timestamp NULL", own, "account MODIFY number varchar(20) NOT NULL"),
        ("datetime", elsewhere, "licence MODIFY until timestamp NULL"),
        ("datetime", written, "licence MODIFY written timestamp NULL"),
    ] {
        for point in MEANWHILE {
            let database = Database::<MariaDb>::new();
            database.sql(&format!(
                "CREATE TABLE account (id varchar(20) NOT NULL, number int NOT NULL, deleted_at {ty}, PRIMARY KEY (id, number)); \
                 INSERT INTO account VALUES ('10', 1, '1971-01-02'), ('20', 2, '2020-01-01'); \
                 CREATE TABLE licence (owner varchar(20), until datetime, written varchar(20)); \
                 INSERT INTO licence VALUES ('10', '1971-01-02', '1971-01-02 00:00:00'), \
                   ('10', '1970-06-01', '1970-06-01 00:00:00'), ('20', '2020-01-01', '2020-01-01 00:00:00')"
            ));
            let rules = rules_of(ty, trigger).replace("key = [\"id\"]", "key = [\"id\", \"number\"]");
            lets_nothing_go(&database, &rules, point, &format!("ALTER TABLE {alter}"));
        }
    }
}

#[test]
fn triggers_of_mariadb_of_any_type_take_what_is_due_and_nothing_that_is_no_time() {
    triggers::<MariaDb>(&[
        TriggerCase {
            ty: "timestamp(6)",
            reading: "",
            due: &["'1971-01-01 00:00:00'"],
            stays: &["NULL", "'0000-00-00 00:00:00'", "'2020-01-01'"],
            undated: 2,
        },
        TriggerCase {
            ty: "datetime",
            reading: ", time_zone = \"Europe/Berlin\"",
            due: &["'1971-01-01 00:00:00'"],
            stays: &[
                "NULL",
                "'0000-00-00 00:00:00'",
                "'1971-00-00 00:00:00'",
                "'9999-12-31'",
                "'2020-01-01'",
            ],
            undated: 4,
        },
        TriggerCase {
            ty: "date",
            reading: "",
            due: &["'1971-01-01'"],
            stays: &["NULL", "'0000-00-00'", "'1971-01-00'", "'9999-12-31'", "'2020-01-01'"],
            undated: 4,
        },
        TriggerCase {
            ty: "int unsigned",
            reading: ", unit = \"s\"",
            due: &["31536000"],
            stays: &["NULL", "0", "4294967295", "1577836800"],
            undated: 3,
        },
        TriggerCase {
            ty: "bigint unsigned",
            reading: ", unit = \"ms\"",
            due: &["31536000000"],
            stays: &["0", "18446744073709551615", "1577836800000"],
            undated: 2,
        },
        TriggerCase {
            ty: "varchar(20)",
            reading: ", format = \"%d.%m.%Y\"",
            due: &["'01.01.1971'"],
            stays: &["NULL", "''", "'31.02.1971'", "'01.01.2020'"],
            undated: 3,
        },
    ]);
}

#[test]
fn a_partitioned_table_is_swept_as_one() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id int NOT NULL, deleted_at timestamptz NOT NULL, PRIMARY KEY (id, deleted_at)) PARTITION BY RANGE (deleted_at); \
         CREATE TABLE old PARTITION OF account FOR VALUES FROM ('1970-01-01') TO ('1975-01-01'); \
         CREATE TABLE fresh PARTITION OF account FOR VALUES FROM ('1975-01-01') TO ('2100-01-01'); \
         CREATE INDEX ON account (deleted_at); \
         INSERT INTO account SELECT i, '1971-01-01'::timestamptz + i * interval '1 hour' FROM generate_series(1, 500) i; \
         INSERT INTO account SELECT i, '2020-01-01'::timestamptz + i * interval '1 hour' FROM generate_series(501, 1000) i; \
         ANALYZE account",
    );
    let rules =
        rules(r#"{ column = "deleted_at" }"#, "").replace("key = [\"id\"]", "key = [\"id\", \"deleted_at\"]");
    let world = world(&database, &rules);
    world.configure("= \"unlimited\"", "= \"unlimited\"\nbatch = 7");
    let ran = world.run(&["sweep", "--format", "json"]);
    assert_eq!((ran.code, ran.rule()["disposed"].as_u64()), (0, Some(500)), "{}", ran.text());
    assert_eq!(database.texts("SELECT min(id) || '-' || max(id) FROM account"), ["501-1000"]);
}

/// Of two records; what the deletion of the first would write elsewhere is named by no dependent.
fn the_second_goes_alone(database: &Database<Postgres>, rules: &str) {
    let world = world(database, rules);
    let ran = world.run(&["sweep", "--format", "json"]);
    let said = ran.rule();
    assert_eq!((said["disposed"].as_u64(), said["refused"].as_u64()), (Some(1), Some(1)), "{}", ran.text());
    assert_eq!(database.texts("SELECT id FROM account"), ["1"]);
    assert_eq!(database.texts("SELECT id FROM audit"), ["1"], "it is no dependent");
}

/// Nobody can read from a catalogue what it does: what it writes is counted, though the rule names the whole table.
#[test]
fn what_a_trigger_of_one_partition_alone_writes_is_counted() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id int NOT NULL, deleted_at timestamptz NOT NULL, PRIMARY KEY (id, deleted_at)) PARTITION BY RANGE (deleted_at); \
         CREATE TABLE before PARTITION OF account FOR VALUES FROM ('1970-01-01') TO ('1975-01-01'); \
         CREATE TABLE after PARTITION OF account FOR VALUES FROM ('1975-01-01') TO ('1980-01-01'); \
         CREATE TABLE audit (id int); INSERT INTO audit VALUES (1); \
         CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM audit; RETURN OLD; END'; \
         CREATE TRIGGER forget AFTER DELETE ON before FOR EACH ROW EXECUTE FUNCTION forget(); \
         INSERT INTO account VALUES (1, '1971-01-01'), (2, '1976-01-01')",
    );
    let rules =
        rules(r#"{ column = "deleted_at" }"#, "").replace("key = [\"id\"]", "key = [\"id\", \"deleted_at\"]");
    the_second_goes_alone(&database, &rules);
}

/// The same of what a rule of PostgreSQL's adds to a statement.
#[test]
fn what_a_rule_on_the_table_writes_is_counted() {
    let database = Database::<Postgres>::new();
    database.sql(
        "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); CREATE TABLE audit (id int); INSERT INTO audit VALUES (1); \
         CREATE RULE forget AS ON DELETE TO account WHERE old.id = 1 DO ALSO DELETE FROM audit; \
         INSERT INTO account VALUES (1, '1971-01-01'), (2, '1971-01-01')",
    );
    the_second_goes_alone(&database, &rules(r#"{ column = "deleted_at" }"#, ""));
}

#[test]
fn a_constraint_that_speaks_at_the_commit_sets_aside_one_record_whichever_way_the_sweep_goes() {
    for index in ["CREATE INDEX ON account (deleted_at);", ""] {
        let database = Database::<Postgres>::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, deleted_at timestamptz); {index} \
             CREATE TABLE child (account int REFERENCES account DEFERRABLE INITIALLY DEFERRED); \
             INSERT INTO account SELECT i, '1971-01-01' FROM generate_series(1, 300) i; INSERT INTO child VALUES (150); ANALYZE account"
        ));
        let world = world(&database, &rules(r#"{ column = "deleted_at" }"#, ""));
        world.configure("[defaults]\n", "[defaults]\nrun_cap = \"1 minute\"\n");
        let ran = world.run(&["sweep", "--format", "json"]);
        let said = ran.rule();
        let counts = [&said["disposed"], &said["refused"], &said["remaining"]].map(|n| n.as_u64().unwrap());
        assert_eq!(
            (ran.code, counts, &said["result"]),
            (1, [299, 1, 1], &Json::from("completed")),
            "{}",
            ran.text()
        );
        assert_eq!(database.texts("SELECT id FROM account"), ["150"]);
        world.ran(&["ledger", "verify"], 0);
    }
}

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::scratch::{Scratch, block, connect, root};
use super::*;
use crate::model::catalogue::{NoTable, OnDelete, Reference};

fn catalogue(scratch: &Scratch) -> Catalogue {
    block(async { read(&mut root().await, &scratch.name).await.unwrap() })
}

fn made(statements: &str) -> (Scratch, Catalogue) {
    let scratch = Scratch::new();
    scratch.run(statements);
    let catalogue = catalogue(&scratch);
    (scratch, catalogue)
}

fn table<'c>(catalogue: &'c Catalogue, name: &str) -> &'c Table {
    &catalogue.tables[&TableName::new(name).unwrap()]
}

fn column(name: &str) -> ColumnName {
    ColumnName::new(name).unwrap()
}

fn columns(names: &[&str]) -> BTreeSet<ColumnName> {
    names.iter().map(|name| column(name)).collect()
}

fn names(set: &BTreeSet<TableName>) -> Vec<&str> {
    set.iter().map(TableName::as_str).collect()
}

fn reference(from: &str, pairs: &[(&str, &str)], on_delete: OnDelete) -> Reference {
    let columns = pairs.iter().map(|(theirs, ours)| (column(theirs), column(ours))).collect();
    Reference { from: TableName::new(from).unwrap(), columns, on_delete }
}

#[test]
fn every_type_means_what_a_rule_may_read_in_it() {
    use ColumnKind::{Date, Instant, Integer, Naive, Other, Text};
    let types = [
        ("timestamp", Instant),
        ("timestamp(6)", Instant),
        ("datetime", Naive),
        ("datetime(3)", Naive),
        ("date", Date),
        ("tinyint", Integer),
        ("tinyint(1)", Integer),
        ("smallint", Integer),
        ("mediumint", Integer),
        ("int", Integer),
        ("bigint unsigned", Integer),
        ("bigint zerofill", Integer),
        ("char(4)", Text),
        ("varchar(20)", Text),
        ("nvarchar(20)", Text),
        ("tinytext", Text),
        ("text", Text),
        ("mediumtext", Text),
        ("longtext", Text),
        ("json", Text),
        ("enum('real','b')", Other),
        ("set('blob','b')", Other),
        ("year", Other),
        ("time", Other),
        ("bit(8)", Other),
        ("binary(16)", Other),
        ("varbinary(16)", Other),
        ("tinyblob", Other),
        ("blob", Other),
        ("longblob", Other),
        ("decimal(10,2)", Other),
        ("float", Other),
        ("double", Other),
        ("uuid", Other),
        ("inet4", Other),
        ("inet6", Other),
        ("point", Other),
    ];
    let mut sql = "CREATE TABLE t (id int PRIMARY KEY".to_owned();
    for (at, (declared, _)) in types.iter().enumerate() {
        write!(sql, ", c{at} {declared} NULL").unwrap();
    }
    let (_scratch, catalogue) = made(&format!("{sql})"));
    let table = table(&catalogue, "t");
    assert_eq!(table.columns.len(), types.len() + 1);
    for (column, (declared, kind)) in table.columns[1..].iter().zip(types) {
        assert_eq!(column.kind, kind, "{declared}: {column:?}");
        assert!(!column.not_null, "{declared}");
    }
    let of = |declared: &str| &table.columns[types.iter().position(|t| t.0 == declared).unwrap() + 1];
    assert_eq!(of("bigint unsigned").declared, "bigint(20) unsigned");
    assert_eq!(of("decimal(10,2)").declared, "decimal(10,2)");
    // The application's words are no types.
    assert!(!of("enum('real','b')").is_number());
    assert!(!of("set('blob','b')").tells_types_apart());
}

#[test]
fn a_column_takes_what_its_type_takes_and_constraints_are_read() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE t (id int PRIMARY KEY, a char(5), b varchar(24), c tinytext, d datetime, e date, f inet4, g inet6, h uuid, \
           i json, j enum('good','it''s', 'a,b'), k set('x'), l varbinary(30), m blob, n decimal(3,1), o time, p year, \
           q varchar(9) AS (a) VIRTUAL, r varchar(9) CHECK (r <> ''), CONSTRAINT reachable CHECK (a IS NOT NULL OR b IS NOT NULL)); \
         CREATE VIEW v AS SELECT 1 AS one",
    );
    let takes = |name: &str| {
        let column = table(&catalogue, "t").column(&ColumnName::new(name).unwrap()).unwrap();
        column.takes.clone()
    };
    assert_eq!([takes("a"), takes("b"), takes("c")], [5, 24, 255].map(|most| Takes::Text(Some(most))));
    assert_eq!([takes("d"), takes("e")], [Takes::Moments, Takes::Moments]);
    assert_eq!([takes("f"), takes("g")], [Takes::Addresses, Takes::Addresses]);
    assert_eq!([takes("h"), takes("i")], [Takes::Uuids, Takes::Json]);
    assert_eq!(takes("j"), Takes::OneOf(["good", "it's", "a,b"].map(str::to_owned).into()));
    assert_eq!([takes("k"), takes("o")], [Takes::Some, Takes::Some]);
    assert_eq!([takes("l"), takes("m"), takes("n"), takes("p"), takes("id")], [const { Takes::Nothing }; 5]);
    assert_eq!(table(&catalogue, "t").generated, columns(&["q"]));
    let check = |name: &str, about: &[&str]| Check { name: name.to_owned(), columns: columns(about) };
    assert_eq!(table(&catalogue, "t").checks, [check("r", &["r"]), check("reachable", &["a", "b"])]);
    assert_eq!(catalogue.no_tables[&TableName::new("v").unwrap()], NoTable::View);
}

#[test]
fn keys_and_indexes_are_what_the_engine_keeps_and_searches() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE t (b int NOT NULL, a int NOT NULL, n int, nn varchar(50) NOT NULL, p varchar(50) NOT NULL, \
         x text NOT NULL, ig int NOT NULL, ft text, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, \
         hid int INVISIBLE, PRIMARY KEY (b, a), UNIQUE KEY (n), UNIQUE KEY (nn, b), UNIQUE KEY (p(5)), UNIQUE KEY (x), \
         UNIQUE KEY (ig) IGNORED, FULLTEXT KEY (ft), UNIQUE KEY (s), KEY (a, n), KEY (v)); \
         CREATE TABLE none (a int); \
         CREATE VIEW seen AS SELECT * FROM t; CREATE SEQUENCE numbers; CREATE TABLE expunged_marker (id int)",
    );
    assert_eq!(catalogue.tables.len(), 2, "{:?}", catalogue.tables.keys());
    let t = table(&catalogue, "t");
    let listed: Vec<&str> = t.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(listed, ["b", "a", "n", "nn", "p", "x", "ig", "ft", "hid"]);
    assert_eq!(t.primary_key, [column("b"), column("a")]);
    let unique: BTreeSet<BTreeSet<ColumnName>> = t.unique.iter().cloned().collect();
    let expected = [columns(&["a", "b"]), columns(&["b", "nn"]), columns(&["x"]), columns(&["ig"])];
    assert_eq!(unique, expected.into_iter().collect());
    assert_eq!(t.distinct, columns(&["ig", "n", "p", "s", "x"]));
    assert_eq!(t.indexed, columns(&["a", "b", "n", "nn", "p", "s", "v"]));
    assert!(table(&catalogue, "none").primary_key.is_empty());
}

#[test]
fn a_deletion_writes_what_cascades_reach_and_no_more() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE a (x int, y int, k int, PRIMARY KEY (x, y), UNIQUE KEY (k)); \
         CREATE TABLE b (id int PRIMARY KEY, y int, x int, FOREIGN KEY (x, y) REFERENCES a (x, y) ON DELETE CASCADE); \
         CREATE TABLE c (id int PRIMARY KEY, b int, KEY (b), FOREIGN KEY (b) REFERENCES b (id) ON DELETE SET NULL); \
         CREATE TABLE d (id int PRIMARY KEY, c int, FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE); \
         CREATE TABLE e (id int PRIMARY KEY, cb int, FOREIGN KEY (cb) REFERENCES c (b) ON UPDATE CASCADE); \
         CREATE TABLE f (id int PRIMARY KEY, k int, FOREIGN KEY (k) REFERENCES a (k) ON UPDATE SET NULL); \
         CREATE TABLE g (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES a (x, y) ON UPDATE CASCADE)",
    );
    let a = table(&catalogue, "a");
    let pairs = [("x", "x"), ("y", "y")];
    assert!(a.referenced_by.contains(&reference("b", &pairs, OnDelete::Cascade)), "{:?}", a.referenced_by);
    assert!(a.referenced_by.contains(&reference("f", &[("k", "k")], OnDelete::Refuse)));
    assert!(a.referenced_by.contains(&reference("g", &pairs, OnDelete::Refuse)));
    // b goes, c is set to NULL, and with it e, which follows c; d hangs on c, which stays.
    assert_eq!(names(&a.delete_writes), ["a", "b", "c", "e"]);
    // The primary key stays as it is.
    assert_eq!(names(&a.update_writes), ["a", "f"]);
    assert_eq!(names(&table(&catalogue, "c").delete_writes), ["c", "d"]);
    assert_eq!(names(&table(&catalogue, "c").update_writes), ["c", "e"]);
    assert_eq!(names(&table(&catalogue, "b").update_writes), ["b"]);
}

#[test]
fn a_cycle_of_cascades_ends() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE a (id int PRIMARY KEY, c int, up int, FOREIGN KEY (up) REFERENCES a (id) ON DELETE CASCADE); \
         CREATE TABLE b (id int PRIMARY KEY, a int, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE); \
         CREATE TABLE c (id int PRIMARY KEY, b int, FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE); \
         ALTER TABLE a ADD FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE",
    );
    for name in ["a", "b", "c"] {
        assert_eq!(names(&table(&catalogue, name).delete_writes), ["a", "b", "c"]);
        assert_eq!(names(&table(&catalogue, name).update_writes), [name]);
    }
    let own = reference("a", &[("up", "id")], OnDelete::Cascade);
    assert!(table(&catalogue, "a").referenced_by.contains(&own));
}

#[test]
fn names_are_as_they_are_spelled() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE `we ird``é€` (`i d` int PRIMARY KEY, `K` int UNIQUE); CREATE TABLE `WE IRD``é€` (id int PRIMARY KEY); \
         CREATE TABLE `we ird``e€` (id int PRIMARY KEY, `ß.` int, \
         FOREIGN KEY (`ß.`) REFERENCES `we ird``é€` (`I D`) ON DELETE CASCADE); \
         CREATE TRIGGER `tr ``ü` AFTER DELETE ON `we ird``é€` FOR EACH ROW SET @x = 1; \
         CREATE TRIGGER other BEFORE UPDATE ON `we ird``é€` FOR EACH ROW SET @x = 1; \
         CREATE TABLE `a\tb` (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES `we ird``é€` (`i d`) ON DELETE CASCADE)",
    );
    assert_eq!(catalogue.beside.nameless, 1);
    let accented = table(&catalogue, "we ird`é€");
    assert_eq!(accented.triggers, ["other", "tr `ü"]);
    assert_eq!(accented.primary_key, [column("i d")]);
    let expected = [reference("we ird`e€", &[("ß.", "i d")], OnDelete::Cascade)];
    assert_eq!(accented.referenced_by, expected);
    let nameless = "(a table whose name no rule can write)";
    assert_eq!(names(&accented.delete_writes), [nameless, "we ird`e€", "we ird`é€"]);
    assert!(table(&catalogue, "WE IRD`é€").triggers.is_empty());
    assert!(table(&catalogue, "WE IRD`é€").referenced_by.is_empty());
    assert_eq!(names(&table(&catalogue, "we ird`e€").delete_writes), ["we ird`e€"]);
}

#[test]
fn a_foreign_key_of_another_database_is_seen_with_what_hangs_on_it() {
    let mut scratch = Scratch::new();
    let other = scratch.database("_b");
    let own = scratch.name.clone();
    scratch.run(&format!(
        "CREATE TABLE a (id int PRIMARY KEY); \
         CREATE TABLE `{other}`.b (id int PRIMARY KEY, a int, FOREIGN KEY (a) REFERENCES `{own}`.a (id) ON DELETE CASCADE); \
         CREATE TABLE `{other}`.a (id int PRIMARY KEY, b int, FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE); \
         CREATE TABLE back (id int PRIMARY KEY, a int, FOREIGN KEY (a) REFERENCES `{other}`.a (id) ON DELETE SET NULL)"
    ));
    let catalogue = catalogue(&scratch);
    let (theirs_a, theirs_b) = (format!("{other}.a"), format!("{other}.b"));
    let a = table(&catalogue, "a");
    assert_eq!(a.referenced_by, [reference(&theirs_b, &[("a", "id")], OnDelete::Cascade)]);
    assert_eq!(names(&a.delete_writes), ["a", "back", &theirs_a, &theirs_b]);
    assert!(table(&catalogue, "back").referenced_by.is_empty());
    // A table of that very name stands for nothing of the other database.
    scratch.run(&format!("CREATE TABLE `{other}.b` (id int PRIMARY KEY)"));
    let catalogue = self::catalogue(&scratch);
    assert!(table(&catalogue, "a").referenced_by.is_empty());
    let nameless = "(a table whose name no rule can write)";
    assert_eq!(names(&table(&catalogue, "a").delete_writes), [nameless, "a", "back", &theirs_a]);
}

#[test]
fn what_cannot_be_rolled_back_or_keeps_its_history_says_so() {
    let (_scratch, catalogue) = made(
        "CREATE TABLE i (id int PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE m (id int PRIMARY KEY) ENGINE=MyISAM; \
         CREATE TABLE r (id int PRIMARY KEY) ENGINE=Aria; CREATE TABLE v (id int PRIMARY KEY) WITH SYSTEM VERSIONING; \
         CREATE TABLE w (id int PRIMARY KEY, f timestamp(6) GENERATED ALWAYS AS ROW START, \
         t timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (f, t)) WITH SYSTEM VERSIONING",
    );
    let said = |name: &str| {
        let table = table(&catalogue, name);
        assert_eq!(table.delete_broken, table.update_broken);
        table.delete_broken.clone().map(|broken| broken.why)
    };
    assert_eq!(said("i"), None);
    for engine in [("m", "MyISAM"), ("r", "Aria")] {
        let expected = format!(
            "its engine `{}` has no transactions, so that a batch could not be rolled back",
            engine.1
        );
        assert_eq!(said(engine.0).unwrap(), expected);
    }
    for versioned in ["v", "w"] {
        let expected = "it keeps the history of its rows, and with it what would be gone";
        assert_eq!(said(versioned).unwrap(), expected);
    }
    assert_eq!(table(&catalogue, "v").columns.len(), 1);
    assert_eq!(table(&catalogue, "w").columns.len(), 1);
}

#[test]
fn nothing_is_disposed_of_where_foreign_keys_may_be_hidden() {
    let mut scratch = Scratch::new();
    let account = scratch.account("x");
    scratch.run(&format!(
        "CREATE TABLE a (id int PRIMARY KEY); \
         CREATE TABLE b (id int PRIMARY KEY, a int, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE); \
         GRANT SELECT, DELETE ON a TO `{account}`@`%`"
    ));
    let seen = || block(async { read(&mut connect(&account, "x").await, &scratch.name).await.unwrap() });
    let catalogue = seen();
    assert_eq!(catalogue.tables.len(), 1);
    assert!(table(&catalogue, "a").referenced_by.is_empty());
    assert_eq!(names(&table(&catalogue, "a").delete_writes), ["a"]);
    let broken = table(&catalogue, "a").delete_broken.clone().unwrap();
    assert!(broken.why.ends_with("and the engine would follow those that it cannot see"), "{broken:?}");
    assert_eq!(
        broken.help,
        format!("run: GRANT REFERENCES ON *.* TO `{account}`@`%`; it shows foreign keys and no data")
    );
    // Which alone shows everything.
    scratch.run(&format!("GRANT REFERENCES ON *.* TO `{account}`@`%`"));
    let catalogue = seen();
    assert_eq!(names(&table(&catalogue, "a").delete_writes), ["a", "b"]);
    assert_eq!(table(&catalogue, "a").referenced_by, [reference("b", &[("a", "id")], OnDelete::Cascade)]);
    assert_eq!(table(&catalogue, "a").delete_broken, None);
    assert_eq!(table(&catalogue, "b").columns.len(), 2);
    assert_eq!(catalogue, self::catalogue(&scratch));
}

#[test]
fn a_thousand_tables_are_read_in_reasonable_time() {
    let scratch = Scratch::new();
    let mut sql = String::new();
    for at in 0..1000 {
        write!(
            sql,
            "CREATE TABLE t{at} (id int PRIMARY KEY, a varchar(20) NOT NULL UNIQUE, b datetime, KEY (b)"
        )
        .unwrap();
        // One in ten holds a foreign key; a file for each of the others would make the test slow, and not what is tested.
        match (at % 10, at % 100) {
            (0, 0) => sql.push_str("); "),
            (0, _) => {
                let to = at - 10;
                write!(sql, ", p int, FOREIGN KEY (p) REFERENCES t{to} (id) ON DELETE CASCADE); ").unwrap();
            }
            (_, _) => sql.push_str(") ENGINE=MyISAM; "),
        }
    }
    scratch.run(&sql);
    let clock = crate::clock::Stopwatch::start();
    let catalogue = catalogue(&scratch);
    println!("1,000 tables, 90 foreign keys: {:?}", clock.elapsed());
    assert_eq!(catalogue.tables.len(), 1000);
    assert_eq!(table(&catalogue, "t0").delete_writes.len(), 10);
    let one = table(&catalogue, "t10");
    assert_eq!((one.columns.len(), one.unique.len(), one.indexed.len()), (4, 2, 4));
}

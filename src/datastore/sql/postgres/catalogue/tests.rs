//! Against the standing server, each in a database of its own.

use super::scratch::{Database, block};
use super::*;
use crate::model::catalogue::Reference;

fn catalogue(database: &Database) -> Catalogue {
    block(async { read(&mut database.connect().await, "public").await.unwrap() })
}

fn table<'c>(catalogue: &'c Catalogue, name: &str) -> &'c Table {
    &catalogue.tables[&TableName::new(name).unwrap()]
}

fn names<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

/// `from(theirs=ours,…) ACTION`.
fn keys(table: &Table) -> Vec<String> {
    let pairs = |r: &Reference| names(r.columns.iter().map(|(t, o)| format!("{t}={o}"))).join(",");
    table.referenced_by.iter().map(|r| format!("{}({}) {}", r.from, pairs(r), r.on_delete.as_str())).collect()
}

fn sets(table: &Table) -> Vec<Vec<String>> {
    let mut sets: Vec<Vec<String>> = table.unique.iter().map(names).collect();
    sets.sort();
    sets
}

#[test]
fn columns_are_of_the_kind_that_their_type_is_made_of() {
    let database = Database::new(
        "CREATE EXTENSION IF NOT EXISTS citext; \
         CREATE DOMAIN amount AS numeric(10,2); CREATE DOMAIN email AS varchar(80); \
         CREATE DOMAIN work_email AS email NOT NULL; CREATE TYPE mood AS ENUM ('good'); \
         CREATE DOMAIN moment AS timestamptz(3); CREATE TYPE \"date\" AS (y int); \
         CREATE TABLE t (a timestamptz NOT NULL, b timestamp(3), c pg_catalog.date, d int2, e int4, f bigint, g text, h varchar(9), \
           i char(3), j citext, k name, l uuid, m jsonb, n amount, o email, p work_email, q mood, r moment, s text[], \
           t bool, u int GENERATED ALWAYS AS IDENTITY, v int GENERATED ALWAYS AS (d + 1) STORED, w timetz, x \"char\", \
           y public.\"date\", dropped int); ALTER TABLE t DROP COLUMN dropped",
    );
    let catalogue = catalogue(&database);
    let column = |c: &Column| {
        format!("{} {:?} {}{}", c.name, c.kind, c.declared, if c.not_null { " NOT NULL" } else { "" })
    };
    let found: Vec<String> = table(&catalogue, "t").columns.iter().map(column).collect();
    assert_eq!(
        found,
        [
            "a Instant timestamp with time zone NOT NULL",
            "b Naive timestamp(3) without time zone",
            "c Date date",
            "d Integer smallint",
            "e Integer integer",
            "f Integer bigint",
            "g Text text",
            "h Text character varying(9)",
            "i Text character(3)",
            "j Text citext",
            "k Text name",
            "l Other uuid",
            "m Other jsonb",
            "n Other amount (numeric(10,2))",
            "o Text email (character varying(80))",
            "p Text work_email (character varying(80)) NOT NULL",
            "q Other mood",
            "r Instant moment (timestamp(3) with time zone)",
            "s Other text[]",
            "t Other boolean",
            "u Integer integer NOT NULL",
            "w Other time with time zone",
            "x Other \"char\"",
            "y Other public.date",
        ]
    );
}

#[test]
fn a_column_takes_what_its_type_takes_whatever_domain_it_is_of() {
    let database = Database::new(
        "CREATE DOMAIN short AS varchar(9); CREATE DOMAIN nick AS short; CREATE TYPE mood AS ENUM ('good', 'it''s'); \
         CREATE DOMAIN humour AS mood; CREATE TYPE pair AS (a int); CREATE EXTENSION IF NOT EXISTS citext; \
         CREATE EXTENSION IF NOT EXISTS hstore; \
         CREATE TABLE t (a text, b varchar, c varchar(24), d char(5), e nick, f citext, g name, h date, i timestamptz, j inet, k cidr, \
           l uuid, m jsonb, n humour, o bytea, p int, q bool, r text[], s pair, \"t\" xml, u hstore, v mood[], \
           w text GENERATED ALWAYS AS (a) STORED)",
    );
    let catalogue = catalogue(&database);
    let takes = |name: &str| {
        let column = table(&catalogue, "t").column(&ColumnName::new(name).unwrap()).unwrap();
        column.takes.clone()
    };
    for (name, most) in
        [("a", None), ("b", None), ("c", Some(24)), ("d", Some(5)), ("e", Some(9)), ("f", None)]
    {
        assert_eq!(takes(name), Takes::Text(most), "{name}");
    }
    assert_eq!(takes("g"), Takes::Text(Some(63)));
    assert_eq!([takes("h"), takes("i")], [Takes::Moments, Takes::Moments]);
    assert_eq!([takes("j"), takes("k")], [Takes::Addresses, Takes::Some]);
    assert_eq!([takes("l"), takes("m")], [Takes::Uuids, Takes::Json]);
    assert_eq!(takes("n"), Takes::OneOf(["good", "it's"].map(str::to_owned).into()));
    assert_eq!([takes("o"), takes("p"), takes("q")], [const { Takes::Nothing }; 3]);
    assert_eq!([takes("r"), takes("s"), takes("t"), takes("v")], [const { Takes::Some }; 4]);
    assert_eq!(takes("u"), Takes::Unknown);
    assert_eq!(names(&table(&catalogue, "t").generated), ["w"]);
}

#[test]
fn what_has_the_name_of_a_table_and_is_none_is_told_apart_and_constraints_are_read() {
    let database = Database::new(
        "CREATE DOMAIN lower AS text CHECK (VALUE = lower(VALUE)); CREATE DOMAIN nick AS lower CONSTRAINT short CHECK (length(VALUE) < 9); \
         CREATE TABLE t (id int CHECK (id > 0), a text, b nick, CONSTRAINT reachable CHECK (a IS NOT NULL OR b IS NOT NULL)); \
         CREATE VIEW v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS one; \
         CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9); \
         CREATE EXTENSION postgres_fdw; CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw; \
         CREATE FOREIGN TABLE f (id int) SERVER other; CREATE TABLE q (id int) PARTITION BY RANGE (id); \
         CREATE FOREIGN TABLE q_1 PARTITION OF q FOR VALUES FROM (0) TO (9) SERVER other",
    );
    let catalogue = catalogue(&database);
    assert_eq!(names(catalogue.tables.keys()), ["p", "q", "t"]);
    let no_tables: Vec<String> =
        catalogue.no_tables.iter().map(|(name, what)| format!("{name}: {what}")).collect();
    assert_eq!(
        no_tables,
        [
            "f: a foreign table",
            "mv: a materialized view",
            "p_1: a partition of `p`",
            "q_1: a partition of `q`",
            "v: a view"
        ]
    );
    assert_eq!(table(&catalogue, "p").delete_broken, None);
    let foreign = why(table(&catalogue, "q").update_broken.as_ref()).unwrap();
    assert!(foreign.starts_with("one of its partitions is a foreign table"), "{foreign}");
    let checks: Vec<String> = table(&catalogue, "t")
        .checks
        .iter()
        .map(|check| format!("{}: {}", check.name, names(&check.columns).join(" ")))
        .collect();
    assert_eq!(checks, ["lower.lower_check: b", "nick.short: b", "reachable: a b", "t_id_check: id"]);
}

#[test]
fn only_an_index_that_holds_for_every_row_and_every_value_makes_a_key() {
    let database = Database::new(
        "CREATE DOMAIN filled AS int NOT NULL; \
         CREATE TABLE t (a int, b int NOT NULL, c int NOT NULL, d int NOT NULL, e int, f int NOT NULL, g filled, h int NOT NULL, \
           i text NOT NULL, j int NOT NULL, m int NOT NULL, \
           n int NOT NULL, o text NOT NULL, PRIMARY KEY (b, a)); \
         CREATE UNIQUE INDEX ON t (o text_pattern_ops); \
         CREATE UNIQUE INDEX ON t (c) INCLUDE (d); ALTER TABLE t ADD UNIQUE (d) DEFERRABLE INITIALLY DEFERRED; \
         CREATE UNIQUE INDEX ON t (e); CREATE UNIQUE INDEX ON t (f) WHERE a > 0; CREATE UNIQUE INDEX ON t (g); \
         CREATE UNIQUE INDEX ON t (h, lower(i)); CREATE INDEX ON t (lower(i), j); CREATE INDEX ON t USING hash (j); \
         CREATE INDEX ON t (m, h); \
         CREATE UNIQUE INDEX halfway ON t (n); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'halfway'::regclass",
    );
    let catalogue = catalogue(&database);
    let t = table(&catalogue, "t");
    assert_eq!(names(&t.primary_key), ["b", "a"]);
    assert_eq!(sets(t), [vec!["a", "b"], vec!["c"]]);
    assert_eq!(names(&t.distinct), ["c", "d", "e", "f", "g", "o"]);
    assert_eq!(names(&t.indexed), ["b", "c", "d", "e", "g", "h", "m", "o"]);
}

#[test]
fn where_equal_texts_differ_only_an_index_that_takes_them_for_equal_makes_a_key() {
    let database = Database::new(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
         CREATE TABLE t (a text COLLATE blind NOT NULL UNIQUE, b text COLLATE blind NOT NULL, c text NOT NULL); \
         CREATE UNIQUE INDEX ON t (b COLLATE \"C\"); CREATE UNIQUE INDEX ON t (c COLLATE blind)",
    );
    let catalogue = catalogue(&database);
    assert_eq!(sets(table(&catalogue, "t")), [vec!["a"], vec!["c"]]);
    assert_eq!(names(&table(&catalogue, "t").distinct), ["a", "b", "c"]);
}

#[test]
fn a_deletion_is_followed_over_three_tables_and_round_in_a_circle() {
    let database = Database::new(
        "CREATE TABLE a (id int PRIMARY KEY, tag int UNIQUE, c_id int); \
         CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE); \
         CREATE TABLE c (id int PRIMARY KEY, b_id int REFERENCES b ON DELETE CASCADE); \
         ALTER TABLE a ADD FOREIGN KEY (c_id) REFERENCES c ON DELETE CASCADE; \
         CREATE TABLE log (b_id int REFERENCES b ON DELETE SET NULL, note int UNIQUE); \
         CREATE TABLE log_note (note int REFERENCES log (note) ON DELETE CASCADE ON UPDATE CASCADE); \
         CREATE TABLE kept (a_id int REFERENCES a); \
         CREATE TABLE tagged (tag int DEFAULT 0 REFERENCES a (tag) ON UPDATE SET DEFAULT ON DELETE RESTRICT, mark int UNIQUE); \
         CREATE TABLE follows (tag int REFERENCES tagged (mark) ON UPDATE CASCADE); \
         CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE)",
    );
    let catalogue = catalogue(&database);
    assert_eq!(names(&table(&catalogue, "a").delete_writes), ["a", "b", "c", "log"]);
    assert_eq!(names(&table(&catalogue, "c").delete_writes), ["a", "b", "c", "log"]);
    assert_eq!(names(&table(&catalogue, "kept").delete_writes), ["kept"]);
    // `mark` stays as it is when `tag` goes to its default.
    assert_eq!(names(&table(&catalogue, "a").update_writes), ["a", "tagged"]);
    assert_eq!(names(&table(&catalogue, "log").update_writes), ["log", "log_note"]);
    assert_eq!(
        keys(table(&catalogue, "a")),
        ["b(a_id=id) CASCADE", "kept(a_id=id) RESTRICT", "tagged(tag=tag) RESTRICT"]
    );
    assert_eq!(keys(table(&catalogue, "b")), ["c(b_id=id) CASCADE", "log(b_id=id) SET NULL"]);
    assert_eq!(keys(table(&catalogue, "tree")), ["tree(up=id) CASCADE"]);
}

#[test]
fn a_key_of_several_columns_keeps_its_pairs() {
    let database = Database::new(
        "CREATE TABLE a (x int, y int, z int, PRIMARY KEY (y, x)); \
         CREATE TABLE b (p int, q int, FOREIGN KEY (p, q) REFERENCES a (x, y) ON DELETE SET DEFAULT)",
    );
    let catalogue = catalogue(&database);
    assert_eq!(keys(table(&catalogue, "a")), ["b(p=x,q=y) SET DEFAULT"]);
    assert_eq!(names(&table(&catalogue, "a").primary_key), ["y", "x"]);
    assert_eq!(names(&table(&catalogue, "a").delete_writes), ["a", "b"]);
    assert_eq!(names(&table(&catalogue, "b").update_writes), ["b"]);
}

#[test]
fn a_partitioned_table_stands_for_its_partitions_and_what_is_declared_on_them() {
    let database = Database::new(
        "CREATE TABLE account (id int PRIMARY KEY); \
         CREATE TABLE event (id int, extra int, account_id int REFERENCES account ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
         CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10); \
         CREATE TABLE event_2 (account_id int, id int NOT NULL, extra int); \
         ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (10) TO (20); \
         CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (20) TO (90) PARTITION BY RANGE (id); \
         CREATE TABLE event_3a PARTITION OF event_3 FOR VALUES FROM (20) TO (30); \
         CREATE TABLE extra (id int PRIMARY KEY); \
         ALTER TABLE event_3a ADD FOREIGN KEY (extra) REFERENCES extra ON DELETE SET NULL; \
         ALTER TABLE event_2 ADD FOREIGN KEY (extra) REFERENCES extra ON DELETE SET NULL; \
         CREATE TABLE seen (event_id int REFERENCES event ON DELETE CASCADE); \
         CREATE TABLE seen_1 (event_id int REFERENCES event_1 ON DELETE CASCADE); \
         CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
         CREATE TRIGGER every BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION nothing(); \
         CREATE TRIGGER lonely BEFORE DELETE ON event_3a FOR EACH ROW EXECUTE FUNCTION nothing()",
    );
    let catalogue = catalogue(&database);
    assert_eq!(names(catalogue.tables.keys()), ["account", "event", "extra", "seen", "seen_1"]);
    assert_eq!(keys(table(&catalogue, "account")), ["event(account_id=id) CASCADE"]);
    assert_eq!(keys(table(&catalogue, "extra")), ["event(extra=id) SET NULL"]);
    let event = table(&catalogue, "event");
    assert_eq!(keys(event), ["seen(event_id=id) CASCADE", "seen_1(event_id=id) CASCADE"]);
    assert_eq!(names(&event.delete_writes), ["event", "seen", "seen_1"]);
    assert_eq!(names(&table(&catalogue, "account").delete_writes), ["account", "event", "seen", "seen_1"]);
    assert_eq!(event.triggers, ["every", "lonely"]);
    assert_eq!(sets(event), [vec!["id"]]);
    assert_eq!(names(event.columns.iter().map(|c| &c.name)), ["id", "extra", "account_id"]);
}

#[test]
fn a_statement_on_a_table_has_the_rows_of_those_that_inherit_from_it() {
    let database = Database::new(
        "CREATE TABLE base (id int PRIMARY KEY, note text); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base); \
         CREATE TABLE below () INHERITS (heir); CREATE TABLE on_heir (id int REFERENCES heir ON DELETE CASCADE)",
    );
    let catalogue = catalogue(&database);
    assert_eq!(names(&table(&catalogue, "base").delete_writes), ["base", "below", "heir", "on_heir"]);
    assert_eq!(names(&table(&catalogue, "base").update_writes), ["base", "below", "heir"]);
    assert_eq!(names(&table(&catalogue, "heir").delete_writes), ["below", "heir", "on_heir"]);
    assert_eq!(keys(table(&catalogue, "base")), Vec::<String>::new());
    assert_eq!(names(&table(&catalogue, "base").heirs), ["below", "heir"]);
    assert_eq!(names(&table(&catalogue, "below").heirs), Vec::<String>::new());
}

#[test]
fn names_stand_as_they_are_and_another_schemas_table_bears_its_schema() {
    let database = Database::new(
        "CREATE SCHEMA \"Other\"; CREATE TABLE \"Größe \"\"x\"\"\" (\"Id; --\" int PRIMARY KEY, \"é\"\"\" text); \
         CREATE TABLE \"Other\".\"T.t\" (x int REFERENCES public.\"Größe \"\"x\"\"\" ON DELETE CASCADE, y int UNIQUE); \
         CREATE TABLE back (y int REFERENCES \"Other\".\"T.t\" (y) ON DELETE CASCADE); \
         CREATE TABLE \"bad\nname\" (x int REFERENCES \"Größe \"\"x\"\"\" ON DELETE CASCADE); CREATE TABLE expunged_marker (name text); \
         CREATE TABLE \"bad\ncolumn\" (\"a\nb\" int PRIMARY KEY); CREATE TABLE c (\"a\nb\" int, c int, PRIMARY KEY (c, \"a\nb\")); \
         CREATE VIEW v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS one; CREATE TABLE empty ()",
    );
    let catalogue = catalogue(&database);
    assert_eq!(names(catalogue.tables.keys()), ["Größe \"x\"", "back", "c", "empty"]);
    assert_eq!(catalogue.beside.nameless, 2);
    let odd = table(&catalogue, "Größe \"x\"");
    assert_eq!(keys(odd), ["Other.T.t(x=Id; --) CASCADE"]);
    assert_eq!(
        names(&odd.delete_writes),
        ["(a table whose name no rule can write)", "Größe \"x\"", "Other.T.t", "back"]
    );
    assert_eq!(names(odd.columns.iter().map(|c| &c.name)), ["Id; --", "é\""]);
    let c = table(&catalogue, "c");
    assert_eq!((names(&c.primary_key), sets(c)), (Vec::new(), Vec::new()));
    assert_eq!(names(&table(&catalogue, "empty").delete_writes), ["empty"]);
    assert_eq!(names(&table(&catalogue, "empty").update_writes), Vec::<String>::new());
    let other = block(async { read(&mut database.connect().await, "Other").await.unwrap() });
    assert_eq!(keys(table(&other, "T.t")), ["public.back(y=y) CASCADE"]);
    let nowhere = block(async { read(&mut database.connect().await, "nowhere").await.unwrap() });
    assert_eq!(nowhere, Catalogue::default());
}

fn why(broken: Option<&Broken>) -> Option<&str> {
    broken.map(|broken| broken.why.as_str())
}

#[test]
fn triggers_and_rules_count_while_they_are_enabled() {
    let database = Database::new(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
         CREATE TABLE t (id int PRIMARY KEY, note text); CREATE TABLE log (id int); \
         CREATE TABLE hangs (id int REFERENCES t ON DELETE CASCADE); \
         CREATE TRIGGER b BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION nothing(); \
         CREATE TRIGGER a AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION nothing(); \
         CREATE TRIGGER off BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION nothing(); \
         ALTER TABLE t DISABLE TRIGGER off; \
         CREATE RULE also AS ON DELETE TO t DO ALSO INSERT INTO log VALUES (OLD.id); \
         CREATE TABLE soft (id int, gone bool); \
         CREATE RULE instead AS ON DELETE TO soft DO INSTEAD UPDATE soft SET gone = true WHERE id = OLD.id; \
         CREATE RULE frozen AS ON UPDATE TO log WHERE OLD.id > 0 DO INSTEAD NOTHING; \
         CREATE TABLE past (id int); CREATE RULE was AS ON DELETE TO past DO INSTEAD NOTHING; ALTER TABLE past DISABLE RULE was",
    );
    let catalogue = catalogue(&database);
    assert_eq!(table(&catalogue, "t").triggers, ["a", "also", "b"]);
    assert_eq!(table(&catalogue, "t").delete_broken, None);
    assert_eq!(table(&catalogue, "hangs").triggers, Vec::<String>::new());
    assert_eq!(why(table(&catalogue, "soft").delete_broken.as_ref()), Some("a rule replaces DELETE"));
    assert_eq!(table(&catalogue, "soft").update_broken, None);
    assert_eq!(why(table(&catalogue, "log").update_broken.as_ref()), Some("a rule replaces UPDATE"));
    assert_eq!(
        table(&catalogue, "past"),
        &Table { triggers: Vec::new(), ..table(&catalogue, "past").clone() }
    );
    assert_eq!(table(&catalogue, "past").delete_broken, None);
}

#[test]
fn a_published_table_needs_a_replica_identity() {
    let database = Database::new(
        "CREATE TABLE bare (id int NOT NULL UNIQUE); CREATE TABLE keyed (id int PRIMARY KEY); \
         CREATE TABLE late (id int PRIMARY KEY DEFERRABLE); CREATE TABLE full_row (id int); \
         ALTER TABLE full_row REPLICA IDENTITY FULL; CREATE TABLE by_index (id int NOT NULL); \
         CREATE UNIQUE INDEX i ON by_index (id); ALTER TABLE by_index REPLICA IDENTITY USING INDEX i; \
         CREATE TABLE part (id int) PARTITION BY RANGE (id); CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9); \
         CREATE TABLE private (id int); \
         CREATE PUBLICATION p FOR TABLE bare, keyed, late, full_row, by_index WITH (publish = 'insert, delete'); \
         CREATE PUBLICATION q FOR TABLE part WITH (publish = 'update', publish_via_partition_root); \
         CREATE PUBLICATION r FOR TABLE private WITH (publish = 'insert')",
    );
    let catalogue = catalogue(&database);
    let broken = |by: fn(&Table) -> &Option<Broken>| {
        names(catalogue.tables.iter().filter(|(_, table)| by(table).is_some()).map(|(name, _)| name))
    };
    assert_eq!(broken(|t| &t.delete_broken), ["bare", "late"]);
    assert_eq!(broken(|t| &t.update_broken), ["part"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is for whoever reads the output")]
fn thousands_of_tables_are_read_at_once() {
    let database = Database::new("CREATE TABLE root (id int PRIMARY KEY)");
    let table_of = |n: u32| {
        let up = if n.is_multiple_of(10) { "root".to_owned() } else { format!("t{}", n - 1) };
        format!(
            "CREATE TABLE t{n} (id int PRIMARY KEY, a int, b timestamptz, up int REFERENCES {up} ON DELETE CASCADE);"
        )
    };
    // A transaction for each hundred: the server has no more locks.
    for hundred in 0..20 {
        let made: Vec<String> = (hundred * 100..hundred * 100 + 100).map(table_of).collect();
        database.run(&made.concat());
    }
    let started = std::time::Instant::now();
    let catalogue = catalogue(&database);
    println!("2,001 tables in {:?}", started.elapsed());
    assert_eq!(catalogue.tables.len(), 2001);
    assert_eq!(table(&catalogue, "root").delete_writes.len(), 2001);
    assert_eq!(table(&catalogue, "root").referenced_by.len(), 200);
    assert_eq!(names(&table(&catalogue, "t17").delete_writes), ["t17", "t18", "t19"]);
}

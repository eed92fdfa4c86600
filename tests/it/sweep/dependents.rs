//! Dependents, and dependents of dependents: they go with their record, first, and never alone.

use crate::world::{DELETED_AT, World, rules, set};

const TWO_LEVELS: &str = r#"
[[rule.dependent]]
id = "threads"
class = "account"
table = "thread"
match = { owner = "id" }
action = "delete"

[[rule.dependent]]
id = "posts"
class = "account"
of = "threads"
table = "post"
match = { thread = "id" }
action = "delete"

[[rule.dependent]]
id = "likes"
class = "account"
of = "posts"
table = "liking"
match = { post = "id" }
action = "delete"
"#;

fn forum(on_delete: &str) -> String {
    format!(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
         CREATE TABLE thread (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES account (id) {on_delete});
         CREATE TABLE post (id INTEGER PRIMARY KEY, thread INTEGER NOT NULL REFERENCES thread (id) {on_delete});
         CREATE TABLE liking (post INTEGER NOT NULL REFERENCES post (id) {on_delete}, who INTEGER NOT NULL, PRIMARY KEY (post, who));
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL), (3, '1971-01-01T00:00:00Z'), (4, '2020-01-01T00:00:00Z');
         INSERT INTO thread VALUES (10, 1), (11, 1), (20, 2), (30, NULL), (40, 4);
         INSERT INTO post VALUES (100, 10), (101, 10), (102, 11), (200, 20), (300, 30), (400, 40);
         INSERT INTO liking VALUES (100, 1), (100, 2), (102, 2), (200, 1), (300, 1);"
    )
}

#[test]
fn everything_below_a_record_goes_with_it_and_nothing_else() {
    for on_delete in [
        "",
        "ON DELETE RESTRICT",
        "ON DELETE NO ACTION",
        "ON DELETE CASCADE",
        "DEFERRABLE INITIALLY DEFERRED",
    ] {
        for batch in ["1", "2000"] {
            let world = World::new(&rules(DELETED_AT, TWO_LEVELS), &forum(on_delete));
            world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
            let ran = world.ran(&["sweep", "--format", "json"], 0);
            assert!(
                ran.stdout.contains("\"disposed\":2,") && ran.stdout.contains("\"dependents\":8,"),
                "{}",
                ran.stdout
            );
            assert_eq!(world.ids("SELECT id FROM account"), set(&["2", "4"]), "{on_delete}");
            assert_eq!(world.ids("SELECT id FROM thread"), set(&["20", "30", "40"]));
            assert_eq!(world.ids("SELECT id FROM post"), set(&["200", "300", "400"]));
            assert_eq!(world.ids("SELECT post FROM liking"), set(&["200", "300"]));
            world.ran(&["sweep"], 0);
            world.ran(&["ledger", "verify"], 0);
        }
    }
}

#[test]
fn a_dependent_that_cannot_go_keeps_its_record_and_all_below() {
    let world = World::new(&rules(DELETED_AT, TWO_LEVELS), &forum("ON DELETE CASCADE"));
    world.sql("CREATE TRIGGER no BEFORE DELETE ON liking WHEN old.post = 102 BEGIN SELECT RAISE(ABORT, 'canary'); END");
    let ran = world.ran(&["sweep"], 1);
    assert!(!ran.text().contains("canary"), "{}", ran.text());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "4"]));
    assert_eq!(world.ids("SELECT id FROM thread"), set(&["10", "11", "20", "30", "40"]));
    assert_eq!(
        world.ids("SELECT post || '-' || who FROM liking"),
        set(&["100-1", "100-2", "102-2", "200-1", "300-1"])
    );
}

const MESSAGES: &str = r#"
[[rule.dependent]]
id = "sent"
class = "account"
table = "message"
match = { sender = "id" }
action = "delete"

[[rule.dependent]]
id = "received"
class = "account"
table = "message"
match = { recipient = "id" }
action = "delete"
"#;

const MAILBOX: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
     CREATE TABLE message (id INTEGER PRIMARY KEY, sender INTEGER REFERENCES account (id), recipient INTEGER REFERENCES account (id));
     INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, '1971-01-01T00:00:00Z'), (3, NULL);
     INSERT INTO message VALUES (10, 1, 2), (11, 2, 1), (12, 1, 1), (13, 3, 1), (14, 3, 3), (15, 2, 3), (16, NULL, NULL);";

#[test]
fn a_row_that_two_dependents_lead_to_goes_once() {
    for batch in ["1", "2000"] {
        let world = World::new(&rules(DELETED_AT, MESSAGES), MAILBOX);
        world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
        world.ran(&["sweep"], 0);
        assert_eq!(world.ids("SELECT id FROM account"), set(&["3"]));
        assert_eq!(world.ids("SELECT id FROM message"), set(&["14", "16"]));
        for id in ["10", "11", "12", "13", "15"] {
            let out = format!("proof-{id}");
            let ran = world.ran(&["prove", "site/account", id, "--dataset", "message", "--out", &out], 0);
            assert_eq!(ran.stdout.lines().count(), 1, "one disposal, one proof: {}", ran.stdout);
        }
        world.ran(&["ledger", "verify"], 0);
    }
}

/// Both ends of a message are accounts of one batch: it is one row, and both lead on from it.
#[test]
fn what_hangs_elsewhere_on_a_row_that_two_dependents_lead_to_goes_with_it() {
    let inbox = r#"
[[rule.dependent]]
id = "inbox"
class = "account"
of = "received"
datastore = "mail"
table = "copy"
match = { message = "id" }
action = "delete"
"#;
    let world = World::new(&rules(DELETED_AT, &format!("{MESSAGES}{inbox}")), MAILBOX);
    world.configure(
        "[datastore.site]\n",
        "[datastore.mail]\nkind = \"sqlite\"\nurl = \"sqlite://mail.db\"\n\n[datastore.site]\n",
    );
    world.sql_on(
        "mail.db",
        "CREATE TABLE copy (id INTEGER PRIMARY KEY, message INTEGER);
         INSERT INTO copy VALUES (10, 10), (11, 11), (12, 12), (13, 13), (14, 14), (15, 15), (16, 16);",
    );
    world.ran(&["sweep"], 0);
    // Those that somebody received who is gone.
    assert_eq!(world.list_on("mail.db", "SELECT id FROM copy ORDER BY id"), ["14", "15", "16"]);
    assert_eq!(world.ids("SELECT id FROM message"), set(&["14", "16"]));
}

#[test]
fn a_record_that_is_its_own_rules_dependent_goes_once() {
    let replies = r#"
[[rule.dependent]]
id = "replies"
class = "account"
table = "account"
match = { parent = "id" }
action = "delete"
"#;
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, parent INTEGER, deleted_at timestamptz);
        INSERT INTO account VALUES (1, NULL, '1971-01-01T00:00:00Z'), (2, 1, '1971-01-01T00:00:00Z'), (3, 1, NULL), (4, 3, NULL), (5, NULL, NULL);";
    let world = World::new(&rules(DELETED_AT, replies), schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["4", "5"]));
}

/// The foreign key compares without case, as the column it points to does; the dependent's own column does not.
#[test]
fn what_only_the_foreign_key_takes_for_a_match_is_not_taken_along_unseen() {
    let rest = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "delete"
"#;
    let schema = "CREATE TABLE account (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, deleted_at timestamptz);
        CREATE TABLE comment (id INTEGER PRIMARY KEY, author TEXT REFERENCES account (id) ON DELETE CASCADE);
        INSERT INTO account VALUES ('ann', '1971-01-01T00:00:00Z'), ('bob', NULL);
        INSERT INTO comment VALUES (1, 'ann'), (2, 'ANN'), (3, 'bob');";
    let world = World::new(&rules(DELETED_AT, rest), schema);
    let ran = world.run(&["sweep"]);
    if world.ids("SELECT id FROM comment") == set(&["3"]) {
        // Gone: then with evidence.
        world.ran(&["prove", "site/account", "2", "--dataset", "comment", "--out", "proof"], 0);
    } else {
        assert_eq!(world.ids("SELECT id FROM comment"), set(&["1", "2", "3"]), "{}", ran.text());
        assert_ne!(ran.code, 0);
    }
}

/// The trigger may write `comment`, since a dependent declares it, but not other comments than the dependent's.
#[test]
fn a_trigger_that_takes_more_than_its_dependent_declares_is_stopped() {
    let rest = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "delete"
"#;
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
        CREATE TABLE comment (id INTEGER PRIMARY KEY, author INTEGER, about INTEGER);
        CREATE TRIGGER more AFTER DELETE ON account BEGIN DELETE FROM comment WHERE about = old.id; END;
        INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL), (3, '1971-01-01T00:00:00Z');
        INSERT INTO comment VALUES (1, 1, NULL), (2, 2, 1), (3, 3, 3);";
    let world = World::new(&rules(DELETED_AT, rest), schema);
    let ran = world.run(&["sweep"]);
    assert_eq!(world.ids("SELECT id FROM comment WHERE id = 2"), set(&["2"]), "{}", ran.text());
    assert_eq!(ran.code, 1, "{}", ran.text());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2"]), "what the trigger leaves alone goes");
}

/// The columns' own collation would call them equal.
#[test]
fn a_dependent_belongs_to_a_record_only_to_the_byte() {
    let dependents = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author_id = "id" }
action = "delete"
"#;
    let world = World::new(
        &rules(DELETED_AT, dependents),
        "CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, deleted_at timestamptz);
         CREATE TABLE comment (id INTEGER PRIMARY KEY, author_id TEXT COLLATE NOCASE);
         INSERT INTO account VALUES ('Alice', NULL), ('alice', '1971-01-01T00:00:00Z');
         INSERT INTO comment VALUES (1, 'Alice'), (2, 'alice');",
    );
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["Alice"]));
    assert_eq!(world.ids("SELECT id FROM comment"), set(&["1"]));
}

#[test]
fn a_number_and_a_text_are_refused_as_a_match() {
    let dependents = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author_id = "id" }
action = "delete"
"#;
    let world = World::new(
        &rules(DELETED_AT, dependents),
        "CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, deleted_at timestamptz);
         CREATE TABLE comment (id INTEGER PRIMARY KEY, author_id INTEGER);
         INSERT INTO account VALUES ('7', NULL), ('007', '1971-01-01T00:00:00Z');
         INSERT INTO comment VALUES (1, 7);",
    );
    let before = world.contents();
    let ran = world.ran(&["sweep"], 65);
    assert!(ran.stderr.contains("a number and a text never match"), "{}", ran.text());
    assert_eq!(world.contents(), before);
}

//! Pseudonymization: what stands there afterwards, and that nothing is rewritten twice.

use std::collections::BTreeSet;

use crate::world::{DELETED_AT, World, rules, set};

const SCHEMA: &str =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, email TEXT);
     CREATE TABLE comment (id INTEGER PRIMARY KEY, author INTEGER, name TEXT UNIQUE, email TEXT, ip TEXT, born TEXT, note TEXT, said TEXT, done timestamptz);
     CREATE TABLE login (id INTEGER PRIMARY KEY, account INTEGER, email TEXT, done INTEGER);
     INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z', 'ann@canary.example'), (2, NULL, 'bob@canary.example'), (3, '1971-01-01T00:00:00Z', NULL);
     INSERT INTO comment VALUES
       (1, 1, 'canary-a', 'ann@canary.example', '192.0.2.77', '1980-03-17', 'canary', 'kept words', NULL),
       (2, 1, 'canary-b', 'ANN@canary.example', '2001:db8:1:2::3', '1980-03-17T10:00:00Z', NULL, 'kept words', NULL),
       (3, 1, NULL, NULL, NULL, NULL, NULL, 'kept words', NULL),
       (4, 1, 'canary-c', x'00ff', 'not an address canary', '17.3.1980', 'canary', 'kept words', NULL),
       (5, 1, 'canary-d', 42, '::ffff:192.0.2.77', '', '', 'kept words', NULL),
       (6, 1, 'earlier', 'e', '1.2.3.4', '1980-03-17', 'n', 's', '2020-01-01T00:00:00Z'),
       (7, 2, 'canary-e', 'bob@canary.example', '192.0.2.77', '1980-03-17', 'canary', 's', NULL),
       (8, NULL, 'canary-f', 'x', 'y', 'z', 'n', 's', NULL);
     INSERT INTO login VALUES (1, 1, 'ann@canary.example', NULL), (2, 1, 'other@canary.example', NULL), (3, 2, 'ann@canary.example', NULL);";

const DEPENDENTS: &str = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "pseudonymize"
columns = { author = "null", name = "random", email = "keyed", ip = "truncate-ip", born = "truncate-date", note = { fixed = "[gone]" } }
mark = "done"

[[rule.dependent]]
id = "logins"
class = "account"
table = "login"
match = { account = "id" }
action = "pseudonymize"
columns = { email = "keyed", account = "null" }
mark = "done"
"#;

#[test]
fn every_strategy_does_what_it_says() {
    let world = World::new(&rules(DELETED_AT, DEPENDENTS), SCHEMA);
    let before = world.rows("SELECT * FROM comment WHERE id > 5");
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["2"]));
    assert_eq!(world.rows("SELECT * FROM comment WHERE id > 5"), before, "nobody else's rows change");
    let shown = world.rows("SELECT id, author, ip, born, note, said FROM comment WHERE id < 6");
    assert_eq!(
        shown,
        set(&[
            "1 | NULL | '192.0.2.0' | '1980-03-01' | '[gone]' | 'kept words'",
            "2 | NULL | '2001:db8:1::' | '1980-03-01' | NULL | 'kept words'",
            "3 | NULL | NULL | NULL | NULL | 'kept words'",
            "4 | NULL | NULL | NULL | '[gone]' | 'kept words'",
            "5 | NULL | '::ffff:192.0.2.0' | NULL | '[gone]' | 'kept words'",
        ])
    );
    let names = world.ids("SELECT name FROM comment WHERE id IN (1, 2, 4, 5)");
    assert_eq!(names.len(), 4, "unique");
    assert!(names.iter().all(|n| n.len() == 24 && n.chars().all(|c| c.is_ascii_alphanumeric())), "{names:?}");
    let marks = world.ids("SELECT id FROM comment WHERE done IS NULL");
    assert_eq!(marks, set(&["7", "8"]));
    // The mark is an instant that a rule could read.
    let done = world.ids("SELECT done FROM comment WHERE id = 1");
    assert!(done.iter().all(|d| d.parse::<chrono::DateTime<chrono::Utc>>().is_ok()), "{done:?}");
    let integer = world.ids("SELECT typeof(done) FROM login WHERE id = 1");
    assert_eq!(integer, set(&["integer"]));
}

#[test]
fn keyed_pseudonyms_join_across_tables_and_sweeps() {
    let world = World::new(&rules(DELETED_AT, DEPENDENTS), SCHEMA);
    world.ran(&["sweep"], 0);
    let joined = world.ids(
        "SELECT c.id FROM comment AS c JOIN login AS l ON l.email = c.email WHERE c.id = 1 AND l.id = 1",
    );
    assert_eq!(joined, set(&["1"]));
    assert_eq!(world.ids("SELECT email FROM comment WHERE id IN (1, 2, 4, 5)").len(), 4, "others differ");
    assert_eq!(world.rows("SELECT email FROM comment WHERE id = 3"), set(&["NULL"]));
    // A year later, the same address gives the same pseudonym.
    world.sql(
        "INSERT INTO account VALUES (9, '1971-01-01T00:00:00Z', NULL);
         INSERT INTO comment (id, author, email) VALUES (9, 9, 'ann@canary.example')",
    );
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT email FROM comment WHERE id IN (1, 9)").len(), 1);
}

/// Another key would break every join that the old one made, and nobody would see it.
#[test]
fn a_key_of_pseudonyms_that_is_gone_is_not_made_anew() {
    let world = World::new(&rules(DELETED_AT, DEPENDENTS), SCHEMA);
    world.ran(&["sweep"], 0);
    let key = world.path("keys/pseudonyms.key");
    std::fs::rename(&key, world.path("away")).unwrap();
    world.sql("INSERT INTO account VALUES (9, '1971-01-01T00:00:00Z', NULL)");
    // Behind the rule that needs the key, one that does not.
    world.write(
        "rules/spare.toml",
        &rules(DELETED_AT, "").replace("table = \"account\"", "table = \"spare\""),
    );
    world.sql(
        "CREATE TABLE spare (id INTEGER PRIMARY KEY, deleted_at timestamptz);
         CREATE INDEX spare_by_deleted ON spare (deleted_at); INSERT INTO spare VALUES (1, '1971-01-01T00:00:00Z')",
    );
    let refused = world.ran(&["sweep"], 5);
    assert!(refused.stderr.contains("pseudonyms were made with its key"), "{}", refused.text());
    assert_eq!(world.ids("SELECT id FROM spare"), set(&[]));
    assert!(!key.exists());
    assert_eq!(world.ids("SELECT id FROM account WHERE id = 9"), set(&["9"]));
    // Destroyed on purpose, it is followed by another one.
    std::fs::write(&key, [7; 32]).unwrap();
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM account WHERE id = 9"), set(&[]));
}

/// A rule that was never swept to a batch has made none.
#[test]
fn a_key_of_pseudonyms_is_made_behind_other_rules() {
    let world = World::new(&rules(DELETED_AT, ""), SCHEMA);
    world.ran(&["sweep"], 0);
    assert!(!world.path("keys/pseudonyms.key").exists());
    world.rules(&rules(DELETED_AT, DEPENDENTS));
    world.sql("INSERT INTO account VALUES (9, '1971-01-01T00:00:00Z', NULL)");
    world.ran(&["sweep"], 0);
    assert!(world.path("keys/pseudonyms.key").exists());
}

#[test]
fn nothing_is_rewritten_twice() {
    let world = World::new(&rules(DELETED_AT, DEPENDENTS), SCHEMA);
    world.ran(&["sweep"], 0);
    let once = world.contents();
    let again = world.ran(&["sweep", "--format", "json"], 0);
    assert!(
        again.stdout.contains("\"disposed\":0,\"") || again.stdout.contains("\"disposed\":0"),
        "{}",
        again.stdout
    );
    assert_eq!(world.contents(), once);
}

const OWN: &str = r#"columns = { email = "random" }
mark = "done"
"#;

fn own(extra: &str) -> String {
    let text = rules(DELETED_AT, OWN).replace("action = \"delete\"", "action = \"pseudonymize\"");
    text + extra
}

#[test]
fn a_rules_own_records_can_be_pseudonymized() {
    for batch in ["1", "2000"] {
        let world = World::new(&own(""), SCHEMA);
        world.configure("[defaults]\n", &format!("[defaults]\nbatch = {batch}\n"));
        world.sql("ALTER TABLE account ADD COLUMN done DATE");
        world.sql(
            "INSERT INTO account VALUES (4, '1971-01-01T00:00:00+01:00', 'offset@canary.example', NULL)",
        );
        world.ran(&["sweep"], 0);
        assert_eq!(world.ids("SELECT id FROM account WHERE email LIKE '%canary%'"), set(&["2"]));
        assert_eq!(world.ids("SELECT id FROM account WHERE done IS NOT NULL"), set(&["1", "3", "4"]));
        assert_eq!(world.rows("SELECT email FROM account WHERE id = 3"), set(&["NULL"]));
        let done = world.contents();
        let again = world.ran(&["sweep", "--format", "json"], 0);
        assert!(again.stdout.contains("\"disposed\":0"), "{}", again.stdout);
        assert_eq!(world.contents(), done);
        let told = world.ran(&["explain", "site/account", "1"], 0);
        assert!(told.stdout.contains("kept"), "{}", told.stdout);
        world.ran(&["prove", "site/account", "1", "--out", "proof"], 0);
        let verified = world.ran(&["verify", "--key", "ledger.key.vkey", "proof"], 0);
        assert!(verified.stdout.contains("pseudonymized (email)"), "{}", verified.stdout);
    }
}

#[test]
fn a_pseudonymized_record_takes_its_dependents_along() {
    let extra = r#"
[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { author = "id" }
action = "delete"
"#;
    let world = World::new(&own(extra), SCHEMA);
    world.sql("ALTER TABLE account ADD COLUMN done timestamptz");
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM comment"), set(&["7", "8"]));
    let accounts: BTreeSet<String> = world.ids("SELECT id FROM account");
    assert_eq!(accounts, set(&["1", "2", "3"]));
}

const TALK: &str = r#"
[[rule.dependent]]
id = "sent"
class = "account"
table = "message"
match = { sender = "id" }
action = "pseudonymize"
columns = { sender_name = "random" }
mark = "sender_done"

[[rule.dependent]]
id = "received"
class = "account"
table = "message"
match = { recipient = "id" }
action = "pseudonymize"
columns = { recipient_name = "random" }
mark = "recipient_done"
"#;

#[test]
fn two_pseudonymizations_of_one_row_need_two_marks() {
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
        CREATE TABLE message (id INTEGER PRIMARY KEY, sender INTEGER, sender_name TEXT, sender_done TEXT, recipient INTEGER,
          recipient_name TEXT, recipient_done TEXT);
        INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, '1971-01-01T00:00:00Z'), (3, NULL);
        INSERT INTO message (id, sender, sender_name, recipient, recipient_name) VALUES (1, 1, 'canary', 2, 'canary'), (2, 1, 'canary', 1, 'canary'),
          (3, 3, 'canary', 2, 'canary'), (4, 1, 'canary', 3, 'canary');";
    let world = World::new(&rules(DELETED_AT, TALK), schema);
    world.ran(&["sweep"], 0);
    assert_eq!(world.ids("SELECT id FROM message WHERE sender_name = 'canary'"), set(&["3"]));
    assert_eq!(world.ids("SELECT id FROM message WHERE recipient_name = 'canary'"), set(&["4"]));
    world.ran(&["ledger", "verify"], 0);

    let one = TALK.replace("recipient_done", "sender_done");
    let world = World::new(&rules(DELETED_AT, &one), schema);
    let ran = world.ran(&["sweep"], 65);
    assert!(ran.stderr.contains("mark `sender_done` of `message` is another's too"), "{}", ran.text());
    assert_eq!(world.ids("SELECT id FROM message WHERE sender_name = 'canary'").len(), 4);
}

#[test]
fn a_pseudonym_that_collides_keeps_only_its_record() {
    let world = World::new(&own("").replace("\"random\"", "{ fixed = \"gone\" }"), SCHEMA);
    // Of a column that is UNIQUE by itself, the rule would be refused.
    world.sql(
        "ALTER TABLE account ADD COLUMN done timestamptz; CREATE UNIQUE INDEX one ON account (lower(email))",
    );
    world.sql("INSERT INTO account VALUES (4, '1971-01-01T00:00:00Z', 'dan@canary.example', NULL)");
    let ran = world.ran(&["sweep"], 1);
    assert!(
        ran.stdout.contains("site/account: 1 records set aside: a value must be unique"),
        "{}",
        ran.text()
    );
    assert!(!ran.text().contains("canary"), "{}", ran.text());
    assert_eq!(world.ids("SELECT id FROM account WHERE done IS NOT NULL"), set(&["1", "3"]));
}

/// What a constraint says of conflicts must not delete the record of somebody else, or the one that is pseudonymized.
#[test]
fn a_new_value_takes_no_other_record_along() {
    let action = |rest: &str| rules(DELETED_AT, rest).replace("action = \"delete\"\n", "");
    let text = action("action = \"pseudonymize\"\ncolumns = { ip = \"truncate-ip\" }\nmark = \"done\"\n");
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, tenant INTEGER, ip TEXT, deleted_at timestamptz, done timestamptz,
                    UNIQUE (tenant, ip) ON CONFLICT REPLACE);
                  INSERT INTO account VALUES (1, 1, '10.0.0.7', '1971-01-01T00:00:00Z', NULL), (2, 1, '10.0.0.0', NULL, NULL),
                    (3, 1, '10.0.0.9', '1971-01-01T00:00:00Z', NULL), (4, 2, '10.0.0.9', '1971-01-01T00:00:00Z', NULL);";
    let world = World::new(&text, schema);
    let ran = world.ran(&["sweep"], 1);
    assert!(ran.stdout.contains("2 records set aside: a value must be unique"), "{}", ran.stdout);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "4"]));
    assert_eq!(world.ids("SELECT id FROM account WHERE done IS NOT NULL"), set(&["4"]));
    let dependent = "\n[[rule.dependent]]\nid = \"logins\"\nclass = \"account\"\ntable = \"login\"\nmatch = { account = \"id\" }\n\
                     action = \"pseudonymize\"\ncolumns = { ip = \"truncate-ip\" }\nmark = \"done\"\n";
    let schema = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz);
                  CREATE TABLE login (id INTEGER PRIMARY KEY, account INTEGER, site INTEGER, ip TEXT, done timestamptz,
                    UNIQUE (site, ip) ON CONFLICT REPLACE);
                  INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z'), (2, NULL);
                  INSERT INTO login VALUES (1, 1, 1, '10.0.0.7', NULL), (2, 2, 1, '10.0.0.0', NULL);";
    let world = World::new(&rules(DELETED_AT, dependent), schema);
    world.ran(&["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM login"), set(&["1", "2"]));
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2"]));
}

//! `expunged grants`: what it prints, and that a role with just that sweeps, and with one privilege less disposes of nothing.

mod needed;

use crate::servers::Engine;
use crate::servers::database::Database;
use crate::servers::{mariadb, postgres};
use crate::world::{World, set};

/// Every way to read and to dispose: a clock in another table, rows that keep, dependents that go, that are changed, and that leave
/// their key to the table.
const RULES: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[waiver]]
datastore = "site"
table = "session"
reason = "a test"

[[waiver]]
datastore = "site"
table = "invoice"
reason = "a test"

[[rule]]
id = "account"
class = "account"
keeps = []
datastore = "site"
table = "account"
key = ["id"]
subject = "person"
on_erasure = "dispose"
trigger = { table = "session", match = { account = "id" }, column = "seen", pick = "latest", pending = ["no_row"] }
only = { state = ["closed"] }
unless = { table = "invoice", match = { payer = "number" }, only = { paid = ["no"] } }
retain = "50 years"
delete_by = "200 years"
action = "delete"

[[rule.dependent]]
id = "notes"
class = "note"
table = "note"
key = ["id"]
match = { account = "id" }
action = "pseudonymize"
columns = { body = "null", author = "null" }
mark = "done"

[[rule.dependent]]
id = "posts"
class = "post"
table = "post"
key = ["id"]
match = { account = "id" }
action = "delete"

[[rule.dependent]]
id = "attachments"
class = "attachment"
of = "posts"
table = "attachment"
match = { post = "slug" }
action = "delete"

[[rule]]
id = "guest"
class = "guest"
keeps = []
datastore = "site"
table = "guest"
key = ["id"]
trigger = { column = "left_on" }
retain = "50 years"
delete_by = "200 years"
action = "pseudonymize"
columns = { name = { fixed = "nobody" } }
mark = "done"
"#;

/// Each table has a column that no rule names. What engines do not share is in none of them.
const SCHEMA: [&str; 14] = [
    "CREATE TABLE account (id int PRIMARY KEY, number int NOT NULL, person varchar(9), state varchar(9), secret int)",
    "CREATE TABLE session (id int PRIMARY KEY, account int, seen date, secret int)",
    "CREATE INDEX session_account ON session (account)",
    "CREATE TABLE invoice (id int PRIMARY KEY, payer int, paid varchar(9), secret int)",
    "CREATE INDEX invoice_payer ON invoice (payer)",
    "CREATE TABLE note (id int PRIMARY KEY, account int, body varchar(9), author varchar(9), done date, secret int)",
    "CREATE INDEX note_account ON note (account)",
    "CREATE TABLE post (id int PRIMARY KEY, account int, slug varchar(9), secret int, \
     FOREIGN KEY (account) REFERENCES account (id) ON DELETE CASCADE)",
    "CREATE INDEX post_account ON post (account)",
    "CREATE TABLE attachment (id int PRIMARY KEY, post varchar(9), secret int)",
    "CREATE INDEX attachment_post ON attachment (post)",
    "CREATE TABLE guest (id int PRIMARY KEY, left_on date, name varchar(9), done date, secret int)",
    "CREATE INDEX guest_left_on ON guest (left_on)",
    "INSERT INTO account VALUES (1, 11, 'a', 'closed', 0), (2, 12, 'b', 'closed', 0), (3, 13, 'c', 'closed', 0), \
     (4, 14, 'held', 'closed', 0), (5, 15, 'e', 'open', 0); \
     INSERT INTO session VALUES (1, 1, '1970-02-02', 0), (2, 1, '1971-02-02', 0), (3, 2, '1971-02-02', 0), \
     (4, 3, '2001-02-02', 0), (5, 4, '1971-02-02', 0), (6, 5, '1971-02-02', 0); \
     INSERT INTO invoice VALUES (1, 11, 'yes', 0), (2, 12, 'no', 0); \
     INSERT INTO note VALUES (1, 1, 'body', 'a', NULL, 0), (2, 2, 'body', 'b', NULL, 0); \
     INSERT INTO post VALUES (1, 1, 'one', 0), (2, 2, 'two', 0); \
     INSERT INTO attachment VALUES (1, 'one', 0), (2, 'two', 0); \
     INSERT INTO guest VALUES (1, '1971-02-02', 'jo', NULL, 0), (2, '2001-02-02', 'jo', NULL, 0)",
];

/// What is left of every table, but for the marker's.
const CONTENTS: [&str; 7] = [
    "SELECT concat('account ', id) FROM account",
    "SELECT concat('session ', id) FROM session",
    "SELECT concat('invoice ', id) FROM invoice",
    "SELECT concat('note ', id, ' ', coalesce(body, '-'), ' ', coalesce(author, '-')) FROM note",
    "SELECT concat('post ', id) FROM post",
    "SELECT concat('attachment ', id) FROM attachment",
    "SELECT concat('guest ', id, ' ', name) FROM guest",
];

/// A database whose account may do what is printed, once it is granted.
struct Site<E: Engine> {
    database: Database<E>,
    role: String,
    world: World,
}

impl<E: Engine> Site<E> {
    fn new(schema: &[&str]) -> Self {
        let database = Database::new();
        for statement in SCHEMA.iter().chain(schema) {
            database.sql(statement);
        }
        let role = database.role("SELECT 1");
        let datastore = database.datastore(&role);
        let world = World::on(&datastore, RULES);
        Self { database, role, world }
    }

    /// As the administrator runs it.
    fn granted(schema: &[&str]) -> Self {
        let site = Self::new(schema);
        site.database.sql(&site.world.ran(&["grants"], 0).stdout);
        site
    }

    fn contents(&self) -> Vec<String> {
        CONTENTS.iter().flat_map(|query| self.database.texts(query)).collect()
    }

    /// Without the names that this test alone has.
    fn plain(&self, text: &str) -> String {
        let place = self.database.url("");
        let host = place.split(['@', '/']).nth(3).unwrap();
        text.replace(&self.role, "ROLE").replace(self.database.name(), "DATABASE").replace(host, "SERVER")
    }

    /// The statements that grant something, each with the rules that it is for; all rules, where it is for whatever sweeps.
    fn grants(&self) -> Vec<(Grant, Vec<String>)> {
        let printed = self.world.ran(&["grants", "--format", "json"], 0).stdout;
        let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let steps = printed["datastores"][0]["steps"].as_array().unwrap();
        let of = |step: &serde_json::Value| {
            let rules = step["why"].as_str().unwrap().split([' ', ',', ';']);
            let mut rules: Vec<String> =
                rules.filter(|word| word.starts_with("site/")).map(str::to_owned).collect();
            if rules.is_empty() {
                rules = vec!["site/account".to_owned(), "site/guest".to_owned()];
            }
            Some((Grant::parse(step["run"].as_str().unwrap())?, rules))
        };
        steps.iter().filter_map(of).collect()
    }

    /// Of the account's rights, nothing is to be said.
    fn checks(&self) {
        let checked = self.world.ran(&["check", "--connect"], 0);
        let said: Vec<&str> = checked.stderr.lines().filter(|line| line.starts_with("rules/")).collect();
        // Rows that are added meanwhile are another matter.
        assert!(said.len() == 2 && said.iter().all(|line| line.contains("[R037]")), "{}", checked.text());
    }

    /// Nothing is found beside what is to be there, everything due goes, and all of it can be proved.
    fn sweeps(&self) {
        self.checks();
        self.world.ran(&["plan"], 0);
        self.world.ran(&["explain", "site/account", "2"], 0);
        let hold = ["hold", "place", "site", "--subject", "held", "--reference", "26-1"];
        let placed = self.world.ran(&hold, 1);
        assert!(placed.stdout.contains("held 1"), "{}", placed.text());
        // Who is held is left.
        let swept = self.world.ran(&["sweep"], 1);
        assert_eq!(swept.stderr, "");
        let kept = ["account 2", "account 3", "account 4", "account 5"];
        let left = self.contents().into_iter().filter(|row| !row.starts_with("session"));
        let others = [
            "invoice 1",
            "invoice 2",
            "note 1 - -",
            "note 2 body b",
            "post 2",
            "attachment 2",
            "guest 1 nobody",
            "guest 2 jo",
        ];
        assert_eq!(left.collect::<std::collections::BTreeSet<_>>(), set(&[&kept[..], &others[..]].concat()));
        self.world.ran(&["prove", "site/account", "1"], 0);
        self.world.ran(&["prove", "site/account", "1", "--dataset", "attachment"], 0);
        self.world.ran(&["prove", "site/guest", "1"], 0);
        self.world.ran(&["ledger", "verify"], 0);
        // An erasure request reaches what is not due.
        self.world.ran(&["erase", "request", "site", "c"], 0);
        self.world.ran(&["sweep"], 1);
        assert!(!self.contents().contains(&"account 3".to_owned()));
        self.world.ran(&["status"], 0);
        self.checks();
    }

    /// Without this, the rules dispose of nothing and say what is missing.
    fn lacks(&self, grant: &Grant, rules: &[String], said: &str) {
        let before = self.contents();
        self.database.sql(&grant.revoke());
        for rule in rules {
            let ran = self.world.run(&["sweep", rule]);
            assert!([65, 77].contains(&ran.code), "{}: {}", grant.revoke(), ran.text());
            let text = self.plain(&ran.text());
            assert!(text.contains(said), "{}: {said}\n{text}", self.plain(&grant.revoke()));
        }
        let checked = self.world.run(&["check", "--connect"]);
        assert!([65, 77].contains(&checked.code), "{}: {}", grant.revoke(), checked.text());
        if checked.code == 65 {
            assert!(checked.stderr.contains("error[R033]: "), "{}: {}", grant.revoke(), checked.text());
        }
        self.database.sql(&grant.text());
        assert_eq!(self.contents(), before, "{}", grant.revoke());
        for entry in ["batch.intent", "batch.committed"] {
            assert_eq!(self.world.entries(entry).len(), 0, "{}", grant.revoke());
        }
    }

    /// The same for each statement, and for each column of it.
    fn lacks_each(&self) {
        let grants = self.grants();
        assert!(grants.len() >= 16, "{}", grants.len());
        for (grant, rules) in grants {
            let said = grant.missed();
            self.lacks(&grant, &rules, &said);
            for one in grant.columns() {
                let said = one.missed();
                self.lacks(&one, &rules, &said);
            }
        }
    }
}

/// `GRANT what ON object TO account`.
struct Grant {
    what: String,
    object: String,
    account: String,
}

impl Grant {
    fn parse(statement: &str) -> Option<Self> {
        let (what, rest) = statement.strip_prefix("GRANT ")?.strip_suffix(';')?.split_once(" ON ")?;
        let (object, account) = rest.split_once(" TO ")?;
        Some(Self { what: what.to_owned(), object: object.to_owned(), account: account.to_owned() })
    }

    fn text(&self) -> String {
        format!("GRANT {} ON {} TO {}", self.what, self.object, self.account)
    }

    fn revoke(&self) -> String {
        format!("REVOKE {} ON {} FROM {}", self.what, self.object, self.account)
    }

    /// Of a statement on several columns, one on each.
    fn columns(&self) -> Vec<Self> {
        let Some((right, columns)) = self.what.split_once(" (") else { return Vec::new() };
        let columns: Vec<&str> = columns.trim_end_matches(')').split(", ").collect();
        let one = |column: &&str| Self {
            what: format!("{right} ({column})"),
            object: self.object.clone(),
            account: self.account.clone(),
        };
        if columns.len() < 2 { Vec::new() } else { columns.iter().map(one).collect() }
    }

    /// What is said where it is missing.
    fn missed(&self) -> String {
        let right = self.what.split(' ').next().unwrap();
        let name = |quoted: &str| quoted.trim_matches(['"', '`']).to_owned();
        match right {
            "CONNECT" => "the server of `SERVER/DATABASE` cannot be used".to_owned(),
            "USAGE" => "lacks USAGE on schema `public`".to_owned(),
            "REFERENCES" => "GRANT REFERENCES ON *.* TO `ROLE`@`%`".to_owned(),
            _ => {
                let table = name(self.object.rsplit('.').next().unwrap());
                match self.what.split_once(" (").map(|(_, columns)| columns.trim_end_matches(')')) {
                    None if right == "SELECT" => format!("SELECT on columns `id`, `post` of table `{table}`"),
                    None => format!("lacks {right} on table `{table}`"),
                    Some(columns) if columns.contains(", ") => {
                        let columns: Vec<String> =
                            columns.split(", ").map(|c| format!("`{}`", name(c))).collect();
                        format!("lacks {right} on columns {} of table `{table}`", columns.join(", "))
                    }
                    // Of what is deleted, no column is changed.
                    Some(_) if right == "UPDATE" && !["note", "guest"].contains(&table.as_str()) => {
                        format!("lacks UPDATE on every column of table `{table}`, and needs one to lock rows")
                    }
                    Some(column) => format!("{right} on column `{}` of table `{table}`", name(column)),
                }
            }
        }
    }
}

/// What an administrator takes from everybody who closes a database.
const CLOSED: &str = "REVOKE ALL ON SCHEMA public FROM PUBLIC; \
    DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$";

#[test]
fn a_role_of_postgres_with_just_what_is_printed_sweeps() {
    Site::<postgres::Postgres>::granted(&[CLOSED]).sweeps();
}

#[test]
fn with_one_privilege_of_postgres_less_nothing_goes_and_it_is_said() {
    Site::<postgres::Postgres>::granted(&[CLOSED]).lacks_each();
}

#[test]
fn an_account_of_mariadb_with_just_what_is_printed_sweeps() {
    Site::<mariadb::MariaDb>::granted(&[]).sweeps();
}

#[test]
fn with_one_privilege_of_mariadb_less_nothing_goes_and_it_is_said() {
    Site::<mariadb::MariaDb>::granted(&[]).lacks_each();
}

#[test]
fn what_is_granted_in_postgres_is_a_script_that_says_what_for() {
    let site = Site::<postgres::Postgres>::new(&[]);
    insta::assert_snapshot!(site.plain(&site.world.ran(&["grants"], 0).stdout));
}

#[test]
fn what_is_granted_in_mariadb_is_a_script_that_says_what_for() {
    let site = Site::<mariadb::MariaDb>::new(&[]);
    insta::assert_snapshot!(site.plain(&site.world.ran(&["grants"], 0).stdout));
}

#[test]
fn one_rule_needs_what_it_names_and_a_program_is_told_the_same() {
    let site = Site::<postgres::Postgres>::new(&[]);
    let printed = site.world.ran(&["grants", "site/guest", "--format", "json"], 0).stdout;
    let printed: serde_json::Value = serde_json::from_str(&site.plain(&printed)).unwrap();
    insta::assert_snapshot!(format!("{printed:#}"));
    let unknown = site.world.ran(&["grants", "site/gast"], 2);
    assert!(
        unknown.stderr.contains("there is no rule `site/gast`: did you mean `site/guest`?"),
        "{}",
        unknown.stderr
    );
}

/// Nothing is asked: neither file is there.
#[test]
fn of_files_the_system_grants_what_is_needed() {
    let files = "\n[[rule.dependent]]\nid = \"uploads\"\nclass = \"upload\"\ndatastore = \"tree\"\npattern = \"{id}/**\"\naction = \"delete\"\n";
    let text = crate::world::rules(crate::world::DELETED_AT, files);
    let world = World::on("kind = \"sqlite\"\nurl = \"sqlite:///srv/o'site/site.db\"\n", &text);
    world.configure(
        "[datastore.site]\n",
        "[datastore.tree]\nkind = \"files\"\nroot = \"/srv/tree\"\n\n[datastore.site]\n",
    );
    insta::assert_snapshot!(world.ran(&["grants"], 0).stdout);
}

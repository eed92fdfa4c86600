//! A world in which every value, key, path and error is a canary of its own.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use crate::daemon::handle::set_clock;
use crate::world::World;

/// What every canary begins with. Its number follows, in eight hexadecimal digits.
pub const MARK: &str = "zqcanary";

const ACCOUNTS: usize = 1_200;

const RULES: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[promise]]
id = "account"
text = "Gone within 24 hours."
source = "Policy"
trigger = "account deleted"
no_later_than = "24 hours"
covers = ["account"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
subject = "person"
on_erasure = "dispose"
trigger = { column = "deleted_at", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
schedule = "0 */15 * * * *"
action = "delete"

[[rule.dependent]]
id = "comments"
class = "account"
table = "comment"
match = { account_id = "id" }
action = "pseudonymize"
columns = { account_id = "null", author = "keyed", nick = "random", address = "truncate-ip" }
mark = "pseudonymized_at"

[[rule.dependent]]
id = "devices"
class = "account"
datastore = "devices"
table = "device"
match = { account_id = "id" }
action = "delete"

[[rule.dependent]]
id = "uploads"
class = "account"
datastore = "uploads"
pattern = "uploads/{id}/**"
action = "delete"

[[rule]]
id = "drop"
class = "account"
keeps = []
datastore = "uploads"
pattern = "drop/**"
trigger = { file = "modified" }
retain = "0 hours"
delete_by = "24 hours"
schedule = "0 */15 * * * *"
action = "delete"

[[rule]]
id = "refused"
class = "account"
keeps = []
datastore = "site"
table = "refused"
key = ["id"]
trigger = { column = "deleted_at", format = "%d.%m.%Y %H:%M:%S", time_zone = "Etc/UTC", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
schedule = "0 */15 * * * *"
action = "delete"
"#;

const CONFIGURED: &str = r#"[datastore.devices]
kind = "sqlite"
url = "sqlite://devices.db"

[datastore.uploads]
kind = "files"
root = "tree"

[http]
listen = "unix:http.sock"

[datastore.site]
"#;

pub struct Planted {
    pub world: World,
    pub count: usize,
}

/// The canary of a number.
fn canary(number: usize) -> String {
    format!("{MARK}{number:08x}")
}

impl Planted {
    pub fn new() -> Self {
        let schema = "CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, person TEXT, name TEXT, email TEXT, note BLOB, deleted_at timestamptz);\
             CREATE INDEX account_deleted ON account (deleted_at);\
             CREATE TABLE comment (id TEXT NOT NULL PRIMARY KEY, account_id TEXT, author TEXT, nick TEXT, address TEXT, body TEXT, pseudonymized_at timestamptz);\
             CREATE INDEX comment_account ON comment (account_id);\
             CREATE TABLE refused (id TEXT NOT NULL PRIMARY KEY, deleted_at text);";
        let world = World::new(RULES, schema);
        world.configure("[datastore.site]\n", CONFIGURED);
        world.sql_on("devices.db", "CREATE TABLE device (id TEXT NOT NULL PRIMARY KEY, account_id TEXT, name TEXT); CREATE INDEX d ON device (account_id);");
        set_clock(&world, "2031-03-04T00:10:00Z");
        let mut planted = Self { world, count: 0 };
        planted.accounts();
        planted.refusals();
        planted.files();
        planted
    }

    /// The key of an account; those with even numbers are due.
    pub fn account(number: usize) -> String {
        canary(number * 10)
    }

    /// Whose account it is.
    pub fn person(number: usize) -> String {
        canary(number * 10 + 1)
    }

    fn next(&mut self) -> String {
        self.count += 1;
        canary(1_000_000 + self.count)
    }

    fn accounts(&mut self) {
        let (mut site, mut devices) = (String::from("BEGIN;"), String::from("BEGIN;"));
        for number in 0..ACCOUNTS {
            let (id, person) = (Self::account(number), Self::person(number));
            let [name, email, note, nick, author, address, body, comment, device, called] =
                std::array::from_fn(|_| self.next());
            self.count += 2;
            let deleted = match number % 10 {
                0 | 2 | 4 => "'2031-03-03T12:00:00Z'".to_owned(),
                6 | 8 => "'2031-03-01T12:00:00Z'".to_owned(),
                5 => format!("'{}'", self.next()),
                _ => "NULL".to_owned(),
            };
            let _ = write!(
                site,
                "INSERT INTO account VALUES ('{id}', '{person}', '{name}', '{email}', CAST('{note}' AS BLOB), {deleted});\
                 INSERT INTO comment VALUES ('{comment}', '{id}', '{author}', '{nick}', '{address}', '{body}', NULL);"
            );
            let _ = write!(devices, "INSERT INTO device VALUES ('{device}', '{id}', '{called}');");
        }
        self.world.sql(&(site + "COMMIT;"));
        self.world.sql_on("devices.db", &(devices + "COMMIT;"));
    }

    /// What the datastore says when it refuses names the record.
    fn refusals(&mut self) {
        let mut sql = String::from(
            "CREATE TRIGGER no BEFORE DELETE ON refused BEGIN SELECT RAISE(ABORT, 'zqcanaryffffffff'); END;",
        );
        for number in 0..20 {
            let (id, odd) = (self.next(), self.next());
            let deleted = if number % 2 == 0 { "03.03.2031 12:00:00" } else { &odd };
            let _ = write!(sql, "INSERT INTO refused VALUES ('{id}', '{deleted}');");
        }
        self.world.sql(&sql);
        // A key that is no text, and one that is no UTF-8.
        self.world.sql(&format!("INSERT INTO refused VALUES (CAST(x'ff' || '{}' AS TEXT), NULL)", canary(7)));
    }

    fn files(&mut self) {
        let tree = self.world.path("tree");
        for number in 0..ACCOUNTS / 4 {
            let directory = tree.join("uploads").join(Self::account(number)).join(self.next());
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(self.next()), self.next()).unwrap();
            self.count += 1;
        }
        let drop = tree.join("drop");
        let long_ago = crate::world::at("2031-03-03T12:00:00Z").into();
        for _ in 0..50 {
            let directory = drop.join(self.next());
            std::fs::create_dir_all(&directory).unwrap();
            let path = directory.join(self.next());
            std::fs::write(&path, self.next()).unwrap();
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        }
        // What is no record: a link, and a file with two names.
        symlink(self.next(), drop.join(self.next())).unwrap();
        let two = drop.join(self.next());
        std::fs::write(&two, self.next()).unwrap();
        std::fs::hard_link(&two, drop.join(self.next())).unwrap();
    }
}

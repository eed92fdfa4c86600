//! A shop on any engine: accounts with all that hangs on them, and visits, which nothing hangs on.

use std::path::PathBuf;

use crate::crash::oracle::Scene;
use crate::crash::world::RULES;
use crate::servers::{Database, Engine};
use crate::world::{Application, SITE, World, rules};

/// Visits go by ranges, on servers several batches at once.
const SCHEMA: &str = "CREATE TABLE account (id KEY, name varchar(40) NOT NULL, deleted_at timestamp NULL); \
     CREATE INDEX account_deleted ON account (deleted_at); \
     CREATE TABLE session (id KEY, account_id bigint NOT NULL, FOREIGN KEY (account_id) REFERENCES account (id)); \
     CREATE INDEX session_account ON session (account_id); \
     CREATE TABLE device (id KEY, session_id bigint NOT NULL, FOREIGN KEY (session_id) REFERENCES session (id)); \
     CREATE INDEX device_session ON device (session_id); \
     CREATE TABLE comment (id KEY, author_id bigint NULL, author_name varchar(100) NOT NULL, \
       author_email varchar(100) NOT NULL, author_ip varchar(50) NOT NULL, body varchar(20) NOT NULL, \
       pseudonymized_at timestamp NULL, FOREIGN KEY (author_id) REFERENCES account (id)); \
     CREATE INDEX comment_author ON comment (author_id); \
     CREATE TABLE visit (id KEY, ended_at timestamp NULL)";

/// The daemon sweeps every second what it has swept to the end.
fn all_rules() -> String {
    let zoned =
        |column: &str| format!("{{ column = \"{column}\", time_zone = \"Etc/UTC\", pending = [\"null\"] }}");
    let shop = RULES.replace("\"shop\"", "\"site\"").replace("0 0 * * * *", "* * * * * *");
    let shop = shop.replace("{ column = \"deleted_at\", pending = [\"null\"] }", &zoned("deleted_at"));
    let visits = rules(&zoned("ended_at"), "schedule = \"* * * * * *\"\n")
        .replace("\"account\"", "\"visit\"")
        .replace("\"50 years\"", "\"7 days\"")
        .replace("\"200 years\"", "\"60 days\"");
    let visit = visits.find("[[rule]]").expect("a rule");
    shop + &visits[visit..]
}

pub struct Shop {
    pub world: World,
    /// None: a file of the world's.
    server: Option<Box<dyn Application>>,
}

impl Shop {
    pub fn served<E: Engine + 'static>() -> Self {
        let database = Database::<E>::new();
        let mut schema = SCHEMA.replace("KEY,", "bigint NOT NULL PRIMARY KEY,");
        if E::SCHEME == "mariadb" {
            schema = schema.replace("timestamp NULL", "datetime NULL");
        }
        database.sql(&schema);
        let datastore = database.datastore(E::ADMINISTRATOR);
        Self { world: Self::over(&datastore), server: Some(Box::new(database)) }
    }

    pub fn in_a_file(journal: &str) -> Self {
        let world = Self::over(SITE);
        let schema = SCHEMA.replace("KEY,", "INTEGER PRIMARY KEY,");
        world.sql(&format!("PRAGMA journal_mode = {journal}; {schema}"));
        Self { world, server: None }
    }

    /// Without a rate, so that batches of visits may go several at once; they grow, and there are never many due.
    fn over(datastore: &str) -> World {
        let world = World::on(datastore, &all_rules());
        world.configure("[defaults]\n", "[defaults]\nbatch = 4\n");
        world
    }

    pub fn sql(&self, statements: &str) {
        self.application().sql(statements);
    }

    pub fn ids(&self, query: &str) -> Vec<i64> {
        let ids = self.application().texts(query);
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }
}

impl Scene for Shop {
    fn application(&self) -> &dyn Application {
        self.server.as_deref().unwrap_or(&self.world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    fn verified(&self) -> String {
        self.world.ran(&["ledger", "verify"], 0).stdout
    }
}

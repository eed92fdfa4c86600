//! A database of a test's own, and what the application does in it.

use std::marker::PhantomData;
use std::sync::Mutex;

use sqlx::Connection as _;
use tokio::runtime::Runtime;

use super::proxy::Proxy;
use super::{Address, Engine, unique};
use crate::world::Application;

/// A database with a name of its own. It goes with this value, and its roles with it.
pub struct Database<E: Engine> {
    address: Address,
    name: String,
    roles: Mutex<Vec<String>>,
    engine: PhantomData<E>,
}

impl<E: Engine> Database<E> {
    /// On the standing server.
    pub fn new() -> Self {
        Self::on(E::standing())
    }

    pub fn on(address: Address) -> Self {
        let name = unique();
        let url = address.url::<E>(E::FIRST_DATABASE);
        let session = Session::<E>::open(&url);
        let mut session =
            session.unwrap_or_else(|e| panic!("no {}, `tests/run` starts one: `{url}`: {e}", E::NAME));
        session.sql(&E::create_database(&name));
        session.close();
        Self { address, name, roles: Mutex::default(), engine: PhantomData }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the configuration names it.
    pub fn url(&self, user: &str) -> String {
        Address { user: user.to_owned(), ..self.address.clone() }.url::<E>(&self.name)
    }

    /// As the configuration of a world names it.
    pub fn datastore(&self, user: &str) -> String {
        format!("kind = \"{}\"\nurl = \"{}\"\n", E::SCHEME, self.url(user))
    }

    /// The same behind a proxy.
    pub fn url_through(&self, proxy: &Proxy, user: &str) -> String {
        Address { user: user.to_owned(), ..Address::own::<E>(proxy.port()) }.url::<E>(&self.name)
    }

    /// A proxy before the server that this is on.
    pub fn proxy(&self) -> Proxy {
        Proxy::start(E::WIRE, &format!("{}:{}", self.address.host, self.address.port))
    }

    /// A role that may do what is granted here, where it is `{role}`, and nothing else.
    pub fn role(&self, grants: &str) -> String {
        let role = unique();
        self.sql(&E::create_role(&role));
        self.roles.lock().unwrap().push(role.clone());
        self.sql(&grants.replace("{role}", &E::grantee(&role)));
        role
    }

    /// Statements, as the application would send them.
    #[track_caller]
    pub fn sql(&self, statements: &str) {
        let mut session = self.session();
        session.sql(statements);
        session.close();
    }

    /// The same without waiting for a lock; whether it was done.
    pub fn try_sql(&self, statements: &str) -> bool {
        let mut session = self.session();
        session.sql(E::IMPATIENT);
        let done = session.try_sql(statements).is_ok();
        session.close();
        done
    }

    /// The first column of every row, as the server writes it.
    #[track_caller]
    pub fn texts(&self, query: &str) -> Vec<String> {
        let mut session = self.session();
        let texts = session.texts(query);
        session.close();
        texts
    }

    /// A transaction that is open until the test ends it.
    pub fn begin(&self) -> Session<E> {
        let mut session = self.session();
        session.sql("BEGIN");
        session
    }

    /// A connection.
    #[track_caller]
    pub fn session(&self) -> Session<E> {
        Session::open(&self.url(&self.address.user)).unwrap()
    }

    /// A connection behind a proxy.
    #[track_caller]
    pub fn session_through(&self, proxy: &Proxy) -> Session<E> {
        Session::open(&self.url_through(proxy, &self.address.user)).unwrap()
    }
}

impl<E: Engine> Application for Database<E> {
    fn sql(&self, statements: &str) {
        Database::sql(self, statements);
    }

    fn try_sql(&self, statements: &str) -> bool {
        Database::try_sql(self, statements)
    }

    fn texts(&self, query: &str) -> Vec<String> {
        Database::texts(self, query)
    }
}

impl<E: Engine> Drop for Database<E> {
    fn drop(&mut self) {
        // A server that is gone has taken the database along.
        let url = self.address.url::<E>(E::FIRST_DATABASE);
        let Ok(mut session) = Session::<E>::open(&url) else { return };
        let roles = std::mem::take(&mut *self.roles.lock().unwrap());
        let statements =
            [E::drop_database(&self.name)].into_iter().chain(roles.iter().map(|r| E::drop_role(r)));
        for statement in statements {
            if let Err(e) = session.try_sql(&statement)
                && !std::thread::panicking()
            {
                panic!("{statement}: {e}");
            }
        }
    }
}

/// A connection that a test holds. It is cut when this is dropped: a transaction that was open is rolled back.
pub struct Session<E: Engine> {
    // Before the runtime that it lives in.
    connection: E::Connection,
    runtime: Runtime,
}

impl<E: Engine> Session<E> {
    pub fn open(url: &str) -> Result<Self, sqlx::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(E::connect(url))?;
        Ok(Self { connection, runtime })
    }

    #[track_caller]
    pub fn sql(&mut self, statements: &str) {
        self.try_sql(statements).unwrap_or_else(|e| panic!("{statements}: {e}"));
    }

    pub fn try_sql(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        self.runtime.block_on(E::execute(&mut self.connection, statements))
    }

    #[track_caller]
    pub fn texts(&mut self, query: &str) -> Vec<String> {
        let texts = self.runtime.block_on(E::texts(&mut self.connection, query));
        texts.unwrap_or_else(|e| panic!("{query}: {e}"))
    }

    pub fn commit(mut self) {
        self.sql("COMMIT");
        self.close();
    }

    pub fn rollback(mut self) {
        self.sql("ROLLBACK");
        self.close();
    }

    /// In order, so that the server knows at once.
    fn close(self) {
        self.runtime.block_on(self.connection.close()).unwrap();
    }
}

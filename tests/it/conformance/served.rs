//! Rows on a server, by a key of text: what its kinds have in common.

use std::cell::OnceCell;
use std::marker::PhantomData;

use super::Key;
use super::rows::Rows;
use super::tls::Authority;
use crate::servers::postgres::Postgres;
use crate::servers::proxy::Proxy;
use crate::servers::{Database, Engine, Private, postgres};
use crate::world::{Application, World, rules};

/// What differs between the servers.
pub trait Spoken: Engine {
    /// The rule's trigger over the column `deleted_at`.
    const TRIGGER: &str;
    /// So many characters a key may have.
    const LONGEST: usize;
    /// What an application's session sets before it writes.
    const SESSION: &str;
    /// The bytes of every key, as hexadecimal text.
    const KEYS: &str;
    /// An instant as the column holds it.
    const MOMENT: &str;
    /// What the column holds where no time is plausible.
    const UNDATED: &str;
    /// How many transactions of this database wait for another to end.
    const WAITS: &str;
    /// Has an account know nothing of a batch but what its marker or its records tell.
    const FORGET: &str;
    /// Grants that let the account in with TLS only, where the server has been started for it.
    const INSIST: &str;

    /// `account`, and `refused`, whose rows keep those of `account`.
    fn schema() -> String;
    /// What the program's account may do with the records, in a database of this name.
    fn grants(name: &str) -> String;
    /// What makes it able to have a marker there.
    fn marker(name: &str) -> String;
    /// Has the sessions of this account only read, unless they ask for more: `ON` or `OFF`.
    fn only_read(role: &str, whether: &str) -> String;

    /// A key as SQL.
    fn literal(key: &Key) -> String;
    /// What starts a server with a certificate that insists on TLS.
    fn protected(authority: &Authority) -> Vec<String>;
}

/// Which of its engine's servers a test asks.
pub trait Place<E: Engine> {
    /// On a server that goes on.
    fn database() -> Database<E>;
    /// A server to do anything to, started with these arguments more.
    fn private(settings: &[String]) -> Private<E>;
}

/// The standing one.
pub enum Standing {}

impl<E: Engine> Place<E> for Standing {
    fn database() -> Database<E> {
        Database::new()
    }

    fn private(settings: &[String]) -> Private<E> {
        Private::start_set(settings)
    }
}

/// One of the newest version, which nothing has made stand.
pub enum Newest {}

thread_local! {
    /// One for all worlds of a test, and it goes with that.
    static NEWEST: OnceCell<postgres::Private> = const { OnceCell::new() };
}

impl Place<Postgres> for Newest {
    fn database() -> postgres::Database {
        NEWEST.with(|server| server.get_or_init(|| Self::private(&[])).database())
    }

    fn private(settings: &[String]) -> postgres::Private {
        postgres::Private::start_version(18, settings)
    }
}

pub struct Served<E: Spoken, P: Place<E> = Standing> {
    world: World,
    pub database: Database<E>,
    /// The program's account.
    role: String,
    place: PhantomData<P>,
}

impl<E: Spoken, P: Place<E>> Served<E, P> {
    pub fn on(database: Database<E>) -> Self {
        let marker = E::marker(database.name());
        Self::granted(database, &marker)
    }

    /// The same with an account that is granted this beside what it may do with the records.
    pub fn granted(database: Database<E>, more: &str) -> Self {
        database.sql(&E::schema());
        let role = database.role(&format!("{}; {more}", E::grants(database.name())));
        let world = World::on(&database.datastore(&role), &rules(E::TRIGGER, ""));
        Self { world, database, role, place: PhantomData }
    }

    pub fn role(&self) -> &str {
        &self.role
    }

    /// Has the program reach its datastore at this host, with these keys beside.
    pub fn reached_at(&self, host: &str, keys: &str) {
        let datastore = self.database.datastore(&self.role).replace("127.0.0.1", host);
        self.world.datastore(&format!("{datastore}{keys}\n"));
    }

    /// A proxy, through which the program reaches its datastore from now on.
    pub fn through(&self) -> Proxy {
        let proxy = self.database.proxy();
        let url = self.database.url_through(&proxy, &self.role);
        self.world.configure(&self.database.url(&self.role), &url);
        proxy
    }
}

impl<E: Spoken, P: Place<E>> Rows for Served<E, P> {
    const LONGEST: usize = E::LONGEST;
    const SESSION: &str = E::SESSION;
    const KEYS: &str = E::KEYS;
    const MOMENT: &str = E::MOMENT;
    const UNDATED: &str = E::UNDATED;
    const POINTS: &[&str] = &[];

    fn new() -> Self {
        Self::on(P::database())
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn application(&self) -> &dyn Application {
        &self.database
    }

    fn literal(key: &Key) -> String {
        E::literal(key)
    }

    fn deny(&self) {
        self.database.sql(&format!("REVOKE DELETE ON account FROM {}", E::grantee(&self.role)));
    }

    fn allow(&self) {
        self.database.sql(&format!("GRANT DELETE ON account TO {}", E::grantee(&self.role)));
    }
}

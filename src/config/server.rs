//! A datastore on a server: where it is, as whom, and how the connection is protected.

use std::path::Path;

use super::address::{self, Database, Engine};
use super::credential;
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, chain, quoted};
use crate::model::datastore::{Address, Server, Tls};

/// What only a server has, beside its `url`.
pub(super) const KEYS: [&str; 4] = ["password", "schema", "tls", "tls_ca"];

pub(super) fn server(table: &mut Cursor<'_>, engine: Engine, base: &Path) -> Option<Server> {
    let database = table.required("url").and_then(|e| database(&e, engine));
    let password = table.optional("password").map(|e| credential::source(&e, base));
    let schema = schema(table, engine, database.as_ref());
    let tls = tls(table, base, database.as_ref().map(|d| &d.address));
    let password = match password {
        Some(given) => Some(given?),
        None => None,
    };
    let Database { address, user, name } = database?;
    Some(Server { address, user, database: name, schema: schema?, password, tls: tls? })
}

fn database(entry: &Entry<'_>, engine: Engine) -> Option<Database> {
    match address::database(entry.text()?, engine) {
        Ok(database) => Some(database),
        Err(e) => {
            entry.refuse(Code::BadValue, format!("`url`: {}", chain(&e)), e.help(engine));
            None
        }
    }
}

fn schema(table: &mut Cursor<'_>, engine: Engine, database: Option<&Database>) -> Option<String> {
    match (table.optional("schema"), engine) {
        (Some(entry), Engine::Postgres) => entry.sentence(),
        // Where tables are made, and looked for, when nobody says otherwise.
        (None, Engine::Postgres) => Some("public".to_owned()),
        (Some(entry), Engine::MariaDb) => {
            let message = "`schema` is PostgreSQL's: MariaDB has none beside the database";
            entry.refuse(Code::Conflict, message, "remove it: the `url` names the database");
            None
        }
        (None, Engine::MariaDb) => Some(database?.name.clone()),
    }
}

/// Verified, where nothing weaker is asked for and the connection may leave this host.
fn tls(table: &mut Cursor<'_>, base: &Path, address: Option<&Address>) -> Option<Tls> {
    let written = table.optional("tls");
    let authority_entry = table.optional("tls_ca");
    let authority = match &authority_entry {
        Some(entry) => entry.sentence().map(|text| Some(base.join(text))),
        None => Some(None),
    };
    let tls = match &written {
        Some(entry) => word(entry)?,
        None if address::is_local(address?) => Tls::Off,
        None => Tls::Verified { authority: None },
    };
    match (&written, &tls, address) {
        (Some(entry), Tls::Verified { .. } | Tls::Unverified, Some(Address::Socket(..))) => {
            let message = "`tls` protects a connection over TCP, and this one goes through a Unix socket";
            entry.refuse(Code::Conflict, message, "remove it");
            return None;
        }
        (_, Tls::Verified { .. } | Tls::Unverified | Tls::Off, _) => {}
    }
    match (tls, authority_entry) {
        (Tls::Verified { .. }, _) => Some(Tls::Verified { authority: authority? }),
        (Tls::Unverified | Tls::Off, Some(entry)) => {
            let message = "`tls_ca` vouches for a server that is not asked to prove who it is";
            entry.refuse(Code::Conflict, message, "write `tls = \"verify\"`, or remove `tls_ca`");
            None
        }
        (tls @ (Tls::Unverified | Tls::Off), None) => Some(tls),
    }
}

fn word(entry: &Entry<'_>) -> Option<Tls> {
    match entry.text()? {
        "verify" => Some(Tls::Verified { authority: None }),
        "unverified" => Some(Tls::Unverified),
        "off" => Some(Tls::Off),
        other => {
            let help = "write `verify`, `unverified` (encrypted, whoever answers) or `off`";
            let help = did_you_mean(other, &["verify", "unverified", "off"], help);
            entry.refuse(
                Code::BadValue,
                format!("`tls` is {}, which is no protection known here", quoted(other)),
                help,
            );
            None
        }
    }
}

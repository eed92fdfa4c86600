//! The URL of a database on a server.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::{Host, ParseError, Url};

use super::paths::same_file;
use crate::diagnostic::quoted;
use crate::diagnostic::secrets::holds_password;
use crate::model::datastore::Address;

/// Which server answers, as far as the configuration of the two differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    MariaDb,
}

impl Engine {
    fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => ["postgres", "postgresql"],
            Self::MariaDb => ["mariadb", "mysql"],
        }
    }

    /// As IANA has assigned them.
    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::MariaDb => 3306,
        }
    }

    /// What to write.
    fn form(self) -> &'static str {
        match self {
            Self::Postgres => {
                "write `postgres://user@host:5432/database`, or `postgres://user@%2Fvar%2Frun%2Fpostgresql/database` for a \
                 socket in that directory"
            }
            Self::MariaDb => {
                "write `mariadb://user@host:3306/database`, or `mariadb://user@%2Frun%2Fmysqld%2Fmysqld.sock/database` for \
                 that socket"
            }
        }
    }
}

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) address: Address,
    pub(super) user: String,
    pub(super) name: String,
}

/// A URL that names no database on a server. Nothing here repeats more of it than a parameter's name: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum UrlError {
    #[error("it does not begin with `{}://` or `{}://`", .0.schemes()[0], .0.schemes()[1])]
    Scheme(Engine),
    #[error("it holds a password, which has no place in a URL")]
    Password,
    #[error("it holds a second `@`")]
    SecondAt,
    #[error("it holds white space or a control character")]
    Blank,
    #[error("it is not a URL")]
    Malformed(#[source] ParseError),
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error("it names no {}", .0.join(" and no "))]
    Missing(Vec<&'static str>),
    #[error("its {0} is not text once its `%` are decoded")]
    NotText(&'static str),
    #[error("it has the parameter {}, and parameters are not supported in a URL", quoted(.0))]
    Parameter(String),
    #[error("what follows its `#` says nothing here")]
    Fragment,
    #[error("its database holds a `/`")]
    Slash,
    #[error("its socket is not an absolute path")]
    RelativeSocket,
    #[error("it gives a socket a port, and MariaDB's sockets have none")]
    SocketPort,
}

impl UrlError {
    /// What to do.
    pub(super) fn help(&self, engine: Engine) -> String {
        let password = "`password = { file = \"…\" }` or `password = { credential = \"…\" }`";
        match self {
            Self::Password => format!(
                "take it out, write {password}, and change it: whoever could read this file has it (an `@` that is no \
                 password's end is written `%40`)"
            ),
            Self::Parameter(name) => match name.to_lowercase().replace('-', "_").as_str() {
                "sslmode" | "ssl_mode" | "ssl" | "tls" => {
                    "remove it, and write `tls = \"verify\"`, `tls = \"unverified\"` or `tls = \"off\"`"
                        .to_owned()
                }
                "sslrootcert" | "ssl_ca" | "sslca" => "remove it, and write `tls_ca = \"…\"`".to_owned(),
                "options" | "search_path" | "currentschema" if engine == Engine::Postgres => {
                    "remove it, and write `schema = \"…\"`".to_owned()
                }
                "password" => format!("remove it, and write {password}"),
                _ => "remove it: no key says this".to_owned(),
            },
            Self::SecondAt => "write an `@` in a name as `%40`".to_owned(),
            Self::Fragment => "write a `#` in a name as `%23`".to_owned(),
            Self::Slash => "write the database's name alone; a `/` in it is written `%2F`".to_owned(),
            Self::SocketPort => "remove the port".to_owned(),
            Self::Scheme(_)
            | Self::Blank
            | Self::Malformed(_)
            | Self::Port
            | Self::Missing(_)
            | Self::NotText(_)
            | Self::RelativeSocket => engine.form().to_owned(),
        }
    }
}

/// `postgres://user@host:port/database` and its like.
pub(super) fn database(text: &str, engine: Engine) -> Result<Database, UrlError> {
    if !text.split_once("://").is_some_and(|(scheme, _)| engine.schemes().contains(&scheme)) {
        return Err(UrlError::Scheme(engine));
    }
    // Before anything is taken apart: a password that nobody has encoded ends a host, a path or a parameter's name anywhere.
    if holds_password(text) {
        return Err(UrlError::Password);
    }
    if text.matches('@').count() > 1 {
        return Err(UrlError::SecondAt);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(UrlError::Blank);
    }
    let url = Url::parse(text).map_err(|e| match e {
        ParseError::EmptyHost => UrlError::Missing(vec!["host"]),
        ParseError::InvalidPort => UrlError::Port,
        e => UrlError::Malformed(e),
    })?;
    if let Some((name, _)) = url.query_pairs().next() {
        return Err(UrlError::Parameter(name.into_owned()));
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    let path = url.path().strip_prefix('/').unwrap_or(url.path());
    if path.contains('/') {
        return Err(UrlError::Slash);
    }
    let host = url.host().filter(|host| *host != Host::Domain(""));
    let missing =
        [("user", url.username().is_empty()), ("host", host.is_none()), ("database", path.is_empty())];
    let missing: Vec<_> = missing.into_iter().filter_map(|(part, missing)| missing.then_some(part)).collect();
    match host {
        Some(host) if missing.is_empty() => Ok(Database {
            address: address(&host, url.port(), engine)?,
            user: decoded("user", url.username())?,
            name: decoded("database", path)?,
        }),
        Some(_) | None => Err(UrlError::Missing(missing)),
    }
}

fn address(host: &Host<&str>, port: Option<u16>, engine: Engine) -> Result<Address, UrlError> {
    let host = match host {
        // Names of hosts know no case, and one host is one datastore.
        Host::Domain(name) => decoded("host", name)?,
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    match (host.starts_with('/'), port, engine) {
        (_, Some(0), _) => Err(UrlError::Port),
        (true, Some(_), Engine::MariaDb) => Err(UrlError::SocketPort),
        (true, None, Engine::MariaDb) => Ok(Address::Socket(host.into(), None)),
        (true, port, Engine::Postgres) => {
            Ok(Address::Socket(host.into(), Some(port.unwrap_or(engine.port()))))
        }
        (false, _, _) if host.contains('/') => Err(UrlError::RelativeSocket),
        (false, port, _) => Ok(Address::Tcp(host.to_lowercase(), port.unwrap_or(engine.port()))),
    }
}

fn decoded(part: &'static str, text: &str) -> Result<String, UrlError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.contains(char::is_control) => Ok(text.into_owned()),
        Ok(_) | Err(_) => Err(UrlError::NotText(part)),
    }
}

/// Whether what goes there never leaves this host. Whatever only a resolver could tell may leave it.
pub(super) fn is_local(address: &Address) -> bool {
    match address {
        Address::Socket(..) => true,
        Address::Tcp(host, _) => is_loopback(host),
    }
}

fn is_loopback(host: &str) -> bool {
    // An address of IPv4 may be written as one of IPv6 (RFC 4291, 2.5.5.2).
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Whether both lead to one server, as far as that can be told without asking anyone.
pub(super) fn same_server(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp(a, a_port), Address::Tcp(b, b_port)) => {
            a_port == b_port && (a == b || (is_loopback(a) && is_loopback(b)))
        }
        (Address::Socket(a, a_port), Address::Socket(b, b_port)) => a_port == b_port && same_file(a, b),
        (Address::Tcp(..), Address::Socket(..)) | (Address::Socket(..), Address::Tcp(..)) => false,
    }
}

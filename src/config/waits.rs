//! What a datastore's sweeps wait for: the hours in which it is open, and replicas that are behind.

use chrono::{NaiveTime, TimeDelta};

use super::address::{self, Engine, same_server};
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, chain, quoted};
use crate::model::calendar::{Hours, Zone};
use crate::model::datastore::{Address, LagLimit, Server, Tls};
use crate::model::period::{Elapsed, Period};

/// What only a server has that may have replicas.
pub(super) const KEYS: [&str; 2] = ["pause_on_replica_lag", "replicas"];

/// What was refused, and is reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

/// `window`; none: at any time.
pub(super) fn window(table: &mut Cursor<'_>) -> Result<Option<Hours>, Refused> {
    let Some(entry) = table.optional("window") else { return Ok(None) };
    hours(&entry).map(Some).ok_or(Refused)
}

fn hours(entry: &Entry<'_>) -> Option<Hours> {
    let mut table = entry.table()?;
    let from = table.required("from").and_then(|e| time(&e));
    let to = table.required("to").and_then(|e| time(&e));
    let help = "IANA names such as `Europe/Berlin` or `Etc/UTC`";
    let zone = table.required("time_zone").and_then(|e| e.parsed(Code::Zone, help, str::parse::<Zone>));
    table.finish();
    match Hours::new(from?, to?, zone?) {
        Ok(hours) => Some(hours),
        Err(e) => {
            entry.refuse(
                Code::BadValue,
                format!("`window`: {e}"),
                "write two times, or remove `window` where it is always open",
            );
            None
        }
    }
}

/// Hours and minutes, two digits each.
fn time(entry: &Entry<'_>) -> Option<NaiveTime> {
    let text = entry.text()?;
    let two = |digits: &str| match digits.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => digits.parse::<u32>().ok(),
        _ => None,
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
    let time = parts.and_then(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0));
    if time.is_none() {
        let message = format!("`{}` is {}, expected a time from 00:00 to 23:59", entry.key(), quoted(text));
        entry.refuse(
            Code::BadValue,
            message,
            "write hours and minutes, such as `22:00`; midnight is `00:00`",
        );
    }
    time
}

/// A length on the stopwatch, more than none.
pub(super) fn elapsed(entry: &Entry<'_>, expected: &str, help: &str) -> Option<Elapsed> {
    match entry.parsed(Code::Period, help, str::parse::<Period>)? {
        Period::Elapsed(elapsed) if elapsed.length() > TimeDelta::zero() => Some(elapsed),
        period @ (Period::Elapsed(_) | Period::Civil(_)) => {
            let message = format!("`{}` is {period}, expected {expected}, more than zero", entry.key());
            entry.refuse(Code::Period, message, help);
            None
        }
    }
}

/// `pause_on_replica_lag`, with the `replicas` of `MariaDB`; none: nobody asks them.
pub(super) fn lag(
    table: &mut Cursor<'_>,
    engine: Engine,
    primary: Option<&Server>,
) -> Result<Option<LagLimit>, Refused> {
    let written = table.optional("pause_on_replica_lag");
    let limit = written
        .as_ref()
        .map(|e| elapsed(e, "hours, minutes or seconds", "write a period such as `10 seconds`"));
    let named = table.optional("replicas");
    let replicas = match (&named, engine) {
        (None, Engine::Postgres) => Some(Vec::new()),
        (Some(entry), Engine::Postgres) => {
            let message =
                "`replicas` is MariaDB's: PostgreSQL's primary knows those that are connected to it";
            entry.refuse(Code::Conflict, message, "remove it");
            None
        }
        (None, Engine::MariaDb) => {
            if let Some(entry) = &written {
                let message = "`pause_on_replica_lag` needs `replicas`: MariaDB's primary does not know how far they are";
                let help = "add `replicas = [\"mariadb://user@host:3306/database\"]`, one each";
                entry.refuse(Code::Conflict, message, help);
            }
            Some(Vec::new())
        }
        (Some(entry), Engine::MariaDb) => {
            if written.is_none() {
                let message = "`replicas` says nothing without `pause_on_replica_lag`";
                entry.refuse(
                    Code::Conflict,
                    message,
                    "add `pause_on_replica_lag = \"10 seconds\"`, or remove it",
                );
            }
            servers(entry, primary, table.has("tls"))
        }
    };
    match (limit, replicas) {
        (Some(Some(longest)), Some(replicas)) => Ok(Some(LagLimit { longest, replicas })),
        (None, Some(_)) => Ok(None),
        (Some(None), _) | (_, None) => Err(Refused),
    }
}

/// Where the replicas answer: with the datastore's own password, and protected as its own connection is.
fn servers(entry: &Entry<'_>, primary: Option<&Server>, tls_written: bool) -> Option<Vec<Server>> {
    let items = entry.list()?;
    if items.is_empty() {
        entry.refuse(Code::BadValue, "`replicas` is empty", "name at least one");
        return None;
    }
    let mut known: Vec<Server> = Vec::new();
    for item in items {
        let server = server(&item, primary?, tls_written)?;
        if known.iter().any(|other| same_server(&other.address, &server.address)) {
            item.refuse(Code::Duplicate, "`replicas` names this server twice", "remove one of them");
            return None;
        }
        known.push(server);
    }
    Some(known)
}

fn server(entry: &Entry<'_>, primary: &Server, tls_written: bool) -> Option<Server> {
    let database = match address::database(entry.text()?, Engine::MariaDb) {
        Ok(database) => database,
        Err(e) => {
            let message = format!("a URL of `replicas`: {}", chain(&e));
            entry.refuse(Code::BadValue, message, e.help(Engine::MariaDb));
            return None;
        }
    };
    let address = database.address;
    if same_server(&address, &primary.address) {
        let message = "`replicas` names the datastore's own server";
        entry.refuse(Code::Conflict, message, "name the servers that replicate it");
        return None;
    }
    let tls = match (&primary.tls, &address) {
        (_, Address::Socket(..)) => Tls::Off,
        // Off because the datastore is on this host: its replica may not be.
        (Tls::Off, Address::Tcp(..)) if !tls_written && !address::is_local(&address) => {
            Tls::Verified { authority: None }
        }
        (tls, Address::Tcp(..)) => tls.clone(),
    };
    Some(Server {
        address,
        user: database.user,
        schema: database.name.clone(),
        database: database.name,
        password: primary.password.clone(),
        tls,
    })
}

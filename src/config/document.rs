//! The configuration as written → [`Config`].

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use super::address::Engine;
use super::overlap::{self, Own};
use super::paths::sqlite_path;
use super::{Config, Datastore, DatastoreKind, Defaults, Ledger, Limits, Pace};
use super::{credential, listen, server, waits};
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::datastore::Location;
use crate::model::name::DatastoreName;
use crate::model::schedule::Schedule;

pub(super) fn config(mut root: Cursor<'_>) -> Option<Config> {
    let base = root.source().path().parent().unwrap_or(Path::new("")).to_owned();
    let rules_dir = match root.optional("rules") {
        Some(entry) => entry.sentence().map(|text| base.join(text)),
        None => Some(base.join("rules")),
    };
    let state_entry = root.required("state");
    let state = state_entry.as_ref().and_then(|e| sqlite_url(e, &base));
    let ledger = root.required("ledger").and_then(|e| e.table()).and_then(|t| ledger(t, &base));
    let defaults =
        root.optional("defaults").map_or_else(|| Some(Defaults::default()), |e| defaults(e.table()?));
    let limits = root.optional("limits").map_or_else(|| Some(Limits::default()), |e| limits(e.table()?));
    let pace = defaults.as_ref().map_or(Pace::Unlimited, |d| d.pace);
    let (places, datastores) = datastores(&mut root, &base, pace);
    let windows = datastores.iter().filter_map(|(name, datastore)| Some((name.clone(), datastore.window?)));
    let defaults = defaults.map(|defaults| Defaults { windows: windows.collect(), ..defaults });
    let http = root.optional("http").map(|e| listen::http(e.table()?, &base));
    let control = root.optional("control").map(|e| listen::control(e.table()?, &base));
    root.finish();
    let (state, rules_dir) = (state?, rules_dir?);
    // Beside the state: client and daemon find it by the same configuration.
    let control = control.unwrap_or_else(|| Some(state.with_added_extension("control")));
    if let Some(entry) = &state_entry {
        let sockets = (control.as_deref(), http.as_ref().and_then(Option::as_ref));
        let own = Own { state: &state, rules: &rules_dir, ledger: ledger.as_ref(), sockets };
        overlap::refuse(entry, &own, &places, &datastores);
    }
    let http = match http {
        Some(given) => Some(given?),
        None => None,
    };
    Some(Config {
        rules_dir,
        state,
        ledger: ledger?,
        defaults: defaults?,
        limits: limits?,
        control: control?,
        http,
        places: places.iter().map(|(name, entry)| (name.clone(), entry.place())).collect(),
        datastores,
    })
}

fn sqlite_url(entry: &Entry<'_>, base: &Path) -> Option<PathBuf> {
    let help = "write `sqlite:///absolute/path.db`, or `sqlite://path.db` relative to this file";
    let path = entry.parsed(Code::BadValue, help, sqlite_path)?;
    Some(base.join(path))
}

fn ledger(mut table: Cursor<'_>, base: &Path) -> Option<Ledger> {
    let origin = table.required("origin").and_then(|e| origin(&e));
    let key = table.required("key").and_then(|e| credential::source(&e, base));
    let keys = table.required("keys").and_then(|e| e.sentence()).map(|text| base.join(text));
    table.finish();
    Some(Ledger { origin: origin?, key: key?, keys: keys? })
}

/// C2SP tlog-checkpoint: one line, no scheme; as a key name (C2SP signed-note) neither spaces nor `+`.
fn origin(entry: &Entry<'_>) -> Option<String> {
    let text = entry.sentence()?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') || text.contains("://") {
        entry.refuse(
            Code::BadValue,
            format!(
                "the origin {} cannot stand in a checkpoint: it may hold no space, no `+`, no scheme",
                quoted(&text)
            ),
            "write a name such as `expunged.example.com/ledger`",
        );
        return None;
    }
    Some(text)
}

fn defaults(mut table: Cursor<'_>) -> Option<Defaults> {
    let built_in = Defaults::default();
    let schedule = match table.optional("schedule") {
        Some(entry) => entry.parsed(Code::Schedule, "such as `0 0 * * * *`, in UTC", Schedule::from_str),
        None => Some(built_in.schedule),
    };
    let batch = table.optional("batch").map_or(Some(built_in.batch), |e| positive(&e));
    let pace = table.optional("rows_per_second").map_or(Some(built_in.pace), |e| pace(&e));
    let run_cap = table.optional("run_cap").map_or(Some(built_in.run_cap), |e| {
        Some(waits::elapsed(&e, "hours or minutes", "write a period such as `30 minutes`")?.length())
    });
    table.finish();
    let windows = BTreeMap::new();
    Some(Defaults { schedule: schedule?, batch: batch?, pace: pace?, run_cap: run_cap?, windows })
}

fn positive(entry: &Entry<'_>) -> Option<NonZeroU32> {
    let number = entry.integer()?;
    let valid = u32::try_from(number).ok().and_then(NonZeroU32::new);
    if valid.is_none() {
        let message = format!("`{}` is {number}, expected 1 to {}", entry.key(), u32::MAX);
        entry.refuse(Code::BadValue, message, "write a positive integer");
    }
    valid
}

fn pace(entry: &Entry<'_>) -> Option<Pace> {
    match entry.value() {
        toml::de::DeValue::String(text) if text == "unlimited" => Some(Pace::Unlimited),
        toml::de::DeValue::Integer(_) => positive(entry).map(Pace::RowsPerSecond),
        _ => entry.wrong_type("an integer or \"unlimited\""),
    }
}

fn limits(mut table: Cursor<'_>) -> Option<Limits> {
    let built_in = Limits::default();
    let first_sweep = table.optional("first_sweep").map_or(Some(built_in.first_sweep), |e| count(&e));
    let first_fraction =
        table.optional("first_fraction").map_or(Some(built_in.first_fraction), |e| fraction(&e));
    table.finish();
    Some(Limits { first_sweep: first_sweep?, first_fraction: first_fraction? })
}

fn count(entry: &Entry<'_>) -> Option<u64> {
    let number = entry.integer()?;
    let valid = u64::try_from(number).ok();
    if valid.is_none() {
        entry.refuse(
            Code::BadValue,
            format!("`{}` is {number}", entry.key()),
            "write zero or a positive integer",
        );
    }
    valid
}

fn fraction(entry: &Entry<'_>) -> Option<f64> {
    let number = entry.number()?;
    if !(0.0..=1.0).contains(&number) {
        let message = format!("`{}` is {number}, expected a part of the whole", entry.key());
        entry.refuse(Code::BadValue, message, "write a number from 0 to 1");
        return None;
    }
    Some(number)
}

/// The datastores, and where each stands in the file.
fn datastores<'a>(
    root: &mut Cursor<'a>,
    base: &Path,
    pace: Pace,
) -> (BTreeMap<DatastoreName, Entry<'a>>, BTreeMap<DatastoreName, Datastore>) {
    let (mut places, mut all) = (BTreeMap::new(), BTreeMap::new());
    let Some(mut table) = root.optional("datastore").and_then(|e| e.table()) else { return (places, all) };
    for (key, entry) in table.entries() {
        let name = DatastoreName::new(key).map_err(|e| {
            entry.refuse(Code::BadValue, e.to_string(), "rename it");
        });
        let datastore = entry.table().and_then(|t| datastore(t, base, pace));
        if let (Ok(name), Some(datastore)) = (name, datastore) {
            all.insert(name.clone(), datastore);
            places.insert(name, entry);
        }
    }
    (places, all)
}

fn datastore(mut table: Cursor<'_>, base: &Path, default: Pace) -> Option<Datastore> {
    let kind = table.required("kind").and_then(|e| kind(&e));
    let mut lag = Ok(None);
    let location = match kind {
        Some(DatastoreKind::Sqlite) => {
            let url = table.required("url");
            no_root(&mut table);
            no_server(&mut table);
            url.and_then(|e| sqlite_url(&e, base)).map(Location::Sqlite)
        }
        Some(DatastoreKind::Postgres) => {
            no_root(&mut table);
            let server = server::server(&mut table, Engine::Postgres, base);
            lag = waits::lag(&mut table, Engine::Postgres, server.as_ref());
            server.map(Location::Postgres)
        }
        Some(DatastoreKind::MariaDb) => {
            no_root(&mut table);
            let server = server::server(&mut table, Engine::MariaDb, base);
            lag = waits::lag(&mut table, Engine::MariaDb, server.as_ref());
            server.map(Location::MariaDb)
        }
        Some(DatastoreKind::Files) => {
            let root = table.required("root");
            foreign(&mut table, "url", "a database has a `url`, a tree of files a `root`");
            no_server(&mut table);
            root.and_then(|e| e.sentence()).map(|text| Location::Files(base.join(text)))
        }
        // What else it has depends on what it is.
        None => {
            for key in ["url", "root"].into_iter().chain(server::KEYS).chain(waits::KEYS) {
                table.optional(key);
            }
            None
        }
    };
    let pace = table.optional("rows_per_second").map_or(Some(default), |e| pace(&e));
    let window = waits::window(&mut table);
    table.later(&["endpoint", "bucket", "region"]);
    table.finish();
    kind?;
    Some(Datastore { location: location?, pace: pace?, window: window.ok()?, lag: lag.ok()? })
}

fn no_root(table: &mut Cursor<'_>) {
    foreign(table, "root", "a tree of files has a `root`, a database a `url`");
}

fn no_server(table: &mut Cursor<'_>) {
    for key in server::KEYS.into_iter().chain(waits::KEYS) {
        foreign(table, key, &format!("a database on a server has `{key}`; this datastore has no server"));
    }
}

fn foreign(table: &mut Cursor<'_>, key: &'static str, message: &str) {
    if let Some(entry) = table.optional(key) {
        entry.refuse(Code::Conflict, message, "remove it, or correct `kind`");
    }
}

fn kind(entry: &Entry<'_>) -> Option<DatastoreKind> {
    let text = entry.text()?;
    match text {
        "sqlite" => return Some(DatastoreKind::Sqlite),
        "postgres" => return Some(DatastoreKind::Postgres),
        "mariadb" => return Some(DatastoreKind::MariaDb),
        "files" => return Some(DatastoreKind::Files),
        "s3" | "redis" => {
            let message = format!("datastores of kind `{text}` are not supported yet");
            let help = "this version sweeps `sqlite`, `postgres`, `mariadb` and `files`";
            entry.refuse(Code::NotSupported, message, help);
        }
        _ => {
            let help = "write `sqlite`, `postgres`, `mariadb` or `files`";
            let help = did_you_mean(text, &["sqlite", "postgres", "mariadb", "files"], help);
            entry.refuse(Code::BadValue, format!("there is no datastore of kind {}", quoted(text)), help);
        }
    }
    None
}

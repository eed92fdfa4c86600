//! What lies where a sweep would find it: the state, the keys and the rules below a root, or two datastores in one place.

use std::collections::BTreeMap;
use std::path::Path;

use super::address::same_server;
use super::paths::{is_inside, same_file};
use super::{Datastore, Ledger, Listen, SecretSource};
use crate::diagnostic::Code;
use crate::diagnostic::reader::Entry;
use crate::model::datastore::{Location, Server};
use crate::model::name::DatastoreName;

/// The files of the program's own.
pub(super) struct Own<'a> {
    pub(super) state: &'a Path,
    pub(super) rules: &'a Path,
    pub(super) ledger: Option<&'a Ledger>,
    /// `control.socket` and `http.listen`.
    pub(super) sockets: (Option<&'a Path>, Option<&'a Listen>),
}

impl Own<'_> {
    fn paths(&self) -> Vec<(&'static str, &Path)> {
        let mut paths = vec![("state", self.state), ("rules", self.rules)];
        if let Some(ledger) = self.ledger {
            paths.push(("ledger.keys", &ledger.keys));
            if let SecretSource::File(path) = &ledger.key {
                paths.push(("ledger.key", path));
            }
        }
        if let Some(path) = self.sockets.0 {
            paths.push(("control.socket", path));
        }
        if let Some(Listen::Unix(path)) = self.sockets.1 {
            paths.push(("http.listen", path));
        }
        paths
    }
}

/// A sweep would dispose of its own evidence, or of another datastore; and a transaction would wait for itself.
pub(super) fn refuse(
    state_entry: &Entry<'_>,
    own: &Own<'_>,
    places: &BTreeMap<DatastoreName, Entry<'_>>,
    datastores: &BTreeMap<DatastoreName, Datastore>,
) {
    for (name, datastore) in datastores {
        let shown = &datastore.location;
        let Some(place) = places.get(name) else { continue };
        match &datastore.location {
            Location::Sqlite(path) if same_file(own.state, path) => state_entry.refuse(
                Code::StateIsDatastore,
                format!("`state` is the same file as datastore `{name}`: `{shown}`"),
                "give the state a file of its own",
            ),
            Location::Sqlite(_) | Location::Postgres(_) | Location::MariaDb(_) => {}
            Location::Files(root) => {
                for (key, _) in own.paths().iter().filter(|(_, path)| is_inside(path, root)) {
                    let message = format!("`{key}` lies below the root of datastore `{name}`: `{shown}`");
                    place.refuse(Code::StateIsDatastore, message, "move it, or choose a root further down");
                }
            }
        }
        for (other_name, other) in datastores.range(..name.clone()) {
            if overlap(&datastore.location, &other.location) {
                let message = format!("datastores `{name}` and `{other_name}` overlap: `{shown}`");
                let help = "two datastores must not hold the same records: merge them";
                place.refuse(Code::Conflict, message, help);
            }
        }
    }
}

fn overlap(a: &Location, b: &Location) -> bool {
    let same_tables = |a: &Server, b: &Server| {
        (&a.database, &a.schema) == (&b.database, &b.schema) && same_server(&a.address, &b.address)
    };
    match (a, b) {
        (Location::Postgres(a), Location::Postgres(b)) | (Location::MariaDb(a), Location::MariaDb(b)) => {
            same_tables(a, b)
        }
        (Location::Sqlite(a) | Location::Files(a), Location::Sqlite(b) | Location::Files(b))
            if same_file(a, b) =>
        {
            true
        }
        (Location::Files(outer), Location::Sqlite(inner))
        | (Location::Sqlite(inner), Location::Files(outer)) => is_inside(inner, outer),
        (Location::Files(a), Location::Files(b)) => is_inside(a, b) || is_inside(b, a),
        (Location::Sqlite(_) | Location::Files(_) | Location::Postgres(_) | Location::MariaDb(_), _) => false,
    }
}

//! The main configuration: where everything is, and the limits under which rules may act.

mod address;
mod credential;
mod document;
mod listen;
mod overlap;
mod paths;
mod server;
mod shapes;
mod waits;

pub use shapes::FILE;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::reader::File;
use crate::diagnostic::{Diagnostics, Place, Source, SourceKind};
pub use crate::model::credential::SecretSource;
pub use crate::model::datastore::{Datastore, DatastoreKind, Defaults, Pace};
use crate::model::name::DatastoreName;

/// `expunged.toml`, read. Every path is absolute, or relative to the working directory where the file's own path was.
#[derive(Debug)]
pub struct Config {
    /// The directory of the rule files.
    pub rules_dir: PathBuf,
    /// The state database's file.
    pub state: PathBuf,
    /// What the ledger is called and where its keys are.
    pub ledger: Ledger,
    /// What rules and datastores inherit.
    pub defaults: Defaults,
    /// What may happen without approval.
    pub limits: Limits,
    /// Where the daemon answers `expunged reload`: a socket of its user's alone.
    pub control: PathBuf,
    /// Where the daemon answers monitoring; none: nowhere.
    pub http: Option<Listen>,
    /// By the names that rules use.
    pub datastores: BTreeMap<DatastoreName, Datastore>,
    /// Where each of them stands in the file.
    pub places: BTreeMap<DatastoreName, Place>,
}

/// `[ledger]`.
#[derive(Debug)]
pub struct Ledger {
    /// The checkpoint's origin line: a name without a scheme, unique to this ledger.
    pub origin: String,
    /// The signing key.
    pub key: SecretSource,
    /// The directory of the epoch and pseudonymization keys.
    pub keys: PathBuf,
}

/// A credential outside a unit that has credentials.
#[derive(Debug, thiserror::Error)]
#[error(
    "credential `{name}` cannot be found: CREDENTIALS_DIRECTORY is not set; start under systemd with \
     LoadCredential={name}:…, or write `{{ file = \"…\" }}`"
)]
pub struct CredentialError {
    /// The credential's name.
    pub name: String,
}

impl SecretSource {
    /// The file that holds the secret; for a credential, in the directory that systemd prepared for this process.
    pub fn path(&self) -> Result<PathBuf, CredentialError> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(directory) => Ok(Path::new(&directory).join(name)),
                None => Err(CredentialError { name: name.clone() }),
            },
        }
    }
}

/// Where a listener stands: never beyond this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A loopback address and a port; 0: the system chooses one, and the log says which.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// `[limits]`: what a rule digest may dispose of before someone approves, until a completed sweep has shown what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Records.
    pub first_sweep: u64,
    /// Part of a dataset above 200 records, from 0 to 1.
    pub first_fraction: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first_sweep: 1000, first_fraction: 0.05 }
    }
}

impl Config {
    /// Reads the file; every problem in it is reported at once.
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        Self::parse(&Source::read(SourceKind::Configuration, path)?)
    }

    /// The same for text at hand; paths are relative to the source's own.
    pub fn parse(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        File::read(source, &shapes::FILE, document::config)
    }
}

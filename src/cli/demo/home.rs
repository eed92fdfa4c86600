//! Where a demo world lies on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::Place;
use super::world::{World, build};
use crate::cli::directory::{empty, unusable};
use crate::deployment::Deployment;
use crate::deployment::Failure;
use crate::ledger::key::{Origin, SigningKey};
use crate::secret;
use crate::state::write_key_pair;

/// The shipped rules, so that an installed program needs no file beside it.
pub const RULES: [(&str, &str); 11] = [
    ("business-hub.toml", include_str!("../../../rules/business-hub.toml")),
    ("company-account.toml", include_str!("../../../rules/company-account.toml")),
    ("endpoint-security-cloud.toml", include_str!("../../../rules/endpoint-security-cloud.toml")),
    ("gsi-parser.toml", include_str!("../../../rules/gsi-parser.toml")),
    ("motorsport.toml", include_str!("../../../rules/motorsport.toml")),
    ("my-kaspersky.toml", include_str!("../../../rules/my-kaspersky.toml")),
    ("partner-portal.toml", include_str!("../../../rules/partner-portal.toml")),
    ("security-center-cloud-console.toml", include_str!("../../../rules/security-center-cloud-console.toml")),
    ("security-for-office-365.toml", include_str!("../../../rules/security-for-office-365.toml")),
    ("web-forms.toml", include_str!("../../../rules/web-forms.toml")),
    ("website-statistics.toml", include_str!("../../../rules/website-statistics.toml")),
];

const CONFIG: &str = include_str!("expunged.toml");
const ORIGIN: &str = "demo.expunged.example/ledger";
const DATASTORES: &str = "datastores";
const BEFORE: &str = "before";

/// A world on the disk.
///
/// Until [`Home::close`], what is temporary is removed with it: a demo that fails leaves nothing behind.
pub(super) struct Home {
    directory: PathBuf,
    /// Of its own, so that it can go while the evidence stays.
    datastores: TempDir,
    temporary: Option<TempDir>,
    place: Place,
}

/// What is left of a world.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Everything is in it.
    pub directory: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// The key that verifies the ledger.
    pub verifier_key: PathBuf,
    /// The services' tables and files; none: removed.
    pub datastores: Option<PathBuf>,
    /// The same as they were before the sweep; none: removed, or never kept.
    pub before: Option<PathBuf>,
}

impl Home {
    /// Makes the directory, writes the configuration, rules and keys, and fills the datastores.
    pub(super) async fn create(place: Place, world: &World) -> Result<Self, Failure> {
        let (directory, temporary) = match &place {
            Place::At(directory) => (empty(directory)?, None),
            Place::Kept | Place::Temporary => {
                let temporary = TempDir::with_prefix("expunged-demo-").context("no temporary directory")?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let mut named = tempfile::Builder::new();
        // Its name is fixed: the configuration says it.
        let datastores = named
            .prefix(DATASTORES)
            .rand_bytes(0)
            .tempdir_in(&directory)
            .map_err(|e| unusable(&directory, "cannot be written", e))?;
        let home = Self { directory, datastores, temporary, place };
        home.write_configuration()?;
        for service in &world.services {
            let built = build(service, &home.datastores()).await;
            built.with_context(|| format!("cannot build the datastores of `{}`", service.name))?;
        }
        if home.place != Place::Temporary {
            copy(&home.datastores(), &home.directory.join(BEFORE)).context("cannot copy the datastores")?;
        }
        Ok(home)
    }

    fn write_configuration(&self) -> anyhow::Result<()> {
        let rules = self.directory.join("rules");
        fs::create_dir(&rules)?;
        for (name, text) in RULES {
            fs::write(rules.join(name), text)?;
        }
        fs::write(self.config(), CONFIG)?;
        let key = SigningKey::generate(&Origin::parse(ORIGIN)?, *secret::random_key()?);
        write_key_pair(&self.directory.join("ledger.key"), &key)?;
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("expunged.toml")
    }

    pub(super) fn verifier_key(&self) -> PathBuf {
        self.directory.join("ledger.key.vkey")
    }

    pub(super) fn datastores(&self) -> PathBuf {
        self.directory.join(DATASTORES)
    }

    /// What every command starts from.
    pub(super) fn deployment(&self) -> Result<Deployment, Failure> {
        Deployment::load(&self.config(), None)
    }

    /// Leaves what the place says.
    pub(super) fn close(self) -> anyhow::Result<Paths> {
        let (config, verifier_key) = (self.config(), self.verifier_key());
        let datastores = match self.place {
            Place::Temporary => {
                self.datastores.close().context("the datastores cannot be removed")?;
                None
            }
            Place::Kept | Place::At(_) => Some(self.datastores.keep()),
        };
        // Nothing is removed by itself any more.
        let directory = self.temporary.map_or(self.directory, TempDir::keep);
        let before = datastores.as_ref().map(|_| directory.join(BEFORE));
        Ok(Paths { directory, config, verifier_key, datastores, before })
    }
}

/// Copies a directory and all in it, with the times of the files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copied = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &copied)?;
        } else {
            fs::copy(entry.path(), &copied)?;
            fs::File::options().append(true).open(&copied)?.set_modified(entry.metadata()?.modified()?)?;
        }
    }
    Ok(())
}

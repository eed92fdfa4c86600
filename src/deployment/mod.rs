//! What the daemon and most commands start from: the configuration, the rules, the state; and how each failure ends a process.

mod exit;
mod turn;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::config::{Config, KeySource};
use crate::datastore::catalogues;
use crate::diagnostic::nearest::nearest;
use crate::ledger::canonical::RuleDocument;
use crate::ledger::key::{Origin, SigningKey};
use crate::model::catalogue::Catalogues;
use crate::model::datastore::{Datastore, DatastoreIdentity, DatastoreKind, Defaults};
use crate::model::name::DatastoreName;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::{BoundRule, bind};
use crate::rules::check::{PromiseKept, check, datastores};
use crate::rules::cutoff::Cutoffs;
use crate::rules::digest::version;
use crate::rules::document::load;
use crate::rules::rule::{Rule, RuleSet, Service};
use crate::state::{Role, Settings, State};
use crate::sweep::{Counts, Guard, Horizons, Places, SweepError, Target, count};

pub use exit::{Exit, Failure};
pub use turn::{Turn, sweep_rule};

/// The rules alone, for what needs no datastore; without a configuration, with built-in defaults.
pub fn rules_only(config: &Path, rules: Option<&Path>) -> Result<(RuleSet, Defaults), Failure> {
    let (directory, defaults) = match rules {
        Some(directory) if !config.exists() => (directory.to_owned(), Defaults::default()),
        given => {
            let config = Config::load(config)?;
            (given.map_or(config.rules_dir, Path::to_owned), config.defaults)
        }
    };
    Ok((load(&directory, &defaults)?, defaults))
}

/// The configuration and the rules, each proved by itself.
pub struct Deployment {
    /// The configuration.
    pub config: Config,
    /// The rules, which [`check`] has proved.
    pub rules: RuleSet,
    /// Every promise, and what keeps it.
    pub promises: Vec<PromiseKept>,
    horizons: Horizons,
}

/// The backup rules that cover each datastore.
fn horizons(rules: &RuleSet) -> Horizons {
    let mut horizons = Horizons::new();
    for (_, rule) in rules.rules() {
        let Some(backup) = &rule.backup else { continue };
        for name in &backup.of {
            horizons.entry(name.clone()).or_default().push(rule.calendar, rule.delete_by, backup.every);
        }
    }
    horizons
}

impl Deployment {
    /// Reads both; every problem in them is reported at once. `rules`: another directory than the configuration's.
    pub fn load(config: &Path, rules: Option<&Path>) -> Result<Self, Failure> {
        let config = Config::load(config)?;
        let rules = load(rules.unwrap_or(&config.rules_dir), &config.defaults)?;
        datastores(&rules, &config.datastores).or(())?;
        let promises = check(&rules, &config.defaults)?;
        let horizons = horizons(&rules);
        Ok(Self { config, rules, promises, horizons })
    }

    /// The rules that the patterns name, `service/rule` or `service`; all without a pattern.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<(&Service, &Rule)>, Failure> {
        let all: Vec<(&Service, &Rule)> = self.rules.rules().collect();
        let mut chosen: Vec<(&Service, &Rule)> = Vec::new();
        for pattern in patterns {
            let matching: Vec<_> = all
                .iter()
                .filter(|(s, r)| r.id.to_string() == *pattern || s.id.as_str() == pattern)
                .copied()
                .collect();
            if matching.is_empty() {
                return Err(self.unknown_rule(pattern));
            }
            for (service, rule) in matching {
                if !chosen.iter().any(|(_, r)| r.id == rule.id) {
                    chosen.push((service, rule));
                }
            }
        }
        Ok(if patterns.is_empty() { all } else { chosen })
    }

    /// The rule of this name, `service/rule`.
    pub fn one(&self, name: &str) -> Result<(&Service, &Rule), Failure> {
        self.rules.rules().find(|(_, r)| r.id.to_string() == name).ok_or_else(|| self.unknown_rule(name))
    }

    fn unknown_rule(&self, name: &str) -> Failure {
        let names: Vec<String> = self.rules.rules().map(|(_, r)| r.id.to_string()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the rules are {}", names.join(", ")),
        };
        Failure::new(Exit::Usage, anyhow::anyhow!("there is no rule `{name}`: {help}"))
    }

    /// Where the rule's own records are.
    pub fn datastore(&self, rule: &Rule) -> Result<&Datastore, Failure> {
        self.config.datastores.get(&rule.datastore).ok_or_else(|| {
            Failure::new(
                Exit::Configuration,
                anyhow::anyhow!("datastore `{}` is not configured", rule.datastore),
            )
        })
    }

    /// Where recovery finds what it needs.
    pub fn places(&self) -> Places<'_> {
        Places { datastores: &self.config.datastores, horizons: &self.horizons }
    }

    /// A rule proved against the schemas of its datastores.
    pub async fn bind<'r>(&self, rule: &'r Rule) -> Result<(BoundRule<'r>, Catalogues), Failure> {
        let catalogues = catalogues(rule, &|name| self.config.datastores.get(name)).await?;
        let bound = bind(rule, &catalogues).map_err(SweepError::Bind)?;
        Ok((bound, catalogues))
    }

    /// The rule's canonical form, bound to its datastores.
    pub fn document(&self, service: &Service, rule: &Rule) -> Result<RuleDocument, Failure> {
        let identity = |name: &DatastoreName| match self.config.datastores.get(name) {
            Some(datastore) => {
                let location =
                    std::path::absolute(&datastore.path).unwrap_or_else(|_| datastore.path.clone());
                let location = location.to_string_lossy().into_owned();
                DatastoreIdentity { kind: datastore.kind, location }
            }
            // Loading refused it.
            None => DatastoreIdentity { kind: DatastoreKind::Sqlite, location: String::new() },
        };
        Ok(RuleDocument::try_from(version(service, rule, &identity).json)?)
    }

    /// What a rule's dataset holds now, counted on a connection of its own.
    pub async fn backlog(&self, rule: &Rule, now: Now) -> Result<Counts, Failure> {
        let (bound, _) = self.bind(rule).await?;
        let cutoffs = Cutoffs::of(&bound, now);
        Ok(count(self.datastore(rule)?, &bound, &cutoffs, &Orders::default(), now).await?)
    }

    /// The rule as a sweep wants it.
    pub fn target<'a>(&'a self, rule: &'a Rule, document: &'a RuleDocument) -> Result<Target<'a>, Failure> {
        Ok(Target {
            rule,
            document,
            datastores: &self.config.datastores,
            horizons: &self.horizons,
            pace: self.datastore(rule)?.pace,
            guard: Guard {
                first_sweep: self.config.limits.first_sweep,
                first_fraction: self.config.limits.first_fraction,
            },
            batch: self.config.defaults.batch.get(),
            run_cap: self.config.defaults.run_cap.to_std().unwrap_or_default(),
        })
    }

    /// The key that signs the ledger, from its file or credential.
    pub fn signing_key(&self) -> Result<SigningKey, Failure> {
        let key = &self.config.ledger.key;
        let path = key.path().map_err(|e| Failure::new(Exit::Configuration, e))?;
        if let KeySource::File(path) = key {
            refuse_open_to_all(path)?;
        }
        let text = std::fs::read_to_string(&path).map(zeroize::Zeroizing::new).map_err(|source| {
            let exit = if source.kind() == std::io::ErrorKind::PermissionDenied {
                Exit::Denied
            } else {
                Exit::Configuration
            };
            // A second key for the same ledger would leave its checkpoints without their successor.
            let help = if self.config.state.exists() {
                "restore it: a new key cannot sign this ledger".to_owned()
            } else {
                format!("make one with `expunged key generate {}`", path.display())
            };
            let what = format!("the signing key `{}` cannot be read ({source}): {help}", path.display());
            Failure::new(exit, anyhow::anyhow!(what))
        })?;
        let key = SigningKey::parse(&text).map_err(|e| {
            Failure::new(
                Exit::Configuration,
                anyhow::Error::new(e).context(format!("`{}` is not a signing key", path.display())),
            )
        })?;
        let expected = Origin::parse(&self.config.ledger.origin)?;
        if key.origin() != &expected {
            let what = format!(
                "the signing key `{}` is for the ledger `{}`, the configuration says `{expected}`",
                path.display(),
                key.origin()
            );
            return Err(Failure::new(Exit::Configuration, anyhow::anyhow!(what)));
        }
        Ok(key)
    }

    /// Opens the state.
    pub async fn state(&self, role: Role) -> Result<State, Failure> {
        let settings = Settings {
            path: self.config.state.clone(),
            keys: self.config.ledger.keys.clone(),
            signing_key: self.signing_key()?,
        };
        Ok(State::open(settings, role).await?)
    }
}

/// With the key anyone could sign another history. A credential's permissions are the service manager's business.
fn refuse_open_to_all(path: &Path) -> Result<(), Failure> {
    // Whoever cannot even look at it is told when it is read.
    let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
    let mode = found.permissions().mode() & 0o777;
    let everyone = mode & 0o007;
    if everyone == 0 {
        return Ok(());
    }
    let path = path.display();
    let what = format!("the signing key `{path}` is open to everyone (mode {mode:o}): `chmod 600 {path}`");
    Err(Failure::new(Exit::Configuration, anyhow::anyhow!(what)))
}

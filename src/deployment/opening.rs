//! The state and the key that signs its ledger: all that an order needs, whatever becomes of the rules.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Exit, Failure};
use crate::config::{Config, SecretSource};
use crate::ledger::key::{Origin, SigningKey};
use crate::state::{Role, Settings, State};

/// Opens the state of a configuration.
pub async fn open_state(config: &Config, role: Role) -> Result<State, Failure> {
    let settings = Settings {
        path: config.state.clone(),
        keys: config.ledger.keys.clone(),
        signing_key: signing_key(config)?,
    };
    Ok(State::open(settings, role).await?)
}

/// The key that signs the ledger, from its file or credential.
pub(super) fn signing_key(config: &Config) -> Result<SigningKey, Failure> {
    let key = &config.ledger.key;
    let path = key.path().map_err(|e| Failure::new(Exit::Configuration, e))?;
    if let SecretSource::File(path) = key {
        refuse_open_to_all(path)?;
    }
    let text = std::fs::read_to_string(&path).map(zeroize::Zeroizing::new).map_err(|source| {
        let exit = if source.kind() == std::io::ErrorKind::PermissionDenied {
            Exit::Denied
        } else {
            Exit::Configuration
        };
        // A second key for the same ledger would leave its checkpoints without their successor.
        let help = if config.state.exists() {
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
    let expected = Origin::parse(&config.ledger.origin)?;
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

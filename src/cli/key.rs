//! `expunged key generate`: the ledger's signing key, and the verifier key to hand out.

use std::path::Path;

use serde_json::json;

use super::{Exit, Failure, Format, Global, Outcome};
use crate::config::Config;
use crate::ledger::key::{Origin, SigningKey};
use crate::secret;
use crate::state::write_key_pair;

pub(super) fn generate(global: &Global, file: &Path, origin: Option<String>) -> Outcome {
    let origin = match origin {
        Some(origin) => origin,
        None => Config::load(&global.config)?.ledger.origin,
    };
    let origin = Origin::parse(&origin).map_err(|e| Failure::new(Exit::Usage, e))?;
    if file.exists() {
        let what = format!(
            "`{}` exists: a signing key is never overwritten, or its ledger could not be signed again",
            file.display()
        );
        return Err(Failure::new(Exit::Refused, anyhow::anyhow!(what)));
    }
    let key = SigningKey::generate(&origin, *secret::random_key()?);
    let vkey = write_key_pair(file, &key)?;
    match global.format {
        Format::Json => println!(
            "{}",
            json!({ "key": file.display().to_string(), "vkey_file": vkey.display().to_string(), "vkey": key.verifier().to_text() })
        ),
        Format::Text => {
            println!("{}: signing key, for this machine alone", file.display());
            println!("{}: verifier key, for everyone: {}", vkey.display(), key.verifier().to_text());
        }
    }
    Ok(Exit::Done)
}

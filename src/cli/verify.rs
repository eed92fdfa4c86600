//! `expunged verify`: a proof, checked offline with nothing but the public key.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Exit, Failure, Format, Global, Outcome};
use crate::diagnostic::chain;
use crate::ledger::entry::{Action, Cause};
use crate::ledger::key::VerifierKey;
use crate::ledger::proof::{Claimed, Verified, verify};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;

/// The key in a file, as `key generate` wrote it.
pub(super) fn verifier_key(path: &Path) -> Result<VerifierKey, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    VerifierKey::parse(&text).map_err(|e| {
        Failure::new(
            Exit::Usage,
            anyhow::Error::new(e).context(format!("`{}` is not a verifier key", path.display())),
        )
    })
}

pub(super) fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(format!("cannot read `{}`", path.display())))
}

pub(super) fn run(global: &Global, key: &Path, files: &[PathBuf]) -> Outcome {
    let vkey = verifier_key(key)?;
    let mut exit = Exit::Done;
    let mut results = Vec::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|e| unreadable(path, e))?;
        let verified = verify(&bytes, &vkey);
        if verified.is_err() {
            exit = Exit::Evidence;
        }
        match (global.format, verified) {
            (Format::Text, Ok(verified)) => print(path, &verified),
            (Format::Text, Err(error)) => eprintln!("{}: NOT VERIFIED: {}", path.display(), chain(&error)),
            (Format::Json, Ok(v)) => results.push(object(path, &v)),
            (Format::Json, Err(error)) => {
                results.push(
                    json!({ "file": path.display().to_string(), "verified": false, "error": chain(&error) }),
                );
            }
        }
    }
    if global.format == Format::Json {
        println!("{}", json!({ "proofs": results }));
    }
    Ok(exit)
}

fn print(path: &Path, v: &Verified) {
    let did = match v.action {
        Action::Delete => "deleted".to_owned(),
        Action::Pseudonymize => {
            let fields: Vec<&str> =
                v.fields.iter().map(super::super::ledger::name::FieldName::as_str).collect();
            format!("pseudonymized ({})", fields.join(", "))
        }
    };
    println!("{}: verified", path.display());
    println!("  record      {} of {} in {}", v.key, v.dataset, v.datastore);
    println!("  was         {did}");
    println!(
        "  between     {} and {}",
        v.t0.format("%Y-%m-%d %H:%M:%S%.6f UTC"),
        v.t1.format("%Y-%m-%d %H:%M:%S%.6f UTC")
    );
    println!("  under       rule {} (version {}, entry {})", v.rule, v.rule_sha256, v.rule_entry);
    match v.cause {
        Cause::Request => println!("  because     its data subject demanded erasure"),
        Cause::Schedule | Cause::Replay => {
            println!("  trigger     before {}", v.cutoff.format("%Y-%m-%d %H:%M:%S%.6f UTC"));
        }
    }
    print_level(v);
    if let Some(by) = v.gone_everywhere_by {
        println!("  gone everywhere by {}, backups included", by.format("%Y-%m-%d %H:%M:%S%.6f UTC"));
    }
    if let Some(unit) = &v.unit {
        println!("  hung on     a record of batch {unit}");
    }
    if !v.dependents.is_empty() {
        println!("  dependents  in other datastores went with {}", entries(&v.dependents));
    }
    println!(
        "  in          entry {} of {}, which its key signed with {} entries",
        v.entry, v.origin, v.checkpoint_size
    );
    if v.recovered {
        println!(
            "  note        a crash came between; the outcome was established afterwards ({:?})",
            v.attribution
        );
    }
}

/// How thoroughly it is gone, and what that leaves.
fn print_level(v: &Verified) {
    let what = match v.level {
        Level::Logical => "its dataset has it no more; nothing is claimed of what the engine keeps of it",
        Level::Vacuumed => {
            "the engine keeps no version of it; its bytes may be in what is free until that is used again"
        }
        Level::Rewritten => "what held it was written anew without it",
    };
    println!("  level       {}: {what}", v.level.as_str());
    if let Some(Claimed { entry, at, means, remains }) = &v.claimed {
        let at = at.format("%Y-%m-%d %H:%M:%S%.6f UTC");
        println!("  by          {means} ({at}, entry {entry})");
        let remains: Vec<&str> = remains.iter().map(|remains| remains.as_str()).collect();
        println!("  known to remain in {}", remains.join(", "));
    }
}

/// `entry 6` or `entries 6, 9`.
pub(super) fn entries(indexes: &[EntryIndex]) -> String {
    let numbers: Vec<String> = indexes.iter().map(EntryIndex::to_string).collect();
    format!("{} {}", if numbers.len() == 1 { "entry" } else { "entries" }, numbers.join(", "))
}

/// Adds what only some proofs have: a member that is not there says nothing.
pub(super) fn link(object: &mut serde_json::Value, v: &Verified) {
    if let Some(by) = v.gone_everywhere_by {
        object["gone_everywhere_by"] = json!(by.to_rfc3339());
    }
    if let Some(Claimed { entry, at, means, remains }) = &v.claimed {
        object["level_entry"] = json!(entry.get());
        object["level_at"] = json!(at.to_rfc3339());
        object["level_means"] = json!(means.as_str());
        object["level_remains"] = json!(remains);
    }
    if let Some(unit) = &v.unit {
        object["unit"] = json!(unit.as_str());
    }
    if !v.dependents.is_empty() {
        object["dependents"] = json!(v.dependents.iter().map(|index| index.get()).collect::<Vec<_>>());
    }
}

fn object(path: &Path, v: &Verified) -> serde_json::Value {
    let mut object = json!({
        "file": path.display().to_string(), "verified": true, "key": v.key, "datastore": v.datastore.as_str(),
        "dataset": v.dataset.as_str(), "action": v.action, "fields": v.fields, "rule": v.rule.as_str(),
        "rule_sha256": v.rule_sha256.to_string(), "rule_entry": v.rule_entry.get(), "batch": v.batch.as_str(),
        "sweep": v.sweep.as_str(), "cause": v.cause, "cutoff": v.cutoff.to_rfc3339(), "t0": v.t0.to_rfc3339(),
        "t1": v.t1.to_rfc3339(), "level": v.level, "attribution": v.attribution, "recovered": v.recovered, "entry": v.entry.get(),
        "checkpoint_size": v.checkpoint_size.get(), "origin": v.origin.as_str(),
    });
    link(&mut object, v);
    object
}

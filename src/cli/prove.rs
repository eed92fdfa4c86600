//! `expunged prove`: one record's proof, as a file for an auditor.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::Context;
use super::explain::typed;
use super::{Exit, Failure, Format, Global, Outcome};
use crate::ledger::proof::verify;
use crate::rules::rule::Rule;
use crate::state::Role;

pub(super) async fn run(
    global: &Global,
    name: &str,
    key: &[String],
    dataset: Option<&str>,
    out: Option<PathBuf>,
) -> Outcome {
    let context = Context::load(global)?;
    let (_, rule) = context.one(name)?;
    let dataset = dataset_of(rule, dataset)?;
    if dataset == rule.table.as_str() {
        super::explain::check_key(rule, key)?;
    }
    let record = typed(key)?;
    let vkey = context.signing_key()?.verifier();
    let mut state = context.state(Role::Beside).await?;
    let proofs = state.prove(name, dataset, &record).await?;
    if proofs.is_empty() {
        let what = format!("the ledger holds no disposal of this record of `{dataset}` under rule `{name}`");
        return Err(Failure::new(Exit::Finding, anyhow::anyhow!(what)));
    }
    let out = out.unwrap_or_else(|| file_name(rule, dataset, key));
    let mut written = Vec::new();
    // A key that was used again may have been disposed of more than once: each disposal has its proof.
    for (number, proof) in (1..).zip(&proofs) {
        let text = proof.to_text();
        verify(text.as_bytes(), &vkey)?;
        let path = if number == 1 { out.clone() } else { out.with_extension(format!("{number}.tlog-proof")) };
        std::fs::write(&path, text).map_err(|e| {
            Failure::new(
                Exit::Denied,
                anyhow::Error::new(e).context(format!("cannot write `{}`", path.display())),
            )
        })?;
        written.push((path, proof.index));
    }
    match global.format {
        Format::Json => {
            let files: Vec<_> = written
                .iter()
                .map(|(p, i)| json!({ "file": p.display().to_string(), "entry": i.get() }))
                .collect();
            println!("{}", json!({ "rule": name, "dataset": dataset, "proofs": files }));
        }
        Format::Text => {
            for (path, index) in &written {
                println!("{}: proof of disposal, entry {index} of the ledger", path.display());
            }
        }
    }
    Ok(Exit::Done)
}

fn dataset_of<'r>(rule: &'r Rule, wanted: Option<&str>) -> Result<&'r str, Failure> {
    let Some(wanted) = wanted else { return Ok(rule.table.as_str()) };
    let all: Vec<&str> = std::iter::once(&rule.table)
        .chain(rule.dependents.iter().map(|d| &d.table))
        .map(super::super::model::name::TableName::as_str)
        .collect();
    all.iter().find(|t| **t == wanted).copied().ok_or_else(|| {
        let what =
            format!("rule `{}` has no dataset `{wanted}`: its datasets are {}", rule.id, all.join(", "));
        Failure::new(Exit::Usage, anyhow::anyhow!(what))
    })
}

/// A name that any file system takes.
fn file_name(rule: &Rule, dataset: &str, key: &[String]) -> PathBuf {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', "-");
    let key: Vec<String> = key.iter().map(|k| plain(k)).collect();
    let name = format!("{}-{}-{}.tlog-proof", plain(&rule.id.to_string()), plain(dataset), key.join("-"));
    Path::new(".").join(name.chars().take(200).collect::<String>())
}

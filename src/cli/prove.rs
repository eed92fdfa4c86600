//! `expunged prove`: one record's proof, as a file for an auditor.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::explain::typed;
use super::verify::{entries, link};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::ledger::proof::{RecordProof, Verified, verify};
use crate::rules::rule::Rule;
use crate::state::Role;

pub(super) async fn run(
    global: &Global,
    name: &str,
    key: &[String],
    dataset: Option<&str>,
    out: Option<PathBuf>,
) -> Outcome {
    let deployment = global.deployment()?;
    let (_, rule) = deployment.one(name)?;
    let dataset = dataset_of(rule, dataset)?;
    if dataset == rule.dataset.name() {
        super::explain::check_key(rule, key)?;
    }
    let record = typed(key)?;
    let vkey = deployment.signing_key()?.verifier();
    let mut state = deployment.state(Role::Beside).await?;
    let proofs = state.prove(name, dataset, &record).await?;
    if proofs.is_empty() {
        let what = format!("the ledger holds no disposal of this record of `{dataset}` under rule `{name}`");
        return Err(Failure::new(Exit::Finding, anyhow::anyhow!(what)));
    }
    let (mut texts, mut said) = (Vec::new(), Vec::new());
    for proof in &proofs {
        let text = proof.to_text();
        said.push(verify(text.as_bytes(), &vkey)?);
        texts.push(text);
    }
    if out.as_deref() == Some(Path::new("-")) {
        return to_standard_output(&texts);
    }
    let mut written = Vec::new();
    // A key that was used again may have been disposed of more than once: each disposal has its proof.
    for ((number, proof), text) in (1..).zip(&proofs).zip(&texts) {
        let (path, target) = match &out {
            None => (default_name(rule, dataset, proof), Target::New),
            Some(out) if number == 1 => (out.clone(), Target::Named),
            Some(out) => (out.with_extension(format!("{number}.tlog-proof")), Target::Named),
        };
        write(&path, text, target).map_err(|e| of_file(&path, e))?;
        written.push(path);
    }
    tell(global.format, name, dataset, &written, &said);
    Ok(Exit::Done)
}

fn tell(format: Format, name: &str, dataset: &str, written: &[PathBuf], said: &[Verified]) {
    match format {
        Format::Json => {
            let file = |(path, v): (&PathBuf, &Verified)| {
                let mut file = json!({ "file": path.display().to_string(), "entry": v.entry.get() });
                link(&mut file, v);
                file
            };
            let files: Vec<_> = written.iter().zip(said).map(file).collect();
            println!("{}", json!({ "rule": name, "dataset": dataset, "proofs": files }));
        }
        Format::Text => {
            for (path, v) in written.iter().zip(said) {
                println!("{}: proof of disposal, entry {} of the ledger", path.display(), v.entry);
                if let Some(by) = v.gone_everywhere_by {
                    println!("  gone everywhere by {}", by.format("%Y-%m-%d %H:%M:%S UTC"));
                }
                if let Some(unit) = &v.unit {
                    println!("  went with a record of batch {unit}");
                }
                if !v.dependents.is_empty() {
                    println!("  dependents in other datastores: {}", entries(&v.dependents));
                }
            }
        }
    }
}

fn dataset_of<'r>(rule: &'r Rule, wanted: Option<&str>) -> Result<&'r str, Failure> {
    let Some(wanted) = wanted else { return Ok(rule.dataset.name()) };
    let all: Vec<&str> = std::iter::once(rule.dataset.name())
        .chain(rule.dependents.iter().map(|d| d.dataset.name()))
        .collect();
    all.iter().find(|t| **t == wanted).copied().ok_or_else(|| {
        let what =
            format!("rule `{}` has no dataset `{wanted}`: its datasets are {}", rule.id, all.join(", "));
        Failure::new(Exit::Usage, anyhow::anyhow!(what))
    })
}

/// One proof is one file: two in a row would verify as neither.
fn to_standard_output(texts: &[String]) -> Outcome {
    let [text] = texts else {
        let what = format!(
            "the record was disposed of {} times, and standard output takes one proof: name a file with `--out`",
            texts.len()
        );
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    };
    print!("{text}");
    Ok(Exit::Done)
}

/// Which file a proof may replace.
#[derive(Clone, Copy)]
enum Target {
    /// None: nobody has named it.
    New,
    /// The one a person named.
    Named,
}

/// A proof holds the record's key, so it is for its owner's eyes alone.
fn write(path: &Path, text: &str, target: Target) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match target {
        Target::New => options.create_new(true),
        Target::Named => options.create(true).truncate(true),
    };
    let mut file = options.open(path)?;
    // The mode above is that of a new file only; what is no file (a pipe, a terminal) keeps its own.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}

fn of_file(path: &Path, error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        let what =
            format!("`{}` exists: remove it, or name a file with `--out`, which replaces it", path.display());
        return Failure::new(Exit::Refused, anyhow::anyhow!(what));
    }
    Failure::new(
        Exit::Denied,
        anyhow::Error::new(error).context(format!("cannot write `{}`", path.display())),
    )
}

/// A name that any file system takes and that says nothing of the record: names of files reach logs and backups.
fn default_name(rule: &Rule, dataset: &str, proof: &RecordProof) -> PathBuf {
    let plain = |text: &str| -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
        text.chars().map(kept).take(100).collect()
    };
    let (rule, dataset) = (plain(&rule.id.to_string()), plain(dataset));
    PathBuf::from(format!("{rule}-{dataset}-entry{}-{}.tlog-proof", proof.index, proof.pos))
}

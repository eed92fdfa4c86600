//! `expunged ledger verify` and `export`: the whole ledger.

mod found;
mod kept;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::directory::{empty, unusable};
use super::verify::verifier_key;
use super::{Exit, Failure, Format, Global, Outcome};
use crate::ledger::audit::{Audit, OpenIntents};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::key::VerifierKey;
use crate::ledger::tiles::{self, File, Tiles};
use crate::ledger::tree::EntryIndex;
use crate::state::{Role, State};
use found::{Beside, Found};
use kept::Kept;

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// Hands every entry to `read`, in order. Others may append meanwhile; how many were read is how many there were.
pub(super) async fn every_entry(
    state: &mut State,
    mut read: impl FnMut(EntryIndex, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut from = EntryIndex::new(0);
    // Ends because each page starts after the last entry of the one before.
    loop {
        let entries = state.entries(from, PAGE).await?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        from = EntryIndex::new(last.get() + 1);
        for (index, bytes) in &entries {
            read(*index, bytes)?;
        }
    }
}

/// `since`: files with checkpoints that somebody kept.
pub(super) async fn verify(global: &Global, since: &[PathBuf]) -> Outcome {
    let deployment = global.deployment()?;
    // Opening compares the tree with the published checkpoint.
    let mut state = deployment.state(Role::Beside).await?;
    let key = deployment.signing_key()?.verifier();
    // Before the size is taken: whatever is shown here was signed before.
    let (mut audit, mut kept) = begin(since, &key)?;
    let obeyed = state.obeyed().await?;
    every_entry(&mut state, |index, bytes| {
        // What others append meanwhile is for the next verification.
        if index < obeyed.size().next_index() {
            push(&mut audit, &mut kept, (index, bytes));
        }
        Ok(())
    })
    .await?;
    let report = audit.finish(OpenIntents::Allowed);
    let beside = Beside {
        commitments: state.check_commitments().await?,
        leaves: state.check_leaves().await?,
        contradictions: obeyed.contradictions(&report),
        keys: state.absent_keys(&report.epochs)?,
    };
    Ok(tell(global, &Found { report, kept, beside: Some(beside) }))
}

/// An audit of nothing yet, and the checkpoints it will pass.
fn begin(since: &[PathBuf], key: &VerifierKey) -> Result<(Audit, Vec<Kept>), Failure> {
    let mut kept = since.iter().map(|path| Kept::read(path, key)).collect::<Result<Vec<_>, _>>()?;
    let audit = Audit::default();
    for kept in &mut kept {
        kept.look(audit.tree());
    }
    Ok((audit, kept))
}

fn push(audit: &mut Audit, kept: &mut [Kept], (index, bytes): (EntryIndex, &[u8])) {
    audit.push(index, bytes);
    for kept in kept {
        kept.look(audit.tree());
    }
}

fn tell(global: &Global, found: &Found) -> Exit {
    match global.format {
        Format::Json => println!("{}", found.object()),
        Format::Text => found.print(),
    }
    found.exit()
}

/// Writes the ledger as it is now. The checkpoint comes last: without it, the directory is no ledger.
pub(super) async fn export(global: &Global, directory: &Path) -> Outcome {
    let deployment = global.deployment()?;
    let mut state = deployment.state(Role::Beside).await?;
    let directory = empty(directory)?;
    let (mut tiles, mut audit) = (Tiles::default(), Audit::default());
    every_entry(&mut state, |index, bytes| {
        audit.push(index, bytes);
        tiles.push(bytes).iter().try_for_each(|file| write(&directory, file))
    })
    .await?;
    tiles.finish().iter().try_for_each(|file| write(&directory, file))?;
    let audit = audit.finish(OpenIntents::Allowed);
    let signed = state.checkpoint_at(audit.size).await?;
    // What does not hash to the leaves that are signed would be refused by whoever reads it.
    let Some(signed) = signed.filter(|_| audit.findings.is_empty()) else { return Err(unsound()) };
    if SignedCheckpoint::parse_verified(&signed.to_text(), &deployment.signing_key()?.verifier())?.root()
        != audit.root
    {
        return Err(unsound());
    }
    write(&directory, &File { path: "checkpoint".to_owned(), bytes: signed.to_text().into_bytes() })?;
    match global.format {
        Format::Json => {
            println!("{}", json!({ "entries": audit.size.get(), "root": audit.root.to_string() }));
        }
        Format::Text => println!("{}: {} entries, root {}", directory.display(), audit.size, audit.root),
    }
    Ok(Exit::Done)
}

fn unsound() -> Failure {
    let what = "the ledger does not verify, and was not exported whole: see `expunged ledger verify`";
    Failure::new(Exit::Evidence, anyhow!(what))
}

fn write(directory: &Path, file: &File) -> Result<(), Failure> {
    let path = directory.join(&file.path);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&path, &file.bytes)).map_err(|e| unusable(directory, "cannot be written", e))
}

/// The same for whoever has nothing but the files and the key. Commitments are not among the files.
pub(super) fn verify_exported(
    global: &Global,
    (directory, key): (&Path, &Path),
    since: &[PathBuf],
) -> Outcome {
    let vkey = verifier_key(key)?;
    let read = |path: &str| fs::read(directory.join(path));
    let note = String::from_utf8(read("checkpoint").map_err(|e| unusable(directory, "holds no ledger", e))?);
    let checkpoint = SignedCheckpoint::parse_verified(&note.map_err(|e| evidence(e.into()))?, &vkey);
    let checkpoint = checkpoint.map_err(|e| evidence(anyhow::Error::new(e).context("the checkpoint")))?;
    let (mut audit, mut kept) = begin(since, &vkey)?;
    let size = checkpoint.size().get();
    let width = tiles::WIDTH as u64;
    for bundle in 0..size.div_ceil(width) {
        let entries = usize::try_from((size - bundle * width).min(width))?;
        let path = tiles::bundle_path(bundle, entries);
        // A ledger that has grown since may hold the full bundle alone.
        let bytes = read(&path).or_else(|_| read(&tiles::bundle_path(bundle, tiles::WIDTH)));
        let bytes = bytes.map_err(|e| missing(&path, e))?;
        let all = tiles::entries(&bytes).with_context(|| format!("`{path}`")).map_err(evidence)?;
        for (index, entry) in (bundle * width..).zip(all.iter().take(entries)) {
            push(&mut audit, &mut kept, (EntryIndex::new(index), entry));
        }
    }
    let report = audit.finish(OpenIntents::Allowed);
    if (report.size, report.root) != (checkpoint.size(), checkpoint.root()) {
        let (read, root) = (report.size, report.root);
        let what = format!(
            "the entries are not those that were signed: {read} entries with root {root}, expected {} with root {}",
            checkpoint.size(),
            checkpoint.root()
        );
        return Err(evidence(anyhow!(what)));
    }
    Ok(tell(global, &Found { report, kept, beside: None }))
}

fn evidence(error: anyhow::Error) -> Failure {
    Failure::new(Exit::Evidence, error)
}

fn missing(path: &str, error: io::Error) -> Failure {
    evidence(
        anyhow::Error::new(error).context(format!("`{path}` cannot be read, expected by the checkpoint")),
    )
}

//! `expunged ledger verify`: the whole ledger.

use serde_json::json;

use super::{Exit, Format, Global, Outcome};
use crate::diagnostic::chain;
use crate::ledger::audit::{Audit, AuditReport, OpenIntents};
use crate::ledger::tree::EntryIndex;
use crate::state::{Role, State};

/// Entries read at a time.
const PAGE: u32 = 1_000;

pub(super) async fn verify(global: &Global) -> Outcome {
    let deployment = global.deployment()?;
    // Opening compares the tree with the published checkpoint.
    let mut state = deployment.state(Role::Beside).await?;
    let report = audit(&mut state).await?;
    let commitments = state.check_commitments().await?;
    let leaves = state.check_leaves().await?;
    let sound = report.findings.is_empty() && commitments.is_empty() && leaves.is_empty();
    match global.format {
        Format::Json => println!("{}", object(&report, &commitments, &leaves)),
        Format::Text => text(&report, &commitments, &leaves),
    }
    Ok(match (sound, report.open_intents.is_empty()) {
        (false, _) => Exit::Evidence,
        (true, false) => Exit::Finding,
        (true, true) => Exit::Done,
    })
}

async fn audit(state: &mut State) -> Result<AuditReport, super::Failure> {
    let mut audit = Audit::default();
    let mut from = EntryIndex::new(0);
    // Ends because each page starts after the last entry of the one before.
    loop {
        let entries = state.entries(from, PAGE).await?;
        let Some((last, _)) = entries.last() else { break };
        from = EntryIndex::new(last.get() + 1);
        for (index, bytes) in &entries {
            audit.push(*index, bytes);
        }
    }
    Ok(audit.finish(OpenIntents::Allowed))
}

fn text(report: &AuditReport, commitments: &[String], leaves: &[EntryIndex]) {
    for finding in &report.findings {
        println!("{}", chain(finding));
    }
    for batch in commitments {
        println!("batch {batch}: the commitments kept beside it are not those its entry names");
    }
    for entry in leaves {
        println!("entry {entry}: its bytes are not those that were signed; restore the state from a backup");
    }
    for open in &report.open_intents {
        println!("entry {}: batch {} is open; the next sweep settles it", open.entry, open.batch);
    }
    let word = if report.findings.is_empty() && commitments.is_empty() && leaves.is_empty() {
        "sound"
    } else {
        "NOT SOUND"
    };
    println!("{word}: {} entries, root {}", report.size, report.root);
}

fn object(report: &AuditReport, commitments: &[String], leaves: &[EntryIndex]) -> serde_json::Value {
    json!({
        "sound": report.findings.is_empty() && commitments.is_empty() && leaves.is_empty(),
        "entries": report.size.get(), "root": report.root.to_string(),
        "findings": report.findings.iter().map(|f| json!({ "entry": f.entry.get(), "what": chain(f) })).collect::<Vec<_>>(),
        "suppressed": report.suppressed, "wrong_commitments": commitments,
        "wrong_leaves": leaves.iter().map(|l| l.get()).collect::<Vec<_>>(),
        "open_intents": report.open_intents.iter().map(|o| o.batch.as_str()).collect::<Vec<_>>(),
    })
}

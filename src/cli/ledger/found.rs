//! What a verification found, for people and for programs.

use serde_json::{Value, json};

use super::Exit;
use super::kept::Kept;
use crate::diagnostic::chain;
use crate::ledger::audit::AuditReport;
use crate::ledger::tree::EntryIndex;
use crate::state::{AbsentKey, Contradiction, Instead};

pub(super) struct Found {
    pub(super) report: AuditReport,
    /// The checkpoints that the ledger has to continue.
    pub(super) kept: Vec<Kept>,
    /// None: there is nothing beside the entries of an exported ledger.
    pub(super) beside: Option<Beside>,
}

/// What is wrong with what the state keeps beside the entries.
pub(super) struct Beside {
    /// Batches whose commitments are not those of their entry.
    pub(super) commitments: Vec<String>,
    /// Entries whose bytes are not those of their leaf hash.
    pub(super) leaves: Vec<EntryIndex>,
    pub(super) contradictions: Vec<Contradiction>,
    pub(super) keys: Vec<AbsentKey>,
}

impl Found {
    fn is_sound(&self) -> bool {
        self.report.findings.is_empty()
            && self.kept.iter().all(Kept::is_continued)
            && self.beside.as_ref().is_none_or(Beside::is_sound)
    }

    pub(super) fn exit(&self) -> Exit {
        match (self.is_sound(), self.report.open_intents.is_empty()) {
            (false, _) => Exit::Evidence,
            (true, false) => Exit::Finding,
            (true, true) => Exit::Done,
        }
    }

    pub(super) fn print(&self) {
        let Self { report, kept, beside } = self;
        for finding in &report.findings {
            println!("{}", chain(finding));
        }
        for kept in kept {
            println!("{}", kept.line(report.size));
        }
        for line in beside.iter().flat_map(Beside::lines) {
            println!("{line}");
        }
        for open in &report.open_intents {
            println!("entry {}: batch {} is open; the next sweep settles it", open.entry, open.batch);
        }
        let word = if self.is_sound() { "sound" } else { "NOT SOUND" };
        println!("{word}: {} entries, root {}", report.size, report.root);
    }

    /// What was not looked at is null: it is not in order.
    pub(super) fn object(&self) -> Value {
        let Self { report, kept, beside } = self;
        let beside = beside.as_ref();
        let keys = |instead| beside.map(|beside| beside.epochs(instead));
        json!({
            "sound": self.is_sound(), "entries": report.size.get(), "root": report.root.to_string(),
            "findings": report.findings.iter().map(|f| json!({ "entry": f.entry.get(), "what": chain(f) })).collect::<Vec<_>>(),
            "suppressed": report.suppressed,
            "wrong_commitments": beside.map(|beside| &beside.commitments),
            "wrong_leaves": beside.map(|beside| beside.leaves.iter().map(|leaf| leaf.get()).collect::<Vec<_>>()),
            "contradictions": beside.map(|beside| beside.contradictions.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "missing_keys": keys(Instead::Nothing), "wrong_keys": keys(Instead::Another),
            "since": kept.iter().map(Kept::object).collect::<Vec<_>>(),
            "open_intents": report.open_intents.iter().map(|o| o.batch.as_str()).collect::<Vec<_>>(),
        })
    }
}

impl Beside {
    fn is_sound(&self) -> bool {
        let Self { commitments, leaves, contradictions, keys } = self;
        let right = keys.iter().all(|key| match key.instead {
            // Whoever destroys an epoch's key may.
            Instead::Nothing => true,
            Instead::Another => false,
        });
        commitments.is_empty() && leaves.is_empty() && contradictions.is_empty() && right
    }

    fn epochs(&self, instead: Instead) -> Vec<&str> {
        self.keys.iter().filter(|key| key.instead == instead).map(|key| key.epoch.as_str()).collect()
    }

    fn lines(&self) -> Vec<String> {
        let Self { commitments, leaves, contradictions, keys } = self;
        let contradictions = contradictions.iter().map(ToString::to_string);
        let keys = keys.iter().map(ToString::to_string);
        let commitments = commitments.iter().map(|batch| {
            format!("batch {batch}: the commitments kept beside it are not those its entry names")
        });
        let leaves = leaves.iter().map(|entry| {
            format!(
                "entry {entry}: its bytes are not those that were signed; restore the state from a backup"
            )
        });
        commitments.chain(leaves).chain(contradictions).chain(keys).collect()
    }
}

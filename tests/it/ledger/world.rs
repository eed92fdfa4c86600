//! One small ledger, the same in every test and in `docs/ledger-format.md`: one sweep with a batch that was
//! committed, one record of which had changed, and a batch that was aborted.

use chrono::{DateTime, Duration, Utc};
use expunged::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use expunged::ledger::commitment::{BatchId, Commitments, EpochId, EpochKey};
use expunged::ledger::entry::*;
use expunged::ledger::hash::Hash;
use expunged::ledger::key::{Origin, SigningKey};
use expunged::ledger::proof::RecordProof;
use expunged::ledger::tree::{self, EntryIndex, TreeSize};

pub const GENESIS: usize = 0;
pub const OPEN: usize = 1;
pub const EPOCH: usize = 2;
pub const RULE: usize = 3;
pub const STARTED: usize = 4;
pub const INTENT: usize = 5;
pub const COMMITTED: usize = 6;
pub const ABORTED: usize = 8;
pub const RESIDUE: usize = 9;
pub const FINISHED: usize = 10;

pub const BATCH: &str = "20261123T141500Z-000001-3f9a";
const ACCOUNTS: [&str; 4] = [r#"["1"]"#, r#"["2"]"#, r#"["3"]"#, r#"["5"]"#];
const CHANGED: &str = r#"["4"]"#;
/// Not in ASCII and with an escape of its own, as keys may be.
pub const COMMENTS: [&str; 3] = [r#"["7","é\"\\"]"#, r#"["7","b"]"#, r#"["9","a"]"#];

pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-23T14:15:00.000000Z".parse::<DateTime<Utc>>().unwrap() + Duration::seconds(seconds)
}

pub fn signing_key() -> SigningKey {
    let origin = Origin::parse("ledger.example.com/expunged").unwrap();
    SigningKey::generate(&origin, std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

pub fn epoch_key() -> EpochKey {
    EpochKey::from_bytes(std::array::from_fn(|n| u8::try_from(n + 32).unwrap()))
}

pub fn commitments(dataset: &str, keys: &[&str]) -> Commitments {
    let key = epoch_key().batch_key(&BatchId::parse(BATCH).unwrap(), dataset);
    Commitments::from_unsorted(keys.iter().map(|record| key.commit(record)).collect()).unwrap()
}

pub fn rule() -> RuleDocument {
    let text = r#"{"action":"delete","dataset":"account","id":"account","retain":"0 hours"}"#;
    RuleDocument::parse(text).unwrap()
}

/// Of so many records.
pub fn timing(n: u64) -> Timing {
    Timing {
        at: at(0),
        waited: vec![Waited { within: 86_000, n }],
        bounds: vec![Bound { promise: None, late: 0, margin: Some(3_600) }],
    }
}

/// The bodies of the entries, in order; entry `n` is written at second `10 n`.
pub fn bodies() -> Vec<Body> {
    let (sweep, rule_id) = (SweepId::parse("S1").unwrap(), RuleId::parse("motorsport/account").unwrap());
    let epoch = EpochId::parse("2026-11").unwrap();
    let (rule_entry, rule_sha256) = (EntryIndex::new(RULE as u64), rule().digest());
    let intent = |batch: &str, parts: Vec<IntentPart>| BatchIntent {
        batch: BatchId::parse(batch).unwrap(),
        sweep: sweep.clone(),
        rule: rule_id.clone(),
        rule_entry,
        rule_sha256,
        epoch: epoch.clone(),
        unit: None,
        timing: parts.first().map(|part| timing(part.n)),
        parts,
    };
    let genesis = Genesis { origin: signing_key().origin().clone(), vkey: signing_key().verifier() };
    let mut bodies = vec![Body::Genesis(genesis)];
    let first = entry(0, &bodies[0]);
    bodies.extend([
        Body::Open(Open { size: TreeSize::new(1), root: first.leaf_hash() }),
        Body::KeyEpoch(KeyEpoch { epoch: epoch.clone(), check: epoch_key().check(&epoch) }),
        Body::RuleVersion(RuleVersion {
            rule: rule_id.clone(),
            rule_sha256,
            rule_json: rule(),
            tzdb: TzdbVersion::parse("2026a").unwrap(),
        }),
        Body::SweepStarted(SweepStarted {
            sweep: sweep.clone(),
            rule: rule_id.clone(),
            rule_entry,
            rule_sha256,
            cause: Cause::Schedule,
            eligible: at(35),
            late: at(45),
            cutoff: at(35),
        }),
        Body::BatchIntent(intent(BATCH, intent_parts())),
        Body::BatchCommitted(committed(&intent(BATCH, intent_parts()))),
        Body::BatchIntent(intent("B2", intent_parts())),
        Body::BatchAborted(BatchAborted {
            batch: BatchId::parse("B2").unwrap(),
            intent: EntryIndex::new(7),
            reason: AbortReason::RolledBack,
        }),
        Body::Residue(Residue {
            sweep: sweep.clone(),
            rule: rule_id.clone(),
            remaining: Some(1),
            held: Some(0),
            locked: None,
            refused: Some(0),
            changed: Some(1),
            undated: Some(2),
            stranded: 0,
            bounds: Vec::new(),
            why: Vec::new(),
        }),
        Body::SweepFinished(SweepFinished {
            sweep,
            started: EntryIndex::new(STARTED as u64),
            result: SweepResult::Completed,
            batches: 1,
            aborted: 1,
            open: 0,
            totals: Outcomes { disposed: 7, changed: 1, ..Outcomes::default() },
        }),
        Body::Approval(Approval {
            rule: rule_id,
            rule_sha256,
            up_to: 5000,
            by: RoleName::parse("compliance").unwrap(),
        }),
    ]);
    bodies
}

fn intent_parts() -> Vec<IntentPart> {
    let accounts = commitments("account", &[&ACCOUNTS[..], &[CHANGED]].concat());
    let comments = commitments("comment", &COMMENTS);
    let part = |dataset, action, commitments: &Commitments| IntentPart {
        datastore: DatastoreName::parse("motorsport").unwrap(),
        dataset: DatasetName::parse(dataset).unwrap(),
        action,
        n: commitments.n(),
        root: commitments.root(),
    };
    vec![part("comment", Action::Pseudonymize, &comments), part("account", Action::Delete, &accounts)]
}

fn committed(intent: &BatchIntent) -> BatchCommitted {
    let part = |n: usize, fields: &[&str], commitments: &Commitments| CommittedPart {
        datastore: intent.parts[n].datastore.clone(),
        dataset: intent.parts[n].dataset.clone(),
        action: intent.parts[n].action,
        fields: fields.iter().map(|field| FieldName::parse(field).unwrap()).collect(),
        outcomes: Outcomes {
            disposed: commitments.n(),
            changed: intent.parts[n].n - commitments.n(),
            ..Outcomes::default()
        },
        n: commitments.n(),
        root: commitments.root(),
    };
    let comments = part(0, &["author_id", "author_name"], &commitments("comment", &COMMENTS));
    let accounts = part(1, &[], &commitments("account", &ACCOUNTS));
    BatchCommitted {
        batch: intent.batch.clone(),
        intent: EntryIndex::new(INTENT as u64),
        sweep: intent.sweep.clone(),
        cause: Cause::Schedule,
        rule: intent.rule.clone(),
        rule_entry: intent.rule_entry,
        rule_sha256: intent.rule_sha256,
        cutoff: at(35),
        t0: at(52),
        t1: at(55),
        alg: Algorithm::R1Cut24,
        epoch: intent.epoch.clone(),
        attribution: Attribution::Transaction,
        recovered: false,
        unit: None,
        dependents: Vec::new(),
        gone_everywhere_by: None,
        parts: vec![comments, accounts],
    }
}

pub fn entry(n: usize, body: &Body) -> Entry {
    let seconds = i64::try_from(n).unwrap() * 10;
    let entry = Entry::new(at(seconds), &NodeName::parse("node-1").unwrap(), body).unwrap();
    // As version 0.1.0 wrote it: the next release must still read the document's proof, not change it.
    let sw = format!("\"expunged {}\"", env!("CARGO_PKG_VERSION"));
    Entry::parse(entry.as_text().replace(&sw, "\"expunged 0.1.0\"").as_bytes()).unwrap()
}

pub fn entries(bodies: &[Body]) -> Vec<Entry> {
    bodies.iter().enumerate().map(|(n, body)| entry(n, body)).collect()
}

pub fn leaves() -> Vec<Hash> {
    entries(&bodies()).iter().map(Entry::leaf_hash).collect()
}

pub fn checkpoint() -> SignedCheckpoint {
    let leaves = leaves();
    let size = TreeSize::new(leaves.len() as u64);
    Checkpoint::new(signing_key().origin().clone(), size, tree::root(&leaves)).sign(&signing_key()).unwrap()
}

/// The proof that this record went with the batch: part 0 holds the comments, part 1 the accounts.
pub fn proof(part: u64, key: &str) -> RecordProof {
    let (dataset, keys) = if part == 0 { ("comment", &COMMENTS[..]) } else { ("account", &ACCOUNTS[..]) };
    let batch_key = epoch_key().batch_key(&BatchId::parse(BATCH).unwrap(), dataset);
    let commitments = commitments(dataset, keys);
    let pos = commitments.position(&batch_key.commit(key)).unwrap();
    RecordProof {
        entry: entry(COMMITTED, &bodies()[COMMITTED]),
        key: key.to_owned(),
        nonce: batch_key.nonce(key),
        part,
        pos,
        n: commitments.n(),
        path: commitments.inclusion(pos).unwrap(),
        index: EntryIndex::new(COMMITTED as u64),
        inclusion: tree::inclusion(&leaves(), COMMITTED as u64).unwrap(),
        checkpoint: checkpoint(),
        level: None,
    }
}

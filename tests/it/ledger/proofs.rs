//! The proof of one record, and that not one byte of it can be changed: in Rust, and in a verifier that was
//! written from the document alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expunged::ledger::canonical;
use expunged::ledger::checkpoint::Checkpoint;
use expunged::ledger::entry::*;
use expunged::ledger::error::ProofError;
use expunged::ledger::hash::leaf_hash;
use expunged::ledger::key::{Origin, SigningKey};
use expunged::ledger::proof::{RecordProof, verify};
use expunged::ledger::tree::{self, EntryIndex, TreeSize};

use super::entries::check_closed;
use super::world::{self, COMMENTS, COMMITTED, proof, signing_key};

#[test]
fn a_proof_says_what_was_disposed_of() {
    let verified = verify(proof(1, r#"["3"]"#).to_text().as_bytes(), &signing_key().verifier()).unwrap();
    assert_eq!(verified.key, r#"["3"]"#);
    assert_eq!((verified.datastore.as_str(), verified.dataset.as_str()), ("motorsport", "account"));
    assert_eq!((verified.action, verified.fields.len()), (Action::Delete, 0));
    assert_eq!(
        (verified.rule.as_str(), verified.rule_sha256),
        ("motorsport/account", world::rule().digest())
    );
    assert_eq!((verified.rule_entry.get(), verified.entry.get(), verified.checkpoint_size.get()), (3, 6, 12));
    assert_eq!((verified.batch.as_str(), verified.sweep.as_str()), (world::BATCH, "S1"));
    assert_eq!((verified.cutoff, verified.t0, verified.t1), (world::at(35), world::at(52), world::at(55)));
    assert_eq!((verified.cause, verified.attribution), (Cause::Schedule, Attribution::Transaction));
    assert!(!verified.recovered);
    assert_eq!(&verified.origin, signing_key().origin());
    let pseudonymized =
        verify(proof(0, COMMENTS[0]).to_text().as_bytes(), &signing_key().verifier()).unwrap();
    assert_eq!((pseudonymized.key.as_str(), pseudonymized.action), (COMMENTS[0], Action::Pseudonymize));
    assert_eq!(pseudonymized.fields.len(), 2);
}

#[test]
fn a_proof_survives_its_text() {
    let text = proof(1, r#"["3"]"#).to_text();
    assert_eq!(RecordProof::parse(text.as_bytes()).unwrap().to_text(), text);
}

#[test]
fn every_changed_byte_is_refused() {
    let text = proof(0, COMMENTS[0]).to_text().into_bytes();
    let key = signing_key().verifier();
    verify(&text, &key).unwrap();
    for position in 0..text.len() {
        let original = text[position];
        let flips = (0..8).map(|bit| original ^ (1 << bit));
        for value in flips.chain(*b"A=\n\r 0+/").filter(|value| *value != original) {
            let mut changed = text.clone();
            changed[position] = value;
            assert!(verify(&changed, &key).is_err(), "byte {position}: {original} → {value}");
        }
    }
}

#[test]
fn every_missing_inserted_or_trailing_byte_is_refused() {
    let text = proof(0, COMMENTS[0]).to_text().into_bytes();
    let key = signing_key().verifier();
    for position in 0..=text.len() {
        assert!(position == text.len() || verify(&text[..position], &key).is_err());
        for byte in *b"\n\r =0A" {
            let mut longer = text.clone();
            longer.insert(position, byte);
            assert!(verify(&longer, &key).is_err(), "{byte} inserted at {position}");
        }
        if position < text.len() {
            let mut shorter = text.clone();
            shorter.remove(position);
            assert!(verify(&shorter, &key).is_err(), "byte {position} removed");
        }
    }
}

/// Not a single byte, but what someone who writes a proof afresh would try.
#[test]
fn a_proof_of_something_else_is_refused() {
    let key = signing_key().verifier();
    let refused = |change: fn(&mut RecordProof)| {
        let mut forged = proof(1, r#"["3"]"#);
        change(&mut forged);
        verify(forged.to_text().as_bytes(), &key).unwrap_err()
    };
    let not_in_batch = |error| assert!(matches!(error, ProofError::NotInBatch { .. }), "{error}");
    not_in_batch(refused(|proof| proof.key = r#"["4"]"#.into()));
    not_in_batch(refused(|proof| proof.nonce = world::proof(1, r#"["1"]"#).nonce));
    not_in_batch(refused(|proof| proof.pos ^= 1));
    not_in_batch(refused(|proof| proof.path.truncate(1)));
    let no_part = |error| assert!(matches!(error, ProofError::Part { .. }), "{error}");
    no_part(refused(|proof| proof.part = 0));
    no_part(refused(|proof| proof.part = 2));
    no_part(refused(|proof| proof.n = 5));
    let not_in_ledger = |error| assert!(matches!(error, ProofError::NotInLedger { .. }), "{error}");
    not_in_ledger(refused(|proof| proof.index = EntryIndex::new(7)));
    not_in_ledger(refused(|proof| proof.index = EntryIndex::new(u64::MAX)));
    not_in_ledger(refused(|proof| proof.inclusion.clear()));
    not_in_ledger(refused(|proof| {
        let Body::BatchCommitted(mut seal) = proof.entry.body().clone() else { panic!("no seal") };
        seal.rule = RuleId::parse("motorsport/another").unwrap();
        proof.entry = world::entry(COMMITTED, &Body::BatchCommitted(seal));
    }));
    let not_a_disposal = refused(|proof| {
        proof.entry = world::entries(&world::bodies()).remove(5);
        proof.index = EntryIndex::new(5);
        proof.inclusion = tree::inclusion(&world::leaves(), 5).unwrap();
    });
    assert!(matches!(not_a_disposal, ProofError::NotADisposal { observed: "batch.intent" }));
    let another = SigningKey::generate(&Origin::parse("elsewhere").unwrap(), [9; 32]);
    let text = proof(1, r#"["3"]"#).to_text();
    let error = verify(text.as_bytes(), &another.verifier()).unwrap_err();
    assert!(matches!(error, ProofError::Checkpoint { .. }));
}

/// A proof whose every hash and signature holds, over an entry of any bytes: what only a ledger could write whose
/// own program does not keep to the format.
fn proof_of(entry: &str) -> Vec<u8> {
    let mut leaves = world::leaves();
    leaves[COMMITTED] = leaf_hash(entry.as_bytes());
    let size = TreeSize::new(leaves.len() as u64);
    let head = Checkpoint::new(signing_key().origin().clone(), size, tree::root(&leaves));
    let genuine = proof(1, r#"["3"]"#).to_text();
    let mut lines: Vec<String> = genuine.split('\n').map(str::to_owned).collect();
    let extra = STANDARD.decode(lines[1].strip_prefix("extra ").unwrap()).unwrap();
    let mut extra: serde_json::Value = serde_json::from_slice(&extra).unwrap();
    extra["entry"] = entry.into();
    lines[1] = format!("extra {}", STANDARD.encode(canonical::write(&extra)));
    lines.truncate(3);
    lines.extend(tree::inclusion(&leaves, COMMITTED as u64).unwrap().iter().map(ToString::to_string));
    format!("{}\n\n{}", lines.join("\n"), head.sign(&signing_key()).unwrap().to_text()).into_bytes()
}

#[test]
fn both_verifiers_refuse_a_signed_entry_that_breaks_its_schema() {
    let folder = Folder::new();
    let genuine = world::entry(COMMITTED, &world::bodies()[COMMITTED]);
    let key = signing_key().verifier();
    assert_eq!(proof_of(genuine.as_text()), proof(1, r#"["3"]"#).to_text().into_bytes());
    let value = serde_json::from_slice(genuine.as_bytes()).unwrap();
    let mut proofs = Vec::new();
    check_closed(&value, &mut |changed| {
        let text = proof_of(&canonical::write(changed));
        assert!(matches!(verify(&text, &key), Err(ProofError::Entry { .. })), "{changed}");
        proofs.push(folder.write(&format!("{}.tlog-proof", proofs.len()), &text));
    });
    for (from, to) in CONTRADICTIONS {
        let changed = genuine.as_text().replacen(from, to, 1);
        assert_ne!(changed, genuine.as_text(), "{from}");
        let text = proof_of(&changed);
        assert!(matches!(verify(&text, &key), Err(ProofError::Entry { .. })), "{changed}");
        proofs.push(folder.write(&format!("{}.tlog-proof", proofs.len()), &text));
    }
    let output = folder.python(&proofs);
    let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert_eq!(printed.matches("refused: ").count(), proofs.len(), "{printed}");
}

const CONTRADICTIONS: [(&str, &str); 15] = [
    (r#""alg":"r1-24""#, r#""alg":"r1-32""#),
    (r#""cause":"schedule""#, r#""cause":"whim""#),
    (r#""v":1"#, r#""v":2"#),
    (r#""t":"batch.committed""#, r#""t":"batch.sealed""#),
    (r#""node":"node-1""#, r#""node":"node 1""#),
    (r#""sw":"expunged 0.1.0""#, r#""sw":"expunged""#),
    (r#""t0":"2026-11-23T14:15:52"#, r#""t0":"2026-11-23T14:15:56"#),
    (r#""t0":"2026-11-23T14:15:52.000000Z""#, r#""t0":"2026-11-23T14:15:52.00000Z""#),
    (r#""t0":"2026-11-23T14:15:52.000000Z""#, r#""t0":"0000-11-23T14:15:52.000000Z""#),
    (r#""disposed":3"#, r#""disposed":2"#),
    (r#"["author_id","author_name"]"#, r#"["author_name","author_id"]"#),
    (r#"["author_id","author_name"]"#, "[]"),
    (r#""fields":[]"#, r#""fields":["a"]"#),
    (r#""datastore":"motorsport","fields":["#, r#""datastore":"mötor","fields":["#),
    (r#""dataset":"comment","datastore":"motorsport""#, r#""dataset":"account","datastore":"elsewhere""#),
];

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("ledger.vkey", format!("{}\n", signing_key().verifier().to_text()).as_bytes());
        folder
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The verifier written from the document; a missing Python is a failure and not a silent skip.
    pub fn python(&self, proofs: &[PathBuf]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_proof.py");
        let mut command = Command::new("python3");
        command.arg(script).arg("--key").arg(self.0.path().join("ledger.vkey")).args(proofs);
        command.output().unwrap()
    }
}

#[test]
fn the_python_verifier_accepts_what_we_write() {
    let folder = Folder::new();
    let mut proofs = Vec::new();
    for (n, key) in [r#"["1"]"#, r#"["2"]"#, r#"["3"]"#, r#"["5"]"#].into_iter().enumerate() {
        proofs.push(folder.write(&format!("account-{n}.tlog-proof"), proof(1, key).to_text().as_bytes()));
    }
    for (n, key) in COMMENTS.into_iter().enumerate() {
        proofs.push(folder.write(&format!("comment-{n}.tlog-proof"), proof(0, key).to_text().as_bytes()));
    }
    let output = folder.python(&proofs);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains(r#"["7","é\"\\"]"#), "{printed}");
    assert_eq!(printed.matches("motorsport/account").count(), 7, "{printed}");
}

#[test]
fn the_python_verifier_refuses_changed_bytes() {
    let folder = Folder::new();
    let text = proof(0, COMMENTS[0]).to_text().into_bytes();
    let mut proofs = Vec::new();
    let mut put = |bytes: &[u8]| {
        proofs.push(folder.write(&format!("{}.tlog-proof", proofs.len()), bytes));
    };
    for position in (0..text.len()).step_by(5) {
        for mask in [0x01, 0x20, 0x80] {
            let mut changed = text.clone();
            changed[position] ^= mask;
            put(&changed);
        }
    }
    put(&[&text[..], b"\n"].concat());
    put(&text[..text.len() - 1]);
    put(&String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n").into_bytes());
    put(b"");
    let output = folder.python(&proofs);
    let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert_eq!(printed.matches("refused").count(), proofs.len(), "{printed}");
    assert!(!printed.contains("Traceback"), "{printed}");
}

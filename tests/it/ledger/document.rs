//! `docs/ledger-format.md` is read, and every test vector in it computed afresh: the document cannot drift.

use std::collections::BTreeMap;

use expunged::ledger::commitment::{BatchId, Commitments, EpochId};
use expunged::ledger::hash::{empty_root, leaf_hash, node_hash};
use expunged::ledger::key::VerifierKey;
use expunged::ledger::proof::verify;
use expunged::ledger::tree;

use super::levels::{self, VACUUMED, levels};
use super::world::{self, BATCH, COMMITTED};

const DOCUMENT: &str = include_str!("../../../docs/ledger-format.md");

/// The lines of the fenced blocks marked ```` ```text vectors ````, each `name = value`.
fn vectors() -> BTreeMap<&'static str, &'static str> {
    let mut vectors = BTreeMap::new();
    for block in blocks("vectors") {
        for line in block.lines() {
            let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("no value in {line:?}"));
            assert!(vectors.insert(name, value).is_none(), "{name} stands twice");
        }
    }
    vectors
}

fn blocks(mark: &str) -> Vec<&'static str> {
    let opening = format!("```text {mark}\n");
    let blocks: Vec<_> =
        DOCUMENT.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "no block of {mark}");
    blocks
}

fn computed() -> BTreeMap<&'static str, String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let (key, epoch) = (world::signing_key(), world::epoch_key());
    let batch_key = epoch.batch_key(&BatchId::parse(BATCH).unwrap(), "account");
    let accounts = world::commitments("account", &[r#"["1"]"#, r#"["2"]"#, r#"["3"]"#, r#"["5"]"#]);
    let one = Commitments::from_unsorted(vec![batch_key.commit(r#"["3"]"#)]).unwrap();
    let leaves: Vec<_> = ["a", "b", "c"].iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
    let path = tree::inclusion(&leaves, 1).unwrap();
    let seal = world::entry(COMMITTED, &world::bodies()[COMMITTED]);
    let level = world::entry(VACUUMED, &levels()[VACUUMED]);
    BTreeMap::from([
        ("root of no leaves", empty_root().to_string()),
        ("leaf hash of a", leaves[0].to_string()),
        ("leaf hash of b", leaves[1].to_string()),
        ("leaf hash of c", leaves[2].to_string()),
        ("node hash of the leaves a, b", node_hash(&leaves[0], &leaves[1]).to_string()),
        ("root of a, b, c", tree::root(&leaves).to_string()),
        ("path of b, first", path[0].to_string()),
        ("path of b, second", path[1].to_string()),
        ("seed of the signing key, hex", hex(&(0..32).collect::<Vec<_>>())),
        ("signing key", key.to_text().to_string()),
        ("verifier key", key.verifier().to_text()),
        ("epoch key, hex", hex(epoch.as_bytes())),
        ("check of epoch 2026-11", epoch.check(&EpochId::parse("2026-11").unwrap()).to_string()),
        ("batch", BATCH.into()),
        ("dataset", "account".into()),
        ("key", r#"["3"]"#.into()),
        ("tag", epoch.tag("account", r#"["3"]"#).to_string()),
        ("nonce", batch_key.nonce(r#"["3"]"#).to_string()),
        ("commitment", batch_key.commit(r#"["3"]"#).to_string()),
        ("root of this commitment alone", one.root().to_string()),
        (r#"root of ["1"], ["2"], ["3"], ["5"]"#, accounts.root().to_string()),
        ("rule", world::rule().to_text()),
        ("rule_sha256", world::rule().digest().to_string()),
        ("entry", seal.as_text().to_owned()),
        ("leaf hash of the entry", seal.leaf_hash().to_string()),
        ("level entry", level.as_text().to_owned()),
        ("leaf hash of the level entry", level.leaf_hash().to_string()),
    ])
}

#[test]
fn the_vectors_in_the_document_are_those_of_the_code() {
    let computed = computed();
    let expected: Vec<_> = computed.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let computed: BTreeMap<&str, &str> =
        computed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(vectors(), computed, "the document should say\n{}", expected.join("\n"));
}

#[test]
fn the_checkpoint_and_the_proof_in_the_document_are_those_of_the_code() {
    assert_eq!(blocks("checkpoint"), [world::checkpoint().to_text()], "{}", world::checkpoint().to_text());
    let proof = world::proof(1, r#"["3"]"#).to_text();
    assert_eq!(blocks("proof"), [proof.as_str()], "the document should say\n{proof}");
    let raised = levels::proof(1, r#"["3"]"#, VACUUMED).to_text();
    assert_eq!(blocks("proof of a level"), [raised.as_str()], "the document should say\n{raised}");
}

#[test]
fn the_proof_in_the_document_verifies_under_the_key_in_the_document() {
    let key = VerifierKey::parse(vectors()["verifier key"]).unwrap();
    assert_eq!(verify(blocks("proof")[0].as_bytes(), &key).unwrap().key, vectors()["key"]);
    let raised = verify(blocks("proof of a level")[0].as_bytes(), &key).unwrap();
    assert_eq!((raised.key.as_str(), raised.level.as_str()), (vectors()["key"], "vacuumed"));
}

#[test]
fn every_type_of_entry_is_described() {
    for body in world::bodies().into_iter().chain(super::units::unit()).chain(levels()) {
        let kind = body.kind();
        assert!(DOCUMENT.contains(&format!("`{kind}`")), "{kind} is missing in the document");
        let value = serde_json::to_value(&body).unwrap();
        for field in value.as_object().unwrap().keys() {
            assert!(
                DOCUMENT.contains(&format!("`{field}`")),
                "`{field}` of {kind} is missing in the document"
            );
        }
    }
}

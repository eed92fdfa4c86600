//! Commitments: nothing opens but what was committed to.

use std::collections::HashSet;

use expunged::ledger::commitment::{BatchId, Commitment, Commitments, EpochId, EpochKey};
use expunged::ledger::hash::{Hash, empty_root, leaf_hash};
use expunged::ledger::tree;

use super::world::{BATCH, epoch_key};

#[test]
fn a_nonce_opens_its_record_and_no_other() {
    let key = epoch_key().batch_key(&BatchId::parse(BATCH).unwrap(), "account");
    assert!(Commitment::open(&key.nonce(r#"["1"]"#), r#"["1"]"#) == key.commit(r#"["1"]"#));
    assert!(Commitment::open(&key.nonce(r#"["1"]"#), r#"["2"]"#) != key.commit(r#"["2"]"#));
}

#[test]
fn a_record_is_committed_to_as_the_format_says() {
    // Computed from docs/ledger-format.md with Python's `hmac` and `hashlib`, and a SipHash-2-4 that gives its authors' test vector.
    let epoch = EpochKey::from_bytes([1; 32]);
    let key = epoch.batch_key(&BatchId::parse("b-1").unwrap(), "account");
    assert_eq!(key.nonce("42").to_string(), "Q0pSA1InfOP2fGaIKNlNpg==");
    assert_eq!(key.commit("42").to_string(), "Udj89LTlw2eFD4egBoz2V02kEu6Zll0K");
    assert_eq!(epoch.tag("account", "42").to_string(), "g5KdciPs");
    assert_eq!(epoch.check(&EpochId::parse("2026-11").unwrap()).to_string(), "VOOFvsTcGyQwp2HfJKnM/A==");
    // Longer than what is hashed in one piece.
    let long = Hash::parse("eSU1AEkKZZpYo5qnyzT41LQxpUskKMq7VV+bA56PXso=").unwrap();
    assert_eq!(leaf_hash(&[b'x'; 200]), long);
}

#[test]
fn the_same_record_has_another_commitment_in_another_batch_or_dataset() {
    let epoch = epoch_key();
    let places = [(BATCH, "account"), ("B2", "account"), ("B2", "comment"), ("B", "2\0account")];
    let commitments: HashSet<Commitment> = places
        .iter()
        .map(|(batch, dataset)| epoch.batch_key(&BatchId::parse(batch).unwrap(), dataset).commit(r#"["1"]"#))
        .collect();
    assert_eq!(commitments.len(), places.len());
}

#[test]
fn a_tag_finds_a_record_of_one_dataset() {
    let epoch = epoch_key();
    assert_eq!(epoch.tag("account", r#"["1"]"#), epoch.tag("account", r#"["1"]"#));
    assert_ne!(epoch.tag("account", r#"["1"]"#), epoch.tag("comment", r#"["1"]"#));
    assert_ne!(epoch.tag("a", r#"["1"]"#), epoch.tag("a[", r#""1"]"#));
    let epoch_id = |text| EpochId::parse(text).unwrap();
    assert_ne!(epoch.check(&epoch_id("2026-11")), epoch.check(&epoch_id("2026-12")));
}

#[test]
fn every_commitment_is_found_and_included() {
    let key = epoch_key().batch_key(&BatchId::parse(BATCH).unwrap(), "account");
    let records: Vec<String> = (0..100).map(|n| format!(r#"["{n}"]"#)).collect();
    let commitments =
        Commitments::from_unsorted(records.iter().map(|record| key.commit(record)).collect()).unwrap();
    assert_eq!(commitments.n(), 100);
    assert!(commitments.as_slice().is_sorted());
    for record in &records {
        let commitment = key.commit(record);
        let position = commitments.position(&commitment).unwrap();
        let path = commitments.inclusion(position).unwrap();
        let leaf = leaf_hash(commitment.as_bytes());
        tree::verify_inclusion(&leaf, position, 100, &path, &commitments.root()).unwrap();
    }
    assert_eq!(commitments.position(&key.commit(r#"["100"]"#)), None);
    assert_eq!(commitments.inclusion(100), None);
}

#[test]
fn a_record_listed_twice_is_refused_and_none_is_an_empty_tree() {
    let key = epoch_key().batch_key(&BatchId::parse(BATCH).unwrap(), "account");
    assert!(Commitments::from_unsorted(vec![key.commit("a"), key.commit("b"), key.commit("a")]).is_err());
    assert_eq!(Commitments::from_unsorted(Vec::new()).unwrap().root(), empty_root());
}

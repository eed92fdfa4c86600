//! Keys and checkpoints: C2SP signed notes.

use expunged::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use expunged::ledger::error::{CheckpointError, KeyError};
use expunged::ledger::hash::empty_root;
use expunged::ledger::key::{Origin, SigningKey, VerifierKey};
use expunged::ledger::tree::TreeSize;

use super::world::{checkpoint, signing_key};

#[test]
fn a_key_survives_its_text_form() {
    let key = signing_key();
    let secret = key.to_text();
    assert!(secret.starts_with("PRIVATE+KEY+ledger.example.com/expunged+"));
    assert_eq!(*SigningKey::parse(&secret).unwrap().to_text(), *secret);
    let public = key.verifier().to_text();
    assert_eq!(VerifierKey::parse(&public).unwrap(), key.verifier());
    assert_eq!(VerifierKey::parse(&format!("{public}\n")).unwrap(), key.verifier());
    assert!(VerifierKey::parse(&secret).is_err());
}

#[test]
fn every_changed_byte_of_a_verifier_key_is_refused() {
    let text = signing_key().verifier().to_text();
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(VerifierKey::parse(&changed).is_err(), "{changed}");
            }
        }
    }
}

#[test]
fn a_key_of_small_order_is_refused() {
    // The neutral element, under which anyone can sign; the key id is that of this very text.
    let text = "a+ef1a5b0a+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(matches!(VerifierKey::parse(text), Err(KeyError::Point)));
}

#[test]
fn an_origin_is_one_word() {
    for refused in ["", "a b", "a+b", "a\nb", "é", "a\u{a0}b", &"x".repeat(129)] {
        assert!(Origin::parse(refused).is_err(), "{refused:?}");
    }
}

#[test]
fn a_checkpoint_is_read_by_another_implementation() {
    let signed = checkpoint().to_text();
    let head = SignedCheckpoint::parse_verified(&signed, &signing_key().verifier()).unwrap();
    let other =
        tlog_tiles::Checkpoint::from_reader(&mut std::io::Cursor::new(signed.as_bytes()), false).unwrap();
    assert_eq!(other.origin(), head.origin().as_str());
    assert_eq!(other.size(), head.size().get());
    assert_eq!(&other.hash().0, head.root().as_bytes());
    assert_eq!(other.extension(), "");
    assert!(signed.as_bytes().starts_with(&other.to_bytes()));
}

#[test]
fn a_checkpoint_of_another_ledger_or_key_is_refused() {
    let head = SignedCheckpoint::parse_verified(&checkpoint().to_text(), &signing_key().verifier()).unwrap();
    let elsewhere = SigningKey::generate(&Origin::parse("elsewhere").unwrap(), [7; 32]);
    assert!(matches!(head.sign(&elsewhere), Err(CheckpointError::Origin { .. })));
    let verified = checkpoint().verify(&elsewhere.verifier()).cloned();
    assert!(matches!(verified, Err(CheckpointError::Origin { .. })));
    let namesake = SigningKey::generate(head.origin(), [7; 32]);
    let verified = checkpoint().verify(&namesake.verifier()).cloned();
    assert!(matches!(verified, Err(CheckpointError::KeyId { .. })));
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let key = signing_key();
    let signed = checkpoint().to_text();
    let body = signed.split("\n\n").next().unwrap();
    let signature = signed.split("\n\n").nth(1).unwrap();
    let spellings = [
        signed.replace('\n', "\r\n"),
        signed.replace("\n12\n", "\n012\n"),
        signed.replace("\n12\n", "\n+12\n"),
        signed.replace("\n12\n", "\n13\n"),
        signed.trim_end().to_owned(),
        format!("{signed}\n"),
        format!("{signed}{signature}"),
        format!("{signed}\u{2014} witness.example AAAAAAAA\n"),
        format!("{body}\nextension\n\n{signature}"),
    ];
    for spelling in spellings {
        assert_ne!(spelling, signed);
        assert!(SignedCheckpoint::parse_verified(&spelling, &key.verifier()).is_err(), "{spelling}");
    }
}

#[test]
fn an_empty_ledger_can_be_signed() {
    let key = signing_key();
    let empty = Checkpoint::new(key.origin().clone(), TreeSize::new(0), empty_root());
    let text = empty.sign(&key).unwrap().to_text();
    assert_eq!(SignedCheckpoint::parse_verified(&text, &key.verifier()).unwrap(), empty);
}

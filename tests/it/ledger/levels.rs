//! Levels of erasure: what their entries may say, what the audit holds them against, and what a proof carries along.

use expunged::ledger::audit::{OpenIntents, Violation, audit};
use expunged::ledger::checkpoint::Checkpoint;
use expunged::ledger::entry::*;
use expunged::ledger::error::{EntryError, ProofError};
use expunged::ledger::hash::Hash;
use expunged::ledger::proof::{LevelProof, RecordProof, verify};
use expunged::ledger::tree::{self, EntryIndex, TreeSize};
use expunged::model::level::Level;
use serde_json::Value;

use super::entries::check_closed;
use super::proofs::Folder;
use super::world::{self, ABORTED, COMMITTED, INTENT, signing_key};

/// Where the claims stand in [`levels`].
pub const VACUUMED: usize = 12;
const REWRITTEN: usize = 13;

fn claim(level: Level) -> ErasureLevel {
    let means = match level {
        Level::Rewritten => "VACUUM (FULL, FREEZE)",
        Level::Logical | Level::Vacuumed => "VACUUM (FREEZE, INDEX_CLEANUP ON)",
    };
    ErasureLevel {
        rule: RuleId::parse("motorsport/account").unwrap(),
        datastore: DatastoreName::parse("motorsport").unwrap(),
        level,
        means: ReasonText::parse(means).unwrap(),
        remains: vec![Remains::Backups, Remains::FileSystem, Remains::Replicas, Remains::WriteAheadLog],
        batches: vec![EntryIndex::new(COMMITTED as u64)],
    }
}

/// The world's ledger, whose batch is then vacuumed, and then rewritten.
pub fn levels() -> Vec<Body> {
    let mut bodies = world::bodies();
    bodies.extend([Level::Vacuumed, Level::Rewritten].map(|level| Body::ErasureLevel(claim(level))));
    bodies
}

/// The proof that this record went with the batch, with the claim in this entry.
pub fn proof(part: u64, key: &str, at: usize) -> RecordProof {
    let entries = world::entries(&levels());
    let leaves: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
    let size = TreeSize::new(leaves.len() as u64);
    let head = Checkpoint::new(signing_key().origin().clone(), size, tree::root(&leaves));
    let path = |index: usize| tree::inclusion(&leaves, index as u64).unwrap();
    let level =
        LevelProof { entry: entries[at].clone(), index: EntryIndex::new(at as u64), inclusion: path(at) };
    RecordProof {
        inclusion: path(COMMITTED),
        checkpoint: head.sign(&signing_key()).unwrap(),
        level: Some(level),
        ..world::proof(part, key)
    }
}

fn findings(bodies: &[Body]) -> Vec<(u64, Violation)> {
    let entries = world::entries(bodies).into_iter().zip(0..);
    let report = audit(entries.map(|(e, n)| (EntryIndex::new(n), e.to_bytes())), OpenIntents::Refused);
    report.findings.into_iter().map(|finding| (finding.entry.get(), finding.violation)).collect()
}

/// The ledger whose first claim is another.
fn claiming(change: impl FnOnce(&mut ErasureLevel)) -> Vec<(u64, Violation)> {
    let mut bodies = levels();
    bodies.truncate(REWRITTEN);
    let mut claimed = claim(Level::Vacuumed);
    change(&mut claimed);
    bodies[VACUUMED] = Body::ErasureLevel(claimed);
    findings(&bodies)
}

#[test]
fn a_batch_may_be_vacuumed_and_then_rewritten() {
    assert!(findings(&levels()).is_empty());
}

#[test]
fn a_level_of_what_did_not_go_is_found() {
    let unknown = |found: Vec<(u64, Violation)>| {
        assert!(matches!(&found[..], [(12, Violation::UnknownBatch { .. })]), "{found:?}");
    };
    for entry in [INTENT, ABORTED, VACUUMED, REWRITTEN + 7] {
        unknown(claiming(|claim| claim.batches = vec![EntryIndex::new(entry as u64)]));
    }
    unknown(claiming(|claim| claim.rule = RuleId::parse("motorsport/another").unwrap()));
    unknown(claiming(|claim| claim.datastore = DatastoreName::parse("another").unwrap()));
    let mut early = levels();
    early.truncate(COMMITTED);
    early.push(Body::ErasureLevel(claim(Level::Vacuumed)));
    let found = findings(&early);
    assert!(
        found.iter().any(|(_, violation)| matches!(violation, Violation::UnknownBatch { .. })),
        "{found:?}"
    );
}

#[test]
fn a_level_that_the_batch_has_already_is_found() {
    for again in [Level::Vacuumed, Level::Rewritten] {
        let mut bodies = levels();
        bodies.push(Body::ErasureLevel(claim(again)));
        let found = findings(&bodies);
        let [(14, Violation::NoHigher { level, .. })] = &found[..] else { panic!("{found:?}") };
        assert_eq!(*level, "rewritten");
    }
}

#[test]
fn an_entry_that_claims_nothing_or_hides_what_remains_is_none() {
    let refused = |change: fn(&mut ErasureLevel)| {
        let mut claimed = claim(Level::Vacuumed);
        change(&mut claimed);
        let node = NodeName::parse("node-1").unwrap();
        let made = Entry::new(world::at(0), &node, &Body::ErasureLevel(claimed));
        assert!(matches!(made, Err(EntryError::Contradiction { .. })), "{made:?}");
    };
    refused(|claim| claim.level = Level::Logical);
    refused(|claim| claim.remains.clear());
    refused(|claim| claim.remains.reverse());
    refused(|claim| claim.batches.clear());
    refused(|claim| claim.batches.push(EntryIndex::new(COMMITTED as u64)));
    let entry = world::entry(VACUUMED, &levels()[VACUUMED]);
    let value: Value = serde_json::from_slice(entry.as_bytes()).unwrap();
    check_closed(&value, &mut |changed| {
        let text = expunged::ledger::canonical::write(changed);
        assert!(Entry::parse(text.as_bytes()).is_err(), "{text}");
    });
}

#[test]
fn a_proof_says_how_thoroughly_the_record_is_gone_and_what_remains() {
    let key = signing_key().verifier();
    let of = |text: String| verify(text.as_bytes(), &key).unwrap();
    let without = of(world::proof(1, r#"["3"]"#).to_text());
    assert_eq!((without.level, without.claimed), (Level::Logical, None));
    for (at, level) in [(VACUUMED, Level::Vacuumed), (REWRITTEN, Level::Rewritten)] {
        let verified = of(proof(1, r#"["3"]"#, at).to_text());
        let claimed = verified.claimed.unwrap();
        assert_eq!((verified.level, claimed.entry.get()), (level, at as u64));
        assert_eq!((claimed.means, claimed.remains), (claim(level).means, claim(level).remains));
    }
}

#[test]
fn every_changed_byte_of_a_proof_with_a_level_is_refused() {
    let text = proof(0, world::COMMENTS[0], VACUUMED).to_text().into_bytes();
    let key = signing_key().verifier();
    verify(&text, &key).unwrap();
    for position in 0..text.len() {
        let original = text[position];
        let flips = (0..8).map(|bit| original ^ (1 << bit));
        for value in flips.chain(*b"A=\n").filter(|value| *value != original) {
            let mut changed = text.clone();
            changed[position] = value;
            assert!(verify(&changed, &key).is_err(), "byte {position}: {original} → {value}");
        }
    }
}

#[test]
fn both_verifiers_refuse_a_level_of_something_else() {
    let (folder, key) = (Folder::new(), signing_key().verifier());
    let mut proofs = Vec::new();
    let mut refused = |change: &dyn Fn(&mut RecordProof)| {
        let mut forged = proof(1, r#"["3"]"#, VACUUMED);
        change(&mut forged);
        let text = forged.to_text();
        proofs.push(folder.write(&format!("{}.tlog-proof", proofs.len()), text.as_bytes()));
        verify(text.as_bytes(), &key).unwrap_err()
    };
    let not_in_ledger = |error| assert!(matches!(error, ProofError::NotInLedger { .. }), "{error}");
    not_in_ledger(refused(&|proof| proof.level.as_mut().unwrap().index = EntryIndex::new(REWRITTEN as u64)));
    not_in_ledger(refused(&|proof| proof.level.as_mut().unwrap().inclusion.clear()));
    let other = |change: &dyn Fn(&mut ErasureLevel)| {
        let mut claimed = claim(Level::Vacuumed);
        change(&mut claimed);
        world::entry(VACUUMED, &Body::ErasureLevel(claimed))
    };
    let rewritten = other(&|claim| claim.level = Level::Rewritten);
    not_in_ledger(refused(&|proof| proof.level.as_mut().unwrap().entry = rewritten.clone()));
    // In a ledger that holds it: of another batch, rule or datastore, or no claim at all.
    let entries = [
        other(&|claim| claim.batches = vec![EntryIndex::new(5)]),
        other(&|claim| claim.rule = RuleId::parse("motorsport/another").unwrap()),
        other(&|claim| claim.datastore = DatastoreName::parse("another").unwrap()),
        world::entry(VACUUMED, &world::bodies()[5]),
    ];
    for entry in entries {
        let mut leaves: Vec<Hash> = world::entries(&levels()).iter().map(Entry::leaf_hash).collect();
        leaves[VACUUMED] = entry.leaf_hash();
        let size = TreeSize::new(leaves.len() as u64);
        let head = Checkpoint::new(signing_key().origin().clone(), size, tree::root(&leaves));
        let error = refused(&|proof| {
            let level = proof.level.as_mut().unwrap();
            (level.entry, level.inclusion) =
                (entry.clone(), tree::inclusion(&leaves, VACUUMED as u64).unwrap());
            proof.inclusion = tree::inclusion(&leaves, COMMITTED as u64).unwrap();
            proof.checkpoint = head.sign(&signing_key()).unwrap();
        });
        assert!(
            matches!(
                error,
                ProofError::OtherBatch { .. } | ProofError::NotALevel { observed: "batch.intent" }
            ),
            "{error}"
        );
    }
    let output = folder.python(&proofs);
    let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert_eq!(printed.matches("refused: ").count(), proofs.len(), "{printed}");
}

#[test]
fn the_python_verifier_reads_the_level_of_a_proof() {
    let folder = Folder::new();
    let proofs = [(VACUUMED, "vacuumed"), (REWRITTEN, "rewritten")].map(|(at, name)| {
        folder.write(&format!("{name}.tlog-proof"), proof(1, r#"["3"]"#, at).to_text().as_bytes())
    });
    let output = folder.python(&proofs);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let known = "known to remain in backups, file_system, replicas, write_ahead_log";
    assert!(
        printed.contains(&format!("; vacuumed by VACUUM (FREEZE, INDEX_CLEANUP ON), {known}")),
        "{printed}"
    );
    assert!(printed.contains(&format!("; rewritten by VACUUM (FULL, FREEZE), {known}")), "{printed}");
}

//! Units across datastores and backups: what their entries may say, and each broken link between them.

use expunged::ledger::audit::{OpenIntents, Violation, audit};
use expunged::ledger::canonical;
use expunged::ledger::commitment::BatchId;
use expunged::ledger::entry::*;
use expunged::ledger::error::{EntryError, ProofError};
use expunged::ledger::proof::verify;
use expunged::ledger::tree::{self, EntryIndex, TreeSize};
use serde_json::{Value, json};

use super::world::{self, BATCH, COMMITTED, INTENT, RESIDUE, at};

/// Where the entries of a unit stand in [`unit`]: two shares elsewhere, the second of which went back, and the records.
const FIRST: usize = 5;
const RECORDS: usize = 7;
const FIRST_GONE: usize = 8;
const SECOND_BACK: usize = 9;
const RECORDS_GONE: usize = 10;
const EXPIRED: usize = 11;

fn intent(world: &[Body]) -> BatchIntent {
    let Body::BatchIntent(intent) = &world[INTENT] else { panic!("no intent") };
    intent.clone()
}

fn committed(world: &[Body]) -> BatchCommitted {
    let Body::BatchCommitted(committed) = &world[COMMITTED] else { panic!("no outcome") };
    committed.clone()
}

fn id(text: &str) -> BatchId {
    BatchId::parse(text).unwrap()
}

fn expired() -> BackupExpired {
    BackupExpired {
        rule: RuleId::parse("motorsport/account").unwrap(),
        sweep: SweepId::parse("S1").unwrap(),
        of: ["avatars", "motorsport"].map(|name| DatastoreName::parse(name).unwrap()).to_vec(),
        until: at(-3_600),
    }
}

/// A ledger with one unit. Entry `n` is written at second `10 n`.
pub fn unit() -> Vec<Body> {
    let world = world::bodies();
    let share =
        |name: &str| BatchIntent { batch: id(name), unit: Some(id(BATCH)), timing: None, ..intent(&world) };
    let went = |intent: BatchIntent, index: usize| BatchCommitted {
        batch: intent.batch,
        unit: intent.unit,
        intent: EntryIndex::new(index as u64),
        t0: at(70),
        t1: at(75),
        gone_everywhere_by: Some(at(86_400)),
        ..committed(&world)
    };
    let mut bodies = world[..INTENT].to_vec();
    bodies.extend([
        Body::BatchIntent(share("U1")),
        Body::BatchIntent(share("U2")),
        Body::BatchIntent(intent(&world)),
        Body::BatchCommitted(went(share("U1"), FIRST)),
        Body::BatchAborted(BatchAborted {
            batch: id("U2"),
            intent: EntryIndex::new(6),
            reason: AbortReason::SurvivorFound,
        }),
        Body::BatchCommitted(BatchCommitted {
            dependents: vec![EntryIndex::new(FIRST_GONE as u64)],
            ..went(intent(&world), RECORDS)
        }),
        Body::BackupExpired(expired()),
    ]);
    bodies
}

fn findings(bodies: &[Body]) -> Vec<(u64, Violation)> {
    let entries = world::entries(bodies).into_iter().zip(0..);
    let report =
        audit(entries.map(|(entry, n)| (EntryIndex::new(n), entry.to_bytes())), OpenIntents::Allowed);
    report.findings.into_iter().map(|f| (f.entry.get(), f.violation)).collect()
}

/// The findings after a change of the outcome at an index.
fn changed(index: usize, change: impl FnOnce(&mut BatchCommitted)) -> Vec<(u64, Violation)> {
    let mut bodies = unit();
    let Body::BatchCommitted(seal) = &mut bodies[index] else { panic!("no outcome at {index}") };
    change(seal);
    findings(&bodies)
}

fn disagrees(found: &[(u64, Violation)], index: usize, name: &str) -> bool {
    let named = |v: &Violation| matches!(v, Violation::Disagrees { field } if *field == name);
    found.iter().any(|(n, violation)| *n == index as u64 && named(violation))
}

fn indices(of: &[u64]) -> Vec<EntryIndex> {
    of.iter().copied().map(EntryIndex::new).collect()
}

#[test]
fn a_unit_whose_links_agree_is_sound() {
    let found = findings(&unit());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_link_that_leads_nowhere_or_is_missing_is_found() {
    // What went and is not named, what did not go, what is no outcome, and one too many.
    for wrong in [&[][..], &[9], &[9, 11], &[8, 9], &[8, 500]] {
        let found = changed(RECORDS_GONE, |seal| seal.dependents = indices(wrong));
        assert!(disagrees(&found, RECORDS_GONE, "dependents"), "{wrong:?}: {found:?}");
    }
}

#[test]
fn a_share_whose_seal_names_another_unit_than_its_intent_is_found() {
    for unit in [None, Some(id("U2"))] {
        let found = changed(FIRST_GONE, |seal| seal.unit.clone_from(&unit));
        assert!(disagrees(&found, FIRST_GONE, "unit"), "{found:?}");
        // And then nothing has gone with the records.
        assert!(disagrees(&found, RECORDS_GONE, "dependents"), "{found:?}");
    }
}

#[test]
fn a_unit_that_nobody_intended_is_found() {
    let mut bodies = unit();
    let named = |bodies: &mut Vec<Body>, unit: &str| {
        let Body::BatchIntent(share) = &mut bodies[FIRST] else { panic!("no intent") };
        share.unit = Some(id(unit));
        let Body::BatchCommitted(seal) = &mut bodies[FIRST_GONE] else { panic!("no outcome") };
        seal.unit = Some(id(unit));
        let Body::BatchCommitted(seal) = &mut bodies[RECORDS_GONE] else { panic!("no outcome") };
        seal.dependents.clear();
    };
    // No batch at all, and one that is a share itself.
    for unit in ["U3", "U2"] {
        named(&mut bodies, unit);
        let found = findings(&bodies);
        let unknown = |v: &Violation| matches!(v, Violation::UnknownUnit { .. });
        assert!(matches!(&found[..], [(8, v)] if unknown(v)), "{unit}: {found:?}");
    }
}

/// Its datastore could not be asked while the records were settled.
#[test]
fn a_share_may_be_settled_after_its_records_and_is_then_named_by_nobody() {
    let mut bodies = unit();
    let share = bodies.remove(FIRST_GONE);
    bodies.insert(RECORDS_GONE, share);
    let Body::BatchCommitted(seal) = &mut bodies[RECORDS_GONE - 1] else { panic!("no outcome") };
    seal.dependents.clear();
    let found = findings(&bodies);
    assert!(
        matches!(found[..], [(10, Violation::UnknownUnit { .. })]),
        "only recovery comes late: {found:?}"
    );
    let Body::BatchCommitted(seal) = &mut bodies[RECORDS_GONE] else { panic!("no outcome") };
    seal.recovered = true;
    let found = findings(&bodies);
    assert!(found.is_empty(), "{found:?}");
    let Body::BatchCommitted(seal) = &mut bodies[RECORDS_GONE - 1] else { panic!("no outcome") };
    seal.dependents = indices(&[10]);
    assert!(disagrees(&findings(&bodies), RECORDS_GONE - 1, "dependents"));
}

#[test]
fn a_share_that_went_back_names_a_unit_too() {
    let mut bodies = unit();
    let Body::BatchIntent(share) = &mut bodies[FIRST + 1] else { panic!("no intent") };
    share.unit = Some(id("U3"));
    let found = findings(&bodies);
    assert!(matches!(found[..], [(9, Violation::UnknownUnit { .. })]), "{found:?}");
}

#[test]
fn a_share_that_went_and_records_that_went_back_are_sound() {
    let mut bodies = unit();
    bodies[RECORDS_GONE] = Body::BatchAborted(BatchAborted {
        batch: id(BATCH),
        intent: EntryIndex::new(RECORDS as u64),
        reason: AbortReason::RolledBack,
    });
    let found = findings(&bodies);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn expired_backups_belong_to_a_sweep_of_their_rule() {
    let of = |change: fn(&mut BackupExpired)| {
        let mut bodies = unit();
        let Body::BackupExpired(expired) = &mut bodies[EXPIRED] else { panic!("no backups") };
        change(expired);
        findings(&bodies)
    };
    for found in [
        of(|expired| expired.rule = RuleId::parse("motorsport/other").unwrap()),
        of(|expired| expired.sweep = SweepId::parse("S2").unwrap()),
    ] {
        assert!(matches!(found[..], [(11, Violation::UnknownSweep { .. })]), "{found:?}");
    }
}

fn value(body: &Body) -> Value {
    serde_json::from_slice(world::entry(SECOND_BACK, body).as_bytes()).unwrap()
}

/// The entry after a change of its JSON.
fn put(body: &Body, change: impl FnOnce(&mut Value)) -> Result<Entry, EntryError> {
    let mut value = value(body);
    change(&mut value);
    Entry::parse(canonical::write(&value).as_bytes())
}

fn recovered() -> Body {
    let mut seal = committed(&world::bodies());
    seal.recovered = true;
    Body::BatchCommitted(seal)
}

#[test]
fn what_is_new_survives_its_bytes_and_is_left_out_where_there_is_none() {
    for body in unit() {
        let entry = world::entry(0, &body);
        assert_eq!(Entry::parse(entry.as_bytes()).unwrap().body(), &body);
    }
    for (n, body) in world::bodies().iter().enumerate() {
        for field in ["unit", "dependents", "gone_everywhere_by", "untouched", "stranded"] {
            assert!(!world::entry(n, body).as_text().contains(field), "{field} of {}", body.kind());
        }
    }
    let text = value(&Body::BackupExpired(expired()));
    assert_eq!(text["of"], json!(["avatars", "motorsport"]));
    assert_eq!(text["until"], "2026-11-23T13:15:00.000000Z");
}

#[test]
fn null_zero_and_empty_are_no_second_spelling_of_nothing() {
    let bodies = world::bodies();
    let (intent, seal, residue) = (&bodies[INTENT], &recovered(), &bodies[RESIDUE]);
    let refused = |result: Result<Entry, EntryError>| assert!(result.is_err(), "{result:?}");
    refused(put(intent, |v| v["unit"] = json!(null)));
    refused(put(seal, |v| v["unit"] = json!(null)));
    refused(put(seal, |v| v["gone_everywhere_by"] = json!(null)));
    refused(put(residue, |v| v["stranded"] = json!(null)));
    refused(put(seal, |v| v["parts"][0]["outcomes"]["untouched"] = json!(null)));
    let empty = |result| assert!(matches!(result, Err(EntryError::NotCanonical)), "{result:?}");
    empty(put(seal, |v| v["dependents"] = json!([])));
    empty(put(residue, |v| v["stranded"] = json!(0)));
    empty(put(seal, |v| v["parts"][0]["outcomes"]["untouched"] = json!(0)));
    assert!(put(residue, |v| v["stranded"] = json!(1)).is_ok());
    assert!(put(seal, |v| v["parts"][0]["outcomes"]["untouched"] = json!(1)).is_ok());
    refused(put(intent, |v| v["timing"] = json!(null)));
    let of_dependents = |v: &mut Value| {
        v["unit"] = json!("U0");
        v.as_object_mut().unwrap().remove("timing");
    };
    assert!(put(intent, of_dependents).is_ok());
    empty(put(residue, |v| v["bounds"] = json!([])));
    empty(put(residue, |v| v["why"] = json!([])));
}

#[test]
fn an_entry_of_a_unit_that_contradicts_itself_is_refused() {
    let bodies = unit();
    let contradicts = |body: &Body, change: &dyn Fn(&mut Value)| {
        let result = put(body, change);
        assert!(matches!(result, Err(EntryError::Contradiction { .. })), "{result:?}");
    };
    let (share, seal, expired) = (&bodies[FIRST_GONE], &bodies[RECORDS_GONE], &bodies[EXPIRED]);
    contradicts(&bodies[FIRST], &|v| v["unit"] = json!("U1"));
    contradicts(share, &|v| v["unit"] = json!("U1"));
    contradicts(share, &|v| v["dependents"] = json!([8]));
    contradicts(share, &|v| v["parts"][0]["outcomes"]["untouched"] = json!(1));
    for wrong in [json!([9, 8]), json!([8, 8]), json!([7]), json!([3, 8])] {
        contradicts(seal, &|v| v["dependents"] = wrong.clone());
    }
    contradicts(seal, &|v| v["gone_everywhere_by"] = json!("2026-11-23T14:16:14.999999Z"));
    assert!(put(seal, |v| v["gone_everywhere_by"] = json!("2026-11-23T14:16:15.000000Z")).is_ok());
    contradicts(expired, &|v| v["of"] = json!([]));
    contradicts(expired, &|v| v["of"] = json!(["b", "a"]));
    contradicts(expired, &|v| v["of"] = json!(["a", "a"]));
}

#[test]
fn a_proof_says_what_its_record_hung_on_and_when_it_is_gone_everywhere() {
    let bodies = unit();
    let vkey = world::signing_key().verifier();
    let records = verify(proof(&bodies, RECORDS_GONE).as_bytes(), &vkey).unwrap();
    assert_eq!((records.unit, records.dependents), (None, indices(&[8])));
    assert_eq!(records.gone_everywhere_by, Some(at(86_400)));
    // A dependent that would come later than what names it.
    let mut later = bodies;
    let Body::BatchCommitted(seal) = &mut later[RECORDS_GONE] else { panic!("no outcome") };
    seal.dependents = indices(&[8, 10]);
    let refused = verify(proof(&later, RECORDS_GONE).as_bytes(), &vkey);
    assert!(matches!(refused, Err(ProofError::Reference { .. })), "{refused:?}");
}

/// The proof of the record `["3"]` in a ledger of these bodies.
fn proof(bodies: &[Body], index: usize) -> String {
    use expunged::ledger::checkpoint::Checkpoint;
    let leaves: Vec<_> = world::entries(bodies).iter().map(Entry::leaf_hash).collect();
    let head = Checkpoint::new(
        world::signing_key().origin().clone(),
        TreeSize::new(leaves.len() as u64),
        tree::root(&leaves),
    );
    let mut proof = world::proof(1, r#"["3"]"#);
    proof.entry = world::entry(index, &bodies[index]);
    proof.index = EntryIndex::new(index as u64);
    proof.inclusion = tree::inclusion(&leaves, index as u64).unwrap();
    proof.checkpoint = head.sign(&world::signing_key()).unwrap();
    proof.to_text()
}

/// The verifier in Python reads the same fields, and refuses the same contradictions.
#[test]
fn the_python_verifier_knows_units_and_backups() {
    let directory = tempfile::tempdir().unwrap();
    let vkey = directory.path().join("ledger.vkey");
    std::fs::write(&vkey, world::signing_key().verifier().to_text()).unwrap();
    let mut later = unit();
    let Body::BatchCommitted(seal) = &mut later[RECORDS_GONE] else { panic!("no outcome") };
    seal.dependents = indices(&[8, 10]);
    let mut survivors = unit();
    let Body::BatchCommitted(seal) = &mut survivors[RECORDS_GONE] else { panic!("no outcome") };
    seal.recovered = true;
    seal.parts[0].outcomes.untouched = 1;
    for (bodies, status) in [(unit(), 0), (survivors, 0), (later, 4)] {
        let file = directory.path().join("proof");
        std::fs::write(&file, proof(&bodies, RECORDS_GONE)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verify_proof.py");
        let mut python = std::process::Command::new("python3");
        let ran = python.arg(script).arg("--key").arg(&vkey).arg(&file).output().unwrap();
        assert_eq!(ran.status.code(), Some(status), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

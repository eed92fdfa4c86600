//! Whether exactly the due set is gone, and the ledger accounts for every record of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use expunged::ledger::commitment::{BatchId, BatchKey, Commitment, EpochKey};
use expunged::ledger::entry::{Body, Entry};
use expunged::model::key::Key;
use expunged::model::value::Value;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::model::Model;
use super::world::{block_on, options, rows};
use crate::world::Application;

/// A world that can be checked.
pub trait Scene {
    fn application(&self) -> &dyn Application;
    fn path(&self, name: &str) -> PathBuf;
    /// What `ledger verify` says, which finds nothing wrong.
    fn verified(&self) -> String;
}

/// Checks a world at rest: swept to the end, and nobody has written since.
#[track_caller]
pub fn check(scene: &impl Scene, model: Model) -> Summary {
    let model = model.swept();
    survivors(scene.application(), &model);
    let mut summary = proved(scene, &model.disposed());
    summary.model = model;
    summary
}

/// Every intent has exactly one outcome, each of these records so many proofs of its disposal, and no other record has one.
#[track_caller]
pub fn proved(scene: &impl Scene, disposed: &BTreeMap<(&'static str, i64), u32>) -> Summary {
    let summary = block_on(async {
        let mut state = options(&scene.path("state.db")).connect().await.unwrap();
        let summary = outcomes(&mut state).await;
        proofs(&scene.path("keys"), &mut state, disposed, &summary).await;
        state.close().await.unwrap();
        summary
    });
    markers(scene.application());
    let verified = scene.verified();
    assert!(verified.starts_with("sound: "), "{verified}");
    summary
}

/// What the ledger says happened.
#[derive(Default)]
pub struct Summary {
    pub model: Model,
    pub entries: usize,
    /// By how each came to be known: the word of its attribution, and whether in a recovery.
    pub committed: BTreeMap<String, u64>,
    /// By reason.
    pub aborted: BTreeMap<String, u64>,
    /// Committed batches, and how many records of which dataset each disposed of.
    batches: BTreeMap<BatchId, BTreeMap<String, u64>>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, committed, aborted, .. } = self;
        write!(f, "{entries} entries; committed {committed:?}, aborted {aborted:?}")
    }
}

/// What a ledger at rest says happened: every intent has exactly one outcome there.
pub fn of_ledger(state: &Path) -> Summary {
    block_on(async {
        let mut state = options(state).connect().await.unwrap();
        let summary = outcomes(&mut state).await;
        state.close().await.unwrap();
        summary
    })
}

/// Exactly what the model has is there, and as it is there.
#[track_caller]
pub fn survivors(application: &dyn Application, model: &Model) {
    let ids = |table: &str| -> Vec<i64> {
        let ids = application.texts(&format!("SELECT id FROM {table} ORDER BY id"));
        ids.iter().map(|id| id.parse().unwrap()).collect()
    };
    let known = |column: String| (column != "NULL").then_some(column);
    let of = |table: &str, column: &str| {
        let column = application.texts(&format!("SELECT {column} FROM {table} ORDER BY id"));
        column.into_iter().map(known).collect::<Vec<_>>()
    };
    let there: BTreeMap<i64, Option<String>> =
        ids("account").into_iter().zip(of("account", "deleted_at")).collect();
    let vanished: Vec<_> = model.accounts.iter().filter(|(id, _)| !there.contains_key(id)).take(10).collect();
    let stayed: Vec<_> = there.iter().filter(|(id, _)| !model.accounts.contains_key(id)).take(10).collect();
    assert!(vanished.is_empty() && stayed.is_empty(), "vanished: {vanished:?}; stayed: {stayed:?}");
    assert!(there == model.accounts, "an account that was kept has been changed");

    let over = |on| model.is_over(on);
    let sessions: BTreeSet<i64> =
        model.sessions.iter().filter(|(_, on)| !over(**on)).map(|(id, _)| *id).collect();
    assert!(ids("session").into_iter().eq(sessions.iter().copied()), "sessions that must be there");
    let devices = model.devices.iter().filter(|(_, s)| sessions.contains(s)).map(|(id, _)| *id);
    assert!(ids("device").into_iter().eq(devices), "devices that must be there");

    let comments = ids("comment");
    assert_eq!(comments.len(), model.comments.len(), "no comment is deleted");
    let columns = ["author_id", "author_name", "author_email", "author_ip", "body", "pseudonymized_at"];
    let columns = columns.map(|column| of("comment", column));
    for (at, id) in comments.into_iter().enumerate() {
        let [author, name, email, ip, body, mark] = columns.each_ref().map(|column| column[at].as_deref());
        assert_eq!(body, Some("body"));
        let known = model.comments[&id];
        let (own_name, own_email) = (format!("name {id}"), format!("a{id}@example.com"));
        let named = (name == Some(&own_name), email == Some(&own_email));
        if over(known) {
            let cut = mark.is_some() && author.is_none() && ip == Some("203.0.113.0");
            assert!(cut, "comment {id} keeps its author");
            assert!(named == (false, false), "comment {id} keeps its author's name");
        } else {
            let author_is_there = author == Some(&known.0.to_string());
            assert!(mark.is_none() && author_is_there, "comment {id} lost its author");
            assert!(named == (true, true) && ip == Some("203.0.113.77"), "comment {id} changed");
        }
    }
}

/// Every intent has exactly one outcome, in the entries and in what the state derives from them.
async fn outcomes(state: &mut SqliteConnection) -> Summary {
    let mut summary = Summary::default();
    let mut open = BTreeSet::new();
    let mut intents = BTreeSet::new();
    let mut sweeps = BTreeSet::new();
    for row in rows(state, "SELECT bytes FROM entry ORDER BY idx").await {
        summary.entries += 1;
        let entry = Entry::parse(row.get(0)).unwrap();
        match entry.body() {
            Body::BatchIntent(intent) => {
                assert!(intents.insert(intent.batch.clone()), "batch {} intended twice", intent.batch);
                open.insert(intent.batch.clone());
            }
            Body::BatchCommitted(batch) => {
                assert!(open.remove(&batch.batch), "batch {} has no open intent", batch.batch);
                let parts = batch.parts.iter().map(|p| (p.dataset.as_str().to_owned(), p.n)).collect();
                summary.batches.insert(batch.batch.clone(), parts);
                let how = format!("{:?}, recovered: {}", batch.attribution, batch.recovered);
                *summary.committed.entry(how).or_default() += 1;
            }
            Body::BatchAborted(batch) => {
                assert!(open.remove(&batch.batch), "batch {} has no open intent", batch.batch);
                *summary.aborted.entry(format!("{:?}", batch.reason)).or_default() += 1;
            }
            Body::SweepStarted(sweep) => assert!(sweeps.insert(sweep.sweep.clone())),
            Body::SweepFinished(sweep) => assert!(sweeps.remove(&sweep.sweep)),
            _ => {}
        }
    }
    assert!(open.is_empty(), "without outcome: {open:?}");
    assert!(sweeps.is_empty(), "not finished: {sweeps:?}");
    for row in rows(state, "SELECT id, outcome, committed FROM batch").await {
        let batch = BatchId::parse(row.get(0)).unwrap();
        assert!(row.get::<Option<i64>, _>(1).is_some(), "the state holds {batch} open");
        assert_eq!(row.get::<i64, _>(2) != 0, summary.batches.contains_key(&batch));
    }
    let kept = rows(state, "SELECT batch FROM identity").await;
    let kept: Vec<String> = kept.iter().map(|row| row.get(0)).collect();
    assert!(kept.is_empty(), "identities are still kept: {kept:?}");
    let bare = rows(state, "SELECT batch FROM part WHERE batch NOT IN (SELECT id FROM batch)").await;
    assert!(bare.is_empty(), "commitments that no intent came for are still kept");
    summary
}

struct Part {
    key: BatchKey,
    commitments: BTreeSet<[u8; 24]>,
}

/// Every disposal has exactly one commitment, and there are no others.
async fn proofs(
    keys: &Path,
    state: &mut SqliteConnection,
    disposed: &BTreeMap<(&'static str, i64), u32>,
    summary: &Summary,
) {
    let mut parts = Vec::new();
    let mut tagged: HashMap<(String, String, [u8; 6]), Vec<usize>> = HashMap::new();
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    let mut epochs: BTreeMap<String, EpochKey> = BTreeMap::new();
    let stored = "SELECT p.batch, p.dataset, p.commitments, p.tags, b.epoch FROM part AS p JOIN batch AS b ON b.id = p.batch";
    for row in rows(state, stored).await {
        let (batch, dataset, epoch) =
            (BatchId::parse(row.get(0)).unwrap(), row.get::<String, _>(1), row.get::<String, _>(4));
        let (commitments, tags) = (row.get::<Vec<u8>, _>(2), row.get::<Vec<u8>, _>(3));
        assert_eq!(summary.batches[&batch][&dataset], commitments.len() as u64 / 24, "{batch} {dataset}");
        *totals.entry(dataset.clone()).or_default() += commitments.len() as u64 / 24;
        let key = epochs.entry(epoch.clone()).or_insert_with(|| {
            let file = std::fs::read(keys.join(format!("epoch-{epoch}.key"))).unwrap();
            EpochKey::from_bytes(file.try_into().unwrap())
        });
        for tag in tags.chunks_exact(6) {
            let at = (epoch.clone(), dataset.clone(), tag.try_into().unwrap());
            tagged.entry(at).or_default().push(parts.len());
        }
        let commitments = commitments.chunks_exact(24).map(|c| c.try_into().unwrap()).collect();
        parts.push(Part { key: key.batch_key(&batch, &dataset), commitments });
    }
    let in_entries: u64 = summary.batches.values().flat_map(BTreeMap::values).sum();
    assert_eq!(in_entries, totals.values().sum::<u64>(), "every part of every entry is kept");

    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (&(dataset, id), &times) in disposed {
        let key = Key::from_values(&[Value::Integer(id)]).unwrap();
        let mut found = 0;
        for (epoch, secret) in &epochs {
            let tag = *secret.tag(dataset, key.as_str()).as_bytes();
            let at = tagged.get(&(epoch.clone(), dataset.to_owned(), tag)).map_or(&[][..], Vec::as_slice);
            found += at.iter().filter(|p| holds(&parts[**p], &key)).count();
        }
        assert_eq!(found, times as usize, "commitments of {dataset} {id}");
        *expected.entry(dataset.to_owned()).or_default() += u64::from(times);
    }
    assert_eq!(totals, expected, "records the ledger says were disposed of, and those that were");
}

fn holds(part: &Part, key: &Key) -> bool {
    let commitment: Commitment = part.key.commit(key.as_str());
    part.commitments.contains(commitment.as_bytes())
}

/// Every batch has its outcome: whoever came last has forgotten every marker.
#[track_caller]
fn markers(application: &dyn Application) {
    let left = application.texts("SELECT name FROM expunged_marker WHERE name LIKE 'batch:%'");
    assert!(left.is_empty(), "{left:?}");
}

//! Whether exactly the due set is gone, and the ledger accounts for every record of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use expunged::ledger::commitment::{BatchId, BatchKey, Commitment, EpochKey};
use expunged::ledger::entry::{Body, Entry};
use expunged::model::key::Key;
use expunged::model::value::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::model::Model;
use super::world::{World, block_on, rows};

/// Checks a world at rest: swept to the end, and nobody has written since.
#[track_caller]
pub fn check(world: &World, model: Model) -> Summary {
    let model = model.swept();
    let mut summary = block_on(async {
        let mut datastore = world.open_datastore().await;
        survivors(&mut datastore, &model).await;
        let mut state = world.open_state().await;
        let summary = outcomes(&mut state).await;
        proofs(world, &mut state, &model, &summary).await;
        markers(&mut datastore, &summary).await;
        datastore.close().await.unwrap();
        state.close().await.unwrap();
        summary
    });
    let verified = world.run(&["ledger", "verify"]).expect(&[0]);
    assert!(verified.stdout.starts_with("sound: "), "{}", verified.stdout);
    summary.model = model;
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

async fn survivors(datastore: &mut SqliteConnection, model: &Model) {
    let mut there = BTreeMap::new();
    for row in rows(datastore, "SELECT id, deleted_at FROM account").await {
        there.insert(row.get::<i64, _>(0), row.get::<Option<String>, _>(1));
    }
    let vanished: Vec<_> = model.accounts.iter().filter(|(id, _)| !there.contains_key(id)).take(10).collect();
    let stayed: Vec<_> = there.iter().filter(|(id, _)| !model.accounts.contains_key(id)).take(10).collect();
    assert!(vanished.is_empty() && stayed.is_empty(), "vanished: {vanished:?}; stayed: {stayed:?}");
    assert!(there == model.accounts, "an account that was kept has been changed");

    let ids = async |datastore: &mut SqliteConnection, sql| -> BTreeSet<i64> {
        rows(datastore, sql).await.iter().map(|row| row.get(0)).collect()
    };
    let over = |on| model.is_over(on);
    let sessions: BTreeSet<i64> =
        model.sessions.iter().filter(|(_, on)| !over(**on)).map(|(id, _)| *id).collect();
    assert!(ids(datastore, "SELECT id FROM session").await == sessions, "sessions that must be there");
    let devices: BTreeSet<i64> =
        model.devices.iter().filter(|(_, s)| sessions.contains(s)).map(|(id, _)| *id).collect();
    assert!(ids(datastore, "SELECT id FROM device").await == devices, "devices that must be there");

    let comments = rows(
        datastore,
        "SELECT id, author_id, author_name, author_email, author_ip, body, pseudonymized_at FROM comment",
    )
    .await;
    assert_eq!(comments.len(), model.comments.len(), "no comment is deleted");
    for row in comments {
        let (id, author): (i64, Option<i64>) = (row.get(0), row.get(1));
        let text = |at: usize| row.get::<String, _>(at);
        let marked = row.get::<Option<String>, _>(6).is_some();
        assert_eq!(text(5), "body");
        let known = model.comments[&id];
        let (name, email) = (format!("name {id}"), format!("a{id}@example.com"));
        if over(known) {
            assert!(marked && author.is_none() && text(4) == "203.0.113.0", "comment {id} keeps its author");
            assert!(text(2) != name && text(3) != email, "comment {id} keeps its author's name");
        } else {
            assert!(!marked && author == Some(known.0), "comment {id} lost its author");
            assert!(text(2) == name && text(3) == email && text(4) == "203.0.113.77", "comment {id} changed");
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
    for row in rows(state, "SELECT id, outcome, committed, sealed FROM batch").await {
        let batch = BatchId::parse(row.get(0)).unwrap();
        assert!(row.get::<Option<i64>, _>(1).is_some(), "the state holds {batch} open");
        assert_eq!(row.get::<i64, _>(2) != 0, summary.batches.contains_key(&batch));
        assert!(row.get::<Option<Vec<u8>>, _>(3).is_none(), "the identities of {batch} are still kept");
    }
    summary
}

struct Part {
    key: BatchKey,
    commitments: BTreeSet<[u8; 24]>,
}

/// Every disposal has exactly one commitment, and there are no others.
async fn proofs(world: &World, state: &mut SqliteConnection, model: &Model, summary: &Summary) {
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
            let file = std::fs::read(world.path(&format!("keys/epoch-{epoch}.key"))).unwrap();
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

    let disposed = model.disposed();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for ((dataset, id), times) in disposed {
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

/// A marker that is left over speaks of a batch that the ledger has as committed.
async fn markers(datastore: &mut SqliteConnection, summary: &Summary) {
    for row in rows(datastore, "SELECT substr(name, 7) FROM expunged_marker WHERE name LIKE 'batch:%'").await
    {
        let batch = BatchId::parse(row.get(0)).unwrap();
        assert!(summary.batches.contains_key(&batch), "marker of {batch}, which is not committed");
    }
}

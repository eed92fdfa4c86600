//! The state, settled in every way: what was disposed of can be proved, and nothing else.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use expunged::ledger::audit::{OpenIntents, audit};
use expunged::ledger::commitment::BatchId;
use expunged::ledger::entry::*;
use expunged::ledger::proof::verify;
use expunged::ledger::tree::EntryIndex;
use expunged::model::calendar::Calendar;
use expunged::model::horizon::Horizon;
use expunged::model::key::Key;
use expunged::model::name::ServiceId;
use expunged::model::now::Now;
use expunged::model::orders::Generation;
use expunged::model::period::DeleteBy;
use expunged::model::value;
use expunged::state::{
    CommittedIntent, Covered, Disposed, NewBatch, NewHold, PartOutcomes, Role, Settings, Settled, State,
    StateError, Sweep, SweepEnd, SweepStart, Unsealed,
};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::world;

const RULE: &str = "site/account";

/// A state in a directory of its own, with a sweep that has started.
struct Ledger {
    directory: TempDir,
    state: State,
    sweep: Sweep,
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn open(directory: &TempDir) -> State {
    let settings = Settings {
        path: directory.path().join("state.db"),
        keys: directory.path().join("keys"),
        signing_key: world::signing_key(),
    };
    State::open(settings, Role::Disposer).await.unwrap()
}

fn key(n: i64) -> Key {
    Key::from_values(&[value::Value::Integer(n)]).unwrap()
}

fn keys(of: &[i64]) -> Vec<Key> {
    of.iter().copied().map(key).collect()
}

fn counts(disposed: u64, already_gone: u64, refused: u64, untouched: u64) -> Outcomes {
    Outcomes { disposed, already_gone, refused, untouched, ..Outcomes::default() }
}

fn all(n: u64) -> PartOutcomes {
    PartOutcomes { counts: counts(n, 0, 0, 0), disposed: Disposed::All }
}

fn these(counts: Outcomes, of: &[i64]) -> PartOutcomes {
    PartOutcomes { counts, disposed: Disposed::These(keys(of)) }
}

/// Backups are gone two hours after the one that is begun within an hour.
fn horizon() -> Horizon {
    let mut horizon = Horizon::default();
    let delete_by = DeleteBy::new("2 hours".parse().unwrap()).unwrap();
    horizon.push(Calendar::new("Etc/UTC".parse().unwrap()), delete_by, TimeDelta::hours(1));
    horizon
}

impl Ledger {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut state = open(&directory).await;
        let now = Now::given(world::at(0));
        let document = world::rule();
        let start = SweepStart {
            rule: RULE,
            document: &document,
            tzdb: "2026a",
            cause: Cause::Schedule,
            now,
            cutoff: now.eligible,
        };
        let sweep = state.start_sweep(&start).await.unwrap();
        Self { directory, state, sweep }
    }

    /// Intends the records 1 to 4 of `account` and 1 to 3 of `comment`.
    async fn intend(&mut self) -> CommittedIntent {
        let mut all = self.intend_unit(&[]).await;
        all.pop().unwrap()
    }

    /// Intends shares in these datastores, of the records 11 and 12 of `avatar`, and the records they hang on; the latter last.
    async fn intend_unit(&mut self, elsewhere: &[&str]) -> Vec<CommittedIntent> {
        self.intend_under(Generation::default(), elsewhere).await.unwrap()
    }

    /// The same, judged by these orders.
    async fn intend_under(
        &mut self,
        judged_by: Generation,
        elsewhere: &[&str],
    ) -> Result<Vec<CommittedIntent>, StateError> {
        let draft = self.state.draft(&self.sweep).await.unwrap();
        let unit = draft.batch().clone();
        let mut batches = Vec::new();
        for datastore in elsewhere {
            let draft = self.state.draft(&self.sweep).await.unwrap();
            let part = draft.part("avatar", Action::Delete, &[], keys(&[11, 12]).iter()).unwrap();
            let (parts, sealed) = (vec![part], draft.seal("avatars").unwrap());
            let unit = Some(unit.clone());
            let incarnation = "elsewhere";
            let sweep = &self.sweep;
            let timing = None;
            batches.push(NewBatch {
                sweep,
                datastore,
                incarnation: incarnation.to_owned(),
                draft,
                unit,
                timing,
                parts,
                sealed,
            });
        }
        let accounts = draft.part("account", Action::Delete, &[], keys(&[1, 2, 3, 4]).iter()).unwrap();
        let comments = draft.part("comment", Action::Delete, &[], keys(&[1, 2, 3]).iter()).unwrap();
        let sealed = draft.seal("accounts").unwrap();
        batches.push(NewBatch {
            sweep: &self.sweep,
            datastore: "site",
            incarnation: "site".to_owned(),
            draft,
            unit: None,
            timing: Some(world::timing(4)),
            parts: vec![accounts, comments],
            sealed,
        });
        self.state.commit_intents(batches, judged_by, None).await
    }

    /// Stages these records of `account`; the batch, without its intent.
    async fn stage(&mut self, of: &[i64]) -> NewBatch<'static> {
        let draft = self.state.draft(&self.sweep).await.unwrap();
        let mut part = draft.part("account", Action::Delete, &[], keys(of).iter()).unwrap();
        let mut sealed = draft.seal("accounts").unwrap();
        self.state.stage(&draft, &mut part, &mut sealed).await.unwrap();
        NewBatch {
            sweep: Box::leak(Box::new(self.sweep.clone())),
            datastore: "site",
            incarnation: "site".to_owned(),
            draft,
            unit: None,
            timing: Some(world::timing(of.len() as u64)),
            parts: vec![part],
            sealed,
        }
    }

    /// The batches that a table of the state has rows of.
    async fn batches_in(&self, table: &str) -> Vec<String> {
        let path = self.directory.path().join("state.db");
        let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        let select = format!("SELECT batch FROM {table} ORDER BY batch");
        sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(&mut other).await.unwrap()
    }

    /// The same state, opened anew.
    async fn reopened(self) -> Self {
        let Self { directory, state, sweep } = self;
        drop(state);
        let state = open(&directory).await;
        Self { directory, state, sweep }
    }

    async fn seal(&mut self, intent: CommittedIntent, settled: Settled) -> Result<EntryIndex, StateError> {
        self.state.seal(&self.sweep, Unsealed::new(intent, settled, horizon())).await
    }

    async fn body(&mut self, index: EntryIndex) -> Body {
        let entries = self.state.entries(index, 1).await.unwrap();
        Entry::parse(&entries[0].1).unwrap().body().clone()
    }

    async fn committed(&mut self, index: EntryIndex) -> BatchCommitted {
        match self.body(index).await {
            Body::BatchCommitted(committed) => committed,
            other => panic!("{}", other.kind()),
        }
    }

    /// Which of the keys 1 to 19 of a dataset have a proof; each proof verifies.
    async fn proved(&mut self, dataset: &str) -> Vec<i64> {
        let mut proved = Vec::new();
        for n in 1..20 {
            for proof in self.state.prove(RULE, dataset, &key(n)).await.unwrap() {
                let verified = verify(proof.to_text().as_bytes(), &world::signing_key().verifier()).unwrap();
                assert_eq!((verified.key.as_str(), verified.dataset.as_str()), (key(n).as_str(), dataset));
                proved.push(n);
            }
        }
        proved
    }

    /// Ends the sweep; the whole ledger is sound, and every committed batch can be proved.
    async fn finish(&mut self, stranded: u64) -> (Residue, SweepFinished) {
        let end = SweepEnd {
            changed: 0,
            result: SweepResult::Completed,
            remaining: Some(0),
            refused: Some(0),
            locked: Some(0),
            held: Some(0),
            undated: Some(0),
            stranded,
            bounds: Vec::new(),
            why: Vec::new(),
        };
        self.state.finish_sweep(&self.sweep, &end).await.unwrap();
        let entries = self.state.entries(EntryIndex::new(0), 1_000).await.unwrap();
        let report = audit(entries.iter().map(|(index, bytes)| (*index, bytes)), OpenIntents::Allowed);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!(self.state.check_commitments().await.unwrap(), [""; 0]);
        let last: Vec<Body> = entries
            .iter()
            .rev()
            .map(|(_, bytes)| Entry::parse(bytes).unwrap().body().clone())
            .take(2)
            .collect();
        match &last[..] {
            [Body::SweepFinished(finished), Body::Residue(residue)] => (residue.clone(), finished.clone()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn where_some_were_disposed_of_these_are_proved_and_no_others() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        let settled = vec![these(counts(2, 1, 1, 0), &[4, 2]), these(counts(0, 0, 3, 0), &[])];
        let index = ledger.seal(intent, Settled::Each(settled)).await.unwrap();
        let seal = ledger.committed(index).await;
        assert_eq!((seal.attribution, seal.recovered), (Attribution::Transaction, false));
        assert_eq!(seal.parts.iter().map(|p| p.n).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(ledger.proved("account").await, [2, 4]);
        assert_eq!(ledger.proved("comment").await, [0; 0]);
        let overview = ledger.state.overview(RULE).await.unwrap();
        assert_eq!((overview.disposed, overview.dependents, overview.open_intents), (2, 0, 0));
        let (residue, finished) = ledger.finish(0).await;
        assert_eq!((finished.totals, finished.batches), (counts(2, 1, 4, 0), 1));
        assert_eq!(residue.stranded, 0);
        let usual =
            ledger.state.standing(RULE, &world::rule(), Cause::Schedule).await.unwrap().usual.unwrap();
        assert_eq!(usual.median_day, 2);
    });
}

#[test]
fn where_each_was_disposed_of_the_seal_is_that_of_a_transaction() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        // In full, and by name: the same.
        let settled = vec![all(4), these(counts(3, 0, 0, 0), &[3, 1, 2])];
        ledger.seal(intent, Settled::Each(settled)).await.unwrap();
        assert_eq!(ledger.proved("account").await, [1, 2, 3, 4]);
        assert_eq!(ledger.proved("comment").await, [1, 2, 3]);
        assert_eq!(ledger.finish(0).await.1.totals, counts(7, 0, 0, 0));
    });
}

#[test]
fn after_a_crash_what_its_turn_did_not_reach_is_untouched() {
    block(async {
        let mut ledger = Ledger::new().await;
        ledger.intend().await;
        let Ledger { directory, state, .. } = ledger;
        drop(state);
        let mut state = open(&directory).await;
        let mut open = state.open_intents().await.unwrap();
        let found = open.pop().unwrap();
        let mut ledger = Ledger { directory, state, sweep: found.sweep };
        let settled = vec![these(counts(1, 0, 0, 3), &[3]), all(3)];
        let index = ledger.seal(found.intent, Settled::Looked(settled)).await.unwrap();
        let seal = ledger.committed(index).await;
        assert_eq!((seal.attribution, seal.recovered), (Attribution::State, true));
        assert_eq!(seal.totals(), counts(4, 0, 0, 3));
        assert_eq!(
            (ledger.proved("account").await, ledger.proved("comment").await),
            (vec![3], vec![1, 2, 3])
        );
        assert_eq!(ledger.finish(0).await.1.totals, counts(4, 0, 0, 3));
    });
}

#[test]
fn where_all_are_untouched_the_batch_was_aborted() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        let settled = vec![these(counts(0, 0, 0, 4), &[]), these(counts(0, 0, 0, 3), &[])];
        let index = ledger.seal(intent, Settled::Looked(settled)).await.unwrap();
        let aborted = ledger.body(index).await;
        assert!(
            matches!(&aborted, Body::BatchAborted(a) if a.reason == AbortReason::SurvivorFound),
            "{aborted:?}"
        );
        assert_eq!(ledger.proved("account").await, [0; 0]);
        let (_, finished) = ledger.finish(0).await;
        assert_eq!((finished.aborted, finished.totals), (1, Outcomes::default()));
    });
}

#[test]
fn where_nothing_went_and_not_all_are_untouched_the_outcomes_are_sealed() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        let settled = vec![these(counts(0, 4, 0, 0), &[]), these(counts(0, 0, 0, 3), &[])];
        let index = ledger.seal(intent, Settled::Looked(settled)).await.unwrap();
        // Nothing is gone by this batch, so no backup has to go.
        assert_eq!(ledger.committed(index).await.gone_everywhere_by, None);
        assert_eq!(ledger.state.overview(RULE).await.unwrap().gone_everywhere_by, None);
        assert_eq!(ledger.proved("account").await, [0; 0]);
        ledger.finish(0).await;
    });
}

#[test]
fn outcomes_that_do_not_fit_the_intent_are_refused_and_it_stays_open() {
    let unknown = Outcomes { disposed: 3, unknown: 1, ..Outcomes::default() };
    let wrong: [(Vec<PartOutcomes>, &str); 7] = [
        (vec![all(4)], "number of parts"),
        (vec![these(unknown, &[1, 2, 3]), all(3)], "unknown"),
        (vec![these(counts(3, 0, 0, 0), &[1, 2, 3]), all(3)], "another number of records"),
        (vec![these(counts(3, 0, 1, 0), &[1, 2]), all(3)], "disposed records"),
        (
            vec![PartOutcomes { counts: counts(3, 0, 1, 0), disposed: Disposed::All }, all(3)],
            "disposed records",
        ),
        (vec![these(counts(2, 0, 2, 0), &[1, 5]), all(3)], "not intended"),
        (vec![these(counts(2, 0, 0, 2), &[1, 2]), all(3)], "no recovery"),
    ];
    for (settled, what) in wrong {
        block(async {
            let mut ledger = Ledger::new().await;
            let intent = ledger.intend().await;
            let refused = ledger.seal(intent, Settled::Each(settled)).await.unwrap_err().to_string();
            assert!(refused.contains(what), "{refused}");
            assert_eq!(ledger.state.open_intents().await.unwrap().len(), 1);
            assert_eq!(ledger.proved("account").await, [0; 0]);
        });
    }
}

#[test]
fn what_is_staged_ahead_of_an_intent_is_proved_with_it_and_nothing_else() {
    block(async {
        let mut ledger = Ledger::new().await;
        let left = ledger.stage(&[8, 9]).await;
        let came = ledger.stage(&[1, 2, 3]).await;
        // One at a time: the intent of the first has not come.
        assert_eq!(ledger.batches_in("part").await, [came.draft.batch().as_str()]);
        assert_eq!(ledger.batches_in("identity").await, [came.draft.batch().as_str()]);
        let intent = ledger.state.commit_intent(came, Generation::default()).await.unwrap();
        assert_eq!(*ledger.state.identities(&intent).await.unwrap(), "accounts");
        ledger.seal(intent, Settled::Acknowledged).await.unwrap();
        assert_eq!(ledger.proved("account").await, [1, 2, 3]);
        assert_eq!(ledger.batches_in("identity").await, [""; 0]);
        // An intent that would lead to nothing is none.
        let error = ledger.state.commit_intent(left, Generation::default()).await.unwrap_err();
        assert!(
            matches!(&error, StateError::Damaged { what, .. } if what.contains("commitments")),
            "{error}"
        );
        assert!(ledger.state.open_intents().await.unwrap().is_empty());
    });
}

#[test]
fn what_is_staged_and_not_intended_is_forgotten_by_the_end_of_the_sweep_and_by_the_next_start() {
    block(async {
        let mut ledger = Ledger::new().await;
        let kept = ledger.intend().await;
        let kept = [kept.batch().to_owned()];
        let both = [kept[0].clone(), kept[0].clone()];
        ledger.stage(&[8, 9]).await;
        assert_eq!(ledger.batches_in("part").await.len(), 3);
        // As after a crash.
        ledger = ledger.reopened().await;
        assert_eq!(
            (ledger.batches_in("identity").await, ledger.batches_in("part").await),
            (kept.to_vec(), both.to_vec())
        );
        let intent = ledger.state.open_intents().await.unwrap().pop().unwrap().intent;
        assert_eq!(*ledger.state.identities(&intent).await.unwrap(), "accounts");
        ledger.seal(intent, Settled::Acknowledged).await.unwrap();
        ledger.stage(&[8, 9]).await;
        ledger.finish(0).await;
        assert_eq!(
            (ledger.batches_in("identity").await, ledger.batches_in("part").await),
            (Vec::new(), both.to_vec())
        );
        assert_eq!(ledger.proved("account").await, [1, 2, 3, 4]);
    });
}

#[test]
fn an_intent_has_one_outcome() {
    block(async {
        let mut ledger = Ledger::new().await;
        ledger.intend().await;
        // As two processes would find it.
        let mut found = ledger.state.open_intents().await.unwrap();
        found.extend(ledger.state.open_intents().await.unwrap());
        let [one, another] =
            <[_; 2]>::try_from(found).unwrap_or_else(|_| panic!("one open intent")).map(|o| o.intent);
        let sealed = ledger.seal(one, Settled::MarkerFound).await.unwrap();
        let error = ledger.seal(another, Settled::RolledBack).await.unwrap_err();
        assert!(
            matches!(&error, StateError::Damaged { what, .. } if what.contains("1 of 3 rows")),
            "{error:?}"
        );
        // What could not be recorded whole was not recorded at all.
        assert_eq!(ledger.proved("account").await, [1, 2, 3, 4]);
        let entries = ledger.state.entries(sealed, 10).await.unwrap();
        assert_eq!(entries.len(), 1);
        ledger.finish(0).await;
    });
}

#[test]
fn where_entries_have_gone_nothing_is_appended() {
    block(async {
        let mut ledger = Ledger::new().await;
        // The key of the month is there already.
        drop(ledger.state.draft(&ledger.sweep).await.unwrap());
        let url = format!("sqlite://{}", ledger.directory.path().join("state.db").display());
        let mut beside = SqliteConnection::connect(&url).await.unwrap();
        let lost = "PRAGMA foreign_keys = off; DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)";
        sqlx::raw_sql(lost).execute(&mut beside).await.unwrap();
        let error = ledger.intend_under(Generation::default(), &[]).await.unwrap_err();
        assert!(
            matches!(&error, StateError::Damaged { what, .. } if what.contains("entries were recorded")),
            "{error:?}"
        );
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM batch").fetch_one(&mut beside).await.unwrap();
        assert_eq!(open, 0);
    });
}

#[test]
fn one_record_named_twice_is_refused() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        let settled = vec![these(counts(2, 0, 2, 0), &[1, 1]), all(3)];
        let refused = ledger.seal(intent, Settled::Each(settled)).await;
        assert!(matches!(refused, Err(StateError::Duplicate(_))), "{refused:?}");
    });
}

#[test]
fn the_shares_of_a_unit_are_intended_at_once_and_linked_once_they_went() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intents = ledger.intend_unit(&["avatars", "mails"]).await;
        let names: Vec<String> = intents.iter().map(|i| i.batch().to_owned()).collect();
        let open = ledger.state.open_intents().await.unwrap();
        let found: Vec<_> =
            open.iter().map(|o| (o.intent.batch(), o.datastore(), o.unit.as_deref())).collect();
        let unit = Some(names[2].as_str());
        let expected = [("avatars", unit), ("mails", unit), ("site", None)];
        assert!(found.iter().map(|(_, datastore, unit)| (*datastore, *unit)).eq(expected), "{found:?}");
        assert!(found.iter().map(|(batch, ..)| *batch).eq(names.iter().map(String::as_str)));
        let [avatars, mails, records]: [CommittedIntent; 3] = intents.try_into().unwrap();
        let share =
            ledger.seal(avatars, Settled::Each(vec![these(counts(1, 0, 1, 0), &[11])])).await.unwrap();
        ledger.seal(mails, Settled::NotAttempted).await.unwrap();
        let went = ledger.seal(records, Settled::Acknowledged).await.unwrap();
        let (share_seal, seal) = (ledger.committed(share).await, ledger.committed(went).await);
        assert_eq!(share_seal.unit, Some(BatchId::parse(&names[2]).unwrap()));
        assert_eq!((share_seal.dependents, seal.unit, seal.dependents), (vec![], None, vec![share]));
        assert_eq!(ledger.proved("avatar").await, [11]);
        let overview = ledger.state.overview(RULE).await.unwrap();
        assert_eq!((overview.disposed, overview.dependents), (4, 4));
        ledger.finish(0).await;
        let usual =
            ledger.state.standing(RULE, &world::rule(), Cause::Schedule).await.unwrap().usual.unwrap();
        assert_eq!(usual.median_day, 4, "what hangs on a record is not the rule's own");
    });
}

#[test]
fn stranded_records_are_told() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intents = ledger.intend_unit(&["avatars"]).await;
        let [avatars, records]: [CommittedIntent; 2] = intents.try_into().unwrap();
        ledger.seal(avatars, Settled::Each(vec![all(2)])).await.unwrap();
        ledger.seal(records, Settled::RolledBack).await.unwrap();
        let (residue, finished) = ledger.finish(4).await;
        assert_eq!((residue.stranded, finished.totals.disposed, finished.aborted), (4, 2, 1));
    });
}

#[test]
fn a_seal_says_when_the_backups_are_gone() {
    block(async {
        let mut ledger = Ledger::new().await;
        let intent = ledger.intend().await;
        let index = ledger.seal(intent, Settled::Acknowledged).await.unwrap();
        let first = ledger.committed(index).await;
        assert_eq!(first.gone_everywhere_by, Some(first.t1 + TimeDelta::hours(3)));
        let intent = ledger.intend().await;
        let none = Horizon::default();
        let sealed =
            ledger.state.seal(&ledger.sweep, Unsealed::new(intent, Settled::Acknowledged, none)).await;
        let index = sealed.unwrap();
        assert_eq!(ledger.committed(index).await.gone_everywhere_by, None);
        let overview = ledger.state.overview(RULE).await.unwrap();
        assert_eq!(overview.gone_everywhere_by, first.gone_everywhere_by);
        ledger.finish(0).await;
    });
}

#[test]
fn backups_that_reach_less_far_back_are_told_once() {
    fn at(seconds: i64) -> DateTime<Utc> {
        world::at(seconds)
    }
    block(async {
        let mut ledger = Ledger::new().await;
        assert_eq!(ledger.state.backups_until(RULE).await.unwrap(), None);
        let mut told = Vec::new();
        let finer = at(20) + TimeDelta::nanoseconds(999);
        for until in [at(10), at(10), at(5), at(20), finer, at(19)] {
            let before = ledger.state.entries(EntryIndex::new(0), 1_000).await.unwrap().len();
            ledger.state.backup_expired(&ledger.sweep, &["site", "avatars", "site"], until).await.unwrap();
            let entries = ledger.state.entries(EntryIndex::new(before as u64), 10).await.unwrap();
            told.extend(entries.iter().map(|(_, bytes)| Entry::parse(bytes).unwrap().body().clone()));
        }
        let told: Vec<_> = told
            .iter()
            .map(|body| match body {
                Body::BackupExpired(b) => {
                    (b.of.iter().map(DatastoreName::as_str).collect::<Vec<_>>().join(" "), b.until)
                }
                other => panic!("{}", other.kind()),
            })
            .collect();
        assert_eq!(told, [("avatars site".to_owned(), at(10)), ("avatars site".to_owned(), at(20))]);
        assert_eq!(ledger.state.backups_until(RULE).await.unwrap(), Some(at(20)));
        assert_eq!(ledger.state.backups_until("site/other").await.unwrap(), None);
        ledger.finish(0).await;
    });
}

/// Orders are given by other processes: the state itself refuses what was judged by older ones.
#[tokio::test]
async fn no_intent_is_written_under_older_orders_or_a_pause() {
    let mut ledger = Ledger::new().await;
    let (role, reference) = (RoleName::parse("ops").unwrap(), CaseReference::parse("C-1").unwrap());
    let service = ServiceId::new("motorsport").unwrap();
    let covered = Covered::new();
    let new =
        NewHold { service: &service, rule: None, subject: None, covered, reference: &reference, by: &role };
    ledger.state.place_hold(&new).await.unwrap();
    let refused = ledger.intend_under(Generation::default(), &[]).await;
    assert!(matches!(refused, Err(StateError::OrdersMoved)), "{refused:?}");
    let held = ledger.state.generation().await.unwrap();
    ledger.intend_under(held, &[]).await.unwrap();
    ledger.state.pause(&role).await.unwrap();
    for judged_by in [held, ledger.state.generation().await.unwrap()] {
        let refused = ledger.intend_under(judged_by, &[]).await;
        assert!(matches!(refused, Err(StateError::OrdersMoved)), "{refused:?}");
    }
    ledger.state.resume(&role).await.unwrap();
    let resumed = ledger.state.generation().await.unwrap();
    ledger.intend_under(resumed, &[]).await.unwrap();
    let stop = ledger.directory.path().join("state.db.stop");
    std::fs::write(&stop, "").unwrap();
    let refused = ledger.intend_under(resumed, &[]).await;
    assert!(matches!(refused, Err(StateError::Halted(_))), "{refused:?}");
}

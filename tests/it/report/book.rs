//! A ledger written by hand: one service with one rule, which keeps one promise of 24 hours.

use chrono::{DateTime, TimeDelta, Utc};
use expunged::diagnostic::{Source, SourceKind};
use expunged::ledger::commitment::{BatchId, Commitment, EpochId};
use expunged::ledger::entry::*;
use expunged::ledger::hash::{Hash, empty_root};
use expunged::ledger::tree::EntryIndex;
use expunged::model::datastore::Defaults;
use expunged::report::{Evidence, Keeper, Known, Period, Reading, Report};
use expunged::rules::document::parse;
use expunged::rules::rule::RuleSet;

pub const RULES: &str = r#"[service]
name = "Site & friends"
owner = "site@example.com"
time_zone = "Etc/UTC"

[[promise]]
id = "account"
text = "Gone within 24 hours."
source = "Policy, 2020-04-28"
trigger = "account deleted"
no_later_than = "24 hours"
covers = ["account", "comments"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
trigger = { column = "deleted_at", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
schedule = "0 */15 * * * *"
action = "delete"

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author = "id" }
action = "pseudonymize"
columns = { author = "null" }
mark = "done"
"#;

/// Twice the longest gap of the schedule, in seconds; with the run cap, twice that.
pub const TWO_GAPS: i64 = 3_600;
pub const TWO_SWEEPS: u64 = 5_400;

/// The end of the period of [`Book::report`].
pub const END: i64 = 10_000;

pub const RULE: &str = "site/account";
pub const VERSION: u64 = 0;

/// Second 0 is when the period begins.
pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-23T14:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

pub fn micros(n: i64) -> TimeDelta {
    TimeDelta::microseconds(n)
}

pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Not in any tree: no test of the report hashes anything.
fn root(n: u64) -> Hash {
    if n == 0 { empty_root() } else { Hash::from_bytes([7; 32]) }
}

pub fn document(delete_by: &str) -> RuleDocument {
    let text = format!(r#"{{"delete_by":"{delete_by}","retain":"0 hours","time_zone":"Etc/UTC"}}"#);
    RuleDocument::parse(&text).unwrap()
}

pub fn known(rules: &str) -> Known {
    let source = Source::new(SourceKind::Rules, "site.toml", rules);
    let service = parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    let set = RuleSet { services: vec![service] };
    Known::of(&set, &Defaults::default(), &|_| Some(document("24 hours").digest()))
}

pub fn evidence() -> Evidence {
    Evidence {
        origin: "ledger.example.com".to_owned(),
        vkey: "ledger.example.com+a0fcc9fc+AQOhB7/zzhC".to_owned(),
        size: 12,
        root: "2snFsglnqkCj/0Yr3ZDU1YcEz8OBLzwr4pSeTv5htNI=".to_owned(),
        checkpoint: "ledger.example.com\n12\n2snFsglnqkCj/0Yr3ZDU1YcEz8OBLzwr4pSeTv5htNI=\n".to_owned(),
        sound: true,
        findings: Vec::new(),
    }
}

pub struct Book(pub Vec<Entry>);

/// One batch of accounts and what became of it.
#[derive(Clone)]
pub struct Batch {
    pub intended: u64,
    pub disposed: u64,
    pub late: u64,
    pub margin: Option<u64>,
    /// When it was measured, durable and gone, each in microseconds after second 0.
    pub measured: i64,
    pub durable: i64,
    pub gone: i64,
    pub recovered: bool,
}

impl Default for Batch {
    fn default() -> Self {
        let second = 1_000_000;
        Self {
            intended: 10,
            disposed: 10,
            late: 0,
            margin: Some(7_100),
            measured: 100 * second,
            durable: 101 * second,
            gone: 102 * second,
            recovered: false,
        }
    }
}

pub fn bounds(late: u64, margin: Option<u64>) -> Vec<Bound> {
    [None, Some(name("account"))].map(|promise| Bound { promise, late, margin }).to_vec()
}

/// What a sweep leaves that leaves nothing.
pub fn nothing_left() -> Residue {
    Residue {
        sweep: name("S1"),
        rule: name(RULE),
        remaining: Some(0),
        held: Some(0),
        locked: Some(0),
        refused: Some(0),
        changed: Some(0),
        undated: Some(0),
        stranded: 0,
        bounds: bounds(0, None),
        why: Vec::new(),
    }
}

impl Book {
    /// With one version of the rule, long before the period.
    pub fn new() -> Self {
        let mut book = Self(Vec::new());
        book.version(-100_000, RULE, "24 hours");
        book
    }

    pub fn add(&mut self, when: DateTime<Utc>, body: &Body) -> EntryIndex {
        self.0.push(Entry::new(when, &name("node-1"), body).unwrap());
        EntryIndex::new(self.0.len() as u64 - 1)
    }

    pub fn version(&mut self, when: i64, rule: &str, delete_by: &str) -> EntryIndex {
        let document = document(delete_by);
        let body = Body::RuleVersion(RuleVersion {
            rule: name(rule),
            rule_sha256: document.digest(),
            rule_json: document,
            tzdb: name("2026a"),
        });
        self.add(at(when), &body)
    }

    pub fn start(&mut self, when: i64, sweep: &str) -> EntryIndex {
        self.start_rule(when, sweep, RULE, VERSION)
    }

    pub fn start_rule(&mut self, when: i64, sweep: &str, rule: &str, version: u64) -> EntryIndex {
        let body = Body::SweepStarted(SweepStarted {
            sweep: name(sweep),
            rule: name(rule),
            rule_entry: EntryIndex::new(version),
            rule_sha256: document("24 hours").digest(),
            cause: Cause::Schedule,
            eligible: at(when),
            late: at(when),
            cutoff: at(when),
        });
        self.add(at(when), &body)
    }

    /// A sweep of what people demanded, which leaves this.
    pub fn demanded(&mut self, when: i64, sweep: &str, residue: Residue) {
        let body = Body::SweepStarted(SweepStarted {
            sweep: name(sweep),
            rule: name(RULE),
            rule_entry: EntryIndex::new(VERSION),
            rule_sha256: document("24 hours").digest(),
            cause: Cause::Request,
            eligible: at(when),
            late: at(when),
            cutoff: at(when),
        });
        self.add(at(when), &body);
        self.finish(when, sweep, residue, SweepResult::Completed);
    }

    /// Leaves this, and ends so.
    pub fn finish(&mut self, when: i64, sweep: &str, residue: Residue, result: SweepResult) {
        self.add(at(when), &Body::Residue(Residue { sweep: name(sweep), ..residue }));
        let body = Body::SweepFinished(SweepFinished {
            sweep: name(sweep),
            started: EntryIndex::new(0),
            result,
            batches: 0,
            aborted: 0,
            open: 0,
            totals: Outcomes::default(),
        });
        self.add(at(when), &body);
    }

    /// A whole sweep in the last minutes of the period, so that it is fresh.
    pub fn sweep(&mut self, residue: Residue) {
        self.start(END - 100, "S-last");
        self.finish(END - 90, "S-last", residue, SweepResult::Completed);
    }

    pub fn intend(&mut self, when: DateTime<Utc>, id: &str, batch: &Batch) -> EntryIndex {
        let measured = at(0) + micros(batch.measured);
        let timing = Timing {
            at: measured,
            waited: vec![Waited { within: 86_000, n: batch.intended }],
            bounds: bounds(batch.late, batch.margin),
        };
        self.add(when, &Body::BatchIntent(intent(id, None, Some(timing), batch.intended)))
    }

    pub fn commit(&mut self, when: DateTime<Utc>, id: &str, intent: EntryIndex, batch: &Batch) {
        let body = committed(id, None, intent, batch);
        self.add(when, &Body::BatchCommitted(body));
    }

    /// Intent and outcome, each written when it happened.
    pub fn batch(&mut self, id: &str, batch: &Batch) {
        let intent = self.intend(at(0) + micros(batch.durable), id, batch);
        self.commit(at(0) + micros(batch.gone), id, intent, batch);
    }

    pub fn reading(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Reading {
        let mut reading = Reading::new(Period::new(from, to, to + TimeDelta::days(1)).unwrap());
        for (n, entry) in self.0.iter().enumerate() {
            reading.push(EntryIndex::new(n as u64), entry);
        }
        reading
    }

    /// Of the seconds from 0 up to [`END`].
    pub fn report(&self) -> Report {
        self.reading(at(0), at(END)).report(&known(RULES), None, evidence())
    }

    pub fn keeper(&self) -> Keeper {
        self.report().promises.remove(0).keepers.remove(0)
    }

    /// How the promise stands, and why, in the words for programs.
    pub fn standing(&self) -> (&'static str, Vec<(&'static str, Option<u64>)>) {
        let keeper = self.keeper();
        (keeper.standing.as_str(), keeper.reasons.iter().map(|r| (r.code(), r.n())).collect())
    }
}

pub fn intent(id: &str, unit: Option<BatchId>, timing: Option<Timing>, n: u64) -> BatchIntent {
    BatchIntent {
        batch: name(id),
        sweep: name("S1"),
        rule: name(RULE),
        rule_entry: EntryIndex::new(VERSION),
        rule_sha256: document("24 hours").digest(),
        epoch: name::<EpochId>("2026-11"),
        unit,
        timing,
        parts: vec![IntentPart {
            datastore: name("site"),
            dataset: name("account"),
            action: Action::Delete,
            n,
            root: root(n),
        }],
    }
}

pub fn committed(id: &str, unit: Option<BatchId>, intent: EntryIndex, batch: &Batch) -> BatchCommitted {
    let stayed = batch.intended - batch.disposed;
    BatchCommitted {
        batch: name(id),
        intent,
        sweep: name("S1"),
        cause: Cause::Schedule,
        rule: name(RULE),
        rule_entry: EntryIndex::new(VERSION),
        rule_sha256: document("24 hours").digest(),
        cutoff: at(0),
        t0: at(0) + micros(batch.durable),
        t1: at(0) + micros(batch.gone),
        alg: Algorithm::R1Cut24,
        epoch: name("2026-11"),
        attribution: if batch.recovered { Attribution::State } else { Attribution::Transaction },
        recovered: batch.recovered,
        unit,
        dependents: Vec::new(),
        gone_everywhere_by: None,
        parts: vec![CommittedPart {
            datastore: name("site"),
            dataset: name("account"),
            action: Action::Delete,
            fields: Vec::new(),
            outcomes: Outcomes { disposed: batch.disposed, changed: stayed, ..Outcomes::default() },
            n: batch.disposed,
            root: root(batch.disposed),
        }],
    }
}

pub fn subject() -> Commitment {
    Commitment::from_bytes([3; 24])
}

//! What sweeps obey, held against the ledger. Orders, approvals and open intents stand in tables beside the entries they are derived
//! from: whoever changes a row there, or restores an older table, changes what goes and leaves every entry as it was.

use std::collections::BTreeMap;
use std::fmt;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _};

use super::error::StateError;
use super::{State, failed};
use crate::ledger::audit::AuditReport;
use crate::ledger::entry::{Body, Entry};
use crate::ledger::tree::{EntryIndex, TreeSize};

/// What a row of these tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Hold,
    Request,
    Pause,
    Approval,
    Intent,
}

/// What is in force: by kind, by the entry that says so, and by name; with what it says.
type InForce = BTreeMap<(Kind, EntryIndex, String), Vec<(&'static str, String)>>;

/// What the state's tables have in force, as they were when the ledger had so many entries.
pub struct Obeyed {
    size: TreeSize,
    in_force: InForce,
    /// Approvals end with a sweep and stay in their table: those that no entry gives.
    ungiven: Vec<Contradiction>,
}

/// The state obeys something else than its ledger says. Its text names no data subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    kind: Kind,
    entry: EntryIndex,
    name: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// In force by the ledger alone.
    Unheeded,
    /// In force by the state alone.
    Unfounded,
    /// In force by both, which differ in this.
    Differs(&'static str),
}

impl Obeyed {
    /// The entries to be audited: what came later is not in these tables.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Where the tables and the ledger contradict each other. `report`: over exactly [`Obeyed::size`] entries.
    pub fn contradictions(&self, report: &AuditReport) -> Vec<Contradiction> {
        let ledger = in_force(report);
        let mut found = Vec::new();
        let keys = ledger.keys().chain(self.in_force.keys().filter(|key| !ledger.contains_key(key)));
        for key @ (kind, entry, name) in keys {
            let mut find =
                |what| found.push(Contradiction { kind: *kind, entry: *entry, name: name.clone(), what });
            match (ledger.get(key), self.in_force.get(key)) {
                (Some(_), None) => find(What::Unheeded),
                (None, _) => find(What::Unfounded),
                (Some(said), Some(kept)) => {
                    for (field, _) in kept.iter().filter(|field| !said.contains(field)) {
                        find(What::Differs(field));
                    }
                }
            }
        }
        found.extend(self.ungiven.iter().cloned());
        found
    }
}

/// What the ledger has in force.
fn in_force(report: &AuditReport) -> InForce {
    let holds = report.orders.holds.iter().map(|(index, hold)| {
        let rule = hold.rule.as_ref().map(ToString::to_string);
        let subject = hold.subject.map(|subject| subject.to_string()).unwrap_or_default();
        let said = vec![
            (SERVICE, hold.service.as_str().to_owned()),
            (RULE, format!("{rule:?}")),
            (SUBJECT, subject),
        ];
        ((Kind::Hold, *index, hold.hold.to_string()), said)
    });
    let requests = report.orders.requests.iter().map(|(index, request)| {
        let said = vec![
            (SERVICE, request.service.as_str().to_owned()),
            (SUBJECT, request.subject.to_string()),
            (RECEIVED, request.received.timestamp_micros().to_string()),
            (DEADLINE, request.deadline.timestamp_micros().to_string()),
        ];
        ((Kind::Request, *index, request.request.to_string()), said)
    });
    let pause = report.orders.pause.iter().map(|index| ((Kind::Pause, *index, String::new()), Vec::new()));
    let intents = report
        .open_intents
        .iter()
        .map(|open| ((Kind::Intent, open.entry, open.batch.to_string()), Vec::new()));
    holds.chain(requests).chain(pause).chain(intents).collect()
}

const SERVICE: &str = "service";
const RULE: &str = "rule";
const SUBJECT: &str = "data subject";
const RECEIVED: &str = "receipt";
const DEADLINE: &str = "deadline";

/// What cannot be opened is nobody whom the ledger knows.
const UNREADABLE: &str = "unreadable";

const OPERATION: &str = "read what is in force";

impl State {
    /// What the sweeps obey now.
    pub async fn obeyed(&mut self) -> Result<Obeyed, StateError> {
        let path = self.path.clone();
        let failed = |e| failed(&path, OPERATION, e);
        // One transaction: an order that is given meanwhile is in all of this or in nothing.
        let mut reading = self.connection.begin().await.map_err(failed)?;
        let mut rows =
            async |sql: &'static str| sqlx::query(sql).fetch_all(&mut *reading).await.map_err(failed);
        let entries = rows("SELECT coalesce(max(idx) + 1, 0) FROM entry").await?;
        let holds =
            rows("SELECT id, placed, service, rule, personal, subject FROM hold WHERE released IS NULL")
                .await?;
        let requests = rows(
            "SELECT id, requested, service, subject, received_at, deadline FROM request WHERE ended IS NULL",
        )
        .await?;
        let pauses = rows("SELECT '', entry FROM pause WHERE ended IS NULL").await?;
        let intents = rows("SELECT id, intent FROM batch WHERE outcome IS NULL").await?;
        let approvals = rows(
            "SELECT a.entry, a.rule, a.sha256, a.up_to, e.bytes FROM approval AS a \
             LEFT JOIN entry AS e ON e.idx = a.entry ORDER BY a.entry",
        )
        .await?;
        reading.rollback().await.map_err(failed)?;
        crate::hook::pause("obeyed.after");
        let mut in_force = InForce::new();
        let size = entries.first().map_or(Ok(0), |row| row.try_get::<i64, _>(0)).map_err(failed)?;
        for row in &holds {
            let personal = row.try_get::<i64, _>(4).map_err(failed)? != 0;
            let rule: Option<String> = row.try_get(3).map_err(failed)?;
            let mut kept = vec![(SERVICE, row.try_get(2).map_err(failed)?), (RULE, format!("{rule:?}"))];
            let subject = if personal { self.whom(row, 5)? } else { Some(String::new()) };
            kept.extend(subject.map(|subject| (SUBJECT, subject)));
            in_force.insert(key(Kind::Hold, row).map_err(failed)?, kept);
        }
        for row in &requests {
            let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed);
            let mut kept = vec![
                (SERVICE, row.try_get(2).map_err(failed)?),
                (RECEIVED, number(4)?.to_string()),
                (DEADLINE, number(5)?.to_string()),
            ];
            kept.extend(self.whom(row, 3)?.map(|subject| (SUBJECT, subject)));
            in_force.insert(key(Kind::Request, row).map_err(failed)?, kept);
        }
        for (kind, rows) in [(Kind::Pause, &pauses), (Kind::Intent, &intents)] {
            for row in rows {
                in_force.insert(key(kind, row).map_err(failed)?, Vec::new());
            }
        }
        let ungiven = approvals.iter().map(ungiven).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let ungiven = ungiven.into_iter().flatten().collect();
        Ok(Obeyed { size: TreeSize::new(size.unsigned_abs()), in_force, ungiven })
    }

    /// Whom the order of this row is about, as the ledger calls them; none: without the key nobody can tell, and no sweep goes on.
    fn whom(&self, row: &SqliteRow, at: usize) -> Result<Option<String>, StateError> {
        if !self.has_key_of_orders()? {
            return Ok(None);
        }
        let failed = |e| failed(&self.path, OPERATION, e);
        let id: String = row.try_get(0).map_err(failed)?;
        let sealed: Option<Vec<u8>> = row.try_get(at).map_err(failed)?;
        let subject = self.committed_subject(&id, &sealed.unwrap_or_default())?;
        Ok(Some(subject.map_or_else(|| UNREADABLE.to_owned(), |subject| subject.to_string())))
    }
}

fn key(kind: Kind, row: &SqliteRow) -> Result<(Kind, EntryIndex, String), sqlx::Error> {
    Ok((kind, EntryIndex::new(row.try_get::<i64, _>(1)?.unsigned_abs()), row.try_get(0)?))
}

/// An approval whose entry gives no such one.
fn ungiven(row: &SqliteRow) -> Result<Option<Contradiction>, sqlx::Error> {
    let (entry, up_to): (i64, i64) = (row.try_get(0)?, row.try_get(3)?);
    let (rule, digest): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let bytes: Option<Vec<u8>> = row.try_get(4)?;
    let given = bytes.and_then(|bytes| Entry::parse(&bytes).ok()).is_some_and(|entry| match entry.body() {
        Body::Approval(given) => {
            given.rule.as_str() == rule
                && given.rule_sha256.to_string() == digest
                && i64::try_from(given.up_to) == Ok(up_to)
        }
        _ => false,
    });
    let entry = EntryIndex::new(entry.unsigned_abs());
    Ok((!given).then_some(Contradiction { kind: Kind::Approval, entry, name: rule, what: What::Unfounded }))
}

impl Kind {
    /// What comes of it where the ledger has it in force and the state has not; and the other way round.
    fn consequences(self) -> (&'static str, &'static str) {
        match self {
            Self::Hold => ("what it covers is disposed of", "what it covers is kept for nobody"),
            Self::Request => {
                ("nothing is disposed of for it, and nobody answers it", "what it demands is disposed of")
            }
            Self::Pause => ("sweeps dispose of records", "nothing is disposed of"),
            Self::Approval => ("the rule is parked", "the rule may dispose of more than was approved"),
            Self::Intent => {
                ("its records may be gone, and nobody looks", "the next sweep settles it once more")
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hold => "hold",
            Self::Request => "erasure request",
            Self::Pause => "the pause",
            Self::Approval => "the approval of",
            Self::Intent => "the intent of batch",
        })
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, entry, name, what } = self;
        let (unheeded, unfounded) = kind.consequences();
        write!(f, "{kind}")?;
        if !name.is_empty() {
            write!(f, " `{name}`")?;
        }
        match what {
            What::Unheeded => write!(f, " is in force by entry {entry}, and not in the state: {unheeded}"),
            What::Unfounded => write!(f, " is in force in the state, and not by entry {entry}: {unfounded}"),
            What::Differs(field) => write!(f, " has another {field} in the state than in entry {entry}"),
        }?;
        f.write_str("; let nothing be swept (stop file) until the state's table is put right")
    }
}

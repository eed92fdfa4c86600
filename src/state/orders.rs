//! Orders, as the ledger has them: legal holds, erasure requests, the pause. Each is an ordinary transaction beside a running
//! daemon.
//!
//! **Invariant:** the entry of an order, what is derived from it and the generation move in one transaction, and an intent is
//! written only under the generation that its records were judged by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use zeroize::Zeroizing;

use super::aead::{self, Purpose};
use super::coverage::{Covered, knows_by, read_covered};
use super::error::StateError;
use super::key_file::KeyDirectory;
use super::writing::Writing;
use super::{State, failed, signed};
use crate::clock;
use crate::ledger::commitment::{Commitment, Nonce, commit_subject};
use crate::ledger::entry::{
    Answer, Body, CaseReference, ErasureAnswered, ErasureRequested, ErasureWithdrawn, HoldId, HoldPlaced,
    HoldReleased, Pause, RequestId, Resume, RoleName, RuleId as EntryRuleId, ServiceName,
};
use crate::ledger::tree::EntryIndex;
use crate::model::name::{RuleId, ServiceId};
use crate::model::orders::{Generation, Halt, Orders, SubjectId};
use crate::rules::rule::{OnErasure, Rule, RuleSet};
use crate::rules::shared::{Shared, SharedPeople};
use crate::secret;

/// The key that whom an order is about is sealed under.
const KEY: &str = "orders";

/// A legal hold to be placed.
pub struct NewHold<'a> {
    /// The service whose records it covers.
    pub service: &'a ServiceId,
    /// The only rule of it; none: all of them.
    pub rule: Option<&'a RuleId>,
    /// Whose records; none: everybody's.
    pub subject: Option<&'a SubjectId>,
    /// What it covers now; empty: nobody can say.
    pub covered: Covered,
    /// Under which it is filed elsewhere.
    pub reference: &'a CaseReference,
    /// Who places it: a role.
    pub by: &'a RoleName,
}

/// A legal hold in force.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// Its `hold.placed`.
    pub placed: EntryIndex,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// The service.
    pub service: String,
    /// The only rule of it; none: all of them.
    pub rule: Option<String>,
    /// Whether it is about one data subject.
    pub personal: bool,
    /// Under which it is filed elsewhere.
    pub reference: String,
    covered: Covered,
}

impl Hold {
    /// What it is on: a rule, or a whole service.
    pub fn on(&self) -> &str {
        self.rule.as_ref().unwrap_or(&self.service)
    }

    /// Whether it may be meant for records that these rules do not put under it: what it names or covered is not there any more, or
    /// knows its data subjects by another column.
    pub fn is_lost(&self, rules: &RuleSet) -> bool {
        let named = rules.services.iter().any(|service| service.id.as_str() == self.service)
            && self.rule.as_ref().is_none_or(|rule| rules.find(rule).is_some());
        let covers = |(rule, column): (&String, &Option<String>)| match column {
            _ if !self.personal => rules.find(rule).is_some(),
            Some(column) => knows_by(rules, rule, column),
            // Whoever placed it was told that it does not reach this rule.
            None => true,
        };
        !named || !self.covered.iter().all(covers)
    }
}

/// How many orders stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingOrders {
    /// Legal holds in force.
    pub holds: u64,
    /// Erasure requests without an answer.
    pub requests: u64,
    /// By when the first of these has to be answered.
    pub first_deadline: Option<DateTime<Utc>>,
}

/// An erasure request to be recorded.
pub struct NewRequest<'a> {
    /// The service that is asked.
    pub service: &'a ServiceId,
    /// Who asks.
    pub subject: &'a SubjectId,
    /// When the demand was received.
    pub received: DateTime<Utc>,
    /// By when it has to be answered at the latest.
    pub deadline: DateTime<Utc>,
    /// What it covers now.
    pub covered: Covered,
    /// Who records it: a role.
    pub by: &'a RoleName,
}

/// An erasure request, answered or not.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Its `erasure.requested`.
    pub requested: EntryIndex,
    /// The service that was asked.
    pub service: String,
    /// When the demand was received.
    pub received: DateTime<Utc>,
    /// By when it has to be answered at the latest.
    pub deadline: DateTime<Utc>,
    /// What ended it; none: it is open.
    pub end: Option<RequestEnd>,
    /// Who asks, sealed, while it is open: [`State::subject`].
    sealed: Option<Vec<u8>>,
    covered: Covered,
}

impl Request {
    /// Whether it may reach records that these rules do not find any more: a rule that it covered is gone, or knows its data subjects
    /// by another column.
    pub fn is_lost(&self, rules: &RuleSet) -> bool {
        let named = rules.services.iter().any(|service| service.id.as_str() == self.service);
        let covers = |(rule, column): (&String, &Option<String>)| {
            column.as_ref().is_none_or(|column| knows_by(rules, rule, column))
        };
        !named || !self.covered.iter().all(covers)
    }

    /// Whether the rule knew its data subjects by another column when the demand was recorded: what that id means in this one, nobody
    /// has said.
    fn asked_otherwise(&self, rule: &Rule) -> bool {
        let then = self.covered.get(&rule.id.to_string()).and_then(Option::as_deref);
        let now = rule.subject.as_ref().map(|subject| subject.column.as_str());
        then.is_some() && then != now
    }
}

/// What ended an erasure request, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnd {
    /// Its `erasure.answered`.
    Answered(EntryIndex, DateTime<Utc>),
    /// Its `erasure.withdrawn`.
    Withdrawn(EntryIndex, DateTime<Utc>),
}

/// What is sealed of a data subject: who it is, and what opens the commitment in the ledger.
#[derive(Serialize, Deserialize)]
struct Opened {
    subject: String,
    nonce: String,
}

impl State {
    /// Places a hold: whatever is intended after this returns was judged under it. What was intended before may still go;
    /// [`State::open_intents`] tells when all of that is settled.
    pub async fn place_hold(&mut self, new: &NewHold<'_>) -> Result<Hold, StateError> {
        let id = HoldId::parse(&name("H")?)?;
        let rule = new.rule.map(|rule| EntryRuleId::parse(&rule.to_string())).transpose()?;
        crate::hook::reach("order.before");
        let keys = self.keys.clone();
        let mut writing = self.write().await?;
        let (sealed, subject) = match new.subject {
            Some(subject) => Some(writing.seal_subject(&keys, id.as_str(), subject).await?).unzip(),
            None => (None, None),
        };
        let body = Body::HoldPlaced(HoldPlaced {
            hold: id.clone(),
            service: ServiceName::parse(new.service.as_str())?,
            rule: rule.clone(),
            subject,
            reference: new.reference.clone(),
            by: new.by.clone(),
        });
        let at = writing.now();
        let placed = writing.order(at, &body).await?;
        let insert = sqlx::query(
            "INSERT INTO hold (id, placed, placed_at, service, rule, personal, subject, reference, covered) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        );
        let insert = insert
            .bind(id.as_str().to_owned())
            .bind(signed(placed.get()))
            .bind(at.timestamp_micros())
            .bind(new.service.as_str().to_owned())
            .bind(rule.map(|rule| rule.as_str().to_owned()))
            .bind(i64::from(new.subject.is_some()))
            .bind(sealed)
            .bind(new.reference.as_str().to_owned())
            .bind(serde_json::json!(new.covered).to_string());
        writing.run("record a hold", insert).await?;
        writing.commit().await?;
        crate::hook::reach("order.after");
        self.publish_order(placed).await?;
        Ok(Hold {
            id,
            placed,
            placed_at: at,
            service: new.service.as_str().to_owned(),
            rule: new.rule.map(ToString::to_string),
            personal: new.subject.is_some(),
            reference: new.reference.as_str().to_owned(),
            covered: new.covered.clone(),
        })
    }

    /// Releases a hold; none: no such hold is in force.
    pub async fn release_hold(&mut self, id: &str, by: &RoleName) -> Result<Option<EntryIndex>, StateError> {
        let Some(hold) = self.holds().await?.into_iter().find(|hold| hold.id.as_str() == id) else {
            return Ok(None);
        };
        let body =
            Body::HoldReleased(HoldReleased { hold: hold.id.clone(), placed: hold.placed, by: by.clone() });
        let mut writing = self.write().await?;
        let at = writing.now();
        let released = writing.order(at, &body).await?;
        let update =
            sqlx::query("UPDATE hold SET released = ?2, subject = NULL WHERE id = ?1 AND released IS NULL");
        let update = update.bind(id.to_owned()).bind(signed(released.get()));
        if writing.run("record the end of a hold", update).await? != 1 {
            // Somebody else released it meanwhile; nothing of this is written.
            return Ok(None);
        }
        writing.commit().await?;
        self.publish_order(released).await?;
        Ok(Some(released))
    }

    /// The holds in force, oldest first.
    pub async fn holds(&mut self) -> Result<Vec<Hold>, StateError> {
        let operation = "read the holds";
        let rows = sqlx::query(
            "SELECT id, placed, placed_at, service, rule, personal, reference, covered FROM hold WHERE released IS NULL \
             ORDER BY placed",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let hold = |row: &SqliteRow| -> Result<Hold, StateError> {
            let failed = |e| failed(&self.path, operation, e);
            let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed);
            let text = |at: usize| row.try_get::<String, _>(at).map_err(failed);
            Ok(Hold {
                id: HoldId::parse(&text(0)?)?,
                placed: EntryIndex::new(number(1)?.unsigned_abs()),
                placed_at: DateTime::from_timestamp_micros(number(2)?).unwrap_or_default(),
                service: text(3)?,
                rule: row.try_get(4).map_err(failed)?,
                personal: number(5)? != 0,
                reference: text(6)?,
                covered: read_covered(&text(7)?).map_err(failed)?,
            })
        };
        rows.iter().map(hold).collect()
    }

    /// Records a demand for erasure. The next sweep of each rule concerned disposes of what it reaches.
    pub async fn request_erasure(&mut self, new: &NewRequest<'_>) -> Result<Request, StateError> {
        let id = RequestId::parse(&name("E")?)?;
        crate::hook::reach("order.before");
        let keys = self.keys.clone();
        let mut writing = self.write().await?;
        let (sealed, subject) = writing.seal_subject(&keys, id.as_str(), new.subject).await?;
        let body = Body::ErasureRequested(ErasureRequested {
            request: id.clone(),
            service: ServiceName::parse(new.service.as_str())?,
            subject,
            received: new.received,
            deadline: new.deadline,
            by: new.by.clone(),
        });
        let at = writing.now();
        let requested = writing.order(at, &body).await?;
        let insert = sqlx::query(
            "INSERT INTO request (id, requested, service, subject, received_at, deadline, covered) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        );
        let insert = insert
            .bind(id.as_str().to_owned())
            .bind(signed(requested.get()))
            .bind(new.service.as_str().to_owned())
            .bind(sealed.clone())
            .bind(new.received.timestamp_micros())
            .bind(new.deadline.timestamp_micros())
            .bind(serde_json::json!(new.covered).to_string());
        writing.run("record an erasure request", insert).await?;
        writing.commit().await?;
        crate::hook::reach("order.after");
        self.publish_order(requested).await?;
        Ok(Request {
            id,
            requested,
            service: new.service.as_str().to_owned(),
            received: new.received,
            deadline: new.deadline,
            end: None,
            sealed: Some(sealed),
            covered: new.covered.clone(),
        })
    }

    /// Records that nothing is left which the request could dispose of, and forgets who asked. Whether it was open until now.
    pub async fn answer_erasure(
        &mut self,
        request: &Request,
        answers: Vec<Answer>,
    ) -> Result<bool, StateError> {
        let body = Body::ErasureAnswered(ErasureAnswered {
            request: request.id.clone(),
            requested: request.requested,
            answers,
        });
        crate::hook::reach("answer.before");
        let mut writing = self.write().await?;
        let at = writing.now();
        let answered = writing.order(at, &body).await?;
        let ended = writing.end_request(request, (answered, at), 0).await?;
        if !ended {
            return Ok(false);
        }
        writing.commit().await?;
        crate::hook::reach("answer.after");
        self.publish_order(answered).await?;
        Ok(true)
    }

    /// Records that a demand was taken back, and forgets who made it; none: it is not open any more. What is intended already goes.
    pub async fn withdraw_erasure(
        &mut self,
        request: &Request,
        by: &RoleName,
    ) -> Result<Option<EntryIndex>, StateError> {
        let body = Body::ErasureWithdrawn(ErasureWithdrawn {
            request: request.id.clone(),
            requested: request.requested,
            by: by.clone(),
        });
        let mut writing = self.write().await?;
        let at = writing.now();
        let withdrawn = writing.order(at, &body).await?;
        if !writing.end_request(request, (withdrawn, at), 1).await? {
            return Ok(None);
        }
        writing.commit().await?;
        self.publish_order(withdrawn).await?;
        Ok(Some(withdrawn))
    }

    /// Every erasure request, oldest first.
    pub async fn requests(&mut self) -> Result<Vec<Request>, StateError> {
        self.read_requests(None).await
    }

    /// Those of a service without an answer.
    pub async fn open_requests(&mut self, service: &ServiceId) -> Result<Vec<Request>, StateError> {
        self.read_requests(Some(service)).await
    }

    async fn read_requests(&mut self, open_of: Option<&ServiceId>) -> Result<Vec<Request>, StateError> {
        let operation = "read the erasure requests";
        let rows = sqlx::query(
            "SELECT id, requested, service, subject, received_at, deadline, ended, ended_at, withdrawn, covered FROM request \
             WHERE ?1 IS NULL OR (ended IS NULL AND service = ?1) ORDER BY requested",
        )
        .bind(open_of.map(ServiceId::as_str))
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        rows.iter().map(|row| request(row, &|e| failed(&self.path, operation, e))).collect()
    }

    /// Who made a request; none: it is answered, and they are forgotten.
    pub fn subject(&self, request: &Request) -> Result<Option<SubjectId>, StateError> {
        let sealed = request.sealed.as_ref();
        sealed.map(|sealed| self.open_subject(request.id.as_str(), sealed)).transpose()
    }

    /// Stops all disposal from the next intent on; the entry that says so, or the one that already did.
    pub async fn pause(&mut self, by: &RoleName) -> Result<EntryIndex, StateError> {
        if let Some(entry) = self.paused().await? {
            return Ok(entry);
        }
        let mut writing = self.write().await?;
        let at = writing.now();
        let entry = writing.order(at, &Body::Pause(Pause { by: by.clone() })).await?;
        // Whoever paused meanwhile came first: two pauses would be one too many for the ledger.
        let insert = sqlx::query(
            "INSERT INTO pause (entry) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM pause WHERE ended IS NULL)",
        );
        if writing.run("record a pause", insert.bind(signed(entry.get()))).await? == 1 {
            writing.commit().await?;
            self.publish_order(entry).await?;
            return Ok(entry);
        }
        drop(writing);
        Ok(self.paused().await?.unwrap_or(entry))
    }

    /// Lets disposal go on; none: it was not paused.
    pub async fn resume(&mut self, by: &RoleName) -> Result<Option<EntryIndex>, StateError> {
        let Some(pause) = self.paused().await? else { return Ok(None) };
        let mut writing = self.write().await?;
        let at = writing.now();
        let entry = writing.order(at, &Body::Resume(Resume { pause, by: by.clone() })).await?;
        let update = sqlx::query("UPDATE pause SET ended = ?2 WHERE entry = ?1 AND ended IS NULL");
        let update = update.bind(signed(pause.get())).bind(signed(entry.get()));
        if writing.run("record the end of a pause", update).await? != 1 {
            return Ok(None);
        }
        writing.commit().await?;
        self.publish_order(entry).await?;
        Ok(Some(entry))
    }

    /// The `pause` in force.
    pub async fn paused(&mut self) -> Result<Option<EntryIndex>, StateError> {
        let operation = "look for a pause";
        let row = sqlx::query("SELECT max(entry) FROM pause WHERE ended IS NULL")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|e| failed(&self.path, operation, e))?;
        let entry: Option<i64> = row.try_get(0).map_err(|e| failed(&self.path, operation, e))?;
        Ok(entry.map(|entry| EntryIndex::new(entry.unsigned_abs())))
    }

    /// When the `pause` in force was ordered, in UTC, and in which role; none: there is none.
    pub async fn paused_by(&mut self) -> Result<Option<(DateTime<Utc>, RoleName)>, StateError> {
        let Some(entry) = self.paused().await? else { return Ok(None) };
        let entry = self.entry(entry).await?;
        let Body::Pause(Pause { by }) = entry.body() else { return Ok(None) };
        Ok(Some((entry.at(), by.clone())))
    }

    /// Why nothing may be disposed of now; none: it may. A stop file that cannot be looked for is one.
    pub async fn halt(&mut self) -> Result<Option<Halt>, StateError> {
        if let Some(entry) = self.paused().await? {
            return Ok(Some(Halt::Paused(entry.get())));
        }
        Ok(self.stop_file())
    }

    /// Somebody's way to stop everything without us: a file beside the state with the ending `.stop`.
    pub(super) fn stop_file(&self) -> Option<Halt> {
        let path = self.path.with_added_extension("stop");
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Ok(_) | Err(_) => Some(Halt::StopFile(path)),
        }
    }

    /// How many orders stand.
    pub async fn standing_orders(&mut self) -> Result<StandingOrders, StateError> {
        let operation = "count the orders";
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM hold WHERE released IS NULL), count(*), min(deadline) FROM request \
             WHERE ended IS NULL",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let count = |at: usize| {
            row.try_get::<i64, _>(at).map(i64::unsigned_abs).map_err(|e| failed(&self.path, operation, e))
        };
        let first: Option<i64> = row.try_get(2).map_err(|e| failed(&self.path, operation, e))?;
        Ok(StandingOrders {
            holds: count(0)?,
            requests: count(1)?,
            first_deadline: first.and_then(DateTime::from_timestamp_micros),
        })
    }

    /// Up to which order the state has them now.
    pub async fn generation(&mut self) -> Result<Generation, StateError> {
        let row = sqlx::query("SELECT newest FROM generation").fetch_one(&mut self.connection).await;
        generation_of(row).map_err(|e| failed(&self.path, "read the orders' generation", e))
    }

    /// The orders in force for the records of a rule: its holds, and what people demand of it.
    ///
    /// Fails where it cannot be read whom one of them is about.
    pub async fn orders(&mut self, rule: &Rule, shared: &[Shared]) -> Result<Orders, StateError> {
        let mut orders = self.holds_over(rule, shared).await?;
        if rule.subject.as_ref().is_some_and(|subject| subject.on_erasure == OnErasure::Dispose) {
            for request in self.open_requests(&rule.id.service).await? {
                if request.asked_otherwise(rule) {
                    continue;
                }
                let Some(subject) = self.subject(&request)? else { continue };
                let received = orders.asked.entry(subject).or_insert(request.received);
                *received = request.received.min(*received);
            }
        }
        Ok(orders)
    }

    /// The same without the demands: by these goes what a rule's own trigger has made due. `shared`: other rules over records that
    /// this one may dispose of too. A hold on one of them holds this one: for the same person, where the records they share are the
    /// same person's in both; else wholly.
    ///
    /// Fails where it cannot be read whom a hold is about: then nothing of the rule may be disposed of.
    pub async fn holds_over(&mut self, rule: &Rule, shared: &[Shared]) -> Result<Orders, StateError> {
        // First: an order that is given while we read makes the generation older than what we know, never newer.
        let mut orders = Orders { generation: self.generation().await?, ..Orders::default() };
        for (id, scope, sealed) in self.scopes().await? {
            match (scope.reach(rule, shared), sealed) {
                // Of the unknowing, nobody can tell which of its records are this person's.
                (Reach::Nothing, _) | (Reach::Unknowing, Some(_)) => {}
                (Reach::Whole, _) | (Reach::Person | Reach::Unknowing, None) => orders.all_held = true,
                (Reach::Person, Some(sealed)) => {
                    orders.held.insert(self.open_subject(&id, &sealed)?);
                }
            }
        }
        Ok(orders)
    }

    /// What the holds in force cover, and whom, still sealed.
    async fn scopes(&mut self) -> Result<Vec<(String, Scope, Option<Vec<u8>>)>, StateError> {
        let operation = "read the holds";
        let rows = sqlx::query(
            "SELECT id, service, rule, personal, subject FROM hold WHERE released IS NULL ORDER BY placed",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let scope = |row: &SqliteRow| -> Result<_, StateError> {
            let failed = |e| failed(&self.path, operation, e);
            let id: String = row.try_get(0).map_err(failed)?;
            let personal = row.try_get::<i64, _>(3).map_err(failed)? != 0;
            let (service, rule) = (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
            let sealed: Option<Vec<u8>> = row.try_get(4).map_err(failed)?;
            // A hold on somebody of whom nothing is left must not turn into one on everybody, nor on nobody.
            let sealed = personal.then(|| sealed.unwrap_or_default());
            Ok((id, Scope { service, rule, personal }, sealed))
        };
        rows.iter().map(scope).collect()
    }

    fn open_subject(&self, order: &str, sealed: &[u8]) -> Result<SubjectId, StateError> {
        self.opened(order, sealed)?
            .and_then(|opened| SubjectId::canonical(&opened.subject))
            .ok_or_else(|| StateError::Subject { order: order.to_owned() })
    }

    fn opened(&self, order: &str, sealed: &[u8]) -> Result<Option<Opened>, StateError> {
        let key = self.keys.read(KEY)?;
        let text = key.and_then(|key| aead::open(&key, Purpose::Subject, order, sealed));
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Whether there is a key to read whom orders are about.
    pub(super) fn has_key_of_orders(&self) -> Result<bool, StateError> {
        Ok(self.keys.read(KEY)?.is_some())
    }

    /// What the ledger would call whom an order is about; none: they cannot be read.
    pub(super) fn committed_subject(
        &self,
        order: &str,
        sealed: &[u8],
    ) -> Result<Option<Commitment>, StateError> {
        let Some(opened) = self.opened(order, sealed)? else { return Ok(None) };
        let nonce = STANDARD.decode(&opened.nonce).ok().and_then(|nonce| nonce.try_into().ok());
        Ok(nonce.map(|nonce| commit_subject(&Nonce::from_bytes(nonce), &opened.subject)))
    }
}

/// The records that a hold covers, whoever they are about.
struct Scope {
    service: String,
    rule: Option<String>,
    personal: bool,
}

/// How a hold on one person, or on everybody, reaches a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Nothing,
    /// The rule does not know its data subjects, and shares no records with one that does.
    Unknowing,
    /// The records of the hold's person.
    Person,
    /// Its records may be, or take along, those of the hold's person, and it cannot tell which.
    Whole,
}

impl Scope {
    fn reach(&self, rule: &Rule, shared: &[Shared]) -> Reach {
        let mut reach = match (self.covers(&rule.id), &rule.subject) {
            (false, _) => Reach::Nothing,
            (true, None) => Reach::Unknowing,
            (true, Some(_)) => Reach::Person,
        };
        for other in shared.iter().filter(|other| self.covers(&other.rule)) {
            let along = match other.people {
                _ if !self.personal => Reach::Whole,
                SharedPeople::Same => Reach::Person,
                SharedPeople::Others => Reach::Whole,
                // The hold finds nobody there.
                SharedPeople::Nobody => Reach::Nothing,
            };
            reach = reach.max(along);
        }
        reach
    }

    fn covers(&self, rule: &RuleId) -> bool {
        self.service == rule.service.as_str()
            && self.rule.as_ref().is_none_or(|only| *only == rule.to_string())
    }
}

impl Writing<'_> {
    /// Seals for the state, and commits to for the ledger, whom an order is about. The key is made with the first order that needs
    /// one: where others are sealed already, a missing key is lost and not new, and another opens none of them.
    async fn seal_subject(
        &mut self,
        keys: &KeyDirectory,
        order: &str,
        subject: &SubjectId,
    ) -> Result<(Vec<u8>, Commitment), StateError> {
        let operation = "look for a sealed order";
        let row = sqlx::query(
            "SELECT id, subject FROM hold WHERE subject IS NOT NULL UNION ALL \
             SELECT id, subject FROM request WHERE subject IS NOT NULL LIMIT 1",
        )
        .fetch_optional(&mut *self.transaction)
        .await
        .map_err(|e| failed(&self.path, operation, e))?;
        let read = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let other: Option<(String, Vec<u8>)> =
            row.as_ref().map(read).transpose().map_err(|e| failed(&self.path, operation, e))?;
        let key = match (keys.read(KEY)?, other) {
            (None, None) => keys.create(KEY)?,
            (Some(key), None) => key,
            (Some(key), Some((id, sealed))) if aead::open(&key, Purpose::Subject, &id, &sealed).is_some() => {
                key
            }
            (_, Some((order, _))) => return Err(StateError::Subject { order }),
        };
        let mut nonce = [0; 16];
        secret::fill(&mut nonce)?;
        let opened = Opened { subject: subject.as_str().to_owned(), nonce: STANDARD.encode(nonce) };
        let text = Zeroizing::new(serde_json::json!(opened).to_string());
        let sealed = aead::seal(&key, Purpose::Subject, order, &text)?;
        let sealed = sealed.ok_or_else(|| StateError::Subject { order: order.to_owned() })?;
        Ok((sealed, commit_subject(&Nonce::from_bytes(nonce), subject.as_str())))
    }

    /// Ends a request and forgets who made it; whether it was open until now.
    async fn end_request(
        &mut self,
        request: &Request,
        (entry, at): (EntryIndex, DateTime<Utc>),
        withdrawn: i64,
    ) -> Result<bool, StateError> {
        let update = sqlx::query(
            "UPDATE request SET ended = ?2, ended_at = ?3, withdrawn = ?4, subject = NULL WHERE id = ?1 AND ended IS NULL",
        );
        let update = update
            .bind(request.id.as_str().to_owned())
            .bind(signed(entry.get()))
            .bind(at.timestamp_micros())
            .bind(withdrawn);
        Ok(self.run("record the end of an erasure request", update).await? == 1)
    }

    /// Appends an order's entry and moves the generation to it.
    async fn order(&mut self, at: DateTime<Utc>, body: &Body) -> Result<EntryIndex, StateError> {
        let entry = self.append_at(at, body)?;
        let update = sqlx::query("UPDATE generation SET newest = ?1").bind(signed(entry.get()));
        self.run("move the orders' generation", update).await?;
        Ok(entry)
    }

    /// Refuses to go on under orders that are not those of the disk, and while disposal is paused.
    pub(super) fn check_orders(&self, judged_by: Generation) -> Result<(), StateError> {
        // None while there is a pause, whatever the generation was.
        if self.orders == Some(judged_by) { Ok(()) } else { Err(StateError::OrdersMoved) }
    }
}

fn request(row: &SqliteRow, failed: &dyn Fn(sqlx::Error) -> StateError) -> Result<Request, StateError> {
    let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed);
    let text = |at: usize| row.try_get::<String, _>(at).map_err(failed);
    let instant = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
    let (ended, ended_at): (Option<i64>, Option<i64>) =
        (row.try_get(6).map_err(failed)?, row.try_get(7).map_err(failed)?);
    let withdrawn = number(8)? != 0;
    let end = ended.zip(ended_at).map(|(entry, at)| {
        let (entry, at) = (EntryIndex::new(entry.unsigned_abs()), instant(at));
        if withdrawn { RequestEnd::Withdrawn(entry, at) } else { RequestEnd::Answered(entry, at) }
    });
    Ok(Request {
        id: RequestId::parse(&text(0)?)?,
        requested: EntryIndex::new(number(1)?.unsigned_abs()),
        service: text(2)?,
        received: instant(number(4)?),
        deadline: instant(number(5)?),
        end,
        sealed: row.try_get(3).map_err(failed)?,
        covered: read_covered(&text(9)?).map_err(failed)?,
    })
}

fn generation_of(row: Result<SqliteRow, sqlx::Error>) -> Result<Generation, sqlx::Error> {
    row.and_then(|row| row.try_get::<i64, _>(0)).map(|newest| Generation(newest.unsigned_abs()))
}

/// Sorts by time for people; random, so that no two orders ever agree on one.
fn name(prefix: &str) -> Result<String, StateError> {
    let mut random = [0; 4];
    secret::fill(&mut random)?;
    let time = clock::now().format("%Y%m%dT%H%M%SZ");
    Ok(format!("{prefix}-{time}-{:08x}", u32::from_be_bytes(random)))
}

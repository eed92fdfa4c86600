//! `expunged hold`: legal holds, and what became of the records before they came.

use std::collections::BTreeSet;

use serde_json::json;

use super::table::{print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock::Stopwatch;
use crate::deployment::Deployment;
use crate::ledger::name::{CaseReference, RoleName};
use crate::ledger::tree::EntryIndex;
use crate::model::name::{LocalId, NameError, RuleId, ServiceId};
use crate::model::now::Now;
use crate::model::orders::{Orders, SubjectId};
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::{Dataset, Rule};
use crate::rules::shared::{SharedPeople, shared};
use crate::state::{Covered, Hold, NewHold, Role, State, StateError, coverage};
use crate::sweep::{count, left};

/// What a person orders.
pub(super) struct Order {
    /// `service` or `service/rule`.
    pub(super) scope: String,
    pub(super) subject: Option<String>,
    pub(super) reference: CaseReference,
    pub(super) by: RoleName,
    pub(super) wait: std::time::Duration,
}

/// How the records of one rule stand to a hold that has just been placed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Held(u64),
    NoneFound,
    /// Disposed of before the hold came, by these entries.
    TooLate(Vec<EntryIndex>),
    /// A batch was intended before the hold came, and nobody knows yet what became of it.
    Pending,
    /// The rule does not know its data subjects: the hold cannot find their records.
    NotCovered,
    Unknown(String),
}

pub(super) async fn place(global: &Global, order: &Order) -> Outcome {
    let subject = order.subject.as_deref().map(subject).transpose()?;
    let deployment = match global.deployment() {
        Ok(deployment) => deployment,
        Err(failure) => return unseen(global, order, subject.as_ref(), failure).await,
    };
    let (service, only) = scope(&deployment, &order.scope)?;
    let mut state = deployment.state(Role::Orderer).await?;
    let rules = covered(&deployment, service, only);
    let covered = coverage(rules.iter().copied());
    let new = NewHold { covered, ..order.over(service, only.map(|rule| &rule.id), subject.as_ref()) };
    let hold = state.place_hold(&new).await?;
    settle(&deployment, &mut state, &rules, order.wait).await?;
    let mut answers = Vec::new();
    for rule in &rules {
        answers.push((*rule, answer(&deployment, &mut state, rule, subject.as_ref()).await?));
    }
    let along = along(&deployment, &rules, hold.personal);
    match global.format {
        Format::Json => println!("{}", object(&hold, &answers, &along)),
        Format::Text => text(&hold, &answers, &along),
    }
    Ok(if answers.iter().all(|(_, answer)| answer.settled()) { Exit::Done } else { Exit::Finding })
}

/// A hold does not wait until somebody has mended the rules: it is placed as it was typed, and nobody can say yet what it found.
async fn unseen(global: &Global, order: &Order, subject: Option<&SubjectId>, why: Failure) -> Outcome {
    let (service, rule) = match order.scope.split_once('/') {
        Some((service, rule)) => (service, Some(rule)),
        None => (order.scope.as_str(), None),
    };
    let named = |e: NameError| Failure::new(Exit::Usage, e);
    let service = ServiceId::new(service).map_err(named)?;
    let local = rule.map(LocalId::new).transpose().map_err(named)?;
    let rule = local.map(|local| RuleId { service: service.clone(), local });
    let mut state = global.state(Role::Orderer).await?;
    let hold = state.place_hold(&order.over(&service, rule.as_ref(), subject)).await?;
    let what = format!(
        "hold {} is in force (entry {}) as it was typed; what it found cannot be said, since the rules cannot be read:\n{}",
        hold.id,
        hold.placed,
        why.message()
    );
    Err(Failure::new(why.exit(), anyhow::anyhow!(what)))
}

impl Order {
    fn over<'a>(
        &'a self,
        service: &'a ServiceId,
        rule: Option<&'a RuleId>,
        subject: Option<&'a SubjectId>,
    ) -> NewHold<'a> {
        NewHold { service, rule, subject, covered: Covered::new(), reference: &self.reference, by: &self.by }
    }
}

/// A data subject's id as typed; `-` is read from standard input, so that it stands in no list of processes.
pub(super) fn subject(typed: &str) -> Result<SubjectId, Failure> {
    let mut line = String::new();
    let text = if typed == "-" {
        std::io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\n', '\r'])
    } else {
        typed
    };
    let what = "the data subject's id is empty, no text that a record can hold, or `hex:` with upper-case digits: bytes are typed in lower case";
    SubjectId::typed(text).ok_or_else(|| Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

fn scope<'d>(deployment: &'d Deployment, text: &str) -> Result<(&'d ServiceId, Option<&'d Rule>), Failure> {
    if text.contains('/') {
        let (service, rule) = deployment.one(text)?;
        return Ok((&service.id, Some(rule)));
    }
    Ok((&deployment.service(text)?.id, None))
}

fn covered<'d>(deployment: &'d Deployment, service: &ServiceId, only: Option<&'d Rule>) -> Vec<&'d Rule> {
    match only {
        Some(rule) => vec![rule],
        None => deployment.rules.rules().filter(|(s, _)| s.id == *service).map(|(_, rule)| rule).collect(),
    }
}

/// Rules that the hold keeps from disposing of more than it names, because they are about the same records: those outside its scope,
/// and those within that cannot tell one person's records from another's.
fn along(deployment: &Deployment, rules: &[&Rule], personal: bool) -> Vec<String> {
    let inside = |id: &RuleId| rules.iter().any(|covered| covered.id == *id);
    let reaches = |rule: &&Rule| {
        shared(&deployment.rules, rule).iter().filter(|other| inside(&other.rule)).any(|other| {
            match other.people {
                SharedPeople::Others => true,
                SharedPeople::Same => !inside(&rule.id),
                SharedPeople::Nobody => !personal && !inside(&rule.id),
            }
        })
    };
    let all = deployment.rules.rules().map(|(_, rule)| rule);
    all.filter(|rule| personal || !inside(&rule.id)).filter(reaches).map(|rule| rule.id.to_string()).collect()
}

/// How long between two looks at the open intents.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// Waits until every batch is settled that was intended before the hold came; or until it has taken too long.
async fn settle(
    deployment: &Deployment,
    state: &mut State,
    rules: &[&Rule],
    longest: std::time::Duration,
) -> Result<(), StateError> {
    let watch = Stopwatch::start();
    // Ends with the time that the person gives it.
    while pending(deployment, state, rules).await? && watch.elapsed() < longest {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether a batch is open that may hold records of one of these rules: its own, or another's over the same records.
async fn pending(deployment: &Deployment, state: &mut State, rules: &[&Rule]) -> Result<bool, StateError> {
    let open = state.open_intents().await?;
    if open.is_empty() {
        return Ok(false);
    }
    let concerned: BTreeSet<String> = rules
        .iter()
        .flat_map(|rule| {
            let others = shared(&deployment.rules, rule).into_iter().map(|other| other.rule.to_string());
            std::iter::once(rule.id.to_string()).chain(others)
        })
        .collect();
    Ok(open.iter().any(|open| concerned.contains(open.sweep.rule().as_str())))
}

async fn answer(
    deployment: &Deployment,
    state: &mut State,
    rule: &Rule,
    subject: Option<&SubjectId>,
) -> Result<Answer, Failure> {
    if subject.is_some() && rule.subject.is_none() {
        return Ok(Answer::NotCovered);
    }
    if pending(deployment, state, &[rule]).await? {
        return Ok(Answer::Pending);
    }
    let found = match subject {
        Some(subject) => left(rule, &deployment.config.datastores, subject).await.map_err(Failure::from),
        None => all(deployment, rule).await,
    };
    match found {
        Err(failure) => Ok(Answer::Unknown(failure.text())),
        Ok(0) => {
            let gone = gone(state, rule, subject).await?;
            Ok(if gone.is_empty() { Answer::NoneFound } else { Answer::TooLate(gone) })
        }
        Ok(n) => Ok(Answer::Held(n)),
    }
}

/// Every record of the rule, due or not.
async fn all(deployment: &Deployment, rule: &Rule) -> Result<u64, Failure> {
    let (bound, _) = deployment.bind(rule).await?;
    let now = Now::from_clocks(crate::clock::now(), None);
    let cutoffs = Cutoffs::of(&bound, now);
    Ok(count(deployment.datastore(rule)?, &bound, &cutoffs, &Orders::default(), now).await?.all())
}

/// The entries of what was disposed of of one person. Only a record whose key is the data subject can be found again: of all others
/// the ledger does not say whose they were.
async fn gone(
    state: &mut State,
    rule: &Rule,
    subject: Option<&SubjectId>,
) -> Result<Vec<EntryIndex>, StateError> {
    let (Some(subject), Some(about), Dataset::Table { table, key }) = (subject, &rule.subject, &rule.dataset)
    else {
        return Ok(Vec::new());
    };
    if key.as_slice() != [about.column.clone()] {
        return Ok(Vec::new());
    }
    match state.prove(&rule.id.to_string(), table.as_str(), subject.key()).await {
        Ok(proofs) => Ok(proofs.iter().map(|proof| proof.index).collect()),
        // Of a destroyed epoch nobody can tell.
        Err(StateError::KeyMissing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Answer {
    /// Whether nothing needs a look.
    fn settled(&self) -> bool {
        match self {
            Self::Held(_) | Self::NoneFound => true,
            Self::TooLate(_) | Self::Pending | Self::NotCovered | Self::Unknown(_) => false,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::NoneFound => "none_found",
            Self::TooLate(_) => "too_late",
            Self::Pending => "pending",
            Self::NotCovered => "not_covered",
            Self::Unknown(_) => "unknown",
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Held(n) => format!("held {n}"),
            Self::NoneFound => "none found".to_owned(),
            Self::TooLate(entries) => {
                let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
                format!("too late: disposed of before the hold came (entry {})", entries.join(", "))
            }
            Self::Pending => {
                "pending: a batch intended before the hold came is not settled yet; look again".to_owned()
            }
            Self::NotCovered => "not covered: the rule has no `subject`; hold the rule itself".to_owned(),
            Self::Unknown(why) => format!("unknown: {why}"),
        }
    }
}

fn text(hold: &Hold, answers: &[(&Rule, Answer)], along: &[String]) {
    println!("Hold {} is in force (entry {}).", hold.id, hold.placed);
    let mut out = table(&["rule", "dataset", "answer"], 3);
    for (rule, answer) in answers {
        out.add_row(vec![rule.id.to_string(), rule.dataset.name().to_owned(), answer.sentence()]);
    }
    print(&out);
    if !along.is_empty() {
        println!("Held along, being about the same records: {}.", along.join(", "));
    }
}

fn object(hold: &Hold, answers: &[(&Rule, Answer)], along: &[String]) -> serde_json::Value {
    let answers: Vec<_> = answers
        .iter()
        .map(|(rule, answer)| {
            let records = if let Answer::Held(n) = answer { Some(*n) } else { None };
            let entries: Vec<u64> = match answer {
                Answer::TooLate(entries) => entries.iter().map(|entry| entry.get()).collect(),
                _ => Vec::new(),
            };
            json!({
                "rule": rule.id.to_string(), "dataset": rule.dataset.name(), "answer": answer.word(),
                "records": records, "entries": entries,
            })
        })
        .collect();
    json!({ "hold": hold.id.as_str(), "entry": hold.placed.get(), "answers": answers, "held_along": along })
}

/// `expunged hold release`.
pub(super) async fn release(global: &Global, id: &str, by: &RoleName) -> Outcome {
    let mut state = global.state(Role::Beside).await?;
    let Some(entry) = state.release_hold(id, by).await? else {
        let what = "no such hold is in force: `expunged hold list` shows those that are";
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    };
    match global.format {
        Format::Json => println!("{}", json!({ "hold": id, "entry": entry.get() })),
        Format::Text => println!("Hold {id} is released (entry {entry})."),
    }
    Ok(Exit::Done)
}

/// `expunged hold list`.
pub(super) async fn list(global: &Global) -> Outcome {
    let holds = match global.state_if_any().await? {
        Some(mut state) => state.holds().await?,
        None => Vec::new(),
    };
    if global.format == Format::Json {
        let holds: Vec<_> = holds
            .iter()
            .map(|h| {
                json!({
                    "hold": h.id.as_str(), "entry": h.placed.get(), "placed_at": h.placed_at.to_rfc3339(),
                    "service": h.service, "rule": h.rule, "personal": h.personal, "reference": h.reference,
                })
            })
            .collect();
        println!("{}", json!({ "holds": holds }));
        return Ok(Exit::Done);
    }
    if holds.is_empty() {
        println!("No hold is in force.");
        return Ok(Exit::Done);
    }
    let mut out = table(&["hold", "placed (UTC)", "covers", "whose", "reference", "entry"], 5);
    for hold in &holds {
        out.add_row(vec![
            hold.id.to_string(),
            hold.placed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            hold.rule.clone().unwrap_or_else(|| hold.service.clone()),
            if hold.personal { "one data subject's" } else { "everybody's" }.to_owned(),
            hold.reference.clone(),
            hold.placed.to_string(),
        ]);
    }
    print(&out);
    Ok(Exit::Done)
}

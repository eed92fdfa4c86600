//! One record: where its trigger came from, how the bounds were worked out, and what the judge makes of it.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::{Sections, told, utc, words};
use crate::cli::plan::walk;
use crate::cli::table::length;
use crate::cli::{Exit, Failure, Format, Global, Outcome};
use crate::datastore::sql::{Phase, Reader};
use crate::datastore::{Explained, files};
use crate::deployment::Deployment;
use crate::diagnostic::quoted;
use crate::model::calendar::{Moment, Working};
use crate::model::catalogue::{Catalogue, Catalogues, ColumnKind};
use crate::model::key::Key;
use crate::model::name::ColumnName;
use crate::model::now::Now;
use crate::model::opening::OpeningHours;
use crate::model::orders::Orders;
use crate::model::period::DeleteBy;
use crate::model::value::{Value, rfc3339};
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Kept, Times, TriggerValue, Undated, Verdict, decide, trigger_moment};
use crate::rules::rule::{Dataset, Mode, Rule, TriggerPlace};
use crate::state::Role;

/// What is known of a record, and what follows from it.
struct Explanation<'r> {
    rule: &'r Rule,
    /// When its datastores are open.
    hours: OpeningHours,
    now: Now,
    trigger: TriggerValue,
    moment: Result<Moment, Undated>,
    /// Of due, from the trigger alone; none without a moment.
    due: Option<Working>,
    /// Of the rule's own deadline, from the trigger or, where only a demand starts the clock, from that; none: the clock has not started.
    deadline: Option<Working>,
    /// When its erasure was demanded, and the deadline that this brings.
    demanded: Option<(DateTime<Utc>, Working)>,
    held: bool,
    word: &'static str,
    reason: String,
    times: Option<Times>,
    statement: String,
}

pub(super) async fn run(global: &Global, name: &str, key: &[String], now: Now) -> Outcome {
    let deployment = global.deployment()?;
    let (_, rule) = deployment.one(name)?;
    check_key(rule, key)?;
    let (bound, catalogues) = deployment.bind(rule).await?;
    let mut state = deployment.state_if_any().await?;
    let orders = deployment.orders(state.as_mut(), rule).await?;
    let Some(found) = find(&deployment, &bound, &catalogues, &orders, key).await? else {
        return gone(global, &deployment, rule, key).await;
    };
    let demanded = orders.demanded(&found.record.whose).is_some();
    let phase = if demanded { Phase::Demanded } else { Phase::shown(rule) };
    let statement = statement(&deployment, &bound, phase, now).await?;
    let hours = deployment.config.defaults.opening(rule.datastores());
    let explanation = Explanation { hours, ..explain(&bound, found, &orders, now, statement) };
    match global.format {
        Format::Json => println!("{}", explanation.json()),
        Format::Text => explanation.print(),
    }
    Ok(Exit::Done)
}

/// The statement that a sweep selects with.
pub(super) async fn statement(
    deployment: &Deployment,
    bound: &BoundRule<'_>,
    phase: Phase,
    now: Now,
) -> Result<String, Failure> {
    let Some(rows) = bound.rows() else { return Ok(walk(bound.rule())) };
    let mut reader = Reader::open(deployment.datastore(bound.rule())?).await?;
    let (statement, _) = reader.statement(rows, &Cutoffs::of(bound, now), phase).await?;
    Ok(statement)
}

fn explain<'r>(
    bound: &BoundRule<'r>,
    found: Explained,
    orders: &Orders,
    now: Now,
    statement: String,
) -> Explanation<'r> {
    let rule = bound.rule();
    let trigger = found.record.trigger.clone();
    let moment = trigger_moment(bound, &trigger, now);
    let due = moment.as_ref().ok().map(|moment| rule.calendar.due_working(moment, &rule.retain));
    let demanded = orders.demanded(&found.record.whose).map(Moment::Instant);
    let start = if rule.trigger.is_request() { demanded.as_ref() } else { moment.as_ref().ok() };
    let deadline = start.map(|start| rule.calendar.deadline_working(start, &rule.delete_by));
    let demanded = orders
        .demanded(&found.record.whose)
        .map(|at| (at, rule.calendar.deadline_working(&Moment::Instant(at), &DeleteBy::on_request())));
    let held = orders.hold(&found.record.whose);
    let verdict = found.selected.then(|| decide(bound, found.record, orders, now));
    let (word, reason, times) = match &verdict {
        None => ("kept", "the rule's `only`, `unless` or mark leaves it alone".to_owned(), None),
        Some(verdict) => tell(rule, verdict, now),
    };
    let hours = OpeningHours::default();
    Explanation {
        rule,
        hours,
        now,
        trigger,
        moment,
        due,
        deadline,
        demanded,
        held,
        word,
        reason,
        times,
        statement,
    }
}

impl Explanation<'_> {
    fn print(&self) {
        println!("{}: {}", self.rule.id, self.word);
        let mut sections = Sections::default();
        sections.add("trigger", self.trigger());
        if let Some((at, deadline)) = &self.demanded {
            let said = format!("its erasure was demanded at {}: due from then on, if not before", utc(*at));
            let after = "gone a month after that, or by the rule's own deadline, whichever is earlier";
            sections.add("request", [said, after.to_owned()].into_iter().chain(deadline.lines()));
        }
        if let Some(due) = &self.due {
            sections.add("due", bound_lines(&format!("retain {}", self.rule.retain), due));
        }
        if let Some(deadline) = &self.deadline {
            sections.add("deadline", bound_lines(&format!("delete_by {}", self.rule.delete_by), deadline));
        }
        sections.add("mode", words::mode(self.rule));
        sections.add("hold", self.held.then(|| "a hold covers it: it is not disposed of".to_owned()));
        let now = format!("{}; overdue is judged at {}", utc(self.now.eligible), utc(self.now.late));
        sections.add("now", [if self.now.eligible == self.now.late { utc(self.now.late) } else { now }]);
        sections.add("verdict", [format!("{}: {}", self.word, self.reason)]);
        sections.add("next sweep", [next_sweep(self.rule, &self.hours, self.now)]);
        sections.add("statement", [self.statement.clone()]);
        sections.print();
    }

    /// Where the trigger came from, and what it says.
    fn trigger(&self) -> Vec<String> {
        let read = match &self.trigger {
            // A count of microseconds, which the instant says better.
            TriggerValue::Own(_) if self.rule.trigger.place == TriggerPlace::Modified => {
                words::trigger(self.rule)
            }
            TriggerValue::Own(value) if self.moment.is_ok() => {
                format!("{}: {}", words::trigger(self.rule), shown(value))
            }
            // What is no time may be anything, also somebody's name.
            TriggerValue::Own(_) => words::trigger(self.rule),
            TriggerValue::Rows(values) => format!("{}: {}", words::trigger(self.rule), rows(values.len())),
        };
        let said = match &self.moment {
            Ok(moment) => told(moment, self.rule.calendar),
            Err(_) if self.rule.trigger.is_request() && self.demanded.is_some() => return vec![read],
            Err(_) if self.rule.trigger.is_request() => NOBODY_ASKED.to_owned(),
            Err(why) => format!("no instant ({})", why.as_str()),
        };
        vec![read, said]
    }

    fn json(&self) -> Json {
        let (value, rows) = match &self.trigger {
            TriggerValue::Own(value) if self.moment.is_ok() => (json_of(value), None),
            TriggerValue::Own(_) => (Json::Null, None),
            TriggerValue::Rows(values) => (Json::Null, Some(values.len())),
        };
        let calendar = self.rule.calendar;
        let date = |moment: &Moment| match moment {
            Moment::Date(date) => Some(*date),
            Moment::Instant(_) | Moment::Local(..) => {
                calendar.earliest(moment).map(|at| calendar.local_date(at))
            }
        };
        let date = self.moment.as_ref().ok().and_then(date);
        let working = |working: Option<&Working>| working.map(Working::lines);
        json!({
            "rule": self.rule.id.to_string(), "verdict": self.word, "reason": self.reason,
            "due": self.times.map(|t| t.due.to_rfc3339()), "deadline": self.times.map(|t| t.deadline.to_rfc3339()),
            "trigger": {
                "place": words::trigger(self.rule), "value": value, "rows": rows,
                "instant": self.moment.as_ref().ok().and_then(|m| calendar.earliest(m)).map(|at| at.to_rfc3339()),
                "local_date": date.map(|date| date.to_string()),
                "undated": self.moment.as_ref().err().map(|why| why.as_str()),
            },
            "due_steps": working(self.due.as_ref()), "deadline_steps": working(self.deadline.as_ref()),
            "demanded": self.demanded.as_ref().map(|(at, _)| at.to_rfc3339()),
            "demanded_steps": working(self.demanded.as_ref().map(|(_, deadline)| deadline)),
            "held": self.held, "observes": self.rule.mode == Mode::Observe,
            "now": { "eligible": self.now.eligible.to_rfc3339(), "late": self.now.late.to_rfc3339() },
            "schedule": self.rule.schedule.to_string(),
            "next_sweep": next_start(self.rule, &self.hours, self.now).map(|n| n.to_rfc3339()),
            "statement": self.statement,
        })
    }
}

/// The rule's bound, then how it was worked out.
pub(super) fn bound_lines(said: &str, working: &Working) -> Vec<String> {
    std::iter::once(said.to_owned()).chain(working.lines()).collect()
}

/// When the schedule fires next, or when the datastores open after that.
pub(super) fn next_start(rule: &Rule, hours: &OpeningHours, now: Now) -> Option<DateTime<Utc>> {
    rule.schedule.next_after(now.eligible).and_then(|start| hours.opens(start))
}

/// The same in words.
pub(super) fn next_sweep(rule: &Rule, hours: &OpeningHours, now: Now) -> String {
    let only = if hours.is_always() { String::new() } else { format!("; swept only in {hours}") };
    let schedule = format!("schedule `{}`, in UTC{only}", rule.schedule);
    match next_start(rule, hours, now) {
        Some(next) => {
            let zone = rule.calendar.zone();
            format!("{} = {} in {zone}; {schedule}", utc(next), zone.rfc3339(next))
        }
        None => format!("never again; {schedule}"),
    }
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row matches".to_owned() } else { format!("{count} rows match") }
}

/// A value that is a time, for the person who asked; it goes to no log.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => n.to_string(),
        Value::Text(text) => quoted(text),
        Value::Instant(at) => quoted(&rfc3339(*at)),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null | Value::Blob(_) => Json::Null,
        Value::Integer(n) => (*n).into(),
        Value::Real(n) => (*n).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Instant(at) => rfc3339(*at).into(),
    }
}

/// The record as it is now; none: there is no such record.
async fn find(
    deployment: &Deployment,
    bound: &BoundRule<'_>,
    catalogues: &Catalogues,
    orders: &Orders,
    key: &[String],
) -> Result<Option<Explained>, Failure> {
    let rule = bound.rule();
    let datastore = deployment.datastore(rule)?;
    let (Some(rows), Some(catalogue)) = (bound.rows(), catalogues.get(&rule.datastore)) else {
        let path = key.first().map(String::as_str).unwrap_or_default();
        return Ok(files::find(files::root_of(datastore)?, bound, path)?);
    };
    check_integers(rows, catalogue, key)?;
    Ok(Reader::open(datastore).await?.explain(rows.heeding(orders), catalogue, key).await?)
}

pub(in crate::cli) fn check_key(rule: &Rule, key: &[String]) -> Result<(), Failure> {
    let columns: Vec<&str> = match &rule.dataset {
        Dataset::Table { key, .. } => key.iter().map(ColumnName::as_str).collect(),
        Dataset::Files(_) => vec!["path"],
        Dataset::Objects(_) | Dataset::Keys(_) => vec!["key"],
    };
    if key.len() == columns.len() {
        return Ok(());
    }
    let what = format!(
        "the key of `{}` has {} parts ({}), {} were given",
        rule.dataset.name(),
        columns.len(),
        columns.join(", "),
        key.len()
    );
    Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

const NOBODY_ASKED: &str = "nobody has demanded its erasure";

/// Why a record is due: its trigger, or somebody's demand.
fn demand(times: &Times, by_trigger: &str) -> String {
    match times.demanded {
        Some(at) => format!("its erasure was demanded on {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        None => by_trigger.to_owned(),
    }
}

/// What is no number is no record that was never there: it is a slip, and the answer would mislead.
fn check_integers(rows: RowRule<'_>, catalogue: &Catalogue, key: &[String]) -> Result<(), Failure> {
    let table = catalogue.tables.get(rows.table().name);
    let integer =
        |name| table.and_then(|t| t.column(name)).is_some_and(|column| column.kind == ColumnKind::Integer);
    let wrong =
        rows.table().key.iter().zip(key).find(|(name, text)| integer(name) && Value::whole(text).is_none());
    let Some((name, _)) = wrong else { return Ok(()) };
    let what =
        format!("`{name}` of the key of `{}` is an integer, and what was given is none", rows.table().name);
    Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

fn tell(rule: &Rule, verdict: &Verdict, now: Now) -> (&'static str, String, Option<Times>) {
    match verdict {
        Verdict::Kept(Kept::NotStarted(_)) if rule.trigger.is_request() => {
            ("kept", NOBODY_ASKED.to_owned(), None)
        }
        Verdict::Kept(Kept::NotStarted(why)) => {
            ("kept", format!("its clock has not started ({})", why.as_str()), None)
        }
        Verdict::Kept(Kept::BeyondCalendar) => {
            ("kept", "its period ends beyond the calendar".to_owned(), None)
        }
        Verdict::Kept(Kept::Until(times)) => (
            "kept",
            format!("its period runs for another {}", length(times.due - now.eligible)),
            Some(*times),
        ),
        Verdict::Held(times) => {
            ("held", format!("{}, but a hold covers it", demand(times, "it would be due")), Some(*times))
        }
        Verdict::Due(due) => {
            let left = length(due.times().deadline - now.late);
            let why = demand(&due.times(), "its period has passed");
            ("due", format!("{why}; {left} are left until the deadline"), Some(due.times()))
        }
        Verdict::Overdue(due) => {
            let late = length(now.late - due.times().deadline);
            let why = demand(&due.times(), "its period has passed");
            ("overdue", format!("{why}; its deadline passed {late} ago"), Some(due.times()))
        }
        Verdict::Undated(why) => {
            ("undated", format!("its trigger gives no plausible instant ({})", why.as_str()), None)
        }
    }
}

/// There is no such record; perhaps the ledger knows why.
async fn gone(global: &Global, deployment: &Deployment, rule: &Rule, key: &[String]) -> Outcome {
    let key = typed(key)?;
    let mut disposals = Vec::new();
    if deployment.config.state.exists() {
        let mut state = deployment.state(Role::Beside).await?;
        disposals = state.prove(&rule.id.to_string(), rule.dataset.name(), &key).await?;
    }
    let entries: Vec<u64> = disposals.iter().map(|p| p.index.get()).collect();
    match global.format {
        Format::Json => {
            println!(
                "{}",
                json!({ "rule": rule.id.to_string(), "verdict": null, "disposed_of_in": entries })
            );
        }
        Format::Text if entries.is_empty() => {
            println!("{}: there is no such record, and the ledger knows of no disposal", rule.id);
        }
        Format::Text => {
            let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
            println!("{}: disposed of; entry {} of the ledger", rule.id, entries.join(", "));
        }
    }
    Ok(if entries.is_empty() { Exit::Finding } else { Exit::Done })
}

/// Integers and text have the same canonical text, so what was typed is enough.
pub(in crate::cli) fn typed(key: &[String]) -> Result<Key, Failure> {
    let parts: Vec<Value> = key.iter().cloned().map(Value::Text).collect();
    Ok(Key::from_values(&parts)?)
}

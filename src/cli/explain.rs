//! `expunged explain`: why one record stays or goes.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::table::{length, local};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock;
use crate::datastore::sqlite::Reader;
use crate::datastore::{Explained, files};
use crate::deployment::Deployment;
use crate::model::catalogue::{Catalogue, Catalogues, ColumnKind};
use crate::model::key::Key;
use crate::model::name::ColumnName;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::model::value::Value;
use crate::rules::bind::{BoundRule, RowRule};
use crate::rules::decide::{Kept, Times, Verdict, decide};
use crate::rules::rule::{Dataset, Rule};
use crate::state::Role;

pub(super) async fn run(global: &Global, name: &str, key: &[String], at: Option<DateTime<Utc>>) -> Outcome {
    let deployment = global.deployment()?;
    let (_, rule) = deployment.one(name)?;
    check_key(rule, key)?;
    let now = at.map_or_else(|| Now::from_clocks(clock::now(), None), Now::given);
    let (bound, catalogues) = deployment.bind(rule).await?;
    let mut state = deployment.state_if_any().await?;
    let orders = deployment.orders(state.as_mut(), rule).await?;
    let Some(found) = find(&deployment, &bound, &catalogues, &orders, key).await? else {
        return gone(global, &deployment, rule, key).await;
    };
    let verdict = found.selected.then(|| decide(&bound, found.record, &orders, now));
    let (word, reason, times) = match &verdict {
        None => ("kept", "the rule's `only`, `unless` or mark leaves it alone".to_owned(), None),
        Some(verdict) => tell(verdict, now),
    };
    let next = rule.schedule.next_after(now.eligible);
    let zone = rule.calendar.zone();
    match global.format {
        Format::Json => println!("{}", object(rule, word, &reason, times, next)),
        Format::Text => {
            println!("{}: {word}", rule.id);
            println!("  reason      {reason}");
            if let Some(times) = times {
                println!("  due         {} (retain {})", local(times.due, zone), rule.retain);
                println!("  deadline    {} (delete_by {})", local(times.deadline, zone), rule.delete_by);
            }
            if let Some(next) = next {
                println!("  next sweep  {}", local(next, zone));
            }
        }
    }
    Ok(Exit::Done)
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
        return Ok(files::find(&datastore.path, bound, path)?);
    };
    check_integers(rows, catalogue, key)?;
    Ok(Reader::open(&datastore.path).await?.explain(rows.heeding(orders), catalogue, key).await?)
}

pub(super) fn check_key(rule: &Rule, key: &[String]) -> Result<(), Failure> {
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
        rows.table().key.iter().zip(key).find(|(name, text)| integer(name) && text.parse::<i64>().is_err());
    let Some((name, _)) = wrong else { return Ok(()) };
    let what =
        format!("`{name}` of the key of `{}` is an integer, and what was given is none", rows.table().name);
    Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

fn tell(verdict: &Verdict, now: Now) -> (&'static str, String, Option<Times>) {
    match verdict {
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

fn object(rule: &Rule, word: &str, reason: &str, times: Option<Times>, next: Option<DateTime<Utc>>) -> Json {
    json!({
        "rule": rule.id.to_string(), "verdict": word, "reason": reason,
        "due": times.map(|t| t.due.to_rfc3339()), "deadline": times.map(|t| t.deadline.to_rfc3339()),
        "next_sweep": next.map(|n| n.to_rfc3339()),
    })
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
pub(super) fn typed(key: &[String]) -> Result<Key, Failure> {
    let parts: Vec<Value> = key.iter().cloned().map(Value::Text).collect();
    Ok(Key::from_values(&parts)?)
}

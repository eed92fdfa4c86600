//! `expunged status`: every rule at a glance.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::sweep::{of_parked, waits};
use super::table::{length, local, oldest_due, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock;
use crate::deployment::Deployment;
use crate::ledger::entry::{Cause, SweepResult};
use crate::ledger::name::RoleName;
use crate::model::now::Now;
use crate::model::orders::Halt;
use crate::rules::check::{PromiseStanding, ProvedPromise};
use crate::rules::rule::{Mode, Rule, Service};
use crate::state::{RuleOverview, State};
use crate::sweep::{Backlog, Counts, Parked};

pub(super) async fn run(global: &Global) -> Outcome {
    let deployment = global.deployment()?;
    let now = Now::from_clocks(clock::now(), None);
    let mut state = deployment.state_if_any().await?;
    let mut rows = Vec::new();
    for (service, rule) in deployment.rules.rules() {
        let overview = match state.as_mut() {
            Some(state) => state.overview(&rule.id.to_string()).await?,
            None => RuleOverview::default(),
        };
        // A datastore that cannot be asked is shown as such; the others are shown all the same.
        rows.push((rule, overview, found(&deployment, (service, rule), state.as_mut(), now).await));
    }
    let (lost, stopped) = match state.as_mut() {
        Some(state) => (deployment.lost_orders(state).await?, Stopped::now(state).await?),
        None => (Vec::new(), None),
    };
    match global.format {
        Format::Json => {
            let rows: Vec<_> = rows.iter().map(object).collect();
            let pause = stopped.as_ref().and_then(|stopped| stopped.pause.as_ref());
            println!(
                "{}",
                json!({
                    "halted": stopped.as_ref().map(|stopped| stopped.halt.to_string()),
                    "paused_at": pause.map(|(at, _)| at.to_rfc3339()), "paused_by": pause.map(|(_, by)| by.as_str()),
                    "rules": rows, "lost_orders": lost,
                })
            );
        }
        Format::Text => {
            if let Some(stopped) = &stopped {
                stopped.tell();
            }
            text(&rows, now, &deployment.promises);
            for lost in &lost {
                eprintln!("{lost}");
            }
        }
    }
    let found = if lost.is_empty() && stopped.is_none() { Exit::Done } else { Exit::Finding };
    Ok(rows.iter().map(exit).fold(found, Exit::max))
}

/// Why nothing is disposed of at all.
struct Stopped {
    halt: Halt,
    /// Since when, and by which role; none: by the stop file, of which nobody wrote that down.
    pause: Option<(DateTime<Utc>, RoleName)>,
}

impl Stopped {
    async fn now(state: &mut State) -> Result<Option<Self>, Failure> {
        let Some(halt) = state.halt().await? else { return Ok(None) };
        Ok(Some(Self { halt, pause: state.paused_by().await? }))
    }

    fn tell(&self) {
        let since = self
            .pause
            .as_ref()
            .map(|(at, by)| format!("; since {}, by {}", at.format("%Y-%m-%d %H:%M:%S UTC"), by.as_str()));
        println!("Nothing is disposed of: {}{}.", self.halt, since.unwrap_or_default());
    }
}

/// What a rule's dataset holds, and why its turn would wait for a person.
type Found = (Counts, Vec<(Cause, Parked)>);

async fn found(
    deployment: &Deployment,
    (service, rule): (&Service, &Rule),
    mut state: Option<&mut State>,
    now: Now,
) -> Result<Found, Failure> {
    let counts = deployment.counts(rule, state.as_deref_mut(), now).await?;
    let parked = deployment.parked((service, rule), state, &counts, now).await?;
    Ok((counts, parked))
}

fn exit((_, overview, found): &Row<'_>) -> Exit {
    match found {
        Err(failure) => failure.exit(),
        Ok((counts, parked)) => {
            let looked_at = overview.open_intents > 0 || counts.backlog.past_deadline() > 0;
            if looked_at || was_parked(overview) || !parked.is_empty() { Exit::Finding } else { Exit::Done }
        }
    }
}

/// What goes along is counted within a sweep alone, and nobody else knows that it would be too much.
fn was_parked(overview: &RuleOverview) -> bool {
    let result = overview.last.as_ref().and_then(|last| last.result.as_deref());
    result == Some(SweepResult::Parked.as_str())
}

type Row<'r> = (&'r Rule, RuleOverview, Result<Found, Failure>);

fn text(rows: &[Row<'_>], now: Now, promises: &[ProvedPromise]) {
    let mut out = table(
        &[
            "rule",
            "last sweep (UTC)",
            "result",
            "disposed of",
            "dependents",
            "due",
            "overdue",
            "held",
            "undated",
            "oldest due",
            "time to deadline",
        ],
        3,
    );
    for (rule, overview, found) in rows {
        let last = overview.last.as_ref();
        let mut row = vec![
            rule.id.to_string(),
            last.map_or_else(|| "never".to_owned(), |l| l.started_at.format("%Y-%m-%d %H:%M:%S").to_string()),
            last.map_or_else(|| "-".to_owned(), |l| l.result.clone().unwrap_or_else(|| "cut off".to_owned())),
            overview.disposed.to_string(),
            overview.dependents.to_string(),
        ];
        match found {
            Ok((Counts { backlog: c, .. }, _)) => row.extend([
                c.due.to_string(),
                c.past_deadline().to_string(),
                c.held.to_string(),
                c.undated_total().to_string(),
                oldest_due(c, now),
                c.first_deadline.map_or_else(|| "-".to_owned(), |at| to_deadline(at - now.late)),
            ]),
            Err(_) => row.extend(["?"; 6].map(str::to_owned)),
        }
        out.add_row(row);
    }
    print(&out);
    let kept = promises.iter().filter(|p| p.standing == PromiseStanding::Kept).count();
    println!("{kept} of {} promises declared are kept by these rules.", promises.len());
    for (rule, overview, found) in rows {
        if let Err(failure) = found {
            eprintln!("{}", failure.about(&rule.id));
        }
        if rule.mode == Mode::Observe {
            println!("{}: only observes; nothing is disposed of", rule.id);
        }
        if let Some(by) = overview.gone_everywhere_by {
            let by = local(by, rule.calendar.zone());
            println!("{}: what it disposed of is gone from the backups too by {by}", rule.id);
        }
        if let Ok((counts, parked)) = found {
            if counts.backlog.demanded > 0 {
                println!("{}: {} more are demanded by erasure requests", rule.id, counts.backlog.demanded);
            }
            for (cause, parked) in parked {
                waits(rule, parked, *cause);
            }
            if parked.is_empty() && was_parked(overview) {
                println!("{}: its last sweep was parked: `expunged sweep {}` says why", rule.id, rule.id);
            }
        }
        if overview.open_intents > 0 {
            println!("{}: {} intents are open; the next sweep settles them", rule.id, overview.open_intents);
        }
    }
}

fn to_deadline(left: chrono::TimeDelta) -> String {
    if left <= chrono::TimeDelta::zero() { format!("passed {} ago", length(left)) } else { length(left) }
}

fn object((rule, overview, found): &Row<'_>) -> serde_json::Value {
    let error = found.as_ref().err().map(Failure::text);
    let counts = found.as_ref().ok().map(|(counts, _)| counts);
    let backlog = counts.map(|counts| &counts.backlog);
    let parked = |why| {
        let mut waiting = found.iter().flat_map(|(_, parked)| parked);
        waiting.find(|(cause, _)| *cause == why).map(|(_, parked)| of_parked(parked))
    };
    json!({
        "rule": rule.id.to_string(), "mode": rule.mode.as_str(),
        "last_sweep": overview.last.as_ref().map(|l| json!({ "started_at": l.started_at.to_rfc3339(), "result": l.result })),
        "disposed": overview.disposed, "dependents": overview.dependents, "open_intents": overview.open_intents,
        "due": backlog.map(|c| c.due), "overdue": backlog.map(Backlog::past_deadline), "held": backlog.map(|c| c.held), "demanded": backlog.map(|c| c.demanded),
        "kept": counts.map(|c| c.kept), "not_started": backlog.map(|c| c.not_started),
        "undated": backlog.map(|c| c.undated.clone()), "oldest_due": backlog.and_then(|c| c.oldest_due).map(|at| at.to_rfc3339()),
        "gone_everywhere_by": overview.gone_everywhere_by.map(|at| at.to_rfc3339()),
        "first_deadline": backlog.and_then(|c| c.first_deadline).map(|at| at.to_rfc3339()), "parked": parked(Cause::Schedule), "requests_parked": parked(Cause::Request), "error": error,
    })
}

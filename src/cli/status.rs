//! `expunged status`: every rule at a glance.

use serde_json::json;

use super::table::{length, local, oldest_due, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock;
use crate::model::now::Now;
use crate::rules::check::{PromiseStanding, ProvedPromise};
use crate::rules::rule::{Mode, Rule};
use crate::state::RuleOverview;
use crate::sweep::{Backlog, Counts};

pub(super) async fn run(global: &Global) -> Outcome {
    let deployment = global.deployment()?;
    let now = Now::from_clocks(clock::now(), None);
    let mut state = deployment.state_if_any().await?;
    let mut rows = Vec::new();
    for (_, rule) in deployment.rules.rules() {
        let overview = match state.as_mut() {
            Some(state) => state.overview(&rule.id.to_string()).await?,
            None => RuleOverview::default(),
        };
        // A datastore that cannot be asked is shown as such; the others are shown all the same.
        rows.push((rule, overview, deployment.counts(rule, state.as_mut(), now).await));
    }
    let lost = match state.as_mut() {
        Some(state) => deployment.lost_orders(state).await?,
        None => Vec::new(),
    };
    match global.format {
        Format::Json => {
            let rows: Vec<_> = rows.iter().map(object).collect();
            println!("{}", json!({ "rules": rows, "lost_orders": lost }));
        }
        Format::Text => {
            text(&rows, now, &deployment.promises);
            for lost in &lost {
                eprintln!("{lost}");
            }
        }
    }
    let found = if lost.is_empty() { Exit::Done } else { Exit::Finding };
    Ok(rows.iter().map(exit).fold(found, Exit::max))
}

fn exit((_, overview, counts): &Row<'_>) -> Exit {
    match counts {
        Err(failure) => failure.exit(),
        Ok(counts) if overview.open_intents > 0 || counts.backlog.past_deadline() > 0 => Exit::Finding,
        Ok(_) => Exit::Done,
    }
}

type Row<'r> = (&'r Rule, RuleOverview, Result<Counts, Failure>);

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
    for (rule, overview, counts) in rows {
        let last = overview.last.as_ref();
        let mut row = vec![
            rule.id.to_string(),
            last.map_or_else(|| "never".to_owned(), |l| l.started_at.format("%Y-%m-%d %H:%M:%S").to_string()),
            last.map_or_else(|| "-".to_owned(), |l| l.result.clone().unwrap_or_else(|| "cut off".to_owned())),
            overview.disposed.to_string(),
            overview.dependents.to_string(),
        ];
        match counts {
            Ok(Counts { backlog: c, .. }) => row.extend([
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
    for (rule, overview, counts) in rows {
        if let Err(failure) = counts {
            eprintln!("{}", failure.about(&rule.id));
        }
        if rule.mode == Mode::Observe {
            println!("{}: only observes; nothing is disposed of", rule.id);
        }
        if let Some(by) = overview.gone_everywhere_by {
            let by = local(by, rule.calendar.zone());
            println!("{}: what it disposed of is gone from the backups too by {by}", rule.id);
        }
        if let Ok(counts) = counts
            && counts.backlog.demanded > 0
        {
            println!("{}: {} more are demanded by erasure requests", rule.id, counts.backlog.demanded);
        }
        if overview.open_intents > 0 {
            println!("{}: {} intents are open; the next sweep settles them", rule.id, overview.open_intents);
        }
    }
}

fn to_deadline(left: chrono::TimeDelta) -> String {
    if left <= chrono::TimeDelta::zero() { format!("passed {} ago", length(left)) } else { length(left) }
}

fn object((rule, overview, counts): &Row<'_>) -> serde_json::Value {
    let error = counts.as_ref().err().map(Failure::text);
    let counts = counts.as_ref().ok();
    let backlog = counts.map(|counts| &counts.backlog);
    json!({
        "rule": rule.id.to_string(), "mode": rule.mode.as_str(),
        "last_sweep": overview.last.as_ref().map(|l| json!({ "started_at": l.started_at.to_rfc3339(), "result": l.result })),
        "disposed": overview.disposed, "dependents": overview.dependents, "open_intents": overview.open_intents,
        "due": backlog.map(|c| c.due), "overdue": backlog.map(Backlog::past_deadline), "held": backlog.map(|c| c.held), "demanded": backlog.map(|c| c.demanded),
        "kept": counts.map(|c| c.kept), "not_started": backlog.map(|c| c.not_started),
        "undated": backlog.map(|c| c.undated.clone()), "oldest_due": backlog.and_then(|c| c.oldest_due).map(|at| at.to_rfc3339()),
        "gone_everywhere_by": overview.gone_everywhere_by.map(|at| at.to_rfc3339()),
        "first_deadline": backlog.and_then(|c| c.first_deadline).map(|at| at.to_rfc3339()), "error": error,
    })
}

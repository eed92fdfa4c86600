//! `expunged sweep`: one sweep now, for people who use a scheduler of their own.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::table::{length, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::daemon::stop_on_signals;
use crate::deployment::{Swept, Turn, sweep_rule};
use crate::ledger::entry::{Cause, SweepResult};
use crate::rules::rule::Rule;
use crate::state::Role;
use crate::sweep::{Backlog, Brake, Finding, Parked, Progress, Raised, Recovered, Report, kinds, recover};

pub(super) async fn run(global: &Global, patterns: &[String]) -> Outcome {
    let (lever, brake) = Brake::new();
    stop_on_signals(lever)?;
    let deployment = global.deployment()?;
    let chosen = deployment.select(patterns)?;
    let mut state = deployment.state(Role::Disposer).await?;
    let mut recovered = recover(&mut state, deployment.places()).await?;
    let mut results: Vec<(&Rule, Turn)> = Vec::new();
    for (service, rule) in chosen {
        if brake.pulled() {
            break;
        }
        let bar = bar(&rule.id.to_string());
        let mut progress = |p: Progress<'_>| {
            bar.set_length(p.total.max(p.report.disposed));
            bar.set_position(p.report.disposed);
        };
        let turn =
            sweep_rule(&deployment, &mut state, &mut recovered, (service, rule), &brake, &mut progress)
                .await?;
        bar.finish_and_clear();
        results.push((rule, turn));
    }
    match global.format {
        Format::Json => println!("{}", object(&recovered, &results)),
        Format::Text => text(&recovered, &results),
    }
    let recovery = match (recovered.parked.is_empty(), recovered.stranded) {
        (false, _) => Exit::Refused,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Finding,
    };
    let stopped = if brake.pulled() { Exit::Finding } else { Exit::Done };
    let worst = results.iter().map(|(_, turn)| exit(turn)).max().unwrap_or(Exit::Done);
    Ok(worst.max(recovery).max(stopped))
}

/// On a terminal only: a log file has no use for it.
pub(super) fn bar(name: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(0).with_prefix(name.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn exit(result: &Turn) -> Exit {
    match result {
        Err(failure) => failure.exit(),
        Ok(swept) => {
            let requests = match &swept.requests {
                None => Exit::Done,
                Some(Ok(report)) => exit_of(report),
                Some(Err(failure)) => failure.exit(),
            };
            let raised = match &swept.raised {
                Some(Ok(raised)) if raised.owed > 0 => Exit::Finding,
                Some(Ok(_)) | None => Exit::Done,
                Some(Err(failure)) => failure.exit(),
            };
            exit_of(&swept.report).max(requests).max(raised)
        }
    }
}

fn exit_of(report: &Report) -> Exit {
    let exit = |finding| match finding {
        Finding::Parked | Finding::Halted => Exit::Refused,
        Finding::Unfinished
        | Finding::Remaining(_)
        | Finding::Uncounted
        | Finding::Overdue(_)
        | Finding::Refused(_)
        | Finding::Changed(_)
        | Finding::Stranded(_)
        | Finding::Obstacles(_)
        | Finding::FewBackups { .. }
        | Finding::NoRecentBackup(_) => Exit::Finding,
    };
    report.findings().into_iter().map(exit).max().unwrap_or(Exit::Done)
}

fn text(recovered: &Recovered, results: &[(&Rule, Turn)]) {
    if recovered.committed + recovered.aborted > 0 {
        println!(
            "Recovered from a crash: {} batches turned out committed, {} rolled back.",
            recovered.committed, recovered.aborted
        );
    }
    if recovered.stranded > 0 {
        println!(
            "A crash left at most {} records whose dependents in another datastore are gone.",
            recovered.stranded
        );
    }
    for reason in &recovered.reasons {
        eprintln!("parked: {reason}");
    }
    let mut out = table(
        &["rule", "result", "disposed of", "dependents", "found overdue", "remaining", "undated", "took"],
        2,
    );
    for (rule, result) in results {
        if let Ok(Swept { report, .. }) = result {
            let undated = report.residue.as_ref().map(Backlog::undated_total);
            let known = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
            out.add_row(vec![
                rule.id.to_string(),
                report.result.as_str().to_owned(),
                report.disposed.to_string(),
                report.dependents.to_string(),
                known(report.found_overdue()),
                known(report.remaining()),
                known(undated),
                format!("{:.1} s", report.took.as_secs_f64()),
            ]);
        }
    }
    if out.row_count() > 0 {
        print(&out);
    }
    for (rule, result) in results {
        match result {
            Err(failure) => eprintln!("{}", failure.about(&rule.id)),
            Ok(swept) => {
                notes(rule, &swept.report, Cause::Schedule);
                requests(rule, swept.requests.as_ref());
                raised(rule, swept.raised.as_ref());
            }
        }
    }
}

/// What people demanded.
fn requests(rule: &Rule, requests: Option<&Result<Report, Failure>>) {
    let report = match requests {
        None => return,
        Some(Err(failure)) => return eprintln!("{}", failure.about(&rule.id)),
        Some(Ok(report)) => report,
    };
    let (disposed, dependents) = (report.disposed, report.dependents);
    println!("{}: {disposed} records and {dependents} dependents went on erasure requests", rule.id);
    match (&report.parked, report.remaining()) {
        (Some(_), _) | (None, Some(0)) => {}
        (None, Some(left)) => println!("{}: {left} more are demanded and still there", rule.id),
        (None, None) => println!("{}: what is demanded and still there could not be counted", rule.id),
    }
    notes(rule, report, Cause::Request);
}

fn batches(n: u64) -> String {
    if n == 1 { "1 batch is".to_owned() } else { format!("{n} batches are") }
}

/// What was asked for beyond logical erasure.
fn raised(rule: &Rule, raised: Option<&Result<Raised, Failure>>) {
    let raised = match raised {
        None => return,
        Some(Err(failure)) => return eprintln!("{}", failure.about(&rule.id)),
        Some(Ok(raised)) => raised,
    };
    let level = raised.level.as_str();
    if raised.reached > 0 {
        println!("{}: {} {level} now", rule.id, batches(raised.reached));
    }
    if let Some(why) = &raised.why {
        println!(
            "{}: {} to be {level}, and not yet: {why}; the next sweep asks again",
            rule.id,
            batches(raised.owed)
        );
    }
}

fn of_raised(raised: &Result<Raised, Failure>) -> serde_json::Value {
    match raised {
        Err(failure) => json!({ "error": failure.text() }),
        Ok(Raised { level, reached, owed, why }) => {
            json!({ "asked": level.as_str(), "reached": reached, "owed": owed, "why": why })
        }
    }
}

/// How many records only people demand, of a rule that observes; none: it does not, or nobody could count.
fn demanded_in_vain(report: &Report) -> Option<u64> {
    let counts = report.residue.as_ref().filter(|_| report.result == SweepResult::Observed);
    counts.map(|counts| counts.demanded)
}

/// Why a rule waits for a person, and what that person is to do.
pub(super) fn waits(rule: &Rule, parked: &Parked, cause: Cause) {
    let why = match (cause, parked.known) {
        (Cause::Request, _) => "more is demanded than may go without a look",
        (Cause::Schedule | Cause::Replay, true) => "it would do far more than usual",
        (Cause::Schedule | Cause::Replay, false) => {
            "no sweep has shown yet what this version of the rule does"
        }
    };
    let (due, allowed, id) = (parked.due, parked.allowed, &rule.id);
    let wants = match parked.dependents {
        None => format!("it would dispose of {due}, and may dispose of {allowed}"),
        Some(along) => {
            format!(
                "it would dispose of {due} and at least {along} dependents, and may dispose of {allowed} in all"
            )
        }
    };
    println!(
        "{id}: parked: {why}; {wants}. Look at `expunged plan {id}`, then `expunged approve {id} --up-to {due}`."
    );
}

pub(super) fn of_parked(parked: &Parked) -> serde_json::Value {
    json!({ "due": parked.due, "dependents": parked.dependents, "allowed": parked.allowed })
}

fn notes(rule: &Rule, report: &Report, cause: Cause) {
    if let Some(halt) = &report.halted {
        println!("{}: stopped before the end: {halt}", rule.id);
    }
    if let Some(closed) = &report.closed {
        println!("{}: stopped before the end: {closed}", rule.id);
    }
    if let Some(parked) = &report.parked {
        waits(rule, parked, cause);
    }
    for (why, n) in &report.refused {
        println!("{}: {n} records set aside: {why}", rule.id);
    }
    if report.locked > 0 {
        println!(
            "{}: {} records were locked by somebody else: the next sweep takes them",
            rule.id, report.locked
        );
    }
    for finding in report.findings() {
        match finding {
            Finding::Stranded(_)
            | Finding::Changed(_)
            | Finding::FewBackups { .. }
            | Finding::NoRecentBackup(_) => println!("{}: {finding}", rule.id),
            // The table has them, or more is said of them above and below.
            Finding::Parked
            | Finding::Halted
            | Finding::Unfinished
            | Finding::Remaining(_)
            | Finding::Uncounted
            | Finding::Overdue(_)
            | Finding::Refused(_)
            | Finding::Obstacles(_) => {}
        }
    }
    for (what, n) in &report.obstacles {
        println!("{}: not records, and left alone: {n} of kind `{what}`", rule.id);
    }
    if !report.hidden.is_empty() {
        println!(
            "{}: not looked into: {}; records may be there, and what remains is not known",
            rule.id,
            kinds(&report.hidden)
        );
    }
    if let Some(until) = report.backups.as_ref().and_then(|backups| backups.until) {
        println!("{}: backups up to {} are gone", rule.id, until.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    if let (SweepResult::Stopped, Some(remaining)) = (report.result, report.remaining()) {
        println!("{}: stopped before the end; {remaining} wait for the next sweep", rule.id);
    }
    if let Some(demanded) = demanded_in_vain(report).filter(|demanded| *demanded > 0) {
        println!(
            "{}: of what remains, {demanded} by erasure requests alone; they stay open: the rule only observes",
            rule.id
        );
    }
    if let Some(wait) = report.worst_wait {
        tracing::info!(rule = %rule.id, "longest wait after due: {}", length(wait));
    }
}

fn of_requests(requests: &Result<Report, Failure>) -> serde_json::Value {
    match requests {
        Err(failure) => json!({ "result": "failed", "error": failure.text() }),
        Ok(r) => json!({
            "result": r.result.as_str(), "disposed": r.disposed, "dependents": r.dependents,
            "remaining": r.remaining(), "refused": r.refusals(), "locked": r.locked,
            "longest_batch_seconds": r.longest_batch.as_secs_f64(),
            "parked": r.parked.as_ref().map(of_parked),
        }),
    }
}

fn object(recovered: &Recovered, results: &[(&Rule, Turn)]) -> serde_json::Value {
    let rules: Vec<_> = results
        .iter()
        .map(|(rule, result)| match result {
            Err(failure) => json!({ "rule": rule.id.to_string(), "result": "failed", "error": failure.text() }),
            Ok(Swept { report: r, requests, raised }) => json!({
                "rule": rule.id.to_string(), "result": r.result.as_str(), "disposed": r.disposed, "dependents": r.dependents,
                "overdue": r.found_overdue(), "remaining": r.remaining(), "refused": r.refusals(), "locked": r.locked,
                "changed": r.changed, "stranded": r.stranded, "obstacles": r.obstacles, "hidden": r.hidden,
                "backups_gone_until": r.backups.as_ref().and_then(|b| b.until).map(|at| at.to_rfc3339()),
                "undated": r.residue.as_ref().map(|c| c.undated.clone()),
                "halted": r.halted.as_ref().map(ToString::to_string),
                "closed": r.closed.as_ref().map(ToString::to_string),
                "demanded": demanded_in_vain(r),
                "requests": requests.as_ref().map(of_requests), "level": raised.as_ref().map(of_raised),
                "parked": r.parked.as_ref().map(of_parked),
                "seconds": r.took.as_secs_f64(), "ledger_wait_seconds": r.ledger_wait.as_secs_f64(),
                "longest_batch_seconds": r.longest_batch.as_secs_f64(),
            }),
        })
        .collect();
    json!({ "recovered": { "committed": recovered.committed, "aborted": recovered.aborted, "stranded": recovered.stranded, "parked": recovered.parked }, "rules": rules })
}

//! `expunged sweep`: one sweep now, for people who use a scheduler of their own.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::table::{length, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::deployment::Deployment;
use crate::ledger::entry::SweepResult;
use crate::model::orders::Orders;
use crate::rules::rule::{Rule, Service};
use crate::state::{Role, State};
use crate::sweep::{BackupFindings, Brake, Progress, Recovered, Report, freeze, recover, run as sweep};

pub(super) async fn run(global: &Global, patterns: &[String]) -> Outcome {
    let deployment = global.deployment()?;
    let chosen = deployment.select(patterns)?;
    let mut state = deployment.state(Role::Disposer).await?;
    let mut recovered = recover(&mut state, deployment.places()).await?;
    let mut results: Vec<(&Rule, Result<Report, Failure>)> = Vec::new();
    for (service, rule) in chosen {
        if rule.datastores().any(|name| recovered.parked.contains(name.as_str())) {
            let why = recovered.reasons.join("; ");
            results.push((rule, Err(Failure::new(Exit::Refused, anyhow::anyhow!(why)))));
            continue;
        }
        // One rule's failure stops no other, unless it left a batch of the same datastore in doubt.
        let result = one(&deployment, &mut state, service, rule).await;
        if result.is_err() {
            recovered.add(recover(&mut state, deployment.places()).await?);
        }
        results.push((rule, result));
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
    Ok(results.iter().map(|(_, result)| exit(result)).max().unwrap_or(Exit::Done).max(recovery))
}

async fn one(
    deployment: &Deployment,
    state: &mut State,
    service: &Service,
    rule: &Rule,
) -> Result<Report, Failure> {
    let document = deployment.document(service, rule)?;
    let target = deployment.target(rule, &document)?;
    let now = freeze(state)?;
    let bar = bar(&rule.id.to_string());
    let mut progress = |p: Progress| {
        bar.set_length(p.total.max(p.done));
        bar.set_position(p.done);
    };
    let report = sweep(state, &target, &Orders::default(), now, &Brake::none(), &mut progress).await;
    bar.finish_and_clear();
    Ok(report?)
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

fn exit(result: &Result<Report, Failure>) -> Exit {
    match result {
        Err(failure) => failure.exit(),
        Ok(report) if report.result == SweepResult::Parked => Exit::Refused,
        Ok(report) if report.result != SweepResult::Completed => Exit::Finding,
        Ok(report) if report.remaining() != Some(0) || report.refusals() > 0 => Exit::Finding,
        Ok(report) if report.changed + report.stranded > 0 || !report.obstacles.is_empty() => Exit::Finding,
        Ok(report) if report.backups.as_ref().is_some_and(BackupFindings::alarming) => Exit::Finding,
        Ok(_) => Exit::Done,
    }
}

fn text(recovered: &Recovered, results: &[(&Rule, Result<Report, Failure>)]) {
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
        if let Ok(report) = result {
            let undated = report.residue.as_ref().map(crate::sweep::Counts::undated_total);
            let known = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
            out.add_row(vec![
                rule.id.to_string(),
                word(report.result).to_owned(),
                report.disposed.to_string(),
                report.dependents.to_string(),
                report.overdue.to_string(),
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
            Ok(report) => notes(rule, report),
        }
    }
}

fn notes(rule: &Rule, report: &Report) {
    if let Some(parked) = &report.parked {
        let why = if parked.known {
            "it would do far more than usual"
        } else {
            "this version of the rule has not finished a sweep"
        };
        println!(
            "{}: parked: {why}; it would dispose of {}, and may dispose of {}. \
             Look at `expunged plan {}`, then `expunged approve {} --up-to {}`.",
            rule.id, parked.due, parked.allowed, rule.id, rule.id, parked.due
        );
    }
    for (why, n) in &report.refused {
        println!("{}: {n} records set aside: {why}", rule.id);
    }
    if report.stranded > 0 {
        println!(
            "{}: {} records are still there while dependents of theirs are gone",
            rule.id, report.stranded
        );
    }
    if report.changed > 0 {
        println!("{}: {} files changed before they could go, and were left alone", rule.id, report.changed);
    }
    for (what, n) in &report.obstacles {
        println!("{}: not records, and left alone: {n} of kind `{what}`", rule.id);
    }
    if let Some(backups) = &report.backups {
        backup_notes(rule, backups);
    }
    if let (SweepResult::Stopped, Some(remaining)) = (report.result, report.remaining()) {
        println!("{}: stopped before the end; {remaining} wait for the next sweep", rule.id);
    }
    if let Some(wait) = report.worst_wait {
        tracing::info!(rule = %rule.id, "longest wait after due: {}", length(wait));
    }
}

fn backup_notes(rule: &Rule, backups: &BackupFindings) {
    if let Some(wanted) = backups.fewer_than {
        println!(
            "{}: {} backups are left, {wanted} were to be kept: the promise goes first",
            rule.id, backups.left
        );
    }
    match backups.newest_too_old {
        Some(Some(age)) => println!("{}: the newest backup is {} old", rule.id, length(age)),
        Some(None) => println!("{}: there is no backup", rule.id),
        None => {}
    }
    if let Some(until) = backups.until {
        println!("{}: backups up to {} are gone", rule.id, until.format("%Y-%m-%d %H:%M:%S UTC"));
    }
}

pub(super) fn word(result: SweepResult) -> &'static str {
    match result {
        SweepResult::Completed => "completed",
        SweepResult::Stopped => "stopped",
        SweepResult::Parked => "parked",
        SweepResult::Refused => "refused",
        SweepResult::Failed => "failed",
    }
}

fn object(recovered: &Recovered, results: &[(&Rule, Result<Report, Failure>)]) -> serde_json::Value {
    let rules: Vec<_> = results
        .iter()
        .map(|(rule, result)| match result {
            Err(failure) => json!({ "rule": rule.id.to_string(), "result": "failed", "error": failure.text() }),
            Ok(r) => json!({
                "rule": rule.id.to_string(), "result": word(r.result), "disposed": r.disposed, "dependents": r.dependents,
                "overdue": r.overdue, "remaining": r.remaining(), "refused": r.refusals(),
                "changed": r.changed, "stranded": r.stranded, "obstacles": r.obstacles,
                "backups_gone_until": r.backups.as_ref().and_then(|b| b.until).map(|at| at.to_rfc3339()),
                "undated": r.residue.as_ref().map(|c| c.undated.clone()),
                "parked": r.parked.as_ref().map(|p| json!({ "due": p.due, "allowed": p.allowed })),
                "seconds": r.took.as_secs_f64(), "ledger_wait_seconds": r.ledger_wait.as_secs_f64(),
            }),
        })
        .collect();
    json!({ "recovered": { "committed": recovered.committed, "aborted": recovered.aborted, "stranded": recovered.stranded, "parked": recovered.parked }, "rules": rules })
}

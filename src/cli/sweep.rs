//! `expunged sweep`: one sweep now, for people who use a scheduler of their own.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::table::{length, print, table};
use super::{Exit, Format, Global, Outcome};
use crate::daemon::stop_on_signals;
use crate::deployment::{Turn, sweep_rule};
use crate::ledger::entry::SweepResult;
use crate::rules::rule::Rule;
use crate::state::Role;
use crate::sweep::{BackupFindings, Brake, Progress, Recovered, Report, recover};

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
    let parked = if recovered.parked.is_empty() { Exit::Done } else { Exit::Refused };
    let stopped = if brake.pulled() { Exit::Finding } else { Exit::Done };
    let worst = results.iter().map(|(_, turn)| exit(turn)).max().unwrap_or(Exit::Done);
    Ok(worst.max(parked).max(stopped))
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
        Ok(report) if report.result == SweepResult::Parked => Exit::Refused,
        Ok(report) if report.result != SweepResult::Completed => Exit::Finding,
        Ok(report) if report.remaining() != Some(0) || report.refusals() > 0 => Exit::Finding,
        Ok(report) if report.changed + report.stranded > 0 || !report.obstacles.is_empty() => Exit::Finding,
        Ok(report) if report.backups.as_ref().is_some_and(BackupFindings::alarming) => Exit::Finding,
        Ok(_) => Exit::Done,
    }
}

fn text(recovered: &Recovered, results: &[(&Rule, Turn)]) {
    if recovered.committed + recovered.aborted > 0 {
        println!(
            "Recovered from a crash: {} batches turned out committed, {} rolled back.",
            recovered.committed, recovered.aborted
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
                report.result.as_str().to_owned(),
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

fn object(recovered: &Recovered, results: &[(&Rule, Turn)]) -> serde_json::Value {
    let rules: Vec<_> = results
        .iter()
        .map(|(rule, result)| match result {
            Err(failure) => json!({ "rule": rule.id.to_string(), "result": "failed", "error": failure.text() }),
            Ok(r) => json!({
                "rule": rule.id.to_string(), "result": r.result.as_str(), "disposed": r.disposed, "dependents": r.dependents,
                "overdue": r.overdue, "remaining": r.remaining(), "refused": r.refusals(),
                "changed": r.changed, "stranded": r.stranded, "obstacles": r.obstacles,
                "backups_gone_until": r.backups.as_ref().and_then(|b| b.until).map(|at| at.to_rfc3339()),
                "undated": r.residue.as_ref().map(|c| c.undated.clone()),
                "parked": r.parked.as_ref().map(|p| json!({ "due": p.due, "allowed": p.allowed })),
                "seconds": r.took.as_secs_f64(), "ledger_wait_seconds": r.ledger_wait.as_secs_f64(),
            }),
        })
        .collect();
    json!({ "recovered": { "committed": recovered.committed, "aborted": recovered.aborted, "parked": recovered.parked }, "rules": rules })
}

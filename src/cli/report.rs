//! `expunged report`: what was disposed of in a period, and how every promise stands.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::ledger::every_entry;
use super::table::table;
use super::{Exit, Failure, Form, Global, Outcome};
use crate::clock;
use crate::deployment::Deployment;
use crate::diagnostic::nearest::did_you_mean;
use crate::ledger::audit::{Audit, OpenIntents};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::entry::Entry;
use crate::report::{Evidence, Known, Of, Period, Reading, Remaining, Report, Seconds, Wait};
use crate::rules::rule::Rule;
use crate::state::{Role, State};

/// Without `--from`: how long before the end.
const USUAL: TimeDelta = TimeDelta::days(30);

/// What a person asked for.
pub(super) struct Asked {
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) service: Option<String>,
    pub(super) out: Option<PathBuf>,
}

/// A bare date is its midnight in UTC.
pub(super) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    if let Some(date) = date {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let instant = DateTime::parse_from_rfc3339(text);
    instant.map(|at| at.to_utc()).map_err(|_| {
        "expected a date such as `2026-11-01`, or a time with an offset such as `2026-11-01T12:00:00Z`"
            .to_owned()
    })
}

pub(super) async fn run(global: &Global, asked: Asked) -> Outcome {
    let now = clock::now();
    let to = asked.to.unwrap_or(now);
    let from = asked.from.unwrap_or_else(|| to.checked_sub_signed(USUAL).unwrap_or(DateTime::<Utc>::MIN_UTC));
    let period = Period::new(from, to, now).map_err(|e| Failure::new(Exit::Usage, e))?;
    let deployment = global.deployment()?;
    let mut state = deployment.state(Role::Beside).await?;
    let (reading, evidence) = read(&mut state, period, &deployment).await?;
    let known = known(&deployment);
    check_service(asked.service.as_deref(), &known, &reading)?;
    let report = reading.report(&known, asked.service.as_deref(), evidence);
    let written = match global.form {
        Form::Text => text(&report),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
        Form::Html => report.to_html()?,
        Form::Csv => report.to_csv()?,
        Form::Markdown => return Err(super::refused("markdown", "`concept`")),
        Form::Github => return Err(super::refused("github", "`check`")),
    };
    match asked.out {
        Some(out) => write(&out, "the report", &written)?,
        None => print!("{written}"),
    }
    Ok(exit(&report))
}

async fn read(
    state: &mut State,
    period: Period,
    deployment: &Deployment,
) -> Result<(Reading, Evidence), Failure> {
    let (mut reading, mut audit) = (Reading::new(period), Audit::default());
    every_entry(state, |index, bytes| {
        audit.push(index, bytes);
        // What cannot be read is the audit's finding.
        if let Ok(entry) = Entry::parse(bytes) {
            reading.push(index, &entry);
        }
        Ok(())
    })
    .await?;
    let audit = audit.finish(OpenIntents::Allowed);
    let signed = state.checkpoint_at(audit.size).await?;
    let vkey = deployment.signing_key()?.verifier();
    let checkpoint = signed.as_ref().map(SignedCheckpoint::to_text).unwrap_or_default();
    let signed_root = SignedCheckpoint::parse_verified(&checkpoint, &vkey).map(|head| head.root()).ok();
    let evidence = Evidence {
        origin: vkey.origin().to_string(),
        vkey: vkey.to_text(),
        size: audit.size.get(),
        root: audit.root.to_string(),
        checkpoint,
        sound: audit.findings.is_empty() && signed_root == Some(audit.root),
        findings: audit.findings.iter().map(|finding| finding.entry.get()).collect(),
    };
    Ok((reading, evidence))
}

fn known(deployment: &Deployment) -> Known {
    let digest = |rule: &Rule| {
        let (service, rule) = deployment.one(&rule.id.to_string()).ok()?;
        Some(deployment.document(service, rule).ok()?.digest())
    };
    Known::of(&deployment.rules, &deployment.config.defaults, &digest)
}

/// Also one that only the ledger knows: its rules may be gone, and what they did is not.
fn check_service(wanted: Option<&str>, known: &Known, reading: &Reading) -> Result<(), Failure> {
    let Some(wanted) = wanted else { return Ok(()) };
    let mut services: Vec<&str> = known.services().chain(reading.services()).collect();
    services.sort_unstable();
    services.dedup();
    if services.contains(&wanted) {
        return Ok(());
    }
    let help = did_you_mean(wanted, &services, format!("the services are {}", services.join(", ")));
    let what = format!("neither the rules nor the ledger know a service `{wanted}`: {help}");
    Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

/// Replaces a file by what a person asked for.
pub(super) fn write(path: &Path, what: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let exit = match error.kind() {
            ErrorKind::PermissionDenied => Exit::Denied,
            _ => Exit::Usage,
        };
        let what = format!("cannot write {what} to `{}`", path.display());
        Failure::new(exit, anyhow::Error::new(error).context(what))
    })
}

fn exit(report: &Report) -> Exit {
    let sums = &report.summary;
    match (report.evidence.sound, sums.broken + sums.unknown + sums.requests_late) {
        (false, _) => Exit::Evidence,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Finding,
    }
}

/// For a terminal: what a person would ask first.
fn text(report: &Report) -> String {
    let sums = &report.summary;
    let verified = if report.evidence.sound { "verified" } else { "DOES NOT VERIFY" };
    let mut all = vec![
        format!("Period     {} up to {}", report.from, report.until),
        format!("Ledger     {}: {} entries, {verified}", report.evidence.origin, report.evidence.size),
        format!("Promises   {}", told(report)),
        format!("Disposed   {} records, and {} dependents with them", sums.disposed, sums.dependents),
        String::new(),
    ];
    all.extend(promises(report));
    all.push(String::new());
    all.extend(rules(report));
    all.push(String::new());
    all.push(
        "Waits are from trigger to disposal, rounded up to two digits; margins are rounded down.".to_owned(),
    );
    all.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn told(report: &Report) -> String {
    let sums = &report.summary;
    let counts = [
        (sums.broken, "broken"),
        (sums.unknown, "unknown"),
        (sums.at_risk, "at risk"),
        (sums.kept, "kept"),
        (sums.no_deadline, "without a deadline"),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

fn promises(report: &Report) -> Vec<String> {
    let mut rows = table(&["promise", "standing", "margin", "why"], 4);
    for promise in &report.promises {
        let margin = promise.margin_seconds.map_or_else(|| "-".to_owned(), |m| m.to_string());
        let reasons = promise.keepers.iter().flat_map(|k| k.reasons.iter().map(move |r| (k, r)));
        let reasons: Vec<String> = reasons.map(|(k, r)| format!("{}: {r}", local(&k.rule))).collect();
        let name = format!("{}/{}", promise.service, promise.promise);
        let standing = promise.standing.as_str().to_owned();
        // A line a reason: a table cell would be wrapped at the width of nobody's terminal.
        let mut reasons = reasons.into_iter();
        rows.add_row(vec![name, standing, margin, reasons.next().unwrap_or_default()]);
        for reason in reasons {
            rows.add_row(vec![String::new(), String::new(), String::new(), reason]);
        }
    }
    rows.lines().collect()
}

fn local(rule: &str) -> &str {
    rule.split_once('/').map_or(rule, |(_, local)| local)
}

fn rules(report: &Report) -> Vec<String> {
    let header = [
        "rule",
        "disposed of",
        "dependents",
        "median wait",
        "p99",
        "worst",
        "overdue",
        "held",
        "undated",
        "sweeps",
    ];
    let mut rows = table(&header, 1);
    for sweeps in &report.sweeps {
        let disposed = |of| {
            let ours = report.disposals.iter().filter(|d| d.rule == sweeps.rule && d.of == of);
            ours.map(|d| d.outcomes.disposed).sum::<u64>().to_string()
        };
        let wait = report.waits.iter().find(|wait| wait.rule == sweeps.rule);
        let waited = |of: fn(&Wait) -> Seconds| wait.map_or_else(|| "-".to_owned(), |w| of(w).to_string());
        let left = report.remaining.iter().find(|left| left.rule == sweeps.rule);
        let counted = |of: fn(&Remaining) -> Option<u64>| {
            left.and_then(of).map_or_else(|| "?".to_owned(), |n| n.to_string())
        };
        rows.add_row(vec![
            sweeps.rule.clone(),
            disposed(Of::Rule),
            disposed(Of::Dependent),
            waited(|w| w.median_seconds),
            waited(|w| w.p99_seconds),
            waited(|w| w.worst_seconds),
            counted(|left| left.overdue),
            counted(|left| left.held),
            counted(|left| left.undated),
            sweeps.ended.started.to_string(),
        ]);
    }
    rows.lines().collect()
}

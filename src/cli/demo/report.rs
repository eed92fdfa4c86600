//! What a person sees, and the same for programs.

use std::io::{self, Write};
use std::time::Duration;

use chrono::TimeDelta;
use comfy_table::CellAlignment;
use serde_json::json;

use super::home::{Home, Paths};
use super::shell::Commands;
use super::steps::{ROLE, Step};
use super::survivors::Survivors;
use super::world::World;
use crate::cli::table::{length, table};
use crate::deployment::Deployment;
use crate::ledger::entry::SweepResult;
use crate::model::level::Level;
use crate::model::now::Now;
use crate::sweep::{Backlog, Counts, Raised, Report};

/// A row of the table: one rule.
#[derive(Debug, Clone)]
pub struct RuleResult {
    /// The service.
    pub service: String,
    /// The rule within it.
    pub rule: String,
    /// The rule's own records that are gone, or pseudonymized.
    pub disposed_of: u64,
    /// Records of dependents that went with them.
    pub dependents: u64,
    /// Records that stay.
    pub kept: u64,
    /// Records without a plausible trigger; none: could not be counted.
    pub undated: Option<u64>,
    /// The longest time between due and disposal; none: nothing went.
    pub longest_wait: Option<TimeDelta>,
    /// How thoroughly all of them are gone.
    pub level: Level,
    /// Whether each went before its deadline, as thoroughly as the rule asks, and none is left that is due.
    pub in_time: bool,
}

impl RuleResult {
    /// `left`: what there is after the sweep.
    pub(super) fn of(step: &Step<'_>, report: &Report, raised: Option<&Raised>, left: &Counts) -> Self {
        let residue = report.residue.as_ref();
        // Both are judged by the frozen now, whose late clock runs ahead of the real one.
        let in_time =
            report.overdue == 0 && report.least_margin.is_none_or(|margin| margin > TimeDelta::zero());
        let none_left = residue.is_some_and(|counts| counts.past_due() == 0);
        let none_owed = raised.is_none_or(|raised| raised.owed == 0);
        Self {
            service: step.service.id.to_string(),
            rule: step.rule.id.local.to_string(),
            disposed_of: report.disposed,
            dependents: report.dependents,
            kept: left.staying(),
            undated: residue.map(Backlog::undated_total),
            longest_wait: report.worst_wait,
            level: raised.filter(|_| none_owed).map_or(Level::Logical, |raised| raised.level),
            in_time: report.result == SweepResult::Completed && in_time && none_left && none_owed,
        }
    }
}

/// A promise, and whether the sweeps kept it.
#[derive(Debug, Clone)]
pub struct PromiseResult {
    /// The service.
    pub service: String,
    /// Its name there.
    pub promise: String,
    /// The rules that keep it. No rule's deadline is after its promise's: `check` has proved that.
    pub rules: Vec<String>,
    /// Whether each of them was in time.
    pub kept: bool,
}

impl PromiseResult {
    pub(super) fn all(deployment: &Deployment, rules: &[RuleResult]) -> Vec<Self> {
        let promise = |promise: &crate::rules::check::ProvedPromise| {
            let keepers: Vec<String> = promise.keepers.iter().map(|k| k.rule.local.to_string()).collect();
            let service = promise.service.to_string();
            let in_time = |keeper: &String| {
                rules.iter().any(|r| r.service == service && r.rule == *keeper && r.in_time)
            };
            let kept = keepers.iter().all(in_time);
            Self { service, promise: promise.promise.to_string(), rules: keepers, kept }
        };
        deployment.promises.iter().map(promise).collect()
    }
}

/// What the demo came to.
#[derive(Debug)]
pub struct Results {
    /// The now that decided.
    pub now: Now,
    /// One a promise.
    pub promises: Vec<PromiseResult>,
    /// One a rule.
    pub rules: Vec<RuleResult>,
    /// What is left.
    pub survivors: Survivors,
    /// Where it is left.
    pub paths: Paths,
    /// What to do next.
    pub commands: Commands,
    /// How long it took.
    pub took: Duration,
}

impl Results {
    /// Whether every promise was kept, and exactly those survived that had to.
    pub fn as_promised(&self) -> bool {
        self.survivors.differences.is_empty()
            && self.promises.iter().all(|promise| promise.kept)
            && self.rules.iter().all(|rule| rule.in_time)
    }

    /// For programs; the fields are documented at the module.
    pub fn to_json(&self) -> serde_json::Value {
        let promise = |p: &PromiseResult| json!({ "service": p.service, "promise": p.promise, "rules": p.rules, "kept": p.kept });
        let rule = |r: &RuleResult| {
            json!({
                "service": r.service, "rule": r.rule, "disposed_of": r.disposed_of, "dependents": r.dependents,
                "kept": r.kept, "undated": r.undated,
                "longest_wait_seconds": r.longest_wait.map(|l| l.num_seconds()), "level": r.level.as_str(),
                "in_time": r.in_time,
            })
        };
        json!({
            "now": { "eligible": self.now.eligible.to_rfc3339(), "late": self.now.late.to_rfc3339() },
            "promises": self.promises.iter().map(promise).collect::<Vec<_>>(),
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "survivors": {
                "rows": self.survivors.rows,
                "files": self.survivors.files,
                "as_expected": self.survivors.differences.is_empty(),
                "differences": self.survivors.differences,
            },
            "paths": {
                "directory": self.paths.directory, "config": self.paths.config,
                "verifier_key": self.paths.verifier_key, "datastores": self.paths.datastores,
                "before": self.paths.before,
            },
            "commands": {
                "prove": self.commands.prove, "verify": self.commands.verify, "report": self.commands.report,
                "explain": self.paths.datastores.as_ref().map(|_| &self.commands.explain),
                "remove": self.commands.remove,
            },
            "seconds": self.took.as_secs_f64(),
        })
    }
}

pub(super) fn opening(out: &mut dyn Write, world: &World, home: &Home) -> io::Result<()> {
    let databases: Vec<_> = world.services.iter().flat_map(|s| &s.databases).collect();
    let trees: Vec<_> = world.services.iter().flat_map(|s| &s.trees).collect();
    let tables: Vec<_> = databases.iter().flat_map(|d| &d.tables).collect();
    let rows: usize = tables.iter().map(|t| t.rows.len()).sum();
    let files: usize = trees.iter().map(|t| t.files.len()).sum();
    writeln!(out, "World    {}", home.directory().display())?;
    writeln!(
        out,
        "         {} services: {rows} rows in {} tables of {} databases, {files} files in {} directories",
        world.services.len(),
        tables.len(),
        databases.len(),
        trees.len()
    )?;
    writeln!(out, "         its now stands still: {}", world.now.eligible.format("%Y-%m-%d %H:%M:%S UTC"))
}

pub(super) fn promises(out: &mut dyn Write, deployment: &Deployment) -> io::Result<()> {
    let (promises, rules) = (deployment.promises.len(), deployment.rules.rules().count());
    writeln!(out, "Check    {promises} promises, proved from {rules} rules before any datastore is touched")
}

pub(super) fn plan(out: &mut dyn Write, steps: &[Step<'_>]) -> io::Result<()> {
    let sum = |of: fn(&Counts) -> u64| steps.iter().map(|step| of(&step.planned)).sum::<u64>();
    let due = sum(|counts| counts.backlog.past_due());
    let (staying, undated) = (sum(Counts::staying), sum(|counts| counts.backlog.undated_total()));
    writeln!(out, "Plan     {due} records are due, {staying} stay, {undated} have no plausible time")?;
    writeln!(out, "Approve  as role {ROLE}: a new rule waits for a person before it disposes of much")
}

pub(super) fn swept(out: &mut dyn Write, rules: &[RuleResult], took: Duration) -> io::Result<()> {
    let disposed: u64 = rules.iter().map(|rule| rule.disposed_of).sum();
    let dependents: u64 = rules.iter().map(|rule| rule.dependents).sum();
    let took = took.as_secs_f64();
    writeln!(
        out,
        "Sweep    {disposed} records with {dependents} dependents, each with a proof, in {took:.1} s"
    )?;
    let beyond = rules.iter().filter(|rule| rule.level > Level::Logical);
    let beyond: Vec<_> =
        beyond.map(|rule| format!("{}/{} {}", rule.service, rule.rule, rule.level.as_str())).collect();
    if !beyond.is_empty() {
        writeln!(out, "         beyond logical erasure: {}", beyond.join(", "))?;
    }
    writeln!(out)
}

pub(super) fn closing(out: &mut dyn Write, results: &Results) -> io::Result<()> {
    rules(out, results)?;
    let (kept, all) = (results.promises.iter().filter(|p| p.kept).count(), results.promises.len());
    writeln!(out, "\nPromises kept: {kept} of {all}. A wait is the time from due to disposal.")?;
    survivors(out, &results.survivors)?;
    next(out, results)
}

/// One line a rule, under its service.
fn rules(out: &mut dyn Write, results: &Results) -> io::Result<()> {
    let header = ["rule", "disposed\nof", "with\nthem", "stay", "no\ntime", "longest\nwait", "promise"];
    let mut rows = table(&header, 1);
    if let Some(column) = rows.column_mut(header.len() - 1) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for rule in &results.rules {
        let counted = |n: Option<u64>| n.map_or_else(|| "not counted".to_owned(), |n| n.to_string());
        rows.add_row(vec![
            rule.rule.clone(),
            rule.disposed_of.to_string(),
            rule.dependents.to_string(),
            rule.kept.to_string(),
            counted(rule.undated),
            rule.longest_wait.map_or_else(|| "-".to_owned(), length),
            promised(results, rule),
        ]);
    }
    let lines: Vec<String> = rows.lines().collect();
    let (header, lines) = lines.split_at(lines.len().saturating_sub(results.rules.len()));
    for line in header {
        writeln!(out, " {}", line.trim_end())?;
    }
    let mut service = "";
    for (rule, line) in results.rules.iter().zip(lines) {
        if rule.service != service {
            service = &rule.service;
            writeln!(out, "{service}")?;
        }
        writeln!(out, " {}", line.trim_end())?;
    }
    Ok(())
}

/// The promises that a rule keeps, and whether they were.
fn promised(results: &Results, rule: &RuleResult) -> String {
    let of_rule = |p: &&PromiseResult| p.service == rule.service && p.rules.contains(&rule.rule);
    let names = |kept: bool| {
        let promises = results.promises.iter().filter(of_rule).filter(|p| p.kept == kept);
        promises.map(|p| p.promise.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (names(true), names(false)) {
        (kept, broken) if broken.is_empty() => format!("{kept}: kept"),
        (kept, broken) if kept.is_empty() => format!("{broken}: BROKEN"),
        (kept, broken) => format!("{kept}: kept; {broken}: BROKEN"),
    }
}

fn survivors(out: &mut dyn Write, survivors: &Survivors) -> io::Result<()> {
    let Survivors { rows, pseudonymized, tables, files, differences } = survivors;
    if differences.is_empty() {
        return writeln!(
            out,
            "Survivors as expected: {rows} rows in {tables} tables, {pseudonymized} of them pseudonymized; {files} files."
        );
    }
    writeln!(out, "Survivors NOT as expected:")?;
    differences.iter().try_for_each(|difference| writeln!(out, "  {difference}"))
}

fn next(out: &mut dyn Write, results: &Results) -> io::Result<()> {
    let Commands { prove, verify, report, explain, remove } = &results.commands;
    writeln!(out, "\nProve that one account is gone; verify the proof with nothing but the public key:\n")?;
    writeln!(out, "  {prove}\n  {verify}\n")?;
    writeln!(out, "Report it to people, on one page:\n\n  {report}\n")?;
    if let Some(before) = &results.paths.before {
        writeln!(out, "The world stays for playing; as it was before, it lies in {}.", before.display())?;
        writeln!(out, "Why one record is still there, for example:\n")?;
        writeln!(out, "  {explain}\n")?;
    } else {
        writeln!(
            out,
            "The datastores are removed. The evidence stays: configuration, rules, ledger and keys."
        )?;
    }
    writeln!(out, "Remove it with: {remove}")
}

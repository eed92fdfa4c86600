//! What a person sees, and the same for programs.

use std::io::{self, Write};
use std::time::Duration;

use chrono::TimeDelta;
use comfy_table::Table;
use serde_json::json;

use super::home::{Home, Paths};
use super::shell::Commands;
use super::steps::{ROLE, Step};
use super::survivors::Survivors;
use super::world::World;
use crate::cli::context::Context;
use crate::cli::table::{length, table};
use crate::ledger::entry::SweepResult;
use crate::ledger::tree::EntryIndex;
use crate::model::now::Now;
use crate::sweep::{Counts, Report};

/// A row of the table: one rule.
#[derive(Debug, Clone)]
pub struct RuleResult {
    /// The service.
    pub service: String,
    /// The rule within it.
    pub rule: String,
    /// The rule's own records that are gone.
    pub disposed_of: u64,
    /// Rows of dependents that were deleted or pseudonymized with them.
    pub dependents: u64,
    /// Records that stay; none: could not be counted.
    pub kept: Option<u64>,
    /// Records without a plausible trigger; none: could not be counted.
    pub undated: Option<u64>,
    /// Of `disposed_of`, those whose deadline had passed when the sweep began: the world's backlog.
    pub found_overdue: u64,
    /// The longest time between due and disposal among the rest; none: there was no rest.
    pub lateness: Option<TimeDelta>,
    /// Whether each of the rest went before its deadline, and none is overdue afterwards.
    pub deadline_kept: bool,
}

impl RuleResult {
    pub(super) fn of(step: &Step<'_>, report: &Report) -> Self {
        let residue = report.residue.as_ref();
        // Both are judged by the frozen now, whose late clock runs ahead of the real one.
        let in_time = report.least_margin.is_none_or(|margin| margin > TimeDelta::zero());
        let none_left = residue.is_some_and(|counts| counts.past_due() == 0);
        Self {
            service: step.service.id.to_string(),
            rule: step.rule.id.local.to_string(),
            disposed_of: report.disposed,
            dependents: report.dependents,
            kept: residue.map(Counts::staying),
            undated: residue.map(Counts::undated_total),
            found_overdue: report.overdue,
            lateness: report.worst_wait,
            deadline_kept: report.result == SweepResult::Completed && in_time && none_left,
        }
    }
}

/// What the demo came to.
#[derive(Debug)]
pub struct Results {
    /// The now that decided.
    pub now: Now,
    /// How many promises were proved kept.
    pub promises: usize,
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
    /// Whether every deadline was kept, and exactly those survived that had to.
    pub fn as_promised(&self) -> bool {
        self.survivors.differences.is_empty() && self.rules.iter().all(|rule| rule.deadline_kept)
    }

    /// For programs; the fields are documented at the module.
    pub fn to_json(&self) -> serde_json::Value {
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|r| {
                json!({
                    "service": r.service, "rule": r.rule, "disposed_of": r.disposed_of, "dependents": r.dependents,
                    "kept": r.kept, "undated": r.undated, "found_overdue": r.found_overdue,
                    "lateness_seconds": r.lateness.map(|l| l.num_seconds()), "deadline_kept": r.deadline_kept,
                })
            })
            .collect();
        json!({
            "now": { "eligible": self.now.eligible.to_rfc3339(), "late": self.now.late.to_rfc3339() },
            "promises": self.promises,
            "rules": rules,
            "survivors": {
                "rows": self.survivors.rows,
                "as_expected": self.survivors.differences.is_empty(),
                "differences": self.survivors.differences,
            },
            "paths": {
                "directory": self.paths.directory, "config": self.paths.config,
                "verifier_key": self.paths.verifier_key, "datastores": self.paths.datastores,
            },
            "commands": {
                "prove": self.commands.prove, "verify": self.commands.verify,
                "explain": self.paths.datastores.as_ref().map(|_| &self.commands.explain),
                "remove": self.commands.remove,
            },
            "seconds": self.took.as_secs_f64(),
        })
    }
}

pub(super) fn opening(out: &mut dyn Write, world: &World, home: &Home) -> io::Result<()> {
    let services = world.services.len();
    let records: usize = world.services.iter().map(|s| s.cases.len()).sum();
    let tables: Vec<_> = world.services.iter().flat_map(|s| &s.tables).collect();
    let rows: usize = tables.iter().map(|t| t.rows.len()).sum();
    writeln!(out, "World    {}", home.directory().display())?;
    writeln!(
        out,
        "         {records} records of {services} services, {rows} rows in {} tables",
        tables.len()
    )?;
    writeln!(out, "         its now stands still: {}", world.now.eligible.format("%Y-%m-%d %H:%M:%S UTC"))
}

pub(super) fn promises(out: &mut dyn Write, context: &Context) -> io::Result<()> {
    writeln!(out, "\nCheck    {} promises, all kept", context.promises.len())?;
    for promise in &context.promises {
        let classes = promise.keepers.iter().flat_map(|k| &k.classes).map(ToString::to_string);
        let classes = classes.collect::<Vec<_>>().join(", ");
        writeln!(out, "         {}/{}: for {classes}", promise.service, promise.promise)?;
    }
    Ok(())
}

pub(super) fn plan(out: &mut dyn Write, steps: &[Step<'_>]) -> io::Result<()> {
    let mut rows = table(&["rule", "due now", "overdue", "kept", "undated"], 1);
    for step in steps {
        let planned = &step.planned;
        let numbers = [planned.due, planned.overdue, planned.staying(), planned.undated_total()];
        let numbers = numbers.iter().map(ToString::to_string);
        rows.add_row(std::iter::once(step.rule.id.to_string()).chain(numbers).collect::<Vec<_>>());
    }
    writeln!(out, "\nPlan")?;
    indented(out, &rows, "         ")
}

pub(super) fn approvals(out: &mut dyn Write, given: &[(&Step<'_>, EntryIndex)]) -> io::Result<()> {
    writeln!(out, "\nApprove  as role {ROLE}: a new rule waits for a person before it disposes of much")?;
    for (step, entry) in given {
        let up_to = step.planned.past_due();
        writeln!(out, "         {}: up to {up_to}, entry {entry} of the ledger", step.rule.id)?;
    }
    writeln!(out, "\nSweep")
}

pub(super) fn swept(out: &mut dyn Write, step: &Step<'_>, report: &Report) -> io::Result<()> {
    let Report { disposed, dependents, took, .. } = report;
    let took = took.as_millis();
    writeln!(out, "         {}: {disposed} records with {dependents} dependents, {took} ms", step.rule.id)
}

pub(super) fn closing(out: &mut dyn Write, results: &Results) -> io::Result<()> {
    writeln!(out)?;
    let header = [
        "service",
        "rule",
        "disposed\nof",
        "kept",
        "undated",
        "found\noverdue",
        "lateness\nof the rest",
        "deadline\nkept",
    ];
    let mut rows = table(&header, 2);
    for rule in &results.rules {
        let counted = |n: Option<u64>| n.map_or_else(|| "not counted".to_owned(), |n| n.to_string());
        rows.add_row(vec![
            rule.service.clone(),
            rule.rule.clone(),
            rule.disposed_of.to_string(),
            counted(rule.kept),
            counted(rule.undated),
            rule.found_overdue.to_string(),
            rule.lateness.map_or_else(|| "-".to_owned(), length),
            if rule.deadline_kept { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    indented(out, &rows, "")?;
    writeln!(out)?;
    writeln!(
        out,
        "Found overdue is the backlog this world begins with. Of the rest, lateness is the longest"
    )?;
    writeln!(out, "that one waited after it was due; the deadline is kept if each went before its own.")?;
    survivors(out, &results.survivors)?;
    next(out, results)
}

fn survivors(out: &mut dyn Write, survivors: &Survivors) -> io::Result<()> {
    let Survivors { rows, pseudonymized, tables, differences } = survivors;
    if differences.is_empty() {
        return writeln!(
            out,
            "\nSurvivors as expected: {rows} rows in {tables} tables, {pseudonymized} of them pseudonymized."
        );
    }
    writeln!(out, "\nSurvivors NOT as expected:")?;
    differences.iter().try_for_each(|difference| writeln!(out, "  {difference}"))
}

fn next(out: &mut dyn Write, results: &Results) -> io::Result<()> {
    let Commands { prove, verify, explain, remove } = &results.commands;
    writeln!(out, "\nProve that one record is gone; verify the proof with nothing but the public key:\n")?;
    writeln!(out, "  {prove}\n  {verify}\n")?;
    if results.paths.datastores.is_some() {
        writeln!(out, "The world stays for playing. Why one record is still there, for example:\n")?;
        writeln!(out, "  {explain}\n")?;
        writeln!(out, "Remove it with: {remove}")
    } else {
        writeln!(
            out,
            "The datastores are removed. The evidence stays: configuration, rules, ledger and keys."
        )?;
        writeln!(out, "Remove it with: {remove}")
    }
}

fn indented(out: &mut dyn Write, table: &Table, indent: &str) -> io::Result<()> {
    for line in table.lines() {
        // The table pads its first column too.
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

//! `expunged test`: the tests inside the rule files.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock::Stopwatch;
use crate::deployment::rules_only;
use crate::diagnostic::{counted, one_line, printable};
use crate::rules::rule::{Rule, RuleSet};
use crate::sweep::trial::{Case, Failures, run_all};

/// What was run, and what came of it.
struct Results<'r> {
    cases: Vec<Case<'r>>,
    /// Of each case, in the same order.
    failures: Vec<Failures>,
    /// How many tests the filters left out.
    left_out: usize,
    /// Rules that nobody tests; none are looked for where a filter chooses.
    untested: Vec<&'r Rule>,
    took: Duration,
}

/// Without a filter, all of them; else those whose `service/rule: name` contains one of the texts.
pub(super) fn run(global: &Global, filters: &[String]) -> Outcome {
    let watch = Stopwatch::start();
    let (rules, _) = rules_only(&global.config, global.rules.as_deref())?;
    let (cases, left_out) = select(&rules, filters)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let failures = run_all(&cases, threads)?;
    let untested = rules.rules().map(|(_, rule)| rule);
    let untested = untested.filter(|rule| filters.is_empty() && rule.tests.is_empty()).collect();
    let results = Results { cases, failures, left_out, untested, took: watch.elapsed() };
    match global.format {
        Format::Json => println!("{}", results.json()),
        Format::Text => results.print(),
    }
    Ok(if results.failed() == 0 { Exit::Done } else { Exit::Rules })
}

fn select<'r>(rules: &'r RuleSet, filters: &[String]) -> Result<(Vec<Case<'r>>, usize), Failure> {
    let all = rules.rules().flat_map(|(_, rule)| rule.tests.iter().map(move |test| (rule, test)));
    let chosen = |case: &Case<'_>| {
        let title = title(case);
        filters.is_empty() || filters.iter().any(|filter| title.contains(filter))
    };
    let (cases, left): (Vec<_>, Vec<_>) = all.partition(chosen);
    // One filter of several that fits nothing is a slip too: what it was meant to run would not run.
    let idle = filters.iter().find(|filter| !cases.iter().any(|case| title(case).contains(*filter)));
    if let Some(filter) = idle {
        let total = cases.len() + left.len();
        let what = format!(
            "no test is called anything with `{filter}` in it, of {total}: a test is called `service/rule: name`"
        );
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    }
    Ok((cases, left.len()))
}

fn title((rule, test): &Case<'_>) -> String {
    format!("{}: {}", rule.id, one_line(&test.name))
}

impl Results<'_> {
    fn all(&self) -> impl Iterator<Item = (&Case<'_>, &Failures)> {
        self.cases.iter().zip(&self.failures)
    }

    fn failed(&self) -> usize {
        self.failures.iter().filter(|failures| !failures.is_empty()).count()
    }

    fn passed(&self) -> usize {
        self.cases.len() - self.failed()
    }

    /// A line a rule, then every failure in full, then the sum.
    fn print(&self) {
        let mut by_rule: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for ((rule, _), failures) in self.all() {
            let (failed, total) = by_rule.entry(rule.id.to_string()).or_default();
            *failed += usize::from(!failures.is_empty());
            *total += 1;
        }
        for (rule, (failed, total)) in &by_rule {
            match failed {
                0 => println!("PASS  {rule}  {}", counted(*total, "test")),
                _ => println!("FAIL  {rule}  {failed} of {}", counted(*total, "test")),
            }
        }
        for (case, failures) in self.all().filter(|(_, failures)| !failures.is_empty()) {
            println!("\nFAIL  {}\n      {}", title(case), case.1.place);
            for failure in failures {
                println!("      {}", one_line(&failure.what));
                for line in &failure.why {
                    println!("        {}", printable(line));
                }
            }
        }
        if !self.cases.is_empty() {
            println!();
        }
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(", {n} left out"),
        };
        let seconds = self.took.as_secs_f64();
        println!(
            "{}: {} passed, {} failed{left_out}; {seconds:.2} s",
            counted(self.cases.len(), "test"),
            self.passed(),
            self.failed()
        );
        if !self.untested.is_empty() {
            let names: Vec<String> = self.untested.iter().map(|rule| rule.id.to_string()).collect();
            eprintln!("warning: {} without a test: {}", counted(names.len(), "rule"), names.join(", "));
        }
    }

    fn json(&self) -> Json {
        let test = |((rule, test), failures): (&Case<'_>, &Failures)| {
            let whats: Vec<&str> = failures.iter().map(|failure| failure.what.as_str()).collect();
            let details = failures.iter().map(|failure| json!({ "what": failure.what, "why": failure.why }));
            json!({
                "rule": rule.id.to_string(), "test": test.name, "place": test.place,
                "passed": failures.is_empty(), "failures": whats, "details": details.collect::<Vec<_>>(),
            })
        };
        json!({
            "passed": self.passed(), "failed": self.failed(), "left_out": self.left_out,
            "untested": self.untested.iter().map(|rule| rule.id.to_string()).collect::<Vec<_>>(),
            "seconds": self.took.as_secs_f64(), "tests": self.all().map(test).collect::<Vec<_>>(),
        })
    }
}

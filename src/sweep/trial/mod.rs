//! The tests inside rule files: each builds a small world, tables in memory and files in a temporary directory, asks the
//! judge about every record at every step, and lets the very statements of a sweep run on it.

mod after;
mod disposal;
mod inputs;
mod plan;
mod processor;
mod tree;
mod verdicts;
mod world;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::disposal::{Court, Swept, sweep};
use self::world::{Spares, World};
use crate::diagnostic::Diagnostic;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::{BoundRule, bind};
use crate::rules::rule::{OnErasure, Rule, RuleTest, Step, Then};

/// Something that a test found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was expected of what, and what was observed, in one line.
    pub what: String,
    /// How that came about, or what to do.
    pub why: Vec<String>,
}

impl Failure {
    /// One that says everything itself.
    fn plain(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Vec::new() }
    }
}

/// What a test found wrong; empty when it passed.
pub type Failures = Vec<Failure>;

/// A test with its rule.
pub type Case<'r> = (&'r Rule, &'r RuleTest);

/// Runs one test.
pub async fn run(rule: &Rule, test: &RuleTest) -> Failures {
    in_a_world(&mut Spares::default(), rule, test).await
}

/// Runs tests on several threads at a time, each on a processor of its own; what each test found wrong, in their order. Blocking.
///
/// Those of one rule should stand together: they run on one thread, whose databases keep the rule's tables from one to the
/// next.
pub fn run_all(cases: &[Case<'_>], threads: NonZeroUsize) -> std::io::Result<Vec<Failures>> {
    let groups: Vec<&[Case<'_>]> = cases.chunk_by(|a, b| std::ptr::eq(a.0, b.0)).collect();
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, Vec<Failures>)> = std::thread::scope(|scope| {
        let (groups, next) = (&groups, &next);
        let worker = |number| {
            scope.spawn(move || {
                processor::stay_on(number, threads.get());
                worker(groups, next)
            })
        };
        let workers: Vec<_> = (0..threads.get()).map(worker).collect();
        let mut done = Vec::new();
        for worker in workers {
            // A panic in a test is a bug of ours, wherever it happens.
            done.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        std::io::Result::Ok(done)
    })?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().flat_map(|(_, failures)| failures).collect())
}

/// Takes one rule's tests after another, until none are left.
fn worker(groups: &[&[Case<'_>]], next: &AtomicUsize) -> std::io::Result<Vec<(usize, Vec<Failures>)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut spares = Spares::default();
    let mut done = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(group) = groups.get(number) else { return Ok(done) };
        let mut failures = Vec::with_capacity(group.len());
        for (rule, test) in *group {
            failures.push(runtime.block_on(in_a_world(&mut spares, rule, test)));
        }
        done.push((number, failures));
    }
}

async fn in_a_world(spares: &mut Spares, rule: &Rule, test: &RuleTest) -> Failures {
    let mut failures = inputs::check(rule, test);
    if failures.is_empty()
        && let Err(error) = attempt(spares, rule, test, &mut failures).await
    {
        match error {
            Wrong::Rule(problems) => failures.extend(problems),
            Wrong::World(error) => failures.push(Failure::plain(error)),
        }
    }
    failures
}

/// Why a test could not be run.
enum Wrong {
    /// What the rule says does not fit its own test's tables.
    Rule(Failures),
    /// Its world could not be made, or asked.
    World(String),
}

impl From<String> for Wrong {
    fn from(error: String) -> Self {
        Self::World(error)
    }
}

async fn attempt(
    spares: &mut Spares,
    rule: &Rule,
    test: &RuleTest,
    failures: &mut Failures,
) -> Result<(), Wrong> {
    let mut world = World::of(spares, rule, test).await?;
    let told =
        |problem: &Diagnostic| Failure { what: problem.message.clone(), why: vec![problem.help.clone()] };
    let bound =
        bind(rule, &world.catalogues).map_err(|problems| Wrong::Rule(problems.iter().map(told).collect()))?;
    steps(&mut world, &bound, test, failures).await?;
    world.give_back(spares);
    Ok(())
}

async fn steps(
    world: &mut World,
    bound: &BoundRule<'_>,
    test: &RuleTest,
    failures: &mut Failures,
) -> Result<(), String> {
    let compares = !test.after.is_empty() || !test.after_files.is_empty();
    let mut found = Vec::new();
    // The orders under which the records were read; none: they have changed since.
    let mut read_under: Option<Orders> = None;
    for (left, step) in (0..test.steps.len()).rev().zip(&test.steps) {
        world.change(bound.rule(), step).await?;
        let orders = orders(bound.rule(), test, step);
        let court = Court { bound, orders: &orders, now: Now::given(step.at) };
        if !step.rows.is_empty() || read_under.as_ref() != Some(&orders) {
            found = verdicts::find_all(world, court, &test.records).await?;
        }
        let due = verdicts::compare(court, &test.records, &found, step, failures);
        // Each of its walks by itself: of one that lasts, the next sees what is left.
        let mut swept = sweep(world, court, Then::Look).await?;
        let then = if left == 0 && compares { Then::Sweep } else { step.then };
        if then == Then::Sweep {
            swept.disagreed = swept.disagreed.max(sweep(world, court, then).await?.disagreed);
        }
        agreement(step, bound, &due.into_iter().collect(), &swept, failures);
        read_under = (then == Then::Look).then_some(orders);
    }
    after::compare(world, bound.rule(), test, failures).await
}

/// What people have ordered by then. A request does nothing where the rule says so.
fn orders(rule: &Rule, test: &RuleTest, step: &Step) -> Orders {
    let held = if test.held { Orders::hold_on_all() } else { Orders::default() };
    let disposes = rule.subject.as_ref().is_some_and(|subject| subject.on_erasure == OnErasure::Dispose);
    let received = test.requests.iter().filter(|(_, at)| disposes && **at <= step.at);
    Orders { asked: received.map(|(subject, at)| (subject.clone(), *at)).collect(), ..held }
}

/// What a sweep disposes of, and what the judge called due when it was asked about each record by its key.
fn agreement(
    step: &Step,
    bound: &BoundRule<'_>,
    due: &BTreeSet<String>,
    swept: &Swept,
    failures: &mut Failures,
) {
    if swept.keys != *due || swept.disagreed > 0 {
        failures.push(Failure {
            what: format!(
                "at {}, a sweep disposes of {} records where the judge finds {} due, and differs from the cut-off on {}",
                bound.rule().calendar.zone().rfc3339(step.at),
                swept.keys.len(),
                due.len(),
                swept.disagreed
            ),
            why: vec!["this is a bug in expunged: please report it with the rule and the test".to_owned()],
        });
    }
}

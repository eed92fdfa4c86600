//! One rule: what it selects, when, what it promises, and in which order things go. All of it is known offline, but for
//! the statement.

use chrono::SubsecRound as _;
use serde_json::{Value as Json, json};

use super::record::{bound_lines, next_start, next_sweep, statement};
use super::{Sections, told, words};
use crate::cli::{Exit, Failure, Format, Global, Outcome};
use crate::datastore::sql::Phase;
use crate::deployment::{Deployment, find_rule, rules_only};
use crate::diagnostic::one_line;
use crate::model::calendar::{Moment, MomentKind, Window, Working};
use crate::model::datastore::Defaults;
use crate::model::now::Now;
use crate::model::opening::OpeningHours;
use crate::rules::check::{ProvedPromise, check, fits, shortest, words as length};
use crate::rules::prose;
use crate::rules::rule::{Dependent, Mode, OnErasure, Rule};

struct Explanation<'r> {
    rule: &'r Rule,
    /// When its datastores are open.
    hours: OpeningHours,
    now: Now,
    /// Each promise it keeps, with the figures.
    promises: Vec<(&'r ProvedPromise, &'r [String])>,
    /// That sweeps come often enough.
    window: Option<String>,
    shortest: Window,
    example: Moment,
    due: Working,
    deadline: Working,
    statement: Statement,
}

/// What a sweep would ask the datastore.
enum Statement {
    Known(String),
    /// Nobody said where the datastore is.
    NoConfiguration,
    Unknown(Failure),
}

pub(super) async fn run(global: &Global, name: &str, now: Now) -> Outcome {
    if global.rules.is_some() && !global.config.exists() {
        let (rules, defaults) = rules_only(&global.config, global.rules.as_deref())?;
        let promises = check(&rules, &defaults)?.promises;
        let (_, rule) = find_rule(&rules, name)?;
        let explanation = explain(rule, &promises, &defaults, now, None, Statement::NoConfiguration);
        return Ok(explanation.say(global.format));
    }
    let deployment = global.deployment()?;
    let (_, rule) = deployment.one(name)?;
    let (kind, statement) = match asked(&deployment, rule, now).await {
        Ok((kind, statement)) => (Some(kind), Statement::Known(statement)),
        Err(failure) => (None, Statement::Unknown(failure)),
    };
    let explanation = explain(rule, &deployment.promises, &deployment.config.defaults, now, kind, statement);
    Ok(explanation.say(global.format))
}

/// What only the datastore knows.
async fn asked(deployment: &Deployment, rule: &Rule, now: Now) -> Result<(MomentKind, String), Failure> {
    let (bound, _) = deployment.bind(rule).await?;
    Ok((bound.trigger().moment(), statement(deployment, &bound, Phase::shown(rule), now).await?))
}

fn explain<'r>(
    rule: &'r Rule,
    promises: &'r [ProvedPromise],
    defaults: &Defaults,
    now: Now,
    kind: Option<MomentKind>,
    statement: Statement,
) -> Explanation<'r> {
    let kept = promises.iter().filter(|promise| promise.service == rule.id.service).flat_map(|promise| {
        let keepers = promise.keepers.iter().filter(|keeper| keeper.rule == rule.id);
        keepers.map(move |keeper| (promise, &keeper.arithmetic[..]))
    });
    let example = example(rule, kind, now);
    Explanation {
        rule,
        hours: defaults.opening(rule.datastores()),
        now,
        promises: kept.collect(),
        window: fits(rule, defaults).ok(),
        shortest: shortest(rule),
        due: rule.calendar.due_working(&example, &rule.retain),
        deadline: rule.calendar.deadline_working(&example, &rule.delete_by),
        example,
        statement,
    }
}

/// A trigger of this moment. Where the datastore has not told its kind, the rule's own words have to do.
fn example(rule: &Rule, kind: Option<MomentKind>, now: Now) -> Moment {
    // To the second: the rest is the noise of the clock.
    let now = now.eligible.trunc_subsecs(0);
    let said = rule.trigger.reading.time_zone.map_or(MomentKind::Instant, MomentKind::Local);
    match kind.unwrap_or(said) {
        MomentKind::Instant => Moment::Instant(now),
        MomentKind::Local(zone) => Moment::Local(zone.wall_clock(now), zone),
        MomentKind::Date => Moment::Date(rule.calendar.local_date(now)),
    }
}

/// The dependents as they go: those in other datastores first, and in each what hangs lowest.
fn order(rule: &Rule) -> impl Iterator<Item = &Dependent> {
    let elsewhere = rule.dependents.iter().rev().filter(|d| d.datastore != rule.datastore);
    elsewhere.chain(rule.dependents.iter().rev().filter(|d| d.datastore == rule.datastore))
}

impl Explanation<'_> {
    /// Says it; what could not be asked is said on standard error, and decides how the command ends.
    fn say(&self, format: Format) -> Exit {
        match format {
            Format::Json => println!("{}", self.json()),
            Format::Text => self.print(),
        }
        match &self.statement {
            Statement::Known(_) | Statement::NoConfiguration => Exit::Done,
            Statement::Unknown(failure) => {
                eprintln!("{}", failure.about(&self.rule.id));
                failure.exit()
            }
        }
    }

    fn print(&self) {
        let rule = self.rule;
        println!("{}", rule.id);
        let mut sections = Sections::default();
        sections.add("records", [format!("{}; of class `{}`", words::records(rule), rule.class)]);
        sections.add("mode", words::mode(rule));
        sections.add("only", rule.only.iter().map(words::condition));
        sections.add("unless", rule.unless.iter().map(words::unless));
        sections.add("except", rule.except.as_deref().map(one_line));
        sections.add("trigger", std::iter::once(words::trigger(rule)).chain(words::reading(rule)));
        sections.add("example", [format!("a trigger of {}", told(&self.example, rule.calendar))]);
        sections.add("due", bound_lines(&format!("retain {}", rule.retain), &self.due));
        sections.add("deadline", bound_lines(&format!("delete_by {}", rule.delete_by), &self.deadline));
        sections.add("window", [self.window.clone().unwrap_or_else(|| self.shortest())]);
        sections.add(
            "promises",
            self.promises.iter().flat_map(|(promise, arithmetic)| {
                let said = format!("{}: {}", promise.promise, one_line(&promise.text));
                let figures = arithmetic.iter().filter(|line| Some(*line) != self.window.as_ref());
                std::iter::once(said).chain(figures.map(|line| format!("  {line}")))
            }),
        );
        sections.add("order", self.order());
        sections.add("request", [self.request()]);
        sections.add("next sweep", [next_sweep(rule, &self.hours, self.now)]);
        sections.add("statement", [self.statement()]);
        sections.print();
    }

    fn shortest(&self) -> String {
        let Window { length: shortest, on } = self.shortest;
        format!("between due and deadline: {} at least, for a trigger on {on}", length(shortest))
    }

    /// What goes, the record last.
    fn order(&self) -> Vec<String> {
        let dependents = order(self.rule).map(words::dependent);
        let all = dependents.chain([format!("the record: {}", words::action(&self.rule.action))]);
        let then = prose::then(self.rule.then)
            .map(|then| format!("{}, in datastore `{}`", then.ticked(), self.rule.datastore));
        (1..).zip(all.chain(then)).map(|(number, line)| format!("{number}. {line}")).collect()
    }

    fn request(&self) -> String {
        match &self.rule.subject {
            None => "no `subject`: neither an erasure request nor a hold on a person reaches these records"
                .to_owned(),
            Some(subject) => match &subject.on_erasure {
                OnErasure::Dispose if self.rule.mode == Mode::Observe => {
                    "the rule only observes: an erasure request stays open, and the records in place"
                        .to_owned()
                }
                OnErasure::Dispose => {
                    let filtered = if self.rule.only.is_empty() { "" } else { " that `only` selects" };
                    let kept = if self.rule.unless.is_empty() {
                        ""
                    } else {
                        ", but for what `unless` keeps, which keeps the request open"
                    };
                    let deadline = if self.rule.trigger.is_request() {
                        "by `delete_by`, and no later than a month"
                    } else {
                        "no later than a month"
                    };
                    format!(
                        "an erasure request disposes of the records{filtered} with the person's id in `{}` at the next sweep, {deadline} \
                         after it{kept}",
                        subject.column
                    )
                }
                OnErasure::Keep(reason) => {
                    format!("an erasure request leaves the records in place, because: {}", one_line(reason))
                }
            },
        }
    }

    fn statement(&self) -> String {
        match &self.statement {
            Statement::Known(statement) => statement.clone(),
            Statement::NoConfiguration => {
                "not known: there is no configuration that says where the datastore is".to_owned()
            }
            Statement::Unknown(_) => "not known: the datastore could not be asked".to_owned(),
        }
    }

    fn json(&self) -> Json {
        let rule = self.rule;
        let (statement, error) = match &self.statement {
            Statement::Known(statement) => (Some(statement), None),
            Statement::NoConfiguration => (None, None),
            Statement::Unknown(failure) => (None, Some(failure.text())),
        };
        json!({
            "rule": rule.id.to_string(), "class": rule.class.as_str(), "records": words::records(rule),
            "only": rule.only.iter().map(words::condition).collect::<Vec<_>>(),
            "unless": rule.unless.iter().map(words::unless).collect::<Vec<_>>(),
            "except": rule.except, "observes": rule.mode == Mode::Observe,
            "trigger": words::trigger(rule), "reading": words::reading(rule),
            "retain": rule.retain.to_string(), "delete_by": rule.delete_by.to_string(),
            "example": {
                "trigger": rule.calendar.earliest(&self.example).map(|at| at.to_rfc3339()),
                "due": self.due.end.map(|at| at.to_rfc3339()), "due_steps": self.due.lines(),
                "deadline": self.deadline.end.map(|at| at.to_rfc3339()), "deadline_steps": self.deadline.lines(),
            },
            "shortest_window_seconds": self.shortest.length.num_seconds(), "shortest_window_on": self.shortest.on.to_string(),
            "window": self.window,
            "promises": self.promises.iter().map(|(promise, arithmetic)| json!({
                "promise": promise.promise.as_str(), "text": promise.text, "arithmetic": arithmetic,
            })).collect::<Vec<_>>(),
            "order": self.order(), "request": self.request(),
            "schedule": rule.schedule.to_string(),
            "next_sweep": next_start(rule, &self.hours, self.now).map(|at| at.to_rfc3339()),
            "statement": statement, "error": error,
        })
    }
}

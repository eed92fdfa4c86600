//! `expunged plan`: what a sweep would do. Writes nothing; the connection cannot.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::table::{local, oldest_due, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock;
use crate::datastore::sql::{Ahead, Aim, Cursor, Phase, Reader};
use crate::deployment::Deployment;
use crate::model::datastore::Datastore;
use crate::model::key::Key;
use crate::model::level::Level;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Verdict, decide};
use crate::rules::rule::{Mode, Rule};
use crate::state::State;
use crate::sweep::{Counts, Orphan, count, kinds, orphans};

/// How many records a plan names, by ids that only the holder of the key can tell.
const SAMPLE: usize = 3;

/// How many records are read for the sample at a time: the first page nearly always holds enough.
const PAGE: u32 = 100;

struct Plan {
    counts: Counts,
    statement: String,
    steps: Vec<String>,
    way: String,
    sample: Vec<String>,
    orphans: Vec<Orphan>,
    then: Option<Then>,
}

/// What the engine will be asked for once records have gone.
struct Then {
    level: Level,
    aim: Aim,
    tables: Vec<String>,
}

impl Then {
    fn of(rule: &Rule, datastore: &Datastore) -> Option<Self> {
        let aim = Aim::of(datastore.kind(), rule.then).filter(|_| rule.mode == Mode::Enforce)?;
        let here = rule.dependents.iter().filter(|d| d.datastore == rule.datastore);
        let mut tables = vec![rule.dataset.name().to_owned()];
        tables.extend(here.map(|dependent| dependent.dataset.name().to_owned()));
        tables.dedup();
        Some(Self { level: rule.then, aim, tables })
    }

    fn remains(&self) -> String {
        self.aim.remains.iter().map(|remains| remains.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Whether the files without a record are named, or only counted: their paths may say whose they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Counted,
    Listed,
}

pub(super) async fn run(
    global: &Global,
    patterns: &[String],
    at: Option<DateTime<Utc>>,
    named: Named,
) -> Outcome {
    let deployment = global.deployment()?;
    let now = at.map_or_else(|| Now::from_clocks(clock::now(), None), Now::given);
    let mut state = deployment.state_if_any().await?;
    let mut plans = Vec::new();
    for (_, rule) in deployment.select(patterns)? {
        // One rule's failure hides no other's plan.
        plans.push((rule, plan(&deployment, rule, now, state.as_mut()).await));
    }
    match global.format {
        Format::Json => println!(
            "{}",
            json!({ "now": now.eligible.to_rfc3339(), "rules": plans.iter().map(|row| object(row, named)).collect::<Vec<_>>() })
        ),
        Format::Text => text(&plans, now, named),
    }
    let failed = plans.iter().filter_map(|(_, plan)| plan.as_ref().err());
    Ok(failed.map(Failure::exit).max().unwrap_or(Exit::Done))
}

type Row<'r> = (&'r Rule, Result<Plan, Failure>);

async fn plan(
    deployment: &Deployment,
    rule: &Rule,
    now: Now,
    mut state: Option<&mut State>,
) -> Result<Plan, Failure> {
    let datastore = deployment.datastore(rule)?;
    let orders = deployment.vouched(rule, state.as_deref_mut()).await?;
    let (bound, catalogues) = deployment.bind(rule).await?;
    let cutoffs = Cutoffs::of(&bound, now);
    let counts = count(datastore, &bound, &cutoffs, &orders, now).await?;
    let Some(rows) = bound.rows() else {
        let statement = walk(rule);
        let way = "file by file, as the walk finds them".to_owned();
        return Ok(Plan {
            counts,
            statement,
            steps: Vec::new(),
            way,
            sample: Vec::new(),
            orphans: Vec::new(),
            then: None,
        });
    };
    let orphans = orphans(&bound, &catalogues, &deployment.config.datastores).await?;
    let mut reader = Reader::open(datastore).await?;
    let (statement, steps) = reader.statement(rows, &cutoffs, Phase::shown(rule)).await?;
    let due = counts.backlog.due + counts.backlog.overdue;
    let way = reader
        .way(rows, &cutoffs, Phase::shown(rule), Ahead { due, pace: datastore.pace })
        .await?
        .to_string();
    let sample = match state {
        Some(state) if due > 0 => {
            let orders = orders.without_requests();
            sample(&mut reader, rows.heeding(&orders), &cutoffs, &orders, now, state).await?
        }
        Some(_) | None => Vec::new(),
    };
    let then = Then::of(rule, datastore);
    Ok(Plan { counts, statement, steps, way, sample, orphans, then })
}

/// What selects files, which no statement does.
pub(super) fn walk(rule: &Rule) -> String {
    format!("walk of `{}` below the root", rule.dataset.name())
}

/// Some of what the judge would let go; what SQL selects may still be kept.
async fn sample(
    reader: &mut Reader,
    rows: RowRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
    state: &mut State,
) -> Result<Vec<String>, Failure> {
    let mut sample = Vec::new();
    for phase in [Phase::Exact, Phase::Candidates] {
        let mut cursor = Cursor::default();
        // Ends because the cursor moves with every page.
        loop {
            let page = reader.page(rows, cutoffs, phase, &cursor, PAGE).await?;
            for record in page.records {
                if sample.len() == SAMPLE {
                    return Ok(sample);
                }
                if let Verdict::Due(due) | Verdict::Overdue(due) = decide(rows.bound(), record, orders, now) {
                    sample.extend(state.keyed_id(rows.rule().dataset.name(), due.key())?);
                }
            }
            if page.last {
                break;
            }
            cursor = page.next;
        }
    }
    Ok(sample)
}

fn text(rows: &[Row<'_>], now: Now, named: Named) {
    let header =
        ["rule", "due", "overdue", "held", "kept", "not started", "undated", "oldest due", "first deadline"];
    let mut out = table(&header, 1);
    for (rule, plan) in rows {
        let Ok(plan) = plan else { continue };
        let c = &plan.counts.backlog;
        out.add_row(vec![
            rule.id.to_string(),
            c.due.to_string(),
            c.past_deadline().to_string(),
            c.held.to_string(),
            plan.counts.kept.to_string(),
            c.not_started.to_string(),
            c.undated_total().to_string(),
            oldest_due(c, now),
            c.first_deadline.map_or_else(|| "-".to_owned(), |at| local(at, rule.calendar.zone())),
        ]);
    }
    if out.row_count() > 0 {
        println!("At {}:", now.eligible.format("%Y-%m-%d %H:%M:%S UTC"));
        print(&out);
    }
    for (rule, plan) in rows {
        match plan {
            Ok(plan) => details(rule, plan, named),
            Err(failure) => eprintln!("{}", failure.about(&rule.id)),
        }
    }
}

fn details(rule: &Rule, plan: &Plan, named: Named) {
    println!("\n{}", rule.id);
    if rule.mode == Mode::Observe {
        println!("  only observes: a sweep counts this and disposes of nothing");
    }
    for (why, n) in &plan.counts.backlog.undated {
        println!("  undated: {n} ({why})");
    }
    if plan.counts.backlog.demanded > 0 {
        println!("  demanded: {} more by erasure requests", plan.counts.backlog.demanded);
    }
    if !plan.counts.hidden.is_empty() {
        println!("  not looked into: {}; there may be more records", kinds(&plan.counts.hidden));
    }
    println!("  statement: {}", plan.statement);
    for line in &plan.steps {
        println!("  plan: {line}");
    }
    println!("  goes: {}", plan.way);
    if let Some(then) = &plan.then {
        let (level, means) = (then.level.as_str(), then.aim.means);
        println!(
            "  then: {means} on {}, to be {level}; known to remain in {}",
            then.tables.join(", "),
            then.remains()
        );
    }
    if !plan.sample.is_empty() {
        println!("  some of them, by keyed id: {}", plan.sample.join(" "));
    }
    for (dataset, paths) in by_dataset(&plan.orphans) {
        println!(
            "  orphans: {} files of {dataset} lead to no record, and are never disposed of",
            paths.len()
        );
        if named == Named::Listed {
            for path in &paths {
                println!("    {path}");
            }
        }
    }
}

/// Paths as a key shows them, under `datastore.pattern`.
fn by_dataset(orphans: &[Orphan]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for orphan in orphans {
        let path = Key::from_values(std::slice::from_ref(&orphan.path));
        let path = path.map_or_else(|e| e.to_string(), |key| key.as_str().to_owned());
        all.entry(format!("`{}.{}`", orphan.datastore, orphan.dataset)).or_default().push(path);
    }
    all
}

fn object((rule, plan): &Row<'_>, named: Named) -> serde_json::Value {
    let plan = match plan {
        Ok(plan) => plan,
        Err(failure) => return json!({ "rule": rule.id.to_string(), "error": failure.text() }),
    };
    let c = &plan.counts.backlog;
    json!({
        "rule": rule.id.to_string(), "mode": rule.mode.as_str(), "due": c.due, "overdue": c.past_deadline(), "held": c.held, "kept": plan.counts.kept,
        "not_started": c.not_started, "undated": c.undated, "demanded": c.demanded, "hidden": plan.counts.hidden,
        "oldest_due": c.oldest_due.map(|at| at.to_rfc3339()),
        "first_deadline": c.first_deadline.map(|at| at.to_rfc3339()),
        "statement": plan.statement, "query_plan": plan.steps, "way": plan.way, "sample": plan.sample, "orphans": plan.orphans.len(),
        "then": plan.then.as_ref().map(|then| json!({
            "level": then.level.as_str(), "means": then.aim.means, "tables": then.tables, "remains": then.aim.remains,
        })),
        "orphan_paths": (named == Named::Listed).then(|| by_dataset(&plan.orphans)),
    })
}

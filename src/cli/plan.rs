//! `expunged plan`: what a sweep would do. Writes nothing; the connection cannot.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::context::Context;
use super::table::{local, print, table};
use super::{Exit, Format, Global, Outcome};
use crate::clock;
use crate::datastore::sqlite::{Cursor, Phase, Reader};
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::bind;
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::Rule;
use crate::state::{Role, State};
use crate::sweep::{Counts, SweepError, count};

/// How many records a plan names, by ids that only the holder of the key can tell.
const SAMPLE: u32 = 3;

struct Plan<'r> {
    rule: &'r Rule,
    counts: Counts,
    statement: String,
    steps: Vec<String>,
    sample: Vec<String>,
}

pub(super) async fn run(global: &Global, patterns: &[String], at: Option<DateTime<Utc>>) -> Outcome {
    let context = Context::load(global)?;
    let now = at.map_or_else(|| Now::from_clocks(clock::now(), None), Now::given);
    let mut state =
        if context.config.state.exists() { Some(context.state(Role::Beside).await?) } else { None };
    let mut plans = Vec::new();
    for (_, rule) in context.select(patterns)? {
        plans.push(plan(&context, rule, now, state.as_mut()).await?);
    }
    match global.format {
        Format::Json => println!(
            "{}",
            json!({ "now": now.eligible.to_rfc3339(), "rules": plans.iter().map(object).collect::<Vec<_>>() })
        ),
        Format::Text => text(&plans, now),
    }
    Ok(Exit::Done)
}

async fn plan<'r>(
    context: &Context,
    rule: &'r Rule,
    now: Now,
    state: Option<&mut State>,
) -> Result<Plan<'r>, super::Failure> {
    let mut reader = Reader::open(&context.datastore(rule)?.path).await?;
    let catalogue = reader.catalogue().await?;
    let bound = bind(rule, &catalogue).map_err(SweepError::Bind)?;
    let cutoffs = Cutoffs::of(&bound, now);
    let counts = count(&mut reader, &bound, &cutoffs, &Orders::default(), now).await?;
    let (statement, steps) = reader.statement(&bound, &cutoffs).await?;
    let mut sample = Vec::new();
    if let Some(state) = state {
        let page = reader.page(&bound, &cutoffs, Phase::Exact, &Cursor::default(), SAMPLE).await?;
        for record in page.records {
            sample.extend(state.keyed_id(rule.table.as_str(), &record.key)?);
        }
    }
    Ok(Plan { rule, counts, statement, steps, sample })
}

fn text(plans: &[Plan<'_>], now: Now) {
    let mut out =
        table(&["rule", "due", "overdue", "held", "kept", "not started", "undated", "first deadline"], 1);
    for plan in plans {
        let c = &plan.counts;
        out.add_row(vec![
            plan.rule.id.to_string(),
            c.due.to_string(),
            c.overdue.to_string(),
            c.held.to_string(),
            c.kept.to_string(),
            c.not_started.to_string(),
            c.undated_total().to_string(),
            c.first_deadline.map_or_else(|| "-".to_owned(), |at| local(at, plan.rule.calendar.zone())),
        ]);
    }
    println!("At {}:", now.eligible.format("%Y-%m-%d %H:%M:%S UTC"));
    print(&out);
    for plan in plans {
        println!("\n{}", plan.rule.id);
        for (why, n) in &plan.counts.undated {
            println!("  undated: {n} ({why})");
        }
        println!("  statement: {}", plan.statement);
        for line in &plan.steps {
            println!("  plan: {line}");
        }
        if !plan.sample.is_empty() {
            println!("  some of them, by keyed id: {}", plan.sample.join(" "));
        }
    }
}

fn object(plan: &Plan<'_>) -> serde_json::Value {
    let c = &plan.counts;
    json!({
        "rule": plan.rule.id.to_string(), "due": c.due, "overdue": c.overdue, "held": c.held, "kept": c.kept,
        "not_started": c.not_started, "undated": c.undated, "oldest_trigger": c.oldest,
        "first_deadline": c.first_deadline.map(|at| at.to_rfc3339()),
        "statement": plan.statement, "query_plan": plan.steps, "sample": plan.sample,
    })
}

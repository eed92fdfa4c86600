//! `expunged grants`: what the daemon's account needs in each datastore, for whoever administers it. Nothing is asked and nothing run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Exit, Format, Global, Outcome};
use crate::datastore::grants::{Language, Run, Step, steps};
use crate::diagnostic::one_line;
use crate::model::datastore::{Datastore, Location};
use crate::model::name::DatastoreName;
use crate::rules::connect::privilege::needed;
use crate::rules::rule::Rule;

pub(super) fn run(global: &Global, patterns: &[String]) -> Outcome {
    let deployment = global.deployment()?;
    let mut rules: BTreeMap<&DatastoreName, Vec<&Rule>> = BTreeMap::new();
    for (_, rule) in deployment.select(patterns)? {
        for name in rule.datastores() {
            let of = rules.entry(name).or_default();
            if of.last().is_none_or(|last| last.id != rule.id) {
                of.push(rule);
            }
        }
    }
    let mut text = String::new();
    let mut objects = Vec::new();
    for (name, rules) in rules {
        let Some(datastore) = deployment.config.datastores.get(name) else { continue };
        let steps = steps(datastore, &needed(rules.iter().copied(), name));
        match global.format {
            Format::Text => page(&mut text, (name, datastore), &rules, &steps),
            Format::Json => objects.push(object((name, datastore), &rules, &steps)),
        }
    }
    match global.format {
        Format::Text => print!("{text}"),
        Format::Json => println!("{}", json!({ "datastores": objects })),
    }
    Ok(Exit::Done)
}

fn names(rules: &[&Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.id.to_string()).collect()
}

fn account(location: &Location) -> Option<&str> {
    match location {
        Location::Postgres(server) | Location::MariaDb(server) => Some(&server.user),
        Location::Sqlite(_) | Location::Files(_) => None,
    }
}

/// Steps as a script. What has to be adapted is a comment, so that the rest runs as it is.
fn page(text: &mut String, (name, datastore): (&DatastoreName, &Datastore), rules: &[&Rule], steps: &[Step]) {
    let comment = Language::of(datastore).comment();
    let between = if text.is_empty() { "" } else { "\n" };
    let place = one_line(&datastore.location.to_string());
    let who = account(&datastore.location)
        .map_or_else(|| "the account of the service".to_owned(), |user| format!("`{}`", one_line(user)));
    let _ = writeln!(text, "{between}{comment} Datastore `{name}` ({}), {place}", datastore.kind().as_str());
    let _ = writeln!(text, "{comment} What {who} needs for {}, and nothing else", names(rules).join(", "));
    for Step { why, run } in steps {
        match run {
            Run::Exactly(line) => {
                let _ = writeln!(text, "\n{comment} {why}\n{line}");
            }
            // On one line, whatever its names hold: a comment ends with it.
            Run::Adapt(line) => {
                let _ = writeln!(text, "\n{comment} {why}; to be adapted\n{comment} {}", one_line(line));
            }
        }
    }
}

fn object((name, datastore): (&DatastoreName, &Datastore), rules: &[&Rule], steps: &[Step]) -> Value {
    let steps = steps.iter().map(|Step { why, run }| {
        let (run, adapt) = match run {
            Run::Exactly(run) => (run, false),
            Run::Adapt(run) => (run, true),
        };
        json!({ "run": run, "why": why, "adapt": adapt })
    });
    json!({
        "datastore": name.as_str(),
        "kind": datastore.kind().as_str(),
        "account": account(&datastore.location),
        "rules": names(rules),
        "steps": steps.collect::<Vec<_>>(),
    })
}

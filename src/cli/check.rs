//! `expunged check`: the rules, proved without touching a datastore.

use std::io::{BufWriter, Write as _};

use serde_json::json;

use super::{Exit, Format, Global, Outcome};
use crate::config::Config;
use crate::deployment::rules_only;
use crate::rules::check::{PromiseKept, check, datastores};
use crate::rules::rule::RuleSet;

pub(super) fn run(global: &Global) -> Outcome {
    let (rules, defaults) = rules_only(&global.config, global.rules.as_deref())?;
    if global.rules.is_none() {
        let config = Config::load(&global.config)?;
        datastores(&rules, &config.datastores).or(())?;
    }
    let promises = check(&rules, &defaults)?;
    match global.format {
        Format::Json => {
            println!("{}", json!({ "promises": promises.iter().map(object).collect::<Vec<_>>() }));
        }
        Format::Text => print(&rules, &promises)?,
    }
    Ok(Exit::Done)
}

/// In one write where it fits: line by line, ten thousand rules are a hundred thousand system calls.
fn print(rules: &RuleSet, promises: &[PromiseKept]) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for service in &rules.services {
        writeln!(out, "{}: {}", service.id, service.name)?;
        for promise in promises.iter().filter(|p| p.service == service.id) {
            writeln!(out, "  promise {}: kept", promise.promise)?;
            writeln!(out, "    {}", promise.text)?;
            for keeper in &promise.keepers {
                let classes: Vec<&str> =
                    keeper.classes.iter().map(super::super::model::name::ClassName::as_str).collect();
                writeln!(out, "    by {} for {}", keeper.rule, classes.join(", "))?;
                for line in &keeper.arithmetic {
                    writeln!(out, "      {line}")?;
                }
            }
            for (word, text) in [("decision", &promise.decision), ("except", &promise.except)] {
                if let Some(text) = text {
                    writeln!(out, "    {word}: {text}")?;
                }
            }
        }
    }
    let count = rules.rules().count();
    writeln!(out, "{} promises kept by {count} rules of {} services", promises.len(), rules.services.len())?;
    out.flush()
}

fn object(promise: &PromiseKept) -> serde_json::Value {
    json!({
        "service": promise.service.as_str(),
        "promise": promise.promise.as_str(),
        "kept": true,
        "decision": promise.decision,
        "except": promise.except,
        "keepers": promise.keepers.iter().map(|k| json!({
            "rule": k.rule.to_string(),
            "classes": k.classes.iter().map(super::super::model::name::ClassName::as_str).collect::<Vec<_>>(),
            "arithmetic": k.arithmetic,
        })).collect::<Vec<_>>(),
    })
}

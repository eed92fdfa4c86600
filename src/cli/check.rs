//! `expunged check`: the rules, proved without touching a datastore; and with `--connect`, against every one.

mod connect;

use std::fmt::Write as _;

use serde_json::json;

use super::{Exit, Failure, Form, Global, Outcome};
use crate::config::Config;
use crate::deployment::rules_only;
use crate::diagnostic::{Paint, Severity, counted, one_line};
use crate::model::name::ClassName;
use crate::rules::check::{PromiseStanding, Proof, ProvedPromise, check, datastores};
use crate::rules::rule::RuleSet;

/// What the rules are proved against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Against {
    /// Each other, and the promises.
    Themselves,
    /// What the datastores hold, too.
    Datastores,
}

pub(super) async fn run(global: &Global, form: Form, against: Against) -> Outcome {
    match against {
        Against::Themselves => offline(global, form),
        Against::Datastores => connect::run(global, form).await,
    }
}

fn offline(global: &Global, form: Form) -> Outcome {
    match (proved(global), form) {
        (Ok((rules, proof)), form) => {
            show(&rules, &proof, form);
            Ok(Exit::Done)
        }
        (Err(failure), Form::Json | Form::Github) => told(failure, form),
        (Err(failure), Form::Text | Form::Html | Form::Markdown | Form::Csv) => Err(failure),
    }
}

fn proved(global: &Global) -> Result<(RuleSet, Proof), Failure> {
    let (rules, defaults) = rules_only(&global.config, global.rules.as_deref())?;
    if global.rules.is_none() {
        let config = Config::load(&global.config)?;
        datastores(&rules, &config.datastores).or(())?;
    }
    let proof = check(&rules, &defaults)?;
    Ok((rules, proof))
}

/// What is wrong, in the form that a program asked for; what is no fault of a file stays an error of the command.
fn told(failure: Failure, form: Form) -> Outcome {
    let Some(diagnostics) = failure.diagnostics() else { return Err(failure) };
    match form {
        Form::Github => print!("{}", diagnostics.to_github()),
        Form::Json | Form::Text | Form::Html | Form::Markdown | Form::Csv => {
            println!("{}", json!({ "promises": [], "diagnostics": diagnostics.to_json() }));
        }
    }
    Ok(failure.exit())
}

fn show(rules: &RuleSet, proof: &Proof, form: Form) {
    match form {
        Form::Json => {
            let promises: Vec<_> = proof.promises.iter().map(object).collect();
            println!("{}", json!({ "promises": promises, "diagnostics": proof.warnings.to_json() }));
        }
        Form::Github => {
            print!("{}", proof.warnings.to_github());
            println!("{}", summary(rules, proof));
        }
        Form::Text | Form::Html | Form::Markdown | Form::Csv => {
            print!("{}", text(rules, &proof.promises));
            if !proof.warnings.is_empty() {
                eprintln!("{}", proof.warnings.render(Paint::Plain));
            }
            println!("{}", summary(rules, proof));
        }
    }
}

/// One text, to be written at once: line by line, ten thousand rules are as many system calls.
fn text(rules: &RuleSet, promises: &[ProvedPromise]) -> String {
    let mut out = String::new();
    // In the order of their services.
    let mut promises = promises.iter().peekable();
    for service in &rules.services {
        let _ = writeln!(out, "{}: {}", service.id, one_line(&service.name));
        while let Some(promise) = promises.next_if(|p| p.service == service.id) {
            let _ = writeln!(out, "  promise {}: {}", promise.promise, standing(promise.standing));
            let _ = writeln!(out, "    {}", one_line(&promise.text));
            for keeper in &promise.keepers {
                let classes: Vec<&str> = keeper.classes.iter().map(ClassName::as_str).collect();
                let _ = writeln!(out, "    by {} for {}", keeper.rule, classes.join(", "));
                for line in &keeper.arithmetic {
                    let _ = writeln!(out, "      {line}");
                }
            }
            for (word, text) in [("decision", &promise.decision), ("except", &promise.except)] {
                if let Some(text) = text {
                    let _ = writeln!(out, "    {word}: {}", one_line(text));
                }
            }
        }
    }
    out
}

fn standing(standing: PromiseStanding) -> &'static str {
    match standing {
        PromiseStanding::Kept => "kept",
        PromiseStanding::OnlyObserved => "NOT KEPT YET, only observed",
    }
}

fn promises_line(rules: &RuleSet, proof: &Proof) -> String {
    let kept = proof.promises.iter().filter(|p| p.standing == PromiseStanding::Kept).count();
    let (count, services) = (rules.rules().count(), rules.services.len());
    let mut line = format!(
        "{} kept by {} of {}",
        counted(kept, "promise"),
        counted(count, "rule"),
        counted(services, "service")
    );
    let observed = proof.promises.len() - kept;
    if observed > 0 {
        let _ = write!(line, "; {observed} not kept yet, only observed");
    }
    line
}

fn summary(rules: &RuleSet, proof: &Proof) -> String {
    let mut line = promises_line(rules, proof);
    let warnings = proof.warnings.iter().filter(|d| d.severity == Severity::Warning).count();
    if warnings > 0 {
        let _ = write!(line, "; {}", counted(warnings, "warning"));
    }
    line
}

fn object(promise: &ProvedPromise) -> serde_json::Value {
    json!({
        "service": promise.service.as_str(),
        "promise": promise.promise.as_str(),
        "kept": promise.standing == PromiseStanding::Kept,
        "decision": promise.decision,
        "except": promise.except,
        "keepers": promise.keepers.iter().map(|k| json!({
            "rule": k.rule.to_string(),
            "classes": k.classes.iter().map(ClassName::as_str).collect::<Vec<_>>(),
            "arithmetic": k.arithmetic,
        })).collect::<Vec<_>>(),
    })
}

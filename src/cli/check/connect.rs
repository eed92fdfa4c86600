//! `expunged check --connect`: the rules, proved against what the datastores hold.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::{Failure, Form, Global, Outcome};
use super::{object, promises_line, told};
use crate::config::Config;
use crate::deployment::{Connected, Looked, Seen, connect};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Paint, Severity, counted, github as annotation};
use crate::rules::check::{Proof, check, datastores};
use crate::rules::document::load;
use crate::rules::rule::RuleSet;

pub(in crate::cli) async fn run(global: &Global, form: Form) -> Outcome {
    let (config, rules) = match read(global) {
        Ok(read) => read,
        Err(failure) => {
            return match form {
                Form::Json | Form::Github => told(failure, form),
                Form::Text | Form::Html | Form::Markdown | Form::Csv => Err(failure),
            };
        }
    };
    let named = datastores(&rules, &config.datastores);
    let (proof, offline) = match check(&rules, &config.defaults) {
        Ok(proof) => {
            let warnings = proof.warnings.clone();
            (Some(proof), warnings.merged(named))
        }
        Err(found) => (None, found.merged(named)),
    };
    let mut connected = connect(&config, &rules).await;
    // Said there, but for what a foreign key has settled.
    let offline = offline.without(Code::AmbiguousSubject);
    connected.rules = std::mem::take(&mut connected.rules).merged(offline);
    match form {
        Form::Json => println!("{}", as_json(proof.as_ref(), &connected)),
        Form::Github => github(&rules, proof.as_ref(), &connected),
        Form::Text | Form::Html | Form::Markdown | Form::Csv => text(&rules, proof.as_ref(), &connected),
    }
    Ok(connected.exit())
}

fn read(global: &Global) -> Result<(Config, RuleSet), Failure> {
    let config = Config::load(&global.config)?;
    let rules = load(global.rules.as_deref().unwrap_or(&config.rules_dir), &config.defaults)?;
    Ok((config, rules))
}

fn text(rules: &RuleSet, proof: Option<&Proof>, connected: &Connected) {
    if let Some(proof) = proof {
        print!("{}", super::text(rules, &proof.promises));
    }
    for found in [&connected.rules, &connected.coverage].into_iter().filter(|found| !found.is_empty()) {
        eprintln!("{}", found.render(Paint::Plain));
    }
    for (looked, failure) in failed(connected) {
        eprintln!("error: datastore `{}` was not checked: {}", looked.name, failure.text());
    }
    println!("{}", last_line(rules, proof, connected));
}

fn github(rules: &RuleSet, proof: Option<&Proof>, connected: &Connected) {
    print!("{}{}", connected.rules.to_github(), connected.coverage.to_github());
    for (looked, failure) in failed(connected) {
        let what = format!("datastore `{}` was not checked: {}", looked.name, failure.text());
        println!("::error title=datastore::{}", annotation::data(&what));
    }
    println!("{}", last_line(rules, proof, connected));
}

fn failed(connected: &Connected) -> impl Iterator<Item = (&Looked, &Failure)> {
    connected.datastores.iter().filter_map(|looked| Some((looked, looked.seen.as_ref().err()?)))
}

/// What was proved offline, what was looked at, and what was found.
fn last_line(rules: &RuleSet, proof: Option<&Proof>, connected: &Connected) -> String {
    let mut line = match proof {
        Some(proof) => promises_line(rules, proof),
        None => "the promises are not proved".to_owned(),
    };
    let (mut tables, mut files, mut looked) = (0, 0, 0);
    for seen in connected.datastores.iter().filter_map(|looked| looked.seen.as_ref().ok()) {
        looked += 1;
        match seen {
            Seen::Tables(count) => tables += count,
            Seen::Files(count) => files += count,
            Seen::Nothing => looked -= 1,
        }
    }
    let all = connected.datastores.len();
    let (tables, files) = (counted(tables, "table"), counted(files, "file"));
    let _ = write!(line, "; {looked} of {all} datastores looked at, {tables}, {files}");
    let of = |severity| {
        let both = connected.rules.iter().chain(connected.coverage.iter());
        both.filter(|found| found.severity == severity).count()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let _ = write!(line, ": {}, {}", counted(errors, "error"), counted(warnings, "warning"));
    line
}

fn as_json(proof: Option<&Proof>, connected: &Connected) -> Value {
    let promises: Vec<Value> = proof.map(|p| p.promises.iter().map(object).collect()).unwrap_or_default();
    let found = |found: &Diagnostics| found.iter().map(Diagnostic::to_json).collect::<Vec<_>>();
    let diagnostics = [found(&connected.rules), found(&connected.coverage)].concat();
    let datastores: Vec<Value> = connected.datastores.iter().map(datastore).collect();
    json!({ "promises": promises, "diagnostics": diagnostics, "datastores": datastores })
}

fn datastore(looked: &Looked) -> Value {
    let (tables, files, error) = match &looked.seen {
        Ok(Seen::Tables(count)) => (Some(count), None, None),
        Ok(Seen::Files(count)) => (None, Some(count), None),
        Ok(Seen::Nothing) => (None, None, None),
        Err(failure) => (None, None, Some(failure.text())),
    };
    json!({
        "datastore": looked.name.as_str(),
        "kind": looked.kind.as_str(),
        "tables": tables,
        "files": files,
        "error": error,
    })
}

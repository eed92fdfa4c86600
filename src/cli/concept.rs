//! `expunged concept`: the deletion concept, from the rules alone.

use std::path::PathBuf;

use super::report::write;
use super::{Exit, Form, Global, Outcome};
use crate::concept::{Concept, Given};
use crate::config::Config;
use crate::deployment::{rules_only, service};
use crate::rules::check::{check, datastores};

pub(super) fn run(global: &Global, only: Option<&str>, out: Option<PathBuf>) -> Outcome {
    let (rules, defaults) = rules_only(&global.config, global.rules.as_deref())?;
    // Other rules may name other datastores than the configuration's.
    let config = if global.rules.is_none() { Some(Config::load(&global.config)?) } else { None };
    if let Some(config) = &config {
        datastores(&rules, &config.datastores).or(())?;
    }
    // What is not kept must not be handed on as a promise.
    let promises = check(&rules, &defaults)?.promises;
    let only = only.map(|name| service(&rules, name)).transpose()?;
    let given = Given {
        rules: &rules,
        promises: &promises,
        defaults: &defaults,
        datastores: config.as_ref().map(|config| &config.datastores),
    };
    let concept = Concept::of(&given, only.map(|service| &service.id));
    let written = match global.form {
        Form::Text | Form::Markdown => concept.to_markdown(),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&concept)?),
        Form::Html => concept.to_html()?,
        Form::Csv => return Err(super::refused("csv", "`report`")),
        Form::Github => return Err(super::refused("github", "`check`")),
    };
    match out {
        Some(out) => write(&out, "the concept", &written)?,
        None => print!("{written}"),
    }
    Ok(Exit::Done)
}

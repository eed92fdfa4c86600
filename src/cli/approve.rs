//! `expunged approve`: a person has looked, and lets a parked rule go on.

use serde_json::json;

use super::context::Context;
use super::{Exit, Failure, Format, Global, Outcome};
use crate::state::Role;

pub(super) async fn run(global: &Global, name: &str, up_to: u64, by: &str) -> Outcome {
    let context = Context::load(global)?;
    let (service, rule) = context.one(name)?;
    let document = context.document(service, rule)?;
    let mut state = context.state(Role::Beside).await?;
    let entry = state.approve(name, &document, up_to, by).await?;
    match global.format {
        Format::Json => println!("{}", json!({ "rule": name, "up_to": up_to, "entry": entry.get() })),
        Format::Text => println!(
            "{name}: up to {up_to} records approved for this version of the rule, until it has finished a sweep (entry {entry})."
        ),
    }
    Ok(Exit::Done)
}

#[expect(clippy::unused_async, reason = "it will ask the datastore")]
pub(super) async fn clock(_: &Global, _: &str) -> Outcome {
    Err(Failure::new(Exit::Usage, anyhow::anyhow!("`approve --clock` is not there yet")))
}

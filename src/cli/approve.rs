//! `expunged approve`: a person has looked, and lets a parked rule go on.

use serde_json::json;

use super::{Exit, Failure, Format, Global, Outcome};
use crate::model::name::DatastoreName;
use crate::state::Role;

pub(super) async fn run(global: &Global, name: &str, up_to: u64, by: &str) -> Outcome {
    let deployment = global.deployment()?;
    let (service, rule) = deployment.one(name)?;
    let document = deployment.document(service, rule)?;
    let mut state = deployment.state(Role::Beside).await?;
    let entry = state.approve(name, &document, up_to, by).await?;
    match global.format {
        Format::Json => println!("{}", json!({ "rule": name, "up_to": up_to, "entry": entry.get() })),
        Format::Text => println!(
            "{name}: up to {up_to} records approved for this version of the rule, until it has finished a sweep (entry {entry})."
        ),
    }
    Ok(Exit::Done)
}

/// `expunged approve --clock DATASTORE`: a person has looked at the host's clock, the only one that datastore has.
pub(super) async fn clock(global: &Global, datastore: &str) -> Outcome {
    let deployment = global.deployment()?;
    if !deployment.config.datastores.keys().any(|name| name.as_str() == datastore) {
        let known: Vec<&str> = deployment.config.datastores.keys().map(DatastoreName::as_str).collect();
        let what = format!("there is no datastore `{datastore}`: the datastores are {}", known.join(", "));
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    }
    let mut state = deployment.state(Role::Beside).await?;
    let entry = state.accept_clock().await?;
    match global.format {
        Format::Json => println!("{}", json!({ "clock": datastore, "entry": entry.get() })),
        Format::Text => println!("{datastore}: the host's clock is confirmed (entry {entry})."),
    }
    Ok(Exit::Done)
}

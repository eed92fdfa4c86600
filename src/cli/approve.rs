//! `expunged approve`: a person has looked, and lets a parked rule go on.

use serde_json::json;

use super::{Exit, Failure, Format, Global, Outcome};
use crate::datastore::files::{Tree, root_of};
use crate::deployment::Deployment;
use crate::model::datastore::Datastore;
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
    find(&deployment, datastore)?;
    let mut state = deployment.state(Role::Beside).await?;
    let entry = state.accept_clock().await?;
    match global.format {
        Format::Json => println!("{}", json!({ "clock": datastore, "entry": entry.get() })),
        Format::Text => println!("{datastore}: the host's clock is confirmed (entry {entry})."),
    }
    Ok(Exit::Done)
}

/// `expunged approve --root DATASTORE`: a person has looked at the directory that a datastore's files are in.
pub(super) async fn root(global: &Global, datastore: &str) -> Outcome {
    let deployment = global.deployment()?;
    let root = root_of(find(&deployment, datastore)?).map_err(|error| Failure::new(Exit::Usage, error))?;
    let identity = Tree::open(root)?.identity();
    let mut state = deployment.state(Role::Beside).await?;
    state.know_root(datastore, &identity).await?;
    match global.format {
        Format::Json => println!("{}", json!({ "root": datastore, "identity": identity })),
        Format::Text => println!("{datastore}: its root is confirmed ({identity})."),
    }
    Ok(Exit::Done)
}

fn find<'d>(deployment: &'d Deployment, datastore: &str) -> Result<&'d Datastore, Failure> {
    let datastores = &deployment.config.datastores;
    datastores.iter().find(|(name, _)| name.as_str() == datastore).map(|(_, found)| found).ok_or_else(|| {
        let known: Vec<&str> = datastores.keys().map(DatastoreName::as_str).collect();
        let what = format!("there is no datastore `{datastore}`: the datastores are {}", known.join(", "));
        Failure::new(Exit::Usage, anyhow::anyhow!(what))
    })
}

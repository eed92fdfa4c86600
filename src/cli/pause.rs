//! `expunged pause` and `expunged resume`: everything stops, everything goes on.

use serde_json::json;

use super::{Exit, Format, Global, Outcome};
use crate::ledger::name::RoleName;
use crate::ledger::tree::EntryIndex;
use crate::state::Role;

pub(super) async fn pause(global: &Global, by: &RoleName) -> Outcome {
    let entry = global.state(Role::Orderer).await?.pause(by).await?;
    match global.format {
        Format::Json => println!("{}", json!({ "paused": true, "entry": entry.get() })),
        Format::Text => println!("Disposal is paused from the next batch on (entry {entry})."),
    }
    Ok(Exit::Done)
}

pub(super) async fn resume(global: &Global, by: &RoleName) -> Outcome {
    let mut state = global.state(Role::Beside).await?;
    let entry = state.resume(by).await?;
    let halt = state.halt().await?;
    match (global.format, entry) {
        (Format::Json, entry) => {
            println!("{}", json!({ "paused": halt.is_some(), "entry": entry.map(EntryIndex::get) }));
        }
        (Format::Text, Some(entry)) => println!("Disposal goes on (entry {entry})."),
        (Format::Text, None) => println!("Disposal was not paused."),
    }
    if let (Format::Text, Some(halt)) = (global.format, &halt) {
        println!("But {halt}.");
    }
    Ok(if halt.is_some() { Exit::Finding } else { Exit::Done })
}

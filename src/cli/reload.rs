//! `expunged reload`: the daemon reads configuration and rules again, and says what it thinks of them.

use serde_json::json;

use super::{Exit, Failure, Format, Global, Outcome};
use crate::config::Config;
use crate::daemon::{Answer, DaemonError, ask};

pub(super) async fn run(global: &Global) -> Outcome {
    // A configuration that is broken now is the daemon's to judge; only the way to it is needed here.
    let config = Config::load(&global.config)?;
    let Answer { exit, text } = ask(&config.control).await.map_err(unanswered)?;
    match global.format {
        Format::Json => println!("{}", json!({ "exit": exit, "text": text })),
        Format::Text if exit == Exit::Done as u8 => println!("{text}"),
        Format::Text => eprintln!("{text}"),
    }
    Exit::of(exit).ok_or_else(|| {
        Failure::new(Exit::Bug, anyhow::anyhow!("the daemon answers with the unknown exit code {exit}"))
    })
}

fn unanswered(error: DaemonError) -> Failure {
    let denied = matches!(&error, DaemonError::Unanswered { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied);
    Failure::new(if denied { Exit::Denied } else { Exit::Unreachable }, error)
}

//! Where log lines go: standard error, or the journal that stands behind it. One that cannot be written is lost: to say so on standard error,
//! as `fmt` does by itself, would panic there.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Of a command: text for whoever typed it.
pub(super) fn of_a_command(level: Level) {
    let ansi = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    let lines = lines.log_internal_errors(false);
    tracing_subscriber::registry().with(heard(level)).with(lines).init();
}

/// Of the daemon: fields for the journal, where standard error leads there; text on a terminal; else JSON, one object a line.
pub(super) fn of_the_daemon(level: Level) {
    if let Some(journal) = journal() {
        tracing_subscriber::registry().with(heard(level)).with(journal).init();
    } else if io::stderr().is_terminal() {
        of_a_command(level);
    } else {
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
        let lines = lines.with_span_list(false).with_writer(io::stderr).log_internal_errors(false);
        tracing_subscriber::registry().with(heard(level)).with(lines).init();
    }
}

/// All of a level, but for what PostgreSQL says beside its answers: a trigger of the application's may quote a record there.
fn heard(level: Level) -> Targets {
    Targets::new().with_default(level).with_target("sqlx::postgres::notice", LevelFilter::OFF)
}

/// The journal, if standard error is its stream: a redirection must get the lines that were asked for.
fn journal() -> Option<tracing_journald::Layer> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stderr = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    if stream != format!("{}:{}", stderr.dev(), stderr.ino()) {
        return None;
    }
    Some(tracing_journald::layer().ok()?.with_field_prefix(Some("EXPUNGED".to_owned())))
}

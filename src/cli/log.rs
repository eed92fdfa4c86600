//! Where log lines go: standard error, or the journal that stands behind it.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Of a command: text for whoever typed it.
pub(super) fn of_a_command(level: Level) {
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(ansi).init();
}

/// Of the daemon: fields for the journal, where standard error leads there; text on a terminal; else JSON, one object a line.
pub(super) fn of_the_daemon(level: Level) {
    if let Some(journal) = journal() {
        tracing_subscriber::registry().with(LevelFilter::from_level(level)).with(journal).init();
    } else if io::stderr().is_terminal() {
        of_a_command(level);
    } else {
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
        lines.with_span_list(false).with_max_level(level).with_writer(io::stderr).init();
    }
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

//! What may be done in a tree, against what a sweep has to do.

use std::path::Path;

use super::access::closed;
use super::{Obstacle, RootError, Survey};
use crate::datastore::DatastoreError;
use crate::diagnostic::Severity;
use crate::model::name::DatastoreName;
use crate::rules::connect::privilege::{PrivilegeFinding, Standing};

/// What a survey says of a tree's privileges.
pub fn privileges(datastore: &DatastoreName, root: &Path, survey: &Survey) -> Vec<PrivilegeFinding> {
    let mut found = Vec::new();
    let help = "give the account that sweeps the right to write and search there, on a file system mounted for writing";
    if let Some(why) = closed(root) {
        let message = format!("the root of datastore `{datastore}` cannot be written by this account: {why}");
        found.push(insufficient(message, help));
    }
    for (why, count) in &survey.closed {
        let directories =
            if *count == 1 { "1 directory holds".to_owned() } else { format!("{count} directories hold") };
        let message = format!(
            "in datastore `{datastore}` {directories} files that a rule covers and this account cannot remove: {why}"
        );
        found.push(insufficient(message, help));
    }
    for (obstacle, count) in &survey.unseen {
        found.extend(unseen(datastore, *obstacle, *count));
    }
    found
}

/// A root that is refused because everyone may write there; none: it was refused for another reason.
pub fn refused(datastore: &DatastoreName, error: &DatastoreError) -> Option<PrivilegeFinding> {
    let DatastoreError::Root { path, source: RootError::WorldWritable { mode } } = error else { return None };
    Some(PrivilegeFinding {
        standing: Standing::Excessive,
        severity: Severity::Error,
        message: format!(
            "the root of datastore `{datastore}` has mode {mode:04o}, which lets everyone write: nothing is swept there, and nothing was looked at"
        ),
        help: format!("run `chmod o-w` on `{}`", path.display()),
    })
}

fn insufficient(message: String, help: &str) -> PrivilegeFinding {
    PrivilegeFinding {
        standing: Standing::Insufficient,
        severity: Severity::Error,
        message,
        help: help.to_owned(),
    }
}

/// A link, a pipe or a device holds no data of its own.
fn unseen(datastore: &DatastoreName, obstacle: Obstacle, count: u64) -> Option<PrivilegeFinding> {
    let (what, severity) = match obstacle {
        Obstacle::Unreadable(why) => (format!("cannot be read by this account ({why})"), Severity::Error),
        Obstacle::MountPoint => ("are mount points, which no sweep crosses".to_owned(), Severity::Warning),
        Obstacle::TooDeep => ("lie deeper than any sweep goes".to_owned(), Severity::Warning),
        Obstacle::Symlink | Obstacle::Special => return None,
    };
    Some(PrivilegeFinding {
        standing: Standing::Insufficient,
        severity,
        message: format!("in datastore `{datastore}` {count} of the names {what}: what is beneath was not looked at"),
        help: "give the account that sweeps the right to read and search there, or make it a datastore of its own".to_owned(),
    })
}

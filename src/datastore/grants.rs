//! What an administrator does so that the daemon's account may do what the rules need in a datastore, and nothing else. Known from the
//! configuration and the rules: no datastore is asked.

use std::path::Path;

use super::sql;
use crate::model::datastore::{Datastore, Location};
use crate::rules::connect::privilege::Needed;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What for, as a fragment.
    pub why: String,
    /// What.
    pub run: Run,
}

/// A statement, or a command of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// As it is.
    Exactly(String),
    /// Once somebody has filled in what only they know.
    Adapt(String),
}

impl Step {
    pub(super) fn run(why: impl Into<String>, run: String) -> Self {
        Self { why: why.into(), run: Run::Exactly(run) }
    }
}

/// In which language the steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The server's.
    Sql,
    /// The system's.
    Shell,
}

impl Language {
    /// Of a datastore of this kind.
    pub fn of(datastore: &Datastore) -> Self {
        if datastore.kind().has_accounts() { Self::Sql } else { Self::Shell }
    }

    /// What a comment begins with.
    pub fn comment(self) -> &'static str {
        match self {
            Self::Sql => "--",
            Self::Shell => "#",
        }
    }
}

/// The steps for a datastore.
pub fn steps(datastore: &Datastore, needed: &[Needed]) -> Vec<Step> {
    match &datastore.location {
        Location::Postgres(_) | Location::MariaDb(_) => {
            sql::grants(&datastore.location, needed).unwrap_or_default()
        }
        Location::Sqlite(path) => of_database(path),
        Location::Files(root) => of_tree(root),
    }
}

/// `expunged` is the account of the unit that is shipped.
fn group() -> Step {
    let run = Run::Adapt("usermod -aG GROUP expunged".to_owned());
    Step {
        why: "GROUP: the application's, whose files they are; the service is restarted afterwards".to_owned(),
        run,
    }
}

fn of_database(path: &Path) -> Vec<Step> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, directory) = (quoted(path), quoted(directory));
    let adapt = |why: &str, run: String| Step { why: why.to_owned(), run: Run::Adapt(run) };
    vec![
        group(),
        adapt("to read and write the database", format!("chgrp GROUP {file} && chmod g+rw,o-w {file}")),
        adapt(
            "to keep the journal beside it, in files that the application can open, too",
            format!("chgrp GROUP {directory} && chmod g+rwxs,o-w {directory}"),
        ),
    ]
}

fn of_tree(root: &Path) -> Vec<Step> {
    let root = quoted(root);
    let run = format!("find {root} -xdev -type d -exec chgrp GROUP {{}} + -exec chmod g+rwxs,o-w {{}} +");
    let why = "to list the directories and to remove files from them: the files themselves need no right";
    vec![group(), Step { why: why.to_owned(), run: Run::Adapt(run) }]
}

/// A path as one word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

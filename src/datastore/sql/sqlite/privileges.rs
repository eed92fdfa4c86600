//! What may be done with a database's file, against what a sweep has to do. `SQLite` has no accounts: the file system's are all.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::datastore::files::{closed, unwritable};
use crate::diagnostic::Severity;
use crate::model::name::DatastoreName;
use crate::rules::connect::privilege::{PrivilegeFinding, Standing};

/// What the file, its directory and its logs say of the privileges there. Nothing is written to find out.
pub fn privileges(datastore: &DatastoreName, path: &Path) -> Vec<PrivilegeFinding> {
    let mut found = Vec::new();
    let about = |what: &str| format!("{what} of datastore `{datastore}`");
    // Where a link leads, the engine puts its logs beside what it leads to.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for (what, file) in files(&path) {
        found.extend(file_findings(&about(what), &file, unwritable(&file)));
    }
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let journal = "the engine keeps its journal there";
    if let Some(why) = closed(directory) {
        let message = format!(
            "{} cannot be written by this account: {why}; {journal}",
            about("the directory of the database")
        );
        found.push(insufficient(message));
    }
    let mode = mode(directory);
    if mode & 0o002 != 0 {
        let message = format!(
            "{} has mode {mode:04o}, which lets everyone write: whoever does can replace the database, or leave a journal that undoes it",
            about("the directory of the database")
        );
        found.push(excessive(message, directory));
    }
    found
}

/// The database, and its logs where they are.
fn files(path: &Path) -> Vec<(&'static str, PathBuf)> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let all = [
        ("the database file", path.to_owned()),
        ("the write-ahead log", beside("-wal")),
        ("the shared memory of the write-ahead log", beside("-shm")),
        ("the journal", beside("-journal")),
    ];
    all.into_iter().filter(|(_, file)| file.exists()).collect()
}

fn file_findings(what: &str, file: &Path, unwritable: Option<&'static str>) -> Vec<PrivilegeFinding> {
    let mut found = Vec::new();
    let mode = mode(file);
    if let Some(why) = unwritable {
        found.push(insufficient(format!("{what} cannot be written by this account: {why}")));
    } else if mode & 0o222 == 0 && is_root() {
        let message = format!("{what} has mode {mode:04o}: root may write it, and no other account");
        found.push(PrivilegeFinding { severity: Severity::Warning, ..insufficient(message) });
    }
    if mode & 0o002 != 0 {
        let message = format!("{what} has mode {mode:04o}, which lets everyone write");
        found.push(excessive(message, file));
    }
    found
}

/// The permission bits; of what cannot be looked at, none.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o7777)
}

/// The owner of what the system says of this process is whom it acts as.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

fn insufficient(message: String) -> PrivilegeFinding {
    PrivilegeFinding {
        standing: Standing::Insufficient,
        severity: Severity::Error,
        message,
        help: "give the account that sweeps the right to read and write the file and its directory, on a file system mounted for writing"
            .to_owned(),
    }
}

fn excessive(message: String, path: &Path) -> PrivilegeFinding {
    PrivilegeFinding {
        standing: Standing::Excessive,
        severity: Severity::Warning,
        message,
        help: format!("run `chmod o-w` on `{}`", path.display()),
    }
}

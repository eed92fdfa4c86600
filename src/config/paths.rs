//! `SQLite` URLs, and whether two paths lead to one file.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::quoted;

/// A URL that names no `SQLite` file.
#[derive(Debug, thiserror::Error)]
pub(super) enum UrlError {
    #[error("{} is not supported here: this has to be a SQLite file", quoted(.0))]
    Scheme(String),
    #[error("it names no file")]
    NoFile,
    #[error("it has parameters, which are not supported: the daemon opens the file its own way")]
    Parameters,
}

/// `sqlite:///absolute` or `sqlite://relative`; the path is taken as it stands, without percent-decoding.
pub(super) fn sqlite_path(url: &str) -> Result<PathBuf, UrlError> {
    let Some(path) = url.strip_prefix("sqlite://") else {
        let scheme = url.split(':').next().unwrap_or_default();
        return Err(UrlError::Scheme(scheme.to_owned()));
    };
    match path {
        "" | "/" | ":memory:" => Err(UrlError::NoFile),
        _ if path.ends_with('/') => Err(UrlError::NoFile),
        _ if path.contains('?') => Err(UrlError::Parameters),
        _ => Ok(PathBuf::from(path)),
    }
}

/// Whether both are one file, through links of either kind; a file that does not exist yet is known by its directory.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    if let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) {
        return a.dev() == b.dev() && a.ino() == b.ino();
    }
    canonical(a) == canonical(b)
}

/// Whether a file, or where it would be made, lies below a directory, or is it.
pub(super) fn is_inside(path: &Path, directory: &Path) -> bool {
    canonical(path).starts_with(canonical(directory))
}

/// As many links as the kernel follows; a circle of links is no file.
const MOST_LINKS: usize = 40;

fn canonical(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(path) = path.canonicalize() {
            return path;
        }
        let parent = directory(&path);
        // A link to a file that does not exist yet leads to where that file would be.
        match (std::fs::read_link(&path), path.file_name()) {
            (Ok(target), _) => path = parent.join(target),
            (Err(_), Some(name)) => return parent.join(name),
            (Err(_), None) => break,
        }
    }
    path
}

fn directory(path: &Path) -> PathBuf {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    parent.canonicalize().unwrap_or_else(|_| parent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_does_not_hide_that_two_files_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(same_file(&path("a.db"), &path("./a.db")), "neither exists yet");
        std::os::unix::fs::symlink("a.db", path("soft.db")).unwrap();
        assert!(same_file(&path("a.db"), &path("soft.db")), "the link dangles");
        std::fs::write(path("a.db"), "").unwrap();
        std::fs::hard_link(path("a.db"), path("hard.db")).unwrap();
        assert!(same_file(&path("soft.db"), &path("hard.db")));
        assert!(!same_file(&path("a.db"), &path("b.db")));
        std::os::unix::fs::symlink("circle.db", path("circle.db")).unwrap();
        assert!(!same_file(&path("a.db"), &path("circle.db")));
    }

    #[test]
    fn a_url_names_a_file() {
        assert_eq!(sqlite_path("sqlite:///var/a.db").unwrap(), Path::new("/var/a.db"));
        assert_eq!(sqlite_path("sqlite://a.db").unwrap(), Path::new("a.db"));
        for refused in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://",
            "sqlite://a?mode=ro",
            "a.db",
            "postgres://x",
        ] {
            assert!(sqlite_path(refused).is_err(), "{refused}");
        }
    }
}

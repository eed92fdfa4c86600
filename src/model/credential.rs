//! Where secrets are, and never what they are.

use std::path::PathBuf;

/// Where a secret is read from: never the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A systemd credential of that name.
    Credential(String),
}

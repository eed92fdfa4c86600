//! `[http]` and `[control]`: where the daemon listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Listen;
use crate::diagnostic::Code;
use crate::diagnostic::reader::Cursor;

/// Somewhere a listener must not stand.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error("it is neither an address with a port nor `unix:` and a path")]
    Unreadable,
    #[error("{0} can be reached from other hosts, and whoever reaches it is not asked who they are")]
    NotLoopback(SocketAddr),
    #[error("it names no file")]
    NoFile,
}

pub(super) fn http(mut table: Cursor<'_>, base: &Path) -> Option<Listen> {
    let help = "write `127.0.0.1:8642`, `[::1]:8642` or `unix:/run/expunged/http.sock`";
    let entry = table.required("listen");
    table.finish();
    entry?.parsed(Code::BadValue, help, |text| listen(text, base))
}

fn listen(text: &str, base: &Path) -> Result<Listen, ListenError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() { Err(ListenError::NoFile) } else { Ok(Listen::Unix(base.join(path))) };
    }
    let address: SocketAddr = text.parse().map_err(|_| ListenError::Unreadable)?;
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    Ok(Listen::Tcp(address))
}

pub(super) fn control(mut table: Cursor<'_>, base: &Path) -> Option<PathBuf> {
    let socket = table.required("socket").and_then(|e| e.sentence()).map(|text| base.join(text));
    table.finish();
    socket
}

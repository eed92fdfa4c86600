//! The control socket: `expunged reload` asks, and waits for the answer.
//!
//! One line there, `reload`; one JSON line back. The socket is its user's alone (0600), and root's.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::error::DaemonError;

/// What a reload came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The code with which `expunged reload` ends.
    pub exit: u8,
    /// For people: what is in force now, or the diagnostics.
    pub text: String,
}

const REQUEST: &str = "reload";

/// Whoever has connected and does not ask is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longer than it takes to prove the rules of a hundred services.
const LONGEST_ANSWER: Duration = Duration::from_mins(2);

/// No answer of ours is longer: the diagnostics of a broken rule set.
const MOST_BYTES: u64 = 16 << 20;

/// A socket at this path, which the permissions guard from the first moment on. One that a dead process left is replaced.
pub(super) async fn bind(path: &Path, mode: u32) -> Result<UnixListener, DaemonError> {
    clear(path).await?;
    let listening = || {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Nobody can connect before it listens.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        socket.listen(16)
    };
    listening().map_err(|source| DaemonError::Listen { place: path.display().to_string(), source })
}

/// Makes room for a socket: what nobody answers at belongs to a process that is no more.
async fn clear(path: &Path) -> Result<(), DaemonError> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(DaemonError::InTheWay { path: path.to_owned() });
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            remove(path);
            Ok(())
        }
        Ok(_) | Err(_) => Err(DaemonError::Taken { path: path.to_owned() }),
    }
}

/// Removes a socket of ours. One that stays is replaced by the next start.
#[expect(clippy::disallowed_methods, reason = "a socket is no record")]
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, "a socket was not removed");
    }
}

/// Answers requests, one connection a task, until the runtime ends.
pub(super) async fn serve<F>(listener: UnixListener, reload: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = Answer> + Send,
{
    let reload = Arc::new(reload);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let reload = Arc::clone(&reload);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &*reload).await {
                        tracing::debug!(%error, "a control connection broke off");
                    }
                });
            }
            // Too many open files, for one: they may become fewer.
            Err(error) => {
                tracing::warn!(%error, "a control connection was not accepted");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

async fn answer<F: Future<Output = Answer>>(
    mut stream: UnixStream,
    reload: &(impl Fn() -> F + Sync),
) -> io::Result<()> {
    let line = tokio::time::timeout(PATIENCE, line(&mut stream, REQUEST.len() as u64 + 1)).await??;
    if line.trim_end() != REQUEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut answer = serde_json::to_vec(&reload().await)?;
    answer.push(b'\n');
    stream.write_all(&answer).await
}

async fn line(stream: &mut UnixStream, most: u64) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream).take(most).read_line(&mut line).await?;
    Ok(line)
}

/// Asks the daemon at this socket to reload, and waits until it has.
pub async fn ask(path: &Path) -> Result<Answer, DaemonError> {
    let asked = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(format!("{REQUEST}\n").as_bytes()).await?;
        line(&mut stream, MOST_BYTES).await
    };
    let unanswered = |source| DaemonError::Unanswered { path: path.to_owned(), source };
    let line = tokio::time::timeout(LONGEST_ANSWER, asked).await;
    let line = line.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(unanswered)?;
    serde_json::from_str(&line).map_err(|_| DaemonError::Foreign { path: path.to_owned() })
}

//! What can go wrong at the daemon's own doors.

use std::io;
use std::path::PathBuf;

/// A socket that cannot be had, or a daemon that does not answer.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Somebody answers there.
    #[error("another process answers at `{}`: stop it, or give this one a socket of its own", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands there.
    #[error("`{}` is in the way and is no socket: move it, or configure another path", path.display())]
    InTheWay {
        /// What should be the socket.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error(
        "cannot listen at `{place}`: check that its directory exists and may be written, or that the address is free"
    )]
    Listen {
        /// A path or an address.
        place: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nobody listens.
    #[error("no daemon answers at `{}`: is `expunged run` running with this configuration?", path.display())]
    Unanswered {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It answered something else.
    #[error("what answers at `{}` is no daemon of this version: restart it", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
    },
    /// The configuration asks for what only a start can do.
    #[error("`{key}` has changed, and takes a restart: the daemon goes on with the configuration it has")]
    Restart {
        /// The key.
        key: &'static str,
    },
    /// The clock was set far ahead meanwhile.
    #[error(
        "the host's clock has jumped ahead by {} hours, to {host}, while the daemon ran: nothing is disposed of; set it \
         right, or, if it is right, restart the daemon and `expunged approve --clock DATASTORE`",
        ahead.num_hours()
    )]
    ClockJumped {
        /// The host's clock.
        host: chrono::DateTime<chrono::Utc>,
        /// Against the time since boot.
        ahead: chrono::TimeDelta,
    },
    /// The signals cannot be listened to.
    #[error("the process cannot listen to its signals")]
    Signals(#[source] io::Error),
}

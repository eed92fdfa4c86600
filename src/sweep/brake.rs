//! What ends a sweep between two batches: someone who runs it has to stop.

use std::time::Duration;

use tokio::sync::watch;

/// Pulls a [`Brake`], for good.
#[derive(Debug)]
pub struct Lever(watch::Sender<bool>);

impl Lever {
    /// The sweep ends after the batch it is in. Idempotent.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

/// Looked at before every batch; a pause of the pace ends at once when it is pulled.
#[derive(Debug, Clone)]
pub struct Brake(watch::Receiver<bool>);

impl Brake {
    /// A brake and what pulls it.
    pub fn new() -> (Lever, Self) {
        let (sender, receiver) = watch::channel(false);
        (Lever(sender), Self(receiver))
    }

    /// One that nobody can pull.
    pub fn none() -> Self {
        Self::new().1
    }

    /// Whether it was pulled.
    pub fn pulled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits so long, or until it is pulled.
    pub async fn wait(&self, length: Duration) {
        let mut receiver = self.0.clone();
        let pulled = async {
            if receiver.wait_for(|pulled| *pulled).await.is_err() {
                // Nobody is left who could pull it.
                std::future::pending::<()>().await;
            }
        };
        // Only the end of the wait matters, not its reason: whoever waited looks at the brake next.
        let _ = tokio::time::timeout(length, pulled).await;
    }
}

//! `expunged run`: the daemon.

use super::{Global, Outcome};
use crate::daemon;

pub(super) async fn run(global: &Global) -> Outcome {
    daemon::run(&global.config).await
}

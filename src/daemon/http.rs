//! What monitoring asks over HTTP, on this host alone: three pages, no records, no paths.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::error::DaemonError;
use super::{Shared, control, exposition};
use crate::clock;
use crate::config::Listen;

/// Answers until the runtime ends. The socket's path, to be removed at the end.
pub(super) async fn serve(listen: &Listen, shared: &Arc<Shared>) -> Result<Option<PathBuf>, DaemonError> {
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(Arc::clone(shared));
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await;
            let failed = |source| DaemonError::Listen { place: address.to_string(), source };
            let listener = listener.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            tracing::info!(%address, "monitoring is answered");
            tokio::spawn(async move { axum::serve(listener, pages).await });
            Ok(None)
        }
        Listen::Unix(path) => {
            // Its group's too: a scraper is a member.
            let listener = control::bind(path, 0o660).await?;
            tracing::info!(socket = %path.display(), "monitoring is answered");
            tokio::spawn(async move { axum::serve(listener, pages).await });
            Ok(Some(path.clone()))
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], shared.metrics.text(clock::now()))
}

/// The process is alive, and the loop moves.
async fn healthz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    page(if shared.pulse.beats() { Ok(()) } else { Err("the loop has given no sign of life\n") })
}

/// It can dispose of what is due.
async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    page(shared.ready())
}

fn page(result: Result<(), &'static str>) -> (StatusCode, &'static str) {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

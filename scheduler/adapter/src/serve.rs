//! Metrics and health over HTTP, at the paths where kube-scheduler has them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Why the scheduler is not ready; `None` when it is.
pub(crate) type Readiness = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

#[derive(Clone)]
struct Shown {
    registry: Registry,
    readiness: Readiness,
}

/// Serves until the end.
pub(crate) async fn serve(
    listener: TcpListener,
    registry: Registry,
    readiness: Readiness,
    mut end: watch::Receiver<bool>,
) {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok"))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .with_state(Shown { registry, readiness });
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move {
        // The sender is dropped only at the end.
        let _ = end.wait_for(|end| *end).await;
    });
    if let Err(error) = served.await {
        tracing::error!(%error, "metrics and health are not served any more");
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    match TextEncoder::new().encode_to_string(&shown.registry.gather()) {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn readyz(State(shown): State<Shown>) -> Response {
    match (shown.readiness)() {
        None => "ok".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

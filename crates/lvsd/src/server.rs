//! The API behind the control socket.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use crate::report::Reporter;

/// Serves until `stop` fires.
pub(crate) async fn serve(
    listener: std::os::unix::net::UnixListener,
    reporter: Arc<Reporter>,
    stop: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let listener = UnixListener::from_std(listener).context("control socket")?;
    let router = Router::new()
        .route(api::STATUS, get(status))
        .route(api::PLANNING, get(planning))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such path".to_owned()) })
        .with_state(reporter);
    let stopped = async {
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.await;
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
        .context("serving the control socket")
}

async fn status(State(reporter): State<Arc<Reporter>>) -> Response {
    answer(reporter.status().await)
}

async fn planning(State(reporter): State<Arc<Reporter>>) -> Response {
    answer(reporter.planning().await)
}

fn answer<T: serde::Serialize>(result: anyhow::Result<T>) -> Response {
    match result {
        Ok(document) => Json(document).into_response(),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")),
    }
}

fn problem(status: StatusCode, error: String) -> Response {
    (status, Json(api::Problem { error })).into_response()
}

//! The API behind the control socket.

use std::sync::Arc;

use anyhow::Context;
use api::OverrideRequest;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use nix::unistd::{Uid, User};
use serde::Deserialize;
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
        .route(api::EXPLAIN, get(explain))
        .route(api::OVERRIDE, post(override_server))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such path".to_owned()) })
        .with_state(reporter);
    let stopped = async {
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.await;
    };
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>())
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

/// `?name=...`
#[derive(Debug, Deserialize)]
struct Name {
    name: String,
}

async fn explain(State(reporter): State<Arc<Reporter>>, Query(query): Query<Name>) -> Response {
    match reporter.explain(&query.name).await {
        Ok(found) if found.servers.is_empty() => problem(
            StatusCode::NOT_FOUND,
            format!(
                "`{}` is neither the address of a real server nor the name of a virtual server; \
                 `lvsctl status` lists both",
                query.name
            ),
        ),
        explained => answer(explained),
    }
}

async fn override_server(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<OverrideRequest>,
) -> Response {
    // The socket's mode says who may look; changes are root's, and lvsd's own user's.
    let Some(uid) = peer.0.filter(|uid| uid.is_root() || *uid == Uid::effective()) else {
        let words = "only root may change the table; others may look".to_owned();
        return problem(StatusCode::FORBIDDEN, words);
    };
    let user = User::from_uid(uid).ok().flatten();
    let by = user.map_or_else(|| format!("user {uid}"), |user| user.name);
    match reporter.override_server(request, by).await {
        Ok(done) => Json(done).into_response(),
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}")),
    }
}

/// The user behind a connection, as the kernel tells.
#[derive(Debug, Clone, Copy)]
struct Peer(Option<Uid>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| Uid::from_raw(peer.uid())))
    }
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

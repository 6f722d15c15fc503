//! The API behind the control socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{
    ApplyAnswer, ApplyRequest, Definitions, Explanation, OverrideAnswer, OverrideRequest, Plan,
    SourceText, Status, TrialAnswer, UpgradeAnswer,
};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use config::Source;
use nix::unistd::{Uid, User};
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use crate::definitions::Request;
use crate::kept::Loaded;
use crate::report::Reporter;

/// Bytes of a request: far more than the definitions of 100,000 real servers.
const LARGEST_REQUEST: usize = 64 << 20;

/// Seconds: a day.
const LONGEST_TRIAL: u64 = 86_400;

/// Serves until `stop` fires.
pub(crate) async fn serve(
    listener: std::os::unix::net::UnixListener,
    reporter: Arc<Reporter>,
    stop: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let listener = UnixListener::from_std(listener).context("control socket")?;
    let router = Router::new()
        .route(api::STATUS, get(status))
        .route(api::EXPLAIN, get(explain))
        .route(api::OVERRIDE, post(override_server))
        .route(api::UPGRADE, post(upgrade))
        .route(api::PLAN, post(plan))
        .route(api::APPLY, post(apply))
        .route(api::CONFIRM, post(confirm))
        .route(api::ROLLBACK, post(roll_back))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .fallback(|| async { Refusal(StatusCode::NOT_FOUND, "no such path".to_owned()) })
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

async fn status(State(reporter): State<Arc<Reporter>>) -> Answer<Status> {
    answer(reporter.status().await)
}

/// `?name=...`
#[derive(Debug, Deserialize)]
struct Name {
    name: String,
}

async fn explain(
    State(reporter): State<Arc<Reporter>>,
    Query(query): Query<Name>,
) -> Answer<Explanation> {
    let Json(found) = answer(reporter.explain(&query.name).await)?;
    if found.servers.is_empty() {
        let words = format!(
            "`{}` is neither the address of a real server nor the name of a virtual server; \
             `lvsctl status` lists both",
            query.name
        );
        return Err(Refusal(StatusCode::NOT_FOUND, words));
    }
    Ok(Json(found))
}

async fn override_server(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<OverrideRequest>,
) -> Answer<OverrideAnswer> {
    let by = changer(peer)?;
    let done = reporter.override_server(request, by).await;
    done.map(Json).map_err(|error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}")))
}

async fn upgrade(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Answer<UpgradeAnswer> {
    changer(peer)?;
    let done = reporter.upgrade().await;
    done.map(Json).map_err(|error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}")))
}

/// The definitions travel as text; whoever has opened the socket may ask what they would do.
async fn plan(
    State(reporter): State<Arc<Reporter>>,
    Json(definitions): Json<Definitions>,
) -> Answer<Plan> {
    answer(reporter.plan(parse(definitions)?.config).await)
}

async fn apply(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<ApplyRequest>,
) -> Answer<ApplyAnswer> {
    let by = changer(peer)?;
    let confirm = match request.confirm_seconds {
        None => None,
        Some(seconds @ 1..=LONGEST_TRIAL) => Some(Duration::from_secs(seconds)),
        Some(seconds) => {
            let words = format!("a trial of {seconds} seconds: it takes 1 second to 24 hours");
            return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, words));
        }
    };
    let file = PathBuf::from(&request.definitions.file.path);
    let config = parse(request.definitions)?;
    answer(reporter.apply(config, file, by, confirm).await)
}

async fn confirm(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Answer<TrialAnswer> {
    let by = changer(peer)?;
    trial_end(reporter.end_trial(|answer| Request::Confirm(by, answer)).await)
}

async fn roll_back(
    State(reporter): State<Arc<Reporter>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Answer<TrialAnswer> {
    let by = changer(peer)?;
    trial_end(reporter.end_trial(|answer| Request::RollBack(by, answer)).await)
}

fn trial_end(done: anyhow::Result<TrialAnswer>) -> Answer<TrialAnswer> {
    done.map(Json).map_err(|error| Refusal(StatusCode::CONFLICT, format!("{error:#}")))
}

/// The checked definitions, or all that is wrong with them.
fn parse(definitions: Definitions) -> Result<Loaded, Refusal> {
    let source = |one: SourceText| Source { path: one.path.into(), text: one.text };
    let files = std::iter::once(definitions.file).chain(definitions.includes);
    Loaded::parse(files.map(source).collect())
        .map_err(|errors| Refusal(StatusCode::UNPROCESSABLE_ENTITY, errors.to_string()))
}

/// The name of a user who may change something. The socket's mode says who may look; changes are
/// root's, and lvsd's own user's.
fn changer(peer: Peer) -> Result<String, Refusal> {
    let Some(uid) = peer.0.filter(|uid| uid.is_root() || *uid == Uid::effective()) else {
        let words = "only root may change something; others may look".to_owned();
        return Err(Refusal(StatusCode::FORBIDDEN, words));
    };
    let user = User::from_uid(uid).ok().flatten();
    Ok(user.map_or_else(|| format!("user {uid}"), |user| user.name))
}

/// The user behind a connection, as the kernel tells.
#[derive(Debug, Clone, Copy)]
struct Peer(Option<Uid>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| Uid::from_raw(peer.uid())))
    }
}

/// A document, or why there is none.
type Answer<T> = Result<Json<T>, Refusal>;

/// Why a request is not served.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(api::Problem { error: self.1 })).into_response()
    }
}

fn answer<T>(result: anyhow::Result<T>) -> Answer<T> {
    result.map(Json).map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))
}

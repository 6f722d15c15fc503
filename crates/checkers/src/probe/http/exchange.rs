//! One request and its answer over a connection, in HTTP/1 or HTTP/2.

use std::error::Error as _;
use std::io;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::outcome::Cause;
use crate::probe::{Deadline, Stop, tls};
use crate::spec::HttpVersion;

/// The largest head of an answer, in bytes.
const HEAD_LIMIT: u16 = u16::MAX;
/// What an HTTP/2 server may send before it is read, in bytes: the smallest of RFC 9113, 6.9.2.
const WINDOW: u32 = 65_535;

/// Sends the request over `stream`; `judge` reads the answer.
pub(in crate::probe) async fn exchange<S, T>(
    stream: S,
    version: HttpVersion,
    request: Request<Full<Bytes>>,
    deadline: &Deadline,
    judge: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Stop>,
) -> Result<T, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    match version {
        HttpVersion::Http10 | HttpVersion::Http11 => {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(HEAD_LIMIT.into())
                .handshake(io)
                .await
                .map_err(|error| stop(&error))?;
            drive(connection, sender.send_request(request), deadline, judge).await
        }
        HttpVersion::Http2 => {
            let tasks = Tasks::default();
            let _end = EndOnDrop(tasks.clone());
            let handshake = http2::Builder::new(tasks)
                .max_header_list_size(HEAD_LIMIT.into())
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .handshake(io);
            let (mut sender, connection) = deadline
                .within("starting HTTP/2", handshake)
                .await?
                .map_err(|error| stop(&error))?;
            drive(connection, sender.send_request(request), deadline, judge).await
        }
    }
}

/// Moves the connection's bytes while the answer is waited for and judged.
async fn drive<T>(
    connection: impl Future,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    deadline: &Deadline,
    judge: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let judged = async {
        let response = deadline
            .within("waiting for the answer", answer)
            .await?
            .map_err(|error| stop(&error))?;
        judge(response).await
    };
    let mut judged = pin!(judged);
    tokio::select! {
        result = &mut judged => result,
        // When it ends first, what it has read is still to be judged.
        _ = connection => judged.await,
    }
}

/// The tasks of an HTTP/2 connection, of which hyper wants at least one beside its future.
#[derive(Debug, Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

/// Ends the tasks, and so the connection: they hold [`Tasks`] themselves, which would live for
/// ever.
struct EndOnDrop(Tasks);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let tasks = mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(tasks);
    }
}

/// The error of the connection's reads and writes inside an error of hyper.
pub(super) fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    match h2_error(error) {
        Some(error) => error.get_io(),
        None => error.source()?.downcast_ref(),
    }
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

/// Judges an error of hyper.
pub(in crate::probe) fn stop(error: &hyper::Error) -> Stop {
    if error.is_user() {
        return Stop::Local(format!("send the request: {error}"));
    }
    let io = io_error(error);
    // What reads the frames of HTTP/2 has no better name for an end in the middle of one.
    let cut = io.is_some_and(|io| io.kind() == io::ErrorKind::Other);
    if let Some(error) = io.filter(|_| !cut) {
        return tls::stream_stop("read the answer", error);
    }
    if cut || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        let text = "connection closed before the answer was complete";
        return Stop::failed(Cause::Closed, text);
    }
    if let Some(error) = h2_error(error) {
        return Stop::failed(Cause::Protocol, words(error));
    }
    let text = match error.source() {
        Some(source) => format!("not a valid HTTP answer: {error}: {source}"),
        None => format!("not a valid HTTP answer: {error}"),
    };
    Stop::failed(Cause::Protocol, text)
}

/// An error of HTTP/2 itself (RFC 9113, 7), in the words of who runs the server.
fn words(error: &h2::Error) -> String {
    let reason = error.reason().unwrap_or(h2::Reason::PROTOCOL_ERROR);
    let what = reason.description();
    if error.is_remote() {
        let ended = if error.is_go_away() { "connection" } else { "request" };
        return format!("the server ends the {ended} (HTTP/2: {what})");
    }
    match reason {
        // As an answer in HTTP/1 or the greeting of another protocol looks.
        h2::Reason::FRAME_SIZE_ERROR => {
            "not an HTTP/2 answer (does the server speak another protocol on this port?)".to_owned()
        }
        h2::Reason::ENHANCE_YOUR_CALM => {
            "not a valid HTTP/2 answer: headers or other frames without end".to_owned()
        }
        _ => format!("not a valid HTTP/2 answer: {what}"),
    }
}

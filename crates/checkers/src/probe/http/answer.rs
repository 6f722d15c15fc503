//! Judges an HTTP answer: its status, then its body.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Response, Version};
use std::hash::Hash;
use std::io;

use super::exchange::{io_error, stop};
use crate::outcome::Cause;
use crate::probe::threads::{COSTLY, Threads};
use crate::probe::{Deadline, Stop};
use crate::spec::{HttpRequest, StatusRange};
use crate::wire::content::Received;
use crate::wire::excerpt;

/// A long search is made on one of the threads, for `owner`.
pub(super) async fn judge<K: Clone + Eq + Hash + Send + 'static>(
    response: Response<Incoming>,
    wanted: &HttpRequest,
    deadline: &Deadline,
    (threads, owner): (&Threads<K>, &K),
) -> Result<(), Stop> {
    expect_status(response.status().as_u16(), response.headers(), &wanted.status)?;
    let received = deadline.within("reading the body", read_body(response, wanted)).await??;
    let judged = if received.is_quick(&wanted.content) {
        received.judge(&wanted.content)
    } else {
        let content = wanted.content.clone();
        let task = ("search the body", COSTLY);
        threads.run(owner, task, deadline, move || received.judge(&content)).await?
    };
    judged.map_err(Stop::Failed)
}

pub(super) fn expect_status(
    status: u16,
    headers: &HeaderMap,
    ranges: &[StatusRange],
) -> Result<(), Stop> {
    if ranges.iter().any(|range| range.contains(status)) {
        return Ok(());
    }
    let wanted: Vec<_> = ranges.iter().map(ToString::to_string).collect();
    let mut text = format!("status {status} (expected {})", wanted.join(", "));
    // A redirect is not followed, so say where it leads.
    if let Some(location) = headers.get(header::LOCATION) {
        text += &format!(", Location: {}", excerpt(location.as_bytes()));
    }
    Err(Stop::failed(Cause::Status(status), text))
}

async fn read_body(response: Response<Incoming>, wanted: &HttpRequest) -> Result<Received, Stop> {
    // Without a length the body ends with the connection, which many TLS servers close without
    // saying so first. HTTP/2 always tells the end.
    let headers = response.headers();
    let until_close = response.version() != Version::HTTP_2
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let mut received = Received::new(&wanted.content, wanted.body_limit);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap_or_default();
                if received.add(&data).is_full() {
                    break;
                }
            }
            Err(error) if until_close && is_end(&error) => break,
            Err(error) => return Err(stop(&error)),
        }
    }
    Ok(received)
}

fn is_end(error: &hyper::Error) -> bool {
    io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

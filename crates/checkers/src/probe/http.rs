//! `http_get`: passes when the answer has a wanted status and is complete.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::Cause;
use crate::spec::{HttpGet, StatusRange};

/// So much of a body is read to see that it comes; the rest of a longer one is not waited for.
const BODY_LIMIT: usize = 1 << 20;
/// The largest head of an answer.
const HEAD_LIMIT: usize = 64 << 10;

pub(super) async fn run(
    target: SocketAddr,
    check: &HttpGet,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let address = check.connect.destination(target);
    let request = request(address, check)?;
    let stream = socket::connect(target, &check.connect, deadline).await?;
    let answered = match &check.tls {
        None => exchange(stream, request, check, deadline).await,
        Some(settings) => {
            let host = check.host.as_deref().map(without_port);
            let stream =
                tls::connect(stream, address, host, settings, &context.tls, deadline).await?;
            exchange(stream, request, check, deadline).await
        }
    };
    answered.map(|()| Passed::default())
}

/// The request. What hyper refuses to send is a fault of the configuration, not of the server.
fn request(address: SocketAddr, check: &HttpGet) -> Result<Request<Empty<Bytes>>, Stop> {
    let bad = |what: &str, text: &str| Stop::Local(format!("{what} `{text}` cannot be sent"));
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| bad("header value", text));

    let mut headers = HeaderMap::new();
    let host = check.host.clone().unwrap_or_else(|| authority(address, check.tls.is_some()));
    headers.insert(header::HOST, value(&host)?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("lvsd"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));

    let mut own = HeaderMap::new();
    for header in &check.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| bad("header name", &header.name))?;
        own.append(name, value(&header.value)?);
    }
    // `extend` replaces what is there and keeps repetitions of what comes.
    headers.extend(own);

    let mut request = Request::new(Empty::new());
    *request.uri_mut() = check.path.parse::<Uri>().map_err(|_| bad("path", &check.path))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// `Host` for an address, without the scheme's own port as all clients write it (RFC 9110, 4.2.3
/// and 7.2).
fn authority(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let default = if tls { 443 } else { 80 };
    if address.port() == default { ip } else { format!("{ip}:{}", address.port()) }
}

/// The name in a `Host` value.
fn without_port(host: &str) -> &str {
    if let Some((ip, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return ip;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    check: &HttpGet,
    deadline: &Deadline,
) -> Result<(), Stop>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| stop(&error))?;
    let judged = async {
        let response = deadline
            .within("waiting for the answer", sender.send_request(request))
            .await?
            .map_err(|error| stop(&error))?;
        expect_status(response.status().as_u16(), &check.status)?;
        deadline.within("reading the body", read_body(response)).await?
    };
    // The connection moves the bytes; when it ends first, what it read is still to be judged.
    let mut judged = pin!(judged);
    tokio::select! {
        result = &mut judged => result,
        _ = connection => judged.await,
    }
}

fn expect_status(status: u16, ranges: &[StatusRange]) -> Result<(), Stop> {
    if ranges.iter().any(|range| range.contains(status)) {
        return Ok(());
    }
    let wanted: Vec<_> = ranges.iter().map(ToString::to_string).collect();
    let text = format!("status {status} (expected {})", wanted.join(", "));
    Err(Stop::failed(Cause::Status(status), text))
}

async fn read_body(response: Response<Incoming>) -> Result<(), Stop> {
    // Without a length the body ends with the connection, which many TLS servers close without
    // saying so first.
    let headers = response.headers();
    let until_close = !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let mut body = response.into_body();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => size += frame.data_ref().map_or(0, Bytes::len),
            Err(error) if until_close && is_end(&error) => break,
            Err(error) => return Err(stop(&error)),
        }
        if size > BODY_LIMIT {
            break;
        }
    }
    Ok(())
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

fn is_end(error: &hyper::Error) -> bool {
    io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// Judges an error of hyper.
fn stop(error: &hyper::Error) -> Stop {
    if error.is_user() {
        return Stop::Local(format!("send the request: {error}"));
    }
    if let Some(error) = io_error(error) {
        return match tls::tls_error(error) {
            Some(error) => Stop::failed(Cause::Tls, format!("TLS: {error}")),
            None => socket::io_stop("read the answer", error),
        };
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        let text = "connection closed before the answer was complete";
        return Stop::failed(Cause::Closed, text);
    }
    let text = match error.source() {
        Some(source) => format!("not a valid HTTP answer: {error}: {source}"),
        None => format!("not a valid HTTP answer: {error}"),
    };
    Stop::failed(Cause::Protocol, text)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

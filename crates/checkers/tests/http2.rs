//! `http_get` in HTTP/2.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use checkers::{
    Cause, Expectation, HttpGet, HttpMethod, HttpRequest, HttpVersion, Kind, ProbeResult, Tls,
};
use common::authority::{https_with, server_config};
use common::faults::{First, half_closing, saying};
use common::{LONG, SHORT, answering, failure, http, run, server};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

fn check(tls: Option<Tls>, request: HttpRequest) -> Kind {
    Kind::Http(HttpGet { version: HttpVersion::Http2, tls, ..http(request) })
}

fn plain() -> Kind {
    check(None, HttpRequest::default())
}

fn unverified() -> Option<Tls> {
    Some(Tls { verify: false, ..Tls::VERIFIED })
}

/// Answers with method, address, `X-Probe` and body of the request; two megabytes for `/large`.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let probe = head.headers.get("x-probe").map_or("", |value| value.to_str().unwrap());
    let text = format!("{} {} {probe} {}", head.method, head.uri, body.escape_ascii());
    let large = head.uri.path() == "/large";
    let answer = if large { Bytes::from(vec![b'x'; 2 << 20]) } else { Bytes::from(text) };
    Ok(Response::new(Full::new(answer)))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let io = TokioIo::new(stream);
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service_fn(echo)).await;
}

async fn plain_server() -> SocketAddr {
    server(|stream| async move {
        // As servers do.
        stream.set_nodelay(true).unwrap();
        serve(stream).await;
    })
    .await
}

async fn tls_server(protocols: &[&str]) -> SocketAddr {
    let mut config = server_config(&["www.example.org"], None, None, |_| ());
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn requests_arrive_whole_with_tls_and_without() {
    let request = |scheme: &str| HttpRequest {
        method: HttpMethod::Post,
        host: Some("www.example.org".into()),
        headers: vec![checkers::Header {
            name: "X-Probe".into(),
            value: checkers::Secret::new("yes"),
        }],
        body: Some("ping".into()),
        content: vec![Expectation::Contains(format!(
            "POST {scheme}://www.example.org/healthz yes ping"
        ))],
        ..HttpRequest::default()
    };
    let outcome = run(plain_server().await, check(None, request("http")), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    let address = tls_server(&["h2"]).await;
    let outcome = run(address, check(unverified(), request("https")), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
}

#[tokio::test]
async fn a_long_body_is_read_to_the_limit() {
    let request = HttpRequest { path: "/large".into(), ..HttpRequest::default() };
    let kind = |request| {
        let requests = vec![request];
        Kind::Http(HttpGet { version: HttpVersion::Http2, requests, ..HttpGet::default() })
    };
    let address = plain_server().await;
    assert_eq!(run(address, kind(request.clone()), LONG).await.result, ProbeResult::Passed);
    let content = vec![Expectation::ContainsNot("y".into())];
    let outcome = run(address, kind(HttpRequest { content, ..request.clone() }), LONG).await;
    let text = failure(&outcome, Cause::Content);
    assert_eq!(text, "the body is longer than body_limit, 1048576 bytes");
    let content = vec![Expectation::ContainsNot("y".into())];
    let whole = HttpRequest { content, body_limit: 2 << 20, ..request };
    assert_eq!(run(address, kind(whole), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn a_server_that_does_not_choose_h2_fails() {
    // None chosen, and a refusal.
    let config = server_config(&["www.example.org"], None, None, |_| ());
    let outcome =
        run(https_with(config).await, check(unverified(), HttpRequest::default()), LONG).await;
    let text = failure(&outcome, Cause::Protocol);
    assert_eq!(text, "TLS: the server did not choose HTTP/2 (ALPN: h2)");
    let only_old = tls_server(&["http/1.1"]).await;
    failure(&run(only_old, check(unverified(), HttpRequest::default()), LONG).await, Cause::Tls);
}

/// A server's first frame: empty SETTINGS (RFC 9113, 6.5).
const SETTINGS: [u8; 9] = *b"\0\0\0\x04\0\0\0\0\0";
/// HEADERS of stream 1 with `:status 200` and no END_STREAM (6.2; RFC 7541, appendix A).
const HEADERS: [u8; 10] = *b"\0\0\x01\x01\x04\0\0\0\x01\x88";

const fn join<const A: usize, const B: usize, const C: usize>(a: [u8; A], b: [u8; B]) -> [u8; C] {
    let mut joined = [0; C];
    let mut at = 0;
    while at < A + B {
        joined[at] = if at < A { a[at] } else { b[at - A] };
        at += 1;
    }
    joined
}

static ANSWER_WITHOUT_END: [u8; 19] = join(SETTINGS, HEADERS);
/// GOAWAY with INTERNAL_ERROR (6.8).
static SETTINGS_AND_GOAWAY: [u8; 26] = join(SETTINGS, *b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02");
/// RST_STREAM with REFUSED_STREAM (6.4).
static SETTINGS_AND_RESET: [u8; 22] = join(SETTINGS, *b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07");

#[tokio::test]
async fn a_server_that_gives_up_says_so() {
    for (what, address, text) in [
        (
            "goes away",
            half_closing(First::Client, &SETTINGS_AND_GOAWAY).await,
            "the server ends the connection (HTTP/2: unexpected internal error encountered)",
        ),
        (
            "resets the stream",
            saying(First::Client, &SETTINGS_AND_RESET).await,
            "the server ends the request (HTTP/2: refused stream before processing any \
             application logic)",
        ),
        (
            "speaks HTTP/1.1",
            answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await,
            "not an HTTP/2 answer (does the server speak another protocol on this port?)",
        ),
    ] {
        let outcome = run(address, plain(), LONG).await;
        assert_eq!(failure(&outcome, Cause::Protocol), text, "{what}");
    }
}

#[tokio::test]
async fn a_body_without_end_ends_at_the_timeout() {
    let address = saying(First::Client, &ANSWER_WITHOUT_END).await;
    let text = failure(&run(address, plain(), SHORT).await, Cause::TimedOut);
    assert_eq!(text, "timed out after 300ms while reading the body");
}

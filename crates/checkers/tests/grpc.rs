//! `grpc_check` against HTTP/2 servers written here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets and time, whose helpers may panic"
)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use checkers::{Cause, GrpcCheck, Kind, ProbeResult};
use common::{LONG, failure, run, server};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// What a server answers.
#[derive(Debug, Clone, Copy)]
struct Answer {
    http: u16,
    body: &'static [u8],
    /// `grpc-status` in the trailers.
    trailer: Option<&'static str>,
    /// `grpc-status` among the headers.
    header: Option<&'static str>,
}

/// SERVING, as grpc-go sends it.
const SERVING: Answer =
    Answer { http: 200, body: b"\0\0\0\0\x02\x08\x01", trailer: Some("0"), header: None };

async fn serving(answer: Answer) -> SocketAddr {
    server(move |stream| async move {
        let service = service_fn(move |request: Request<Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["content-type"], "application/grpc");
            assert_eq!(request.headers()["te"], "trailers");
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            // A server that knows the service `a.B` and itself.
            let known = *asked == *b"\0\0\0\0\0" || *asked == *b"\0\0\0\0\x05\x0a\x03a.B";
            let answer = if known {
                answer
            } else {
                Answer { body: b"", trailer: None, header: Some("5"), ..answer }
            };
            Ok::<_, Infallible>(response(answer))
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    })
    .await
}

fn response(answer: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::builder().status(answer.http);
    response = response.header("content-type", "application/grpc");
    if let Some(status) = answer.header {
        response = response.header("grpc-status", status);
    }
    let body = Full::new(Bytes::from_static(answer.body));
    let body = match answer.trailer {
        None => body.boxed(),
        Some(status) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            body.with_trailers(async move { Some(Ok(trailers)) }).boxed()
        }
    };
    response.body(body).unwrap()
}

fn grpc(service: &str) -> Kind {
    Kind::Grpc(GrpcCheck { service: service.into(), ..GrpcCheck::default() })
}

#[tokio::test]
async fn serving_passes() {
    let address = serving(SERVING).await;
    for service in ["", "a.B"] {
        assert_eq!(run(address, grpc(service), LONG).await.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn other_answers_fail_by_their_names() {
    let address = serving(SERVING).await;
    let outcome = run(address, grpc("a.C"), LONG).await;
    let text = failure(&outcome, Cause::Status(5));
    assert_eq!(text, "grpc-status 5 NOT_FOUND (expected 0 OK)");

    for (answer, cause, text) in [
        (
            Answer { body: b"\0\0\0\0\x02\x08\x02", ..SERVING },
            Cause::Reported,
            "status NOT_SERVING (expected SERVING)",
        ),
        (
            Answer { body: b"", trailer: Some("12"), ..SERVING },
            Cause::Status(12),
            "grpc-status 12 UNIMPLEMENTED (expected 0 OK)",
        ),
        (
            Answer { trailer: Some("14"), ..SERVING },
            Cause::Status(14),
            "grpc-status 14 UNAVAILABLE (expected 0 OK)",
        ),
        (Answer { http: 503, ..SERVING }, Cause::Status(503), "status 503 (expected 200)"),
        (Answer { trailer: None, ..SERVING }, Cause::Protocol, "an answer without grpc-status"),
        (
            Answer { body: &[0; 5000], ..SERVING },
            Cause::Protocol,
            "an answer of more than 4096 bytes",
        ),
    ] {
        let outcome = run(serving(answer).await, grpc(""), LONG).await;
        assert_eq!(failure(&outcome, cause), text);
    }
}

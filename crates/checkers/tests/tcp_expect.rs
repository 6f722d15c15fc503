//! What a `tcp_check` sends and expects, with TLS and without.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use checkers::{Cause, Expect, Kind, Pattern, ProbeResult, TcpCheck, Tls};
use common::authority::{authority, https, trusting};
use common::faults::{First, dripping, half_closing, silent};
use common::{LONG, SHORT, failure, run, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn bytes(text: &[u8]) -> Option<Expect> {
    Some(Expect::Bytes(text.to_vec()))
}

fn pattern(text: &str) -> Option<Expect> {
    Some(Expect::Matches(Pattern::new(text).unwrap()))
}

fn expecting(expect: Option<Expect>) -> Kind {
    Kind::Tcp(TcpCheck { expect, ..TcpCheck::default() })
}

/// Answers `PING\r\n` with `+PONG\r\n`, as Redis does.
async fn redis() -> SocketAddr {
    server(|mut stream| async move {
        let mut asked = [0; 6];
        if stream.read_exact(&mut asked).await.is_ok() && asked == *b"PING\r\n" {
            let _ = stream.write_all(b"+PONG\r\n").await;
        }
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn the_expected_answer_passes_at_once() {
    let address = redis().await;
    for expect in [bytes(b"+PONG"), bytes(b"\r\n"), pattern(r"^\+PONG\r\n$"), None] {
        let send = b"PING\r\n".to_vec();
        let kind = Kind::Tcp(TcpCheck { send, expect, ..TcpCheck::default() });
        assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn an_answer_in_pieces_passes_when_it_is_there() {
    let pause = Duration::from_millis(1);
    let address = dripping(First::Server, b"220 mai", b"l", pause).await;
    for expect in [bytes(b"maill"), pattern("^220 mail+l")] {
        assert_eq!(run(address, expecting(expect), LONG).await.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn the_failure_says_what_came_instead() {
    let busy = half_closing(First::Server, b"421 busy\r\n").await;
    let outcome = run(busy, expecting(bytes(b"220")), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::Content),
        "connection closed, without \"220\"; got \"421 busy\\r\\n\""
    );
    let outcome = run(busy, expecting(pattern("^220")), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::Content),
        "connection closed, without a match of `^220`; got \"421 busy\\r\\n\""
    );
    let outcome = run(silent().await, expecting(bytes(b"220")), SHORT).await;
    assert_eq!(
        failure(&outcome, Cause::TimedOut),
        "timed out after 300ms while waiting for the expected answer, without an answer"
    );
}

#[tokio::test]
async fn with_tls_the_certificate_and_the_answer_count() {
    let authority = authority();
    let address = https(&["www.example.org"], Some(&authority), |_| ()).await;
    let kind = |tls: Tls, expect| {
        let send = b"GET / HTTP/1.0\r\n\r\n".to_vec();
        Kind::Tcp(TcpCheck { tls: Some(tls), send, expect, ..TcpCheck::default() })
    };
    let trusted = || trusting(&authority, Some("www.example.org"));
    for expect in [None, bytes(b"200 OK")] {
        let outcome = run(address, kind(trusted(), expect), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed);
    }
    let outcome = run(address, kind(trusted(), bytes(b"404")), LONG).await;
    failure(&outcome, Cause::Closed);
    // Without a name the certificate has to be for the address.
    let outcome = run(address, kind(trusting(&authority, None), None), LONG).await;
    failure(&outcome, Cause::NameMismatch);
}

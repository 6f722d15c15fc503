//! `http_get`: what is asked, and which answers pass.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::time::Duration;

use checkers::{Cause, Header, HttpRequest, ProbeResult, Secret, StatusRange};
use common::faults::{First, dripping};
use common::{LONG, SHORT, answering, failure, get, read_head, request, run, server};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn complete_answers_pass() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let outcome = run(answering(answer).await, get(), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed, "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_body_that_is_announced_and_kept_open_is_read_to_its_length() {
    let address = server(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(run(address, get(), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn the_status_decides() {
    let check = |first, last| {
        request(HttpRequest { status: vec![StatusRange { first, last }], ..HttpRequest::default() })
    };
    let address = answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    let outcome = run(address, get(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Status(500)), "status 500 (expected 200-299)");
    assert_eq!(run(address, check(500, 500), LONG).await.result, ProbeResult::Passed);

    // A redirect is an answer, and is not followed: nobody is at its end.
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
    let address = answering(redirect).await;
    let outcome = run(address, get(), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::Status(302)),
        "status 302 (expected 200-299), Location: \"http://192.0.2.1/\""
    );
    assert_eq!(run(address, check(300, 399), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn the_request_is_what_the_check_says() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            sender.send(read_head(&mut stream).await).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let header = Header { name: "X-Probe".into(), value: Secret::new("yes") };
    let check = request(HttpRequest {
        host: Some("www.example.org".into()),
        headers: vec![header],
        ..HttpRequest::default()
    });
    assert_eq!(run(address, check, LONG).await.result, ProbeResult::Passed);
    assert_eq!(
        receiver.recv_timeout(LONG).unwrap(),
        "GET /healthz HTTP/1.1\r\nhost: www.example.org\r\nuser-agent: lvsd\r\naccept: */*\r\n\
         connection: close\r\nx-probe: yes\r\n\r\n"
    );
}

#[tokio::test]
async fn garbage_fails() {
    for answer in [
        &b"220 mail.example.org ESMTP\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"\0\xff\x80\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nabc",
    ] {
        let outcome = run(answering(answer).await, get(), LONG).await;
        let text = failure(&outcome, Cause::Protocol);
        assert!(text.starts_with("not a valid HTTP answer: "), "{text}");
    }
}

#[tokio::test]
async fn an_answer_cut_short_fails() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nServ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let outcome = run(answering(answer).await, get(), LONG).await;
        let text = failure(&outcome, Cause::Closed);
        assert_eq!(text, "connection closed before the answer was complete");
    }
}

#[tokio::test]
async fn a_slow_body_ends_at_the_timeout() {
    let start = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let address = dripping(First::Client, start, b"x", Duration::from_millis(50)).await;
    let text = failure(&run(address, get(), SHORT).await, Cause::TimedOut);
    assert_eq!(text, "timed out after 300ms while reading the body");
}

#[tokio::test]
async fn an_endless_line_of_a_head_is_refused() {
    let start = b"HTTP/1.1 200 OK\r\nX: ";
    let address = dripping(First::Client, start, &[b'x'; 4096], Duration::ZERO).await;
    let text = failure(&run(address, get(), LONG).await, Cause::Protocol);
    assert_eq!(text, "not a valid HTTP answer: message head is too large");
}

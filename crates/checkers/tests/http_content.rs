//! What `http_get` says of the content of answers.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use checkers::{
    Cause, Digest, Expectation, HttpMethod, HttpRequest, HttpVersion, Kind, Pattern, ProbeResult,
    StatusRange,
};
use common::faults::{First, dripping};
use common::{LONG, answering, failure, http, read_head, request, run, server};
use tokio::io::AsyncWriteExt;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

/// `printf 'hello\n' | md5sum` and `... | sha256sum`.
const HELLO_MD5: &str = "b1946ac92492d2347c6235b4d2611184";
const HELLO_SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

fn contains(text: &str) -> Expectation {
    Expectation::Contains(text.into())
}

fn contains_not(text: &str) -> Expectation {
    Expectation::ContainsNot(text.into())
}

fn matches(text: &str) -> Expectation {
    Expectation::Matches(Pattern::new(text).unwrap())
}

fn matches_not(text: &str) -> Expectation {
    Expectation::MatchesNot(Pattern::new(text).unwrap())
}

fn digits<const N: usize>(text: &str) -> [u8; N] {
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

fn md5(text: &str) -> Expectation {
    Expectation::Digest(Digest::Md5(digits(text)))
}

fn sha256(text: &str) -> Expectation {
    Expectation::Digest(Digest::Sha256(digits(text)))
}

fn expecting(content: Vec<Expectation>) -> HttpRequest {
    HttpRequest { content, ..HttpRequest::default() }
}

#[tokio::test]
async fn answers_with_the_expected_content_pass() {
    let address = answering(HELLO).await;
    for content in [
        vec![contains("hell")],
        vec![contains_not("HELLO")],
        vec![matches("^h.*o\n$"), matches("(?i)HELLO")],
        vec![matches_not("(?m)^o$")],
        vec![md5(HELLO_MD5)],
        vec![sha256(HELLO_SHA256)],
        vec![contains("o"), contains_not("x"), matches("l{2}"), md5(HELLO_MD5)],
    ] {
        let outcome = run(address, request(expecting(content.clone())), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed, "{content:?}");
    }
}

#[tokio::test]
async fn answers_with_other_content_fail_and_are_shown() {
    let address = answering(HELLO).await;
    for (content, text) in [
        (contains("bye"), "the body does not contain \"bye\"; it starts with \"hello\\n\""),
        (contains_not("ell"), "the body contains \"ell\"; it starts with \"hello\\n\""),
        (matches("^o"), "the body does not match `^o`; it starts with \"hello\\n\""),
        (matches_not("l+"), "the body matches `l+`; it starts with \"hello\\n\""),
        (
            md5("d41d8cd98f00b204e9800998ecf8427e"),
            "the md5 of the body is b1946ac92492d2347c6235b4d2611184, not \
             d41d8cd98f00b204e9800998ecf8427e",
        ),
    ] {
        // What comes first does not save it.
        let content = vec![contains("hello"), content];
        let outcome = run(address, request(expecting(content)), LONG).await;
        assert!(failure(&outcome, Cause::Content).starts_with(text.split(';').next().unwrap()));
        if text.contains(';') {
            assert_eq!(failure(&outcome, Cause::Content), text);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_judged_and_shown_harmless() {
    let address = answering(b"HTTP/1.1 200 OK\r\n\r\n\xff\x1b[2Jok").await;
    let outcome = run(address, request(expecting(vec![contains("ok")])), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    let outcome = run(address, request(expecting(vec![contains("no")])), LONG).await;
    let text = failure(&outcome, Cause::Content);
    assert_eq!(text, "the body does not contain \"no\"; it starts with \"\\xff\\x1b[2Jok\"");
}

#[tokio::test]
async fn no_more_of_a_body_than_the_limit_is_judged() {
    let start = b"HTTP/1.1 200 OK\r\n\r\nhello";
    let endless = dripping(First::Client, start, &[b'x'; 4096], std::time::Duration::ZERO).await;
    let check = |expectation, body_limit| {
        request(HttpRequest { body_limit, ..expecting(vec![expectation]) })
    };
    for expectation in [contains("hello"), matches("^hellox")] {
        let outcome = run(endless, check(expectation, 4096), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed);
    }
    let outcome = run(endless, check(contains("bye"), 5), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::Content),
        "the body does not contain \"bye\" in its first 5 bytes; it starts with \"hello\""
    );
    for expectation in [contains_not("bye"), matches_not("bye"), md5(HELLO_MD5)] {
        let outcome = run(endless, check(expectation, 4096), LONG).await;
        let text = failure(&outcome, Cause::Content);
        assert_eq!(text, "the body is longer than body_limit, 4096 bytes");
    }
    // A body of just the limit is whole.
    let hello = answering(HELLO).await;
    for (limit, passes) in [(6, true), (5, false)] {
        let outcome = run(hello, check(md5(HELLO_MD5), limit), LONG).await;
        assert_eq!(outcome.result == ProbeResult::Passed, passes, "{limit}");
    }
}

/// A pattern that takes an exponential time where patterns are followed step by step.
#[tokio::test]
async fn a_malicious_body_takes_no_long_search() {
    let start = b"HTTP/1.1 200 OK\r\n\r\n";
    let endless = dripping(First::Client, start, &[b'a'; 4096], std::time::Duration::ZERO).await;
    let outcome = run(endless, request(expecting(vec![matches("(a*)*b")])), LONG).await;
    failure(&outcome, Cause::Content);
    assert!(outcome.latency < LONG / 6, "{:?}", outcome.latency);
}

/// A server that answers `404` for `/missing`, else `200`, and tells the first lines and the
/// bodies of what it was asked.
async fn paths() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            let head = read_head(&mut stream).await;
            let mut body = [0; 4];
            if head.contains("content-length: 4") {
                tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body).await.unwrap();
            }
            let line = head.lines().next().unwrap_or_default();
            let body = String::from_utf8_lossy(&body).trim_matches('\0').to_owned();
            sender.send(format!("{line} {body}").trim().to_owned()).unwrap();
            let status = if head.contains("/missing") { "404 Not Found" } else { "200 OK" };
            let length = if head.starts_with("HEAD") { 100 } else { 0 };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    (address, receiver)
}

fn path(path: &str) -> HttpRequest {
    HttpRequest { path: path.into(), ..HttpRequest::default() }
}

#[tokio::test]
async fn several_requests_pass_together_or_the_first_that_fails_is_named() {
    let (address, asked) = paths().await;
    let all = |requests: Vec<HttpRequest>| {
        Kind::Http(checkers::HttpGet { requests, ..checkers::HttpGet::default() })
    };
    let found = all(vec![path("/a"), path("/b")]);
    assert_eq!(run(address, found, LONG).await.result, ProbeResult::Passed);
    let missing = all(vec![path("/a"), path("/missing"), path("/b")]);
    let outcome = run(address, missing, LONG).await;
    let text = failure(&outcome, Cause::Status(404));
    assert_eq!(text, "GET /missing: status 404 (expected 200-299)");
    let asked: Vec<_> = asked.try_iter().collect();
    let expected = ["/a", "/b", "/a", "/missing"].map(|path| format!("GET {path} HTTP/1.1"));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn methods_bodies_and_versions_are_sent() {
    let (address, asked) = paths().await;
    let post = HttpRequest {
        method: HttpMethod::Post,
        body: Some("ping".into()),
        ..HttpRequest::default()
    };
    for method in [HttpMethod::Head, HttpMethod::Options, HttpMethod::Put] {
        let check = request(HttpRequest { method, ..HttpRequest::default() });
        assert_eq!(run(address, check, LONG).await.result, ProbeResult::Passed, "{method:?}");
    }
    assert_eq!(run(address, request(post), LONG).await.result, ProbeResult::Passed);
    let http = http(HttpRequest::default());
    let old = Kind::Http(checkers::HttpGet { version: HttpVersion::Http10, ..http });
    assert_eq!(run(address, old, LONG).await.result, ProbeResult::Passed);
    let asked: Vec<_> = asked.try_iter().collect();
    assert_eq!(
        asked,
        [
            "HEAD /healthz HTTP/1.1",
            "OPTIONS /healthz HTTP/1.1",
            "PUT /healthz HTTP/1.1",
            "POST /healthz HTTP/1.1 ping",
            "GET /healthz HTTP/1.0",
        ]
    );
}

#[tokio::test]
async fn the_status_is_judged_before_the_content() {
    let address = answering(b"HTTP/1.1 503 Oops\r\nContent-Length: 2\r\n\r\nok").await;
    let outcome = run(address, request(expecting(vec![contains("ok")])), LONG).await;
    failure(&outcome, Cause::Status(503));
    let status = vec![StatusRange { first: 503, last: 503 }];
    let check = request(HttpRequest { status, ..expecting(vec![contains("ok")]) });
    assert_eq!(run(address, check, LONG).await.result, ProbeResult::Passed);
}

use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::probe::threads::Threads;
use crate::spec::{BasicAuth, Header, Secret, StatusRange, Tls};

fn wanted() -> HttpRequest {
    HttpRequest { path: "/healthz?full=1".into(), ..HttpRequest::default() }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Secret::new(value) }
}

fn headers_of(check: &HttpGet, wanted: &HttpRequest, address: &str) -> Vec<(String, String)> {
    let request = request::build(address.parse().unwrap(), check, wanted).unwrap();
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    request.headers().iter().map(pair).collect()
}

fn headers(wanted: &HttpRequest, address: &str) -> Vec<(String, String)> {
    headers_of(&HttpGet::default(), wanted, address)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn the_request_names_host_and_agent_and_closes() {
    assert_eq!(
        headers(&wanted(), "192.0.2.1:8080"),
        pairs([
            ("host", "192.0.2.1:8080"),
            ("user-agent", "lvsd"),
            ("accept", "*/*"),
            ("connection", "close"),
        ])
    );
}

#[test]
fn own_headers_replace_and_repeat() {
    let wanted = HttpRequest {
        host: Some("www.example.org".into()),
        headers: vec![
            header("User-Agent", "check/1"),
            header("X-Probe", "a"),
            header("X-Probe", "b"),
        ],
        ..wanted()
    };
    assert_eq!(
        headers(&wanted, "192.0.2.1:80"),
        pairs([
            ("host", "www.example.org"),
            ("user-agent", "check/1"),
            ("accept", "*/*"),
            ("connection", "close"),
            ("x-probe", "a"),
            ("x-probe", "b"),
        ])
    );
}

/// As curl 8 writes it for the same URLs.
#[test]
fn the_default_host_is_written_as_clients_do() {
    let host = |address: &str, tls: bool| {
        let check = HttpGet { tls: tls.then_some(Tls::VERIFIED), ..HttpGet::default() };
        headers_of(&check, &wanted(), address)[0].1.clone()
    };
    assert_eq!(host("192.0.2.1:80", false), "192.0.2.1");
    assert_eq!(host("192.0.2.1:443", false), "192.0.2.1:443");
    assert_eq!(host("192.0.2.1:443", true), "192.0.2.1");
    assert_eq!(host("[2001:db8::1]:80", false), "[2001:db8::1]");
    assert_eq!(host("[2001:db8::1]:8080", false), "[2001:db8::1]:8080");
    assert_eq!(host("[fe80::1%3]:8080", false), "[fe80::1]:8080");
}

#[test]
fn the_name_in_a_host_value() {
    for (host, name) in [
        ("www.example.org", "www.example.org"),
        ("www.example.org:8443", "www.example.org"),
        ("192.0.2.1:8443", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8443", "2001:db8::1"),
    ] {
        assert_eq!(without_port(host), name);
    }
}

#[test]
fn what_cannot_be_sent_is_local() {
    for bad in [
        HttpRequest { path: "/a b".into(), ..wanted() },
        HttpRequest { host: Some("a\nb".into()), ..wanted() },
        HttpRequest { headers: vec![header("a b", "c")], ..wanted() },
        HttpRequest { headers: vec![header("a", "b\r\nc: d")], ..wanted() },
    ] {
        let address = "192.0.2.1:80".parse().unwrap();
        let stop = request::build(address, &HttpGet::default(), &bad).unwrap_err();
        assert!(matches!(stop, Stop::Local(_)), "{stop:?}");
    }
}

/// The example of RFC 7617, section 2.
#[test]
fn basic_authentication_is_encoded_and_stays_hidden() {
    let auth = BasicAuth { user: "Aladdin".into(), password: Secret::new("open sesame") };
    let check = HttpGet { auth: Some(auth), ..HttpGet::default() };
    let headers = headers_of(&check, &wanted(), "192.0.2.1:80");
    let sent = ("authorization".to_owned(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
    assert!(headers.contains(&sent), "{headers:?}");

    let wanted = HttpRequest { headers: vec![header("Cookie", "id=sesame")], ..wanted() };
    let shown = format!("{check:?} {wanted:?}");
    assert!(!shown.contains("sesame"), "{shown}");
}

/// RFC 9113, sections 8.2.2 and 8.3.1.
#[test]
fn http2_has_an_absolute_address_and_no_connection_headers() {
    let check = HttpGet { version: HttpVersion::Http2, ..HttpGet::default() };
    let address = "[2001:db8::1]:8080".parse().unwrap();
    let request = request::build(address, &check, &wanted()).unwrap();
    assert_eq!(request.uri(), "http://[2001:db8::1]:8080/healthz?full=1");
    assert_eq!(
        headers_of(&check, &wanted(), "192.0.2.1:80"),
        pairs([("user-agent", "lvsd"), ("accept", "*/*")])
    );
}

#[test]
fn statuses_are_judged_by_the_ranges() {
    let ranges = [StatusRange::SUCCESS, StatusRange { first: 404, last: 404 }];
    for status in [200, 299, 404] {
        assert!(answer::expect_status(status, &HeaderMap::new(), &ranges).is_ok(), "{status}");
    }
    for status in [199, 300, 403, 405, 500] {
        let Err(Stop::Failed(failure)) = answer::expect_status(status, &HeaderMap::new(), &ranges)
        else {
            panic!("{status} passed");
        };
        assert_eq!(failure.cause, Cause::Status(status));
        assert_eq!(failure.text, format!("status {status} (expected 200-299, 404)"));
    }
}

/// What a probe makes of these bytes as the answer, after which the server closes.
fn judge_answer(version: HttpVersion, answer: &[u8]) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Deadline::new(Instant::now(), Duration::from_secs(60));
    let (check, wanted) = (HttpGet { version, ..HttpGet::default() }, wanted());
    let request = request::build("192.0.2.1:80".parse().unwrap(), &check, &wanted).unwrap();
    let (client, server) = tokio::io::duplex(64 << 10);
    let serve = async {
        let (mut read, mut write) = tokio::io::split(server);
        let mut head = [0; 1024];
        let _ = tokio::io::AsyncReadExt::read(&mut read, &mut head).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, answer).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    };
    let threads = Threads::default();
    let judge = async |response| answer::judge(response, &wanted, &deadline, (&threads, &())).await;
    let exchange = exchange(client, version, request, &deadline, judge);
    runtime.block_on(async { tokio::join!(exchange, serve).0 })
}

/// Never a panic, never local trouble, and only an answer with a passing status passes.
fn holds(answer: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let passing = [&b"HTTP/1.0 2"[..], b"HTTP/1.1 2"];
    match judge_answer(HttpVersion::Http11, answer) {
        Ok(()) => proptest::prop_assert!(
            // Interim answers (1xx) and empty lines may come first.
            answer.windows(10).any(|window| passing.contains(&window))
        ),
        Err(stop) => proptest::prop_assert!(matches!(stop, Stop::Failed(_)), "{:?}", stop),
    }
    Ok(())
}

proptest::proptest! {
    /// A preface of settings is the least that HTTP/2 asks for, so these bytes never pass.
    #[test]
    fn any_bytes_are_judged_as_http2(
        settings in proptest::prelude::any::<bool>(),
        answer in proptest::collection::vec(proptest::num::u8::ANY, 0..2048),
    ) {
        let preface: &[u8] = if settings { b"\0\0\0\x04\0\0\0\0\0" } else { b"" };
        let result = judge_answer(HttpVersion::Http2, &[preface, &answer].concat());
        proptest::prop_assert!(matches!(result, Err(Stop::Failed(_))), "{:?}", result);
    }

    #[test]
    fn any_bytes_are_judged(answer in proptest::collection::vec(proptest::num::u8::ANY, 0..2048)) {
        holds(&answer)?;
    }

    #[test]
    fn damaged_answers_are_judged(
        mut answer in proptest::sample::select(vec![
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd".to_vec(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n".to_vec(),
            b"HTTP/1.0 204 No Content\r\nServer: x\r\nConnection: close\r\n\r\n".to_vec(),
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabcd".to_vec(),
        ]),
        damage in proptest::collection::vec(proptest::prelude::any::<(proptest::sample::Index, u8)>(), 0..4),
        cut in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        for (index, byte) in damage {
            let index = index.index(answer.len());
            answer[index] = byte;
        }
        answer.truncate(cut.index(answer.len() + 1));
        holds(&answer)?;
    }
}

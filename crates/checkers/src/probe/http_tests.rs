use super::*;
use crate::spec::{Connect, Header, Tls};

fn check() -> HttpGet {
    HttpGet {
        connect: Connect::default(),
        tls: None,
        path: "/healthz?full=1".into(),
        host: None,
        headers: Vec::new(),
        status: vec![StatusRange::SUCCESS],
    }
}

fn headers(check: &HttpGet, address: &str) -> Vec<(String, String)> {
    let request = request(address.parse().unwrap(), check).unwrap();
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    request.headers().iter().map(pair).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn the_request_names_host_and_agent_and_closes() {
    assert_eq!(
        headers(&check(), "192.0.2.1:8080"),
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
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let check = HttpGet {
        host: Some("www.example.org".into()),
        headers: vec![
            header("User-Agent", "check/1"),
            header("X-Probe", "a"),
            header("X-Probe", "b"),
        ],
        ..check()
    };
    assert_eq!(
        headers(&check, "192.0.2.1:80"),
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
        let tls = tls.then_some(Tls { verify: true, server_name: None, ca_file: None });
        headers(&HttpGet { tls, ..check() }, address)[0].1.clone()
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
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    for bad in [
        HttpGet { path: "/a b".into(), ..check() },
        HttpGet { host: Some("a\nb".into()), ..check() },
        HttpGet { headers: vec![header("a b", "c")], ..check() },
        HttpGet { headers: vec![header("a", "b\r\nc: d")], ..check() },
    ] {
        let stop = request("192.0.2.1:80".parse().unwrap(), &bad).unwrap_err();
        assert!(matches!(stop, Stop::Local(_)), "{stop:?}");
    }
}

#[test]
fn statuses_are_judged_by_the_ranges() {
    let ranges = [StatusRange::SUCCESS, StatusRange { first: 404, last: 404 }];
    for status in [200, 299, 404] {
        assert!(expect_status(status, &ranges).is_ok(), "{status}");
    }
    for status in [199, 300, 403, 405, 500] {
        let Err(Stop::Failed(failure)) = expect_status(status, &ranges) else {
            panic!("{status} passed");
        };
        assert_eq!(failure.cause, Cause::Status(status));
        assert_eq!(failure.text, format!("status {status} (expected 200-299, 404)"));
    }
}

/// What a probe makes of these bytes as the answer, after which the server closes.
fn judge_answer(answer: &[u8]) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Deadline::new(std::time::Instant::now(), std::time::Duration::from_secs(60));
    let check = check();
    let request = request("192.0.2.1:80".parse().unwrap(), &check).unwrap();
    let (client, server) = tokio::io::duplex(64 << 10);
    let serve = async {
        let (mut read, mut write) = tokio::io::split(server);
        let mut head = [0; 1024];
        let _ = tokio::io::AsyncReadExt::read(&mut read, &mut head).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, answer).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    };
    runtime.block_on(async { tokio::join!(exchange(client, request, &check, &deadline), serve).0 })
}

/// Never a panic, never local trouble, and only an answer with a passing status passes.
fn holds(answer: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let passing = [&b"HTTP/1.0 2"[..], b"HTTP/1.1 2"];
    match judge_answer(answer) {
        Ok(()) => proptest::prop_assert!(
            // Interim answers (1xx) and empty lines may come first.
            answer.windows(10).any(|window| passing.contains(&window))
        ),
        Err(stop) => proptest::prop_assert!(matches!(stop, Stop::Failed(_)), "{:?}", stop),
    }
    Ok(())
}

proptest::proptest! {
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

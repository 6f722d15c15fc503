//! `http_get` against servers with every fault that a server can have.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::time::Duration;

use checkers::{Cause, Header, HttpGet, Kind, ProbeResult, StatusRange};
use common::{LONG, SHORT, answering, failure, http, read_head, refusing, run, server};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn get() -> Kind {
    Kind::Http(http())
}

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
    let check =
        |first, last| Kind::Http(HttpGet { status: vec![StatusRange { first, last }], ..http() });
    let address = answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    let outcome = run(address, get(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Status(500)), "status 500 (expected 200-299)");
    assert_eq!(run(address, check(500, 500), LONG).await.result, ProbeResult::Passed);

    // A redirect is an answer, and is not followed: nobody is at its end.
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
    let address = answering(redirect).await;
    let outcome = run(address, get(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Status(302)), "status 302 (expected 200-299)");
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
    let header = Header { name: "X-Probe".into(), value: "yes".into() };
    let check = HttpGet {
        path: "/a?b=c".into(),
        host: Some("www.example.org".into()),
        headers: vec![header],
        ..http()
    };
    assert_eq!(run(address, Kind::Http(check), LONG).await.result, ProbeResult::Passed);
    assert_eq!(
        receiver.recv_timeout(LONG).unwrap(),
        "GET /a?b=c HTTP/1.1\r\nhost: www.example.org\r\nuser-agent: lvsd\r\naccept: */*\r\n\
         connection: close\r\nx-probe: yes\r\n\r\n"
    );
}

#[tokio::test]
async fn nobody_listening_fails() {
    let (_socket, address) = refusing();
    failure(&run(address, get(), LONG).await, Cause::Refused);
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
async fn a_reset_in_the_middle_fails() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"] {
        let address = server(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(answer).await;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        })
        .await;
        let outcome = run(address, get(), LONG).await;
        assert_eq!(failure(&outcome, Cause::Reset), "connection reset");
    }
}

/// Writes `piece` for ever, with a pause before each.
async fn drip(mut stream: TcpStream, start: &[u8], piece: &[u8], pause: Duration) {
    read_head(&mut stream).await;
    let _ = stream.write_all(start).await;
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn silence_and_slowness_end_at_the_timeout() {
    let silent = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let slow_head =
        server(|stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", b"x", Duration::from_millis(50)))
            .await;
    let slow_body = server(|stream| {
        drip(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
            b"x",
            Duration::from_millis(50),
        )
    })
    .await;
    let interim =
        server(|stream| drip(stream, b"", b"HTTP/1.1 102 Wait\r\n\r\n", Duration::ZERO)).await;
    for (address, step) in [
        (silent, "waiting for the answer"),
        (slow_head, "waiting for the answer"),
        (slow_body, "reading the body"),
        (interim, "waiting for the answer"),
    ] {
        let outcome = run(address, get(), SHORT).await;
        let text = failure(&outcome, Cause::TimedOut);
        assert_eq!(text, format!("timed out after 300ms while {step}"));
        assert!(outcome.latency >= SHORT && outcome.latency < SHORT * 10, "{outcome:?}");
    }
}

#[tokio::test]
async fn endless_heads_are_refused() {
    let one_line =
        server(|stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 4096], Duration::ZERO))
            .await;
    let many_lines = server(|stream| async move {
        drip(stream, b"HTTP/1.1 200 OK\r\n", &b"X: y\r\n".repeat(1000), Duration::ZERO).await;
    })
    .await;
    for address in [one_line, many_lines] {
        let outcome = run(address, get(), LONG).await;
        let text = failure(&outcome, Cause::Protocol);
        assert_eq!(text, "not a valid HTTP answer: message head is too large");
    }
}

#[tokio::test]
async fn an_endless_body_costs_a_bounded_part_of_it() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let mut written = 0_u64;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                written += 4096;
            }
            sender.send(written).unwrap();
        }
    })
    .await;
    assert_eq!(run(address, get(), LONG).await.result, ProbeResult::Passed);
    let written = tokio::task::spawn_blocking(move || receiver.recv_timeout(LONG)).await;
    // A megabyte is read; the rest lay in the sockets' buffers.
    let written = written.unwrap().unwrap();
    assert!((1 << 20..32 << 20).contains(&written), "{written}");
}

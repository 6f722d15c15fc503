//! `udp_check` against real sockets.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;

use checkers::{Cause, Connect, Kind, ProbeResult, UdpCheck, UdpReply};
use common::{LONG, SHORT, failure, local, run};
use tokio::net::UdpSocket;

/// A server that sends these datagrams for each one that it receives.
async fn answering(answers: &'static [&'static [u8]]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer).await {
            for answer in answers {
                socket.send_to(answer, peer).await.unwrap();
            }
        }
    });
    address
}

fn udp(reply: UdpReply) -> Kind {
    Kind::Udp(UdpCheck { connect: Connect::default(), send: b"ping".to_vec(), reply })
}

fn replies() -> [UdpReply; 4] {
    [
        UdpReply::Optional,
        UdpReply::Required,
        UdpReply::Bytes(b"pong".to_vec()),
        UdpReply::Hex("70 6? ??".parse().unwrap()),
    ]
}

#[tokio::test]
async fn the_expected_answer_passes_at_once() {
    let address = answering(&[b"pong"]).await;
    for reply in replies() {
        let outcome = run(address, udp(reply.clone()), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed, "{reply:?}");
        assert!(outcome.latency < LONG / 10);
    }
}

#[tokio::test]
async fn the_first_answer_decides() {
    let address = answering(&[b"\xffno", b"pong"]).await;
    let [optional, required, text, hex] = replies();
    for reply in [optional, required] {
        assert_eq!(run(address, udp(reply), LONG).await.result, ProbeResult::Passed);
    }
    let outcome = run(address, udp(text), LONG).await;
    assert_eq!(failure(&outcome, Cause::Content), r#"answer "\xffno" (expected "pong")"#);
    let outcome = run(address, udp(hex), LONG).await;
    assert_eq!(failure(&outcome, Cause::Content), r#"answer "\xffno" (expected 70 6? ??)"#);
}

#[tokio::test]
async fn silence_passes_unless_an_answer_is_required() {
    let address = answering(&[]).await;
    let [optional, required @ ..] = replies();
    let outcome = run(address, udp(optional), SHORT).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    assert!(outcome.latency >= SHORT);
    for reply in required {
        let outcome = run(address, udp(reply), SHORT).await;
        let text = failure(&outcome, Cause::TimedOut);
        assert_eq!(text, "timed out after 300ms while waiting for an answer");
    }
}

#[tokio::test]
async fn a_closed_port_fails_at_once() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        // Bound, and connected elsewhere: nobody else gets the port, and it takes no datagrams.
        let socket = UdpSocket::bind(host).await.unwrap();
        let address = socket.local_addr().unwrap();
        socket.connect(address).await.unwrap();
        for reply in replies() {
            let outcome = run(address, udp(reply), LONG).await;
            assert_eq!(failure(&outcome, Cause::Refused), "connection refused");
            assert!(outcome.latency < LONG / 10);
        }
    }
}

#[tokio::test]
async fn trouble_of_this_machine_is_no_failure() {
    let address = answering(&[b"pong"]).await;
    let source = Connect { source: Some("192.0.2.1".parse().unwrap()), ..Connect::default() };
    let send = vec![0; 70_000];
    for check in [
        UdpCheck { connect: source, send: Vec::new(), reply: UdpReply::Optional },
        UdpCheck { connect: Connect::default(), send, reply: UdpReply::Optional },
    ] {
        local(&run(address, Kind::Udp(check), LONG).await);
    }
}

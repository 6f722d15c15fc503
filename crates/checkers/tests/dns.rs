//! `dns_check` against servers written here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;

use checkers::{Cause, DnsCheck, DnsTransport, Kind, ProbeResult, RecordType};
use common::{LONG, SHORT, failure, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Makes an answer out of a query.
type Answer = fn(&[u8]) -> Vec<u8>;

/// The query as its answer, with these flags and one A record of 198.51.100.11.
fn answer(query: &[u8], flags: [u8; 2]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&flags);
    answer[7] = 1;
    answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x33\x64\x0b");
    answer
}

fn good(query: &[u8]) -> Vec<u8> {
    answer(query, [0x81, 0x80])
}

fn truncated(query: &[u8]) -> Vec<u8> {
    answer(query, [0x83, 0x80])
}

fn servfail(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(b"\x81\x82");
    answer
}

/// The right answer to another query.
fn wrong_id(query: &[u8]) -> Vec<u8> {
    let mut answer = good(query);
    answer[0] ^= 0xff;
    answer
}

/// A server that sends all these for each query over UDP.
async fn over_udp(answers: &'static [Answer]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    serve_udp(socket, answers);
    address
}

fn serve_udp(socket: UdpSocket, answers: &'static [Answer]) {
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((size, peer)) = socket.recv_from(&mut buffer).await {
            for answer in answers {
                socket.send_to(&answer(&buffer[..size]), peer).await.unwrap();
            }
        }
    });
}

/// A server over UDP and TCP on one port.
async fn over_both(udp: &'static [Answer], tcp: Answer) -> SocketAddr {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Somebody else may have the port for UDP.
        let Ok(socket) = UdpSocket::bind(address).await else { continue };
        serve_udp(socket, udp);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_tcp(stream, tcp));
            }
        });
        return address;
    }
}

async fn serve_tcp(mut stream: TcpStream, answer: Answer) {
    let size = stream.read_u16().await.unwrap();
    let mut query = vec![0; size.into()];
    stream.read_exact(&mut query).await.unwrap();
    let answer = answer(&query);
    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
    // In two pieces, as TCP may deliver it.
    stream.write_all(&length[..1]).await.unwrap();
    stream.write_all(&[&length[1..], &answer].concat()).await.unwrap();
}

fn check() -> DnsCheck {
    DnsCheck {
        name: "www.example.com".into(),
        record_type: RecordType(1),
        answers: vec!["198.51.100.11".into()],
        ..DnsCheck::default()
    }
}

fn dns() -> Kind {
    Kind::Dns(check())
}

fn tcp() -> Kind {
    Kind::Dns(DnsCheck { transport: DnsTransport::Tcp, ..check() })
}

#[tokio::test]
async fn the_expected_answer_passes() {
    let address = over_both(&[good], good).await;
    for kind in [dns(), tcp()] {
        assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn an_error_fails_by_its_name() {
    let address = over_both(&[servfail], servfail).await;
    for kind in [dns(), tcp()] {
        let outcome = run(address, kind, LONG).await;
        assert_eq!(failure(&outcome, Cause::Status(2)), "SERVFAIL (expected NOERROR)");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let address = over_both(&[truncated], good).await;
    assert_eq!(run(address, dns(), LONG).await.result, ProbeResult::Passed);
    let address = over_both(&[truncated], truncated).await;
    let outcome = run(address, dns(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Protocol), "truncated answer over TCP");
    // Nobody there.
    let address = over_udp(&[truncated]).await;
    let outcome = run(address, dns(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Refused), "connection refused");
}

#[tokio::test]
async fn foreign_datagrams_are_passed_over() {
    let address = over_udp(&[wrong_id, |_| b"garbage".to_vec(), <[u8]>::to_vec, good]).await;
    assert_eq!(run(address, dns(), LONG).await.result, ProbeResult::Passed);

    let address = over_both(&[wrong_id], wrong_id).await;
    let outcome = run(address, dns(), SHORT).await;
    assert_eq!(
        failure(&outcome, Cause::TimedOut),
        "timed out after 300ms while waiting for the answer (what came is not: it has another id)"
    );
    let outcome = run(address, tcp(), LONG).await;
    let text = failure(&outcome, Cause::Protocol);
    assert_eq!(text, "not the answer to the query: it has another id");
}

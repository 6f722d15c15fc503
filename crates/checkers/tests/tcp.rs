//! `tcp_check` and the connections of all probes, against real sockets.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::net::{IpAddr, SocketAddr};

use checkers::{Connect, ProbeResult};
use common::{HANG, LONG, local, run, tcp};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Told = (IpAddr, std::io::Result<usize>);

/// A server that tells who connected and how the connection ended.
async fn telling() -> (SocketAddr, mpsc::Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let end = stream.read(&mut [0; 16]).await;
            sender.send((peer.ip(), end)).await.unwrap();
        }
    });
    (address, receiver)
}

async fn next(connections: &mut mpsc::Receiver<Told>) -> Told {
    tokio::time::timeout(HANG, connections.recv()).await.expect("nobody came").unwrap()
}

fn connect() -> Connect {
    Connect::default()
}

#[tokio::test]
async fn passes_when_somebody_listens_and_leaves_no_time_wait() {
    let (address, mut connections) = telling().await;
    assert_eq!(run(address, tcp(connect()), LONG).await.result, ProbeResult::Passed);
    let (_, end) = next(&mut connections).await;
    // A reset, unlike an orderly close, leaves no state at either end.
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn goes_where_and_from_where_it_is_told() {
    let (address, mut connections) = telling().await;
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 9));
    let told = Connect {
        address: Some(address.ip()),
        port: Some(address.port()),
        source: Some([127, 0, 0, 7].into()),
        ..connect()
    };
    assert_eq!(run(elsewhere, tcp(told), LONG).await.result, ProbeResult::Passed);
    let (peer, _) = next(&mut connections).await;
    assert_eq!(peer, IpAddr::from([127, 0, 0, 7]));
}

#[tokio::test]
async fn a_source_of_ipv6_works_too() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        eprintln!("NOT RUN: this machine has no IPv6");
        return;
    };
    let told = Connect { source: Some("::1".parse().unwrap()), ..connect() };
    let outcome = run(listener.local_addr().unwrap(), tcp(told), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
}

#[tokio::test]
async fn leaves_through_the_interface_and_with_the_mark_it_is_told() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("NOT RUN: marking packets needs root");
        return;
    }
    let (address, _connections) = telling().await;
    let told = Connect { interface: Some("lo".into()), mark: Some(42), ..connect() };
    assert_eq!(run(address, tcp(told), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn trouble_with_its_own_side_is_local() {
    let (address, _connections) = telling().await;
    let source = |text: &str| Connect { source: Some(text.parse().unwrap()), ..connect() };
    for (told, start) in [
        (source("203.0.113.77"), "bind to source address 203.0.113.77: "),
        (source("2001:db8::77"), "bind to source address 2001:db8::77: "),
        (Connect { interface: Some("nosuch0".into()), ..connect() }, "bind to interface nosuch0: "),
    ] {
        let text = local(&run(address, tcp(told), LONG).await);
        assert!(text.starts_with(start), "{text}");
    }
}

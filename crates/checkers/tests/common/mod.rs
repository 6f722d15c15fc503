//! Monitors and servers for the tests of the probes.
#![allow(dead_code, reason = "every test file uses its part")]

pub(crate) mod authority;
pub(crate) mod faults;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use checkers::probe::{self, Context};
use checkers::{
    Cause, Check, Connect, HttpGet, HttpRequest, Kind, MiscCheck, Monitor, Outcome, ProbeResult,
    State, TcpCheck, Timing,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// For probes that should end by themselves.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// For probes that should run into their timeout.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
/// No probe of a test takes this long unless it hangs.
pub(crate) const HANG: Duration = Duration::from_secs(30);

pub(crate) fn monitor(target: SocketAddr, kind: Kind, timeout: Duration) -> Monitor {
    let timing = Timing { timeout, ..Timing::default() };
    Monitor { target, check: Check { kind, timing }.into() }
}

pub(crate) fn tcp(connect: Connect) -> Kind {
    Kind::Tcp(TcpCheck { connect, ..TcpCheck::default() })
}

/// `GET /healthz` over plain HTTP/1.1.
pub(crate) fn get() -> Kind {
    request(HttpRequest::default())
}

/// A request to `/healthz` over plain HTTP/1.1.
pub(crate) fn request(request: HttpRequest) -> Kind {
    Kind::Http(http(request))
}

pub(crate) fn http(request: HttpRequest) -> HttpGet {
    let request = HttpRequest { path: "/healthz".into(), ..request };
    HttpGet { requests: vec![request], ..HttpGet::default() }
}

pub(crate) fn misc(command: &[&str]) -> Kind {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Kind::Misc(MiscCheck { command, ..MiscCheck::default() })
}

/// Runs a probe, which must not hang.
pub(crate) async fn run(target: SocketAddr, kind: Kind, timeout: Duration) -> Outcome {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let context = CONTEXT.get_or_init(Context::new);
    let monitor = monitor(target, kind, timeout);
    tokio::time::timeout(HANG, probe::run(&monitor, State::Unknown, context))
        .await
        .expect("the probe hangs")
}

/// The words of a failure with the given cause.
#[track_caller]
pub(crate) fn failure(outcome: &Outcome, cause: Cause) -> String {
    match &outcome.result {
        ProbeResult::Failed(failure) if failure.cause == cause => failure.text.clone(),
        result => panic!("expected a failure by {cause:?}, got {result:?}"),
    }
}

#[track_caller]
pub(crate) fn local(outcome: &Outcome) -> String {
    match &outcome.result {
        ProbeResult::Local(text) => text.clone(),
        result => panic!("expected local trouble, got {result:?}"),
    }
}

/// A server on a free port of 127.0.0.1 that treats each connection with `treat`.
pub(crate) async fn server<F, T>(treat: T) -> SocketAddr
where
    T: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// A server that answers every request with these bytes, then closes.
pub(crate) async fn answering(answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    })
    .await
}

/// Reads up to the empty line that ends a request's head, and gives it.
pub(crate) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

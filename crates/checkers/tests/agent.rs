//! `agent_check` against servers written here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets and time, whose helpers may panic"
)]

mod common;

use checkers::{Advice, AgentCheck, Cause, Kind, ProbeResult};
use common::faults::{First, half_closing, saying};
use common::{LONG, failure, run, server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

fn agent() -> Kind {
    Kind::Agent(AgentCheck::default())
}

#[tokio::test]
async fn the_line_says_how_the_server_is() {
    let outcome = run(saying(First::Server, b"up 75% # busy\n").await, agent(), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    assert_eq!(outcome.advice, Some(Advice::Percent(75)));
    assert_eq!(outcome.note.as_deref(), Some("busy"));

    let outcome = run(saying(First::Server, b"drain\r\n").await, agent(), LONG).await;
    assert_eq!((outcome.result, outcome.advice), (ProbeResult::Passed, Some(Advice::Percent(0))));

    let outcome = run(saying(First::Server, b"down#no disk\n").await, agent(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Reported), "the agent says down: no disk");

    let outcome = run(saying(First::Server, b"maint\n").await, agent(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Maintenance), "the agent says maint");
}

#[tokio::test]
async fn the_end_of_the_connection_ends_the_line() {
    let outcome = run(half_closing(First::Server, b"50%").await, agent(), LONG).await;
    assert_eq!((outcome.result, outcome.advice), (ProbeResult::Passed, Some(Advice::Percent(50))));
}

#[tokio::test]
async fn a_line_may_come_byte_by_byte() {
    let address = server(|mut stream: TcpStream| async move {
        stream.set_nodelay(true).unwrap();
        for byte in b"ready 1%\n" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = run(address, agent(), LONG).await;
    assert_eq!((outcome.result, outcome.advice), (ProbeResult::Passed, Some(Advice::Percent(1))));
}

#[tokio::test]
async fn the_agent_may_be_asked() {
    let address = server(|stream: TcpStream| async move {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer = if line == "web1\n" { "up\n" } else { "down\n" };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let asking = AgentCheck { send: b"web1\n".to_vec(), ..AgentCheck::default() };
    assert_eq!(run(address, Kind::Agent(asking), LONG).await.result, ProbeResult::Passed);
}

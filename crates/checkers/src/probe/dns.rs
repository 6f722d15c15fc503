//! `dns_check`: a query and its answer.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Deadline, Passed, Stop, random, socket};
use crate::outcome::Cause;
use crate::spec::{DnsCheck, DnsTransport};
use crate::wire::dns::{Answer, Query};

/// The longest answer over UDP that is read whole; without EDNS it has at most 512 bytes (RFC 1035
/// §4.2.1).
const LONGEST: usize = 4096;
/// So many datagrams that are not the answer are passed over.
const FOREIGN: usize = 1000;

pub(super) async fn run(
    target: SocketAddr,
    check: &DnsCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let [id0, id1, ..] = random().to_ne_bytes();
    let query = Query::new(check, u16::from_ne_bytes([id0, id1])).map_err(Stop::Local)?;
    let answer = match check.transport {
        DnsTransport::Udp => match over_udp(target, check, &query, deadline).await? {
            Answer::Truncated => over_tcp(target, check, &query, deadline).await?,
            answer => answer,
        },
        DnsTransport::Tcp => over_tcp(target, check, &query, deadline).await?,
    };
    match answer {
        Answer::Passed => Ok(Passed::default()),
        Answer::Failed(failure) => Err(Stop::Failed(failure)),
        Answer::Truncated => Err(Stop::failed(Cause::Protocol, "truncated answer over TCP")),
        Answer::Foreign(why) => {
            let text = format!("not the answer to the query: {why}");
            Err(Stop::failed(Cause::Protocol, text))
        }
    }
}

/// The first answer to the query. Other datagrams are passed over, as a resolver does: who forges
/// an answer has to guess the port and the id (RFC 5452 §9.1).
async fn over_udp(
    target: SocketAddr,
    check: &DnsCheck,
    query: &Query,
    deadline: &Deadline,
) -> Result<Answer, Stop> {
    let socket = socket::datagram(target, &check.connect)?;
    let sent = socket.send(query.as_bytes()).await;
    sent.map_err(|error| socket::way_stop("send the query", &error))?;
    let mut buffer = vec![0; LONGEST];
    let mut step = "waiting for the answer".to_owned();
    let mut last = "";
    for _ in 0..FOREIGN {
        let received = deadline.within(&step, socket::receive(&socket, &mut buffer)).await?;
        let size = received.map_err(|error| socket::receive_stop(&error))?;
        match query.judge(check, &buffer[..size]) {
            Answer::Foreign(why) => {
                step = format!("waiting for the answer (what came is not: {why})");
                last = why;
            }
            answer => return Ok(answer),
        }
    }
    let text = format!("{FOREIGN} datagrams instead of the answer: {last}");
    Err(Stop::failed(Cause::Protocol, text))
}

/// The answer over a connection, where each message follows its length (RFC 7766 §8).
async fn over_tcp(
    target: SocketAddr,
    check: &DnsCheck,
    query: &Query,
    deadline: &Deadline,
) -> Result<Answer, Stop> {
    let mut stream = socket::connect(target, &check.connect, u16::MAX.into(), deadline).await?;
    let length = u16::try_from(query.as_bytes().len())
        .map_err(|_| Stop::Local("the query is too long for TCP".into()))?;
    let message = [&length.to_be_bytes(), query.as_bytes()].concat();
    let exchange = async {
        stream.write_all(&message).await?;
        let mut answer = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let answer = deadline
        .within("waiting for the answer over TCP", exchange)
        .await?
        .map_err(|error: std::io::Error| socket::io_stop("ask over TCP", &error))?;
    Ok(query.judge(check, &answer))
}

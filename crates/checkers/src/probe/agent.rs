//! `agent_check`: what an agent on the server says.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Deadline, Passed, Stop, socket};
use crate::outcome::Cause;
use crate::spec::AgentCheck;
use crate::wire::agent::{LIMIT, judge};

pub(super) async fn run(
    target: SocketAddr,
    check: &AgentCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let mut stream = socket::connect(target, &check.connect, LIMIT, deadline).await?;
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(&check.send).await?;
        // Up to the end of the line or of the connection.
        while !answer.contains(&b'\n') && answer.len() <= LIMIT {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    let exchanged = deadline.within("waiting for the agent's line", exchange).await;
    exchanged
        .map_err(|late| late.having(&answer))?
        .map_err(|error: std::io::Error| socket::io_stop("ask the agent", &error))?;
    if answer.is_empty() {
        let text = "connection closed before the agent said anything";
        return Err(Stop::failed(Cause::Closed, text));
    }
    if !answer.iter().take(LIMIT).any(|byte| *byte == b'\n') && answer.len() > LIMIT {
        let text = format!("a line of more than {LIMIT} bytes");
        return Err(Stop::failed(Cause::Protocol, text));
    }
    let report = judge(&answer).map_err(Stop::Failed)?;
    Ok(Passed { advice: report.advice, note: report.note, warning: None })
}

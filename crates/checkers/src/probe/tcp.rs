//! `tcp_check`: passes when a connection is made and answers as expected.

use std::net::SocketAddr;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::Cause;
use crate::spec::{Expect, TcpCheck};
use crate::wire::excerpt;

pub(super) async fn run(
    target: SocketAddr,
    check: &TcpCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let stream = socket::connect(target, &check.connect, Expect::LIMIT, deadline).await?;
    let Some(settings) = &check.tls else {
        converse(stream, check, deadline).await?;
        return Ok(Passed::default());
    };
    let address = check.connect.destination(target);
    let peer = tls::Peer { address, host: None, protocols: &[] };
    // Boxed: a check without TLS, of which there may be many, is not to pay for it.
    let securing = tls::connect(stream, peer, settings, &context.tls, deadline);
    let secured = Box::pin(securing).await?;
    converse(secured.stream, check, deadline).await?;
    Ok(Passed { warning: secured.warning, ..Passed::default() })
}

async fn converse<S>(mut stream: S, check: &TcpCheck, deadline: &Deadline) -> Result<(), Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !check.send.is_empty() {
        let sending = async {
            stream.write_all(&check.send).await?;
            stream.flush().await
        };
        deadline
            .within("sending", sending)
            .await?
            .map_err(|error| tls::stream_stop("send", &error))?;
    }
    let Some(expected) = &check.expect else { return Ok(()) };
    let mut received = Vec::new();
    let answer = deadline
        .within("waiting for the expected answer", wait_for(expected, &mut stream, &mut received))
        .await;
    let (cause, what) = match answer {
        Ok(Ok(Found::Yes)) => return Ok(()),
        Ok(Ok(Found::Closed)) if received.is_empty() => (Cause::Closed, "connection closed".into()),
        Ok(Ok(Found::Closed)) => (Cause::Content, "connection closed".into()),
        Ok(Ok(Found::Full)) => (Cause::Content, format!("more than {} bytes", Expect::LIMIT)),
        Ok(Err(error)) => return Err(tls::stream_stop("read the answer", &error)),
        Err(Stop::Failed(failure)) => (failure.cause, failure.text),
        Err(stop) => return Err(stop),
    };
    let answer = match received.as_slice() {
        [] => "without an answer".to_owned(),
        received => format!("without {}; got {}", words(expected), excerpt(received)),
    };
    Err(Stop::failed(cause, format!("{what}, {answer}")))
}

fn words(expected: &Expect) -> String {
    match expected {
        Expect::Bytes(bytes) => excerpt(bytes),
        Expect::Matches(pattern) => format!("a match of `{pattern}`"),
    }
}

/// How the search for the expected bytes ended.
enum Found {
    Yes,
    /// The server has closed the connection.
    Closed,
    /// The server has sent all that is read.
    Full,
}

/// Reads into `received` until what is expected is there.
async fn wait_for(
    expected: &Expect,
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> std::io::Result<Found> {
    let mut stream = stream.take(Expect::LIMIT as u64);
    loop {
        let before = received.len();
        if stream.read_buf(received).await? == 0 {
            return Ok(if stream.limit() == 0 { Found::Full } else { Found::Closed });
        }
        let found = match expected {
            Expect::Bytes(bytes) => {
                // What was searched before is not searched again.
                let from = before.saturating_sub(bytes.len() - 1);
                let new = received.get(from..).unwrap_or_default();
                memmem::find(new, bytes).is_some()
            }
            Expect::Matches(pattern) => pattern.is_match(received),
        };
        if found {
            return Ok(Found::Yes);
        }
    }
}

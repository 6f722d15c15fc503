//! `tcp_check`: passes when a connection is made and answers as expected.

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::threads::{COSTLY, Threads};
use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::{Cause, Failure};
use crate::spec::{Expect, Monitor, Pattern, TcpCheck};
use crate::wire::excerpt;

pub(super) async fn run(
    monitor: &Monitor,
    check: &TcpCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let target = monitor.target;
    let search = (&context.threads, monitor);
    let stream = socket::connect(target, &check.connect, Expect::LIMIT, deadline).await?;
    let Some(settings) = &check.tls else {
        converse(stream, check, deadline, search).await?;
        return Ok(Passed::default());
    };
    let address = check.connect.destination(target);
    let peer = tls::Peer { address, host: None, protocols: &[] };
    // Boxed: a check without TLS, of which there may be many, is not to pay for it.
    let securing = tls::connect(stream, peer, settings, &context.tls, deadline);
    let secured = Box::pin(securing).await?;
    converse(secured.stream, check, deadline, search).await?;
    Ok(Passed { warning: secured.warning, ..Passed::default() })
}

/// Where long searches are made, and for whom.
type Search<'a> = (&'a Threads<Monitor>, &'a Monitor);

async fn converse<S>(
    mut stream: S,
    check: &TcpCheck,
    deadline: &Deadline,
    search: Search<'_>,
) -> Result<(), Stop>
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
    let found = wait_for(expected, &mut stream, &mut received, deadline, search).await?;
    let (cause, what) = match found {
        Found::Yes => return Ok(()),
        Found::Closed if received.is_empty() => (Cause::Closed, "connection closed".into()),
        Found::Closed => (Cause::Content, "connection closed".into()),
        Found::Full => (Cause::Content, format!("more than {} bytes", Expect::LIMIT)),
        Found::NotInTime(failure) => (failure.cause, failure.text),
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
    /// It has not come by the deadline.
    NotInTime(Failure),
}

/// Reads into `received` until what is expected is there.
async fn wait_for(
    expected: &Expect,
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
    deadline: &Deadline,
    search: Search<'_>,
) -> Result<Found, Stop> {
    let mut stream = stream.take(Expect::LIMIT as u64);
    loop {
        let before = received.len();
        let reading = stream.read_buf(received);
        let size = match deadline.within("waiting for the expected answer", reading).await {
            Ok(read) => read.map_err(|error| tls::stream_stop("read the answer", &error))?,
            Err(Stop::Failed(late)) => return Ok(Found::NotInTime(late)),
            Err(stop) => return Err(stop),
        };
        if size == 0 {
            return Ok(if stream.limit() == 0 { Found::Full } else { Found::Closed });
        }
        let found = match expected {
            Expect::Bytes(bytes) => {
                // What was searched before is not searched again.
                let from = before.saturating_sub(bytes.len() - 1);
                let new = received.get(from..).unwrap_or_default();
                memmem::find(new, bytes).is_some()
            }
            Expect::Matches(pattern) => matches(pattern, received, deadline, search).await?,
        };
        if found {
            return Ok(Found::Yes);
        }
    }
}

async fn matches(
    pattern: &Pattern,
    bytes: &[u8],
    deadline: &Deadline,
    (threads, monitor): Search<'_>,
) -> Result<bool, Stop> {
    if pattern.is_quick(bytes.len()) {
        return Ok(pattern.is_match(bytes));
    }
    let (pattern, bytes) = (pattern.clone(), bytes.to_vec());
    let task = ("search the answer", COSTLY);
    threads.run(monitor, task, deadline, move || pattern.is_match(&bytes)).await
}

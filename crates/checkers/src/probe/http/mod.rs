//! `http_get`: passes when every answer has a wanted status and content, and is complete.

mod answer;
mod exchange;
mod request;

use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::Cause;
use crate::spec::{HttpGet, HttpRequest, HttpVersion, Monitor};

pub(super) use exchange::{exchange, stop};
pub use request::is_request_target;
pub(super) use request::without_port;

pub(super) async fn run(
    monitor: &Monitor,
    check: &HttpGet,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let mut passed = Passed::default();
    for wanted in &check.requests {
        let warning = one(monitor, check, wanted, deadline, context)
            .await
            .map_err(|stop| if check.requests.len() > 1 { name(stop, wanted) } else { stop })?;
        passed.warning = warning.or(passed.warning);
    }
    Ok(passed)
}

/// Says which of several requests it was.
fn name(stop: Stop, wanted: &HttpRequest) -> Stop {
    let name = |text: String| format!("{} {}: {text}", wanted.method.as_str(), wanted.path);
    match stop {
        Stop::Failed(mut failure) => {
            failure.text = name(failure.text);
            Stop::Failed(failure)
        }
        Stop::Local(text) => Stop::Local(name(text)),
    }
}

/// Makes one request over a connection of its own. Gives the warning about the certificate.
async fn one(
    monitor: &Monitor,
    check: &HttpGet,
    wanted: &HttpRequest,
    deadline: &Deadline,
    context: &Context,
) -> Result<Option<String>, Stop> {
    let target = monitor.target;
    let address = check.connect.destination(target);
    let request = request::build(address, check, wanted)?;
    // A body in small pieces takes more on its way.
    let body = usize::try_from(wanted.body_limit).unwrap_or(usize::MAX).saturating_mul(2);
    let stream = match check.version {
        HttpVersion::Http2 => {
            socket::connect_for_frames(target, &check.connect, body, deadline).await?
        }
        _ => socket::connect(target, &check.connect, body, deadline).await?,
    };
    let judge = async |response| {
        answer::judge(response, wanted, deadline, (&context.threads, monitor)).await
    };
    // From here on boxed: those that wait for a connection, who may be many, take little memory.
    let Some(settings) = &check.tls else {
        Box::pin(exchange(stream, check.version, request, deadline, judge)).await?;
        return Ok(None);
    };
    let peer = tls::Peer {
        address,
        host: wanted.host.as_deref().map(without_port),
        protocols: match check.version {
            HttpVersion::Http10 => &[],
            HttpVersion::Http11 => &["http/1.1"],
            HttpVersion::Http2 => &["h2"],
        },
    };
    let securing = tls::connect(stream, peer, settings, &context.tls, deadline);
    let secured = Box::pin(securing).await?;
    if check.version == HttpVersion::Http2 && secured.protocol() != Some(b"h2") {
        let text = "TLS: the server did not choose HTTP/2 (ALPN: h2)";
        return Err(Stop::failed(Cause::Protocol, text));
    }
    Box::pin(exchange(secured.stream, check.version, request, deadline, judge)).await?;
    Ok(secured.warning)
}

#[cfg(test)]
mod tests;

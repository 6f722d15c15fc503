//! `smtp_check`: a greeting, EHLO and a farewell.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::stream::Stream;
use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::Cause;
use crate::spec::{SmtpCheck, SmtpEncryption, Tls};
use crate::wire::smtp::{self, Reply};

/// The most replies of one run: the greeting, and those to EHLO, STARTTLS, EHLO, HELO and QUIT.
const REPLIES: usize = 6;
/// So many bytes of them are read.
const CONTENT: usize = REPLIES * smtp::LINES * smtp::LINE;

pub(super) async fn run(
    target: SocketAddr,
    check: &SmtpCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let stream = socket::connect(target, &check.connect, CONTENT, deadline).await?;
    let name = match &check.helo_name {
        Some(name) => name.clone(),
        None => {
            let local = stream.tcp().local_addr();
            literal(local.map_err(|error| socket::io_stop("read the local address", &error))?.ip())
        }
    };
    let address = check.connect.destination(target);
    let secure = async |stream: Stream, settings: &Tls| {
        let peer = tls::Peer { address, host: None, protocols: &[] };
        tls::connect(stream, peer, settings, &context.tls, deadline).await
    };
    let warning = match &check.encryption {
        SmtpEncryption::None => {
            let mut session = Session::new(stream, deadline);
            session.greeted().await?;
            session.hello(&name).await?;
            session.quit().await?;
            None
        }
        SmtpEncryption::Smtps(settings) => {
            let secured = secure(stream, settings).await?;
            let mut session = Session::new(secured.stream, deadline);
            session.greeted().await?;
            session.hello(&name).await?;
            session.quit().await?;
            secured.warning
        }
        SmtpEncryption::StartTls(settings) => {
            let mut session = Session::new(stream, deadline);
            session.greeted().await?;
            let hello = session.hello(&name).await?;
            let secured = secure(session.start_tls(&hello).await?, settings).await?;
            let mut session = Session::new(secured.stream, deadline);
            session.hello(&name).await?;
            session.quit().await?;
            secured.warning
        }
    };
    Ok(Passed { warning, ..Passed::default() })
}

/// An address as the name of a host that has none (RFC 5321 §4.1.3).
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// A conversation over a connection.
struct Session<'a, S> {
    stream: S,
    deadline: &'a Deadline,
    /// What was received and is not used yet.
    received: Vec<u8>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    fn new(stream: S, deadline: &'a Deadline) -> Self {
        Self { stream, deadline, received: Vec::new() }
    }

    /// Waits for the greeting.
    async fn greeted(&mut self) -> Result<(), Stop> {
        let greeting = self.reply("greeting").await?;
        expect("greeting", &greeting, 220)
    }

    /// EHLO, or HELO with a server that does not know EHLO.
    async fn hello(&mut self, name: &str) -> Result<Reply, Stop> {
        let reply = self.command("EHLO", &format!("EHLO {name}\r\n")).await?;
        // RFC 5321 §4.1.4: 500, 502 and the like; 554 and 521 refuse all service.
        if !matches!(reply.code, 500 | 501 | 502 | 504 | 550) {
            return expect("EHLO", &reply, 250).map(|()| reply);
        }
        let reply = self.command("HELO", &format!("HELO {name}\r\n")).await?;
        expect("HELO", &reply, 250).map(|()| reply)
    }

    /// Takes leave. That the server closes without a word is as good.
    async fn quit(&mut self) -> Result<(), Stop> {
        match self.command("QUIT", "QUIT\r\n").await {
            Err(Stop::Failed(failure)) if matches!(failure.cause, Cause::Closed | Cause::Reset) => {
                Ok(())
            }
            reply => reply.map(|_| ()),
        }
    }

    async fn command(&mut self, name: &str, line: &str) -> Result<Reply, Stop> {
        let sending = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        self.deadline
            .within(&format!("sending {name}"), sending)
            .await?
            .map_err(|error| tls::stream_stop(&format!("send {name}"), &error))?;
        self.reply(name).await
    }

    async fn reply(&mut self, to: &str) -> Result<Reply, Stop> {
        loop {
            let reply = smtp::reply(&self.received)
                .map_err(|error| Stop::failed(Cause::Protocol, format!("{to}: {error}")))?;
            if let Some(reply) = reply {
                self.received.drain(..reply.length);
                return Ok(reply);
            }
            self.receive_line(to).await?;
        }
    }

    /// Receives until a line's code has come, a line has ended, or has become too long: with less
    /// there is nothing new to find, and to look at all that has come after each of a server's bytes
    /// takes long.
    async fn receive_line(&mut self, to: &str) -> Result<(), Stop> {
        let before = self.received.len();
        let line = self.received.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let enough =
            if before - line < smtp::CODE { line + smtp::CODE } else { before + smtp::LINE };
        let mut searched = before;
        while !self.received[searched..].contains(&b'\n') && self.received.len() < enough {
            searched = self.received.len();
            let reading = self.stream.read_buf(&mut self.received);
            let read =
                self.deadline.within(&format!("waiting for the reply ({to})"), reading).await;
            let size = read
                .map_err(|late| late.having(&self.received))?
                .map_err(|error| tls::stream_stop("read the reply", &error))?;
            if size == 0 {
                let text = format!("connection closed before the reply ({to})");
                return Err(Stop::failed(Cause::Closed, text));
            }
        }
        Ok(())
    }
}

impl Session<'_, Stream> {
    /// Agrees on TLS, and gives the stream to speak it over.
    async fn start_tls(mut self, hello: &Reply) -> Result<Stream, Stop> {
        if !hello.offers("STARTTLS") {
            return Err(Stop::failed(Cause::Tls, "the server does not offer STARTTLS"));
        }
        let reply = self.command("STARTTLS", "STARTTLS\r\n").await?;
        expect("STARTTLS", &reply, 220)?;
        if !self.received.is_empty() {
            // Whoever sits between us and the server could have put it there (CVE-2011-0411).
            let text = "STARTTLS: the server goes on in plain text";
            return Err(Stop::failed(Cause::Protocol, text));
        }
        Ok(self.stream)
    }
}

fn expect(to: &str, reply: &Reply, code: u16) -> Result<(), Stop> {
    if reply.code == code {
        return Ok(());
    }
    let text = format!("{to}: {} (expected {code})", reply.words());
    Err(Stop::failed(Cause::Status(reply.code), text))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A server that sends each of `parts` by itself, and then closes.
    fn sending(parts: &[&'static [u8]]) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
        let empty: Box<dyn AsyncRead + Send + Unpin> = Box::new(tokio::io::empty());
        let all = parts.iter().rev().fold(empty, |after, part| Box::new(part.chain(after)));
        tokio::io::join(all, tokio::io::sink())
    }

    /// Else a reply of 128 KiB that comes byte by byte is looked at 128 Ki times.
    #[tokio::test]
    async fn a_reply_is_looked_at_when_a_line_has_ended() {
        let deadline = Deadline::new(Instant::now(), Duration::from_secs(60));
        let parts: [&[u8]; 7] = [b"2", b"20-", b"a\r", b"\n", b"220 ", b"b\r\nmo", b"re"];
        let mut session = Session::new(sending(&parts), &deadline);
        for looked_at in ["220-", "220-a\r\n", "220-a\r\n220 ", "220-a\r\n220 b\r\nmo"] {
            session.receive_line("greeting").await.unwrap();
            assert_eq!(session.received, looked_at.as_bytes());
        }

        let part: &[u8] = &[b'2'; smtp::LINE / 2];
        let mut session = Session::new(sending(&[part, part, part]), &deadline);
        session.received = b"220".to_vec();
        session.receive_line("greeting").await.unwrap();
        assert_eq!(session.received.len(), 3 + smtp::LINE);
    }
}

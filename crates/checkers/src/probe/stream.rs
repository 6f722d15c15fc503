//! A probe's TCP connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a server may send beside the content of its answer, in bytes: a handshake of TLS, heads,
/// frames, and the odd interim answer.
pub(in crate::probe) const OVERHEAD: usize = 256 << 10;

/// A TCP connection that fails when the server has sent more than it may: whatever reads from it,
/// also a library that has no limit of its own for some part of a protocol, ends there.
///
/// It says no farewell: it ends by a reset when it is dropped, which leaves no TIME_WAIT behind. A
/// FIN ahead of that, which hyper would send, costs two more packets and a sixth of an HTTP check's
/// time.
#[derive(Debug)]
pub(in crate::probe) struct Stream {
    stream: TcpStream,
    limit: usize,
    received: usize,
}

impl Stream {
    /// `content` is the most of the answer's content that is read, in bytes.
    pub(in crate::probe) fn new(stream: TcpStream, content: usize) -> Self {
        Self { stream, limit: content.saturating_add(OVERHEAD), received: 0 }
    }

    /// The connection itself, to look at it.
    pub(in crate::probe) fn tcp(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received > self.limit {
            let text = format!("the server sends more than {} bytes", self.limit);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, text)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.received += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

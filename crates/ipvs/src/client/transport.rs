//! The way to the kernel.

use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

/// How long to wait for a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Up to [`ANSWER_TIMEOUT`].
    Patiently,
    /// Not at all.
    Not,
}

/// How long the kernel may take to answer. It works while the request is being sent, so that an
/// answer which is not there at once is a sign of serious trouble.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Datagrams to the kernel and back.
pub trait Transport {
    /// Sends one datagram, whole or not at all.
    fn send(&mut self, datagram: &[u8]) -> Result<(), Errno>;

    /// Puts the next datagram into `buffer`, in place of what it held. `EAGAIN`: none came in
    /// time. `ENOBUFS`: some were lost.
    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> Result<(), Errno>;
}

/// A generic netlink socket.
///
/// It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct NetlinkSocket(Socket);

impl NetlinkSocket {
    /// Room for answers in the kernel. Above the system's limit `net.core.rmem_max`, which needs
    /// CAP_NET_ADMIN.
    const RECEIVE_BUFFER: usize = 4 << 20;

    /// Room for one datagram. The kernel fills dumps up to 32 KiB.
    const DATAGRAM: usize = 128 << 10;

    /// Opens the socket. Only the kernel can send to it.
    pub fn open() -> Result<Self, Errno> {
        let mut socket = Socket::new(NETLINK_GENERIC).map_err(errno)?;
        socket.bind_auto().map_err(errno)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(errno)?;
        socket.set_ext_ack(true).map_err(errno)?;
        socket.set_cap_ack(true).map_err(errno)?;
        let seconds = i64::try_from(ANSWER_TIMEOUT.as_secs()).map_err(|_| Errno::EINVAL)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(seconds, 0))?;
        // Without the privilege the default holds; the window of requests fits into it.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &Self::RECEIVE_BUFFER);
        Ok(Self(socket))
    }
}

impl Transport for NetlinkSocket {
    fn send(&mut self, datagram: &[u8]) -> Result<(), Errno> {
        loop {
            match self.0.send(datagram, 0).map_err(errno) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> Result<(), Errno> {
        let flags = match wait {
            Wait::Patiently => MSG_TRUNC,
            Wait::Not => MSG_TRUNC | MSG_DONTWAIT,
        };
        loop {
            buffer.clear();
            buffer.reserve(Self::DATAGRAM);
            match self.0.recv(buffer, flags).map_err(errno) {
                Ok(length) if length > buffer.len() => return Err(Errno::EMSGSIZE),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

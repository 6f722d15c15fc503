//! News of links, addresses, routes and rules.

use std::collections::VecDeque;
use std::io::ErrorKind;

use neli::consts::rtnl::Rtm;
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, errno};
use crate::message;
use crate::request::DATAGRAM;
use crate::{Address, Link, routing};

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV6_IFADDR` (linux/rtnetlink.h).
const GROUPS: [u32; 3] = [1, 5, 9];
/// `RTNLGRP_IPV4_ROUTE`, `RTNLGRP_IPV4_RULE`, `RTNLGRP_IPV6_ROUTE`, `RTNLGRP_IPV6_RULE`.
const ROUTING: [u32; 4] = [7, 8, 11, 19];
/// Receive buffer asked for, in bytes; the kernel caps it at `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1 << 20;
const OPERATION: &str = "watch links and addresses";

/// Something changed on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A link is new or has changed; also sent where nothing in [`Link`] differs.
    Link(Link),
    /// A link is gone, with all its addresses.
    LinkGone {
        /// Its index; the kernel may give it to another link later.
        index: u32,
    },
    /// An address is new or has changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// A route or a rule of this program's is gone ([`crate::PROTOCOL`]), by whomever. The kernel
    /// says nothing of the IPv4 routes that go with their interface or their source address.
    RoutingGone,
    /// The kernel had more news than the socket could hold (`ENOBUFS`), some are lost: read links
    /// and addresses again.
    Resync,
}

/// Tells what happens to links and addresses, whoever does it.
pub struct Monitor {
    socket: AsyncFd<NlSocket>,
    buffer: Vec<u8>,
    pending: VecDeque<Event>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl Monitor {
    /// Starts to listen in the thread's network namespace. What happens from now on is told; read
    /// the present state after this call, so that nothing falls between.
    ///
    /// # Errors
    ///
    /// No socket can be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O.
    pub fn open() -> Result<Self, Error> {
        let open = || -> std::io::Result<AsyncFd<NlSocket>> {
            let socket = NlSocket::connect(NlFamily::Route, None, Groups::new_groups(&GROUPS))?;
            socket.nonblock()?;
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
            register(socket)
        };
        let socket = open().map_err(|error| Error::socket(OPERATION, &error))?;
        Ok(Self { socket, buffer: vec![0; DATAGRAM], pending: VecDeque::new() })
    }

    /// Listens to what happens to routes and rules too. Not so from the start: a host with routes by
    /// the thousand has much to say that nobody here needs.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn watch_routing(&self) -> Result<(), Error> {
        let joined = self.socket.get_ref().add_mcast_membership(Groups::new_groups(&ROUTING));
        joined.map_err(|error| Error::socket("watch routes and rules", &error))
    }

    /// Waits for the next event. Cancel-safe: an event is either returned or kept.
    ///
    /// # Errors
    ///
    /// The socket failed, or a message makes no sense. The monitor can be used further.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let mut ready =
                self.socket.readable().await.map_err(|error| Error::socket(OPERATION, &error))?;
            let buffer = &mut self.buffer;
            match ready.try_io(|socket| socket.get_ref().recv(&mut *buffer, Msg::empty())) {
                Ok(Ok((length, _))) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    read_events(datagram, &mut self.pending)
                        .map_err(|what| Error::unintelligible(OPERATION, what))?;
                }
                Ok(Err(error)) if errno(&error) == Errno::ENOBUFS as i32 => {
                    self.discard()?;
                    return Ok(Event::Resync);
                }
                Ok(Err(error)) => return Err(Error::socket(OPERATION, &error)),
                Err(_not_ready) => {}
            }
        }
    }

    /// Empties the socket. The kernel drops all further news, without another `ENOBUFS`, until
    /// the queue that overflowed has been empty once (netlink_overrun()): whoever looks at
    /// everything again before that misses what changes next.
    fn discard(&mut self) -> Result<(), Error> {
        loop {
            match self.socket.get_ref().recv(&mut self.buffer, Msg::empty()) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if errno(&error) == Errno::ENOBUFS as i32 => {}
                Err(error) => return Err(Error::socket(OPERATION, &error)),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe: it wants the promise that the socket keeps its descriptor, \
              which NlSocket does until it is dropped"
)]
fn register(socket: NlSocket) -> std::io::Result<AsyncFd<NlSocket>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

fn read_events(datagram: &[u8], events: &mut VecDeque<Event>) -> Result<(), String> {
    for message in message::messages(datagram) {
        let message = message?;
        let payload = message.payload;
        let event = if message.is(Rtm::Newlink) {
            message::read_link(payload)?.map(Event::Link)
        } else if message.is(Rtm::Dellink) {
            message::read_link(payload)?.map(|link| Event::LinkGone { index: link.index })
        } else if message.is(Rtm::Newaddr) {
            message::read_address(payload)?.map(Event::Address)
        } else if message.is(Rtm::Deladdr) {
            message::read_address(payload)?.map(Event::AddressGone)
        } else if message.is(Rtm::Delroute) || message.is(Rtm::Delrule) {
            routing::is_ours(payload, message.is(Rtm::Delrule))?.then_some(Event::RoutingGone)
        } else {
            None
        };
        events.extend(event);
    }
    Ok(())
}

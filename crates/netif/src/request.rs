//! Requests to rtnetlink and their answers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use neli::{Size, ToBytes};
use nix::errno::Errno;

use crate::error::Error;
use crate::message::{self, Message};
use crate::{Address, Link, NewAddress};

/// Longer than the largest datagram of a dump (32 KiB, `NLMSG_GOODSIZE` and netlink_dump()).
pub(crate) const DATAGRAM: usize = 64 * 1024;
/// How long an answer may take; it normally is there when the request has been sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks for an answer.
const PAUSE: Duration = Duration::from_millis(1);
/// How often a dump is read again because something changed meanwhile.
const DUMP_RETRIES: usize = 3;
/// `IFNAMSIZ` without the terminating NUL (linux/if.h).
const LONGEST_NAME: usize = 15;

/// A connection to rtnetlink for requests, one at a time.
///
/// Its methods block until the kernel has carried out the request, which it does at once; none
/// waits for another host.
pub struct Netlink {
    socket: NlSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Netlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Netlink").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// What the answers of one request hold.
pub(crate) struct Answers<T> {
    items: Vec<T>,
    interrupted: bool,
}

impl Netlink {
    /// Opens a connection to rtnetlink of the thread's network namespace.
    ///
    /// # Errors
    ///
    /// The process has no file descriptor left or may not use netlink sockets.
    pub fn open() -> Result<Self, Error> {
        let open = || -> std::io::Result<NlSocket> {
            let socket = NlSocket::connect(NlFamily::Route, None, Groups::empty())?;
            // The kernel answers before send() returns, so a read never has to wait in the kernel.
            socket.nonblock()?;
            socket.enable_ext_ack(true)?;
            // Without it (before 4.20) a dump holds more than was asked for, and is sifted here.
            let _ = socket.enable_strict_checking(true);
            Ok(socket)
        };
        let socket = open().map_err(|error| Error::socket("open rtnetlink", &error))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// All interfaces; equivalent to `ip link show`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or its answer makes no sense.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        self.dump(
            "list links",
            Rtm::Getlink,
            || message::link_request(None),
            |m| {
                if m.is(Rtm::Newlink) { message::read_link(m.payload) } else { Ok(None) }
            },
        )
    }

    /// The interface of that name; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or its answer makes no sense.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Ok(None);
        }
        let operation = format!("look up link {name}");
        let answers =
            self.ask(&operation, Rtm::Getlink, NlmF::ACK, message::link_request(Some(name)), |m| {
                if m.is(Rtm::Newlink) { message::read_link(m.payload) } else { Ok(None) }
            });
        match answers {
            Ok(answers) => Ok(answers.items.into_iter().next()),
            Err(error) if is(&error, &[Errno::ENODEV]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All IPv4 and IPv6 addresses of all interfaces; equivalent to `ip address show`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or its answer makes no sense.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        self.dump("list addresses", Rtm::Getaddr, message::addresses_request, |m| {
            if m.is(Rtm::Newaddr) { message::read_address(m.payload) } else { Ok(None) }
        })
    }

    /// Adds an address; `false` if the interface has it already, perhaps with another label.
    ///
    /// Equivalent to `ip address add ADDRESS/PREFIX dev INTERFACE label LABEL`, for IPv6 with
    /// `nodad`.
    ///
    /// # Errors
    ///
    /// There is no such interface (`ENODEV`), the kernel refuses the prefix or the label, IPv6 is
    /// off on the interface (`EACCES`), or the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_address(&mut self, new: &NewAddress<'_>) -> Result<bool, Error> {
        let operation = format!("add address {new}");
        let Some(link) = self.link(new.interface)? else {
            return Err(Error::Refused { operation, errno: Errno::ENODEV as i32, text: None });
        };
        let flags = NlmF::ACK | NlmF::CREATE | NlmF::EXCL;
        let request = message::address(new, link.index, true);
        match self.ask::<_, ()>(&operation, Rtm::Newaddr, flags, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if is(&error, &[Errno::EEXIST]) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes exactly this address with this prefix length, whatever its label; `false` if the
    /// interface does not have it or does not exist.
    ///
    /// Equivalent to `ip address del ADDRESS/PREFIX dev INTERFACE`. Where `promote_secondaries` of
    /// the interface is 0, the kernel deletes the IPv4 addresses of the same network that came
    /// after this one with it.
    ///
    /// # Errors
    ///
    /// The kernel refuses, for instance because the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_address(&mut self, new: &NewAddress<'_>) -> Result<bool, Error> {
        let operation = format!("delete address {new}");
        let Some(link) = self.link(new.interface)? else {
            return Ok(false);
        };
        let request = message::address(new, link.index, false);
        match self.ask::<_, ()>(&operation, Rtm::Deladdr, NlmF::ACK, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if is(&error, &[Errno::EADDRNOTAVAIL, Errno::ENODEV]) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this process may change links, addresses and routes; nothing is changed.
    ///
    /// # Errors
    ///
    /// It may not (`EPERM`), or the kernel did not answer.
    pub fn check_permission(&mut self) -> Result<(), Error> {
        let operation = "change addresses";
        // No interface has the number 0. The kernel looks at the capability before the request.
        let nothing = NewAddress::new("", IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let request = message::address(&nothing, 0, false);
        match self.ask::<_, ()>(operation, Rtm::Deladdr, NlmF::ACK, request, |_| Ok(None)) {
            Err(error) if is(&error, &[Errno::EPERM]) => Err(error),
            Ok(_) | Err(Error::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a whole table. After [`DUMP_RETRIES`] disturbed attempts the last one counts: where
    /// the table never rests there is no consistent view of it.
    pub(crate) fn dump<P: Size + ToBytes, T>(
        &mut self,
        operation: &str,
        kind: Rtm,
        request: impl Fn() -> Result<P, String>,
        read: impl Fn(&Message<'_>) -> Result<Option<T>, String>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMP_RETRIES {
            let answers = self.ask(operation, kind, NlmF::DUMP, request(), &read)?;
            if !answers.interrupted {
                return Ok(answers.items);
            }
        }
        Ok(self.ask(operation, kind, NlmF::DUMP, request(), &read)?.items)
    }

    /// Sends one request and reads its answers to the end.
    pub(crate) fn ask<P: Size + ToBytes, T>(
        &mut self,
        operation: &str,
        kind: Rtm,
        flags: NlmF,
        payload: Result<P, String>,
        read: impl Fn(&Message<'_>) -> Result<Option<T>, String>,
    ) -> Result<Answers<T>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = payload
            .and_then(|payload| message::request(kind, flags, self.sequence, payload))
            .map_err(|what| Error::Invalid { operation: operation.to_owned(), what })?;
        self.socket
            .send(request, Msg::empty())
            .map_err(|error| Error::socket(operation, &error))?;

        let mut answers = Answers { items: Vec::new(), interrupted: false };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let length = self.receive(operation, deadline)?;
            for message in message::messages(&self.buffer[..length]) {
                let message = message.map_err(|what| Error::unintelligible(operation, what))?;
                // What is left of an earlier request that was given up.
                if message.sequence != self.sequence {
                    continue;
                }
                answers.interrupted |= message.interrupted();
                match message.outcome() {
                    Some(outcome) if outcome.errno == 0 => return Ok(answers),
                    Some(outcome) => {
                        return Err(Error::Refused {
                            operation: operation.to_owned(),
                            errno: outcome.errno,
                            text: outcome.text,
                        });
                    }
                    None => answers.items.extend(
                        read(&message).map_err(|what| Error::unintelligible(operation, what))?,
                    ),
                }
            }
        }
    }

    /// The next datagram's length, in the buffer.
    ///
    /// A receive timeout of the socket would need its file descriptor, which neli hands out only
    /// as a bare number; so the socket does not block and this looks again until the deadline.
    fn receive(&mut self, operation: &str, deadline: Instant) -> Result<usize, Error> {
        loop {
            match self.socket.recv(&mut self.buffer, Msg::empty()) {
                Ok((length, _)) => return Ok(length.min(self.buffer.len())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        let operation = operation.to_owned();
                        return Err(Error::NoAnswer { operation, after: PATIENCE });
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(Error::socket(operation, &error)),
            }
        }
    }
}

fn is(error: &Error, numbers: &[Errno]) -> bool {
    matches!(error, Error::Refused { errno, .. } if numbers.iter().any(|&n| n as i32 == *errno))
}

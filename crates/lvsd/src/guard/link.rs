//! The socket between the guard and its worker: JSON documents, one a packet.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vrrp::standing::Standing;

use super::in_force::Piece;

/// Counts up whenever a message here, or a `Standing`, changes in a way that the other side of before
/// does not understand.
pub const FORMAT: u32 = 1;

/// Longer than what an instance with 255 addresses and a dozen unicast peers has to say.
const LONGEST: usize = 1 << 20;
/// What waits in the socket while the other side is busy: some hundred instances at once.
const WAITING: usize = 8 << 20;

/// From the worker to the guard.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The VRRP loop lives.
    Alive,
    /// An instance stands otherwise than before.
    Standing(Box<Standing>),
    /// An instance is no more.
    Gone(String),
    /// The worker has started whole, or has ended a reload.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It stops because it was told to.
    Stopping,
    /// A piece of what is to be said to the next worker about the definitions in force.
    InForce(Piece),
    /// The operator wants the program replaced; the new one was tried.
    Upgrade,
}

/// From the guard to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Where an instance of the last worker stood. These come first of all.
    Standing(Standing),
    /// A piece of what the last worker said about the definitions in force.
    InForce(Piece),
    /// Begin.
    Begin(Begin),
    /// End, and leave everything as it is: another worker goes on.
    HandOver,
}

/// What a worker knows of its guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The guard's process.
    pub guard: u32,
    /// The file that an upgrade starts.
    pub program: PathBuf,
    /// How many workers ended without being told to.
    pub restarts: u64,
    /// How the last one of them ended.
    pub last_end: Option<String>,
}

/// One end of the socket. std's datagram socket speaks for any socket that keeps packets apart.
#[derive(Debug)]
pub struct Link {
    socket: UnixDatagram,
    buffer: Vec<u8>,
}

impl Link {
    /// The guard's end, which never waits, and the worker's.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let kind = SockType::SeqPacket;
        let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
        for end in [&ours, &theirs] {
            // Without the privilege fewer packets wait; none of them is lost for that.
            let _ = setsockopt(end, sockopt::SndBufForce, &WAITING);
        }
        let ours = Self::new(ours);
        ours.socket.set_nonblocking(true)?;
        Ok((ours, theirs))
    }

    fn new(socket: OwnedFd) -> Self {
        Self { socket: socket.into(), buffer: vec![0; LONGEST] }
    }

    /// The worker's end, which the guard made its standard input. Later programs of the worker's
    /// read nothing there.
    ///
    /// # Errors
    /// When the standard input is no such socket.
    pub fn of_worker() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        // Fails for whatever is no socket.
        let link = Self::new(input);
        link.socket.local_addr()?;
        nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Ok(link)
    }

    /// The end as tokio wants it: from now on no handle of it waits.
    ///
    /// # Errors
    /// Of the socket.
    pub fn into_socket(self) -> io::Result<UnixDatagram> {
        self.socket.set_nonblocking(true)?;
        Ok(self.socket)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Of the socket; `WouldBlock` when too much waits there.
    pub fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        self.socket.send(&serde_json::to_vec(message)?).map(drop)
    }

    /// The next message; `None` when the other side is gone.
    ///
    /// # Errors
    /// Of the socket, or of a message that cannot be read.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.socket.recv(&mut self.buffer)? {
            0 => Ok(None),
            length => Ok(Some(serde_json::from_slice(&self.buffer[..length])?)),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

//! Hears every advert on the LAN, with the moment at which the kernel had it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use integration::Host;
use integration::network::INTERFACE;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

/// Where adverts go.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// VRRP's protocol number.
const VRRP: i32 = 112;

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Adverts by who sent them; those with priority 0 stand under `farewells` alone.
    pub(crate) adverts: BTreeMap<Ipv4Addr, u32>,
    pub(crate) farewells: u32,
    /// From each advert of an instance to its next one, of the same sender.
    pub(crate) gaps: Vec<Duration>,
    last: BTreeMap<(u8, Ipv4Addr), Duration>,
}

impl Heard {
    /// Takes an IP packet that came then.
    fn packet(&mut self, packet: &[u8], at: Duration) {
        let Some(&[a, b, c, d]) = packet.get(12..16) else { return };
        let header = usize::from(packet[0] & 0x0f) * 4;
        let Some(&[vrid, priority]) = packet.get(header + 1..header + 3) else { return };
        if priority == 0 {
            self.farewells += 1;
            return;
        }
        let source = Ipv4Addr::new(a, b, c, d);
        *self.adverts.entry(source).or_default() += 1;
        if let Some(before) = self.last.insert((vrid, source), at) {
            self.gaps.push(at.saturating_sub(before));
        }
    }

    /// Of how many instances something was heard from this sender.
    pub(crate) fn instances_of(&self, source: Ipv4Addr) -> usize {
        self.last.keys().filter(|(_, sender)| *sender == source).count()
    }
}

/// Hears until it is stopped.
pub(crate) struct Ear {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Heard>>,
}

impl Ear {
    pub(crate) fn on(host: &Host) -> Result<Self> {
        let socket = host.namespace().enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)))?;
            let index = nix::net::if_::if_nametoindex(INTERFACE)?;
            socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
            socket.set_recv_buffer_size(1 << 20)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            setsockopt(&socket, ReceiveTimestampns, &true)?;
            Ok(socket)
        });
        let socket = socket.context("listening for adverts")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || listen(&socket, &stopped));
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) -> Result<Heard> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(heard) => heard,
            Err(_) => bail!("who heard the adverts panicked"),
        }
    }
}

fn listen(socket: &Socket, stop: &AtomicBool) -> Result<Heard> {
    let mut heard = Heard::default();
    let mut buffer = [0; 2048];
    let mut control = nix::cmsg_space!(TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
        let message = match recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), flags) {
            Ok(message) => message,
            Err(error) if std::io::Error::from(error).kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error).context("hearing adverts"),
        };
        let mut at = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(time) = control {
                at = Some(Duration::from(time));
            }
        }
        let at = at.context("the kernel does not say when an advert came")?;
        heard.packet(message.iovs().next().unwrap_or_default(), at);
    }
    Ok(heard)
}

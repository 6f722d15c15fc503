//! Tells the neighbours which MAC has an address now.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netif::sysctl;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::neighbour::announcement;

/// After the queue of an interface was full, until the rest is sent.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a queue may stay full until the rest is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The frames of an instance for one interface.
#[derive(Debug)]
pub(super) struct Burst {
    /// Name of the instance.
    pub(super) instance: String,
    pub(super) interface: String,
    link: LinkAddr,
    until: Instant,
}

/// A frame that is to be sent.
#[derive(Debug)]
struct Waiting {
    burst: Arc<Burst>,
    address: IpAddr,
    frame: Arc<Vec<u8>>,
}

/// A packet socket that receives nothing.
#[derive(Debug)]
pub(super) struct Announcer {
    socket: OwnedFd,
    /// In the order in which they are to be sent.
    waiting: VecDeque<Waiting>,
    again_at: Option<Instant>,
    /// Looked up once: the kernel tells of all interfaces at a time.
    links: BTreeMap<String, LinkAddr>,
}

impl Announcer {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { socket, waiting: VecDeque::new(), again_at: None, links: BTreeMap::new() })
    }

    /// Interfaces have changed.
    pub(super) fn forget_links(&mut self) {
        self.links.clear();
    }

    /// Has `repeat` frames for each address sent out of `interface`, by [`Announcer::send`].
    pub(super) fn announce(
        &mut self,
        instance: &str,
        interface: &str,
        addresses: &[IpAddr],
        repeat: u8,
        now: Instant,
    ) -> io::Result<()> {
        let link = self.link(interface)?;
        let mac = link.addr().ok_or_else(|| io::Error::other("it has no MAC address"))?;
        let router = addresses.iter().any(IpAddr::is_ipv6) && is_router(interface);
        let (instance, interface) = (instance.to_owned(), interface.to_owned());
        let burst = Arc::new(Burst { instance, interface, link, until: now + PATIENCE });
        let frame = |&address| (address, Arc::new(announcement(mac, address, router)));
        let frames: Vec<_> = addresses.iter().map(frame).collect();
        for _ in 0..repeat {
            self.waiting.extend(frames.iter().map(|(address, frame)| Waiting {
                burst: Arc::clone(&burst),
                address: *address,
                frame: Arc::clone(frame),
            }));
        }
        Ok(())
    }

    /// The instance has these addresses no more.
    pub(super) fn withdraw(&mut self, instance: &str, addresses: &[IpAddr]) {
        self.waiting
            .retain(|one| one.burst.instance != instance || !addresses.contains(&one.address));
    }

    /// Sends what the interfaces have room for. Returns what is given up, and why.
    pub(super) fn send(&mut self, now: Instant) -> Vec<(Arc<Burst>, io::Error)> {
        let (mut full, mut failed) = (BTreeSet::new(), Vec::<(Arc<Burst>, io::Error)>::new());
        for one in std::mem::take(&mut self.waiting) {
            let (burst, interface) = (&one.burst, one.burst.link.ifindex());
            if failed.iter().any(|(given_up, _)| Arc::ptr_eq(given_up, burst)) {
                continue;
            }
            if full.contains(&interface) && now < burst.until {
                self.waiting.push_back(one);
                continue;
            }
            let fd = self.socket.as_raw_fd();
            match sendto(fd, &one.frame, &burst.link, MsgFlags::empty()) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS) if now < burst.until => {
                    full.insert(interface);
                    self.waiting.push_back(one);
                }
                Err(errno) => failed.push((Arc::clone(burst), errno.into())),
            }
        }
        self.again_at = (!self.waiting.is_empty()).then(|| now + PAUSE);
        failed
    }

    /// When [`Announcer::send`] is due: an interface had no room.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// The kernel's own socket address of an interface; building one by hand would need `unsafe`.
    pub(super) fn link(&mut self, interface: &str) -> io::Result<LinkAddr> {
        if let Some(link) = self.links.get(interface) {
            return Ok(*link);
        }
        for one in nix::ifaddrs::getifaddrs()? {
            if let Some(link) = one.address.and_then(|address| address.as_link_addr().copied()) {
                self.links.insert(one.interface_name, link);
            }
        }
        let link = self.links.get(interface).copied();
        link.ok_or_else(|| io::Error::from(Errno::ENODEV))
    }
}

fn is_router(interface: &str) -> bool {
    sysctl::read(&format!("net/ipv6/conf/{interface}/forwarding")).is_ok_and(|value| value != "0")
}

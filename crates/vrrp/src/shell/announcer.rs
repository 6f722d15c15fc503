//! Tells the neighbours which MAC has an address now.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use netif::sysctl;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::neighbour::announcement;

/// A packet socket that receives nothing.
#[derive(Debug)]
pub(super) struct Announcer {
    socket: OwnedFd,
    /// Looked up once: the kernel tells of all interfaces at a time.
    links: BTreeMap<String, LinkAddr>,
}

impl Announcer {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { socket, links: BTreeMap::new() })
    }

    /// Interfaces have changed.
    pub(super) fn forget_links(&mut self) {
        self.links.clear();
    }

    /// Sends `repeat` frames for each address out of `interface`.
    pub(super) fn announce(
        &mut self,
        interface: &str,
        addresses: &[IpAddr],
        repeat: u8,
    ) -> io::Result<()> {
        let link = self.link(interface)?;
        let mac = link.addr().ok_or_else(|| io::Error::other("it has no MAC address"))?;
        let router = addresses.iter().any(IpAddr::is_ipv6) && is_router(interface);
        let frames: Vec<_> =
            addresses.iter().map(|&address| announcement(mac, address, router)).collect();
        for _ in 0..repeat {
            for frame in &frames {
                sendto(self.socket.as_raw_fd(), frame, &link, MsgFlags::empty())?;
            }
        }
        Ok(())
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
        link.ok_or_else(|| io::Error::from(nix::errno::Errno::ENODEV))
    }
}

fn is_router(interface: &str) -> bool {
    sysctl::read(&format!("net/ipv6/conf/{interface}/forwarding")).is_ok_and(|value| value != "0")
}

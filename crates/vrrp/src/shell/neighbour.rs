//! Tells the neighbours which MAC has an address now: gratuitous ARP (RFC 5227 §3) and unsolicited
//! neighbour advertisements (RFC 4861 §7.2.6).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use netif::sysctl;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::packet::checksum::{checksum, pseudo_header};

pub(super) const BROADCAST: [u8; 6] = [0xff; 6];
/// The MAC of all nodes (RFC 2464 §7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;

/// An ARP request in which sender and target are `address`, as an Ethernet frame.
fn arp(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    [
        &BROADCAST[..],
        &mac,
        // EtherType ARP; hardware Ethernet, protocol IPv4, their lengths, operation request.
        &[0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1],
        &mac,
        &address.octets(),
        // The target's hardware address: RFC 5227 ignores it.
        &[0; 6],
        &address.octets(),
    ]
    .concat()
}

/// An unsolicited neighbour advertisement to all nodes, as an Ethernet frame. It overrides what
/// they knew, and says whether this host is a router, as the kernel's own ones do.
fn advertisement(mac: [u8; 6], address: Ipv6Addr, router: bool) -> Vec<u8> {
    // Type 136, code 0, checksum; router and override flag; target; target's link-layer address.
    let flags = if router { 0xa0 } else { 0x20 };
    let mut message =
        [&[136, 0, 0, 0, flags, 0, 0, 0][..], &address.octets(), &[2, 1], &mac].concat();
    let pseudo = pseudo_header(address.into(), ALL_NODES.into(), ICMPV6, message.len());
    let sum = checksum(&[&pseudo, &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    // EtherType IPv6; version 6, 32 bytes, next header, hop limit 255.
    let ip = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, ICMPV6, 255];
    [&ALL_NODES_MAC[..], &mac, &ip, &address.octets(), &ALL_NODES.octets(), &message].concat()
}

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
        let frame = |address: &IpAddr| match *address {
            IpAddr::V4(address) => arp(mac, address),
            IpAddr::V6(address) => advertisement(mac, address, router),
        };
        let frames: Vec<_> = addresses.iter().map(frame).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out by hand after RFC 826.
    #[test]
    fn gratuitous_arp_is_as_in_the_rfc() {
        let frame = arp([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 0, 0, 100));
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 100],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 100],
        ]
        .concat();
        assert_eq!(frame, expected);
    }

    /// As keepalived 2.2.7 sent it for 2001:db8:77::100 from 02:00:00:00:00:01, in a capture.
    #[test]
    fn a_neighbour_advertisement_is_keepaliveds() {
        let address = "2001:db8:77::100".parse().unwrap();
        let frame = advertisement([2, 0, 0, 0, 0, 1], address, false);
        let expected = [
            &[0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd][..],
            &[0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff],
            &[0x20, 1, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0x88, 0, 0xf6, 0x3e, 0x20, 0, 0, 0],
            &[0x20, 1, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[2, 1, 2, 0, 0, 0, 0, 1],
        ]
        .concat();
        assert_eq!(frame, expected);
        // A router's has one flag more: 0x8000 less in the checksum.
        let router = advertisement([2, 0, 0, 0, 0, 1], address, true);
        assert_eq!(router[54..60], [0x88, 0, 0x76, 0x3e, 0xa0, 0]);
    }
}

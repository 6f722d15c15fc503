//! Gratuitous ARP (RFC 5227 §3): tells the neighbours which MAC has an address now.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

const BROADCAST: [u8; 6] = [0xff; 6];

/// An ARP request in which sender and target are `address`, as an Ethernet frame.
fn frame(mac: [u8; 6], address: Ipv4Addr) -> [u8; 42] {
    let mut frame = [0; 42];
    frame[0..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    // EtherType ARP; hardware Ethernet, protocol IPv4, their lengths, operation request.
    frame[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    // The target's hardware address stays zero: RFC 5227 ignores it.
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// A packet socket that receives nothing.
#[derive(Debug)]
pub(super) struct Announcer(OwnedFd);

impl Announcer {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self(socket(AddressFamily::Packet, SockType::Raw, flags, None)?))
    }

    /// Sends `repeat` requests for each address out of `interface`.
    pub(super) fn announce(
        &self,
        interface: &str,
        addresses: &[Ipv4Addr],
        repeat: u8,
    ) -> io::Result<()> {
        let link = link_address(interface)?;
        let mac = link.addr().ok_or_else(|| io::Error::other("it has no MAC address"))?;
        for _ in 0..repeat {
            for &address in addresses {
                sendto(self.0.as_raw_fd(), &frame(mac, address), &link, MsgFlags::empty())?;
            }
        }
        Ok(())
    }
}

/// The kernel's own socket address of an interface; building one by hand would need `unsafe`.
fn link_address(interface: &str) -> io::Result<LinkAddr> {
    nix::ifaddrs::getifaddrs()?
        .filter(|one| one.interface_name == interface)
        .find_map(|one| one.address?.as_link_addr().copied())
        .ok_or_else(|| io::Error::from(nix::errno::Errno::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out by hand after RFC 826.
    #[test]
    fn the_frame_is_as_in_the_rfc() {
        let frame = frame([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 0, 0, 100));
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 100],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 100],
        ]
        .concat();
        assert_eq!(frame[..], expected[..]);
    }
}

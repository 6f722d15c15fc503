//! Ethernet frames that ask and tell which machine has an address: ARP for IPv4, neighbour
//! discovery for IPv6.

mod arp;
mod ndp;

use std::net::IpAddr;

/// A MAC address.
pub type Mac = [u8; 6];

/// A machine says that an address is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// Where packets to the address go.
    pub mac: Mac,
}

impl Claim {
    /// Reads an Ethernet frame without VLAN tag. `None` for what is no claim: other protocols,
    /// questions, and packets that a neighbour has to discard.
    #[must_use]
    pub fn decode(frame: &[u8]) -> Option<Self> {
        match *frame.get(12..14)?.first_chunk()? {
            arp::ETHERTYPE => arp::claim(frame),
            ndp::ETHERTYPE => ndp::claim(frame),
            _ => None,
        }
    }
}

/// Asks all machines on the link who has `address`. `source` is the asker's own address, and `mac`
/// that of the interface that it asks out of. `None` for addresses of two families.
pub(crate) fn question(mac: Mac, source: IpAddr, address: IpAddr) -> Option<Vec<u8>> {
    match (source, address) {
        (IpAddr::V4(source), IpAddr::V4(address)) => Some(arp::request(mac, source, address)),
        (IpAddr::V6(source), IpAddr::V6(address)) => Some(ndp::solicitation(mac, source, address)),
        _ => None,
    }
}

/// Tells all machines on the link that `mac` has `address`: gratuitous ARP (RFC 5227 §3), or an
/// unsolicited neighbour advertisement (RFC 4861 §7.2.6), which also says whether this is a router.
pub(crate) fn announcement(mac: Mac, address: IpAddr, router: bool) -> Vec<u8> {
    match address {
        // Sender and target are the same address.
        IpAddr::V4(address) => arp::request(mac, address, address),
        IpAddr::V6(address) => ndp::advertisement(mac, address, router),
    }
}

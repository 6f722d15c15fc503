//! The lab's address plan. All of it exists in namespaces that the lab made, and only there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

/// The length of the LAN's prefix, 10.77.0.0/24.
pub const PREFIX_LENGTH: u8 = 24;
/// The client.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
/// The directors `lb1` and `lb2`; lb2 has the higher address.
pub const DIRECTORS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 3)];
/// The real servers `rs1` to `rs3`.
pub const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 77, 0, 11), Ipv4Addr::new(10, 77, 0, 12), Ipv4Addr::new(10, 77, 0, 13)];
/// The virtual address that every real server has on `lo`.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// The web service on [`VIP`].
pub const SERVICE: SocketAddrV4 = SocketAddrV4::new(VIP, 80);
/// The client's IPv6 address, in fd00:77::/64, where [`VIP6`] is too.
pub const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 9);
/// A virtual IPv6 address.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0x100);

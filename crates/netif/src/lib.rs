//! Links, addresses, routes, rules and sysctls of the running kernel, over rtnetlink (rtnetlink(7)).
//!
//! [`Netlink`] asks and changes, one request at a time. [`Monitor`] tells what changes, whoever
//! changed it. [`sysctl`] reads and writes `/proc/sys`. All of them see the network namespace of
//! the thread that opened them.

mod error;
mod macvlan;
mod message;
mod monitor;
mod request;
mod routing;
mod subnet;
pub mod sysctl;

use std::fmt;
use std::net::IpAddr;

pub use error::Error;
pub use macvlan::Macvlan;
pub use monitor::{Event, Monitor};
pub use request::Netlink;
pub use routing::{MAIN, Mark, Network, PROTOCOL, Route, RouteKey, Rule, Target, Verdict};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it, unique in the network namespace and never 0.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its MAC address; `None` where the hardware address has not six bytes (tunnels).
    pub mac: Option<[u8; 6]>,
    /// [`Link::index`] of the interface that it is on (`IFLA_LINK`); a cable's other end for veth.
    pub parent: Option<u32>,
    /// An administrator set it up: `IFF_UP`.
    pub up: bool,
    /// It can carry packets now: `IFF_RUNNING` or `IFF_LOWER_UP`. A link that is not `up` never is.
    pub running: bool,
}

/// An IP address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface's [`Link::index`].
    pub index: u32,
    /// The address of this host (`IFA_LOCAL`), not that of a point-to-point peer.
    pub address: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix: u8,
    /// The label; IPv4 addresses have one, by default the interface's name.
    pub label: Option<String>,
    /// An IPv6 address that cannot be used yet, or never will be: duplicate address detection
    /// runs, or has found another host (`IFA_F_TENTATIVE` without `IFA_F_OPTIMISTIC`).
    pub tentative: bool,
}

/// How far an address or a route reaches (rtnetlink(7)).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Within the site.
    Site,
    /// On its link.
    Link,
    /// Within this host.
    Host,
}

/// An address to add or to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress<'a> {
    /// The interface's name.
    pub interface: &'a str,
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix in bits: up to 32 for IPv4, up to 128 for IPv6.
    pub prefix: u8,
    /// A label of at most 15 bytes, for IPv4; the kernel keeps none for IPv6, so it is not sent.
    pub label: Option<&'a str>,
    /// The scope of an IPv4 address. `None`: as ip-address(8), host for 127.0.0.0/8 and global for
    /// all others. The kernel finds that of an IPv6 address by itself.
    pub scope: Option<Scope>,
    /// The kernel does not choose an IPv6 address as the source of what this host begins:
    /// `preferred_lft 0`.
    pub deprecated: bool,
}

impl<'a> NewAddress<'a> {
    /// An address without label, with the usual scope, and preferred.
    pub fn new(interface: &'a str, address: IpAddr, prefix: u8) -> Self {
        Self { interface, address, prefix, label: None, scope: None, deprecated: false }
    }
}

impl fmt::Display for NewAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on {}", self.address, self.prefix, self.interface)
    }
}

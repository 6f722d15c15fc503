//! What a VRRP instance is told to do. Units are types.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::track::Track;

/// Virtual router identifier, 1 to 255; equal on both directors, unique on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(u8);

impl Vrid {
    /// The identifier, or `None` for 0.
    pub fn new(vrid: u8) -> Option<Self> {
        (vrid != 0).then_some(Self(vrid))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Configured priority: 1 to 254, or 255 for the owner of the addresses. 0 exists on the wire
/// only, where it says that the master gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// RFC 9568's default.
    pub const DEFAULT: Self = Self(100);
    /// The owner of the addresses.
    pub const OWNER: Self = Self(255);

    /// The priority, or `None` for 0.
    pub fn new(priority: u8) -> Option<Self> {
        (priority != 0).then_some(Self(priority))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time in hundredths of a second, VRRPv3's unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Centiseconds(u16);

impl Centiseconds {
    /// One second.
    pub const SECOND: Self = Self(100);
    /// Longest interval that VRRPv3's twelve bits hold: 40.95 s.
    pub const MAX_V3: Self = Self(4095);
    /// Longest interval that VRRPv2's eight bits hold: 255 s.
    pub const MAX_V2: Self = Self(25_500);

    /// So many hundredths of a second.
    pub fn new(centiseconds: u16) -> Self {
        Self(centiseconds)
    }

    /// The number of hundredths.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The same time.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * 10)
    }
}

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768; whole seconds, IPv4 only, optional password.
    V2,
    /// RFC 9568 (RFC 5798 before); hundredths of a second.
    V3,
}

/// VRRPv2's authentication type 1, a plain text password: keeps apart, does not protect.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// RFC 2338 §5.3.6.1: up to eight bytes, filled with zeros.
    Pass([u8; 8]),
}

/// The password is never shown.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(_) => f.write_str("Pass(..)"),
        }
    }
}

/// A virtual address with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length that it gets on the interface.
    pub prefix: u8,
    /// Interface that it is added to; the instance's unless told otherwise.
    pub interface: String,
    /// Label, such as `eth0:1`; at most 15 bytes, starting with the interface's name.
    pub label: Option<String>,
}

/// Gratuitous ARP after becoming master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// Packets per address and burst. keepalived: `garp_master_repeat`.
    pub repeat: u8,
    /// From the first burst to the second; zero = no second one. keepalived:
    /// `garp_master_delay`.
    pub delay: Duration,
    /// From one later burst to the next while master; zero = none. keepalived:
    /// `garp_master_refresh`.
    pub refresh: Duration,
}

impl Default for Announce {
    fn default() -> Self {
        Self { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::ZERO }
    }
}

/// One VRRP instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSpec {
    /// Name in the configuration; unique.
    pub name: String,
    /// Interface of the adverts.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Priority.
    pub priority: Priority,
    /// Protocol version.
    pub version: Version,
    /// From one advert to the next; whole seconds in version 2.
    pub advert_interval: Centiseconds,
    /// Whether a better backup takes over from a worse master. The owner always does.
    pub preempt: bool,
    /// How long a better backup waits after start before it takes over from a worse master.
    pub preempt_delay: Duration,
    /// Source of the adverts; the default is the interface's first address.
    pub source: Option<Ipv4Addr>,
    /// Adverts go to these; empty = multicast 224.0.0.18.
    pub unicast_peers: Vec<Ipv4Addr>,
    /// Version 2 only.
    pub authentication: Option<Authentication>,
    /// The addresses that follow the master. Those of the packet are the IPv4 ones, in order.
    pub addresses: Vec<VirtualAddress>,
    /// Gratuitous ARP.
    pub announce: Announce,
    /// What its priority depends on. Members of a group track the same things.
    pub track: Vec<Track>,
    /// Name of the sync group with which it changes its state. Members of a group have the same
    /// priority.
    pub group: Option<String>,
}

//! What a VRRP instance is told to do. Units are types.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::packet::{GROUP, GROUP_V6, TTL};
use crate::routing::Routing;
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

/// Two digits after the point at most: `0.5 s`, `1 s`, `10.25 s`.
impl fmt::Display for Centiseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:02}", self.0 / 100, self.0 % 100);
        write!(f, "{} s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Address family of an instance's adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6; version 3 only.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Multicast group of the adverts.
    pub fn group(self) -> IpAddr {
        match self {
            Self::Ipv4 => GROUP.into(),
            Self::Ipv6 => GROUP_V6.into(),
        }
    }

    /// The address that no host has.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Bytes of an address.
    pub(crate) fn address_length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// How version 3 over IPv4 computes its checksum when it sends. Both are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// With the pseudo header, as RFC 9568 settled it.
    #[default]
    PseudoHeader,
    /// Without, as some read RFC 5798. keepalived: `v3_checksum_as_v2`.
    Plain,
}

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768; whole seconds, IPv4 only, optional password.
    V2,
    /// RFC 9568 (RFC 5798 before); hundredths of a second.
    V3,
}

impl Version {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
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
    /// Scope of an IPv4 address; `None`: the usual one.
    pub scope: Option<netif::Scope>,
}

impl VirtualAddress {
    /// An address without label and with the usual scope.
    pub fn new(address: IpAddr, prefix: u8, interface: &str) -> Self {
        Self { address, prefix, interface: interface.to_owned(), label: None, scope: None }
    }
}

/// A second way for adverts, besides the instance's interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heartbeat {
    /// The interface, which is not the instance's.
    pub interface: String,
    /// The other director there; of the family of the adverts.
    pub peer: IpAddr,
}

impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.interface, self.peer)
    }
}

/// What a backup does when no advert arrives and yet somebody answers for the addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnSilentMaster {
    /// Becomes master, as the RFC has it.
    #[default]
    TakeOver,
    /// Leaves the addresses alone as long as they are answered for.
    Hold,
}

/// Gratuitous ARP and unsolicited neighbour advertisements after becoming master.
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
    /// How long the instance waits after lvsd's start before it takes part. keepalived:
    /// `vrrp_startup_delay`.
    pub start_delay: Duration,
    /// Source of the adverts; the default is the interface's first address, for IPv6 its first
    /// link-local one.
    pub source: Option<IpAddr>,
    /// Adverts go to these; empty = multicast.
    pub unicast_peers: Vec<IpAddr>,
    /// Adverts with a smaller TTL or hop limit are dropped; 255, as the RFCs want it, takes those
    /// from the link alone. keepalived: `min_ttl` of a unicast peer.
    pub min_ttl: u8,
    /// Of version 3 over IPv4.
    pub checksum: Checksum,
    /// Version 2 only.
    pub authentication: Option<Authentication>,
    /// The addresses that follow the master and are in its packets, in order; all of one family,
    /// which is the family of the adverts.
    pub addresses: Vec<VirtualAddress>,
    /// The addresses that follow the master too, of any family, but are in no packet. keepalived:
    /// `virtual_ipaddress_excluded`.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// The routes and rules that follow the master.
    pub routing: Routing,
    /// Whether a master that does not own the addresses takes in what is sent to them, beyond the
    /// virtual services: `Accept_Mode` of RFC 9568 §6.1. The state machine has no use for it.
    /// keepalived: `accept` and `no_accept`.
    pub accept: bool,
    /// Name of the interface with the virtual MAC, which is made on top of [`Self::interface`];
    /// `None`: the addresses have the MAC of the interface that they are on. keepalived: `use_vmac`.
    pub vmac: Option<String>,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announce: Announce,
    /// Further ways of the adverts. keepalived has none.
    pub heartbeats: Vec<Heartbeat>,
    /// What to do with a master that is silent and yet answers.
    pub on_silent_master: OnSilentMaster,
    /// What its priority depends on. Members of a group track the same things.
    pub track: Vec<Track>,
    /// Name of the sync group with which it changes its state. Members of a group have the same
    /// priority.
    pub group: Option<String>,
}

impl InstanceSpec {
    /// A backup with the defaults and no addresses.
    pub fn new(name: &str, interface: &str, vrid: Vrid) -> Self {
        Self {
            name: name.to_owned(),
            interface: interface.to_owned(),
            vrid,
            priority: Priority::DEFAULT,
            version: Version::V3,
            advert_interval: Centiseconds::SECOND,
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            source: None,
            unicast_peers: Vec::new(),
            min_ttl: TTL,
            checksum: Checksum::default(),
            authentication: None,
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            routing: Routing::default(),
            accept: true,
            vmac: None,
            announce: Announce::default(),
            heartbeats: Vec::new(),
            on_silent_master: OnSilentMaster::default(),
            track: Vec::new(),
            group: None,
        }
    }

    /// The family of the adverts: that of the addresses in the packets, IPv4 if there are none.
    pub fn family(&self) -> Family {
        self.addresses.first().map_or(Family::Ipv4, |first| Family::of(first.address))
    }

    /// The interface by which adverts leave. Multicast tells the switches where the virtual MAC is
    /// (RFC 9568 §7.2); unicast has no use for it.
    pub fn advert_interface(&self) -> &str {
        match &self.vmac {
            Some(vmac) if self.unicast_peers.is_empty() => vmac,
            _ => &self.interface,
        }
    }

    /// Every address that follows the master: those of the packets, then the excluded ones.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded_addresses)
    }
}

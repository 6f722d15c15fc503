//! Why a packet is dropped.

use std::net::IpAddr;

use crate::spec::Centiseconds;

/// Why received packets were dropped. Each cause has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DropCause {
    /// The IP header is malformed, or the packet is not VRRP at all.
    #[error("IP header malformed")]
    IpHeader,
    /// The packet ends too early, or is longer than its address count says.
    #[error("wrong length")]
    Length,
    /// It names no virtual address (version 3).
    #[error("no virtual address")]
    NoAddress,
    /// The TTL or hop limit is too small: the packet was routed, which VRRP's never are.
    #[error("TTL too small")]
    Ttl,
    /// The version is not the instance's.
    #[error("other version")]
    Version,
    /// The type is not 1, the only one there is.
    #[error("unknown type")]
    Type,
    /// The checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// The VRID belongs to no instance of the interface.
    #[error("unknown VRID")]
    Vrid,
    /// The password or its type is not the instance's (version 2).
    #[error("authentication does not match")]
    Authentication,
    /// The interval is not the instance's (version 2), or it is 0.
    #[error("advert interval does not match")]
    Interval,
    /// The sender is none of the instance's unicast peers, or a multicast packet came to an
    /// instance with unicast peers.
    #[error("sender is no peer")]
    Peer,
    /// The source address is this director's own.
    #[error("own packet")]
    Own,
}

impl DropCause {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 12] = [
        Self::IpHeader,
        Self::Length,
        Self::NoAddress,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Checksum,
        Self::Vrid,
        Self::Authentication,
        Self::Interval,
        Self::Peer,
        Self::Own,
    ];
}

/// A dropped packet's [`DropCause`] with what was found and what was expected. Passwords are not
/// among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// [`DropCause::IpHeader`].
    #[error("its IP header is malformed")]
    IpHeader,
    /// [`DropCause::Length`].
    #[error("it has {found} bytes where its header asks for {expected}")]
    Length {
        /// Bytes after the IP header.
        found: usize,
        /// Bytes that the count of addresses asks for.
        expected: usize,
    },
    /// [`DropCause::NoAddress`].
    #[error("it names no virtual address, expected at least one")]
    NoAddress,
    /// [`DropCause::Ttl`].
    #[error("its TTL is {found}, expected at least {expected}: it came through a router")]
    Ttl {
        /// TTL or hop limit of the packet.
        found: u8,
        /// The smallest that is taken.
        expected: u8,
    },
    /// [`DropCause::Version`].
    #[error("it has version {found}, expected {expected}")]
    Version {
        /// The packet's.
        found: u8,
        /// The instance's, or the only one that the family has.
        expected: u8,
    },
    /// [`DropCause::Type`].
    #[error("it has type {found}, expected 1, an advert")]
    Type {
        /// The packet's.
        found: u8,
    },
    /// [`DropCause::Checksum`].
    #[error("its checksum is {found:#06x}, expected {expected:#06x}")]
    Checksum {
        /// The packet's.
        found: u16,
        /// The computed one, with the pseudo header where there is one.
        expected: u16,
    },
    /// [`DropCause::Vrid`].
    #[error("it has virtual router identifier {found}, which no instance here has")]
    Vrid {
        /// The packet's.
        found: u8,
    },
    /// [`DropCause::Authentication`].
    #[error("it has {found}, expected {expected}")]
    Authentication {
        /// What the packet has, in words.
        found: &'static str,
        /// What the instance has, in words.
        expected: &'static str,
    },
    /// [`DropCause::Interval`].
    #[error("its advert interval is {found}, expected {expected}")]
    Interval {
        /// The packet's.
        found: Centiseconds,
        /// The instance's.
        expected: Centiseconds,
    },
    /// [`DropCause::Peer`], of a multicast packet.
    #[error("it is multicast, expected unicast from a peer")]
    Multicast,
    /// [`DropCause::Peer`], of a unicast packet to an instance without peers.
    #[error("it went to {found}, expected multicast")]
    Unicast {
        /// Its destination.
        found: IpAddr,
    },
    /// [`DropCause::Peer`], of another sender.
    #[error("its sender is none of unicast_peers")]
    Peer,
    /// [`DropCause::Own`].
    #[error("its source is this director's own address: a loop, or an address twice on the link")]
    Own,
}

impl Refusal {
    /// Under which cause it is counted.
    pub fn cause(&self) -> DropCause {
        match self {
            Self::IpHeader => DropCause::IpHeader,
            Self::Length { .. } => DropCause::Length,
            Self::NoAddress => DropCause::NoAddress,
            Self::Ttl { .. } => DropCause::Ttl,
            Self::Version { .. } => DropCause::Version,
            Self::Type { .. } => DropCause::Type,
            Self::Checksum { .. } => DropCause::Checksum,
            Self::Vrid { .. } => DropCause::Vrid,
            Self::Authentication { .. } => DropCause::Authentication,
            Self::Interval { .. } => DropCause::Interval,
            Self::Multicast | Self::Unicast { .. } | Self::Peer => DropCause::Peer,
            Self::Own => DropCause::Own,
        }
    }
}

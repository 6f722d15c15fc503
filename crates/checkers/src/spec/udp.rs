//! `udp_check`.

use super::{Connect, HexPattern, Pattern};

/// `udp_check`: a datagram is sent. An ICMP error fails at once; what silence and answers are
/// worth is in [`UdpReply`]. keepalived: `UDP_CHECK`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpCheck {
    /// How the socket is opened.
    pub connect: Connect,
    /// What is sent; it may be empty. keepalived: `payload`.
    pub send: Vec<u8>,
    /// Which answer passes.
    pub reply: UdpReply,
}

/// Which answer to a datagram passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UdpReply {
    /// Any, and silence until the timeout.
    Optional,
    /// Any; silence fails. keepalived: `require_reply`.
    Required,
    /// One that contains these bytes.
    Bytes(Vec<u8>),
    /// One of which some part matches.
    Matches(Pattern),
    /// One that begins with this pattern. keepalived: `require_reply PATTERN`.
    Hex(HexPattern),
}

impl UdpReply {
    /// So much of an answer is looked at: what is longer than an Ethernet packet is rarely sent.
    pub const LOOKED_AT: usize = 4096;
}

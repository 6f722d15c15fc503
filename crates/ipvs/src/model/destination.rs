//! Real servers ("destinations" in the kernel's words).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Family, Stats};

/// What makes a destination unique within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// Address of the real server. Its family differs from the service's only for tunnels.
    pub address: IpAddr,
    /// Port; equal to the service's with direct routing and tunnels.
    pub port: u16,
}

impl DestinationKey {
    /// The key for `address`; an IPv6 flow label and scope are dropped.
    pub fn new(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }

    /// Family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Address and port.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// `198.51.100.7:80`, `[2001:db8::7]:80`.
impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

/// Weight of a destination: 0 (no new connections) to 2147483647. The kernel holds a signed int.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// No new connections; those that live go on.
    pub const ZERO: Self = Self(0);
    /// ipvsadm's and keepalived's default.
    pub const ONE: Self = Self(1);
    /// The largest weight that the kernel takes.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// The weight, or `None` above [`Weight::MAX`].
    pub fn new(weight: u32) -> Option<Self> {
        (weight <= Self::MAX.0).then_some(Self(weight))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forward {
    /// Network address translation; `ipvsadm -m`, shown as `Masq`.
    Masquerade,
    /// The director itself; the kernel reports it for its own addresses, shown as `Local`.
    Local,
    /// Tunnelling; `ipvsadm -i`, shown as `Tunnel`.
    Tunnel(Tunnel),
    /// Direct routing; `ipvsadm -g`, shown as `Route`.
    DirectRoute,
    /// Cache bypass; made by the kernel only.
    Bypass,
}

/// The word that the configuration uses: `dr`, `nat`, `tunnel`, with the encapsulation of a tunnel.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masquerade => f.write_str("nat"),
            Self::Local => f.write_str("local"),
            Self::DirectRoute => f.write_str("dr"),
            Self::Bypass => f.write_str("bypass"),
            Self::Tunnel(tunnel) => {
                match tunnel.kind {
                    TunnelKind::Ipip => f.write_str("tunnel ipip")?,
                    TunnelKind::Gre => f.write_str("tunnel gre")?,
                    TunnelKind::Gue { port } => write!(f, "tunnel gue port {port}")?,
                }
                f.write_str(match tunnel.checksum {
                    TunnelChecksum::None => "",
                    TunnelChecksum::Checksum => " csum",
                    TunnelChecksum::RemoteOffload => " remcsum",
                })
            }
        }
    }
}

/// Encapsulation of a tunnelled destination; `ipvsadm --tun-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// Checksum mode.
    pub checksum: TunnelChecksum,
}

impl Tunnel {
    /// Plain IP in IP, the kernel's default.
    pub const IPIP: Self = Self { kind: TunnelKind::Ipip, checksum: TunnelChecksum::None };
}

/// Encapsulation (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelKind {
    /// IP in IP, type 0.
    Ipip,
    /// Generic UDP encapsulation, type 1.
    Gue {
        /// UDP port of the receiver, 1 to 65535.
        port: u16,
    },
    /// Generic routing encapsulation, type 2.
    Gre,
}

/// Checksum mode of a tunnel (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelChecksum {
    /// No checksum; `--tun-nocsum`.
    None,
    /// Checksum; `--tun-csum`.
    Checksum,
    /// Remote checksum offload, gue only; `--tun-remcsum`.
    RemoteOffload,
}

/// A real server of one service: its key and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// What makes it unique within its service.
    pub key: DestinationKey,
    /// How packets reach it.
    pub forward: Forward,
    /// Weight.
    pub weight: Weight,
    /// At so many connections it gets no new ones; 0 = no limit; at most 2147483647;
    /// `ipvsadm -x`.
    pub upper_threshold: u32,
    /// Below so many connections it gets new ones again; 0 = the kernel's default, three quarters
    /// of the upper threshold; `ipvsadm -y`.
    pub lower_threshold: u32,
}

/// A destination as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationEntry {
    /// The destination.
    pub destination: Destination,
    /// Connections in an active state (for TCP: established).
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Persistence templates.
    pub persistent_connections: u32,
    /// Its counters and rates.
    pub stats: Stats,
}

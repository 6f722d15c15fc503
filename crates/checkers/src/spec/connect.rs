//! How a probe's connection is made.

use std::net::{IpAddr, SocketAddr};

/// How a probe's connection is made. The default goes to the real server's own address and port
/// from whatever address the route gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connect {
    /// Another address than the server's. keepalived: `connect_ip`.
    pub address: Option<IpAddr>,
    /// Another port than the server's. keepalived: `connect_port`.
    pub port: Option<u16>,
    /// Source address. keepalived: `bindto`.
    pub source: Option<IpAddr>,
    /// Interface to leave through (`SO_BINDTODEVICE`). keepalived: `bind_if`.
    pub interface: Option<String>,
    /// Mark of the packets (`SO_MARK`). keepalived: `fwmark`.
    pub mark: Option<u32>,
    /// Straight to the server, or through it to a virtual address.
    pub via: Via,
}

/// The way of a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// To the server's address, or to [`Connect::address`].
    #[default]
    Server,
    /// To the virtual address in [`Connect::address`], through the server: something outside of
    /// this crate directs packets with [`Connect::mark`] there. Where no [`Connect::source`] is
    /// given the probe comes from the address that has the route to the server: a host that holds
    /// the virtual address itself would else take that one as the source.
    VirtualAddress,
}

impl Connect {
    /// Where a probe of `target` connects to.
    pub fn destination(&self, target: SocketAddr) -> SocketAddr {
        SocketAddr::new(
            self.address.unwrap_or_else(|| target.ip()),
            self.port.unwrap_or_else(|| target.port()),
        )
    }

    /// The host that a probe of `target` ends on: of a virtual address the server behind it.
    pub fn host(&self, target: SocketAddr) -> IpAddr {
        match self.via {
            Via::Server => self.destination(target).ip(),
            Via::VirtualAddress => target.ip(),
        }
    }

    /// The virtual address that a probe goes to through its server, and the mark that leads it
    /// there; `None` if it goes straight.
    pub fn path(&self) -> Option<(IpAddr, u32)> {
        match self.via {
            Via::Server => None,
            Via::VirtualAddress => self.address.zip(self.mark),
        }
    }
}

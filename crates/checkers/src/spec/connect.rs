//! How a probe's connection is made.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// How a probe's connection is made. The default goes to the real server's own address and port
/// from whatever address the route gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
}

impl Connect {
    /// Where a probe of `target` connects to.
    pub fn destination(&self, target: SocketAddr) -> SocketAddr {
        SocketAddr::new(
            self.address.unwrap_or_else(|| target.ip()),
            self.port.unwrap_or_else(|| target.port()),
        )
    }
}

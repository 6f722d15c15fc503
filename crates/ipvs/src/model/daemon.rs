//! The connection sync daemon, the timeouts and the kernel's own data.

use std::net::IpAddr;

/// Role of a sync daemon thread (`IP_VS_STATE_*`). Both may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DaemonRole {
    /// Sends connection updates; `ipvsadm --start-daemon master`.
    Master,
    /// Receives them; `ipvsadm --start-daemon backup`.
    Backup,
}

/// One sync daemon. `None` leaves the choice to the kernel when it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Role.
    pub role: DaemonRole,
    /// Interface of the multicast, at most 15 bytes.
    pub interface: String,
    /// Sync id: a backup takes only messages of its own id; 0 to 255.
    pub sync_id: u32,
    /// Longest message in bytes; the kernel's default follows from the interface's MTU.
    pub max_length: Option<u16>,
    /// Multicast group; the kernel's default is 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; the kernel's default is 8848.
    pub port: Option<u16>,
    /// Multicast TTL or hop limit; the kernel's default is 1.
    pub ttl: Option<u8>,
}

/// Timeouts of connection entries in seconds, of the whole table; `ipvsadm --set`. In a request 0
/// leaves a timeout as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Idle TCP session.
    pub tcp: u32,
    /// TCP session after a FIN.
    pub tcp_fin: u32,
    /// UDP "session".
    pub udp: u32,
}

/// The kernel's own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// IPVS version as `0xMMmmpp`: 1.2.1 is `0x010201`.
    pub version: u32,
    /// Buckets of the connection hash table.
    pub connection_table_size: u32,
}

//! Counters and rates of a service or destination.

/// Counters since the entry was made or zeroed, and rates of the kernel's two-second estimator
/// (`IPVS_STATS_ATTR_*`; the 64-bit set where the kernel sends it).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 with direct routing, whose answers bypass the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets per second from clients.
    pub packet_rate_in: u64,
    /// Packets per second to clients.
    pub packet_rate_out: u64,
    /// Bytes per second from clients.
    pub byte_rate_in: u64,
    /// Bytes per second to clients.
    pub byte_rate_out: u64,
}

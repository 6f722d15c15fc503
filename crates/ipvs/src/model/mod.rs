//! What an IPVS table holds. Plain data: no I/O, no policy.

mod daemon;
mod destination;
mod operation;
mod service;
mod stats;
mod table;

pub use daemon::{Daemon, DaemonRole, Info, Timeouts};
pub use destination::{
    Destination, DestinationEntry, DestinationKey, Forward, Tunnel, TunnelChecksum, TunnelKind,
    Weight,
};
pub use operation::Operation;
pub use service::{
    Family, Persistence, Protocol, Scheduler, Service, ServiceEntry, ServiceFlags, ServiceKey,
};
pub use stats::Stats;
pub use table::{Table, TableService};

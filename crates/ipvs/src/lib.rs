//! The kernel's IPVS table: typed model, generic netlink codec and client.
//!
//! No policy lives here. [`model`] says what a table holds, [`codec`] turns requests into the
//! kernel's messages and the kernel's messages into the model, [`Client`] talks to the kernel of
//! the network namespace in which it was opened.
//!
//! Source of truth: `linux/ip_vs.h` of the kernel's user-space headers.

pub mod client;
pub mod codec;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod kernel;
pub mod model;

pub use client::Client;
pub use error::Error;
pub use kernel::Kernel;
pub use model::{
    Daemon, DaemonRole, Destination, DestinationEntry, DestinationKey, Family, Forward, Info,
    Operation, Persistence, Protocol, Scheduler, Service, ServiceEntry, ServiceFlags, ServiceKey,
    Stats, Table, TableService, Timeouts, Tunnel, TunnelChecksum, TunnelKind, Weight,
};

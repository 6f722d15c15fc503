//! VRRP, versions 2 (RFC 3768) and 3 (RFC 9568): codec, pure state machine, and the shell that
//! does its I/O.
//!
//! ```text
//!  packets, link and address changes ─> shell ─> Input ─> Instance ─> Output ─> shell
//!                                                          (pure)       adverts, addresses,
//!                                                                       gratuitous ARP, events
//! ```

mod event;
mod instance;
pub mod packet;
pub mod shell;
pub mod spec;
mod timer;

pub use event::{Event, EventKind, State};
pub use instance::{Input, Instance, InstanceStatus, Master, Output};
pub use packet::{Advert, DropCause, IpHeader};
pub use spec::{
    Announce, Authentication, Centiseconds, InstanceSpec, Priority, Version, VirtualAddress, Vrid,
};

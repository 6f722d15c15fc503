//! VRRP, versions 2 (RFC 3768) and 3 (RFC 9568): codec, pure state machine, and the shell that
//! does its I/O.
//!
//! ```text
//!  packets, link and address changes ─> shell ─> Input ─> Instance ─> Output ─> shell
//!                                                          (pure)       adverts, addresses,
//!                                                                       gratuitous ARP, events
//! ```

mod episode;
mod event;
mod group;
mod instance;
pub mod neighbour;
pub mod packet;
mod routing;
pub mod shell;
pub mod spec;
pub mod standing;
mod timer;
mod track;
mod trouble;

pub use netif::{MAIN as MAIN_TABLE, Mark, Network, Route, RouteKey, Rule, Scope, Target, Verdict};

pub use event::{Event, EventKind, State};
pub use group::{Group, GroupStatus, Hold, Order};
pub use instance::{AddressStatus, Input, Instance, InstanceStatus, Master, Output, RoutingStatus};
pub use packet::{Advert, DropCause, IpHeader, Refusal};
pub use routing::Routing;
pub use spec::{
    Announce, Authentication, Centiseconds, Checksum, Family, Heartbeat, InstanceSpec,
    OnSilentMaster, Priority, Version, VirtualAddress, Vrid,
};
pub use track::{Condition, Thing, Track, TrackStatus};
pub use trouble::Trouble;

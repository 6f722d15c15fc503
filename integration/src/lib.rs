//! The lab: topologies in network namespaces on a kernel with IPVS, and what the tests in it use.

pub mod addresses;
pub mod bars;
pub mod cluster;
pub mod director;
pub mod host;
pub mod kernel;
pub mod lab;
pub mod load;
pub mod namespace;
pub mod network;
pub mod nginx;
pub mod paths;
pub mod process;
pub mod router;
mod table;
pub mod vm;
pub mod wait;

pub use cluster::Cluster;
pub use director::Lvsd;
pub use host::Host;
pub use load::{Held, Load};
pub use network::Network;
pub use process::Process;

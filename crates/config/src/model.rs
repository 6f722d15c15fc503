//! The checked definitions: what a configuration says, in the types of those who carry it out.

use std::path::PathBuf;
use std::time::Duration;

use checkers::Check;
use ipvs::{Destination, Family, Scheduler, Service, ServiceFlags, ServiceKey};

/// Everything that a configuration file and its includes say.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[global]`.
    pub global: Global,
    /// `[ipvs]`.
    pub ipvs: Ipvs,
    /// `[virtual_server.NAME]`, in the order of the files and, within a file, of the names.
    pub virtual_servers: Vec<VirtualServer>,
    /// `[vrrp_instance.NAME]`, in the same order.
    pub vrrp_instances: Vec<vrrp::InstanceSpec>,
    /// The files that were read: the named one first, then its includes in the order of reading.
    pub files: Vec<PathBuf>,
}

/// `[global]`: settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Name of this director. `None`: the host name, which the caller reads. keepalived:
    /// `router_id`.
    pub router_id: Option<String>,
    /// The control socket.
    pub control_socket: PathBuf,
    /// Directory of what survives a restart, such as the operator's overrides.
    pub state_dir: PathBuf,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            control_socket: PathBuf::from("/run/lvsd/lvsd.sock"),
            state_dir: PathBuf::from("/var/lib/lvsd"),
        }
    }
}

/// `[ipvs]`: how the kernel's table is treated as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipvs {
    /// What happens to services that are in the kernel and in no file.
    pub unmanaged: Policy,
    /// What happens to this daemon's services when it stops. keepalived: `lvs_flush_on_stop`.
    pub on_stop: Policy,
    /// From one comparison of the kernel's table with the wanted one to the next.
    pub resync_interval: Duration,
}

impl Default for Ipvs {
    fn default() -> Self {
        Self {
            unmanaged: Policy::Keep,
            on_stop: Policy::Keep,
            resync_interval: Duration::from_secs(10),
        }
    }
}

/// What happens to services in the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They stay as they are.
    Keep,
    /// They are removed.
    Remove,
}

/// `[virtual_server.NAME]`: one or more IPVS services with the same settings and real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServer {
    /// Name in the configuration; unique.
    pub name: String,
    /// The services, at least one; no other virtual server has any of them.
    pub keys: Vec<ServiceKey>,
    /// Scheduler. keepalived: `lvs_sched`.
    pub scheduler: Scheduler,
    /// Scheduler flags and one-packet scheduling.
    pub flags: ServiceFlags,
    /// Session persistence. keepalived: `persistence_timeout`, `persistence_granularity`.
    pub persistence: Option<Persistence>,
    /// Persistence engine. keepalived: `persistence_engine`.
    pub persistence_engine: Option<Scheduler>,
    /// The real servers; no two with the same address and port.
    pub real_servers: Vec<RealServer>,
}

impl VirtualServer {
    /// The IPVS service of each key.
    pub fn services(&self) -> impl Iterator<Item = Service> + '_ {
        self.keys.iter().map(|&key| Service {
            key,
            scheduler: self.scheduler.clone(),
            flags: self.flags,
            persistence: self.persistence.map(|persistence| persistence.of(key.family())),
            persistence_engine: self.persistence_engine.clone(),
        })
    }
}

/// `persistence`: settings for the services of both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Life of a persistence template in seconds, at least 1.
    pub timeout: u32,
    /// IPv4 clients whose first so many address bits agree share a template: 1 to 32.
    pub netmask: u8,
    /// The same for IPv6: 1 to 128.
    pub prefix: u8,
}

impl Persistence {
    /// The persistence of a service of `family`.
    pub fn of(self, family: Family) -> ipvs::Persistence {
        let prefix = match family {
            Family::Inet => self.netmask,
            Family::Inet6 => self.prefix,
        };
        ipvs::Persistence { timeout: self.timeout, prefix }
    }
}

/// `[[virtual_server.NAME.real_servers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Key, forwarding, thresholds and the configured weight, which it has while it is healthy.
    pub destination: Destination,
    /// All must pass; empty: always up. Its own checks if it names any, else its virtual
    /// server's.
    pub checks: Vec<Check>,
}

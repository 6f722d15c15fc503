//! The checked definitions: what a configuration says, in the types of those who carry it out.

mod vrrp;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::vrrp::InstanceSpec;
use checkers::{Check, Kind};
use ipvs::{Destination, Family, Scheduler, Service, ServiceFlags, ServiceKey, Timeouts};

use crate::names;

pub use self::vrrp::{Notifications, Notify, TrackFile, TrackProcess, TrackScript, Tracked};

/// Everything that a configuration file and its includes say.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[global]`.
    pub global: Global,
    /// `[ipvs]`.
    pub ipvs: Ipvs,
    /// `[checks]`.
    pub checks: checkers::Limits,
    /// `[virtual_server.NAME]`, in the order of the files and, within a file, of the names.
    pub virtual_servers: Vec<VirtualServer>,
    /// `[vrrp_instance.NAME]`, in the same order.
    pub vrrp_instances: Vec<InstanceSpec>,
    /// What the instances track.
    pub tracked: Tracked,
    /// Who is told of the changes of instances and groups.
    pub notifications: Notifications,
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
    /// Directory in which a file named like a real server takes that server out. `None`: there is
    /// no such directory.
    pub maintenance_dir: Option<PathBuf>,
    /// A pipe that gets a line for each change of a VRRP instance or sync group. keepalived:
    /// `vrrp_notify_fifo`.
    pub notify_fifo: Option<PathBuf>,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            control_socket: PathBuf::from("/run/lvsd/lvsd.sock"),
            state_dir: PathBuf::from("/var/lib/lvsd"),
            maintenance_dir: None,
            notify_fifo: None,
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
    /// Timeouts of connection entries, for the whole table; 0 leaves one as it is. `None` leaves
    /// all three. `ipvsadm --set`, keepalived: `lvs_timeouts`.
    pub timeouts: Option<Timeouts>,
    /// The first of the marks by which checks with `via = "vip"` reach their real servers; the
    /// next 65535 are taken too.
    pub path_marks: u32,
    /// The connection sync daemon. `None`: it is not this daemon's business. keepalived:
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
}

impl Default for Ipvs {
    fn default() -> Self {
        Self {
            unmanaged: Policy::Keep,
            on_stop: Policy::Keep,
            resync_interval: Duration::from_secs(10),
            timeouts: None,
            path_marks: 0x4c56_0000,
            sync_daemon: None,
        }
    }
}

/// `[ipvs.sync_daemon]`: copies connections from the active director to the others. Exactly one
/// of [`follows`](Self::follows) and [`role`](Self::role) is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Interface of the multicast. `ipvsadm --mcast-interface`.
    pub interface: String,
    /// Directors with the same number listen to each other. `ipvsadm --syncid`.
    pub sync_id: u8,
    /// Name of the VRRP instance in [`Config::vrrp_instances`] whose role it has: master while
    /// that is master, else backup.
    pub follows: Option<String>,
    /// The role that it always has.
    pub role: Option<SyncRole>,
    /// Multicast group; `None`: the kernel's, 224.0.0.81. `ipvsadm --mcast-group`.
    pub group: Option<IpAddr>,
    /// UDP port, at least 1; `None`: the kernel's, 8848. `ipvsadm --mcast-port`.
    pub port: Option<u16>,
    /// Multicast TTL or hop limit, at least 1; `None`: the kernel's, 1. `ipvsadm --mcast-ttl`.
    pub ttl: Option<u8>,
    /// Longest message in bytes, at least 1; `None`: the kernel's, from the interface's MTU.
    /// `ipvsadm --sync-maxlen`.
    pub max_length: Option<u16>,
}

/// The role of a sync daemon that follows no VRRP instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncRole {
    /// Sends. `ipvsadm --start-daemon master`.
    Master,
    /// Receives. `ipvsadm --start-daemon backup`.
    Backup,
    /// Sends and receives: two directors that are both active.
    Both,
}

/// What happens to services in the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They stay as they are.
    Keep,
    /// They are removed.
    Remove,
}

/// The schedulers of the kernel.
const SCHEDULERS: [&str; 14] =
    ["dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "rr", "sed", "sh", "twos", "wlc", "wrr"];

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
    /// Shared, since those who carry the definitions out and those who compare them with the next
    /// ones both keep them.
    pub real_servers: Arc<[RealServer]>,
    /// Sum of the weights of healthy real servers from which on the service is up; at least 1.
    /// keepalived: `quorum`.
    pub quorum: u32,
    /// The service comes up at `quorum + hysteresis` and goes down below `quorum - hysteresis`;
    /// less than `quorum`. keepalived: `hysteresis`.
    pub hysteresis: u32,
    /// Runs when the service comes up. keepalived: `quorum_up`.
    pub quorum_up: Option<Script>,
    /// Runs when the service goes down. keepalived: `quorum_down`.
    pub quorum_down: Option<Script>,
    /// Take over while the service is down; none of them is a real server too. keepalived:
    /// `sorry_server`.
    pub sorry_servers: Vec<Destination>,
    /// What becomes of a real server whose checks fail. keepalived: `inhibit_on_failure`.
    pub on_failure: OnFailure,
    /// What happens instead of leaving the service without real servers.
    pub panic: Panic,
    /// Share of the real servers that may be out for their health, 0 to 100 per cent; more is
    /// panic. `None`: panic only when the last one would leave.
    pub max_ejected: Option<u8>,
    /// How long a server's weight takes to grow to the configured one after it came up.
    pub slow_start: Option<Duration>,
    /// How a real server leaves that is drained.
    pub drain: Drain,
}

/// What becomes of a real server whose checks fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It leaves the kernel's table.
    #[default]
    Remove,
    /// It stays with weight 0: no new connections, but those that live go on. keepalived:
    /// `inhibit_on_failure`.
    WeightZero,
}

/// What happens when a service would lose too many of its real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panic {
    /// Those that are in stay in, healthy or not.
    KeepLast,
    /// All real servers are in, healthy or not.
    All,
    /// The sorry servers take over; there is at least one.
    Sorry,
}

/// `drain`: when a real server that leaves has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// After so long it is taken out whatever is still open.
    pub deadline: Duration,
    /// Inactive and UDP connections.
    pub udp: DrainPolicy,
    /// Persistence templates.
    pub persistent: DrainPolicy,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(600),
            udp: DrainPolicy::Ignore,
            persistent: DrainPolicy::Ignore,
        }
    }
}

/// Whether a drain waits for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainPolicy {
    /// Until there is none, or the deadline is reached.
    Wait,
    /// It may be cut.
    Ignore,
}

/// A program that is told of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Program (an absolute path) and arguments; at least one element.
    pub command: Vec<String>,
    /// User to run as. `None`: `nobody`.
    pub user: Option<String>,
}

impl VirtualServer {
    /// What is allowed and looks like a slip, in words: a scheduler with almost the name of one
    /// that the kernel has; an agent that is asked on the service's own port.
    pub fn doubts(&self) -> Vec<String> {
        let name = self.scheduler.as_str();
        let near = names::nearest(name, &SCHEDULERS).filter(|near| *near != name);
        let scheduler = near.map(|near| {
            format!("the kernel itself has no scheduler `{name}`; did you mean `{near}`?")
        });
        let agent = self.real_servers.iter().find_map(|server| {
            let agents = |check: &&Arc<Check>| matches!(check.kind, Kind::Agent(_));
            let connect = server.checks.iter().find(agents)?.kind.connect()?;
            (connect.port.is_none() && connect.address.is_none()).then(|| {
                format!(
                    "agent_check asks {}, the real server's own port; agents have one of their \
                     own, which is `port`",
                    server.destination.key.socket_addr()
                )
            })
        });
        let found = scheduler.into_iter().chain(agent);
        found.map(|text| format!("virtual server {}: {text}", self.name)).collect()
    }

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
    pub checks: Vec<Arc<Check>>,
}

//! Changes of a table.

use std::fmt;

use super::{Daemon, DaemonRole, Destination, DestinationKey, Service, ServiceKey, Timeouts};

/// One change, as the kernel takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Adds a service; `ipvsadm -A`.
    NewService(Service),
    /// Changes a service's settings; its destinations and connections stay; `ipvsadm -E`.
    SetService(Service),
    /// Removes a service with its destinations; `ipvsadm -D`.
    DelService(ServiceKey),
    /// Adds a destination; `ipvsadm -a`.
    NewDestination(ServiceKey, Destination),
    /// Changes a destination; `ipvsadm -e`.
    SetDestination(ServiceKey, Destination),
    /// Removes a destination; `ipvsadm -d`.
    DelDestination(ServiceKey, DestinationKey),
    /// Starts a sync daemon; `ipvsadm --start-daemon`.
    NewDaemon(Daemon),
    /// Stops a sync daemon; `ipvsadm --stop-daemon`.
    DelDaemon(DaemonRole),
    /// Sets the timeouts; `ipvsadm --set`.
    SetTimeouts(Timeouts),
    /// Sets the counters of one service or of all to zero; `ipvsadm -Z`.
    Zero(Option<ServiceKey>),
    /// Removes every service; `ipvsadm -C`.
    Flush,
}

impl Operation {
    /// The service that it is about; `None` for what belongs to none, or is about all.
    pub fn service(&self) -> Option<ServiceKey> {
        match self {
            Self::NewService(service) | Self::SetService(service) => Some(service.key),
            Self::DelService(key)
            | Self::NewDestination(key, _)
            | Self::SetDestination(key, _)
            | Self::DelDestination(key, _) => Some(*key),
            Self::Zero(key) => *key,
            Self::NewDaemon(_) | Self::DelDaemon(_) | Self::SetTimeouts(_) | Self::Flush => None,
        }
    }
}

/// For calls that take operations on their own or as part of something else.
impl AsRef<Self> for Operation {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Command and object, such as `NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.7:80`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewService(service) => write!(f, "NEW_SERVICE {}", service.key),
            Self::SetService(service) => write!(f, "SET_SERVICE {}", service.key),
            Self::DelService(key) => write!(f, "DEL_SERVICE {key}"),
            Self::NewDestination(key, d) => write!(f, "NEW_DEST {key} -> {}", d.key),
            Self::SetDestination(key, d) => write!(f, "SET_DEST {key} -> {}", d.key),
            Self::DelDestination(key, d) => write!(f, "DEL_DEST {key} -> {d}"),
            Self::NewDaemon(d) => write!(f, "NEW_DAEMON {:?} on {}", d.role, d.interface),
            Self::DelDaemon(role) => write!(f, "DEL_DAEMON {role:?}"),
            Self::SetTimeouts(t) => {
                write!(f, "SET_CONFIG tcp {} tcpfin {} udp {}", t.tcp, t.tcp_fin, t.udp)
            }
            Self::Zero(Some(key)) => write!(f, "ZERO {key}"),
            Self::Zero(None) => f.write_str("ZERO"),
            Self::Flush => f.write_str("FLUSH"),
        }
    }
}

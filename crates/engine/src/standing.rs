//! The kernel's table as the engine last knew it, by key.

use std::collections::BTreeMap;

use ipvs::{Daemon, Destination, DestinationKey, Operation, Service, ServiceKey, Table, Timeouts};

/// What the kernel holds: its table and, where they were read, what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The table.
    pub table: Table,
    /// The timeouts.
    pub timeouts: Option<Timeouts>,
    /// The running sync daemons.
    pub daemons: Option<Vec<Daemon>>,
}

/// A table alone.
impl From<Table> for Snapshot {
    fn from(table: Table) -> Self {
        Self { table, ..Self::default() }
    }
}

/// The services that stand in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// By key.
    pub services: BTreeMap<ServiceKey, StandingService>,
    /// The timeouts, if they were read.
    pub timeouts: Option<Timeouts>,
    /// The running sync daemons, if they were read.
    pub daemons: Option<Vec<Daemon>>,
}

/// A service that stands in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingService {
    /// Its settings.
    pub service: Service,
    /// Its destinations by key.
    pub destinations: BTreeMap<DestinationKey, StandingDestination>,
}

/// A destination that stands in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingDestination {
    /// Its settings.
    pub destination: Destination,
    /// Active and inactive connections at the time of the last dump.
    pub connections: u64,
}

impl Standing {
    /// Whether the destination stands in the service.
    pub fn has(&self, service: &ServiceKey, destination: &DestinationKey) -> bool {
        self.services.get(service).is_some_and(|s| s.destinations.contains_key(destination))
    }

    /// Notes an operation that the kernel has carried out.
    pub(crate) fn note(&mut self, operation: &Operation) {
        match operation {
            Operation::NewService(service) => {
                let standing =
                    StandingService { service: service.clone(), destinations: BTreeMap::new() };
                self.services.insert(service.key, standing);
            }
            Operation::SetService(service) => {
                if let Some(standing) = self.services.get_mut(&service.key) {
                    standing.service = service.clone();
                }
            }
            Operation::DelService(key) => {
                self.services.remove(key);
            }
            Operation::NewDestination(key, destination)
            | Operation::SetDestination(key, destination) => {
                if let Some(standing) = self.services.get_mut(key) {
                    let connections =
                        standing.destinations.get(&destination.key).map_or(0, |d| d.connections);
                    standing.destinations.insert(
                        destination.key,
                        StandingDestination { destination: *destination, connections },
                    );
                }
            }
            Operation::DelDestination(key, destination) => {
                if let Some(standing) = self.services.get_mut(key) {
                    standing.destinations.remove(destination);
                }
            }
            Operation::Flush => self.services.clear(),
            Operation::NewDaemon(daemon) => {
                self.daemons.get_or_insert_default().push(daemon.clone());
            }
            Operation::DelDaemon(role) => {
                self.daemons.get_or_insert_default().retain(|daemon| daemon.role != *role);
            }
            Operation::SetTimeouts(new) => {
                let old = self.timeouts.unwrap_or(*new);
                let set = |new, old| if new == 0 { old } else { new };
                self.timeouts = Some(Timeouts {
                    tcp: set(new.tcp, old.tcp),
                    tcp_fin: set(new.tcp_fin, old.tcp_fin),
                    udp: set(new.udp, old.udp),
                });
            }
            Operation::Zero(_) => {}
        }
    }
}

impl From<&Table> for Standing {
    fn from(table: &Table) -> Self {
        let services = table.services.iter().map(|entry| {
            let destinations = entry.destinations.iter().map(|d| {
                let connections =
                    u64::from(d.active_connections) + u64::from(d.inactive_connections);
                (d.destination.key, StandingDestination { destination: d.destination, connections })
            });
            let service = entry.entry.service.clone();
            (service.key, StandingService { service, destinations: destinations.collect() })
        });
        Self { services: services.collect(), timeouts: None, daemons: None }
    }
}

impl From<&Snapshot> for Standing {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            timeouts: snapshot.timeouts,
            daemons: snapshot.daemons.clone(),
            ..Self::from(&snapshot.table)
        }
    }
}

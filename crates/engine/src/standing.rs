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
    /// Active connections at the time of the last dump.
    pub active: u32,
    /// Inactive connections, which those of UDP are.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
}

impl StandingDestination {
    /// An entry that has just been made.
    fn new(destination: Destination) -> Self {
        Self { destination, active: 0, inactive: 0, persistent: 0 }
    }

    /// Active and inactive connections.
    pub fn connections(&self) -> u64 {
        u64::from(self.active) + u64::from(self.inactive)
    }
}

impl Standing {
    /// Whether the destination stands in the service.
    pub fn has(&self, service: &ServiceKey, destination: &DestinationKey) -> bool {
        self.destination(service, destination).is_some()
    }

    /// The entry of a destination.
    pub fn destination(
        &self,
        service: &ServiceKey,
        destination: &DestinationKey,
    ) -> Option<&StandingDestination> {
        self.services.get(service)?.destinations.get(destination)
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
                    standing
                        .destinations
                        .entry(destination.key)
                        .or_insert_with(|| StandingDestination::new(*destination))
                        .destination = *destination;
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
                let standing = StandingDestination {
                    destination: d.destination,
                    active: d.active_connections,
                    inactive: d.inactive_connections,
                    persistent: d.persistent_connections,
                };
                (d.destination.key, standing)
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

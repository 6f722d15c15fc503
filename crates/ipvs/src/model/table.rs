//! A whole table.

use std::collections::BTreeMap;

use super::{DestinationEntry, DestinationKey, ServiceEntry, ServiceKey};

/// One service of a table with its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableService {
    /// The service.
    pub entry: ServiceEntry,
    /// Its destinations in the kernel's order.
    pub destinations: Vec<DestinationEntry>,
}

impl TableService {
    /// The destination with this key.
    pub fn destination(&self, key: &DestinationKey) -> Option<&DestinationEntry> {
        self.destinations.iter().find(|entry| entry.destination.key == *key)
    }
}

/// Every service of one network namespace, in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Services in the order in which the kernel listed them.
    pub services: Vec<TableService>,
}

impl Table {
    /// The services by key.
    pub fn by_key(&self) -> BTreeMap<ServiceKey, &TableService> {
        self.services.iter().map(|s| (s.entry.service.key, s)).collect()
    }
}

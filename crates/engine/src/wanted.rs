//! Definitions and health in, the wanted table out, with a reason for every real server's place.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use checkers::{Check, Monitor, State};
use config::{RealServer, VirtualServer};
use ipvs::{Destination, DestinationKey, Service, ServiceKey};

/// What one monitor last found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Up, down, or not known yet.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why, in words: `http_get: connection refused, 3 failures in a row`.
    pub why: String,
}

/// What every monitor last found. A monitor that is not in it is not known yet.
pub type HealthBook = HashMap<Monitor, Health>;

/// Whether a real server is in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// In, with its weight.
    In,
    /// Not in the table.
    Out,
}

/// A placement with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In or out.
    pub placement: Placement,
    /// What the checks say together.
    pub state: State,
    /// Why, in words.
    pub why: String,
}

/// The table that definitions and health ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By key.
    pub services: BTreeMap<ServiceKey, WantedService>,
}

/// A defined service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedService {
    /// Name of its virtual server.
    pub name: String,
    /// Its settings.
    pub service: Service,
    /// Every real server of the definitions, those that are out too.
    pub servers: BTreeMap<DestinationKey, WantedServer>,
}

/// A defined real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedServer {
    /// Its settings while it is in.
    pub destination: Destination,
    /// In or out, and why.
    pub verdict: Verdict,
}

impl Wanted {
    /// Derives the wanted table. `stays_in` tells whether a real server whose health is not known
    /// yet is in its service already, and so stays.
    pub fn derive(
        virtual_servers: &[VirtualServer],
        health: &HealthBook,
        stays_in: impl Fn(&ServiceKey, &DestinationKey) -> bool,
    ) -> Self {
        let services = virtual_servers.iter().flat_map(|virtual_server| {
            virtual_server.services().map(|service| {
                let servers = virtual_server.real_servers.iter().map(|server| {
                    let key = server.destination.key;
                    let verdict = judge(server, health, stays_in(&service.key, &key));
                    (key, WantedServer { destination: server.destination, verdict })
                });
                let servers = servers.collect();
                (service.key, WantedService { name: virtual_server.name.clone(), service, servers })
            })
        });
        Self { services: services.collect() }
    }
}

/// The monitor of one check of one real server.
pub(crate) fn monitor(server: &RealServer, check: &Check) -> Monitor {
    Monitor { target: server.destination.key.socket_addr(), check: check.clone() }
}

/// All checks must pass; one that is down decides, one that is not known yet leaves the server
/// where it is.
fn judge(server: &RealServer, health: &HealthBook, stays_in: bool) -> Verdict {
    if server.checks.is_empty() {
        return Verdict { placement: Placement::In, state: State::Up, why: "no checks".to_owned() };
    }
    let mut unknown = 0;
    let mut passing = "";
    for check in &server.checks {
        match health.get(&monitor(server, check)) {
            Some(Health { state: State::Down, why, .. }) => {
                return Verdict { placement: Placement::Out, state: State::Down, why: why.clone() };
            }
            Some(Health { state: State::Up, why, .. }) => passing = why,
            Some(Health { state: State::Unknown, .. }) | None => unknown += 1,
        }
    }
    match (unknown, stays_in) {
        (0, _) if server.checks.len() == 1 => {
            Verdict { placement: Placement::In, state: State::Up, why: passing.to_owned() }
        }
        (0, _) => Verdict {
            placement: Placement::In,
            state: State::Up,
            why: format!("all {} checks pass", server.checks.len()),
        },
        (_, true) => Verdict {
            placement: Placement::In,
            state: State::Unknown,
            why: "in the table already, not checked yet".to_owned(),
        },
        (_, false) => Verdict {
            placement: Placement::Out,
            state: State::Unknown,
            why: "not checked yet".to_owned(),
        },
    }
}

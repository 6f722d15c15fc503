//! What an operator sees: definitions, health and the kernel's table side by side.

use std::time::Instant;

use checkers::{Monitor, State};
use config::RealServer;
use ipvs::{
    Destination, DestinationEntry, DestinationKey, ServiceEntry, ServiceKey, Table, TableService,
};

use crate::engine::Engine;
use crate::policy::{Condition, monitor};
use crate::wanted::Placement;
use crate::weight::Weighing;

/// The director's view of its table.
#[derive(Debug)]
pub struct View {
    /// Defined services, by key.
    pub services: Vec<ServiceView>,
    /// Services in the kernel that no file defines.
    pub unmanaged: Vec<TableService>,
    /// Operations that failed the last time, with the error.
    pub failing: Vec<(String, String)>,
}

/// A defined service.
#[derive(Debug)]
pub struct ServiceView {
    /// Name of its virtual server.
    pub name: String,
    /// The service.
    pub key: ServiceKey,
    /// The kernel's entry; `None` while the kernel refuses it.
    pub kernel: Option<ServiceEntry>,
    /// The wanted scheduler's name.
    pub scheduler: String,
    /// Live weight that the service needs.
    pub quorum: u32,
    /// Quorum and panic.
    pub condition: Condition,
    /// Its real servers.
    pub servers: Vec<ServerView>,
}

/// A defined real server.
#[derive(Debug)]
pub struct ServerView {
    /// Its settings, with the weight that it is to have now.
    pub destination: Destination,
    /// Where that weight comes from.
    pub weighing: Weighing,
    /// What its checks are.
    pub monitors: Vec<Monitor>,
    /// Whether it is a sorry server.
    pub sorry: bool,
    /// Up, down, or not known yet.
    pub state: ServerState,
    /// Since when.
    pub since: Option<Instant>,
    /// Why, in words.
    pub why: String,
    /// The kernel's entry; `None` while it is out of the table.
    pub kernel: Option<DestinationEntry>,
}

/// State of a real server and whether it belongs in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerState {
    /// What its checks say together.
    pub state: State,
    /// In the table or out.
    pub placement: Placement,
}

impl Engine {
    fn defined(&self, virtual_server: &str, key: &DestinationKey) -> Option<&RealServer> {
        let virtual_server = self.virtual_servers.iter().find(|v| v.name == virtual_server)?;
        virtual_server.real_servers.iter().find(|server| server.destination.key == *key)
    }

    /// What an operator sees at `now`, given the kernel's table of now.
    pub fn view(&self, table: &Table, now: Instant) -> View {
        let by_key = table.by_key();
        let wanted = self.wanted(now);
        let unmanaged = table.services.iter().filter(|s| !wanted.has(&s.entry.service.key));
        let unmanaged = unmanaged.cloned().collect();
        let services = wanted.services.into_iter().map(|(key, service)| {
            let kernel = by_key.get(&key).copied();
            let servers = service.servers.into_iter().map(|(server_key, server)| {
                let placed = self.placed(&key, &server_key);
                let defined = self.defined(&service.name, &server_key);
                ServerView {
                    weighing: server.weighing,
                    monitors: defined.map_or_else(Vec::new, |one| {
                        one.checks.iter().map(|check| monitor(one, check)).collect()
                    }),
                    destination: server.destination,
                    sorry: server.sorry,
                    state: ServerState {
                        state: server.verdict.state,
                        placement: server.verdict.placement,
                    },
                    since: placed.map(|p| p.since),
                    why: server.verdict.why.into_owned(),
                    kernel: kernel.and_then(|k| k.destination(&server_key)).cloned(),
                }
            });
            ServiceView {
                servers: servers.collect(),
                name: service.name,
                key,
                kernel: kernel.map(|k| k.entry.clone()),
                quorum: service.quorum,
                condition: service.condition,
                scheduler: service.service.scheduler.to_string(),
            }
        });
        View {
            services: services.collect(),
            unmanaged,
            failing: self.failing.iter().map(|(o, e)| (o.clone(), e.clone())).collect(),
        }
    }
}

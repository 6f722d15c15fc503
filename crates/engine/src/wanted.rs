//! Definitions and health in, the wanted table out, with a reason for every real server's place.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use checkers::{Advice, Monitor, State};
use config::{Ipvs, SyncDaemon, SyncRole, VirtualServer};
use ipvs::{Daemon, DaemonRole, Destination, DestinationKey, Service, ServiceKey, Timeouts};

use crate::paths::paths;
use crate::policy::{Condition, Decision, Memory, decide};
use crate::weight::Weighing;

/// What one monitor last found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Up, down, or not known yet.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why, in words: `http_get: connection refused, 3 failures in a row`.
    pub why: String,
    /// The weight that it asks for.
    pub advice: Option<Advice>,
}

/// What every monitor last found. A monitor that is not in it is not known yet.
pub type HealthBook = HashMap<Monitor, Health>;

/// Whether a real server is in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// In, with its weight.
    In,
    /// In, with weight 0: no new connections (`on_failure = "weight_zero"`).
    Inhibited,
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
    pub why: Cow<'static, str>,
}

/// The table that definitions and health ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By key.
    pub services: BTreeMap<ServiceKey, WantedService>,
    /// Services by mark that only the director's own checks use, those with `via = "vip"`.
    pub paths: BTreeMap<ServiceKey, WantedService>,
    /// The timeouts, if a file defines them; 0 leaves one as it is.
    pub timeouts: Option<Timeouts>,
    /// The sync daemons, if a file defines them or has defined them; no others run then.
    pub daemons: Option<Vec<Daemon>>,
}

/// A defined service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedService {
    /// Name of its virtual server.
    pub name: String,
    /// Its settings.
    pub service: Service,
    /// Every real server and sorry server of the definitions, those that are out too.
    pub servers: BTreeMap<DestinationKey, WantedServer>,
    /// Live weight that the service needs.
    pub quorum: u32,
    /// Quorum and panic.
    pub condition: Condition,
}

/// A defined real server or sorry server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedServer {
    /// Its settings while it is in, with the weight that it is to have now.
    pub destination: Destination,
    /// Where that weight comes from.
    pub weighing: Weighing,
    /// Whether it is a sorry server.
    pub sorry: bool,
    /// In or out, and why.
    pub verdict: Verdict,
}

impl Wanted {
    /// Whether the service belongs in the kernel's table.
    pub(crate) fn has(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key) || self.paths.contains_key(key)
    }

    /// Derives the services: one decision for each virtual server, the same for all its keys.
    /// Timeouts and daemons stay as they are.
    pub(crate) fn derive<'a, M: Memory>(
        virtual_servers: impl Iterator<Item = &'a VirtualServer>,
        health: &HealthBook,
        memory: impl Fn(&'a VirtualServer) -> M,
    ) -> Self {
        let mut ways = BTreeMap::new();
        let services = virtual_servers.flat_map(|virtual_server| {
            ways.extend(paths(virtual_server));
            let Decision { servers, condition } =
                decide(virtual_server, health, &memory(virtual_server));
            let servers: BTreeMap<_, _> =
                servers.into_iter().map(|server| (server.destination.key, server)).collect();
            let decisions = std::iter::repeat_n((servers, condition), virtual_server.keys.len());
            virtual_server.services().zip(decisions).map(|(service, (servers, condition))| {
                let wanted = WantedService {
                    name: virtual_server.name.clone(),
                    quorum: virtual_server.quorum,
                    servers,
                    condition,
                    service,
                };
                (wanted.service.key, wanted)
            })
        });
        let services = services.collect();
        Self { services, paths: ways, timeouts: None, daemons: None }
    }

    /// Adds what belongs to no service. `is_master` tells the role of a VRRP instance, which the
    /// sync daemon may follow.
    pub(crate) fn add_settings(&mut self, settings: &Ipvs, is_master: impl Fn(&str) -> bool) {
        self.timeouts = settings.timeouts;
        self.daemons = settings.sync_daemon.as_ref().map(|daemon| daemons(daemon, is_master));
    }
}

/// The kernel gives a backup at least so much room for a message (`start_sync_thread` in
/// `net/netfilter/ipvs/ip_vs_sync.c`), and tells that when it is asked.
const SHORTEST_OF_BACKUP: u16 = 1024;

fn daemons(defined: &SyncDaemon, is_master: impl Fn(&str) -> bool) -> Vec<Daemon> {
    let daemon = |role| Daemon {
        role,
        interface: defined.interface.clone(),
        sync_id: u32::from(defined.sync_id),
        max_length: match role {
            DaemonRole::Master => defined.max_length,
            DaemonRole::Backup => defined.max_length.map(|length| length.max(SHORTEST_OF_BACKUP)),
        },
        group: defined.group,
        port: defined.port,
        ttl: defined.ttl,
    };
    let followed = defined.follows.as_deref().map(is_master);
    match (followed, defined.role) {
        (Some(true), _) | (None, Some(SyncRole::Master)) => vec![daemon(DaemonRole::Master)],
        (Some(false), _) | (None, Some(SyncRole::Backup)) => vec![daemon(DaemonRole::Backup)],
        (None, Some(SyncRole::Both) | None) => {
            vec![daemon(DaemonRole::Master), daemon(DaemonRole::Backup)]
        }
    }
}

//! Which virtual servers are planned anew: a change of one real server must not cost a look at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use checkers::Monitor;
use config::VirtualServer;
use ipvs::ServiceKey;

use super::Engine;
use crate::paths::path_keys;
use crate::wanted::Health;

/// Which virtual servers are planned anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every one, and what belongs to none: services that are gone, timeouts, the sync daemons.
    All,
    /// Those at these places in the definitions.
    These(BTreeSet<usize>),
}

impl Engine {
    /// The virtual servers of a scope.
    pub(super) fn within<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl Iterator<Item = &'a VirtualServer> {
        self.virtual_servers
            .iter()
            .enumerate()
            .filter(move |(at, _)| match scope {
                Scope::All => true,
                Scope::These(these) => these.contains(at),
            })
            .map(|(_, virtual_server)| virtual_server)
    }

    fn those(&self, is_one: impl Fn(&VirtualServer) -> bool) -> Scope {
        let found = self.virtual_servers.iter().enumerate().filter(|(_, one)| is_one(one));
        Scope::These(found.map(|(at, _)| at).collect())
    }

    /// Those that have one of these services.
    pub(super) fn those_of(&self, services: &BTreeSet<ServiceKey>) -> Scope {
        self.those(|one| one.keys.iter().any(|key| services.contains(key)))
    }

    /// Those with a real server that one of the monitors watches.
    pub(super) fn those_watched(&self, changes: &[(Monitor, Health)]) -> Scope {
        let targets: BTreeSet<SocketAddr> =
            changes.iter().map(|(monitor, _)| monitor.target).collect();
        self.those(|one| {
            let mut servers = one.real_servers.iter();
            servers.any(|server| targets.contains(&server.destination.key.socket_addr()))
        })
    }
}

/// What differs between two sets of definitions.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    /// Old virtual servers that are gone or are different now.
    pub(super) old: Vec<&'a VirtualServer>,
    /// New virtual servers that are not as before, by their places in the definitions.
    pub(super) new: BTreeMap<usize, &'a VirtualServer>,
}

impl<'a> Changes<'a> {
    pub(super) fn between(old: &'a [VirtualServer], new: &'a [VirtualServer]) -> Self {
        let before: BTreeMap<&str, &VirtualServer> =
            old.iter().map(|one| (one.name.as_str(), one)).collect();
        let is_new = |one: &VirtualServer| before.get(one.name.as_str()) != Some(&one);
        let (changed, same): (Vec<_>, Vec<_>) =
            new.iter().enumerate().partition(|(_, one)| is_new(one));
        let same: BTreeSet<&str> = same.iter().map(|(_, one)| one.name.as_str()).collect();
        Self {
            old: old.iter().filter(|one| !same.contains(one.name.as_str())).collect(),
            new: changed.into_iter().collect(),
        }
    }

    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty()
    }

    /// What has to be planned anew.
    pub(super) fn scope(&self) -> Scope {
        let keys: BTreeSet<ServiceKey> =
            self.new.values().flat_map(|one| service_keys(one)).collect();
        let stays = |one: &&VirtualServer| service_keys(one).all(|key| keys.contains(&key));
        if self.old.iter().all(stays) {
            Scope::These(self.new.keys().copied().collect())
        } else {
            Scope::All
        }
    }
}

/// The services of a virtual server and those that its checks need.
fn service_keys(one: &VirtualServer) -> impl Iterator<Item = ServiceKey> + '_ {
    one.keys.iter().copied().chain(path_keys(one))
}

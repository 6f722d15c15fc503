//! The operator's wishes, and the servers that drain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use config::{Drain, VirtualServer};
use ipvs::{DestinationKey, ServiceKey};

use super::scope::{Changes, Scope};
use super::{Engine, Output, Place, Settings};
use crate::drain::{Draining, LOOK, Leaving};
use crate::operator::{Action, Hold, Override, ServerName};
use crate::plan::Cause;
use crate::wanted::Placement;

impl Engine {
    /// The operator's wishes in force.
    pub fn overrides(&self) -> &[Override] {
        self.overrides.all()
    }

    /// Returns what is to be planned anew; `None` if that follows a look at the table.
    pub(super) fn define(
        &mut self,
        virtual_servers: Vec<VirtualServer>,
        settings: Settings,
        now: Instant,
    ) -> Option<Scope> {
        let old = std::mem::take(&mut self.virtual_servers);
        let changes = Changes::between(&old, &virtual_servers);
        self.take_over_health(&changes, now);
        let leaves = self.note_leaving(&changes, &virtual_servers, now);
        let scope = if settings == self.settings { changes.scope() } else { Scope::All };
        self.watch_changed |= !changes.is_empty();
        if settings.resync_interval != self.settings.resync_interval {
            self.next_read = now + settings.resync_interval;
        }
        self.settings = settings;
        self.virtual_servers = virtual_servers;
        // Reading a large table takes longer than all else of a reload.
        if leaves || !self.failing.is_empty() {
            self.plan_after_a_look(Cause::Definitions);
            return None;
        }
        Some(scope)
    }

    /// Servers that were in a service and that it no longer defines drain before they go. Those
    /// of a service that is gone go with it. Returns whether any begins to leave.
    fn note_leaving(
        &mut self,
        changes: &Changes<'_>,
        virtual_servers: &[VirtualServer],
        now: Instant,
    ) -> bool {
        let deadlines: BTreeMap<ServiceKey, Instant> = virtual_servers
            .iter()
            .flat_map(|one| one.keys.iter().map(move |key| (*key, now + one.drain.deadline)))
            .collect();
        let defined = places(changes.new.values().copied());
        let before = self.leaving.len();
        // What is defined again stays, and what belongs to a service that is gone goes with it.
        self.leaving
            .retain(|place, _| deadlines.contains_key(&place.0) && !defined.contains(place));
        let mut changed = self.leaving.len() != before;
        let mut leaves = false;
        for place in places(changes.old.iter().copied()).difference(&defined) {
            let Some(&deadline) = deadlines.get(&place.0) else { continue };
            let placed = self.placed(&place.0, &place.1);
            let was_in = placed.is_some_and(|placed| placed.placement != Placement::Out);
            if was_in && !self.leaving.contains_key(place) {
                let (service, destination) = *place;
                self.leaving.insert(*place, Leaving { service, destination, deadline });
                leaves = true;
            }
        }
        changed |= leaves;
        if changed {
            self.save_wishes();
        }
        leaves
    }

    /// Whether a server can go at once depends on its connections of now.
    pub(super) fn plan_after_a_look(&mut self, cause: Cause) {
        self.pending = Some(cause);
        self.outputs.push_back(Output::ReadTable);
    }

    pub(super) fn save_wishes(&mut self) {
        let overrides = self.overrides.all().to_vec();
        let leaving = self.leaving.values().copied().collect();
        let maintenance = self.maintenance.clone();
        self.outputs.push_back(Output::SaveWishes(overrides, leaving, maintenance));
    }

    /// What is asked of a server: by the operator, or by a file in the maintenance directory. The
    /// file takes it out unless the operator does; a weight alone does not bring it back.
    pub(super) fn hold(&self, virtual_server: &str, key: &DestinationKey) -> Option<Hold<'_>> {
        let wish = self.overrides.find(virtual_server, key);
        let takes_out = |wish: &&Override| !matches!(wish.action, Action::Weight(_));
        let out = wish.filter(takes_out).map(Hold::Wish);
        let file = || {
            let mut files = self.maintenance.iter();
            let (file, since) = files.find(|(name, _)| name.matches(virtual_server, key))?;
            Some(Hold::File(file, *since))
        };
        out.or_else(file).or_else(|| wish.map(Hold::Wish))
    }

    /// Files in the maintenance directory count from when they were first seen.
    pub(super) fn maintain(&mut self, servers: BTreeSet<ServerName>, now: Instant) {
        if servers.iter().eq(self.maintenance.keys()) {
            return;
        }
        let since = |name: &ServerName| self.maintenance.get(name).copied().unwrap_or(now);
        self.maintenance = servers.into_iter().map(|name| (name.clone(), since(&name))).collect();
        self.save_wishes();
        self.plan_after_a_look(Cause::Operator);
    }

    /// Brings the list of what drains up to date with what is asked and what is leaving.
    pub(super) fn update_draining(&mut self) {
        if self.overrides.all().is_empty() && self.maintenance.is_empty() && self.leaving.is_empty()
        {
            self.draining.clear();
            return;
        }
        let mut wanted: BTreeMap<Place, (Instant, Drain)> = BTreeMap::new();
        for virtual_server in &self.virtual_servers {
            let policy = virtual_server.drain;
            for server in virtual_server.real_servers.iter() {
                let key = server.destination.key;
                let hold = self.hold(&virtual_server.name, &key);
                if let Some(deadline) = hold.and_then(|hold| hold.drain_deadline(policy.deadline)) {
                    for service in &virtual_server.keys {
                        wanted.insert((*service, key), (deadline, policy));
                    }
                }
            }
            for (place, leaving) in &self.leaving {
                if virtual_server.keys.contains(&leaving.service) {
                    wanted.insert(*place, (leaving.deadline, policy));
                }
            }
        }
        self.draining.retain(|place, _| wanted.contains_key(place));
        for (place, (deadline, policy)) in wanted {
            let new = || Draining::new(deadline, policy);
            let draining = self.draining.entry(place).or_insert_with(new);
            // The operator may ask for another deadline, or a file may.
            (draining.deadline, draining.policy) = (deadline, policy);
        }
    }

    /// Counts the connections of what drains.
    pub(super) fn look_at_draining(&mut self, now: Instant) {
        self.update_draining();
        let Some(standing) = &self.standing else { return };
        for ((service, key), draining) in &mut self.draining {
            draining.look(standing.destination(service, key), now);
        }
        let before = self.leaving.len();
        self.leaving.retain(|(service, key), _| standing.has(service, key));
        if self.leaving.len() != before {
            self.save_wishes();
        }
        if self.draining.values().any(|draining| draining.done.is_none()) {
            self.next_read = self.next_read.min(now + LOOK);
        }
    }
}

/// Every destination of the definitions, sorry servers included.
fn places<'a>(virtual_servers: impl Iterator<Item = &'a VirtualServer>) -> BTreeSet<Place> {
    let of = |one: &VirtualServer| {
        let real = one.real_servers.iter().map(|server| server.destination.key);
        let sorry = one.sorry_servers.iter().map(|server| server.key);
        let destinations: Vec<DestinationKey> = real.chain(sorry).collect();
        let pairs = one.keys.iter().flat_map(|key| destinations.iter().map(|d| (*key, *d)));
        pairs.collect::<Vec<Place>>()
    };
    virtual_servers.flat_map(of).collect()
}

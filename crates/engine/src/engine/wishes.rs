//! The operator's wishes, and the servers that drain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use config::{Drain, VirtualServer};
use ipvs::DestinationKey;

use super::scope::{Changes, Scope};
use super::{Engine, Output, Place, Settings};
use crate::drain::{Draining, LOOK};
use crate::operator::{Action, Hold, Override, ServerName};
use crate::plan::Cause;

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

    /// Whether a server can go at once depends on its connections of now.
    pub(super) fn plan_after_a_look(&mut self, cause: Cause) {
        self.pending = Some(cause);
        self.outputs.push_back(Output::ReadTable);
    }

    pub(super) fn save_wishes(&mut self) {
        let overrides = self.overrides.all().to_vec();
        let leaving = self.leaving.values().cloned().collect();
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
    pub(super) fn update_draining(&mut self, now: Instant) {
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
        }
        let waiting = self.waiting_services(now);
        for (place, leaving) in &self.leaving {
            if !self.is_needed(place, &waiting) {
                wanted.insert(*place, (leaving.deadline, leaving.policy));
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
        self.update_draining(now);
        let Some(standing) = &self.standing else { return };
        for ((service, key), draining) in &mut self.draining {
            draining.look(standing.destination(service, key), now);
        }
        let before = self.leaving.len();
        self.leaving.retain(|(service, key), _| standing.has(service, key));
        if self.leaving.len() != before {
            self.save_wishes();
        }
        self.look_again_soon(now);
    }

    /// While a server drains, its connections are counted more often than the table is compared.
    pub(super) fn look_again_soon(&mut self, now: Instant) {
        if self.draining.values().any(|draining| draining.done.is_none()) {
            self.next_read = self.next_read.min(now + LOOK);
        }
    }
}

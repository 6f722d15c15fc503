//! Servers that no file defines any more, and how they leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use checkers::State;
use config::VirtualServer;
use ipvs::{Destination, DestinationKey, ServiceKey, Weight};

use super::memory::Past;
use super::scope::{Changes, Scope};
use super::{Engine, Place};
use crate::drain::{Leaving, UNCOUNTED, done_words};
use crate::policy::Condition;
use crate::wanted::{Placement, Verdict, Wanted, WantedServer, WantedService};
use crate::weight::Weighing;

impl Engine {
    /// Servers that were in a service and that no file defines there any more drain before they
    /// go; so do those of a service that is gone. Returns whether any begins to leave.
    pub(super) fn note_leaving(
        &mut self,
        changes: &Changes<'_>,
        virtual_servers: &[VirtualServer],
        now: Instant,
    ) -> bool {
        // The definition that a service has now, else its last one.
        let definitions: BTreeMap<ServiceKey, &VirtualServer> = changes
            .old
            .iter()
            .copied()
            .chain(virtual_servers)
            .flat_map(|one| one.keys.iter().map(move |key| (*key, one)))
            .collect();
        let defined = places(changes.new.values().copied());
        let before = self.leaving.len();
        self.leaving.retain(|place, _| !defined.contains(place));
        let mut changed = self.leaving.len() != before;
        let mut leaves = false;
        for place in places(changes.old.iter().copied()).difference(&defined) {
            let Some(definition) = definitions.get(&place.0) else { continue };
            let placed = self.placed(&place.0, &place.1);
            let was_in = placed.is_some_and(|placed| placed.placement != Placement::Out);
            if was_in && !self.leaving.contains_key(place) {
                let (service, destination) = *place;
                let leaving = Leaving {
                    virtual_server: definition.name.clone(),
                    service,
                    destination,
                    deadline: now + definition.drain.deadline,
                    policy: definition.drain,
                };
                self.leaving.insert(*place, leaving);
                leaves = true;
            }
        }
        changed |= leaves;
        if changed {
            self.save_wishes();
        }
        leaves
    }

    /// Adds the servers that leave to the wanted table, and the services that stay for them.
    pub(super) fn add_leaving(&self, wanted: &mut Wanted, scope: &Scope, now: Instant) {
        if self.leaving.is_empty() {
            return;
        }
        let waiting = waiting(wanted);
        let gone = match scope {
            Scope::All => self.add_gone_services(wanted),
            Scope::These(_) => BTreeSet::new(),
        };
        for (place, leaving) in &self.leaving {
            let Some(found) = self.standing_at(place) else { continue };
            let Some(service) = wanted.services.get_mut(&leaving.service) else { continue };
            let is_gone = gone.contains(&leaving.service);
            let draining = self.draining.get(place);
            let (placement, words) = if self.is_needed(place, &waiting) {
                (Placement::In, "it stays until another server serves".to_owned())
            } else {
                let has_left = draining.is_some_and(|draining| draining.done.is_some());
                let out = has_left && !is_gone;
                let words = draining.map_or_else(|| UNCOUNTED.to_owned(), |one| one.words(now));
                (if out { Placement::Out } else { Placement::Inhibited }, words)
            };
            let what =
                if is_gone { "the service is no longer defined" } else { "no longer defined" };
            let why = format!("{what}; {words}").into();
            let verdict = Verdict { placement, state: State::Unknown, why };
            let last = Weighing::configured(found.weight);
            let weighing = Weighing { inhibited: placement != Placement::In, ..last };
            let destination = Destination { weight: weighing.weight(), ..found };
            let server = WantedServer { destination, weighing, sorry: false, verdict };
            service.servers.entry(destination.key).or_insert(server);
        }
    }

    /// A service that is gone stays as it is until the last of its servers has left. Returns which
    /// do.
    fn add_gone_services(&self, wanted: &mut Wanted) -> BTreeSet<ServiceKey> {
        let mut gone = BTreeSet::new();
        let Some(standing) = &self.standing else { return gone };
        for (place, leaving) in &self.leaving {
            let drains = self.draining.get(place).is_some_and(|draining| draining.done.is_none());
            let found = standing.services.get(&leaving.service);
            let Some(found) = found.filter(|_| drains && !wanted.has(&leaving.service)) else {
                continue;
            };
            let service = WantedService {
                name: leaving.virtual_server.clone(),
                service: found.service.clone(),
                servers: BTreeMap::new(),
                quorum: 0,
                condition: Condition { quorum: None, live_weight: 0, panic: None },
            };
            wanted.services.insert(leaving.service, service);
            gone.insert(leaving.service);
        }
        gone
    }

    /// Services with servers that leave, in which no other server serves yet but one may come.
    pub(super) fn waiting_services(&self, now: Instant) -> BTreeSet<ServiceKey> {
        if self.leaving.is_empty() {
            return BTreeSet::new();
        }
        let services = self.leaving.keys().map(|(service, _)| *service).collect();
        let scope = self.those_of(&services);
        let past = |virtual_server| Past::new(self, virtual_server, now);
        waiting(&Wanted::derive(self.within(&scope), &self.health, past))
    }

    /// Whether a server that leaves still takes new connections, because nobody else would.
    pub(super) fn is_needed(&self, place: &Place, waiting: &BTreeSet<ServiceKey>) -> bool {
        let serves = |found: Destination| found.weight != Weight::ZERO;
        waiting.contains(&place.0) && self.standing_at(place).is_some_and(serves)
    }

    fn standing_at(&self, (service, destination): &Place) -> Option<Destination> {
        let found = self.standing.as_ref()?.destination(service, destination)?;
        Some(found.destination)
    }

    /// How the servers of a service left that is removed now; `None` if it had none.
    pub(super) fn farewell(&self, service: &ServiceKey) -> Option<String> {
        let of_service = self.leaving.keys().filter(|(of, _)| of == service);
        let cut = of_service.filter_map(|place| self.draining.get(place)?.done);
        Some(format!("no longer defined; {}", done_words(cut.reduce(|all, one| all + one)?)))
    }
}

/// Services without a server that takes new connections, which wait for one to become healthy.
fn waiting(wanted: &Wanted) -> BTreeSet<ServiceKey> {
    let serves = |server: &WantedServer| {
        server.verdict.placement == Placement::In && server.destination.weight != Weight::ZERO
    };
    let may_come = |server: &WantedServer| server.verdict.state != State::Up;
    let waits = |service: &WantedService| {
        !service.servers.values().any(serves) && service.servers.values().any(may_come)
    };
    let found = wanted.services.iter().filter(|(_, service)| waits(service));
    found.map(|(key, _)| *key).collect()
}

/// What an earlier run has left, without what is defined again.
pub(super) fn still_leaving(
    kept: Vec<Leaving>,
    virtual_servers: &[VirtualServer],
) -> BTreeMap<Place, Leaving> {
    if kept.is_empty() {
        return BTreeMap::new();
    }
    let defined = places(virtual_servers.iter());
    let kept = kept.into_iter().map(|one| ((one.service, one.destination), one));
    kept.filter(|(place, _)| !defined.contains(place)).collect()
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

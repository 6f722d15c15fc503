//! From what the engine knows to the steps of a plan.

use std::collections::BTreeMap;
use std::time::Instant;

use checkers::{Initial, Monitor, Start};
use config::Policy;
use ipvs::{Operation, ServiceKey};

use super::memory::{Past, ramp_start, ramp_step};
use super::scope::Scope;
use super::{Engine, Event, Output, Placed};
use crate::plan::{Cause, Ownership, Reason, plan};
use crate::policy::{Memory, monitor};
use crate::wanted::{Placement, Wanted};
use crate::weight::SLOW_START_STEPS;

impl Engine {
    /// The wanted table at `now`, or the part of it that is in `scope`.
    pub(super) fn wanted_within(&self, scope: &Scope, now: Instant) -> Wanted {
        let past = |virtual_server| Past::new(self, virtual_server, now);
        let mut wanted = Wanted::derive(self.within(scope), &self.health, past);
        if *scope == Scope::All {
            let is_master = |instance: &str| self.roles.get(instance).copied().unwrap_or(false);
            wanted.add_settings(&self.settings, is_master);
            if self.owns_daemons {
                wanted.daemons.get_or_insert_default();
            }
        }
        self.add_leaving(&mut wanted, scope, now);
        wanted
    }

    /// Plans, if the table is known.
    pub(super) fn replan(&mut self, cause: Cause, scope: &Scope, now: Instant) {
        if self.standing.is_none() {
            return;
        }
        // Neither health nor time changes who drains, but for servers whose place another takes.
        if !self.leaving.is_empty() || !matches!(cause, Cause::Health | Cause::SlowStart) {
            self.update_draining(now);
            self.look_again_soon(now);
        }
        let wanted = self.wanted_within(scope, now);
        self.place(&wanted, scope, now);
        self.report_conditions(&wanted, scope);
        self.own(&wanted, scope);
        self.emit_plan(&wanted, scope, cause);
    }

    /// Notes since when each real server is in its state, and which are in their slow start.
    fn place(&mut self, wanted: &Wanted, scope: &Scope, now: Instant) {
        let slow_starts: BTreeMap<_, _> = self
            .within(scope)
            .flat_map(|one| one.keys.iter().map(move |key| (*key, one.slow_start)))
            .collect();
        for (&service, found) in &wanted.services {
            let slow_start = slow_starts.get(&service).copied().flatten();
            let before = self.placed.remove(&service).unwrap_or_default();
            let mut next_step: Option<Instant> = None;
            let placed = found.servers.iter().map(|(key, server)| {
                let verdict = &server.verdict;
                let before = before.get(key);
                let ramp = slow_start.and_then(|slow_start| {
                    let start = ramp_start(before, verdict.placement, now)?;
                    (now < start + slow_start).then_some((start, slow_start))
                });
                if let Some((start, slow_start)) = ramp {
                    let next =
                        start + slow_start * ramp_step(start, slow_start, now) / SLOW_START_STEPS;
                    next_step = Some(next_step.map_or(next, |at| at.min(next)));
                }
                let since =
                    before.filter(|before| before.is_still(verdict)).map_or(now, |p| p.since);
                let placed = Placed {
                    placement: verdict.placement,
                    state: verdict.state,
                    since,
                    ramp: ramp.map(|(start, _)| start),
                };
                (*key, placed)
            });
            let placed = placed.collect();
            self.placed.insert(service, placed);
            match next_step {
                Some(at) => drop(self.ramps.insert(service, at)),
                None => drop(self.ramps.remove(&service)),
            }
        }
        if *scope == Scope::All {
            self.placed.retain(|service, _| wanted.services.contains_key(service));
            self.ramps.retain(|service, _| wanted.services.contains_key(service));
        }
    }

    /// Says what has changed for virtual servers as a whole, once for each.
    fn report_conditions(&mut self, wanted: &Wanted, scope: &Scope) {
        let mut news = Vec::new();
        let mut conditions = Vec::new();
        for virtual_server in self.within(scope) {
            let name = &virtual_server.name;
            let service = virtual_server.keys.iter().find_map(|key| wanted.services.get(key));
            let Some(condition) = service.map(|service| &service.condition) else { continue };
            let before = self.conditions.get(name);
            let (quorum, panic) =
                before.map_or((None, None), |before| (before.quorum, before.panic.as_ref()));
            if let Some(up) = condition.quorum.filter(|&up| quorum != Some(up)) {
                let script =
                    if up { &virtual_server.quorum_up } else { &virtual_server.quorum_down };
                if let Some(script) = script.clone() {
                    let environment = vec![
                        ("LVSD_VIRTUAL_SERVER", name.clone()),
                        ("LVSD_QUORUM", if up { "up" } else { "down" }.to_owned()),
                        ("LVSD_LIVE_WEIGHT", condition.live_weight.to_string()),
                    ];
                    news.push(Output::Run { script, environment });
                }
                let words =
                    format!("live weight {} of {}", condition.live_weight, virtual_server.quorum);
                news.push(Output::Event(Event::Quorum { name: name.clone(), up, words }));
            }
            // Every failure more changes the words; the operator hears of begin and end.
            if panic.is_some() != condition.panic.is_some() {
                let reason = condition.panic.clone();
                news.push(Output::Event(Event::Panic { name: name.clone(), reason }));
            }
            if before != Some(condition) {
                conditions.push((name.clone(), condition.clone()));
            }
        }
        self.conditions.extend(conditions);
        self.outputs.extend(news);
        if *scope == Scope::All {
            let names = self.virtual_servers.iter().map(|one| one.name.as_str());
            let names: std::collections::BTreeSet<&str> = names.collect();
            self.conditions.retain(|name, _| names.contains(name.as_str()));
        }
    }

    /// What a file defines is lvsd's, whoever created it; what is neither defined nor there any
    /// more is nobody's.
    fn own(&mut self, wanted: &Wanted, scope: &Scope) {
        let Some(standing) = &self.standing else { return };
        let mut changed = false;
        for key in wanted.services.keys().chain(wanted.paths.keys()) {
            changed |= self.owned.insert(*key);
        }
        if *scope == Scope::All {
            let before = self.owned.len();
            let is_there =
                |key: &ServiceKey| wanted.has(key) || standing.services.contains_key(key);
            self.owned.retain(is_there);
            changed |= self.owned.len() != before;
            // As long as nobody knows whether some run, nothing changes.
            let run = standing.daemons.as_ref().is_none_or(|daemons| !daemons.is_empty());
            let owns = self.settings.sync_daemon.is_some() || self.owns_daemons && run;
            changed |= self.owns_daemons != owns;
            self.owns_daemons = owns;
        }
        if changed {
            self.save_owned();
        }
    }

    pub(super) fn save_owned(&mut self) {
        self.outputs.push_back(Output::SaveOwned(self.owned.clone(), self.owns_daemons));
    }

    fn emit_plan(&mut self, wanted: &Wanted, scope: &Scope, cause: Cause) {
        let Some(standing) = &self.standing else { return };
        let remove_unmanaged = self.settings.unmanaged == Policy::Remove;
        let whole = Ownership { owned: &self.owned, remove_unmanaged };
        let ownership = (*scope == Scope::All).then_some(whole);
        let mut plan = plan(standing, wanted, ownership, cause);
        for step in &mut plan.last {
            if let Operation::DelService(service) = step.operation
                && let Some(words) = self.farewell(&service)
            {
                step.reason = Reason { cause: Cause::Drained, words: words.into() };
            }
            if let Operation::DelDestination(service, key) = step.operation
                && self.draining.get(&(service, key)).is_some_and(|d| d.done.is_some())
                && let Some(server) =
                    wanted.services.get(&service).and_then(|found| found.servers.get(&key))
            {
                step.reason = Reason { cause: Cause::Drained, words: server.verdict.why.clone() };
            }
        }
        self.failing.tried_again(plan.steps_mut(), |service| {
            *scope == Scope::All || service.is_some_and(|key| wanted.has(key))
        });
        let (now, then) =
            if plan.first.is_empty() { (plan.last, Vec::new()) } else { (plan.first, plan.last) };
        self.second_stage = then;
        if !now.is_empty() {
            self.outputs.push_back(Output::Apply(now));
        }
    }

    pub(super) fn watch(&mut self) {
        let mut monitors: BTreeMap<Monitor, Start> = BTreeMap::new();
        for virtual_server in &self.virtual_servers {
            // No moment matters to whether a server stays in.
            let past = Past::new(self, virtual_server, self.next_read);
            for server in virtual_server.real_servers.iter() {
                if server.checks.is_empty() {
                    continue;
                }
                let place = past.place(&server.destination.key);
                for check in &server.checks {
                    let monitor = monitor(server, check);
                    let start = match (self.health.get(&monitor), check.timing.initial) {
                        (Some(health), _) => health.state.into(),
                        (None, Initial::Up) => Start::Up,
                        (None, Initial::Down) => Start::Down,
                        (None, Initial::Adopt) if place == Placement::In => Start::Up,
                        (None, Initial::Adopt) => Start::Unknown,
                    };
                    let known = monitors.entry(monitor).or_insert(start);
                    if start == Start::Up {
                        *known = Start::Up;
                    }
                }
            }
        }
        self.health.retain(|monitor, _| monitors.contains_key(monitor));
        self.outputs.push_back(Output::Watch(monitors.into_iter().collect()));
    }
}

//! The decider that keeps the kernel's table equal to the wanted one.
//!
//! After each input, drain [`Engine::poll_output`] until it returns `None` and carry each output
//! out before the next is taken; the answer to [`Output::ReadTable`] and [`Output::Apply`] is an
//! input. So one mutation is planned against what the one before has left.

mod changed;
mod io;
mod memory;
mod preview;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use checkers::{Initial, Monitor, Start, State};
use config::{Policy, VirtualServer};
use ipvs::{Destination, DestinationKey, Operation, ServiceKey};

use self::memory::{Past, ramp_start, ramp_step};
use crate::drain::{Draining, Leaving};
use crate::operator::{Overrides, ServerName};
use crate::plan::{Cause, Ownership, Reason, Step, plan};
use crate::policy::{Condition, Memory, monitor};
use crate::standing::{Snapshot, Standing};
use crate::wanted::{HealthBook, Placement, Verdict, Wanted, WantedServer};
use crate::weight::{SLOW_START_STEPS, Weighing};

pub use self::io::{Event, Input, Kept, Output};
pub use self::preview::Preview;

/// First pause after a failed operation or a failed read; it doubles up to the resync interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The `[ipvs]` section.
pub type Settings = config::Ipvs;

/// A real server's state and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) placement: Placement,
    pub(crate) state: State,
    pub(crate) since: Instant,
    /// Begin of the slow start that the server is in.
    ramp: Option<Instant>,
}

impl Placed {
    /// Whether nothing has changed that an operator would date. An adopted server that turns out
    /// to be up has been in service all the time.
    fn is_still(&self, verdict: &Verdict) -> bool {
        self.placement == verdict.placement
            && (self.state == verdict.state || self.placement == Placement::In)
    }
}

type Place = (ServiceKey, DestinationKey);

/// Keeps the kernel's table equal to the wanted one.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) virtual_servers: Vec<VirtualServer>,
    settings: Settings,
    pub(crate) owned: BTreeSet<ServiceKey>,
    pub(crate) health: HealthBook,
    pub(crate) placed: BTreeMap<Place, Placed>,
    overrides: Overrides,
    maintenance: BTreeSet<ServerName>,
    /// Destinations that drain, whoever asked for it.
    draining: BTreeMap<Place, Draining>,
    /// Destinations that are no longer defined and drain.
    leaving: BTreeMap<Place, Leaving>,
    standing: Option<Standing>,
    /// State of each virtual server, by name.
    conditions: BTreeMap<String, Condition>,
    /// Whether each VRRP instance is master.
    roles: BTreeMap<String, bool>,
    /// When the next step of a slow start is due.
    next_ramp: Option<Instant>,
    /// Operations that failed the last time, with the error.
    pub(crate) failing: BTreeMap<String, String>,
    dirty: Option<Cause>,
    /// What the plan after the next read is for.
    pending: Option<Cause>,
    watch_changed: bool,
    next_read: Instant,
    retry: Duration,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine that has not seen the table yet.
    pub fn new(
        virtual_servers: Vec<VirtualServer>,
        settings: Settings,
        kept: Kept,
        now: Instant,
    ) -> Self {
        Self {
            virtual_servers,
            settings,
            owned: kept.owned,
            health: HealthBook::new(),
            placed: BTreeMap::new(),
            overrides: Overrides::new(kept.overrides),
            maintenance: kept.maintenance,
            draining: BTreeMap::new(),
            leaving: kept
                .leaving
                .into_iter()
                .map(|one| ((one.service, one.destination), one))
                .collect(),
            standing: None,
            conditions: BTreeMap::new(),
            roles: BTreeMap::new(),
            next_ramp: None,
            failing: BTreeMap::new(),
            dirty: None,
            pending: None,
            watch_changed: false,
            next_read: now,
            retry: FIRST_RETRY,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Table(Ok(snapshot)) => self.table_read(&snapshot, now),
            Input::Table(Err(error)) => {
                self.event(Event::Unreadable(error));
                self.retry_later(now);
            }
            Input::Applied(results) => self.applied(results, now),
            Input::Health(changes) => {
                self.health.extend(changes);
                self.dirty = Some(Cause::Health);
            }
            Input::Role { instance, master } => {
                self.roles.insert(instance, master);
                self.dirty = Some(Cause::Role);
            }
            Input::Define(virtual_servers, settings) => {
                self.define(virtual_servers, settings, now);
            }
            Input::Override(new) => {
                self.overrides.set(new.clone());
                self.event(Event::Overridden(new));
                self.save_wishes();
                self.plan_after_a_look(Cause::Operator);
            }
            Input::Clear(server) => {
                if self.overrides.clear(&server) {
                    self.event(Event::Cleared(server));
                    self.save_wishes();
                    self.dirty = Some(Cause::Operator);
                }
            }
            Input::Maintenance(servers) => {
                if servers != self.maintenance {
                    self.maintenance = servers;
                    self.plan_after_a_look(Cause::Operator);
                }
            }
            Input::Stop => {
                self.virtual_servers.clear();
                self.watch_changed = true;
                if self.settings.on_stop == Policy::Remove {
                    self.dirty = Some(Cause::Stop);
                }
            }
        }
        self.replan(now);
    }

    /// Does what is due at `now`: reads the table again to find drift, takes the next step of a
    /// slow start, ends the operator's wishes whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let ended = self.overrides.expire(now);
        if !ended.is_empty() {
            for one in ended {
                self.event(Event::Expired(one));
            }
            self.save_wishes();
            self.dirty = Some(Cause::Operator);
            self.replan(now);
        }
        if self.next_ramp.is_some_and(|at| at <= now) {
            self.dirty = Some(Cause::SlowStart);
            self.replan(now);
        }
        if now >= self.next_read {
            self.next_read = now + self.settings.resync_interval;
            self.outputs.push_back(Output::ReadTable);
        }
    }

    /// When [`Engine::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let others = self.next_ramp.into_iter().chain(self.overrides.next_end());
        others.fold(self.next_read, Instant::min)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether any virtual server is defined.
    pub fn has_definitions(&self) -> bool {
        !self.virtual_servers.is_empty()
    }

    /// The wanted table at `now`.
    pub(crate) fn wanted(&self, now: Instant) -> Wanted {
        let is_master = |instance: &str| self.roles.get(instance).copied().unwrap_or(false);
        let past = Past { engine: self, now };
        let mut wanted =
            Wanted::derive(&self.virtual_servers, &self.settings, is_master, &self.health, &past);
        for (place, leaving) in &self.leaving {
            let Some(draining) = self.draining.get(place) else { continue };
            let standing = self.standing.as_ref();
            let found = standing.and_then(|s| s.destination(&place.0, &place.1));
            let Some(found) = found else { continue };
            let Some(service) = wanted.services.get_mut(&leaving.service) else { continue };
            let gone = draining.done.is_some();
            let verdict = Verdict {
                placement: if gone { Placement::Out } else { Placement::Inhibited },
                state: State::Unknown,
                why: format!("no longer defined; {}", draining.words(now)),
            };
            let last = Weighing::configured(found.destination.weight);
            let weighing = Weighing { inhibited: true, ..last };
            let destination = Destination { weight: weighing.weight(), ..found.destination };
            let server = WantedServer { destination, weighing, sorry: false, verdict };
            service.servers.entry(destination.key).or_insert(server);
        }
        wanted
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn retry_later(&mut self, now: Instant) {
        self.next_read = self.next_read.min(now + self.retry);
        self.retry = (self.retry * 2).min(self.settings.resync_interval.max(FIRST_RETRY));
    }

    fn table_read(&mut self, snapshot: &Snapshot, now: Instant) {
        let first = self.standing.is_none();
        let standing = Standing::from(snapshot);
        if first {
            let defined: HashSet<ServiceKey> =
                self.virtual_servers.iter().flat_map(|v| v.keys.iter().copied()).collect();
            let managed = standing.services.keys().filter(|key| defined.contains(key)).count();
            let unmanaged = standing.services.len() - managed;
            self.event(Event::Adopted { managed, unmanaged });
            self.watch_changed = true;
        }
        self.standing = Some(standing);
        if self.failing.is_empty() {
            self.retry = FIRST_RETRY;
        }
        self.next_read = now + self.settings.resync_interval;
        self.look_at_draining(now);
        let pending = self.pending.take();
        self.dirty = Some(if first { Cause::Start } else { pending.unwrap_or(Cause::Drift) });
    }

    fn applied(&mut self, results: Vec<(Step, Result<(), String>)>, now: Instant) {
        let mut failed = false;
        let mut left = false;
        let owned_before = self.owned.len();
        for (step, result) in results {
            match result {
                Ok(()) => {
                    // Words are made only where they are needed: a table has many entries.
                    if !self.failing.is_empty() {
                        self.failing.remove(&step.operation.to_string());
                    }
                    if let Some(standing) = &mut self.standing {
                        standing.note(&step.operation);
                    }
                    match &step.operation {
                        Operation::DelService(key) => {
                            self.owned.remove(key);
                        }
                        Operation::DelDestination(service, key) => {
                            left |= self.leaving.remove(&(*service, *key)).is_some();
                        }
                        _ => {}
                    }
                    self.event(Event::Done(step));
                }
                Err(error) => {
                    failed = true;
                    self.failing.insert(step.operation.to_string(), error.clone());
                    self.event(Event::Failed(step, error));
                }
            }
        }
        if self.owned.len() != owned_before {
            self.outputs.push_back(Output::SaveOwned(self.owned.clone()));
        }
        if left {
            self.save_wishes();
        }
        if failed {
            self.retry_later(now);
        }
    }

    /// Plans if an input made it necessary and the table is known.
    fn replan(&mut self, now: Instant) {
        if self.standing.is_none() {
            return;
        }
        if let Some(cause) = self.dirty.take() {
            self.update_draining(now);
            let wanted = self.wanted(now);
            self.place(&wanted, now);
            self.report_conditions(&wanted);
            self.own(&wanted);
            self.emit_plan(&wanted, cause);
        }
        if std::mem::take(&mut self.watch_changed) {
            self.watch();
        }
    }

    /// Notes since when each real server is in its state, and which are in their slow start.
    fn place(&mut self, wanted: &Wanted, now: Instant) {
        let slow_starts: BTreeMap<&str, Duration> = self
            .virtual_servers
            .iter()
            .filter_map(|v| Some((v.name.as_str(), v.slow_start?)))
            .collect();
        let mut before = std::mem::take(&mut self.placed);
        self.next_ramp = None;
        for (service, wanted) in &wanted.services {
            let slow_start = slow_starts.get(wanted.name.as_str()).copied();
            for (key, server) in &wanted.servers {
                let verdict = &server.verdict;
                let before = before.remove(&(*service, *key));
                let ramp = slow_start.and_then(|slow_start| {
                    let start = ramp_start(before.as_ref(), verdict.placement, now)?;
                    (now < start + slow_start).then_some(start)
                });
                if let (Some(start), Some(slow_start)) = (ramp, slow_start) {
                    let next =
                        start + slow_start * ramp_step(start, slow_start, now) / SLOW_START_STEPS;
                    self.next_ramp = Some(self.next_ramp.map_or(next, |at| at.min(next)));
                }
                let since =
                    before.filter(|before| before.is_still(verdict)).map_or(now, |p| p.since);
                let placed =
                    Placed { placement: verdict.placement, state: verdict.state, since, ramp };
                self.placed.insert((*service, *key), placed);
            }
        }
    }

    /// Says what has changed for virtual servers as a whole, once for each.
    fn report_conditions(&mut self, wanted: &Wanted) {
        let mut before = std::mem::take(&mut self.conditions);
        for virtual_server in &self.virtual_servers {
            let name = &virtual_server.name;
            let service = virtual_server.keys.iter().find_map(|key| wanted.services.get(key));
            let Some(condition) = service.map(|service| &service.condition) else { continue };
            let (quorum, panic) =
                before.remove(name).map_or((None, None), |before| (before.quorum, before.panic));
            if let Some(up) = condition.quorum.filter(|&up| quorum != Some(up)) {
                let script =
                    if up { &virtual_server.quorum_up } else { &virtual_server.quorum_down };
                if let Some(script) = script.clone() {
                    let environment = vec![
                        ("LVSD_VIRTUAL_SERVER", name.clone()),
                        ("LVSD_QUORUM", if up { "up" } else { "down" }.to_owned()),
                        ("LVSD_LIVE_WEIGHT", condition.live_weight.to_string()),
                    ];
                    self.outputs.push_back(Output::Run { script, environment });
                }
                let words =
                    format!("live weight {} of {}", condition.live_weight, virtual_server.quorum);
                let event = Event::Quorum { name: name.clone(), up, words };
                self.outputs.push_back(Output::Event(event));
            }
            // Every failure more changes the words; the operator hears of begin and end.
            if panic.is_some() != condition.panic.is_some() {
                let event = Event::Panic { name: name.clone(), reason: condition.panic.clone() };
                self.outputs.push_back(Output::Event(event));
            }
            self.conditions.insert(name.clone(), condition.clone());
        }
    }

    /// What a file defines is lvsd's, whoever created it; what is neither defined nor there any
    /// more is nobody's.
    fn own(&mut self, wanted: &Wanted) {
        let Some(standing) = &self.standing else { return };
        let mut owned = self.owned.clone();
        owned.extend(wanted.services.keys().copied());
        owned
            .retain(|key| wanted.services.contains_key(key) || standing.services.contains_key(key));
        if owned != self.owned {
            self.owned = owned;
            self.outputs.push_back(Output::SaveOwned(self.owned.clone()));
        }
    }

    fn emit_plan(&mut self, wanted: &Wanted, cause: Cause) {
        let Some(standing) = &self.standing else { return };
        let remove_unmanaged = self.settings.unmanaged == Policy::Remove;
        let ownership = Ownership { owned: &self.owned, remove_unmanaged };
        let mut steps = plan(standing, wanted, ownership, cause);
        for step in &mut steps {
            if let Operation::DelDestination(service, key) = step.operation
                && self.draining.get(&(service, key)).is_some_and(|d| d.done.is_some())
                && let Some(server) =
                    wanted.services.get(&service).and_then(|found| found.servers.get(&key))
            {
                step.reason = Reason { cause: Cause::Drained, words: server.verdict.why.clone() };
            }
        }
        if !self.failing.is_empty() {
            let before = std::mem::take(&mut self.failing);
            for step in &mut steps {
                let object = step.operation.to_string();
                if let Some(error) = before.get(&object) {
                    step.reason = Reason { cause: Cause::Retry, words: error.clone() };
                    self.failing.insert(object, error.clone());
                }
            }
        }
        if !steps.is_empty() {
            self.outputs.push_back(Output::Apply(steps));
        }
    }

    fn watch(&mut self) {
        let mut monitors: BTreeMap<Monitor, Start> = BTreeMap::new();
        // No moment matters to whether a server stays in.
        let past = Past { engine: self, now: self.next_read };
        for virtual_server in &self.virtual_servers {
            for server in &virtual_server.real_servers {
                let place = past.place(virtual_server, &server.destination.key);
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

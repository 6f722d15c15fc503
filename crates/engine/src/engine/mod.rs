//! The decider that keeps the kernel's table equal to the wanted one.
//!
//! After each input, drain [`Engine::poll_output`] until it returns `None` and carry each output
//! out before the next is taken; the answer to [`Output::ReadTable`] and [`Output::Apply`] is an
//! input. So one mutation is planned against what the one before has left.

mod answers;
mod changed;
mod failing;
mod io;
mod leaving;
mod memory;
mod preview;
mod replan;
mod scope;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use checkers::State;
use config::{Policy, VirtualServer};
use ipvs::{DestinationKey, Operation, ServiceKey};

use self::failing::Failing;
use self::scope::Scope;
use crate::drain::{Draining, Leaving};
use crate::operator::{Overrides, ServerName};
use crate::paths::path_keys;
use crate::plan::{Cause, Step};
use crate::policy::Condition;
use crate::stages::{brings_in, part};
use crate::standing::{Snapshot, Standing};
use crate::wanted::{HealthBook, Placement, Verdict, Wanted};

pub use self::answers::Answer;
pub use self::io::{Event, Input, Kept, Output};
pub use self::preview::Preview;

/// First pause after a failed operation or a failed read; it doubles up to the resync interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Why a step of the second stage was not done.
const HELD: &str = "not done: what comes in its place was refused, and the service would be empty";

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
    /// Whether the sync daemons that run are lvsd's: a file defines them, or has until now.
    owns_daemons: bool,
    pub(crate) health: HealthBook,
    placed: BTreeMap<ServiceKey, BTreeMap<DestinationKey, Placed>>,
    overrides: Overrides,
    /// Files in the maintenance directory, and since when they are known.
    maintenance: BTreeMap<ServerName, Instant>,
    /// Destinations that drain, whoever asked for it.
    draining: BTreeMap<Place, Draining>,
    /// Destinations that are no longer defined and drain.
    leaving: BTreeMap<Place, Leaving>,
    standing: Option<Standing>,
    /// State of each virtual server, by name.
    conditions: BTreeMap<String, Condition>,
    /// Whether each VRRP instance is master.
    roles: BTreeMap<String, bool>,
    /// When the next step of a slow start is due in a service.
    ramps: BTreeMap<ServiceKey, Instant>,
    pub(crate) failing: Failing,
    /// The second stage of the plan whose first is being carried out.
    second_stage: Vec<Step>,
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
        let kept = kept.seen_from(&virtual_servers, now);
        let leaving = leaving::still_leaving(kept.leaving, &virtual_servers);
        Self {
            virtual_servers,
            settings,
            owned: kept.owned,
            owns_daemons: kept.owns_daemons,
            health: HealthBook::new(),
            placed: BTreeMap::new(),
            overrides: Overrides::new(kept.overrides),
            maintenance: kept.maintenance_since,
            draining: BTreeMap::new(),
            leaving,
            standing: None,
            conditions: BTreeMap::new(),
            roles: BTreeMap::new(),
            ramps: BTreeMap::new(),
            failing: Failing::default(),
            second_stage: Vec::new(),
            pending: None,
            watch_changed: false,
            next_read: now,
            retry: FIRST_RETRY,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now: Instant) {
        let due = match input {
            Input::Table(Ok(snapshot)) => Some((self.table_read(&snapshot, now), Scope::All)),
            Input::Table(Err(error)) => {
                self.event(Event::Unreadable(error));
                self.retry_later(now);
                None
            }
            Input::Applied(results) => {
                self.applied(results, now);
                None
            }
            Input::Health(changes) => {
                let scope = self.those_watched(&changes);
                self.health.extend(changes);
                Some((Cause::Health, scope))
            }
            Input::Role { instance, master } => {
                self.roles.insert(instance, master);
                Some((Cause::Role, Scope::All))
            }
            Input::Define(virtual_servers, settings) => {
                let scope = self.define(virtual_servers, settings, now);
                scope.map(|scope| (Cause::Definitions, scope))
            }
            Input::Override(new) => {
                self.overrides.set(new.clone());
                self.event(Event::Overridden(new));
                self.save_wishes();
                self.plan_after_a_look(Cause::Operator);
                None
            }
            Input::Clear(server) => self.overrides.clear(&server).then(|| {
                self.event(Event::Cleared(server));
                self.save_wishes();
                (Cause::Operator, Scope::All)
            }),
            Input::Maintenance(servers) => {
                self.maintain(servers, now);
                None
            }
            Input::Stop => {
                self.virtual_servers.clear();
                self.settings.sync_daemon = None;
                self.watch_changed = true;
                let removes = self.settings.on_stop == Policy::Remove;
                if removes && !self.leaving.is_empty() {
                    self.leaving.clear();
                    self.save_wishes();
                }
                removes.then_some((Cause::Stop, Scope::All))
            }
        };
        if let Some((cause, scope)) = due {
            self.replan(cause, &scope, now);
        }
        // Until the table is known nobody knows which servers are in service.
        if self.standing.is_some() && std::mem::take(&mut self.watch_changed) {
            self.watch();
        }
    }

    /// Does what is due at `now`: reads the table again to find drift, takes the next step of a
    /// slow start, ends the operator's wishes whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let ended = self.overrides.expire(now);
        let due = self.ramps.iter().filter(|(_, at)| **at <= now).map(|(service, _)| *service);
        let due: BTreeSet<ServiceKey> = due.collect();
        if !ended.is_empty() {
            for one in ended {
                self.event(Event::Expired(one));
            }
            self.save_wishes();
            // Slow starts go on with it: there is one plan at a time.
            self.replan(Cause::Operator, &Scope::All, now);
        } else if !due.is_empty() {
            self.replan(Cause::SlowStart, &self.those_of(&due), now);
        }
        if now >= self.next_read {
            self.next_read = now + self.settings.resync_interval;
            self.outputs.push_back(Output::ReadTable);
        }
    }

    /// When [`Engine::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let others = self.ramps.values().copied().chain(self.overrides.next_end());
        others.fold(self.next_read, Instant::min)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the kernel's table matters: a virtual server is defined, or the servers of one that
    /// was are still leaving.
    pub fn needs_table(&self) -> bool {
        !self.virtual_servers.is_empty() || !self.leaving.is_empty()
    }

    /// The wanted table at `now`.
    pub(crate) fn wanted(&self, now: Instant) -> Wanted {
        self.wanted_within(&Scope::All, now)
    }

    /// When a real server came to where it is.
    pub(crate) fn placed(&self, service: &ServiceKey, key: &DestinationKey) -> Option<&Placed> {
        self.placed.get(service)?.get(key)
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn retry_later(&mut self, now: Instant) {
        self.next_read = self.next_read.min(now + self.retry);
        self.retry = (self.retry * 2).min(self.settings.resync_interval.max(FIRST_RETRY));
    }

    /// Returns what is to be planned for.
    fn table_read(&mut self, snapshot: &Snapshot, now: Instant) -> Cause {
        let first = self.standing.is_none();
        let standing = Standing::from(snapshot);
        if first {
            let defined: HashSet<ServiceKey> =
                self.virtual_servers.iter().flat_map(|v| v.keys.iter().copied()).collect();
            let managed = standing.services.keys().filter(|key| defined.contains(key)).count();
            let own = self.virtual_servers.iter().flat_map(path_keys);
            let own = own.filter(|key| standing.services.contains_key(key)).count();
            let unmanaged = standing.services.len() - managed - own;
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
        if first { Cause::Start } else { pending.unwrap_or(Cause::Drift) }
    }

    fn applied(&mut self, results: Vec<(Step, Result<(), String>)>, now: Instant) {
        let mut failed = false;
        let mut left = false;
        // Services that could not be made, and those into which no server could be brought.
        let mut refused = BTreeSet::new();
        let mut lacking = BTreeSet::new();
        let owned_before = self.owned.len();
        for (step, result) in results {
            match result {
                Ok(()) => {
                    self.failing.succeeded(&step.operation);
                    if let Some(standing) = &mut self.standing {
                        standing.note(&step.operation);
                    }
                    match &step.operation {
                        Operation::DelService(key) => {
                            self.owned.remove(key);
                            let before = self.leaving.len();
                            self.leaving.retain(|(service, _), _| service != key);
                            left |= self.leaving.len() != before;
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
                    lacking.extend(brings_in(&step.operation));
                    match &step.operation {
                        Operation::NewService(service) => drop(refused.insert(service.key)),
                        // It could not but fail; one line says why.
                        Operation::NewDestination(key, _) if refused.contains(key) => continue,
                        _ => {}
                    }
                    self.failing.failed(&step.operation, error.clone());
                    self.event(Event::Failed(step, error));
                }
            }
        }
        if self.owned.len() != owned_before {
            self.save_owned();
        }
        if left {
            self.save_wishes();
        }
        if failed {
            self.retry_later(now);
        }
        self.apply_second_stage(&lacking);
    }

    /// Goes on with the plan whose first stage is done.
    fn apply_second_stage(&mut self, lacking: &BTreeSet<ServiceKey>) {
        let (Some(standing), second) = (&self.standing, std::mem::take(&mut self.second_stage))
        else {
            return;
        };
        let (released, held) = part(second, standing, lacking);
        for step in held {
            self.failing.failed(&step.operation, HELD.to_owned());
            self.event(Event::Held(step));
        }
        if !released.is_empty() {
            // Before anything else is planned.
            self.outputs.push_front(Output::Apply(released));
        }
    }
}

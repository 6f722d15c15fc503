//! The decider that keeps the kernel's table equal to the wanted one.
//!
//! After each input, drain [`Engine::poll_output`] until it returns `None` and carry each output
//! out before the next is taken; the answer to [`Output::ReadTable`] and [`Output::Apply`] is an
//! input. So one mutation is planned against what the one before has left.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use checkers::{Monitor, Start, State};
use config::{Policy, VirtualServer};
use ipvs::{DestinationKey, Operation, ServiceKey, Table};

use crate::plan::{Cause, Ownership, Reason, Step, plan};
use crate::standing::Standing;
use crate::wanted::{Health, HealthBook, Placement, Verdict, Wanted, monitor};

/// First pause after a failed operation or a failed read; it doubles up to the resync interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The `[ipvs]` section.
pub type Settings = config::Ipvs;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// The kernel's table, or why it could not be read: answer to [`Output::ReadTable`].
    Table(Result<Table, String>),
    /// What became of each step of [`Output::Apply`], in order.
    Applied(Vec<(Step, Result<(), String>)>),
    /// A monitor changed its state.
    Health(Box<Monitor>, Health),
    /// New definitions.
    Define(Vec<VirtualServer>, Settings),
    /// lvsd stops: nothing is watched any more; the table stays unless `on_stop = "remove"`.
    Stop,
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Output {
    /// Read the kernel's table and hand it in.
    ReadTable,
    /// Carry out these steps in order, each whether or not one before it failed, and hand in what
    /// became of them.
    Apply(Vec<Step>),
    /// Watch exactly these monitors. A monitor that is watched already keeps its state.
    Watch(Vec<(Monitor, Start)>),
    /// Keep this set across restarts: the services that lvsd may remove.
    SaveOwned(BTreeSet<ServiceKey>),
    /// Something to log.
    Event(Event),
}

/// Something to log.
#[derive(Debug)]
pub enum Event {
    /// The table was read for the first time.
    Adopted {
        /// Services that were there and are defined.
        managed: usize,
        /// Services that were there and are not defined.
        unmanaged: usize,
    },
    /// A step was carried out.
    Done(Step),
    /// A step failed. It is tried again.
    Failed(Step, String),
    /// The table could not be read. It is tried again.
    Unreadable(String),
}

/// A real server's state and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) placement: Placement,
    pub(crate) state: State,
    pub(crate) since: Instant,
}

impl Placed {
    /// Whether nothing has changed that an operator would date. An adopted server that turns out
    /// to be up has been in service all the time.
    fn is_still(&self, verdict: &Verdict) -> bool {
        self.placement == verdict.placement
            && (self.state == verdict.state || self.placement == Placement::In)
    }
}

/// Keeps the kernel's table equal to the wanted one.
#[derive(Debug)]
pub struct Engine {
    pub(crate) virtual_servers: Vec<VirtualServer>,
    settings: Settings,
    pub(crate) owned: BTreeSet<ServiceKey>,
    pub(crate) health: HealthBook,
    pub(crate) placed: BTreeMap<(ServiceKey, DestinationKey), Placed>,
    standing: Option<Standing>,
    /// Operations that failed the last time, with the error.
    pub(crate) failing: BTreeMap<String, String>,
    dirty: Option<Cause>,
    watch_changed: bool,
    next_read: Instant,
    retry: Duration,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine that has not seen the table yet. `owned` is what [`Output::SaveOwned`] last kept.
    pub fn new(
        virtual_servers: Vec<VirtualServer>,
        settings: Settings,
        owned: BTreeSet<ServiceKey>,
        now: Instant,
    ) -> Self {
        Self {
            virtual_servers,
            settings,
            owned,
            health: HealthBook::new(),
            placed: BTreeMap::new(),
            standing: None,
            failing: BTreeMap::new(),
            dirty: None,
            watch_changed: false,
            next_read: now,
            retry: FIRST_RETRY,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Table(Ok(table)) => self.table_read(&table, now),
            Input::Table(Err(error)) => {
                self.event(Event::Unreadable(error));
                self.retry_later(now);
            }
            Input::Applied(results) => self.applied(results, now),
            Input::Health(monitor, health) => {
                self.health.insert(*monitor, health);
                self.dirty = Some(Cause::Health);
            }
            Input::Define(virtual_servers, settings) => {
                self.virtual_servers = virtual_servers;
                if settings.resync_interval != self.settings.resync_interval {
                    self.next_read = now + settings.resync_interval;
                }
                self.settings = settings;
                self.dirty = Some(Cause::Definitions);
                self.watch_changed = true;
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

    /// Does what is due at `now`: reads the table again to find drift.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_read {
            self.next_read = now + self.settings.resync_interval;
            self.outputs.push_back(Output::ReadTable);
        }
    }

    /// When [`Engine::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_read
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What would be done for `virtual_servers` if they were defined now. Changes nothing.
    pub fn preview(
        virtual_servers: &[VirtualServer],
        settings: &Settings,
        owned: &BTreeSet<ServiceKey>,
        health: &HealthBook,
        table: &Table,
    ) -> (Wanted, Vec<Step>) {
        let standing = Standing::from(table);
        let wanted =
            Wanted::derive(virtual_servers, health, |service, key| standing.has(service, key));
        let ownership = Ownership { owned, remove_unmanaged: settings.unmanaged == Policy::Remove };
        let steps = plan(&standing, &wanted, ownership, Cause::Definitions);
        (wanted, steps)
    }

    /// What [`Engine::preview`] needs to know of this engine.
    pub fn planning(&self) -> (BTreeSet<ServiceKey>, HealthBook) {
        (self.owned.clone(), self.health.clone())
    }

    /// Whether any virtual server is defined.
    pub fn has_definitions(&self) -> bool {
        !self.virtual_servers.is_empty()
    }

    /// The wanted table as of the last input.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted::derive(&self.virtual_servers, &self.health, |service, key| {
            self.stays_in(service, key)
        })
    }

    fn stays_in(&self, service: &ServiceKey, key: &DestinationKey) -> bool {
        match self.placed.get(&(*service, *key)) {
            Some(placed) => placed.placement == Placement::In,
            None => self.standing.as_ref().is_some_and(|standing| standing.has(service, key)),
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn retry_later(&mut self, now: Instant) {
        self.next_read = self.next_read.min(now + self.retry);
        self.retry = (self.retry * 2).min(self.settings.resync_interval.max(FIRST_RETRY));
    }

    fn table_read(&mut self, table: &Table, now: Instant) {
        let first = self.standing.is_none();
        let standing = Standing::from(table);
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
        self.dirty = Some(if first { Cause::Start } else { Cause::Drift });
    }

    fn applied(&mut self, results: Vec<(Step, Result<(), String>)>, now: Instant) {
        let mut failed = false;
        let owned_before = self.owned.len();
        for (step, result) in results {
            let object = step.operation.to_string();
            match result {
                Ok(()) => {
                    self.failing.remove(&object);
                    if let Some(standing) = &mut self.standing {
                        standing.note(&step.operation);
                    }
                    if let Operation::DelService(key) = &step.operation {
                        self.owned.remove(key);
                    }
                    self.event(Event::Done(step));
                }
                Err(error) => {
                    failed = true;
                    self.failing.insert(object, error.clone());
                    self.event(Event::Failed(step, error));
                }
            }
        }
        if self.owned.len() != owned_before {
            self.outputs.push_back(Output::SaveOwned(self.owned.clone()));
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
            let wanted = self.wanted();
            self.place(&wanted, now);
            self.own(&wanted);
            self.emit_plan(&wanted, cause);
        }
        if std::mem::take(&mut self.watch_changed) {
            self.watch();
        }
    }

    /// Notes since when each real server is in its state.
    fn place(&mut self, wanted: &Wanted, now: Instant) {
        let mut before = std::mem::take(&mut self.placed);
        for (service, wanted) in &wanted.services {
            for (key, server) in &wanted.servers {
                let verdict = &server.verdict;
                let since = before
                    .remove(&(*service, *key))
                    .filter(|before| before.is_still(verdict))
                    .map_or(now, |p| p.since);
                let placed = Placed { placement: verdict.placement, state: verdict.state, since };
                self.placed.insert((*service, *key), placed);
            }
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
        for virtual_server in &self.virtual_servers {
            for server in &virtual_server.real_servers {
                let standing = virtual_server
                    .keys
                    .iter()
                    .any(|service| self.stays_in(service, &server.destination.key));
                let start = if standing { Start::Up } else { Start::Unknown };
                for check in &server.checks {
                    let known = monitors.entry(monitor(server, check)).or_insert(start);
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

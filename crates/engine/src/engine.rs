//! The decider that keeps the kernel's table equal to the wanted one.
//!
//! After each input, drain [`Engine::poll_output`] until it returns `None` and carry each output
//! out before the next is taken; the answer to [`Output::ReadTable`] and [`Output::Apply`] is an
//! input. So one mutation is planned against what the one before has left.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use checkers::{Monitor, Start, State};
use config::{Policy, Script, VirtualServer};
use ipvs::{DestinationKey, Operation, ServiceKey};

use crate::plan::{Cause, Ownership, Reason, Step, plan};
use crate::policy::{Condition, Memory, SLOW_START_STEPS, monitor};
use crate::standing::{Snapshot, Standing};
use crate::wanted::{Health, HealthBook, Placement, Verdict, Wanted};

/// First pause after a failed operation or a failed read; it doubles up to the resync interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The `[ipvs]` section.
pub type Settings = config::Ipvs;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// What the kernel holds, or why it could not be read: answer to [`Output::ReadTable`].
    Table(Result<Snapshot, String>),
    /// What became of each step of [`Output::Apply`], in order.
    Applied(Vec<(Step, Result<(), String>)>),
    /// A monitor changed its state.
    Health(Box<Monitor>, Health),
    /// A VRRP instance is master now, or is not.
    Role {
        /// Name of the instance.
        instance: String,
        /// Whether it is master.
        master: bool,
    },
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
    /// Run a script of the definitions; nothing waits for its end.
    Run {
        /// The script.
        script: Script,
        /// Its environment: names and values.
        environment: Vec<(&'static str, String)>,
    },
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
    /// A virtual server has its quorum, or has lost it.
    Quorum {
        /// Its name.
        name: String,
        /// Whether it has it.
        up: bool,
        /// The live weight against the quorum, in words.
        words: String,
    },
    /// The panic policy of a virtual server came into force, or is no longer.
    Panic {
        /// Its name.
        name: String,
        /// Why it is in force; `None` when it no longer is.
        reason: Option<String>,
    },
}

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

/// Keeps the kernel's table equal to the wanted one.
#[derive(Debug)]
pub struct Engine {
    pub(crate) virtual_servers: Vec<VirtualServer>,
    settings: Settings,
    pub(crate) owned: BTreeSet<ServiceKey>,
    pub(crate) health: HealthBook,
    pub(crate) placed: BTreeMap<(ServiceKey, DestinationKey), Placed>,
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
            conditions: BTreeMap::new(),
            roles: BTreeMap::new(),
            next_ramp: None,
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
            Input::Table(Ok(snapshot)) => self.table_read(&snapshot, now),
            Input::Table(Err(error)) => {
                self.event(Event::Unreadable(error));
                self.retry_later(now);
            }
            Input::Applied(results) => self.applied(results, now),
            Input::Health(monitor, health) => {
                self.health.insert(*monitor, health);
                self.dirty = Some(Cause::Health);
            }
            Input::Role { instance, master } => {
                self.roles.insert(instance, master);
                self.dirty = Some(Cause::Role);
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

    /// Does what is due at `now`: reads the table again to find drift, and takes the next step of
    /// a slow start.
    pub fn handle_timeout(&mut self, now: Instant) {
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
        self.next_ramp.map_or(self.next_read, |at| at.min(self.next_read))
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What would be done for `virtual_servers` if they were defined now. Changes nothing.
    ///
    /// `masters` are the VRRP instances that are master.
    pub fn preview(
        virtual_servers: &[VirtualServer],
        settings: &Settings,
        owned: &BTreeSet<ServiceKey>,
        health: &HealthBook,
        masters: &BTreeSet<String>,
        snapshot: &Snapshot,
    ) -> (Wanted, Vec<Step>) {
        let standing = Standing::from(snapshot);
        let is_master = |instance: &str| masters.contains(instance);
        let past = TableAlone(&standing);
        let wanted = Wanted::derive(virtual_servers, settings, is_master, health, &past);
        let ownership = Ownership { owned, remove_unmanaged: settings.unmanaged == Policy::Remove };
        let steps = plan(&standing, &wanted, ownership, Cause::Definitions);
        (wanted, steps)
    }

    /// What [`Engine::preview`] needs to know of this engine.
    pub fn planning(&self) -> (BTreeSet<ServiceKey>, HealthBook, BTreeSet<String>) {
        let masters = self.roles.iter().filter(|(_, master)| **master);
        let masters = masters.map(|(name, _)| name.clone()).collect();
        (self.owned.clone(), self.health.clone(), masters)
    }

    /// Whether any virtual server is defined.
    pub fn has_definitions(&self) -> bool {
        !self.virtual_servers.is_empty()
    }

    /// The wanted table at `now`.
    pub(crate) fn wanted(&self, now: Instant) -> Wanted {
        let is_master = |instance: &str| self.roles.get(instance).copied().unwrap_or(false);
        let past = Past { engine: self, now };
        Wanted::derive(&self.virtual_servers, &self.settings, is_master, &self.health, &past)
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
                let standing = past.stays_in(virtual_server, &server.destination.key);
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

/// When the slow start began in which a server is now, if it is in one: it has just come in after
/// its checks had failed, or is still in the one that it was in.
fn ramp_start(before: Option<&Placed>, placement: Placement, now: Instant) -> Option<Instant> {
    let before = before?;
    match (before.placement, placement) {
        (Placement::In, Placement::In) => before.ramp,
        (_, Placement::In) if before.state == State::Down => Some(now),
        _ => None,
    }
}

/// 1 at the begin, [`SLOW_START_STEPS`] at the end.
fn ramp_step(start: Instant, slow_start: Duration, now: Instant) -> u32 {
    let elapsed = now.saturating_duration_since(start).as_micros() * u128::from(SLOW_START_STEPS);
    let steps = elapsed / slow_start.as_micros().max(1);
    u32::try_from(steps).unwrap_or(SLOW_START_STEPS).min(SLOW_START_STEPS - 1) + 1
}

/// What the engine knows of the past.
struct Past<'a> {
    engine: &'a Engine,
    now: Instant,
}

impl Past<'_> {
    fn placed(&self, virtual_server: &VirtualServer, key: &DestinationKey) -> Option<&Placed> {
        let mut keys = virtual_server.keys.iter();
        keys.find_map(|service| self.engine.placed.get(&(*service, *key)))
    }
}

impl Memory for Past<'_> {
    fn stays_in(&self, virtual_server: &VirtualServer, key: &DestinationKey) -> bool {
        match (self.placed(virtual_server, key), &self.engine.standing) {
            (Some(placed), _) => placed.placement != Placement::Out,
            (None, Some(standing)) => TableAlone(standing).stays_in(virtual_server, key),
            (None, None) => false,
        }
    }

    fn had_quorum(&self, name: &str) -> Option<bool> {
        self.engine.conditions.get(name)?.quorum
    }

    fn slow_start_step(&self, virtual_server: &VirtualServer, key: &DestinationKey) -> Option<u32> {
        let slow_start = virtual_server.slow_start?;
        let start = ramp_start(self.placed(virtual_server, key), Placement::In, self.now)?;
        (self.now < start + slow_start).then(|| ramp_step(start, slow_start, self.now))
    }
}

/// The kernel's table as the only memory.
struct TableAlone<'a>(&'a Standing);

impl Memory for TableAlone<'_> {
    fn stays_in(&self, virtual_server: &VirtualServer, key: &DestinationKey) -> bool {
        virtual_server.keys.iter().any(|service| self.0.has(service, key))
    }

    fn had_quorum(&self, _name: &str) -> Option<bool> {
        None
    }

    fn slow_start_step(&self, _: &VirtualServer, _: &DestinationKey) -> Option<u32> {
        None
    }
}

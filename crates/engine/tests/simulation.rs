//! The engine against a kernel in memory that refuses what the real one refuses: random
//! definitions, health, drift and injected errors, from a seed.
//!
//! `LVS_SIM_SEEDS` and `LVS_SIM_SEED`: see [`testkit::for_each_seed`].

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::disallowed_methods, reason = "a test chooses its clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::{Check, Kind, Monitor, State, TcpCheck, Timing};
use config::{Drain, OnFailure, Panic, RealServer, VirtualServer};
use engine::{Action, Engine, Health, Input, Kept, Output, Override, ServerName, Settings, Step};
use ipvs::{
    Destination, DestinationEntry, DestinationKey, Forward, Operation, Service, ServiceEntry,
    ServiceFlags, ServiceKey, Stats, Table, TableService, Weight,
};
use testkit::{Random, for_each_seed};

const STEPS: u32 = 60;
const FOREIGN: &str = "tcp 203.0.113.1:22";

type Settled = BTreeMap<DestinationKey, Destination>;

/// The kernel's side: services with their destinations.
#[derive(Default)]
struct FakeKernel {
    services: BTreeMap<ServiceKey, (Service, Settled)>,
    /// Active connections of a destination, in every service that has it.
    active: BTreeMap<DestinationKey, u32>,
    refuse_next: u64,
}

impl FakeKernel {
    fn execute(&mut self, operation: &Operation) -> Result<(), String> {
        if self.refuse_next > 0 {
            self.refuse_next -= 1;
            return Err("ENOMEM".to_owned());
        }
        let exists = || "EEXIST".to_owned();
        let absent = || "ENOENT".to_owned();
        match operation {
            Operation::NewService(s) => {
                if self.services.contains_key(&s.key) {
                    return Err(exists());
                }
                self.services.insert(s.key, (s.clone(), BTreeMap::new()));
            }
            Operation::SetService(s) => {
                self.services.get_mut(&s.key).ok_or_else(absent)?.0 = s.clone();
            }
            Operation::DelService(key) => {
                self.services.remove(key).ok_or_else(absent)?;
            }
            Operation::NewDestination(key, d) => {
                let service = self.services.get_mut(key).ok_or_else(absent)?;
                if service.1.insert(d.key, *d).is_some() {
                    return Err(exists());
                }
            }
            Operation::SetDestination(key, d) => {
                let service = self.services.get_mut(key).ok_or_else(absent)?;
                *service.1.get_mut(&d.key).ok_or_else(absent)? = *d;
            }
            Operation::DelDestination(key, d) => {
                let service = self.services.get_mut(key).ok_or_else(absent)?;
                service.1.remove(d).ok_or_else(absent)?;
            }
            other => return Err(format!("the engine never does {other}")),
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let services = self.services.values().map(|(service, destinations)| TableService {
            entry: ServiceEntry { service: service.clone(), stats: Stats::default() },
            destinations: destinations
                .values()
                .map(|&destination| DestinationEntry {
                    destination,
                    active_connections: self.active.get(&destination.key).copied().unwrap_or(0),
                    inactive_connections: 0,
                    persistent_connections: 0,
                    stats: Stats::default(),
                })
                .collect(),
        });
        Table { services: services.collect() }
    }

    fn members(&self, key: &ServiceKey) -> usize {
        self.services.get(key).map_or(0, |(_, destinations)| destinations.len())
    }
}

struct World {
    random: Random,
    engine: Engine,
    kernel: FakeKernel,
    now: Instant,
    defined: Vec<VirtualServer>,
    health: BTreeMap<Monitor, State>,
    /// What was foretold of the definitions that are being handed in.
    foretold: Option<Vec<Step>>,
    applied: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let now = Instant::now();
        let mut kernel = FakeKernel::default();
        let foreign: ServiceKey = FOREIGN.parse().unwrap();
        kernel.execute(&Operation::NewService(service(foreign, "rr"))).unwrap();
        kernel.execute(&Operation::NewDestination(foreign, destination(1, 22, 4))).unwrap();
        let defined = definitions(&mut random);
        for virtual_server in &defined {
            for key in &virtual_server.keys {
                if random.chance(50) {
                    continue;
                }
                kernel.execute(&Operation::NewService(service(*key, "sh"))).unwrap();
                for server in &virtual_server.real_servers {
                    if random.chance(50) {
                        let operation = Operation::NewDestination(*key, server.destination);
                        kernel.execute(&operation).unwrap();
                    }
                }
            }
        }
        let engine = Engine::new(defined.clone(), Settings::default(), Kept::default(), now);
        let health = BTreeMap::new();
        Self { random, engine, kernel, now, defined, health, foretold: None, applied: 0 }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::ReadTable => {
                    let table = if self.random.chance(3) {
                        self.foretold = None;
                        Err("interrupted".to_owned())
                    } else {
                        Ok(self.kernel.table().into())
                    };
                    self.engine.handle(Input::Table(table), self.now);
                }
                Output::Apply(steps) => {
                    if let Some(foretold) = self.foretold.take() {
                        // Connections are counted by looks, which the two may have had or not.
                        let counted = |steps: &[Step]| -> Vec<_> {
                            steps.iter().map(|s| (s.operation.clone(), s.reason.clone())).collect()
                        };
                        assert_eq!(counted(&steps), counted(&foretold));
                    }
                    let before: BTreeMap<ServiceKey, usize> =
                        self.kernel.services.keys().map(|k| (*k, self.kernel.members(k))).collect();
                    let mut least = before.clone();
                    let mut results = Vec::new();
                    for step in steps {
                        let result = self.kernel.execute(&step.operation);
                        for (key, least) in &mut least {
                            *least = (*least).min(self.kernel.members(key));
                        }
                        self.applied += 1;
                        results.push((step, result));
                    }
                    if results.iter().all(|(_, result)| result.is_ok()) {
                        for (key, least) in least {
                            let after = self.kernel.members(&key);
                            assert!(
                                least > 0 || before[&key] == 0 || after == 0,
                                "{key} was empty between {} and {after} destinations",
                                before[&key]
                            );
                        }
                    }
                    self.engine.handle(Input::Applied(results), self.now);
                }
                Output::Watch(monitors) => {
                    let watched: BTreeSet<Monitor> = monitors.into_iter().map(|m| m.0).collect();
                    self.health.retain(|monitor, _| watched.contains(monitor));
                    for monitor in watched {
                        self.health.entry(monitor).or_insert(State::Unknown);
                    }
                }
                Output::SaveOwned(_)
                | Output::SaveWishes(..)
                | Output::Run { .. }
                | Output::Event(_) => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.drain();
    }

    fn step(&mut self) {
        match self.random.below(13) {
            10 => {
                let destination = destination(1 + self.random.below(4), 80, 1);
                let active = self.random.below(3);
                self.kernel.active.insert(destination.key, active);
            }
            11 => self.wish(),
            12 => {
                let server = self.server();
                self.engine.handle(Input::Clear(server), self.now);
            }
            0 => {
                if self.random.chance(50) {
                    self.defined = definitions(&mut self.random);
                } else {
                    self.change_a_weight();
                }
                self.define();
            }
            1 => self.drift(),
            2 => self.kernel.refuse_next = self.random.below(4),
            3 => {
                let time = self.random.millis(12_000);
                self.pass(time);
            }
            _ => {
                let monitors: Vec<Monitor> = self.health.keys().cloned().collect();
                if !monitors.is_empty() {
                    let monitor = self.random.pick(&monitors);
                    let state = if self.random.chance(50) { State::Up } else { State::Down };
                    self.health.insert(monitor.clone(), state);
                    let health =
                        Health { state, since: self.now, why: "chance".to_owned(), advice: None };
                    self.engine.handle(Input::Health(vec![(monitor, health)]), self.now);
                }
            }
        }
        self.drain();
    }

    /// The definitions that are in force, but for one number.
    fn change_a_weight(&mut self) {
        for virtual_server in &mut self.defined {
            if let Some(server) = virtual_server.real_servers.first_mut() {
                server.destination.weight = Weight::new(1 + self.random.below(9)).unwrap();
                return;
            }
        }
    }

    /// Does what was foretold, whatever is going on: slow starts, lost quorums, panic, drains.
    fn define(&mut self) {
        let (defined, settings) = (self.defined.clone(), Settings::default());
        // A look repairs what has drifted; new definitions are compared with what it saw.
        self.engine.handle(Input::Table(Ok(self.kernel.table().into())), self.now);
        self.drain();
        let snapshot = self.kernel.table().into();
        let preview = self.engine.preview(defined.clone(), settings.clone(), &snapshot, self.now);
        self.foretold = Some(preview.steps);
        self.engine.handle(Input::Define(defined, settings), self.now);
        self.drain();
        let left = self.foretold.take().unwrap_or_default();
        assert!(left.is_empty(), "foretold and not done: {left:?}");
    }

    fn server(&mut self) -> ServerName {
        format!("198.51.100.{}", 1 + self.random.below(4)).parse().unwrap()
    }

    /// What the operator might ask.
    fn wish(&mut self) {
        let action = match self.random.below(3) {
            0 => Action::Disable,
            1 => Action::Drain { deadline: None },
            _ => Action::Weight(Weight::new(9).unwrap()),
        };
        let wish = Override {
            server: self.server(),
            action,
            by: "root".to_owned(),
            reason: None,
            since: self.now,
            until: self.random.chance(30).then(|| self.now + Duration::from_secs(5)),
        };
        self.engine.handle(Input::Override(wish), self.now);
    }

    /// What another program might do to lvsd's services.
    fn drift(&mut self) {
        let foreign: ServiceKey = FOREIGN.parse().unwrap();
        let keys: Vec<ServiceKey> =
            self.kernel.services.keys().copied().filter(|key| *key != foreign).collect();
        for key in keys {
            match self.random.below(4) {
                0 => drop(self.kernel.services.remove(&key)),
                1 => {
                    let extra = destination(self.random.below(9), 80, 7);
                    self.kernel.services.get_mut(&key).unwrap().1.insert(extra.key, extra);
                }
                2 => drop(self.kernel.services.get_mut(&key).unwrap().1.pop_first()),
                _ => {}
            }
        }
    }

    /// Trouble ends: every monitor has a verdict, time passes.
    fn settle(&mut self) {
        self.kernel.refuse_next = 0;
        self.kernel.active.clear();
        for host in 1..=4 {
            let server = format!("198.51.100.{host}").parse().unwrap();
            self.engine.handle(Input::Clear(server), self.now);
            self.drain();
        }
        for (monitor, state) in self.health.clone() {
            let state = if state == State::Unknown { State::Up } else { state };
            self.health.insert(monitor.clone(), state);
            let health = Health { state, since: self.now, why: "settled".to_owned(), advice: None };
            self.engine.handle(Input::Health(vec![(monitor, health)]), self.now);
            self.drain();
        }
        for _ in 0..10 {
            self.pass(Duration::from_secs(11));
        }
    }

    fn check_end(&mut self) {
        let before = self.applied;
        self.pass(Duration::from_secs(11));
        self.pass(Duration::from_secs(11));
        assert_eq!(self.applied, before, "the next plan is empty");

        let foreign: ServiceKey = FOREIGN.parse().unwrap();
        let keys: BTreeSet<ServiceKey> =
            self.defined.iter().flat_map(|v| v.keys.clone()).chain([foreign]).collect();
        assert_eq!(self.kernel.services.keys().copied().collect::<BTreeSet<_>>(), keys);
        let own = destination(1, 22, 4);
        assert_eq!(self.kernel.services[&foreign].1, BTreeMap::from([(own.key, own)]));
        for virtual_server in &self.defined {
            for key in &virtual_server.keys {
                let (service, found) = &self.kernel.services[key];
                assert_eq!(service.scheduler, virtual_server.scheduler);
                self.check_service(virtual_server, found);
            }
        }
    }

    /// The rules of the manual, written down a second time for a world at rest.
    fn check_service(&self, virtual_server: &VirtualServer, found: &Settled) {
        let is_up = |server: &RealServer| {
            server.checks.iter().all(|check| {
                let target = server.destination.key.socket_addr();
                self.health[&Monitor { target, check: check.clone() }] == State::Up
            })
        };
        let of = |up: bool| -> Settled {
            let servers = virtual_server.real_servers.iter().filter(|s| is_up(s) == up);
            servers.map(|s| (s.destination.key, s.destination)).collect()
        };
        let (up, down) = (of(true), of(false));
        let (idle, busy): (Settled, Settled) =
            found.iter().partition(|(_, destination)| destination.weight == Weight::ZERO);
        let keeps_idle = virtual_server.on_failure == OnFailure::WeightZero;
        assert!(idle.keys().all(|key| keeps_idle && down.contains_key(key)), "{idle:?}");
        let live: u32 = up.values().map(|destination| destination.weight.get()).sum();
        let sorry = &virtual_server.sorry_servers;
        let serves_sorry = sorry.iter().any(|destination| busy.contains_key(&destination.key));
        let (quorum, hysteresis) = (virtual_server.quorum, virtual_server.hysteresis);
        // Between the two the past decides.
        let lost = match () {
            () if live + hysteresis < quorum => true,
            () if live >= quorum + hysteresis => false,
            () => serves_sorry,
        };
        if !sorry.is_empty() && (lost || live == 0) {
            assert_eq!(busy, sorry.iter().map(|d| (d.key, *d)).collect());
        } else if up.is_empty() {
            assert!(busy.len() <= 1 && busy.keys().all(|key| down.contains_key(key)), "{busy:?}");
        } else {
            assert_eq!(busy, up);
        }
    }
}

fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: scheduler.parse().unwrap(),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    }
}

fn destination(host: u64, port: u16, weight: u64) -> Destination {
    Destination {
        key: DestinationKey::new(format!("198.51.100.{host}:{port}").parse().unwrap()),
        forward: Forward::DirectRoute,
        weight: Weight::new(u32::try_from(weight).unwrap()).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn definitions(random: &mut Random) -> Vec<VirtualServer> {
    let mut defined = Vec::new();
    for number in 0..3 {
        if random.chance(30) {
            continue;
        }
        let texts = [
            vec!["tcp 192.0.2.10:80".to_owned()],
            vec!["fwmark 7".to_owned(), "udp 192.0.2.10:80".to_owned()],
            vec!["tcp 192.0.2.11:80".to_owned()],
        ];
        let mut real_servers = Vec::new();
        for host in 1..=4 {
            if random.chance(40) {
                continue;
            }
            let checks = (0..random.below(3)).map(|fall| Check {
                kind: Kind::Tcp(TcpCheck::default()),
                timing: Timing { fall: fall + 1, ..Timing::default() },
            });
            real_servers.push(RealServer {
                checks: checks.map(Arc::new).collect(),
                destination: destination(host, 80, 1 + random.below(3)),
            });
        }
        let scheduler = random.pick(&["wlc", "rr", "sh"]);
        let sorry = random.chance(40);
        let quorum = 1 + random.below(4);
        let slow_start = random.chance(40).then(|| Duration::from_secs(20));
        let on_failure = if random.chance(30) { OnFailure::WeightZero } else { OnFailure::Remove };
        defined.push(VirtualServer {
            name: format!("v{number}"),
            keys: texts[number].iter().map(|text| text.parse().unwrap()).collect(),
            scheduler: scheduler.parse().unwrap(),
            flags: ServiceFlags::NONE,
            persistence: None,
            persistence_engine: None,
            real_servers,
            quorum,
            hysteresis: random.below(quorum),
            quorum_up: None,
            quorum_down: None,
            sorry_servers: if sorry { vec![destination(200, 80, 1)] } else { Vec::new() },
            on_failure,
            panic: if sorry { Panic::Sorry } else { Panic::KeepLast },
            max_ejected: None,
            slow_start,
            drain: Drain::default(),
        });
    }
    defined
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.pass(Duration::ZERO);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.check_end();
}

#[test]
fn every_history_ends_in_the_wanted_table() {
    for_each_seed(300, run);
}

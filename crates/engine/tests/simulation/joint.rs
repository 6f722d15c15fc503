//! The engine and the checkers together, over real servers that come and go: what stands in the
//! kernel at the end follows from the servers alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use checkers::supervisor::{
    Input as CheckersInput, MonitorId, Output as CheckersOutput, Supervisor,
};
use checkers::{
    Advice, Cause, Event as CheckersEvent, Failure, Limits, Monitor, Outcome, ProbeResult, State,
};
use config::{RealServer, VirtualServer};
use engine::{Action, Engine, Event, Health, Input, Kept, Output, Override, ServerName, Settings};
use ipvs::Weight;
use testkit::Random;

use crate::definitions::{HOSTS, definitions, destination};
use crate::kernel::Kernel;
use crate::rules::{monitors, require_table};

const STEPS: u32 = 60;

/// Longer than every damping, slow start, retry and drain without connections, one after the other.
const QUIET: Duration = Duration::from_secs(200);

/// How a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Serves,
    Refuses,
    Silent,
    /// Now this, now that.
    Flaps,
    /// It cannot be asked, for a reason on the director.
    Unaskable,
}

struct Probe {
    monitor: Monitor,
    started: Instant,
    ends: Instant,
}

struct World {
    random: Random,
    now: Instant,
    engine: Engine,
    supervisor: Supervisor,
    kernel: Kernel,
    hosts: BTreeMap<SocketAddr, Manner>,
    probes: BTreeMap<MonitorId, Probe>,
    /// What the checks have said of each monitor.
    found: BTreeMap<Monitor, State>,
    defined: Vec<VirtualServer>,
    /// Whether the operator has asked for anything since the last look at the rules.
    wished: bool,
    /// Whether the kernel may hold something else than the engine believes.
    troubled: bool,
    /// Whether reads may fail, and checks ask for weights.
    wild: bool,
}

pub(crate) fn run(seed: u64) {
    let mut world = World::new(seed);
    world.engine.handle_timeout(world.now);
    world.drain();
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let now = Instant::now();
        let defined = definitions(&mut random);
        let kernel = Kernel::new(&mut random, &defined);
        let tick = Duration::from_millis(5);
        let limits = random.pick(&[
            Limits { total: 3, per_host: 2, ..Limits::default() },
            Limits { total: 1000, per_host: 1000, ..Limits::default() },
        ]);
        let hosts = (1..=HOSTS).map(|host| {
            let manner = random.pick(&[Manner::Serves, Manner::Serves, Manner::Refuses]);
            (destination(host, 80, 1).key.socket_addr(), manner)
        });
        Self {
            hosts: hosts.collect(),
            engine: Engine::new(defined.clone(), Settings::default(), Kept::default(), now),
            supervisor: Supervisor::new(random.number(), tick, limits, now),
            kernel,
            probes: BTreeMap::new(),
            found: BTreeMap::new(),
            defined,
            wished: false,
            troubled: true,
            wild: true,
            random,
            now,
        }
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0 => {
                self.defined = definitions(&mut self.random);
                let input = Input::Define(self.defined.clone(), Settings::default());
                self.engine.handle(input, self.now);
            }
            1 => {
                self.kernel.drift(&mut self.random);
                self.troubled = true;
            }
            2 => self.kernel.refuse_next = self.random.below(4),
            3 => self.wish(),
            4 => {
                let server = self.server();
                self.engine.handle(Input::Clear(server), self.now);
            }
            5 => {
                let key = destination(1 + self.random.below(HOSTS), 80, 1).key;
                self.kernel.set_active(&key, self.random.below(3));
            }
            6..10 => {
                let address = destination(1 + self.random.below(HOSTS), 80, 1).key.socket_addr();
                let manner = self.random.pick(&[
                    Manner::Serves,
                    Manner::Serves,
                    Manner::Refuses,
                    Manner::Silent,
                    Manner::Flaps,
                    Manner::Unaskable,
                ]);
                self.hosts.insert(address, manner);
            }
            _ => {
                let time = self.random.millis(12_000);
                self.pass(time);
            }
        }
        self.drain();
    }

    fn server(&mut self) -> ServerName {
        format!("198.51.100.{}", 1 + self.random.below(HOSTS)).parse().unwrap()
    }

    /// What the operator might ask.
    fn wish(&mut self) {
        self.wished = true;
        let action = self.random.pick(&[
            Action::Disable,
            Action::Drain { deadline: None },
            Action::Drain { deadline: Some(self.now + Duration::from_secs(20)) },
            Action::Weight(Weight::MAX),
        ]);
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

    /// Lets time pass, event by event.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let ends = self.probes.iter().map(|(&id, probe)| (probe.ends, id)).min();
            let due = [Some(self.engine.poll_timeout()), self.supervisor.poll_timeout()];
            let next = due.into_iter().flatten().chain(ends.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            if let Some((_, id)) = ends.filter(|&(at, _)| at <= self.now) {
                self.finish(id);
            }
            self.supervisor.handle_timeout(self.now);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn finish(&mut self, id: MonitorId) {
        let Probe { monitor, started, .. } = self.probes.remove(&id).unwrap();
        let silent = self.now - started >= monitor.check.timing.timeout;
        let manner = match self.hosts[&monitor.target] {
            _ if silent => Manner::Silent,
            Manner::Flaps => self.random.pick(&[Manner::Serves, Manner::Refuses]),
            manner => manner,
        };
        let result = match manner {
            Manner::Silent => ProbeResult::Failed(Failure::new(Cause::TimedOut, "timed out")),
            Manner::Unaskable => ProbeResult::Local("no port is free".to_owned()),
            Manner::Refuses | Manner::Flaps => {
                ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused"))
            }
            Manner::Serves => ProbeResult::Passed,
        };
        let asks = self.wild && result == ProbeResult::Passed && self.random.chance(5);
        let advice = asks.then(|| self.random.pick(&[Advice::Weight(2), Advice::Percent(50)]));
        let outcome = Outcome { advice, ..Outcome::new(started, self.now - started, result) };
        self.supervisor.handle(CheckersInput::Finished { id, outcome }, self.now);
    }

    /// Carries out what both want, until neither wants anything.
    fn drain(&mut self) {
        loop {
            if let Some(output) = self.engine.poll_output() {
                self.carry_out(output);
            } else if let Some(output) = self.supervisor.poll_output() {
                self.carry_out_for_checkers(output);
            } else {
                break;
            }
        }
        if !self.troubled && !self.wished {
            self.require_no_service_is_empty();
        }
    }

    fn carry_out_for_checkers(&mut self, output: CheckersOutput) {
        match output {
            CheckersOutput::StartProbe { id, monitor, .. } => {
                let same = |probe: &Probe| probe.monitor == *monitor;
                assert!(!self.probes.values().any(same), "{monitor:?} is probed already");
                let timeout = monitor.check.timing.timeout;
                let takes = match self.hosts[&monitor.target] {
                    Manner::Silent => timeout,
                    _ => self.random.time(timeout / 2),
                };
                let ends = self.now + takes;
                let probe = Probe { monitor: (*monitor).clone(), started: self.now, ends };
                self.probes.insert(id, probe);
            }
            CheckersOutput::CancelProbe { id } => {
                self.probes.remove(&id).expect("what is cancelled runs");
            }
            // The same that lvsd does with it.
            CheckersOutput::Report(CheckersEvent::Transition(transition)) => {
                let health = Health {
                    state: transition.to,
                    since: transition.at,
                    why: transition.reason,
                    advice: transition.outcome.advice,
                };
                let change = (Monitor::clone(&transition.monitor), health);
                self.found.insert(change.0.clone(), transition.to);
                self.engine.handle(Input::Health(vec![change]), self.now);
            }
            CheckersOutput::Report(CheckersEvent::Trouble(_) | CheckersEvent::TroubleOver(_)) => {}
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::ReadTable => {
                let snapshot = match self.wild && self.random.chance(3) {
                    true => Err("interrupted".to_owned()),
                    false => Ok(self.kernel.snapshot()),
                };
                // What has been looked at is repaired, unless that fails.
                self.troubled &= snapshot.is_err();
                self.engine.handle(Input::Table(snapshot), self.now);
            }
            Output::Apply(steps) => {
                let results = self.kernel.apply(steps, &self.defined, self.engine.overrides());
                self.troubled |= results.iter().any(|(_, result)| result.is_err());
                self.engine.handle(Input::Applied(results), self.now);
            }
            Output::Watch(monitors) => {
                let watched: BTreeSet<&Monitor> = monitors.iter().map(|(one, _)| one).collect();
                self.found.retain(|monitor, _| watched.contains(monitor));
                self.supervisor.handle(CheckersInput::Set(monitors), self.now);
                self.supervisor.handle_timeout(self.now);
            }
            Output::Event(Event::Expired(_) | Event::Cleared(_)) => {
                self.wished = !self.engine.overrides().is_empty();
            }
            Output::SaveOwned(..)
            | Output::SaveWishes(..)
            | Output::Run { .. }
            | Output::Event(_) => {}
        }
    }

    /// A service with a real server that the checks have found up has a server with a weight.
    fn require_no_service_is_empty(&mut self) {
        let found = &self.found;
        let is_up = |server: &RealServer| {
            monitors(server).all(|monitor| found.get(&monitor) == Some(&State::Up))
        };
        let services = self.kernel.services();
        for virtual_server in &self.defined {
            if !virtual_server.real_servers.iter().any(is_up) {
                continue;
            }
            for key in &virtual_server.keys {
                let serves = services.get(key).is_some_and(|(_, destinations)| {
                    destinations.values().any(|one| one.weight != Weight::ZERO)
                });
                assert!(serves, "{key} is empty: {virtual_server:?}");
            }
        }
    }

    /// Trouble ends, every host makes up its mind, and time passes.
    fn settle(&mut self) {
        self.wild = false;
        for host in 1..=HOSTS {
            let server = format!("198.51.100.{host}").parse().unwrap();
            self.engine.handle(Input::Clear(server), self.now);
            self.drain();
        }
        for manner in self.hosts.values_mut() {
            *manner = self.random.pick(&[Manner::Serves, Manner::Refuses, Manner::Silent]);
        }
        // What drains is counted once more before its last connection is gone.
        self.kernel.calm();
        self.pass(QUIET);
        let before = self.kernel.applied;
        self.pass(QUIET);
        assert_eq!(self.kernel.applied, before, "the next plan is empty");
        let watched: BTreeSet<Monitor> = self
            .supervisor
            .statuses(self.now)
            .into_iter()
            .map(|status| (*status.monitor).clone())
            .collect();
        let servers = self.defined.iter().flat_map(|one| one.real_servers.iter());
        assert_eq!(watched, servers.flat_map(monitors).collect());
        let hosts = &self.hosts;
        let is_up = |server: &RealServer| {
            server.checks.is_empty()
                || hosts[&server.destination.key.socket_addr()] == Manner::Serves
        };
        require_table(&mut self.kernel, &self.defined, is_up);
    }
}

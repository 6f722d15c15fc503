//! The engine alone: definitions, health, wishes, drift and injected errors at random.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::{Monitor, State};
use config::{RealServer, VirtualServer};
use engine::{Action, Engine, Health, Input, Kept, Output, Override, ServerName, Settings, Step};
use ipvs::Weight;
use testkit::Random;

use crate::definitions::{HOSTS, definitions, destination};
use crate::kernel::Kernel;
use crate::rules::{monitors, require_table};

const STEPS: u32 = 60;

struct World {
    random: Random,
    engine: Engine,
    kernel: Kernel,
    now: Instant,
    defined: Vec<VirtualServer>,
    health: BTreeMap<Monitor, State>,
    /// What was foretold of the definitions that are being handed in.
    foretold: Option<Vec<Step>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let now = Instant::now();
        let defined = definitions(&mut random);
        let kernel = Kernel::new(&mut random, &defined);
        let engine = Engine::new(defined.clone(), Settings::default(), Kept::default(), now);
        let health = BTreeMap::new();
        Self { random, engine, kernel, now, defined, health, foretold: None }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::ReadTable => {
                    let table = if self.random.chance(3) {
                        self.foretold = None;
                        Err("interrupted".to_owned())
                    } else {
                        Ok(self.kernel.snapshot())
                    };
                    self.engine.handle(Input::Table(table), self.now);
                }
                Output::Apply(steps) => {
                    if let Some(foretold) = &mut self.foretold {
                        let count = foretold.len().min(steps.len());
                        let foretold: Vec<Step> = foretold.drain(..count).collect();
                        // Connections are counted by looks, which the two may have had or not.
                        let counted = |steps: &[Step]| -> Vec<_> {
                            steps.iter().map(|s| (s.operation.clone(), s.reason.clone())).collect()
                        };
                        assert_eq!(counted(&steps), counted(&foretold));
                    }
                    let results = self.kernel.apply(steps, &self.defined, self.engine.overrides());
                    if results.iter().any(|(_, result)| result.is_err()) {
                        // What depends on it is not done.
                        self.foretold = None;
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
                Output::SaveOwned(..)
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
                let destination = destination(1 + self.random.below(HOSTS), 80, 1);
                self.kernel.set_active(&destination.key, self.random.below(3));
            }
            11 => self.wish(),
            12 => {
                let server = self.server();
                self.engine.handle(Input::Clear(server), self.now);
            }
            0 => {
                let defined = match self.random.chance(50) {
                    true => definitions(&mut self.random),
                    false => self.with_another_weight(),
                };
                self.define(defined);
            }
            1 => self.kernel.drift(&mut self.random),
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
    fn with_another_weight(&mut self) -> Vec<VirtualServer> {
        let mut defined = self.defined.clone();
        let first =
            defined.iter_mut().find_map(|one| Arc::make_mut(&mut one.real_servers).first_mut());
        if let Some(server) = first {
            server.destination.weight = Weight::new(1 + self.random.below(9)).unwrap();
        }
        defined
    }

    /// Does what was foretold, whatever is going on: slow starts, lost quorums, panic, drains.
    fn define(&mut self, defined: Vec<VirtualServer>) {
        let settings = Settings::default();
        // A look repairs what has drifted; new definitions are compared with what it saw.
        self.engine.handle(Input::Table(Ok(self.kernel.snapshot())), self.now);
        self.drain();
        let snapshot = self.kernel.snapshot();
        let preview = self.engine.preview(defined.clone(), settings.clone(), &snapshot, self.now);
        self.foretold = Some(preview.steps);
        self.defined = defined.clone();
        self.engine.handle(Input::Define(defined, settings), self.now);
        self.drain();
        let left = self.foretold.take().unwrap_or_default();
        assert!(left.is_empty(), "foretold and not done: {left:?}");
    }

    fn server(&mut self) -> ServerName {
        format!("198.51.100.{}", 1 + self.random.below(HOSTS)).parse().unwrap()
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

    /// Trouble ends: every monitor has a verdict, time passes.
    fn settle(&mut self) {
        self.kernel.calm();
        for host in 1..=HOSTS {
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
        let before = self.kernel.applied;
        self.pass(Duration::from_secs(11));
        self.pass(Duration::from_secs(11));
        assert_eq!(self.kernel.applied, before, "the next plan is empty");
        let health = &self.health;
        let is_up =
            |server: &RealServer| monitors(server).all(|monitor| health[&monitor] == State::Up);
        require_table(&mut self.kernel, &self.defined, is_up);
    }
}

pub(crate) fn run(seed: u64) {
    let mut world = World::new(seed);
    world.pass(Duration::ZERO);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.check_end();
}

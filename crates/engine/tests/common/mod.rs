//! Short ways to write definitions and tables.
#![allow(dead_code, reason = "each test binary uses its share")]
#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use checkers::{Advice, Check, Kind, Monitor, State, TcpCheck, Timing};
use config::{Drain, OnFailure, Panic, RealServer, VirtualServer};
use engine::{Engine, Health, Input, Kept, Leaving, Output, Override, ServerName, Settings, Step};
use ipvs::{
    Destination, DestinationEntry, DestinationKey, Forward, Operation, Service, ServiceEntry,
    ServiceFlags, ServiceKey, Stats, Table, TableService, Weight,
};

/// `tcp 192.0.2.10:80` and the like.
pub(crate) fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

/// A direct-routing destination.
pub(crate) fn destination(address: &str, weight: u32) -> Destination {
    Destination {
        key: DestinationKey::new(address.parse().unwrap()),
        forward: Forward::DirectRoute,
        weight: Weight::new(weight).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// A real server without checks.
pub(crate) fn unchecked(address: &str, weight: u32) -> RealServer {
    RealServer { destination: destination(address, weight), checks: Vec::new() }
}

/// A real server with one check.
pub(crate) fn checked(address: &str, weight: u32) -> RealServer {
    RealServer { destination: destination(address, weight), checks: vec![tcp_check().into()] }
}

pub(crate) fn tcp_check() -> Check {
    Check { kind: Kind::Tcp(TcpCheck::default()), timing: Timing::default() }
}

/// The monitor of `checked(address, _)`.
pub(crate) fn monitor(address: &str) -> Monitor {
    Monitor { target: address.parse().unwrap(), check: tcp_check().into() }
}

/// A virtual server with the scheduler wlc and no flags.
pub(crate) fn virtual_server(
    name: &str,
    service: &str,
    real_servers: Vec<RealServer>,
) -> VirtualServer {
    VirtualServer {
        name: name.to_owned(),
        keys: vec![key(service)],
        scheduler: "wlc".parse().unwrap(),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
        real_servers: real_servers.into(),
        quorum: 1,
        hysteresis: 0,
        quorum_up: None,
        quorum_down: None,
        sorry_servers: Vec::new(),
        on_failure: OnFailure::Remove,
        panic: Panic::KeepLast,
        max_ejected: None,
        slow_start: None,
        drain: Drain::default(),
    }
}

/// A kernel's table.
pub(crate) fn table(services: &[(&str, &str, &[Destination])]) -> Table {
    let services = services.iter().map(|(service, scheduler, destinations)| TableService {
        entry: ServiceEntry {
            service: Service {
                key: key(service),
                scheduler: scheduler.parse().unwrap(),
                flags: ServiceFlags::NONE,
                persistence: None,
                persistence_engine: None,
            },
            stats: Stats::default(),
        },
        destinations: destinations
            .iter()
            .map(|&destination| DestinationEntry {
                destination,
                active_connections: 2,
                inactive_connections: 3,
                persistent_connections: 0,
                stats: Stats::default(),
            })
            .collect(),
    });
    Table { services: services.collect() }
}

/// The operations with their reasons, one line each.
pub(crate) fn lines(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .map(|step| {
            let settings = match &step.operation {
                Operation::NewService(s) | Operation::SetService(s) => format!(" {}", s.scheduler),
                Operation::NewDestination(_, d) | Operation::SetDestination(_, d) => {
                    format!(" {} {}", d.forward, d.weight)
                }
                _ => String::new(),
            };
            format!("{}{settings}: {}", step.operation, step.reason)
        })
        .collect()
}

/// An engine with a table in place of the kernel and a clock that the test moves.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    /// What was applied since it was last taken.
    pub(crate) steps: Vec<Step>,
    /// The last set that was to be saved.
    pub(crate) saved: Option<BTreeSet<ServiceKey>>,
    /// Whether the sync daemons were last to be saved as lvsd's.
    pub(crate) owns_daemons: bool,
    /// What is watched.
    pub(crate) watched: Vec<(Monitor, checkers::Start)>,
    /// How often the table was read.
    pub(crate) reads: usize,
    /// Programs of the scripts that were run.
    pub(crate) scripts: Vec<String>,
    /// The wishes that were last to be saved.
    pub(crate) wishes: (Vec<Override>, Vec<Leaving>),
    /// The files in the maintenance directory that were last to be saved.
    pub(crate) files: BTreeMap<ServerName, Instant>,
    /// The answer to the next reads; it follows what is applied.
    pub(crate) table: Table,
    /// What goes with the table.
    pub(crate) kernel: engine::Snapshot,
    /// Operations whose text contains this fail.
    pub(crate) refuse: Option<&'static str>,
}

impl Bench {
    pub(crate) fn new(virtual_servers: Vec<VirtualServer>, table: Table) -> Self {
        Self::with_owned(virtual_servers, table, BTreeSet::new())
    }

    pub(crate) fn with_owned(
        virtual_servers: Vec<VirtualServer>,
        table: Table,
        owned: BTreeSet<ServiceKey>,
    ) -> Self {
        let now = start();
        let kept = Kept { owned, ..Kept::default() };
        let engine = Engine::new(virtual_servers, Settings::default(), kept, now);
        let mut bench = Self {
            engine,
            now,
            steps: Vec::new(),
            saved: None,
            owns_daemons: false,
            watched: Vec::new(),
            reads: 0,
            scripts: Vec::new(),
            wishes: (Vec::new(), Vec::new()),
            files: BTreeMap::new(),
            table,
            kernel: engine::Snapshot::default(),
            refuse: None,
        };
        bench.timeout();
        bench
    }

    /// Lets time pass and does what is due.
    pub(crate) fn after(&mut self, duration: Duration) {
        self.now += duration;
        self.timeout();
    }

    fn timeout(&mut self) {
        self.engine.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        self.drain();
    }

    pub(crate) fn health(&mut self, address: &str, state: State, why: &str) {
        self.monitor_is(monitor(address), state, why, None);
    }

    /// Any monitor's health, with the weight that it asks for.
    pub(crate) fn monitor_is(
        &mut self,
        monitor: Monitor,
        state: State,
        why: &str,
        advice: Option<Advice>,
    ) {
        let health = Health { state, since: self.now, why: why.to_owned(), advice };
        self.input(Input::Health(vec![(monitor, health)]));
    }

    pub(crate) fn define(&mut self, virtual_servers: Vec<VirtualServer>) {
        self.input(Input::Define(virtual_servers, Settings::default()));
    }

    /// Gives a destination so many active connections, in every service that has it.
    pub(crate) fn connections(&mut self, address: &str, active: u32) {
        let key = DestinationKey::new(address.parse().unwrap());
        for service in &mut self.table.services {
            for entry in service.destinations.iter_mut().filter(|d| d.destination.key == key) {
                entry.active_connections = active;
            }
        }
    }

    /// What was done since the last call.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        lines(&std::mem::take(&mut self.steps))
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::ReadTable => {
                    self.reads += 1;
                    let table = self.table.clone();
                    self.engine.handle(
                        Input::Table(Ok(engine::Snapshot { table, ..self.kernel.clone() })),
                        self.now,
                    );
                }
                Output::Apply(steps) => {
                    let results = steps.into_iter().map(|step| {
                        self.steps.push(step.clone());
                        if self.refuse.is_some_and(|r| step.operation.to_string().contains(r)) {
                            return (step, Err("refused".to_owned()));
                        }
                        follow(&mut self.table, &step.operation);
                        (step, Ok(()))
                    });
                    let results = results.collect();
                    self.engine.handle(Input::Applied(results), self.now);
                }
                Output::Watch(monitors) => self.watched = monitors,
                Output::SaveOwned(owned, daemons) => {
                    self.saved = Some(owned);
                    self.owns_daemons = daemons;
                }
                Output::SaveWishes(overrides, leaving, files) => {
                    self.wishes = (overrides, leaving);
                    self.files = files;
                }
                Output::Run { script, .. } => self.scripts.push(script.command[0].clone()),
                Output::Event(_) => {}
            }
        }
    }
}

/// What the kernel's table is after an operation.
fn follow(table: &mut Table, operation: &Operation) {
    let entry = |destination| DestinationEntry {
        destination,
        active_connections: 0,
        inactive_connections: 0,
        persistent_connections: 0,
        stats: Stats::default(),
    };
    let services = &mut table.services;
    match operation {
        Operation::NewService(service) => services.push(TableService {
            entry: ServiceEntry { service: service.clone(), stats: Stats::default() },
            destinations: Vec::new(),
        }),
        Operation::DelService(key) => services.retain(|s| s.entry.service.key != *key),
        Operation::SetService(new) => {
            for service in services.iter_mut().filter(|s| s.entry.service.key == new.key) {
                service.entry.service = new.clone();
            }
        }
        Operation::NewDestination(key, new) => {
            for service in services.iter_mut().filter(|s| s.entry.service.key == *key) {
                service.destinations.push(entry(*new));
            }
        }
        Operation::SetDestination(key, new) => {
            for service in services.iter_mut().filter(|s| s.entry.service.key == *key) {
                for found in &mut service.destinations {
                    if found.destination.key == new.key {
                        found.destination = *new;
                    }
                }
            }
        }
        Operation::DelDestination(key, gone) => {
            for service in services.iter_mut().filter(|s| s.entry.service.key == *key) {
                service.destinations.retain(|d| d.destination.key != *gone);
            }
        }
        _ => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "the first moment of a clock that the test moves")]
fn start() -> Instant {
    Instant::now()
}

//! `make bench-plan`: planning alone, in memory. It grows linearly: as many destinations in a
//! second with 100,000 of them as with 10,000. What one real server's verdict costs is the look for
//! its virtual server and the plan of that one.
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use checkers::{Check, Kind, Monitor, State, TcpCheck, Timing};
use config::Config;
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::{
    Cause, Engine, Health, Input, Kept, Output, Ownership, Snapshot, Standing, Wanted, plan,
};
use ipvs::{DestinationEntry, ServiceEntry, Stats, Table, TableService};

/// Numbers of destinations.
const SIZES: [u32; 2] = [10_000, 100_000];

/// Destinations of each service.
const PER_SERVICE: u32 = 100;

fn main() {
    divan::main();
}

/// Into an empty table.
#[divan::bench(args = SIZES)]
fn cold(bencher: Bencher<'_, '_>, size: u32) {
    let steps = (size + size / PER_SERVICE) as usize;
    bench(bencher, size, &Standing::default(), &wanted(&definitions(size, 1)), steps);
}

/// Against a table that is as it should be.
#[divan::bench(args = SIZES)]
fn nothing_changed(bencher: Bencher<'_, '_>, size: u32) {
    let wanted = wanted(&definitions(size, 1));
    bench(bencher, size, &standing(&wanted), &wanted, 0);
}

/// Against a table in which every weight is another.
#[divan::bench(args = SIZES)]
fn all_changed(bencher: Bencher<'_, '_>, size: u32) {
    let standing = standing(&wanted(&definitions(size, 1)));
    bench(bencher, size, &standing, &wanted(&definitions(size, 2)), size as usize);
}

/// The engine from its start on, with a kernel that takes everything at once.
#[divan::bench(args = SIZES)]
fn start(bencher: Bencher<'_, '_>, size: u32) {
    let Config { virtual_servers, ipvs, .. } = definitions(size, 1);
    let steps = (size + size / PER_SERVICE) as usize;
    let now = Instant::now();
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| Engine::new(virtual_servers.clone(), ipvs.clone(), Kept::default(), now))
        .bench_local_values(|mut engine| {
            engine.handle_timeout(now);
            assert_eq!(carry_out(&mut engine, now), steps);
            engine
        });
}

/// A reload in which nothing differs.
#[divan::bench(args = SIZES)]
fn reload(bencher: Bencher<'_, '_>, size: u32) {
    let Config { virtual_servers, ipvs, .. } = definitions(size, 1);
    let now = Instant::now();
    let mut engine = Engine::new(virtual_servers.clone(), ipvs.clone(), Kept::default(), now);
    engine.handle_timeout(now);
    carry_out(&mut engine, now);
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| Input::Define(virtual_servers.clone(), ipvs.clone()))
        .bench_local_values(|input| {
            engine.handle(input, now);
            assert_eq!(carry_out(&mut engine, now), 0);
        });
}

/// Of so many real servers one fails and comes back.
#[divan::bench(args = SIZES)]
fn two_verdicts(bencher: Bencher<'_, '_>, size: u32) {
    let mut config = definitions(size, 1);
    let check = Arc::new(Check { kind: Kind::Tcp(TcpCheck::default()), timing: Timing::default() });
    let mut monitors = Vec::new();
    for server in
        config.virtual_servers.iter_mut().flat_map(|one| Arc::make_mut(&mut one.real_servers))
    {
        server.checks.push(Arc::clone(&check));
        let target = server.destination.key.socket_addr();
        monitors.push(Monitor { target, check: Arc::clone(&check) });
    }
    let now = Instant::now();
    let found = |monitor: &Monitor, state| {
        let health = Health { state, since: now, why: state.to_string(), advice: None };
        (monitor.clone(), health)
    };
    let mut engine = Engine::new(config.virtual_servers, config.ipvs, Kept::default(), now);
    engine.handle_timeout(now);
    carry_out(&mut engine, now);
    engine.handle(Input::Health(monitors.iter().map(|one| found(one, State::Up)).collect()), now);
    assert_eq!(carry_out(&mut engine, now), monitors.len());
    let one = &monitors[monitors.len() / 2];
    bencher.bench_local(|| {
        for state in [State::Down, State::Up] {
            engine.handle(Input::Health(vec![found(one, state)]), now);
            assert_eq!(carry_out(&mut engine, now), 1);
        }
    });
}

/// Does what the engine asks for; the number of steps.
fn carry_out(engine: &mut Engine, now: Instant) -> usize {
    let mut count = 0;
    while let Some(output) = engine.poll_output() {
        match output {
            Output::ReadTable => engine.handle(Input::Table(Ok(Snapshot::default())), now),
            Output::Apply(steps) => {
                count += steps.len();
                let results = steps.into_iter().map(|step| (step, Ok(()))).collect();
                engine.handle(Input::Applied(results), now);
            }
            other => drop(other),
        }
    }
    count
}

/// Measures [`plan`], after a look whether it gives so many steps.
fn bench(bencher: Bencher<'_, '_>, size: u32, standing: &Standing, wanted: &Wanted, steps: usize) {
    let owned = BTreeSet::new();
    let ownership = Ownership { owned: &owned, remove_unmanaged: false };
    let run = || plan(standing, wanted, Some(ownership), Cause::Definitions);
    assert_eq!(run().steps().count(), steps);
    bencher.counter(ItemsCount::new(size)).bench_local(run);
}

/// Definitions with `size` real servers of one weight, without checks.
fn definitions(size: u32, weight: u32) -> Config {
    let mut toml = String::new();
    for service in 0..size / PER_SERVICE {
        let address = numbered(Ipv4Addr::new(10, 1, 0, 1), service);
        writeln!(toml, "[virtual_server.s{service}]\naddress = \"{address}:80\"\nreal_servers = [")
            .expect("a string takes all");
        for server in 0..PER_SERVICE {
            let address = numbered(Ipv4Addr::new(10, 64, 0, 1), service * PER_SERVICE + server);
            writeln!(toml, "  {{ address = \"{address}:80\", weight = {weight} }},")
                .expect("a string takes all");
        }
        toml.push_str("]\n");
    }
    match config::parse(Path::new("plan.toml"), toml) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

fn numbered(first: Ipv4Addr, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(first.to_bits() + number)
}

/// The table that the definitions ask for.
fn wanted(config: &Config) -> Wanted {
    let Config { virtual_servers, ipvs, .. } = config;
    let now = Instant::now();
    Engine::preview_start(virtual_servers.clone(), ipvs.clone(), &Snapshot::default(), now).wanted
}

/// A kernel's table that is as wanted.
fn standing(wanted: &Wanted) -> Standing {
    let services = wanted.services.values().map(|service| TableService {
        entry: ServiceEntry { service: service.service.clone(), stats: Stats::default() },
        destinations: service
            .servers
            .values()
            .map(|server| DestinationEntry {
                destination: server.destination,
                active_connections: 0,
                inactive_connections: 0,
                persistent_connections: 0,
                stats: Stats::default(),
            })
            .collect(),
    });
    Standing::from(&Snapshot::from(Table { services: services.collect() }))
}

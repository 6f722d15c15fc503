//! What is done with a table that stands: new definitions, comparisons, status.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use checkers::{Monitor, State};
use config::Config;
use engine::Health;
use ipvs::Client;

use crate::director::{Director, require_operations};
use crate::figures::{Bars, Times, milliseconds, ratio};
use crate::shape::Shape;
use crate::{ROUNDS, daemon, place};

/// Times of each measure.
#[derive(Debug, Default)]
struct Measures {
    parsing: Times,
    same: Times,
    compared: Times,
    one_weight: Times,
    failure: Times,
    recovery: Times,
    dump: Times,
    ipvsadm: Times,
}

/// Prints a table. `cold` is the time of a cold apply.
pub(crate) fn measure(shape: Shape, cold: Duration, bars: &mut Bars) -> Result<()> {
    let mut measures = Measures::default();
    place::fresh(|| fill(shape, &mut measures))?;
    place::fresh(|| fail(shape, &mut measures))?;
    println!("\nWith {shape} standing");
    println!("  {:<46} {:>24} {:>14}", "", "", "of cold apply");
    for (name, times) in [
        ("reading the definitions from TOML", &measures.parsing),
        ("reload, nothing changed: 0 operations", &measures.same),
        ("comparison with the kernel: 0 operations", &measures.compared),
        ("reload, one weight changed: 1 operation", &measures.one_weight),
        ("a check fails: 1 operation", &measures.failure),
        ("it passes again: 1 operation", &measures.recovery),
        ("dump of the table, for status", &measures.dump),
        ("ipvsadm -Ln", &measures.ipvsadm),
    ] {
        println!("  {name:<48} {times} {:>12.3}", ratio(times.median(), cold));
    }
    if shape.has_bars() {
        let same = ratio(measures.same.median(), cold);
        bars.add("reload without a change (0 operations) / cold apply", same, 0.25, "");
        let compared = ratio(measures.compared.median(), cold);
        bars.add("comparison with the kernel (0 operations) / cold apply", compared, 0.25, "");
        let failure = milliseconds(measures.failure.median());
        bars.add("from a failed check's verdict to the kernel's table", failure, 5.0, " ms");
    }
    Ok(())
}

fn fill(shape: Shape, measures: &mut Measures) -> Result<()> {
    let definitions = shape.definitions(1)?;
    let changed = shape.definitions(2)?;
    let mut director = Director::new(definitions.clone(), Client::open()?);
    director.start()?;
    let mut client = Client::open()?;
    for _ in 0..ROUNDS {
        let toml = shape.toml(1);
        timed(&mut measures.parsing, || {
            config::parse("bench.toml".as_ref(), toml).map_err(|errors| anyhow::anyhow!("{errors}"))
        })?;
        let same = definitions.clone();
        let sent = timed(&mut measures.same, || director.define(same))?;
        require_operations(sent, 0)?;
        let sent = timed(&mut measures.compared, || director.compare())?;
        require_operations(sent, 0)?;
        let one_weight = changed.clone();
        let sent = timed(&mut measures.one_weight, || director.define(one_weight))?;
        require_operations(sent, 1)?;
        let sent = director.define(definitions.clone())?;
        require_operations(sent, 1)?;
        let table = timed(&mut measures.dump, || Ok(client.table()?))?;
        shape.require(&table)?;
        measures.ipvsadm.add(daemon::list()?);
    }
    Ok(())
}

/// Every real server has a check; that of one fails and passes again.
fn fail(shape: Shape, measures: &mut Measures) -> Result<()> {
    let definitions = shape.checked_definitions()?;
    let monitors: Vec<Monitor> = monitors(&definitions).collect();
    let found = |monitor: &Monitor, state| {
        let (since, why) = (Instant::now(), format!("tcp_check: {state}"));
        (monitor.clone(), Health { state, since, why, advice: None })
    };
    let mut director = Director::new(definitions, Client::open()?);
    require_operations(director.start()?, shape.service_count())?;
    let up = monitors.iter().map(|monitor| found(monitor, State::Up)).collect();
    require_operations(director.health(up)?, monitors.len())?;
    let one = monitors.get(monitors.len() / 2).context("no monitors")?;
    for _ in 0..ROUNDS {
        let down = vec![found(one, State::Down)];
        let sent = timed(&mut measures.failure, || director.health(down))?;
        require_operations(sent, 1)?;
        let up = vec![found(one, State::Up)];
        let sent = timed(&mut measures.recovery, || director.health(up))?;
        require_operations(sent, 1)?;
    }
    Ok(())
}

fn monitors(definitions: &Config) -> impl Iterator<Item = Monitor> {
    let servers = definitions.virtual_servers.iter().flat_map(|one| one.real_servers.iter());
    servers.flat_map(|server| {
        let target = server.destination.key.socket_addr();
        server.checks.iter().map(move |check| Monitor { target, check: check.clone() })
    })
}

fn timed<T>(times: &mut Times, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work()?;
    times.add(start.elapsed());
    Ok(result)
}

//! What is done with a table that stands: new definitions, comparisons, status.

use std::time::{Duration, Instant};

use anyhow::Result;
use ipvs::Client;

use crate::director::{Director, require_operations};
use crate::figures::{Bars, Times, ratio};
use crate::shape::Shape;
use crate::{ROUNDS, daemon, place};

/// Times of each measure.
#[derive(Debug, Default)]
struct Measures {
    parsing: Times,
    same: Times,
    compared: Times,
    one_weight: Times,
    dump: Times,
    ipvsadm: Times,
}

/// Prints a table. `cold` is the time of a cold apply.
pub(crate) fn measure(shape: Shape, cold: Duration, bars: &mut Bars) -> Result<()> {
    let mut measures = Measures::default();
    place::fresh(|| fill(shape, &mut measures))?;
    println!("\nWith {shape} standing");
    println!("  {:<46} {:>24} {:>14}", "", "", "of cold apply");
    for (name, times) in [
        ("reading the definitions from TOML", &measures.parsing),
        ("reload, nothing changed: 0 operations", &measures.same),
        ("comparison with the kernel: 0 operations", &measures.compared),
        ("reload, one weight changed: 1 operation", &measures.one_weight),
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

fn timed<T>(times: &mut Times, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work()?;
    times.add(start.elapsed());
    Ok(result)
}

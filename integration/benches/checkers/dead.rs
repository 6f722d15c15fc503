//! Real servers of which nothing is ever heard.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use integration::Lvsd;
use integration::bars::Bars;
use integration::wait::wait_until;

use crate::adverts::Ear;
use crate::contender::definitions;
use crate::farm::{Farm, dead};
use crate::usage::Processes;
use integration::bars::number;

/// Nothing takes as long to begin.
const BEGIN: Duration = Duration::from_secs(120);

/// Prints what lvsd takes for so many checks, each of which runs into its timeout.
pub(crate) fn measure(servers: u32, bars: &mut Bars) -> Result<()> {
    println!("\n{servers} TCP checks of dead addresses, interval and timeout 1 s: lvsd");
    let farm = Farm::new()?;
    let lvsd = Lvsd::start(&farm.director, &definitions("tcp_check = {}", servers, dead))?;
    let status = |name: &str| -> Result<u64> {
        let value = lvsd.status()?.pointer(&format!("/checks/{name}")).cloned();
        value.and_then(|value| value.as_u64()).with_context(|| format!("no {name} in the status"))
    };
    let wanted = u64::from(servers) * 3;
    wait_until("three checks of all servers", BEGIN, || Ok(status("starts")? > wanted))?;
    let ear = Ear::on(&farm.servers)?;
    let processes = Processes::of(&farm.director)?;
    let (cpu, before) = (processes.cpu()?, processes.resident()?);
    let time = Duration::from_secs(number("LVSD_BENCH_SECONDS", 20)?.into()) * 2;
    thread::sleep(time);
    let (cpu, after) = (processes.cpu()? - cpu, processes.resident()?);
    let (advert, adverts) = ear.latest()?;
    println!("  resident {before:.1} MiB, {time:?} later {after:.1} MiB");
    println!("  CPU {:.0} %", cpu.as_secs_f64() / time.as_secs_f64() * 100.0);
    println!(
        "  {} run, {} wait; started late by {} us (median), {} us (p99)",
        status("running")?,
        status("waiting")?,
        status("late_median_microseconds")?,
        status("late_p99_microseconds")?
    );
    println!("  {adverts} adverts, the latest one {advert:.1?} late");
    bars.add("10,000 dead addresses: growth of resident memory", after / before, 1.05, "");
    let advert = advert.as_secs_f64() * 1000.0;
    bars.add("10,000 dead addresses: the latest advert", advert, 20.0, " ms");
    Ok(())
}

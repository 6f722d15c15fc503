//! `make bench-instances`: what many virtual routers cost. Two lvsd, then two keepalived, hold as
//! many instances with adverts each 100 ms while another core is busy; no backup may take over, and
//! lvsd may take no more time on a processor than keepalived.
//!
//! `LVSD_BENCH_INSTANCES` (default 255): how many instances. `LVSD_BENCH_SECONDS` (default 600): for
//! how long each pair is watched. `LVSD_BENCH_BUSY` (default 1): how many busy loops run beside it,
//! the first on the last core, the next on the one before, and so on around. A bar that is not
//! reached is said and is no error.

#[path = "../checkers/usage.rs"]
mod usage;

mod busy;
mod ear;
mod pair;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use integration::bars::{Bars, number};
use integration::kernel::require_namespaces;
use integration::router::Program;

use crate::busy::Busy;
use crate::pair::Watched;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-instances: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    require_namespaces()?;
    let instances = number("LVSD_BENCH_INSTANCES", 255)?;
    ensure!((1..=255).contains(&instances), "LVSD_BENCH_INSTANCES: a link has 1 to 255 VRIDs");
    let time = Duration::from_secs(number("LVSD_BENCH_SECONDS", 600)?.into());
    let busy = Busy::start(number("LVSD_BENCH_BUSY", 1)?)?;
    println!(
        "{instances} instances, adverts each {} ms, {} s for each pair; {busy}.\n",
        pair::INTERVAL.as_millis(),
        time.as_secs()
    );
    println!(
        "  {:<12}{:>10}{:>11}{:>11}{:>10}{:>13}{:>12}{:>13}",
        "pair of",
        "settled",
        "master CPU",
        "backup CPU",
        "adverts",
        "99 of 100 ms",
        "latest ms",
        "role changes"
    );
    let lvsd = Watched::pair_of(Program::Lvsd, instances, time)?;
    println!("{lvsd}");
    let keepalived = Watched::pair_of(Program::Keepalived, instances, time)?;
    println!("{keepalived}");
    let mut bars = Bars::default();
    bars.add("time on a processor, lvsd / keepalived", lvsd.cpu() / keepalived.cpu(), 1.0, "");
    bars.add("changes of role, lvsd", f64::from(lvsd.changes()), 0.0, "");
    println!("\n{bars}");
    Ok(())
}

//! `make bench-failover`: for how long a client is without the virtual address when something
//! happens to its holder. The same events are played on two lvsd, on two keepalived and on a mixed
//! pair.
//!
//! `LVS_BENCH_ROUNDS` says how often each event is played; the default is 20. A bar that is not
//! reached is said and is no error.

#[path = "../ipvs/figures.rs"]
mod figures;

mod event;

use std::process::ExitCode;

use anyhow::{Context, Result};
use integration::bars::number;
use integration::kernel::require_namespaces;

use crate::event::{Event, Pairing};
use crate::figures::Bars;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-failover: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    require_namespaces()?;
    let rounds = usize::try_from(number("LVS_BENCH_ROUNDS", 20)?)?;
    let mut bars = Bars::default();
    println!("The client's outage in ms, {rounds} rounds each: least, median, most.");
    for event in Event::ALL {
        println!("\n{event}");
        let mut all = Vec::new();
        for pairing in Pairing::ALL {
            let outages = event.play(pairing, rounds).with_context(|| pairing.to_string())?;
            println!(
                "  {:<32} {:>8.0} {:>8.0} {:>8.0}",
                pairing.to_string(),
                figures::milliseconds(outages.least()),
                figures::milliseconds(outages.median()),
                figures::milliseconds(outages.most()),
            );
            all.push(outages);
        }
        if let [lvsd, keepalived, _] = all.as_slice() {
            event.compare(lvsd, keepalived, &mut bars);
        }
    }
    println!("\n{bars}");
    Ok(())
}

//! `make bench-checkers`: what it costs to check thousands of real servers each second, beside
//! keepalived; how late the checks start, and whether VRRP notices.
//!
//! Each run has a director and a farm of its own: two network namespaces, and in the farm one nginx
//! that answers for all real servers and counts its connections. A bar that is not reached is said
//! and is no error.
//!
//! `LVSD_BENCH_SERVERS` (default 5000): how many real servers. `LVSD_BENCH_SECONDS` (default 20): how long
//! each measure takes.

mod adverts;
mod contender;
mod dead;
mod farm;
mod live;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use integration::bars::{Bars, number};
use integration::kernel::require_ipvs;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-checkers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    require_ipvs()?;
    let mut bars = Bars::default();
    live::measure(number("LVSD_BENCH_SERVERS", 5000)?, &mut bars)?;
    dead::measure(10_000, &mut bars)?;
    println!("\n{bars}");
    Ok(())
}

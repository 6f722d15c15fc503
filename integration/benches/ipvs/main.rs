//! `make bench-ipvs`: how fast a table comes into the kernel, who else can do it how fast, and
//! what it costs the daemon to keep it.
//!
//! Every measure runs in a network namespace of its own, several times; from round to round the
//! contenders take turns in who goes first. A bar that is not reached is said and is no error.

mod bare;
mod cold;
mod daemon;
mod director;
mod figures;
mod memory;
mod place;
mod reload;
mod shape;

use std::process::ExitCode;

use anyhow::Result;
use integration::kernel::require_ipvs;

use crate::figures::Bars;
use crate::shape::Shape;

/// How often each measure is repeated.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-ipvs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    require_ipvs()?;
    let mut bars = Bars::default();
    println!("Times are medians of {ROUNDS} runs; the least is beside them.");
    for shape in Shape::ALL {
        let whole = cold::measure(shape, &mut bars)?;
        reload::measure(shape, whole, &mut bars)?;
    }
    memory::measure(Shape::ALL[0], &mut bars)?;
    println!("\n{bars}");
    Ok(())
}

//! Real servers that answer.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use integration::Host;
use integration::bars::Bars;
use integration::wait::wait_until;

use crate::adverts::Ear;
use crate::contender::{Contender, Kind};
use crate::farm::Farm;
use crate::usage::Processes;
use integration::bars::number;

/// Until all servers are checked in their rhythm: first runs are over by then.
const SETTLING: Duration = Duration::from_secs(5);
/// Nothing takes as long to begin.
const BEGIN: Duration = Duration::from_secs(120);

/// What one contender took.
struct Figures {
    per_second: f64,
    /// Of which so much in user space, so much in the kernel.
    cpu_per_check: Duration,
    parts: [Duration; 2],
    cpu: f64,
    resident: f64,
    lateness: Option<Lateness>,
}

/// What lvsd says of its checks.
struct Lateness {
    median: Duration,
    p99: Duration,
    advert: Duration,
}

/// Prints a table for each kind.
pub(crate) fn measure(servers: u32, bars: &mut Bars) -> Result<()> {
    for kind in [Kind::Tcp, Kind::Http] {
        println!("\n{servers} {kind} checks per second wanted");
        println!(
            "  {:<12} {:>10} {:>14} {:>20} {:>8} {:>14} {:>12} {:>12} {:>14}",
            "",
            "checks/s",
            "CPU per check",
            "= user + kernel",
            "CPU",
            "resident",
            "late median",
            "late p99",
            "latest advert"
        );
        let lvsd = figures("lvsd", kind, servers, Contender::lvsd)?;
        let keepalived = figures("keepalived", kind, servers, Contender::keepalived)?;
        let ratio = lvsd.cpu_per_check.as_secs_f64() / keepalived.cpu_per_check.as_secs_f64();
        bars.add(&format!("{kind}: CPU time per check / keepalived's"), ratio, 1.0, "");
        let ratio = lvsd.resident / keepalived.resident;
        bars.add(&format!("{kind}: resident memory / keepalived's"), ratio, 1.5, "");
        if let Some(lateness) = lvsd.lateness {
            let p99 = lateness.p99.as_secs_f64() * 100.0;
            bars.add(&format!("{kind}: p99 of lateness, of the interval"), p99, 10.0, " %");
            let advert = lateness.advert.as_secs_f64() * 1000.0;
            bars.add(&format!("{kind}: the latest advert"), advert, 20.0, " ms");
        }
    }
    Ok(())
}

fn figures(
    name: &str,
    kind: Kind,
    servers: u32,
    start: fn(&Host, Kind, u32) -> Result<Contender>,
) -> Result<Figures> {
    let farm = Farm::new()?;
    let contender = start(&farm.director, kind, servers)?;
    let mut asked = 0;
    let mut accepted = || {
        asked += 1;
        farm.accepted(asked)
    };
    wait_until("checks of all servers", BEGIN, || Ok(accepted()? > u64::from(servers)))?;
    thread::sleep(SETTLING);

    let ear = match &contender {
        Contender::Lvsd(_) => Some(Ear::on(&farm.servers)?),
        Contender::Keepalived(_) => None,
    };
    let processes = Processes::of(&farm.director)?;
    let (count, before, since) = (accepted()?, processes.times()?, Instant::now());
    thread::sleep(Duration::from_secs(number("LVSD_BENCH_SECONDS", 20)?.into()));
    let (count, after, time) = (accepted()? - count, processes.times()?, since.elapsed());
    let resident = processes.resident()?;
    let latest = ear.map(|ear| ear.latest()).transpose()?;
    let lateness = match (&contender, latest) {
        (Contender::Lvsd(lvsd), Some((advert, _))) => {
            let status = lvsd.status()?;
            let micros = |name: &str| {
                let value = status.pointer(&format!("/checks/{name}_microseconds"));
                let micros = value.and_then(serde_json::Value::as_u64);
                micros.map(Duration::from_micros).context("no lateness in the status")
            };
            Some(Lateness { median: micros("late_median")?, p99: micros("late_p99")?, advert })
        }
        _ => None,
    };
    let checks = u32::try_from(count)?.max(1);
    let spent = [after[0] - before[0], after[1] - before[1]];
    let cpu: Duration = spent.iter().sum();
    let figures = Figures {
        per_second: f64::from(checks) / time.as_secs_f64(),
        cpu_per_check: cpu / checks,
        parts: spent.map(|part| part / checks),
        cpu: cpu.as_secs_f64() / time.as_secs_f64() * 100.0,
        resident,
        lateness,
    };
    figures.print(name);
    Ok(figures)
}

impl Figures {
    fn print(&self, name: &str) {
        let late = self.lateness.as_ref().map_or_else(String::new, |lateness| {
            format!("{:>12.1?} {:>12.1?} {:>14.1?}", lateness.median, lateness.p99, lateness.advert)
        });
        println!(
            "  {name:<12} {:>10.0} {:>14.1?} {:>20} {:>6.0} % {:>10.1} MiB {late}",
            self.per_second,
            self.cpu_per_check,
            format!("{:.1?} + {:.1?}", self.parts[0], self.parts[1]),
            self.cpu,
            self.resident
        );
    }
}

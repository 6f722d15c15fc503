//! A pair of routers with many instances, watched for a while.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration::addresses::DIRECTORS;
use integration::router::{Definition, Pair, Program, Router};

use crate::ear::{Ear, Heard};
use crate::usage::Processes;

/// From one advert of an instance to its next one.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// So long everything has been as it should be before it counts.
const CALM: Duration = Duration::from_secs(3);

/// So long a pair may take until then: hundreds of instances at once are much to start with.
const DEADLINE: Duration = Duration::from_secs(180);

/// What was seen of one pair.
pub(crate) struct Watched {
    program: Program,
    time: Duration,
    /// From the start of the first router until all was as it should be.
    settled: Duration,
    /// Of all processes of the master and of the backup.
    cpu: [Duration; 2],
    heard: Heard,
}

impl Watched {
    /// Starts a pair, and watches it so long.
    pub(crate) fn pair_of(program: Program, instances: u32, time: Duration) -> Result<Self> {
        Self::watch(program, instances, time).with_context(|| format!("a pair of {program}"))
    }

    fn watch(program: Program, instances: u32, time: Duration) -> Result<Self> {
        let pair = Pair::new()?;
        let [master, backup] = &pair.hosts;
        let start = Instant::now();
        let _master = Router::start(program, master, &definitions(150, instances)?)?;
        wait_calm(&pair, instances)?;
        let _backup = Router::start(program, backup, &definitions(100, instances)?)?;
        wait_calm(&pair, instances)?;
        let settled = start.elapsed().saturating_sub(CALM * 2);
        let processes = [Processes::of(master)?, Processes::of(backup)?];
        let ear = Ear::on(&pair.client)?;
        let (start, before) = (Instant::now(), cpu(&processes)?);
        thread::sleep(time);
        let (time, after) = (start.elapsed(), cpu(&processes)?);
        let heard = ear.stop()?;
        ensure!(
            heard.instances_of(DIRECTORS[0]) == usize::try_from(instances)?,
            "not every instance was heard of its master"
        );
        let cpu = [after[0] - before[0], after[1] - before[1]];
        Ok(Self { program, time, settled, cpu, heard })
    }

    /// The share of one core that both took, in percent.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.iter().map(|&one| self.percent(one)).sum()
    }

    /// Adverts of the backup, and farewells: each tells of a change of role that should not be.
    pub(crate) fn changes(&self) -> u32 {
        let others = self.heard.adverts.iter().filter(|(sender, _)| **sender != DIRECTORS[0]);
        others.map(|(_, count)| count).sum::<u32>() + self.heard.farewells
    }

    fn percent(&self, cpu: Duration) -> f64 {
        100.0 * cpu.as_secs_f64() / self.time.as_secs_f64()
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut late: Vec<_> = self.heard.gaps.iter().map(|g| g.saturating_sub(INTERVAL)).collect();
        late.sort_unstable();
        let of_hundred = late.get(late.len() * 99 / 100).copied().unwrap_or_default();
        let latest = late.last().copied().unwrap_or_default();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "  {:<12}{:>9.1}s{:>10.2}%{:>10.2}%{:>10}{:>13.2}{:>12.2}{:>13}",
            self.program.to_string(),
            self.settled.as_secs_f64(),
            self.percent(self.cpu[0]),
            self.percent(self.cpu[1]),
            self.heard.adverts.values().sum::<u32>(),
            milliseconds(of_hundred),
            milliseconds(latest),
            self.changes(),
        )
    }
}

fn definitions(priority: u8, instances: u32) -> Result<Vec<Definition>> {
    let one = |number| -> Result<Definition> {
        let vrid = u8::try_from(number)?;
        let address = IpAddr::from(Ipv4Addr::new(10, 78, 0, vrid));
        let mut one = Definition::new(priority, address);
        (one.name, one.vrid, one.interval) = (format!("VI_{vrid}"), vrid, INTERVAL);
        Ok(one)
    };
    (1..=instances).map(one).collect()
}

/// Waits until the first host alone has sent the adverts of all instances for a while.
fn wait_calm(pair: &Pair, instances: u32) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let ear = Ear::on(&pair.client)?;
        thread::sleep(CALM);
        let heard = ear.stop()?;
        let masters = heard.instances_of(DIRECTORS[0]);
        if masters == usize::try_from(instances)? && heard.adverts.len() == 1 {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "no calm: adverts of {masters} instances, and {:?} in {CALM:?}",
            heard.adverts
        );
    }
}

fn cpu(processes: &[Processes; 2]) -> Result<[Duration; 2]> {
    Ok([processes[0].cpu()?, processes[1].cpu()?])
}

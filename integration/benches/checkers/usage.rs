//! What processes take.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::Host;
use nix::unistd::{Pid, SysconfVar, sysconf};

/// The processes of one program.
#[derive(Debug)]
pub(crate) struct Processes(Vec<Pid>);

impl Processes {
    /// All that run on `host`.
    pub(crate) fn of(host: &Host) -> Result<Self> {
        let found: Vec<Pid> = host.namespace().processes()?.into_iter().map(|(id, _)| id).collect();
        ensure!(!found.is_empty(), "no process runs on {}", host.name());
        Ok(Self(found))
    }

    /// Time on a processor, in user space and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(self.times()?.iter().sum())
    }

    /// Time on a processor: in user space, in the kernel.
    pub(crate) fn times(&self) -> Result<[Duration; 2]> {
        let per_second = u32::try_from(sysconf(SysconfVar::CLK_TCK)?.context("no clock ticks")?)?;
        let mut ticks = [0; 2];
        for process in &self.0 {
            let text = fs::read_to_string(format!("/proc/{process}/stat"))
                .context("a process has ended")?;
            // The second field, the name, may hold anything; after its bracket comes the third.
            let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
            let times = fields.context("/proc/PID/stat")?.skip(11).take(2);
            for (sum, time) in ticks.iter_mut().zip(times) {
                *sum += time.parse::<u32>().context("/proc/PID/stat")?;
            }
        }
        Ok(ticks.map(|ticks| Duration::from_secs(1) * ticks / per_second))
    }

    /// Resident memory in MiB.
    #[allow(dead_code, reason = "not every benchmark asks")]
    pub(crate) fn resident(&self) -> Result<f64> {
        let mut all = 0.0;
        for process in &self.0 {
            let text = fs::read_to_string(format!("/proc/{process}/status"))
                .context("a process has ended")?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib: f64 = line
                .and_then(|line| line.split_whitespace().next())
                .context("no VmRSS")?
                .parse()?;
            all += kib / 1024.0;
        }
        Ok(all)
    }
}

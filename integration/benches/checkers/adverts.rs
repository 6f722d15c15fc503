//! The adverts of lvsd's VRRP instance, as the farm's kernel dates them.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::{Host, Process, paths};

/// From one advert to the next.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// Hears adverts until it is dropped.
pub(crate) struct Ear(Process);

impl Ear {
    pub(crate) fn on(host: &Host) -> Result<Self> {
        let mut command: Command = paths::tool("tcpdump")?;
        command.args(["-i", "eth0", "-n", "-tt", "-l", "-Z", "root", "ip proto 112"]);
        Ok(Self(host.spawn("adverts", command)?))
    }

    /// How late the latest advert was, and how many there were.
    pub(crate) fn latest(&self) -> Result<(Duration, usize)> {
        let log = self.0.log();
        let moments: Vec<f64> = log
            .lines()
            .filter(|line| line.contains("VRRP"))
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        ensure!(moments.len() > 10, "hardly an advert was heard:\n{log}");
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.fold(0.0, f64::max);
        let late = Duration::try_from_secs_f64(longest).context("the clock was set")?;
        Ok((late.saturating_sub(INTERVAL), moments.len()))
    }
}

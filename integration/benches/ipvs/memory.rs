//! What the daemon takes.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::paths;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::Daemon;
use crate::figures::Bars;
use crate::place;
use crate::shape::Shape;

/// Resident memory at most, in MiB.
const BAR: f64 = 24.0;

/// Longer than the daemon's `resync_interval`.
const COMPARED: Duration = Duration::from_secs(5);

/// Prints a table.
pub(crate) fn measure(shape: Shape, bars: &mut Bars) -> Result<()> {
    println!("\nResident memory of `lvsd run` with {shape}, no checks, in MiB");
    place::fresh(|| {
        let (daemon, _) = Daemon::start(shape)?;
        let mut all = Vec::new();
        let mut note = |what: &str| -> Result<()> {
            let now = resident(&daemon, "VmRSS")?;
            println!("  {what:<46} {now:>7.1}  (peak {:.1})", resident(&daemon, "VmHWM")?);
            all.push(now);
            Ok(())
        };
        daemon.wait_log(&shape.last_service().to_string())?;
        note("the table stands")?;
        thread::sleep(COMPARED);
        note("compared with the kernel's table")?;
        kill(Pid::from_raw(i32::try_from(daemon.id())?), Signal::SIGHUP)?;
        daemon.wait_log("is valid")?;
        thread::sleep(COMPARED);
        note("reloaded")?;
        let mut command = Command::new(paths::program("lvsctl")?);
        command.env("LVSD_SOCKET", daemon.path("lvsd.sock")).args(["status", "--json"]);
        let status = command.stdout(Stdio::null()).status().context("starting lvsctl")?;
        ensure!(status.success(), "lvsctl status failed");
        note("status asked")?;
        bars.add("resident memory, the table stands", all[0], BAR, " MiB");
        let most = all.into_iter().fold(0.0, f64::max);
        bars.add("resident memory, the most of the above", most, BAR, " MiB");
        Ok(())
    })
}

/// A line of `/proc/PID/status`, in MiB.
fn resident(daemon: &Daemon, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.id()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("no {name} of lvsd"))?
        .parse()?;
    Ok(kib / 1024.0)
}

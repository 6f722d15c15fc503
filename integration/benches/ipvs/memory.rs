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
    println!("\nResident memory of `lvsd run` with {shape}, no checks, in MiB (guard + worker)");
    place::fresh(|| {
        let (daemon, _) = Daemon::start(shape)?;
        let mut all = Vec::new();
        let mut note = |what: &str| -> Result<()> {
            let processes = processes(daemon.id())?;
            let each = processes.iter().map(|&id| resident(id)).collect::<Result<Vec<f64>>>()?;
            let sum: f64 = each.iter().sum();
            let each: Vec<String> = each.iter().map(|one| format!("{one:.1}")).collect();
            println!("  {what:<46} {sum:>7.1}  ({})", each.join(" + "));
            all.push(sum);
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

/// The guard, and the worker that it has started.
fn processes(guard: u32) -> Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{guard}/task/{guard}/children"))?;
    let workers = children.split_whitespace().map(str::parse);
    let workers: Vec<u32> = workers.collect::<Result<_, _>>()?;
    ensure!(workers.len() == 1, "lvsd runs as {} workers", workers.len());
    Ok([vec![guard], workers].concat())
}

/// `VmRSS` of a process in MiB. What two processes share counts for both.
fn resident(id: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("no VmRSS of process {id}"))?
        .parse()?;
    Ok(kib / 1024.0)
}

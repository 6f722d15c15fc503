//! keepalived on a host.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::wait::FAR;

/// A running keepalived: its VRRP part alone. Killed when dropped.
#[derive(Debug)]
pub struct Keepalived {
    host: Host,
    process: Process,
}

impl Keepalived {
    /// Starts keepalived on `host` with this configuration and waits until it has read it.
    ///
    /// # Errors
    /// When it is not there, or refuses the configuration: its log goes with the error.
    pub fn start(host: &Host, text: &str) -> Result<Self> {
        let path = configuration(host);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Self::start_again(host)
    }

    /// Starts keepalived on `host` with the configuration that it had before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(host: &Host) -> Result<Self> {
        let file = |name: &str| host.folder().join(name);
        // What an earlier one left says nothing about this one: its log, and the process ids with
        // which a killed one looks alive.
        for name in ["keepalived.log", "keepalived.pid", "keepalived-vrrp.pid"] {
            match fs::remove_file(file(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("removing {name}"));
                }
                _ => {}
            }
        }
        let mut command = paths::tool("keepalived")?;
        command
            .args(["--dont-fork", "--log-console", "--no-syslog", "--log-detail", "--vrrp"])
            .arg("--use-file")
            .arg(configuration(host))
            .arg("--pid")
            .arg(file("keepalived.pid"))
            .arg("--vrrp_pid")
            .arg(file("keepalived-vrrp.pid"));
        let process = host.spawn("keepalived", command)?;
        let mut keepalived = Self { host: host.clone(), process };
        let started = keepalived.process.wait_log("Entering BACKUP STATE", FAR);
        started.with_context(|| keepalived.process.log())?;
        Ok(keepalived)
    }

    /// Where it runs.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The process, for its log and its signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The process that speaks VRRP, a child of the one that was started.
    ///
    /// # Errors
    /// When it is not there.
    pub fn worker(&self) -> Result<Pid> {
        let path = self.host.folder().join("keepalived-vrrp.pid");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Pid::from_raw(text.trim().parse().context("keepalived's process id")?))
    }

    /// Stops it with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop(FAR).map(drop)
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // The parent first: it would start a killed child anew.
        drop(self.process.kill());
        if let Ok(worker) = self.worker() {
            let _ = kill(worker, Signal::SIGKILL);
        }
    }
}

fn configuration(host: &Host) -> PathBuf {
    host.folder().join("keepalived.conf")
}

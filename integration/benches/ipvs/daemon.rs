//! Whole processes: lvsd and ipvsadm.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration::paths;
use integration::wait::{FAR, wait_until};
use ipvs::Client;

use crate::shape::Shape;

/// How often the kernel is asked whether the table stands. What it is asked costs far less.
const LOOK: Duration = Duration::from_millis(1);

/// Runs `ipvsadm -R` on the shape's rules; how long it took.
pub(crate) fn restore(shape: Shape) -> Result<Duration> {
    let mut rules = tempfile::tempfile().context("making a file of rules")?;
    std::io::Write::write_all(&mut rules, shape.rules().as_bytes())?;
    std::io::Seek::rewind(&mut rules)?;
    let start = Instant::now();
    let status = Command::new("ipvsadm").arg("-R").stdin(rules).status();
    ensure!(status.context("starting ipvsadm")?.success(), "ipvsadm -R failed");
    Ok(start.elapsed())
}

/// Runs `ipvsadm -Ln`; how long it took.
pub(crate) fn list() -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new("ipvsadm").arg("-Ln").stdout(Stdio::null()).status();
    ensure!(status.context("starting ipvsadm")?.success(), "ipvsadm -Ln failed");
    Ok(start.elapsed())
}

/// A running lvsd with its files. Killed when dropped.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    process: Child,
}

impl Daemon {
    /// Starts lvsd in the calling thread's network namespace, waits until the table stands, and
    /// tells how long that took.
    pub(crate) fn start(shape: Shape) -> Result<(Self, Duration)> {
        let folder = tempfile::tempdir().context("making lvsd's folder")?;
        let path = |name: &str| folder.path().join(name);
        let toml = format!(
            "[global]\ncontrol_socket = \"{}\"\nstate_dir = \"{}\"\nrouter_id = \"bench\"\n\
             [ipvs]\nresync_interval = \"2s\"\n\n{}",
            path("lvsd.sock").display(),
            path("state").display(),
            shape.toml(1)
        );
        fs::write(path("lvsd.toml"), toml).context("writing lvsd.toml")?;
        let log = File::create(path("log")).context("making lvsd's log")?;
        let mut command = Command::new(paths::program("lvsd")?);
        command.args(["run", "--config"]).arg(path("lvsd.toml")).stdin(Stdio::null()).stderr(log);
        let mut client = Client::open()?;

        let start = Instant::now();
        let process = command.spawn().context("starting lvsd")?;
        let daemon = Self { folder, process };
        let last = shape.last_service();
        while client.destinations(&last)?.len() < shape.destinations() {
            ensure!(start.elapsed() < FAR, "the table does not stand:\n{}", daemon.log());
            thread::sleep(LOOK);
        }
        Ok((daemon, start.elapsed()))
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until `text` is in the log.
    pub(crate) fn wait_log(&self, text: &str) -> Result<()> {
        let found = wait_until(text, FAR, || Ok(self.log().contains(text)));
        found.map(|_| ()).with_context(|| format!("lvsd's log:\n{}", self.log()))
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
